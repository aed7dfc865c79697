"""`python -m bench.receiver.ack`: how long an arrival waits for its 200 while everything behind it is in trouble.

1,000 arrivals a second, open loop, for some seconds. Beside the receiver runs `ombud work` as a process of its own: its
handlers burn a core, the shop's API is down, and it is killed and started again every few seconds. The receiver has no
API key. Every 200 must be a row.
"""

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import uvloop

from bench.load import reading
from bench.machine import Cores
from bench.receiver.__main__ import UVICORN
from bench.receiver.open_loop import Answers, OpenLoop
from bench.servers import TOKEN, Server, Servers, free_port

GOAL_P99_MILLISECONDS = 15.0
# Orders whose handlers burn from the start.
BURNING = 30
# Seconds between two deaths of `ombud work`.
LIFE_SECONDS = 4.0
PATIENCE_SECONDS = 30.0
ARRIVALS = "select count(*) from event where box = 2"


def main() -> int:
    """Measure and print; returns 1 when something was not answered 200 or not stored."""
    parser = argparse.ArgumentParser("python -m bench.receiver.ack", description=__doc__)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--per-second", type=int, default=1_000)
    parser.add_argument("--directory", type=Path, help="where the database is: the disk that is measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ombud-bench-", dir=options.directory) as folder:
        answers, stored, trouble = _measure(Path(folder), options.seconds, options.per_second)
    good = answers.statuses.get(200, 0)
    lines = [
        f"{len(answers.seconds)} arrivals at {options.per_second} a second: {answers.statuses}, {stored} stored",
        f"p50 {answers.share(500):.2f} ms, p99 {answers.share(990):.2f} ms (goal {GOAL_P99_MILLISECONDS:g})",
        f"p99.9 {answers.share(999):.2f} ms, longest {answers.share(1000):.2f} ms",
        f"handlers burnt {trouble.burnt_seconds:.1f} s of a core, `ombud work` was killed {trouble.deaths} times",
        f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if good == len(answers.seconds) == stored else 1


def _measure(folder: Path, seconds: int, per_second: int) -> tuple[Answers, int, "Trouble"]:
    with Servers(folder, Cores(None, None)) as servers:
        server = servers.web("uvicorn", [part.replace("{app}", "asgi") for part in UVICORN])
        database = server.database
        assert database is not None
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, reading(database) as ask:
            runner.run(OpenLoop(server.port, server.path, BURNING).run(1))
            _pass_on(database, ask)
            before, trouble = ask(ARRIVALS), Trouble(database)
            answers = runner.run(_load(server, trouble, seconds, per_second))
            return answers, ask(ARRIVALS) - before, trouble


def _pass_on(database: Path, ask: Callable[[str], int]) -> None:
    """Have runs that wait: passed on unconfirmed, since nobody confirms anything here."""
    process = _work(database, {"OMBUD_CONFIRM": "none"})
    deadline = time.monotonic() + PATIENCE_SECONDS
    while ask("select count(*) from event where box = 3") < BURNING:
        if time.monotonic() > deadline:
            raise RuntimeError("no handler was ever called")
        time.sleep(0.05)
    _kill(process)


async def _load(server: Server, trouble: "Trouble", seconds: int, per_second: int) -> Answers:
    beside = asyncio.create_task(trouble.run())
    await asyncio.sleep(LIFE_SECONDS / 2)
    os.nice(-5)  # a generator that waits for a core itself would measure its own wait
    answers = await OpenLoop(server.port, server.path, per_second).run(seconds)
    beside.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await beside
    return answers


class Trouble:
    """`ombud work` whose handlers burn and whose API is down: it lives for a while, is killed, and so on."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self.burnt_seconds = 0.0  # of processor, by the handlers
        self.deaths = 0

    async def run(self) -> None:
        """Go on until it is cancelled."""
        nowhere = {"QUICKBUTIK_API_KEY": "a-key-of-the-bench", "OMBUD_API_URL": f"http://127.0.0.1:{free_port()}/v1"}
        while True:
            process = _work(self._database, nowhere)
            try:
                await asyncio.sleep(LIFE_SECONDS)
            finally:
                self.burnt_seconds += _children_seconds(process.pid)
                self.deaths += 1
                _kill(process)


def _work(database: Path, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMBUD_", "QUICKBUTIK_"))}
    settings = {"OMBUD_TOKEN": TOKEN, "OMBUD_DATABASE_URL": f"sqlite:///{database}", **environment}
    command = [sys.executable, "-m", "ombud", "work", "bench.receiver.burning:inbox"]
    return subprocess.Popen(command, env=kept | settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - ours


def _kill(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()


def _children_seconds(pid: int) -> float:
    ticks = 0
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
