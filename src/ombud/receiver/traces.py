"""Where runs have failed: the traceback of each run's last failure, kept as long as what has failed is."""

from dataclasses import replace

from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.mailbox.ids import first_id_of
from ombud.mailbox.mailbox import DAY_MICROSECONDS, Mailbox
from ombud.mailbox.model import Dead, Delivery, Outcome, Retry
from ombud.mailbox.settle import storable

sql = read_queries("ombud.receiver")

# Old rows that go with each new one.
MOST_FORGOTTEN = 10


def with_trace(outcome: Outcome, delivery: Delivery, changes: Mailbox) -> Outcome:
    """Return an outcome that keeps its traceback when it is settled, if it has one."""
    if not isinstance(outcome, Retry | Dead) or outcome.trace is None:
        return outcome
    trace = outcome.trace
    return replace(outcome, also=lambda: _keep(delivery, trace, changes))


def _keep(delivery: Delivery, trace: str, changes: Mailbox) -> Operation[None]:
    now, kept = changes.clock(), changes.policy.ages.failed_days * DAY_MICROSECONDS
    # A reason is cut at its end, a traceback was at its beginning.
    text = "".join(storable(line) for line in trace.splitlines(keepends=True))
    yield sql["put_trace"], {"event_id": delivery.event_id, "lane_id": delivery.lane_id, "at": now, "text": text}
    yield sql["forget_traces"], {"before": first_id_of(now - kept), "most": MOST_FORGOTTEN}
