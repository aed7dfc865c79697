"""How many GETs the delivery client makes on one core, against nginx on the other: python -m bench.client

Each figure is a process of its own: prepare, sign, vet, ask over kept connections with a deadline, judge the answer; no
database. `runners` are tasks that deliver one after another, with `tasks` each delivery is a task of its own.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, ip_network
from itertools import count
from pathlib import Path

import uvloop

from bench.load import Generator
from bench.machine import cores, describe, program
from bench.servers import HOST, PATIENCE_SECONDS, ROOT, Server, free_port, on_core
from ombud.mailbox.model import Delivery, Done
from ombud.sender.deliver import Deliverer

# What an endpoint has for its answer, everything included.
TIMEOUT_SECONDS = 10.0
SECRET = "whsec_b25seSBmb3IgdGhlIGJlbmNoLCAzMiBieXRlcyE="  # noqa: S105 - signs requests to this machine
ENDPOINTS = 1_000

NGINX = """
daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log error.log error;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {{ {listen} location / {{ return 200 "OK"; }} }}
}}
"""


@dataclass(frozen=True)
class Case:
    """Event loop, how it is driven, deliveries at the same time, endpoints, and whether they are signed."""

    loop: str
    drive: str
    together: int
    endpoints: int
    signed: bool

    @property
    def name(self) -> str:
        """What stands in the table."""
        signed = "signed" if self.signed else "unsigned"
        return f"{self.loop}, {self.together} {self.drive}, {self.endpoints} endpoints, {signed}"


CASES = [
    Case("uvloop", "runners", 64, 1, signed=False),
    Case("uvloop", "runners", 64, 1, signed=True),
    Case("uvloop", "tasks", 64, 1, signed=False),
    Case("uvloop", "runners", 256, ENDPOINTS, signed=False),
    Case("uvloop", "runners", 256, ENDPOINTS, signed=True),
    Case("asyncio", "runners", 64, 1, signed=False),
    Case("asyncio", "runners", 256, ENDPOINTS, signed=True),
]


class Drive:
    """Delivers as fast as it can until the time is up."""

    def __init__(self, case: Case, port: int, seconds: float) -> None:
        self._case = case
        self._seconds = seconds
        self._deliverer = Deliverer([ip_network("127.0.0.0/8")], TIMEOUT_SECONDS)
        secrets = {"secrets": (SECRET,)} if case.signed else {}
        self._facts = [
            {"lane_id": number, "url": f"http://{host(number)}:{port}/hooks"} | secrets
            for number in range(case.endpoints)
        ]
        self._numbers = count()
        self._end = 0.0

    async def run(self) -> tuple[float, float]:
        """Return deliveries for each second, and for each second of processor time."""
        await asyncio.gather(*(self._deliver() for _ in range(self._case.endpoints)))
        first, started, processor = next(self._numbers), time.perf_counter(), time.process_time()
        self._end = started + self._seconds
        drive = self._runner if self._case.drive == "runners" else self._spawner
        await asyncio.gather(*(drive() for _ in range(self._case.together)))
        done = next(self._numbers) - first - 1
        rates = done / (time.perf_counter() - started), done / (time.process_time() - processor)
        self._deliverer.close()
        return rates

    async def _deliver(self) -> None:
        number = next(self._numbers)
        delivery = Delivery(1, 1, (1 << 50) + number, 1, "order.new", f"order/{number}", None, 0, 0, 0, 0, 0, None)
        outcome = await self._deliverer.perform(delivery, self._facts[number % len(self._facts)])
        if not isinstance(outcome, Done):
            raise TypeError(outcome)

    async def _runner(self) -> None:
        while time.perf_counter() < self._end:
            await self._deliver()

    async def _spawner(self) -> None:
        while time.perf_counter() < self._end:
            await asyncio.create_task(self._deliver())


def host(number: int) -> str:
    """Return the address of an endpoint, all of them on this machine."""
    return str(IPv4Address("127.0.1.1") + number)


def main() -> int:
    """Measure every case in turn, round by round, and print medians."""
    options = _options()
    if options.case is not None:
        case = Case(**json.loads(options.case))
        run = uvloop.run if case.loop == "uvloop" else asyncio.run
        sys.stdout.write(json.dumps(run(Drive(case, options.port, options.seconds).run())))
        return 0
    figures: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder, _nginx(Path(folder)) as server:
        machine = describe(Path(folder))
        for _ in range(options.rounds):
            shown, _ = Generator(options.seconds, cores().server).run(server, 64)
            figures.setdefault("nginx under wrk, 64 connections", []).append((shown.per_second, shown.per_core_second))
            for case in CASES:
                figures.setdefault(case.name, []).append(_child(case, server.port, options.seconds))
    sys.stdout.write("| GETs | per second | per core-second |\n|---|---|---|\n")
    for name, taken in figures.items():
        rate, core = (f"{statistics.median(one[place] for one in taken):,.0f}" for place in (0, 1))
        sys.stdout.write(f"| {name} | {rate} | {core} |\n")
    sys.stdout.write(f"\n{', '.join(f'{name} {value}' for name, value in machine.items())}\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.client", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (3)")
    parser.add_argument("--seconds", type=int, default=2, help="how long each time (2)")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def _child(case: Case, port: int, seconds: int) -> tuple[float, float]:
    command = [sys.executable, "-m", "bench.client", "--case", json.dumps(asdict(case)), "--port", str(port)]
    command = [*on_core(cores().server), *command, "--seconds", str(seconds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    rate, core = json.loads(done.stdout)
    return rate, core


@contextmanager
def _nginx(folder: Path) -> Iterator[Server]:
    """Start an nginx that listens on every endpoint's address, on the other core."""
    port = free_port()
    hosts = [HOST, *(host(number) for number in range(ENDPOINTS))]
    listen = " ".join(f"listen {one}:{port} backlog=4096;" for one in hosts)
    (folder / "nginx.conf").write_text(NGINX.format(listen=listen))
    command = [*on_core(cores().generator), program("nginx"), "-p", f"{folder}/", "-c", "nginx.conf", "-e", "error.log"]
    with subprocess.Popen(command) as process:  # noqa: S603 - ours
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not (folder / "nginx.pid").exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            yield Server(process, port)
        finally:
            process.terminate()


if __name__ == "__main__":
    sys.exit(main())
