"""The campaign of truth: whatever happens on the way, handlers have done in the end what the shop was.

OMBUD_TEST_HISTORIES=10000 is the full run; docs/testing.md.
"""

import logging
import os
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

from ombud.client import reads
from ombud.receiver import product_lists
from tests.truth.broken import BROKEN
from tests.truth.handlers import Outside, make_inbox
from tests.truth.histories import live
from tests.truth.judge import problems
from tests.truth.world import open_world

SEED = int(os.environ.get("OMBUD_TEST_SEED", "1"))
HISTORIES = int(os.environ.get("OMBUD_TEST_HISTORIES", "60"))
# Histories that share a world, and rounds of each.
TOGETHER = 15
ROUNDS = 6
# Worlds in which a broken build must have been found out.
ENOUGH = 20
COUNTS: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def quiet_log(caplog: pytest.LogCaptureFixture) -> None:
    """Handlers fail on purpose, thousands of times."""
    caplog.set_level(logging.CRITICAL)


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some products that wait are read by the list, of which a page is short."""
    monkeypatch.setattr(product_lists, "MANY", 2)
    monkeypatch.setattr(product_lists, "COUNT_EVERY", 1)
    monkeypatch.setattr(product_lists, "IN_VAIN", 1)
    monkeypatch.setattr(reads, "DEFAULT_PAGE", 4)


def run_world(folder: Path, seed: int, *, rough: bool) -> list[str]:
    """Live through some histories at once; returns what is wrong in the end."""
    chance = random.Random(seed)
    outside = Outside(random.Random(chance.random()))
    folder.mkdir()
    with open_world(make_inbox(outside), folder, chance) as world:
        truths = live(world, histories=TOGETHER, steps=ROUNDS, rough=rough)
        [listed] = world.rows("select count(*) as listed from reading where listed = 1")
        COUNTS.update(listed)
        COUNTS.update(histories=TOGETHER, reads=world.api.reads, effects=len(outside.effects), deaths=world.deaths)
        return problems(world, outside, truths)


# A history takes a tenth of a second, on a busy machine more.
@pytest.mark.timeout(120 + HISTORIES // 2)
@pytest.mark.parametrize("rough", [False, True], ids=["nothing lost", "losses"])
def test_handlers_have_done_what_the_shop_was(tmp_path: Path, rough: bool) -> None:
    COUNTS.clear()
    faults: dict[int, list[str]] = {}
    for number in range(max(1, HISTORIES // TOGETHER // 2)):
        seed = SEED * 1_000_003 + number
        if wrong := run_world(tmp_path / f"{number}", seed, rough=rough):
            faults[seed] = wrong
            print(f"seed {seed}: {wrong}", flush=True)
        shutil.rmtree(tmp_path / f"{number}")
    print(f"seed {SEED}: {dict(COUNTS)}, faults {len(faults)}")
    assert faults == {}
    assert COUNTS["listed"]


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_build_is_found_out(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    breaks, rough = BROKEN[name]
    breaks(monkeypatch)
    for number in range(ENOUGH):
        if run_world(tmp_path / f"{number}", number + 1, rough=rough):
            return
    pytest.fail(f"{name}: nothing wrong in {ENOUGH * TOGETHER} histories")
