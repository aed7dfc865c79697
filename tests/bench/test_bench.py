"""The bench measures, proves what it measured, and leaves nothing behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from bench.load import Cheated, Generator, Round, acknowledge
from bench.machine import cores
from bench.report import document, text
from bench.servers import Server
from tests.support.processes import PATIENCE_SECONDS, ROOT, clean_environment

# Seconds for the smallest run of all on a busy machine.
SMOKE_SECONDS = PATIENCE_SECONDS * 3


def bench(*arguments: str, module: str = "bench", **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        timeout=SMOKE_SECONDS,
        check=False,
    )


def test_the_smallest_run(tmp_path: Path) -> None:
    smallest = ["--rounds", "1", "--seconds", "1", "--no-warm-up"]
    done = bench(*smallest, "--directory", str(tmp_path), "--json", str(tmp_path / "all.json"))
    assert done.returncode == 0, done.stderr
    assert "| receiver, 64 connections / nginx, 64 connections |" in done.stdout
    found = json.loads((tmp_path / "all.json").read_text())
    assert len(found["figures"]) == 7
    assert all(figure["per_second"]["median"] > 0 for figure in found["figures"].values())
    assert found["machine"]["cores"] == len(os.sched_getaffinity(0))
    assert [file.name for file in tmp_path.iterdir()] == ["all.json"]


def test_servers_have_the_other_core_of_a_generator_that_keeps_to_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    usable: set[int | None] = {0, 1}
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: usable)
    cores.cache_clear()
    try:
        chosen = cores()
        usable = {chosen.generator}
        assert (chosen.server, cores()) == (0, chosen)
    finally:
        cores.cache_clear()


def test_what_is_missing_is_named_in_one_line(tmp_path: Path) -> None:
    """Daemons are found without a PATH that names them; wrk and taskset are not."""
    done = bench(PATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.endswith("apt-get install -y --no-install-recommends wrk util-linux")


@pytest.mark.parametrize("arguments", [["--rounds", "0"], ["--seconds", "x"]])
def test_usage(arguments: list[str]) -> None:
    assert bench(*arguments).returncode == 2


@pytest.mark.parametrize(("stored", "sound"), [(99, False), (100, True), (104, True), (105, False)])
def test_an_answer_without_a_row_is_cheating(
    stored: int, sound: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: a server that says 200 and drops, and one that stores what nobody asked for."""
    path = tmp_path / "receiver.db"
    connection = apsw.Connection(str(path))
    connection.execute("create table event(id integer)")

    def run(*_: object) -> tuple[Round, int]:
        connection.executemany("insert into event values (?)", [(number,) for number in range(stored)])
        return Round(100.0, 0.5), 100

    monkeypatch.setattr(Generator, "run", run)
    server = Server(subprocess.Popen(["true"]), 0)
    if sound:
        assert acknowledge(Generator(1, None), server, 4, path).per_second == 100
    else:
        with pytest.raises(Cheated, match=f"100 were answered 200, and {stored} are stored"):
            acknowledge(Generator(1, None), server, 4, path)
    server.process.wait()
    connection.close()


def test_ratios_are_of_the_same_round() -> None:
    slow, fast = Round(10.0, 0.5), Round(100.0, 1.0)
    rounds = {"nginx": [fast, slow], "receiver": [slow, fast]}
    held = {"receiver": ["nginx"]}
    ratio = document({}, rounds, held)["ratios"]["receiver / nginx"]
    assert ratio["rate"] == {"median": pytest.approx(5.05), "min": 0.1, "max": 10.0}
    assert ratio["per_core_second"] == {"median": pytest.approx(2.6), "min": 0.2, "max": 5.0}
    assert "| 5.050 | 0.100-10.000 |" in text({}, rounds, held)


def test_the_smallest_run_of_the_receiver(tmp_path: Path) -> None:
    smallest = ["--rounds", "1", "--seconds", "1", "--no-warm-up", "--only", "64"]
    done = bench(*smallest, "--directory", str(tmp_path), module="bench.receiver")
    assert done.returncode == 0, done.stderr
    for other in ("nginx", "Flask"):
        assert f"| uvicorn, 64 connections / {other}, 64 connections |" in done.stdout
    assert "256 connections |" not in done.stdout


def test_one_pair_of_a_flood_of_alike_webhooks(tmp_path: Path) -> None:
    smallest = ["--rounds", "1", "--seconds", "1", "--directory", str(tmp_path)]
    done = bench(*smallest, module="bench.receiver.flood")
    assert done.returncode == 0, done.stderr
    assert "| answered |" in done.stdout
    assert "| handled |" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_one_pair_of_a_flood_and_its_picture(tmp_path: Path) -> None:
    files = ["--keep", str(tmp_path / "pairs.json"), "--graph", str(tmp_path / "all.svg")]
    done = bench("isolation", "--only", "flood", "--seconds", "1", *files, module="bench.sender")
    assert done.returncode == 0, done.stderr
    assert "| flood | 1 |" in done.stdout
    [pair] = json.loads((tmp_path / "pairs.json").read_text())
    # Each order for two endpoints, but those of the shop that floods.
    assert pair["with"]["count"] == pair["without"]["count"] > 150
    assert (tmp_path / "all.svg").read_text().count('stroke="#c2410c"') == 1


def test_arrivals_are_answered_whatever_happens_behind_them(tmp_path: Path) -> None:
    done = bench("--seconds", "1", "--per-second", "200", "--directory", str(tmp_path), module="bench.receiver.ack")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("200 arrivals at 200 a second: {200: 200}, 200 stored\n")
