"""Ends what waits for endpoints that were deleted or switched off, in lanes that are held: paused, or asked to wait.

Elsewhere whoever looks into the lane next does so. Into these nobody looks, for hours or for ever.
"""

from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.mailbox.load import Wanted, load
from ombud.mailbox.mailbox import Mailbox

sql = read_queries("ombud.sender")

# Microseconds since an endpoint was deleted or switched off, after which no try that began before is under way.
TRIES_OVER = 300_000_000
# Lanes of which one step ends a thousand deliveries each (load.SKIP_ROWS): its commit stays short.
STEP_LANES = 4


def end_held(mailbox: Mailbox) -> Operation[bool]:
    """End some; returns whether there may be more now."""
    rows = yield sql["held_for_nobody"], {"box": mailbox.box, "tries_over": TRIES_OVER, "rows": STEP_LANES}
    # Loaded for an endpoint that is not there, all is skipped. Nothing is started of what another one has been since.
    yield from load(mailbox, [Wanted(row["id"]) for row in rows])
    return bool(rows)
