"""Who must know how the last one of its subject ended waits until that is on record."""

import asyncio

from ombud.mailbox.model import Done, Interrupted, Retry
from ombud.receiver.settling import Settling


async def test_the_next_one_waits_for_the_record_of_the_last() -> None:
    settling = Settling()
    outcome = settling.ending("order/1", Done())
    assert isinstance(outcome, Done)
    assert outcome.then is not None
    waiting = asyncio.create_task(settling.after_the_last("order/1"))
    await settling.after_the_last("order/2")
    await asyncio.sleep(0)
    assert not waiting.done()
    outcome.then()
    await waiting


async def test_nobody_waits_for_what_wrote_its_findings_before_it_ended() -> None:
    settling, outcome = Settling(), Retry("not yet")
    assert settling.ending("order/1", outcome) is outcome
    async with asyncio.timeout(0.5):
        await settling.after_the_last("order/1")


async def test_whoever_waits_in_vain_comes_back_later_instead_of_going_first() -> None:
    settling = Settling(wait_seconds=0.01)
    ended = settling.ending("order/1", Done())
    for _ in range(2):
        assert isinstance(await settling.after_the_last("order/1"), Interrupted)
    assert isinstance(ended, Done)
    assert ended.then is not None
    ended.then()
    assert await settling.after_the_last("order/1") is None


async def test_an_end_that_is_never_told_is_given_up() -> None:
    settling = Settling(wait_seconds=0.01, untold_seconds=0.0)
    settling.ending("order/1", Done())
    assert await settling.after_the_last("order/1") is None
