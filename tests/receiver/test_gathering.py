"""Webhooks that arrive together share a commit; each is answered for itself, and only after it."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from ombud.errors import StorageUnavailable
from ombud.mailbox.model import Draft
from ombud.receiver import gathering
from ombud.receiver.gathering import Gathering
from tests.receiver.fronts import Request, ask_asgi, ask_rsgi
from tests.receiver.world import Desk
from tests.support.processes import PATIENCE_SECONDS


def webhook(number: int) -> Request:
    return Request(f"event_type=order.new&order_id={number}".encode())


def a_draft(desk: Desk) -> Draft:
    shop_id, lane_id = desk.rows("select id, reader_lane_id from inbox_shop")[0].values()
    return Draft(shop_id, "order.new", "order/1", [lane_id])


@pytest.fixture
def batches(quiet: Desk, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many webhooks each write has."""
    sizes: list[int] = []
    append = quiet.receiver.arrivals.append

    def count(drafts: Sequence[Draft]) -> Any:
        sizes.append(len(drafts))
        return append(drafts)

    monkeypatch.setattr(quiet.receiver.arrivals, "append", count)
    return sizes


@pytest.mark.parametrize("front", [ask_asgi, ask_rsgi])
async def test_what_comes_in_one_turn_of_the_loop_is_one_write(quiet: Desk, front: Any, batches: list[int]) -> None:
    assert (await front(quiet.inbox, webhook(0))).status == 200
    answers = await asyncio.gather(*(front(quiet.inbox, webhook(number)) for number in range(1, 101)))
    assert {answer.status for answer in answers} == {200}
    assert batches == [1, 100]
    subjects = [row["subject"] for row in quiet.rows("select subject from event order by id")]
    assert subjects == [f"order/{number}" for number in range(101)]


async def test_a_write_waits_while_turns_of_the_loop_bring_more(quiet: Desk, batches: list[int]) -> None:
    gathered, draft = Gathering(quiet.receiver, asyncio.get_running_loop()), a_draft(quiet)
    stored = []
    for _ in range(5):
        stored.append(gathered.store(draft))
        for _ in range(gathering.IDLE_TURNS - 1):
            await asyncio.sleep(0)
    await asyncio.gather(*stored)
    assert batches == [5]


async def test_a_write_begins_though_more_never_ends(quiet: Desk, batches: list[int]) -> None:
    gathered, draft = Gathering(quiet.receiver, asyncio.get_running_loop()), a_draft(quiet)
    stored = []
    for _ in range(gathering.MOST_TURNS * 3):
        stored.append(gathered.store(draft))
        await asyncio.sleep(0)
    await asyncio.gather(*stored)
    assert batches[0] <= gathering.MOST_TURNS + 1


async def test_a_write_that_fails_is_said_to_each(quiet: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await ask_asgi(quiet.inbox, webhook(0))).status == 200

    def fail(_: Sequence[Draft]) -> Any:
        raise RuntimeError("a mistake of ours")

    with monkeypatch.context() as broken:
        broken.setattr(quiet.receiver.arrivals, "append", fail)
        answers = await asyncio.gather(*(ask_asgi(quiet.inbox, webhook(number)) for number in range(5)))
    assert {answer.status for answer in answers} == {503}
    assert (await ask_asgi(quiet.inbox, webhook(1))).status == 200
    assert len(quiet.arrivals()) == 2


async def test_a_write_that_is_cut_off_is_not_the_last(quiet: Desk) -> None:
    gathered, draft = Gathering(quiet.receiver, asyncio.get_running_loop()), a_draft(quiet)
    first = gathered.store(draft)
    await asyncio.sleep(0)
    assert gathered._writing is not None
    gathered._writing.cancel()
    await asyncio.wait([gathered._writing])
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(first, gathered.store(draft))
    assert len(quiet.rows("select 1 from event")) == 2


async def test_a_request_that_is_given_up_harms_no_other(quiet: Desk) -> None:
    gathered, draft = Gathering(quiet.receiver, asyncio.get_running_loop()), a_draft(quiet)
    stored = [gathered.store(draft) for _ in range(3)]
    await asyncio.sleep(0)
    stored[1].cancel()
    await asyncio.gather(*stored, return_exceptions=True)
    assert [task.cancelled() for task in stored] == [False, True, False]
    assert len(quiet.arrivals()) == 3


async def test_what_may_wait_is_bounded(quiet: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "QUEUE_LIMIT", 3)
    answers = await asyncio.gather(*(ask_asgi(quiet.inbox, webhook(number)) for number in range(5)))
    assert sorted(answer.status for answer in answers) == [200, 200, 200, 503, 503]
    gathered = Gathering(quiet.receiver, asyncio.get_running_loop())
    with monkeypatch.context() as none:
        none.setattr(gathering, "QUEUE_LIMIT", 0)
        with pytest.raises(StorageUnavailable, match="waiting already"):
            await gathered.store(Draft(1, "order.new", "order/1", []))
