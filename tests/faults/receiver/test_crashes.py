"""A kill -9 between every two steps from a webhook's arrival to the end of its handlers, on both databases.

Steps are what outlives a process: a commit, a request to the shop's API, and an effect on the outside.
Every hit of each, and of every statement: OMBUD_TEST_HITS=99 ./test tests/faults/receiver -s
"""

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.mailbox.crew import gathered
from tests.faults.mailbox.driver import COMMIT, Point
from tests.faults.mailbox.roles import Job
from tests.faults.receiver.broken import BUILDS
from tests.faults.receiver.judge import Verdict, judge
from tests.faults.receiver.life import HANDLE, REQUEST, Chapter, Kill, Place, live, open_home
from tests.receiver.store import KEY, Store, run_store
from tests.support.databases import lend_home
from tests.support.postgres import PostgresServers

KINDS = ["sqlite", "postgres-newest"]
HITS = int(os.environ.get("OMBUD_TEST_HITS", "0"))
SEED = int(os.environ.get("OMBUD_TEST_SEED", "1"))
# Without HITS: so many kills, of all that there could be.
SLICE = 24
# Hits of the point at which a broken build does harm, and chapters with one of them each: which of two writes comes
# first is up to the machine.
CONTROL_HITS = 4
CONTROL_CHAPTERS = 24
STEPS = {COMMIT, REQUEST, HANDLE}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with run_store(tmp_path_factory.mktemp("store")) as running:
        yield running


@dataclass
class Book:
    """One database in which chapter follows chapter."""

    url: str
    folder: Path
    store: Store
    build: str = ""
    chapters: list[Chapter] = field(default_factory=list)
    left: Chapter | None = None
    killed: list[Kill] = field(default_factory=list)

    def tell(self, kill: Kill | None = None, *, more: bool = True) -> Mapping[Point, int]:
        """End what was left, and have one `more` chapter happen, cut short by a kill; returns its points."""
        chapter = self._chapter() if more else None
        hits: Mapping[Point, int] = {}
        with gathered() as crew:
            member = crew.start(live, Job(self.url, self.folder, "life"))
            member.line.send((Place(self.store.api_url, KEY, self.build), self.left, chapter, kill))
            if kill is None:
                hits = member.hear()
            code = member.end()
            assert code in ({0} if kill is None else {0, -9}), (code, kill, member.said)
        self.left = chapter if code == -9 else None
        self.killed += [kill] if kill is not None and code == -9 else []
        return hits

    def judge(self) -> Verdict:
        """Judge all of it, once what was left has ended."""
        self.tell(more=False)
        with open_home(self.url) as database:
            return judge(self.folder, database, self.chapters)

    def _chapter(self) -> Chapter:
        order_id = self.store.pay()
        product_id = self.store.client.create_product(title="A lamp", price="10.00")
        chapter = Chapter(len(self.chapters), order_id, product_id)
        self.chapters.append(chapter)
        return chapter


@pytest.mark.timeout(120 + 60 * HITS)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_and_keys_stay_wherever_the_process_dies(
    kind: str, tmp_path: Path, store: Store, postgres_servers: PostgresServers
) -> None:
    with lend_home(kind, tmp_path, postgres_servers) as home:
        book = Book(home.url, tmp_path, store)
        book.tell()
        kills = _kills(book.tell())
        for kill in kills:
            book.tell(kill)
        verdict = book.judge()
    print(f"{kind}: {len(book.killed)} kills of {len(kills)}, {len(book.chapters)} chapters; {verdict}")
    assert verdict.wrong == []
    assert len(book.killed) > len(kills) / 2
    assert 0 < verdict.repeated <= len(book.killed)


@pytest.mark.parametrize("build", BUILDS)
def test_a_build_that_a_crash_harms_is_caught(
    build: str, tmp_path: Path, store: Store, postgres_servers: PostgresServers
) -> None:
    with lend_home("sqlite", tmp_path, postgres_servers) as home:
        book = Book(home.url, tmp_path, store, build)
        book.tell()
        for number in range(CONTROL_CHAPTERS):
            book.tell(Kill(BUILDS[build].point, 1 + number % CONTROL_HITS))
            if book.judge().wrong:
                return
        pytest.fail(f"{build}: nothing wrong in {CONTROL_CHAPTERS} chapters")


def _kills(hits: Mapping[Point, int]) -> Sequence[Kill]:
    """Return where to kill."""
    if HITS:
        return [Kill(point, nth + 1) for point, times in hits.items() for nth in range(min(times, HITS))]
    steps = [Kill(point, nth + 1) for point, times in hits.items() if point[0] in STEPS for nth in range(times)]
    return random.Random(SEED).sample(steps, min(SLICE, len(steps)))
