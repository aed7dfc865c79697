"""Takes the steps of jobs that send many deliveries again, beside a sender that performs."""

import asyncio
import time
from functools import partial

from ombud.admin.reading import read
from ombud.admin.resending import FEW_ROWS, STEP_ROWS, find_step, next_resending, take_step
from ombud.sender.rounds import Round
from ombud.sender.sender import Sender

# Seconds between two looks for a job: how late one begins.
LOOK_SECONDS = 1.0


def add_resender(sender: Sender) -> None:
    """Have a sender work on the jobs of its database while it performs, whoever has put them there."""
    sender.also(Round(LOOK_SECONDS, partial(resend_some, sender)))


async def resend_some(sender: Sender) -> bool:
    """Take one step of the job that has waited longest; returns whether there may be more to do now."""
    job = await sender.database.fetch(next_resending)
    if job is None:
        return False
    mailbox, began = sender.outbox.mailbox, time.monotonic()
    rows = FEW_ROWS if mailbox.leftover.live else STEP_ROWS
    keys, more = await read(sender.database, partial(find_step, job, rows))
    await sender.writer.write(partial(take_step, mailbox, job, keys, more))
    await asyncio.sleep(mailbox.leftover.rest(time.monotonic() - began))
    return True
