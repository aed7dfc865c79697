"""Alarms beside what a process serves and performs."""

from collections.abc import Sequence
from pathlib import Path

from ombud.admin.alarms.alarms import Alarms, Watch
from ombud.admin.alarms.watch_inbox import watch_inbox
from ombud.admin.alarms.watch_machine import watch_disks, watch_work
from ombud.admin.alarms.watch_sender import watch_sender
from ombud.db.database import Database, Writer
from ombud.db.sqlite import SqliteDatabase
from ombud.mailbox.model import Box
from ombud.receiver.receiver import Receiver
from ombud.sender.sender import Sender
from ombud.settings import Settings
from ombud.web.alarm_words import Composer


def alarms_of(
    writer: Writer, settings: Settings, sender: Sender | None = None, receiver: Receiver | None = None
) -> Alarms:
    """Return the alarms of an installation; `writer` writes where its channels are.

    Raises ConfigurationError for a mail server that cannot be used.
    """
    watches: list[Watch] = []
    boxes: list[tuple[Database, Box]] = []
    if sender is not None:
        watches.append(watch_sender(sender))
        boxes.append((sender.database, Box.OUTBOX))
    if receiver is not None:
        watches.append(watch_inbox(receiver, alone=sender is None))
        boxes += [(receiver.database, Box.INBOX), (receiver.database, Box.CHANGES)]
    watches.append(watch_work(boxes, settings))
    watches.append(watch_disks(_files([database for database, _ in boxes]), settings))
    return Alarms(writer, settings, watches, Composer(settings.public_url))


def _files(databases: Sequence[Database]) -> list[Path]:
    """Return the files of those that are files, one of each disk."""
    found = {one.path.stat().st_dev: one.path for one in databases if isinstance(one, SqliteDatabase)}
    return list(found.values())
