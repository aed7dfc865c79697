"""A worker that is stopped past its lease, at every point, and goes on later: nothing overwritten, nothing stuck.

The full run: OMBUD_TEST_STOPS=50 ./test tests/faults/mailbox/test_paused_worker.py
"""

import os
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.mailbox.driver import Point
from tests.faults.mailbox.pausing import Pair, points
from tests.support.databases import lend_home
from tests.support.postgres import PostgresServers

STOPS = int(os.environ.get("OMBUD_TEST_STOPS", "1"))
SEED = int(os.environ.get("OMBUD_TEST_SEED", "1"))
# Enough for a broken build to be caught.
CONTROL_STOPS = 4
# Pairs of workers at once, each on a database of its own: most of them stand still.
PAIRS = 6


def pairs(kind: str, folder: Path, servers: PostgresServers) -> list[Pair]:
    stops: list[Point] = points() * STOPS
    random.Random(SEED).shuffle(stops)

    def run(number: int) -> Pair:
        own = folder / str(number)
        own.mkdir()
        with lend_home(kind, own, servers) as home:
            return Pair(home.url, own, stops[number::PAIRS], SEED, long=STOPS > 1).run()

    with ThreadPoolExecutor(PAIRS) as pool:
        ended = list(pool.map(run, range(PAIRS)))
    tell(kind, ended)
    for pair in ended:
        assert pair.findings.wrong == {}
        assert pair.findings.repeated <= pair.findings.late
    assert sum(pair.stops for pair in ended) == len(stops)
    return ended


def tell(kind: str, ended: Sequence[Pair]) -> None:
    for pair in ended:
        print(f"{kind}, seed {SEED}: {pair.stops} stops; {pair.begun_meanwhile} tries meanwhile; {pair.findings}")


@pytest.mark.timeout(300 + 20 * STOPS)
def test_where_others_perform_too_they_take_over_and_what_comes_late_decides_nothing(
    tmp_path: Path, postgres_servers: PostgresServers
) -> None:
    ended = pairs("postgres-newest", tmp_path, postgres_servers)

    assert all(pair.begun_meanwhile for pair in ended)
    # What the first had in its hands was tried by the second, and the first one's own record is kept.
    assert sum(pair.findings.late for pair in ended) >= STOPS


@pytest.mark.timeout(120)
def test_a_settle_without_a_fence_is_caught(tmp_path: Path, postgres_servers: PostgresServers) -> None:
    with lend_home("postgres-newest", tmp_path, postgres_servers) as home:
        pair = Pair(home.url, tmp_path, [("fence", "after")] * CONTROL_STOPS, SEED, build="no_fence").run()

    assert pair.findings.contradictory


@pytest.mark.timeout(300 + 20 * STOPS)
def test_where_one_performs_nobody_does_until_it_goes_on(tmp_path: Path, postgres_servers: PostgresServers) -> None:
    ended = pairs("sqlite", tmp_path, postgres_servers)

    assert sum(pair.begun_meanwhile for pair in ended) == 0
