"""A process that performs and takes the steps of replays until all have ended; and a build that does it wrongly."""

import asyncio
from collections.abc import Mapping
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from ombud.admin import resender, resending
from ombud.admin.deliveries import Cursor
from ombud.admin.resending import Resending, find_step, next_resending
from ombud.db.database import Writer
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Delivery, Done, Outcome
from ombud.mailbox.performer import Performer
from tests.faults.mailbox.crew import wait_until
from tests.faults.mailbox.post import open_sender, pending
from tests.faults.mailbox.roles import Job

# Deliveries of one step: so few that a short job has many.
STEP_ROWS = 3
# The build that is caught.
APART = "cursor_apart"


async def replay(job: Job, line: Connection) -> None:
    """Be that process; each step begins when all that the one before has re-opened was performed."""
    vars(resender).update(STEP_ROWS=STEP_ROWS, FEW_ROWS=STEP_ROWS)
    sender = await asyncio.to_thread(open_sender, job.url, lease_seconds=job.lease_seconds)
    performer = Performer(sender.outbox.mailbox, sender.writer, _perform)
    performing = asyncio.create_task(performer.run())
    step = partial(_step_apart if job.build else resender.resend_some, sender.writer, sender.outbox.mailbox)
    try:
        going = True
        while going:
            await asyncio.to_thread(wait_until, lambda: not pending(sender.database), lambda: "not performed")
            going = await step()
        line.send("ended")
    finally:
        performer.stop()
        await performing
        await asyncio.to_thread(sender.close)


async def _perform(_: Delivery, __: Mapping[str, Any]) -> Outcome:
    return Done()


async def _step_apart(writer: Writer, mailbox: Mailbox) -> bool:
    """Re-open in one transaction, and note how far the job has come in the next."""
    job = await writer.database.fetch(lambda: next_resending(mailbox.box))
    if job is None:
        return False
    keys, more = await asyncio.to_thread(writer.database.read, partial(find_step, job, STEP_ROWS))
    await writer.write(lambda: mailbox.replay(keys))
    await writer.write(partial(_note, mailbox, job, len(keys), more))
    return True


def _note(mailbox: Mailbox, job: Resending, sent: int, more: Cursor | None) -> Any:
    yield from resending.take_step(mailbox, job, [], more)
    yield resending.sql["count_resending"], {"id": job.id, "sent": sent}
