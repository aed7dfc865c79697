"""`docs/verdicts.md`, written from the table: python -m tests.support.verdicts_page > docs/verdicts.md"""

import sys
from collections import defaultdict

from ombud.sender.verdict import TABLE, Failure, Row

# What the words of a row stand for on the page.
SAMPLE = defaultdict(
    lambda: "…",
    host="shop.example",
    port=8443,
    address="192.0.2.7",
    place="shop.example is at 10.0.0.7,",
)

HEAD = """# Verdicts: what came of an attempt, and what follows

Each attempt ends with one row of this table, which is that of `sender/verdict.py` (a test compares them). A merchant
reads the words and the fix beside the attempt.

*Counts against the endpoint*: the endpoint as a whole is in trouble. Such failures in a row, over several orders or
products, close it: it is only probed until it answers. *Against the delivery*: the endpoint works, but refuses this
event.

## Answers

A status is looked up by itself, else by its class. It decides at the end of the headers, within the time of the attempt
(`OMBUD_TIMEOUT_SECONDS`, 10, for name, connection, TLS and answer together); up to 64 KiB of body are read and thrown
away. Statuses of 1xx are passed over; 101 and below 100 are no HTTP/1.1.

"""

FAILURES = """
## No answer

An address that may not be reached is an attempt too: it is recorded, says why, and is tried again, because names move.

"""

TAIL = """
`Retry-After` may be seconds or a date. It makes a pause longer, never shorter; what is neither is passed over.
`…` stands for what the other side or the system said.
"""


def page() -> str:
    """Return the whole page."""
    statuses = {key: row for key, row in TABLE.items() if key not in set(Failure)}
    failures = {key: row for key, row in TABLE.items() if key in set(Failure)}
    return HEAD + _table("answer", statuses) + FAILURES + _table("what", failures) + TAIL


def _table(title: str, rows: dict[str, Row]) -> str:
    lines = [f"| {title} | words | fix | counts against | tried again |", "|---|---|---|---|---|"]
    lines += [f"| {key} | {_cells(row)} |" for key, row in rows.items()]
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> str:
    against = {"lane": "the endpoint", "delivery": "the delivery", None: "nobody"}[row.against]
    cells = [row.words.format_map(SAMPLE), row.fix.format_map(SAMPLE), against, row.again]
    return " | ".join(cell.replace("|", "\\|") for cell in cells)


if __name__ == "__main__":
    sys.stdout.write(page())
