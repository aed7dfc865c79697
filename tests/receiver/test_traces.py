"""Where a run has failed: its last traceback is kept with it, also from a child process, and goes when the run does."""

from functools import partial

from ombud.admin.access import OPERATOR
from ombud.admin.inbox_search import NEWEST, Sought
from ombud.admin.runs import get_run, list_runs
from ombud.client import Order
from ombud.db.migrate import migrate
from ombud.mailbox.ids import parse_id
from ombud.mailbox.model import Dead, Retry
from ombud.receiver.child import _plain
from ombud.receiver.children import _outcome
from ombud.receiver.execute import TRACE_CHARACTERS
from tests.receiver.store import Store
from tests.receiver.world import Desk


async def test_the_last_traceback_is_kept_with_what_was_given_up(desk: Desk, store: Store) -> None:
    tries: list[int] = []

    @desk.inbox.on("order.new", retry_seconds=(0.01,))
    async def ship(order: Order) -> None:
        tries.append(len(order.id))
        raise ValueError(f"no paper, try {len(tries)}\0")

    old = "insert into trace values (1, 1, 1, 'old')"
    desk.write(old)
    async with desk.at_work():
        await desk.tell("order.new", store.pay())
    migrate(desk.receiver.database, ["ombud.admin"])
    database = desk.receiver.database
    [run], _ = database.read(partial(list_runs, NEWEST, 5, Sought()))
    assert (run["state"], len(tries)) == ("dead", 2)
    digits = run["id"].removeprefix("dlv_")
    key = [parse_id("dlv", f"dlv_{part}") for part in (digits[:13], digits[13:])]
    trace = database.read(partial(get_run, OPERATOR, *key))["traceback"]
    assert trace.startswith("Traceback (most recent call last):")
    assert 'raise ValueError(f"no paper, try' in trace
    assert "ValueError: no paper, try 2\N{REPLACEMENT CHARACTER}" in trace
    assert len(trace) <= TRACE_CHARACTERS
    assert [row["text"] for row in desk.rows("select text from trace")] == [trace]


def test_a_child_says_where_it_failed() -> None:
    for outcome in (Retry("KeyError: 'x'", trace="Traceback\n  in ship\n"), Dead("no")):
        assert _outcome(_plain(outcome)) == outcome
