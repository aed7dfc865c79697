"""`python -m bench.receiver`: durable acknowledgements beside nginx that stores nothing, in one run, in turn.

Under uvicorn as plain ASGI, under granian as RSGI, mounted in FastAPI, and as `ombud receive` serves them. Beside them
a Flask view under gunicorn that stores nothing, either.

Each webhook is about an order of its own, as new orders are; but in the figures of `products` a thousand products
change in turn, which costs a page of the index of subjects for each.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.load import Cheated, Generator, Round, acknowledge
from bench.machine import cores, describe, missing_packages
from bench.report import document, text
from bench.servers import Server, Servers

# Seconds of a round that is not counted.
WARM_SECONDS = 1
UVICORN = [
    *("-m", "uvicorn", "bench.receiver.app:{app}", "--host", "127.0.0.1", "--port", "{port}", "--lifespan", "off"),
    *(
        "--no-access-log",
        "--no-proxy-headers",
        "--no-server-header",
        "--log-level",
        "warning",
        "--loop",
        "uvloop",
        "--http",
        "httptools",
    ),
]
GRANIAN = [
    *("-m", "granian", "bench.receiver.app:rsgi", "--interface", "rsgi", "--host", "127.0.0.1", "--port", "{port}"),
    *("--loop", "uvloop", "--no-ws", "--log-level", "warning"),
]
# Each figure, and those of the same round that it is held against, with the goal of the first.
YARDSTICKS: Mapping[str, Sequence[str]] = {
    "uvicorn, 64 connections": ("nginx, 64 connections", "Flask, 64 connections"),
    "uvicorn, 256 connections": ("nginx, 256 connections", "Flask, 256 connections"),
    "uvicorn, 256 connections, products": ("nginx, 256 connections",),
    "granian, 256 connections": ("nginx, 256 connections", "Flask, 256 connections"),
    "mounted in FastAPI, 256 connections": ("nginx, 256 connections",),
    "ombud receive, 256 connections": ("nginx, 256 connections",),
    "Flask, 256 connections": ("nginx, 256 connections",),
}
GOALS = {
    "uvicorn, 64 connections / nginx, 64 connections": 0.10,
    "uvicorn, 256 connections / nginx, 256 connections": 0.13,
    "granian, 256 connections / nginx, 256 connections": 0.20,
    "uvicorn, 64 connections / Flask, 64 connections": 5.0,
}


def main() -> int:
    """Measure; returns 1 when a server did not do what it answered, 2 when something is missing."""
    options = _options()
    if missing := missing_packages():
        packages = " ".join(missing)
        return _fail(f"missing: {packages}. As root: apt-get install -y --no-install-recommends {packages}", 2)
    with tempfile.TemporaryDirectory(prefix="ombud-bench-", dir=options.directory) as folder:
        machine = describe(Path(folder))
        try:
            measured = measure(Path(folder), options)
        except (Cheated, RuntimeError, OSError, subprocess.SubprocessError) as error:
            return _fail(str(error), 1)
    held = {name: others for name, others in YARDSTICKS.items() if name in measured}
    yardsticks = {name: [other for other in others if other in measured] for name, others in held.items()}
    sys.stdout.write(f"{text(machine, measured, yardsticks)}\n\nGoals, of rates: {_goals()}\n")
    if options.json is not None:
        options.json.write_text(json.dumps(document(machine, measured, yardsticks), indent=2) + "\n")
    return 0


def measure(folder: Path, options: argparse.Namespace) -> Mapping[str, Sequence[Round]]:
    """Start what is to be measured, and let each round visit it in turn."""
    measured: dict[str, list[Round]] = {}
    with Servers(folder, cores()) as servers:
        visits = {name: make() for name, make in _visits(servers).items() if options.only in name}
        for visit in visits.values() if options.warm_up else ():
            visit(WARM_SECONDS)
        for _ in range(options.rounds):
            for name, visit in visits.items():
                measured.setdefault(name, []).append(visit(options.seconds))
    return measured


def _visits(servers: Servers) -> Mapping[str, Callable[[], Callable[[int], Round]]]:
    """Return by the name of its figure what starts a server, unless it runs already, and returns what a round does."""
    core = cores().generator
    starts: Mapping[str, Callable[[], Server]] = {
        "nginx": lambda: servers.nginx("nginx"),
        "Flask": servers.flask,
        "uvicorn": lambda: servers.web("uvicorn", [part.replace("{app}", "asgi") for part in UVICORN]),
        "granian": lambda: servers.web("granian", GRANIAN),
        "mounted in FastAPI": lambda: servers.web("fastapi", [part.replace("{app}", "fast") for part in UVICORN]),
        "ombud receive": servers.receiver,
    }
    started: dict[str, Server] = {}

    def visit(name: str, connections: int, traffic: str = "orders") -> Callable[[], Callable[[int], Round]]:
        def start() -> Callable[[int], Round]:
            server = started.get(name) or started.setdefault(name, starts[name]())
            database = server.database
            if database is None:
                return lambda seconds: Generator(seconds, core).run(server, connections)[0]
            return lambda seconds: acknowledge(Generator(seconds, core), server, connections, database, traffic)

        return start

    wanted = [(name, connections) for connections in (64, 256) for name in starts]
    few = {"nginx", "Flask", "uvicorn"}
    visits = {
        f"{name}, {connections} connections": visit(name, connections)
        for name, connections in wanted
        if connections > 64 or name in few  # noqa: PLR2004 - the goals are for both at uvicorn alone
    }
    return visits | {"uvicorn, 256 connections, products": visit("uvicorn", 256, "products")}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.receiver", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each server is visited (3)")
    parser.add_argument("--seconds", type=int, default=2, help="how long each time (2)")
    parser.add_argument("--only", default="", help="only figures with this in their name, such as `64`")
    parser.add_argument("--no-warm-up", dest="warm_up", action="store_false", help="count the first second as well")
    parser.add_argument("--directory", type=Path, help="where the databases are: the disk that is measured")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    return parser.parse_args()


def _goals() -> str:
    return ", ".join(f"{name} {goal:g}" for name, goal in GOALS.items())


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"bench.receiver: {message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
