"""A process for tests of the election: it stands by, performs when elected, and says on standard output what it does.

Arguments: the database, and `done` or `hang`, which is what becomes of a delivery.
"""

import asyncio
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ombud.db.sqlite import SqliteDatabase
from ombud.mailbox.mailbox import Policy
from ombud.mailbox.model import Delivery, Done, Outcome
from ombud.mailbox.performer import Performer
from tests.mailbox.office import Office


async def _perform_until_told(path: Path, manner: str) -> None:
    database = SqliteDatabase(path)
    office = Office(database, Policy(retry_seconds=(0.01,)))
    writer = database.open_writer()

    async def perform(delivery: Delivery, _: Mapping[str, Any]) -> Outcome:
        print("performing", delivery.event_id, flush=True)
        if manner == "hang":
            await asyncio.Event().wait()
        return Done()

    performer = Performer(office.mailbox, writer, perform)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, performer.stop)
    print("ready", flush=True)
    await performer.run()
    writer.close()
    database.close()
    print("ended", flush=True)


if __name__ == "__main__":
    asyncio.run(_perform_until_told(Path(sys.argv[1]), sys.argv[2]))
