"""Takes the steps of jobs that do many things again, beside whoever performs on their database."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from ombud.admin.reading import read
from ombud.admin.resending import FEW_ROWS, STEP_ROWS, find_step, next_resending, take_step
from ombud.db.database import Writer
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.rounds import Round, Rounds

if TYPE_CHECKING:
    from ombud.receiver.receiver import Receiver
    from ombud.sender.sender import Sender

# Seconds between two looks for a job: how late one begins.
LOOK_SECONDS = 1.0


def add_resender(sender: "Sender") -> None:
    """Have a sender work on the jobs of its database while it performs, whoever has put them there."""
    sender.also(_round_of(sender.writer, sender.outbox.mailbox))


async def resend_beside(receiver: "Receiver", work: Callable[[], Awaitable[None]]) -> None:
    """Work, and beside that on the jobs of a receiver's database; raises what the work raises."""
    rounds = Rounds([_round_of(receiver.writer, mailbox) for mailbox in (receiver.arrivals, receiver.changes)])
    resending = asyncio.create_task(rounds.run())
    try:
        await work()
    finally:
        rounds.stop()
        await resending


def _round_of(writer: Writer, mailbox: Mailbox) -> Round:
    return Round(LOOK_SECONDS, partial(resend_some, writer, mailbox))


async def resend_some(writer: Writer, mailbox: Mailbox) -> bool:
    """Take one step of a mailbox's job that has waited longest; returns whether there may be more to do now."""
    job = await writer.database.fetch(lambda: next_resending(mailbox.box))
    if job is None:
        return False
    began = time.monotonic()
    rows = FEW_ROWS if mailbox.leftover.live else STEP_ROWS
    keys, more = await read(writer.database, partial(find_step, job, rows))
    await writer.write(partial(take_step, mailbox, job, keys, more))
    await asyncio.sleep(mailbox.leftover.rest(time.monotonic() - began))
    return True
