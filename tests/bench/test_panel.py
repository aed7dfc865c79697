"""Every list and chart answers, and none of their statements passes a whole table, on each database."""

import re
from pathlib import Path
from typing import Any, cast

import pytest

from bench.panel.fill import Size
from bench.panel.visits import House
from ombud.db.database import Database
from ombud.db.operation import Make, Operation, Statement
from tests.support.databases import KINDS, lend_home
from tests.support.postgres import PostgresServers

# What grows with time or with customers.
TABLES = "event|delivery|attempt|reading|document|mirror|ledger|tally|tally_hours|accepted|endpoint|subscription|lane"
_NAMED = re.compile(rf"\b(?:from|join) \(?({TABLES})\b(?: (?!where|order|join|left|cross|group|on\b)(\w+))?")
# A node of PostgreSQL's plan with its details; of a table of days it names the day's.
_NODE = re.compile(
    rf"(?:Seq|Index|Index Only) Scan(?: Backward)?(?: using (?P<index>\w+))? on (?:{TABLES})(?:_(?P<day>\d+))?\b"
)
_PARTIAL = "select indexrelid::regclass::text as name from pg_index where indpred is not null"
SIZE = Size(2_000, 400, shops=20, endpoints=60, subjects=300)

Asked = dict[str, tuple[Statement, Any]]


class Watched:
    """A database that remembers the statements of what is read."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.asked: Asked = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def read(self, make: Make[Any]) -> Any:
        """Read, and remember."""
        return self._database.read(lambda: self._remember(make()))

    async def fetch(self, make: Make[Any]) -> Any:
        """Read, and remember."""
        return await self._database.fetch(lambda: self._remember(make()))

    def _remember(self, operation: Operation[Any]) -> Operation[Any]:
        answer: Any = None
        while True:
            try:
                step = operation.send(answer)
            except StopIteration as end:
                return end.value
            statement, values, *_ = cast("tuple[Any, ...]", step)
            self.asked[statement.name] = (statement, values)
            answer = yield step


def scans_of(database: Database, statement: Statement, values: Any) -> list[str]:
    """Return the steps of a statement's plan that pass a whole table of those that grow."""
    judge = _sqlite_scans if database.exclusive else _postgres_scans
    return judge(database, statement, values)


def _sqlite_scans(database: Database, statement: Statement, values: Any) -> list[str]:
    steps = _plan(database, "explain query plan", statement, values)
    inner = {step.removeprefix("CO-ROUTINE ") for step in steps if step.startswith("CO-ROUTINE ")}
    named = {alias or table for table, alias in _NAMED.findall(statement.sql)} - inner
    return [step for step in steps if step.split()[0] == "SCAN" and step.split()[1] in named]


def _postgres_scans(database: Database, statement: Statement, values: Any) -> list[str]:
    """As if a scan cost everything: one is left only where nothing else does. An index without a condition is one.

    Not so a partial one, which holds what is asked for alone. The empty place of a coming day says nothing.
    """
    nodes: list[str] = []
    days = {row["day"] for row in database.read(lambda: _run("select distinct day from event"))}
    for line in _plan(database, "explain", statement, values):
        if "->" in line or not nodes:
            nodes.append(line)
        else:
            nodes[-1] += line
    partial = {row["name"] for row in database.read(lambda: _run(_PARTIAL))}
    found = [(_NODE.search(node), node) for node in nodes if "Index Cond" not in node]
    judged = [(match, node) for match, node in found if match and match["index"] not in partial]
    return [node for match, node in judged if match["day"] is None or int(match["day"]) in days]


def _plan(database: Database, verb: str, statement: Statement, values: Any) -> list[str]:
    explained = Statement("explain", f"{verb} {statement.sql}", f"{verb} {statement.postgres}", statement.columns)

    def explain() -> Operation[list[str]]:
        if not database.exclusive:
            yield Statement("dear", "set local enable_seqscan = off"), {}
        rows = yield explained, values, tuple
        return [str(row[-1]) for row in rows]

    return database.write(explain)


@pytest.mark.parametrize("kind", KINDS)
async def test_no_list_scans(kind: str, tmp_path: Path, postgres_servers: PostgresServers) -> None:
    with lend_home(kind, tmp_path, postgres_servers) as home:
        watched = Watched(home.open())
        house = House(cast("Database", watched), home.url, SIZE)
        house.fill()
        if kind != "sqlite":
            watched.write(lambda: _run("analyze"))
            # What reads for a page plans as these plans are made.
            [planned] = await watched.fetch(lambda: _run("select current_setting('enable_seqscan') as scans"))
            assert planned["scans"] == "off"
        clients = house.clients()
        watched.asked.clear()
        for visit in house.visits():
            answer = await clients[visit.client].get(visit.path)
            assert answer.status_code in {200, 303}, visit.name
        assert len(watched.asked) > 30
        asked = [one for one in watched.asked.values() if one[1] != []]
        found = {statement.name: scans_of(watched._database, statement, values) for statement, values in asked}
        assert {name: steps for name, steps in found.items() if steps} == {}
        # The control: what nothing but a scan can answer.
        bad = Statement("bad", "select e.id from event e where e.type = :type")
        assert scans_of(watched._database, bad, {"type": "order.new"}) != []
        house.close()
        watched.close()


def _run(text: str) -> Operation[list[Any]]:
    return (yield Statement(text, text), {})
