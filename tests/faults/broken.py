"""Deliberately broken builds, which the checkers must catch. usage: python -m tests.faults.broken BUILD VERB …"""

import asyncio
import contextlib
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from ombud.cli.main import main
from ombud.db.groups import Answer, Waiting, deal, grouped, tell
from ombud.db.operation import Afterwards, Make, Operation, RowFactory, Script, Statement
from ombud.db.postgres_engine import Engine
from ombud.db.postgres_errors import Trouble
from ombud.db.postgres_session import Session
from ombud.db.sqlite import SqliteDatabase
from ombud.db.sqlite_steps import Steps
from ombud.db.writer import ThreadWriter
from ombud.mailbox.mailbox import sql
from ombud.mailbox.model import Delivery, State
from ombud.mailbox.stock import Stock
from ombud.sender.outbox import Event, Outbox
from ombud.sender.outbox import sql as publishing

T = TypeVar("T")
Build = Callable[[pytest.MonkeyPatch], None]

# Seconds that a commit comes too late: long enough for a kill to fall between, and for an answer to leave.
DELAY_SECONDS = 0.2
FOREVER_SECONDS = 3_600.0
MARKER = "BROKEN_MARKER"


def ack_before_commit(patch: pytest.MonkeyPatch) -> None:
    """Answer the writers when their rows are in the transaction, not when it is on disk.

    The commit follows after DELAY_SECONDS. Where BROKEN_MARKER names a file, only an append is answered so; its commit
    never comes, and the file is made when the answer has had time to leave: the moment for a kill.
    """
    under_way: set[asyncio.Task[None]] = set()
    commit_to_file, commit_to_server = ThreadWriter._commit, Engine._commit

    def commit_file(self: ThreadWriter, batch: list[Waiting]) -> list[Answer]:
        groups = grouped(batch)
        if not _answered_early(group.make for group in groups):
            return commit_to_file(self, batch)
        database = self.database
        assert isinstance(database, SqliteDatabase)
        with database._transaction() as connection:
            results, announcements = connection.run_apart([group.make for group in groups])
            tell(deal(groups, results)[0])
            time.sleep(_delay())
        for entry, returned in announcements:
            entry.announce(returned)
        return []

    async def commit(
        self: Engine, makes: Sequence[Make[Any]], suspects: set[int]
    ) -> tuple[list[Any], list[Afterwards]]:
        if not _answered_early(makes):
            return await commit_to_server(self, makes, suspects)
        answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()

        async def write() -> None:
            afterwards: list[Afterwards] = []
            try:
                async with self._durable.session() as session, session.transaction():
                    answer.set_result([await session.run(make, afterwards) for make in makes])
                    await asyncio.sleep(_delay())
            except Exception as error:
                if answer.done():
                    raise
                answer.set_exception(error)
            self._run_later(afterwards)

        task = asyncio.create_task(write())
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        return await answer, []

    patch.setattr(ThreadWriter, "_commit", commit_file)
    patch.setattr(Engine, "_commit", commit)


def _answered_early(makes: Iterable[Make[Any]]) -> bool:
    return MARKER not in os.environ or any(
        isinstance(make, partial) and make.func.__name__ in {"publish_all", "append"} for make in makes
    )


def _delay() -> float:
    if MARKER not in os.environ:
        return DELAY_SECONDS
    threading.Timer(DELAY_SECONDS, Path(os.environ[MARKER]).touch).start()
    return FOREVER_SECONDS


class KeptInMemory:
    """What has been done, kept in memory and never written down."""

    def __init__(self) -> None:
        self._settled: set[tuple[int, int]] = set()

    def written(self, statement: Statement, values: Any) -> Any:
        """Return what of a statement's values is written."""
        if statement.name == "load_due":  # what is done is still found, and must not crowd out what is not
            return [(*row[:-1], row[-1] + len(self._settled)) for row in values]
        names = [name for name, _ in statement.columns]
        rows = [dict(zip(names, row, strict=True)) for row in values] if names and isinstance(values, list) else []
        if statement.name in {"settle_deliveries", "settle_and_tell"}:
            self._settled.update((row["event_id"], row["lane_id"]) for row in rows if row["state"] == State.DONE)
            return [value for value, row in zip(values, rows, strict=True) if row["state"] != State.DONE]
        if statement.name == "insert_attempts":
            return [value for value, row in zip(values, rows, strict=True) if row["outcome"] != "done"]
        return values

    def read(self, statement: Statement, values: Any, rows: Iterable[Any]) -> list[Any]:
        """Return the rows as they would be had everything been written."""
        if statement.name != "load_due":
            return list(rows)
        left = Counter({row[0]: row[-1] for row in values})
        kept = []
        for row in rows:
            if (row.event_id, row.lane_id) not in self._settled and left[row.lane_id] > 0:
                left[row.lane_id] -= 1
                kept.append(row)
        return kept


