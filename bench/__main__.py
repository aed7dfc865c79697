"""`python -m bench`: the receiver's acknowledgements and the sender's deliveries beside nginx and Flask, in one run.

Every server is up at once, and each round visits them in turn: what else the machine does meets all of them.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.command import run
from bench.load import Generator, Publisher, Round, acknowledge
from bench.machine import cores
from bench.report import Yardsticks
from bench.servers import Servers

# Shops, each with one endpoint.
ONE = [1]
HUNDRED = list(range(101, 201))
# Each figure, and those of the same round that it is held against.
YARDSTICKS: Yardsticks = {
    "receiver, 64 connections": ("nginx, 64 connections", "Flask, 64 connections"),
    "receiver, 256 connections": ("nginx, 256 connections",),
    "sender, 1 endpoint": ("nginx, 64 connections",),
    "sender, 100 endpoints": ("nginx, 64 connections",),
    "Flask, 64 connections": ("nginx, 64 connections",),
}
# Seconds of a round that is not counted: caches, and the endpoints' windows, which begin at 1.
WARM_SECONDS = 1


def main() -> int:
    """Measure everything."""
    return run("bench", _options(), _measure, YARDSTICKS)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=_above_zero, default=5, help="how often each server is visited (5)")
    parser.add_argument("--seconds", type=_above_zero, default=3, help="how long each time (3)")
    parser.add_argument("--no-warm-up", dest="warm_up", action="store_false", help="count the first second as well")
    parser.add_argument("--directory", type=Path, help="where the databases are: the disk that is measured")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    return parser.parse_args()


def _above_zero(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("it is a whole number above 0")
    return number


def _measure(folder: Path, options: argparse.Namespace) -> Mapping[str, Sequence[Round]]:
    measured: dict[str, list[Round]] = {}
    with Servers(folder, cores()) as servers:
        visits = _visits(servers)
        for visit in visits.values() if options.warm_up else ():
            visit(WARM_SECONDS)
        for number in range(options.rounds):
            for name, visit in visits.items():
                _say(f"round {number + 1} of {options.rounds}: {name}")
                measured.setdefault(name, []).append(visit(options.seconds))
    _say("")
    return measured


def _say(words: str) -> None:
    """Say what is going on, to a person only."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{words:<60}\r")
        sys.stderr.flush()


def _visits(servers: Servers) -> Mapping[str, Callable[[int], Round]]:
    """Start every server; returns what a round does, by the name of its figure."""
    core = cores().generator
    nginx, target, flask, receiver, sender = (
        servers.nginx("nginx"),
        servers.nginx("target", target=True),
        servers.flask(),
        servers.receiver(),
        servers.sender(),
    )
    publisher = Publisher(sender, servers.new_key(), servers.folder / "sender.db", target)
    publisher.add_endpoints(ONE + HUNDRED)
    arrivals = receiver.database
    assert arrivals is not None
    return {
        "nginx, 64 connections": lambda seconds: Generator(seconds, core).run(nginx, 64)[0],
        "receiver, 64 connections": lambda seconds: acknowledge(Generator(seconds, core), receiver, 64, arrivals),
        "Flask, 64 connections": lambda seconds: Generator(seconds, core).run(flask, 64)[0],
        "sender, 1 endpoint": lambda seconds: publisher.run(seconds, ONE),
        "nginx, 256 connections": lambda seconds: Generator(seconds, core).run(nginx, 256)[0],
        "receiver, 256 connections": lambda seconds: acknowledge(Generator(seconds, core), receiver, 256, arrivals),
        "sender, 100 endpoints": lambda seconds: publisher.run(seconds, HUNDRED),
    }


if __name__ == "__main__":
    sys.exit(main())
