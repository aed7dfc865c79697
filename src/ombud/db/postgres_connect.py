"""How connections to PostgreSQL are made, and what a server must be like."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from ombud.db.postgres_session import Session
from ombud.errors import ConfigurationError

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

# `in_hot_standby` is reported at connect, and `statement_timeout` counts right, from 14 on.
OLDEST_SERVER = 14
# Where all tables are.
SCHEMA = "ombud"

# Seconds. A sender hangs up after 10; the client is more patient than the server, so that this answers by itself.
CONNECT_SECONDS = 3.0
STATEMENT_SECONDS = 5.0
LOCK_SECONDS = 3.0
MORE_PATIENCE_SECONDS = 3.0
# A client that stops between two statements of a transaction holds locks that others wait for.
IDLE_IN_TRANSACTION_SECONDS = 5.0
# For what a person waits for: audit, export.
LONG_READ_SECONDS = 600.0
# Prepared statements that a connection keeps: those of a sender, a receiver and their panel, with each kind of values.
STATEMENTS = 512

# What writes finds its rows by an index, for each row of its input, and what a page reads is bounded. A statement is
# planned once, for whatever values, perhaps while its table is nearly empty: it would scan the table it has become, for
# each row that it joins (docs/decisions/0058).
_BY_INDEX = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}
_DURABLE = {**_BY_INDEX, "synchronous_commit": "on"}
_RELAXED = {**_BY_INDEX, "synchronous_commit": "off"}
_READING_LONG = {"default_transaction_read_only": "on"}
_READING = {**_BY_INDEX, **_READING_LONG}
_COMMON = {
    "application_name": "ombud",
    "search_path": SCHEMA,
    "timezone": "UTC",
    # A node that lost power is noticed after 10 + 3 x 5 s, not after two hours.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    # Compiling a statement costs more than running any of ours.
    "jit": "off",
}
_INSPECT = """
select current_setting('server_version') as version, current_setting('server_version_num')::int / 10000 as major,
    current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes,
    current_setting('synchronous_commit') as synchronous_commit, current_setting('server_encoding') as encoding
"""


@dataclass(frozen=True)
class Server:
    """Where to connect to. `now` is the clock's time, None when the server's own rules."""

    url: str
    now: Callable[[], int | None]

    async def durable(self) -> Session:
        """Connect for commits that survive a power cut; raises ConfigurationError when this server's do not."""
        connection = await self._connect(_DURABLE, STATEMENT_SECONDS)
        try:
            check_server(await connection.fetchrow(_INSPECT))
        except BaseException:
            connection.terminate()
            raise
        return Session(connection, self.now)

    async def relaxed(self) -> Session:
        """Connect for what may be lost with the server: no commit waits for the disk."""
        return Session(await self._connect(_RELAXED, STATEMENT_SECONDS), self.now)

    async def reading(self) -> Session:
        """Connect for short reads."""
        return Session(await self._connect(_READING, STATEMENT_SECONDS), self.now)

    async def reading_long(self) -> Session:
        """Connect for reads that a person waits for."""
        return Session(await self._connect(_READING_LONG, LONG_READ_SECONDS), self.now)

    async def _connect(self, settings: dict[str, str], statement_seconds: float) -> Connection:
        limits = {
            "statement_timeout": _milliseconds(statement_seconds),
            "lock_timeout": _milliseconds(LOCK_SECONDS),
            "idle_in_transaction_session_timeout": _milliseconds(IDLE_IN_TRANSACTION_SECONDS),
        }
        connection: Connection = await asyncpg.connect(
            self.url,
            timeout=CONNECT_SECONDS,
            command_timeout=statement_seconds + MORE_PATIENCE_SECONDS,
            server_settings={**_COMMON, **settings, **limits},
            target_session_attrs=SessionAttribute.primary,
            statement_cache_size=STATEMENTS,
            max_cached_statement_lifetime=0,
        )
        return connection


def _milliseconds(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


def check_server(found: "asyncpg.Record | None") -> None:
    """Raise ConfigurationError when a server cannot keep what it is given."""
    assert found is not None
    if found["major"] < OLDEST_SERVER:
        raise ConfigurationError(f"PostgreSQL {found['version']} is too old: Ombud needs {OLDEST_SERVER} or newer.")
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        if found[setting] != "on":
            raise ConfigurationError(
                f"PostgreSQL runs with {setting} = {found[setting]} and can lose what it has confirmed."
                f" Set {setting} = on in its configuration."
            )
    if found["encoding"] != "UTF8":
        raise ConfigurationError(
            f"The database keeps its text as {found['encoding']}."
            " Create it anew with: encoding 'UTF8' template template0"
        )
