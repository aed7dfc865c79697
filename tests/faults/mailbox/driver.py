"""Drivers of both databases that do harm at named points: before and after each statement, commit and try.

They stand in for the product's in a process of a campaign; the product knows nothing of them.
"""

import asyncio
import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ombud.db import postgres_connect, sqlite_connection
from ombud.db.database import Clock
from ombud.db.operation import Afterwards, RowFactory, Script, Statement, Step
from ombud.db.postgres_errors import Trouble
from ombud.db.postgres_session import Session
from ombud.db.script import postgres_script, sqlite_script
from ombud.db.sqlite_connection import SqliteConnection
from ombud.db.sqlite_steps import Steps

Phase: TypeAlias = Literal["before", "after"]
# A statement's name, `commit of NAME` for a transaction with that statement, `SCRIPT:3` for the third statement of a
# migration, `commit` or `perform`.
Point: TypeAlias = tuple[str, Phase]
PHASES: tuple[Phase, Phase] = ("before", "after")
# What is tried at a delivery is a point too, and so is each commit, whatever it commits.
PERFORM = "perform"
COMMIT = "commit"

# By these a transaction is known; it may be several of them, since what waits at the same moment is committed together.
_MARKS = {
    *("claim_node", "insert_lane", "insert_events", "free_leases", "lease_lanes", "settle_deliveries", "end_unstarted"),
    *(
        "extend_leases",
        "keep_health",
        "note_start",
        "release_lanes",
        "pause_lanes",
        "resume_lanes",
        "replay_deliveries",
    ),
    *("take_chore", "keep_time", "open_day", "move_events", "delete_events", "drop_day", "delete_event_keys"),
    "write_schema_version",
}
# A turn that puts tries on record; `blame` does so too, for a dead process.
RESULTS = "results"
_OF_RESULTS = {"fence", "insert_attempts"}

_PARTS = re.compile(r"'(?:[^']|'')*'|--[^\n]*|\$\$.*?\$\$|\bbegin\b.*?\bend\b|(;)", re.DOTALL)


@dataclass(frozen=True)
class Rule:
    """Harm at a point: at its `nth` hit alone, or by `chance` at any.

    `delay`: this task waits up to `seconds`. `stall`: the whole process does, as if it were stopped. `kill`: kill -9 of
    this process. `stop`: SIGSTOP, once each time that somebody makes `armed`. `fail`: the database says that
    it cannot take it; after a commit, that nobody knows whether it has.
    """

    point: Point
    harm: Literal["delay", "stall", "kill", "stop", "fail"]
    nth: int = 0
    chance: float = 1.0
    seconds: float = 0.0
    armed: str = ""


class Driver:
    """The harm that this process does to itself, and what it has come by."""

    def __init__(self) -> None:
        self._rules: dict[Point, list[Rule]] = {}
        self._chance = random.Random()
        self.hits: Counter[Point] = Counter()

    def obey(self, rules: Sequence[Rule], seed: str) -> None:
        """Do this harm from now on."""
        self._chance.seed(seed)
        self._rules.clear()
        for rule in rules:
            self._rules.setdefault(rule.point, []).append(rule)

    def reach(self, name: str, phase: Phase) -> float:
        """Do what is to be done here, but for a delay: returns its seconds."""
        point = (name, phase)
        self.hits[point] += 1
        delay = 0.0
        for rule in self._rules.get(point, ()):
            if rule.nth and self.hits[point] != rule.nth:
                continue
            if self._chance.random() < rule.chance:
                delay += self._harm(rule)
        return delay

    def _harm(self, rule: Rule) -> float:
        match rule.harm:
            case "delay":
                return self._chance.uniform(0, rule.seconds)
            case "stall":
                time.sleep(rule.seconds)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "stop":
                with suppress(FileNotFoundError):
                    Path(rule.armed).unlink()
                    os.kill(os.getpid(), signal.SIGSTOP)
            case "fail":
                raise Trouble("a test says that nobody knows whether this was stored")
        return 0.0


driver = Driver()


async def reach(name: str, phase: Phase) -> None:
    """Come by a point on an event loop."""
    if delay := driver.reach(name, phase):
        await asyncio.sleep(delay)


class HarmfulSession(Session):
    """A connection to PostgreSQL with points."""

    marks: frozenset[str] = frozenset()

    async def rows_of(self, step: Step) -> list[Any]:
        if isinstance(step, Script):
            for name, part in parts_of(step.name, postgres_script(step.text)):
                await reach(name, "before")
                await super().rows_of(Script(name, part))
                await reach(name, "after")
            return []
        assert isinstance(step, tuple)
        if isinstance(step[1], Sequence) and not step[1]:
            return []
        name = step[0].name
        self.marks |= {name}
        await reach(name, "before")
        rows = await super().rows_of(step)
        await reach(name, "after")
        return rows

    async def _commit(self) -> None:
        names, self.marks = _commits(self.marks), frozenset()
        for name in names:
            await reach(name, "before")
        await super()._commit()
        for name in names:
            await reach(name, "after")

    async def _execute(self, sql: str) -> None:
        if sql.startswith("begin"):
            self.marks = frozenset()
        await super()._execute(sql)


class HarmfulSteps(Steps):
    """What runs the steps of operations on SQLite, with points."""

    marks: frozenset[str] = frozenset()

    def _rows(self, statement: Statement, values: Any, factory: RowFactory | None = None) -> list[Any]:
        if isinstance(values, Sequence) and not values:
            return []
        self.marks |= {statement.name}
        time.sleep(driver.reach(statement.name, "before"))
        rows = super()._rows(statement, values, factory)
        time.sleep(driver.reach(statement.name, "after"))
        return rows

    def _do(self, step: Step, afterwards: list[Afterwards] | None) -> list[Any]:
        if not isinstance(step, Script):
            return super()._do(step, afterwards)
        for name, part in parts_of(step.name, sqlite_script(step.text)):
            time.sleep(driver.reach(name, "before"))
            super()._do(Script(name, part), afterwards)
            time.sleep(driver.reach(name, "after"))
        return []


class HarmfulConnection(SqliteConnection):
    """A connection to SQLite with points."""

    @contextmanager
    def transaction(self, clock: Clock) -> Iterator[None]:
        steps = self._steps
        assert isinstance(steps, HarmfulSteps)
        steps.marks = frozenset()
        with super().transaction(clock):
            yield
            names = _commits(steps.marks)
            for name in names:
                time.sleep(driver.reach(name, "before"))
        for name in names:
            time.sleep(driver.reach(name, "after"))


def drive() -> None:
    """Have every database that this process opens from now on driven so. For a process of a campaign."""
    vars(postgres_connect)["Session"] = HarmfulSession
    vars(sqlite_connection).update(Steps=HarmfulSteps, SqliteConnection=HarmfulConnection)


def _commits(statements: frozenset[str]) -> list[str]:
    """Return the names of the commit of a transaction with these statements."""
    results = {RESULTS} if statements >= _OF_RESULTS else set()
    return [COMMIT, *(f"commit of {name}" for name in sorted(statements & _MARKS | results))]


def parts_of(script: str, text: str) -> Iterator[tuple[str, str]]:
    """Return the statements of a script, each with its name."""
    start, number = 0, 0
    for match in _PARTS.finditer(text):
        if match[1]:
            number += 1
            yield f"{script}:{number}", text[start : match.end()]
            start = match.end()
