"""The audit of a PostgreSQL database, beside any number of nodes: one snapshot, in a transaction that cannot write."""

import asyncio
from dataclasses import replace

import asyncpg

from ombud.admin.audit import EXAMPLES, Finding, Report, audit
from ombud.admin.audit import sql as statements
from ombud.admin.pages import damaged_pages, sql, unreadable_rows
from ombud.db.operation import Row
from ombud.db.postgres_connect import SCHEMA, Server
from ombud.db.postgres_errors import name_of, opening_error, reason_of
from ombud.db.postgres_session import Session
from ombud.errors import ConfigurationError, StorageUnavailable

# What PostgreSQL says of rows and indexes that do not hold together, and of tables and columns that are missing.
_DAMAGE = (asyncpg.DataCorruptedError, asyncpg.IndexCorruptedError, asyncpg.InternalServerError)
_MISSING = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError)


def audit_server(url: str) -> tuple[str, Report]:
    """Audit a database; returns also its name, without a password.

    Raises ConfigurationError for what is none of Ombud's, StorageUnavailable when it is away.
    """
    name = name_of(url)
    return name, asyncio.run(_audit(url, name))


async def _audit(url: str, name: str) -> Report:
    try:
        session = await Server(url, _servers_time).reading_long()
    except Exception as error:  # noqa: BLE001 - told apart there
        raise opening_error(error, name) from None
    try:
        report = await _look(session, name)
        damage, notes = await _look_at_pages(session)
        return replace(report, findings=[*damage, *report.findings], notes=[*report.notes, *notes])
    finally:
        await session.connection.close()


async def _look(session: Session, name: str) -> Report:
    try:
        await session.rows_of((statements["applied_migrations"], {}))
    except _MISSING as error:
        raise ConfigurationError(f"{name} holds no tables of Ombud in its schema {SCHEMA}.") from error
    try:
        async with session.transaction("isolation level repeatable read read only"):
            await session.rows_of((sql["hold_days"], {}))
            return await session.run(lambda: audit(None))
    except (StorageUnavailable, *_MISSING) as error:
        cause = error.__cause__ if isinstance(error, StorageUnavailable) else error
        if isinstance(cause, (*_DAMAGE, *_MISSING)):
            return Report([unreadable_rows(reason_of(cause))], {})
        raise


async def _look_at_pages(session: Session) -> tuple[list[Finding], list[str]]:
    """Return what PostgreSQL finds damaged beneath the rows, and what it was not asked."""
    noticed = [row["problem"] for row in await session.rows_of((sql["postgres_damage"], {"examples": EXAMPLES}))]
    if not await session.rows_of((sql["find_amcheck"], {})):
        return damaged_pages(noticed), ["its pages were not looked into (create extension amcheck)"]
    try:
        found = [problem for row in await _relations(session) for problem in await _ask_amcheck(session, row)]
    except asyncpg.InsufficientPrivilegeError:
        return damaged_pages(noticed), ["its pages were not looked into: this user may not call amcheck's functions"]
    return damaged_pages([*noticed, *found]), []


async def _ask_amcheck(session: Session, relation: Row) -> list[str]:
    """Return what is wrong with a table or an index. Each look is by itself: an error ends its transaction."""
    check = sql["check_index"] if relation["is_index"] else sql["check_table"]
    try:
        rows = await session.rows_of((check, {"id": relation["id"], "examples": EXAMPLES}))
    except StorageUnavailable as error:
        if not isinstance(error.__cause__, _DAMAGE):
            raise
        gone = relation["id"] not in {row["id"] for row in await _relations(session)}
        return [] if gone else [f"{relation['name']}: {reason_of(error.__cause__)}"]
    return [] if relation["is_index"] else [f"{relation['name']}, {row['problem']}" for row in rows]


async def _relations(session: Session) -> list[Row]:
    return await session.rows_of((sql["list_relations"], {}))


def _servers_time() -> None:
    """Leave the time to the server."""
