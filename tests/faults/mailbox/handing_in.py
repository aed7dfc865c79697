"""A process that makes events of the table `intake` until nothing waits there; and a build that does it wrongly."""

import asyncio
from multiprocessing.connection import Connection

from ombud.db.operation import Operation
from ombud.sender import handed_in
from ombud.sender.sender import Sender
from tests.faults.mailbox.post import open_sender
from tests.faults.mailbox.roles import Job

# Rows of one step: so few that a short campaign has many.
STEP_ROWS = 3
# The build that is caught.
APART = "delete_apart"


async def take(job: Job, line: Connection) -> None:
    """Be that process."""
    vars(handed_in).update(STEP_ROWS=STEP_ROWS)
    sender = await asyncio.to_thread(open_sender, job.url, lease_seconds=job.lease_seconds)
    while await (_take_apart(sender) if job.build else sender._take_in()):
        pass
    line.send("ended")
    await asyncio.to_thread(sender.close)


async def _take_apart(sender: Sender) -> bool:
    """Append in one transaction, and delete the rows in the next."""

    def append() -> Operation[list[int]]:
        rows = yield handed_in.sql["take_intake"], {"rows": STEP_ROWS}
        yield from sender.outbox.publish([handed_in._event(row) for row in rows])
        return [row["id"] for row in rows]

    def delete() -> Operation[None]:
        yield handed_in.sql["drop_intake"], [(id_,) for id_ in ids]

    ids = await sender.writer.write(append)
    await sender.writer.write(delete)
    return bool(ids)
