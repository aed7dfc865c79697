"""The bench of rules tells good ones from bad ones, and the receiver is measured by the same traffic."""

from pathlib import Path

import pytest

from bench.receiving.replay import replay
from bench.receiving.rules import RULES, score
from bench.receiving.traffic import sessions


def test_a_window_loses_what_it_drops_and_reading_every_time_costs_the_most() -> None:
    traffic = sessions(2_000, 300, 1)
    scores = [score(rule, traffic, 0.0, 1) for _, rule in RULES]
    every, *windows, shared = scores
    assert every.stale == shared.stale == 0
    assert every.reads_per_update == pytest.approx(1.05, abs=0.01)
    lost = [one.stale for one in windows]
    assert 0.05 < lost[0] < lost[1] < lost[2] < lost[3]
    assert score(RULES[0][1], traffic, 0.5, 1).stale > 0.1


def test_the_receiver_reads_less_than_once_a_save_and_misses_nothing(tmp_path: Path) -> None:
    found = replay(sessions(40, 5, 1), 0.2, 1, tmp_path)
    assert found.stale == 0
    assert found.reads_per_update < 1.05
