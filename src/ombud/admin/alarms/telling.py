"""Telling: of many processes one serves a channel at a time; what waits for it goes as one message.

A message is deleted after it was sent: a process that dies in between has it sent again, by another a minute later.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ombud.admin.alarms.book import ENDED, sql
from ombud.admin.alarms.causes import Cause
from ombud.admin.alarms.channel import quiet_of
from ombud.db.operation import Operation, Row

# Microseconds that a process has for one message: more than all its time limits together.
CLAIM = 60_000_000
# Channels that one process serves at a time, and those that a look for them reads.
MOST_CHANNELS = 8
MOST_WAITING = 500
# Alarms that one message tells of: what is left comes in the next.
MOST_ALARMS = 500
# Seconds until a channel that is down is tried again, doubled each time up to the longest.
FIRST_PAUSE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 3_600.0
# Microseconds after which what nobody could be told is no news.
STALE = 3 * 86_400_000_000


@dataclass(frozen=True)
class Told:
    """An alarm as a message tells it; UTC microseconds. `ended_at` None: it lasts."""

    cause: Cause
    since: int
    facts: Mapping[str, Any]
    ended_at: int | None


@dataclass(frozen=True)
class Task:
    """A channel that this process serves until `claimed_until`, and what is to be told there."""

    channel_id: int
    kind: str
    target: str
    language: str
    zone: str
    failures: int
    claimed_until: int
    told: Sequence[Told]
    keys: Sequence[tuple[int, int, str]]


def anything(now: int) -> Operation[bool]:
    """Return whether a channel has something to tell and nobody serves it."""
    return bool((yield sql["anything_to_tell"], {"now": now}))


def claim(now: int) -> Operation[list[Task]]:
    """Take channels that have something to tell and are not quiet."""
    rows = yield sql["channels_to_tell"], {"now": now, "rows": MOST_WAITING}
    tasks: list[Task] = []
    for row in rows:
        quiet = quiet_of(row)
        until = None if quiet is None else quiet.ends_at(now)
        if until is not None:
            yield sql["put_channel_off"], {"id": row["id"], "updated_at": row["updated_at"], "until": until}
        elif len(tasks) < MOST_CHANNELS:
            values = {"id": row["id"], "now": now, "until": now + CLAIM}
            if (yield sql["claim_channel"], values):
                tasks.append((yield from _task(row, now + CLAIM)))
    return tasks


def sent(task: Task, now: int, gap_seconds: float) -> Operation[None]:
    """Write down that a task is done; the channel rests for `gap_seconds`."""
    yield sql["delete_message"], task.keys
    values = {"id": task.channel_id, "claimed_until": task.claimed_until, "now": now}
    yield sql["note_sent"], values | {"next_at": now + round(gap_seconds * 1_000_000)}


def failed(task: Task, reason: str, now: int) -> Operation[None]:
    """Write down that a channel is down; all of it is tried again later."""
    pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(task.failures, 16))
    values = {"id": task.channel_id, "claimed_until": task.claimed_until, "now": now, "reason": reason}
    yield sql["note_failed"], values | {"next_at": now + round(pause * 1_000_000)}
    yield sql["drop_old_messages"], {"id": task.channel_id, "before": now - STALE}


def _task(row: Row, until: int) -> Operation[Task]:
    rows = yield sql["messages_of_channel"], {"id": row["id"], "rows": MOST_ALARMS}
    keys = [(row["id"], one["alarm_id"], one["phase"]) for one in rows]
    over = {one["alarm_id"] for one in rows if one["phase"] == ENDED}
    told = {one["alarm_id"]: _told(one, over=one["alarm_id"] in over) for one in rows}
    names = ("kind", "target", "language", "zone", "failures")
    facts = {name: row[name] for name in names}
    return Task(row["id"], **facts, claimed_until=until, told=list(told.values()), keys=keys)


def _told(row: Row, *, over: bool) -> Told:
    return Told(Cause(row["cause"]), row["since"], json.loads(row["facts"]), row["ended_at"] if over else None)