def settle_without_commit(patch: pytest.MonkeyPatch) -> None:
    """Keep what has been done in memory, and never write it down."""
    memory = KeptInMemory()
    steps_rows, session_rows = Steps._rows, Session.rows_of

    def of_file(self: Steps, statement: Statement, values: Any, factory: RowFactory | None = None) -> list[Any]:
        return memory.read(statement, values, steps_rows(self, statement, memory.written(statement, values), factory))

    async def of_server(self: Session, step: Any) -> list[Any]:
        if not isinstance(step, tuple):
            return await session_rows(self, step)
        statement, values, *factory = step
        rows = await session_rows(self, (statement, memory.written(statement, values), *factory))
        return memory.read(statement, values, rows)

    patch.setattr(Steps, "_rows", of_file)
    patch.setattr(Session, "rows_of", of_server)


def ring_inside(patch: pytest.MonkeyPatch) -> None:
    """Ring in the transaction of the append, when nobody can see yet what it is for."""
    run = Session.run

    async def run_ringing(self: Session, make: Make[T], afterwards: list[Afterwards] | None = None) -> T:
        return await run(self, lambda: _ringing(make()), afterwards)

    patch.setattr(Session, "run", run_ringing)


def _ringing(operation: Operation[T]) -> Operation[T]:
    try:
        step = next(operation)
        while True:
            if isinstance(step, Afterwards) and step.statement.name == "ring_lanes":
                yield step.statement, step.rows, tuple
                # Whoever listens hears of it after the commit, as ever.
                step = replace(step, statement=_NOTHING)
            step = operation.send((yield step))
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        operation.close()


_NOTHING = Statement(
    "do_nothing", "select :lane_id", "select r.lane_id from {rows} r where false", (("lane_id", "bigint"),)
)


def no_recheck(patch: pytest.MonkeyPatch) -> None:
    """Do not look again after a lane was released."""
    patch.setitem(sql._statements, "recheck_lanes", replace(_NOTHING, name="recheck_lanes"))


def no_fence(patch: pytest.MonkeyPatch) -> None:
    """Settle where the token is still the own one, without a lock that keeps it so."""
    fence = sql["fence"]
    unlocked = fence.postgres.replace("for no key update of l", "")
    assert unlocked != fence.postgres
    patch.setitem(sql._statements, "fence", replace(fence, postgres=unlocked))


def silence_is_yes(patch: pytest.MonkeyPatch) -> None:
    """Take a commit for stored when the line is lost before it is answered."""
    commit = Session._commit

    async def believe(self: Session) -> None:
        with contextlib.suppress(Trouble):
            await commit(self)

    patch.setattr(Session, "_commit", believe)


def forget_keys(patch: pytest.MonkeyPatch) -> None:
    """Store an event whatever was stored under its key before."""
    put = publishing["put_event_keys"]
    always = put.sql.partition("\nwhere ")[0] + "\nreturning shop_id, key"

    def nothing(_: Outbox, __: Sequence[Event]) -> Operation[dict[Any, Any]]:
        yield from ()
        return {}

    patch.setattr(Outbox, "_stored_before", nothing)
    patch.setitem(publishing._statements, "put_event_keys", replace(put, sql=always, postgres=always))


def migrate_in_pieces(patch: pytest.MonkeyPatch) -> None:
    """Commit each statement of a migration by itself."""
    steps_do, session_rows = Steps._do, Session.rows_of

    def of_file(self: Steps, step: Any, afterwards: list[Afterwards] | None) -> list[Any]:
        rows = steps_do(self, step, afterwards)
        if isinstance(step, Script):
            self._connection.execute("commit; begin immediate")
        return rows

    async def of_server(self: Session, step: Any) -> list[Any]:
        rows = await session_rows(self, step)
        if isinstance(step, Script):
            await self.connection.execute("commit; begin")
        return rows

    patch.setattr(Steps, "_do", of_file)
    patch.setattr(Session, "rows_of", of_server)


def subjects_at_once(patch: pytest.MonkeyPatch) -> None:
    """Start deliveries without asking whether one of the same subject is in flight."""

    def add(self: Stock, delivery: Delivery) -> None:
        if delivery.event_id not in self.known:
            self.known.add(delivery.event_id)
            self.busy.add(delivery.subject)
            self.ready.add(delivery)

    patch.setattr(Stock, "add", add)


def forget_retries(patch: pytest.MonkeyPatch) -> None:
    """Record only the tries that decide something."""
    rows = Steps._rows

    def without(self: Steps, statement: Statement, values: Any, factory: RowFactory | None = None) -> list[Any]:
        if statement.name == "insert_attempts":
            values = [value for value in values if "retry" not in value]
        return rows(self, statement, values, factory)

    patch.setattr(Steps, "_rows", without)


def stop_at_once(patch: pytest.MonkeyPatch) -> None:
    """At a SIGTERM leave no time to what is in flight."""
    patch.setattr("ombud.mailbox.worker.STOP_SECONDS", 0.0)


BUILDS: dict[str, Build] = {
    build.__name__: build
    for build in (
        *(ack_before_commit, settle_without_commit, ring_inside, no_recheck, no_fence),
        *(silence_is_yes, forget_keys, migrate_in_pieces, subjects_at_once, forget_retries),
        stop_at_once,
    )
}

if __name__ == "__main__":
    BUILDS[sys.argv.pop(1)](pytest.MonkeyPatch())
    main()
