"""Handlers that hang, exit, die and devour memory beside one that works: from the webhook on, nobody else notices."""

from pathlib import Path

import pytest

from ombud.receiver.children import ChildRunner
from tests.receiver.reports import Reports
from tests.receiver.store import Store
from tests.receiver.world import Desk, settings_for

APP = "tests.receiver.unruly:inbox"
# What becomes of a run of each, tried once, that is no success.
FAILS = {
    "raises": "ValueError: ",
    "spins": "The handler took longer than 0.5 seconds and was killed.",
    "burns": "The handler took longer than 0.5 seconds and was killed.",
    "sleeps": "The handler took longer than 0.5 seconds and was killed.",
    "waits": "The handler took longer than 0.5 seconds.",
    "exits": "The handler's process ended in the middle of the run (exit code 3).",
    "dies": "The handler's process ended in the middle of the run (exit code -9).",
    "bellows": "BaseExceptionGroup: ",
    "devours_new": "MemoryError: ",
}


async def test_none_harms_another(
    tmp_path: Path, store: Store, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(tmp_path, store, perform="elsewhere", retry_seconds=())
    for name, value in (reports.environment | {"OMBUD_DATABASE_URL": settings.database_url}).items():
        monkeypatch.setenv(name, value)
    from tests.receiver.unruly import inbox

    desk = Desk(settings)
    desk.inbox.include(inbox)
    runner = ChildRunner(APP, {handler.name: handler.facts for handler in inbox.handlers.values()})
    monkeypatch.setattr(desk, "runner", lambda: runner)
    orders = [store.pay() for _ in range(2)]
    async with desk.at_work():
        for order_id in orders:
            await desk.hear("order.new", order_id)
        await desk.until(lambda: [run["state"] for run in desk.runs("works")] == ["done"] * 2)
        await desk.settled()
    await runner.close()
    for name, reason in FAILS.items():
        for run in desk.runs(name):
            assert run["state"] == "dead", name
            assert run["reason"].startswith(reason) or "another run of this handler" in run["reason"], name
    assert len(desk.runs("works")) == 2
    assert sorted(one["order"] for one in reports.wait("works", 2)) == sorted(orders)
    # Who wanted to hear of them did, in the processes of the dead.
    assert set(FAILS) <= {one["whose"] for one in reports.wait("mourns", len(FAILS) * 2)}
    desk.inbox.close()
