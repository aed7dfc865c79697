"""How often Python looks for garbage in cycles, in the processes that are Ombud's own."""

import gc

# Allocations between two looks at young objects, and how many such looks make one at older ones. Deliveries in flight
# are thousands of objects without a cycle: with Python's own 700, looking at them in vain took a seventh of the time of
# a busy sender (`python -m bench.mailbox --only sparse`).
YOUNG = 50_000
OLDER = 20


def collect_rarely() -> None:
    """Look seldom, and never again at what is there already: modules, classes, settings."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, OLDER, OLDER)
