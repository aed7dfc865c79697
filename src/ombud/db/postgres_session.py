"""One connection to PostgreSQL: runs the steps of operations, and says what their errors mean."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar

import asyncpg

from ombud.db.operation import Afterwards, Make, Operation, Script, Statement, Step
from ombud.db.postgres_errors import Trouble, mistake_of, trouble_of
from ombud.db.postgres_text import for_mapping, for_rows
from ombud.db.script import postgres_script

T = TypeVar("T")

# Seconds for a migration: a day. Somebody watches it, and what it does to a big table may take hours.
PATIENCE_SECONDS = 86_400.0

# Seconds that a migration waits for a table which others use: everybody else queues up behind it meanwhile.
MIGRATION_LOCK_SECONDS = 3.0

_BE_PATIENT = Statement(
    "be_patient", "select set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)"
)
_LOCK_MIGRATIONS = Statement(
    "lock_migrations",
    "select set_config('lock_timeout', :lock_timeout, true) from (select pg_advisory_xact_lock(7167411830921021285)) l",
)


def lock_migrations() -> Operation[None]:
    """As the first steps of a transaction: let no other process migrate until its end, which may take long."""
    yield _BE_PATIENT, {}
    yield _LOCK_MIGRATIONS, {"lock_timeout": f"{round(MIGRATION_LOCK_SECONDS * 1000)}ms"}


class Session:
    """A connection that takes one operation at a time. `now` is the clock's time, None when the server's own rules."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", now: Callable[[], int | None]) -> None:
        self.connection = connection
        self._now = now
        self._warned = False
        connection.add_log_listener(self._note)

    @property
    def usable(self) -> bool:
        """Whether it is open and in no transaction."""
        return not self.connection.is_closed() and not self.connection.is_in_transaction()

    @asynccontextmanager
    async def transaction(self, mode: str = "") -> AsyncIterator[None]:
        """Hold a transaction; commit it at the end, undo it on any error. Raises Trouble."""
        await self._execute(f"begin {mode}")
        try:
            yield
        except Exception:
            with suppress(Trouble):
                if not self.connection.is_closed():
                    await self._execute("rollback")
            raise
        await self._commit()

    async def run(self, make: Make[T], afterwards: list[Afterwards] | None = None) -> T:
        """Run an operation to its end; raises Trouble, or what the operation raised.

        `afterwards` collects what is to be run after the commit.
        """
        operation = make()
        try:
            step = next(operation)
            while True:
                if isinstance(step, Afterwards) and afterwards is not None:
                    afterwards.append(step)
                    step = operation.send([])
                else:
                    step = operation.send(await self.rows_of(step))
        except StopIteration as stop:
            value: T = stop.value
            return value
        finally:
            operation.close()

    async def run_guarded(self, make: Make[Any], afterwards: list[Afterwards]) -> Any:
        """Run one operation of many; returns its error instead of raising, with only its own writes undone."""
        mine: list[Afterwards] = []
        await self._execute("savepoint operation")
        try:
            result = await self.run(make, mine)
        except Trouble:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the other operations of the batch must not pay
            await self._execute("rollback to savepoint operation")
            return error
        await self._execute("release savepoint operation")
        afterwards.extend(mine)
        return result

    async def read(self, make: Make[T], several: set[Statement]) -> T:
        """Run an operation that only reads, in one snapshot.

        One statement is a snapshot by itself, and needs no transaction. `several` remembers which statements others
        follow; an operation that begins with one that it does not know yet may be made twice.
        """
        operation = make()
        try:
            step = next(operation)
            if isinstance(step, tuple) and step[0] not in several:
                operation.send(await self.rows_of(step))
                several.add(step[0])
        except StopIteration as stop:
            value: T = stop.value
            return value
        finally:
            operation.close()
        async with self.transaction("isolation level repeatable read"):
            return await self.run(make)

    async def rows_of(self, step: Step) -> list[Any]:
        """Run one step; raises Trouble, or a mistake."""
        with self._judged():
            if isinstance(step, Script):
                await self.connection.execute(postgres_script(step.text), timeout=PATIENCE_SECONDS)
                return []
            if not isinstance(step, tuple):
                raise TypeError(f"{step!r} is not a step that this database knows")
            factory = step[2] if len(step) == 3 else dict  # noqa: PLR2004 - with the factory
            return [factory(record) for record in await self._records(step[0], step[1])]

    async def write_again(self, table: str) -> None:
        """Write a table into new files, which no transaction can do; raises Trouble when others do not let it."""
        with self._judged():
            await self.connection.execute("set statement_timeout = 0")
            await self.connection.execute(f"vacuum full {table}", timeout=PATIENCE_SECONDS)

    async def _records(self, statement: Statement, values: Any) -> Sequence[Any]:
        if isinstance(values, Sequence):
            if not statement.columns:
                return [record for one in values for record in await self._records(statement, one)]
            return await self._records_of_rows(statement, values) if values else []
        if statement.columns:
            row = tuple(values[name] for name, _ in statement.columns)
            return await self._records_of_rows(statement, [row])
        sql, arguments = for_mapping(statement, values, self._now())
        patience = PATIENCE_SECONDS if statement is _LOCK_MIGRATIONS else None
        return await self.connection.fetch(sql, *arguments, timeout=patience)

    async def _records_of_rows(self, statement: Statement, rows: Sequence[tuple[Any, ...]]) -> Sequence[Any]:
        text, executions = for_rows(statement, rows, self._now())
        if len(executions) == 1:
            return await self.connection.fetch(text.sql, *executions[0])
        if not text.returns_rows:
            await self.connection.executemany(text.sql, executions)
            return []
        return [record for one in executions for record in await self.connection.fetch(text.sql, *one)]

    async def _commit(self) -> None:
        self._warned = False
        try:
            done = await self.connection.execute("commit")
        except Exception as error:
            trouble = None if self.connection.is_closed() else trouble_of(error)
            raise (trouble if trouble and getattr(error, "severity_en", "") == "ERROR" else _unknown()) from error
        # The server's wait for its standby was cut short: stored here, and lost if this server is lost now.
        if self._warned or done != "COMMIT":
            raise _unknown()

    async def _execute(self, sql: str) -> None:
        with self._judged():
            await self.connection.execute(sql)

    def _note(self, _: Any, message: asyncpg.PostgresLogMessage) -> None:
        # Any warning that comes with a commit: its words are in the server's language.
        if message.severity_en == "WARNING":
            self._warned = True

    @contextmanager
    def _judged(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            trouble = trouble_of(error, lost=self.connection.is_closed())
            if isinstance(error, TimeoutError):
                # In the middle of something, and it may never end.
                self.connection.terminate()
            if trouble:
                raise trouble from error
            mistake = mistake_of(error)
            if mistake is error:
                raise
            raise mistake from error


def _unknown() -> Trouble:
    return Trouble(
        "The connection was lost, or the standby not waited for, at the commit: nobody knows whether this was stored."
        " Try again with the same key."
    )
