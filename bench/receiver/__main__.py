"""`python -m bench.receiver`: durable acknowledgements beside nginx that stores nothing, in one run, in turn.

Under uvicorn as plain ASGI, under granian as RSGI, mounted in FastAPI, and as `ombud receive` serves them. Beside them
a Flask view under gunicorn that stores nothing, either.

Each webhook is about an order of its own, as new orders are; but in the figures of `products` a thousand products
change in turn, which costs a page of the index of subjects for each.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.command import run
from bench.load import Generator, Round, acknowledge
from bench.machine import cores
from bench.report import Yardsticks
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
YARDSTICKS: Yardsticks = {
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
    """Measure everything."""
    goals = ", ".join(f"{name} {goal:g}" for name, goal in GOALS.items())
    return run("bench.receiver", _options(), measure, YARDSTICKS, f"Goals, of rates: {goals}")


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


if __name__ == "__main__":
    sys.exit(main())
