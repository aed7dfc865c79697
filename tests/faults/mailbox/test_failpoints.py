"""A kill -9 before and after every statement, commit and try of the mailbox, on both databases.

More hits of each: OMBUD_TEST_HITS=5 ./test tests/faults/mailbox/test_failpoints.py
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ombud.mailbox.mailbox import sql
from tests.faults.mailbox import chapters
from tests.faults.mailbox.crew import gathered
from tests.faults.mailbox.driver import PERFORM, Point, Rule
from tests.faults.mailbox.judge import Findings
from tests.faults.mailbox.post import found_long_ago
from tests.faults.mailbox.roles import Job
from tests.support.databases import lend_home
from tests.support.postgres import PostgresServers

KINDS = ["sqlite", "postgres-newest"]
HITS = int(os.environ.get("OMBUD_TEST_HITS", "1"))
# Databases at once: a process that starts mostly waits.
DATABASES = 4
# What other chapters pass too, but only when a busy machine lets a lease run out.
ONLY_IN = {"find_deliveries": "come_late"}
# Frees the lanes of dead performers, where there can be no other; empties a day, where none can be dropped whole.
ONLY_ON_SQLITE = {"free_leases", "delete_attempts", "delete_deliveries", "delete_events"}
# After a commit of which nobody knows whether it was stored, what has been tried is written once more.
UNKNOWN = {"deliver": [Rule(("commit of results", "after"), "fail", nth=1)]}


@dataclass
class Book:
    """One database, in which chapter follows chapter."""

    url: str
    folder: Path
    number: int = 0
    build: str = ""  # of the process that is killed
    findings: Findings = field(default_factory=Findings)
    killed: set[str] = field(default_factory=set)

    def tell(self, chapter: str, kill: tuple[Point, int] | None = None) -> dict[Point, int]:
        """Have a chapter happen, cut short by a kill; then start again, and judge. Returns its points."""
        rules = [Rule(kill[0], "kill", nth=kill[1])] if kill else []
        rules += UNKNOWN.get(chapter, ())
        hits: dict[Point, int] = {}
        with gathered() as crew:
            member = crew.start(chapters.happen, Job(self.url, self.folder, "chapter", rules=rules, build=self.build))
            member.line.send((chapter, self._next()))
            if kill is None:
                hits = member.hear()
            code = member.end()
            assert code in ({0} if kill is None else {-9} if kill[1] == 1 else {0, -9}), (code, kill, member.said)
            again = crew.start(chapters.recover, Job(self.url, self.folder, "again"))
            self.killed |= {member.job.process} if kill else set()
            again.line.send((self._next(), self.killed))
            self.findings = again.hear()
            assert again.end() == 0, again.said
        assert self.findings.wrong == {}, kill
        assert self.findings.repeated <= self.findings.late
        return hits

    def _next(self) -> int:
        self.number += 1
        return self.number


@pytest.mark.timeout(600 * HITS)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_or_stuck_wherever_a_process_dies(
    kind: str, tmp_path: Path, postgres_servers: PostgresServers
) -> None:
    kills = _kills(kind, tmp_path, postgres_servers)
    shares = [kills[start::DATABASES] for start in range(DATABASES)]

    def work(number: int) -> Findings:
        folder = tmp_path / str(number)
        folder.mkdir()
        with lend_home(kind, folder, postgres_servers) as home:
            found_long_ago(home.url)
            book = Book(home.url, folder)
            for chapter, point, nth in shares[number]:
                book.tell(chapter, (point, nth))
            return book.findings

    with ThreadPoolExecutor(DATABASES) as pool:
        findings = list(pool.map(work, range(DATABASES)))
    print(f"{kind}: {len(kills)} kills; of each database: {'; '.join(map(str, findings))}")
    assert sum(one.confirmed for one in findings) > len(kills)


@pytest.mark.parametrize("kind", KINDS)
def test_an_ack_before_the_commit_is_caught(kind: str, tmp_path: Path, postgres_servers: PostgresServers) -> None:
    with lend_home(kind, tmp_path, postgres_servers) as home:
        found_long_ago(home.url)
        book = Book(home.url, tmp_path, build="ack_before_commit")
        with pytest.raises(AssertionError):
            book.tell("deliver", (("commit of insert_events", "before"), 1))

    assert book.findings.lost


def _kills(kind: str, folder: Path, servers: PostgresServers) -> list[tuple[str, Point, int]]:
    """Run every chapter to its end, once, and return where to kill: each point in the first chapter that has it."""
    kills: dict[Point, list[tuple[str, Point, int]]] = {}
    with lend_home(kind, folder, servers) as home:
        found_long_ago(home.url)
        book = Book(home.url, folder)
        book.tell("end_a_day")  # and with it the first day of all, which happens once
        for chapter in chapters.CHAPTERS:
            for point, times in book.tell(chapter).items():
                if ONLY_IN.get(point[0], chapter) == chapter:
                    kills.setdefault(point, [(chapter, point, nth + 1) for nth in range(min(times, HITS))])
    mailbox = {statement.name for statement in sql}
    here = mailbox - (set() if kind == "sqlite" else ONLY_ON_SQLITE)
    assert {*here, PERFORM} - {name for name, _ in kills} == set()
    wanted = {*mailbox, PERFORM, *(f"commit of {name}" for name in mailbox)}
    return [kill for (name, _), of_point in kills.items() if name in wanted for kill in of_point]
