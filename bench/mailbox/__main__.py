"""`python -m bench.mailbox`: every scenario on SQLite (one core) and PostgreSQL (two cores, with the server), in turn.

Each visit is a process of its own on a fresh database. Medians of rounds that were taken in turn, ratios first.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import uvloop

from bench.machine import describe
from bench.mailbox.place import Place, PostgresPlace, SqlitePlace
from bench.mailbox.scenarios import SCENARIOS, Figures
from bench.postgres import lent_database
from ombud.cli.collector import collect_rarely

# What each database is asked, in this order.
VISITS: Mapping[str, Sequence[str]] = {
    "sqlite": ("busy", "row_at_a_time", "sparse", "finding", "held", "appending", "memory"),
    "postgres": ("busy", "row_at_a_time", "sparse", "finding", "held", "snapshot", "memory"),
}
# Scenarios that fill the database for minutes are visited less often.
HEAVY = ("finding", "held", "memory")
HEAVY_ROUNDS = 3


def main() -> int:
    """Measure all of it, or one visit."""
    options = _options()
    if options.visit:
        print(json.dumps(_visit(options.visit, options.database, options.place, options.seconds)))  # noqa: T201
        return 0
    with tempfile.TemporaryDirectory(prefix="ombud-bench-", dir=options.directory) as folder:
        measured = {
            database: _rounds(database, Path(folder), options)
            for database in VISITS
            if options.database in ("", database)
        }
        machine = describe(Path(folder))
    sys.stdout.write(_report(measured))
    sys.stdout.write(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.items()) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.mailbox", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each scenario is visited (5)")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each time (5)")
    parser.add_argument("--database", choices=["", *VISITS], default="", help="one of them")
    parser.add_argument("--only", nargs="*", default=list(SCENARIOS), help="these scenarios")
    parser.add_argument("--directory", type=Path, help="where the databases are: the disk that is measured")
    parser.add_argument("--visit", choices=["", *SCENARIOS], default="", help=argparse.SUPPRESS)
    parser.add_argument("--place", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def _rounds(database: str, folder: Path, options: argparse.Namespace) -> Mapping[str, Sequence[Figures]]:
    measured: dict[str, list[Figures]] = {}
    for number in range(options.rounds):
        for scenario in VISITS[database]:
            if scenario in options.only and not (scenario in HEAVY and number >= HEAVY_ROUNDS):
                sys.stderr.write(f"{database} round {number + 1}: {scenario}\n")
                measured.setdefault(scenario, []).append(_visited(database, scenario, folder, options.seconds))
    return measured


def _visited(database: str, scenario: str, folder: Path, seconds: float) -> Figures:
    """Run a visit in a process of its own; SQLite has one core, PostgreSQL shares both with its server."""
    command = [sys.executable, "-m", "bench.mailbox", "--visit", scenario, "--database", database]
    command += ["--seconds", str(seconds), "--place"]
    if database == "sqlite":
        with tempfile.TemporaryDirectory(dir=folder) as place:
            cores = [] if scenario == "appending" else ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
            return _figures([*cores, *command, place])
    with lent_database() as url:
        return _figures([*command, url])


def _figures(command: Sequence[str]) -> Figures:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - our own command
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def _visit(scenario: str, database: str, place: str, seconds: float) -> Figures:
    collect_rarely()  # as the processes of Ombud do
    where: Place = SqlitePlace(Path(place)) if database == "sqlite" else PostgresPlace(place)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_await(scenario, where, seconds))


async def _await(scenario: str, place: Place, seconds: float) -> Figures:
    return await SCENARIOS[scenario](place, seconds)


def _report(measured: Mapping[str, Mapping[str, Sequence[Figures]]]) -> str:
    lines = ["| database | scenario | figure | median | min-max |", "|---|---|---|---|---|"]
    for database, scenarios in measured.items():
        if "busy" in scenarios and "row_at_a_time" in scenarios:
            pairs = zip(scenarios["busy"], scenarios["row_at_a_time"], strict=True)
            ratios = [one["deliveries/s"] / other["deliveries/s"] for one, other in pairs]
            lines.append(f"| {database} | busy / row at a time | ratio | {_cells(ratios)} |")
        for scenario, taken in scenarios.items():
            for figure in taken[0]:
                cells = _cells([one[figure] for one in taken])
                lines.append(f"| {database} | {scenario.replace('_', ' ')} | {figure} | {cells} |")
    return "\n".join([*lines, "", ""])


def _cells(values: Sequence[float]) -> str:
    form = ",.0f" if min(values) >= 100 else ",.2f"  # noqa: PLR2004 - digits that mean something
    return f"{statistics.median(values):{form}} | {min(values):{form}}-{max(values):{form}}"


if __name__ == "__main__":
    sys.exit(main())
