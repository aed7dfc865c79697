"""What may be wrong with whoever performs, and with the disk."""

import asyncio
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ombud.admin.alarms.alarms import Watch
from ombud.admin.alarms.book import Look, sql
from ombud.admin.alarms.causes import Cause, Finding
from ombud.admin.overview import LANES
from ombud.admin.reading import read
from ombud.db.database import Database
from ombud.db.operation import Operation
from ombud.mailbox.model import Box
from ombud.settings import Settings


def watch_work(boxes: Sequence[tuple[Database, Box]], settings: Settings) -> Watch:
    """Return what looks at how long due work has waited in each of these boxes."""
    most, seconds = round(settings.alarm_due_seconds * 1_000_000), int(settings.alarm_due_seconds)
    named = [(box.name.lower(), database, box) for database, box in boxes]

    async def watch(now: int) -> Look:
        findings = []
        for name, database, box in named:
            due_at = await read(database, partial(_oldest, box, now))
            if due_at is not None and now - due_at > most:
                findings.append(Finding(Cause.WORK_LATE, name, 0, due_at, {"box": name, "seconds": seconds}))
        return Look([Cause.WORK_LATE], findings, abouts=[name for name, _, _ in named])

    return watch


def watch_disks(files: Sequence[Path], settings: Settings) -> Watch:
    """Return what looks at how full the disks of these files are; of PostgreSQL's only its server knows."""

    async def watch(now: int) -> Look:
        shares = await asyncio.to_thread(lambda: {str(file.parent): _percent(file.parent) for file in files})
        findings = [
            Finding(Cause.DISK_FULL, folder, 0, now, {"folder": folder, "percent": percent})
            for folder, percent in shares.items()
            if percent >= settings.alarm_disk_percent
        ]
        return Look([Cause.DISK_FULL], findings, abouts=list(shares))

    return watch


def _oldest(box: Box, now: int) -> Operation[int | None]:
    rows = yield sql["late_work"], {"box": box, "now": now, "lanes": LANES}
    due_at: int | None = rows[0]["due_at"]
    return due_at


def _percent(folder: Path) -> int:
    """Return how full a disk is, as `df` has it: of what others than root may use."""
    usage = shutil.disk_usage(folder)
    return usage.used * 100 // max(1, usage.used + usage.free)
