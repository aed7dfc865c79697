"""Who must know how the last one of its subject ended waits until that is on record."""

import asyncio

from ombud.mailbox.model import Done, Retry
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
