"""Handlers in processes of their own: whatever one does, its run ends, and the next one has a process again."""

import asyncio
import json
import os
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ombud.mailbox.model import Dead, Done, Fault, Interrupted, Outcome, Retry
from ombud.receiver import children
from ombud.receiver.child import NICENESS
from ombud.receiver.children import ChildRunner
from ombud.receiver.model import Call
from ombud.receiver.options import HandlerFacts
from tests.receiver.reports import Reports, wait_for_end
from tests.support.processes import PATIENCE_SECONDS

APP = "tests.receiver.unruly:inbox"


@pytest.fixture
def target(tmp_path: Path, reports: Reports, monkeypatch: pytest.MonkeyPatch) -> str:
    environment = reports.environment | {"OMBUD_DATABASE_URL": f"sqlite:///{tmp_path / 'inbox.db'}"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return APP


@pytest.fixture
async def runner(target: str) -> AsyncIterator[ChildRunner]:
    from tests.receiver.unruly import inbox

    made = ChildRunner(target, {handler.name: handler.facts for handler in inbox.handlers.values()})
    yield made
    await made.close()


def call_of(handler: str, order_id: str = "1", **changes: Any) -> Call:
    values: dict[str, Any] = {
        "handler": handler,
        "event_type": "order.new",
        "subject": f"order/{order_id}",
        "shop": "north",
        "key": "k",
        "attempt": 1,
        "source": "webhook",
        "received_at": 0,
        "before": None,
        "after": {"order_id": order_id, "status": "1"},
    }
    return Call(**values | changes)


TOO_LONG = Retry("The handler took longer than 0.5 seconds and was killed.", fault=Fault.LANE)
CUT = Retry("The handler took longer than 0.5 seconds.", fault=Fault.LANE)


ENDS: dict[str, Outcome] = {
    "works": Done(),
    "raises": Retry("ValueError: 1"),
    "spins": TOO_LONG,
    "burns": TOO_LONG,
    "sleeps": TOO_LONG,
    "exits": Retry("The handler's process ended in the middle of the run (exit code 3).", fault=Fault.LANE),
    "dies": Retry("The handler's process ended in the middle of the run (exit code -9).", fault=Fault.LANE),
}
# Whose process does not survive the run.
FATAL = {"spins", "burns", "sleeps", "exits", "dies"}


async def test_every_run_ends_and_the_next_one_has_a_process(runner: ChildRunner, reports: Reports) -> None:
    for _ in range(2):
        outcomes = await asyncio.gather(*(runner.run(call_of(handler)) for handler in ENDS))
        assert dict(zip(ENDS, outcomes, strict=True)) == ENDS
    for handler in ENDS:
        first, second = (one["pid"] for one in reports.wait(handler, 2))
        assert (first != second) == (handler in FATAL), handler
        if handler in FATAL:
            wait_for_end(first)


async def test_a_run_that_can_be_cut_leaves_its_process_alone(
    runner: ChildRunner, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "GRACE_SECONDS", PATIENCE_SECONDS)
    assert [await runner.run(call_of("waits")) for _ in range(2)] == [CUT, CUT]
    first, second = (one["pid"] for one in reports.wait("waits", 2))
    assert first == second


async def test_a_run_with_others_in_its_process_is_not_blamed_for_them(
    runner: ChildRunner, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by the one that takes too long, nor by a reset of the connection with calls still in it."""
    monkeypatch.setattr(children, "GRACE_SECONDS", 0.1)
    first = asyncio.ensure_future(runner.run(call_of("spins", "1")))
    await asyncio.to_thread(reports.wait, "spins")
    second = asyncio.ensure_future(runner.run(call_of("spins", "2")))
    assert await first == TOO_LONG
    assert await second == Interrupted("interrupted: another run of this handler took too long")
    many = [asyncio.ensure_future(runner.run(call_of("exits", str(number)))) for number in range(20)]
    async with asyncio.timeout(PATIENCE_SECONDS):
        outcomes = await asyncio.gather(*many)
    assert {type(outcome) for outcome in outcomes} == {Retry}


APP_TEXT = """
import pathlib, sys, time
from ombud.receiver.inbox import Inbox
from ombud.settings import Settings
inbox = Inbox(Settings())
{body}
"""


def write_app(folder: Path, body: str) -> None:
    (folder / "written_app.py").write_text(APP_TEXT.format(body=textwrap.dedent(body)))


def runner_of(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str, timeout_seconds: float = 0.2) -> ChildRunner:
    write_app(folder, body)
    monkeypatch.chdir(folder)
    return ChildRunner("written_app:inbox", {"h": HandlerFacts("h", ["order.new"], timeout_seconds)})


async def test_the_time_that_an_app_takes_to_import_is_not_the_handlers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "GRACE_SECONDS", 0.2)
    runner = runner_of(tmp_path, monkeypatch, "time.sleep(0.6)\ninbox.on('order.new', name='h')(lambda: None)")
    assert await runner.run(call_of("h")) == Done()
    await runner.close()


@pytest.mark.parametrize("body", ["raise ValueError('broken')", "sys.exit(0)", "pass", "import nowhere", "def"])
async def test_an_app_that_cannot_be_imported_any_more_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    runner = runner_of(tmp_path, monkeypatch, body)
    failed = Retry("The handler's process could not import the app (exit code 1).", fault=Fault.LANE)
    assert await runner.run(call_of("h")) == failed
    write_app(tmp_path, "inbox.on('order.new', name='h')(lambda: None)")
    assert await runner.run(call_of("h")) == Done()
    await runner.close()


async def test_an_import_that_never_ends_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "IMPORT_SECONDS", 0.3)
    runner = runner_of(tmp_path, monkeypatch, "time.sleep(3600)")
    failed = Retry("The handler's process could not import the app (exit code -9).", fault=Fault.LANE)
    assert await runner.run(call_of("h")) == failed
    await runner.close()


async def test_a_process_that_cannot_be_started_is_tried_again(
    runner: ChildRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sys.executable
    monkeypatch.setattr("ombud.receiver.children.sys.executable", "/nowhere/python")
    assert await runner.run(call_of("works")) == Retry(
        "The handler's process could not be started (exit code None).", fault=Fault.LANE
    )
    monkeypatch.setattr("ombud.receiver.children.sys.executable", real)
    assert await runner.run(call_of("works")) == Done()


async def test_closing_ends_a_process_that_never_would(runner: ChildRunner, reports: Reports) -> None:
    running = asyncio.ensure_future(runner.run(call_of("spins_for_long", event_type="order.done")))
    [heard] = await asyncio.to_thread(reports.wait, "spins_for_long")
    await runner.close()
    wait_for_end(heard["pid"])
    wait_for_end(heard["child"])
    assert isinstance(await running, Retry)


async def test_one_that_is_too_large_is_given_up_with_its_size(
    runner: ChildRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "LINE_BYTES", 1_000)
    outcome = await runner.run(call_of("works", after={"order_id": "1", "status": "1", "notes": "x" * 1_000}))
    assert isinstance(outcome, Dead)
    assert outcome.reason.endswith("a handler's process takes 1,000.")


async def test_a_large_document_travels(runner: ChildRunner) -> None:
    after = {"order_id": "1", "status": "1", "notes": "x" * 5_000_000}
    assert await runner.run(call_of("works", after=after)) == Done()


FULL = Retry("MemoryError: ")


async def test_a_handler_that_eats_memory_is_stopped_at_its_limit(runner: ChildRunner, reports: Reports) -> None:
    """And its next run has a process with nothing in it."""
    assert [await runner.run(call_of("devours", event_type="order.cancelled")) for _ in range(2)] == [FULL] * 2
    outcomes = [await runner.run(call_of("leaks", event_type="order.cancelled")) for _ in range(8)]
    assert set(outcomes) == {Done(), FULL}
    assert outcomes[-1] == Done() or outcomes[-2] == Done()
    first, second = (one["pid"] for one in reports.wait("devours", 2))
    assert first != second
    wait_for_end(first)


async def test_a_handler_steps_aside_for_whoever_answers_webhooks(runner: ChildRunner, reports: Reports) -> None:
    assert await runner.run(call_of("works")) == Done()
    [worked] = reports.wait("works")
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, worked["pid"]) == min(own + NICENESS, 19)


async def test_the_start_is_called_in_each_process(runner: ChildRunner, reports: Reports) -> None:
    assert await runner.run(call_of("works")) == Done()
    [begun] = reports.wait("begins")
    assert begun["pid"] == reports.wait("works")[0]["pid"]


async def test_a_start_that_fails_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "inbox.on('order.new', name='h')(lambda: None)\n"
    failing = "@inbox.on_start\ndef connect():\n    raise OSError('no network yet')\n"
    runner = runner_of(tmp_path, monkeypatch, body + failing)
    failed = Retry("The handler's process could not start: on_start failed (exit code 1).", fault=Fault.LANE)
    assert await runner.run(call_of("h")) == failed
    write_app(tmp_path, body)
    assert await runner.run(call_of("h")) == Done()
    await runner.close()


async def test_who_hears_of_the_dead_does_so_in_the_handlers_process(runner: ChildRunner, reports: Reports) -> None:
    assert await runner.run(call_of("raises", failure="it was too much")) == Done()
    [heard] = reports.wait("mourns")
    assert (heard["whose"], heard["reason"]) == ("raises", "it was too much")
    told = await runner.run(call_of("dies_while_told", event_type="order.cancelled", failure="no more"))
    assert isinstance(told, Retry)


async def test_what_a_handler_raises_cannot_pass_for_a_record_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    forged = "2026-11-27T09:00:00.000Z ERROR ombud: forged"
    body = f"@inbox.on('order.new', name='h')\ndef h():\n    raise ValueError('x\\n{forged}\\x1b[2J')"
    for as_json in (False, True):
        monkeypatch.setattr(children, "logs_json", lambda as_json=as_json: as_json)
        runner = runner_of(tmp_path, monkeypatch, body)
        assert isinstance(await runner.run(call_of("h")), Retry)
        await runner.close()
        lines = capfd.readouterr().err.splitlines()
        assert not [line for line in lines if line.startswith(forged) or "\x1b" in line]
        if as_json:
            [said] = [json.loads(line) for line in lines]
            assert said["message"] == "handler h failed on order/1"
            assert forged in said["traceback"]
        else:
            assert lines[-1] == f"    | {forged}\\x1b[2J"
