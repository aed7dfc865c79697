"""`python -m bench.sender isolation`, `… looking`, `… speed`, `… steady`: how fast deliveries are, and what slows them.

An isolation run is a pair: with the trouble and without it, one after the other. `--keep FILE` adds to the pairs of
earlier calls, so that long series can be made of short calls; medians are of all pairs in the file.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop

from bench.machine import cores
from bench.sender.graph import draw
from bench.sender.isolation import SCENARIOS, steady
from bench.sender.looking import measure_looking
from bench.sender.speed import measure_speed

# Events a second of the run without any trouble, open loop.
STEADY_PER_SECOND = 1_000
KINDS = {"without": False, "with": True}


def main() -> int:
    """Measure and print; returns 1 when open pages cost deliveries too much."""
    options = _options()
    # The publisher and the endpoints have the other core.
    if (core := cores().generator) is not None and options.what not in {"speed", "looking"}:
        os.sched_setaffinity(0, {core})
    if options.what == "speed":
        sys.stdout.write(measure_speed(options.rounds, round(options.seconds), options.directory))
        return 0
    if options.what == "looking":
        table, holds = measure_looking(options.rounds, round(options.seconds), options.directory)
        sys.stdout.write(table)
        return int(not holds)
    if options.what == "steady":
        for _ in range(options.rounds):
            one = uvloop.run(steady(STEADY_PER_SECOND, options.seconds))
            sys.stdout.write(
                f"{one['count']} events: half within {one['p50']:.1f} ms, 99 % within {one['p99']:.1f} ms\n"
            )
        return 0
    kept: list[Any] = json.loads(options.keep.read_text()) if options.keep and options.keep.exists() else []
    for name in options.only or SCENARIOS:
        for _ in range(options.rounds):
            pair = {kind: uvloop.run(SCENARIOS[name](options.seconds, trouble)) for kind, trouble in KINDS.items()}
            kept.append({"scenario": name, **pair})
    if options.keep:
        options.keep.write_text(json.dumps(kept) + "\n")
    if options.graph:
        options.graph.write_text(draw({name: _curves(kept, name) for name in SCENARIOS if _of(kept, name)}))
    sys.stdout.write(_report(kept))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.sender", description=__doc__)
    parser.add_argument("what", choices=["isolation", "speed", "steady", "looking"])
    parser.add_argument("--rounds", type=int, default=1, help="how many pairs, or visits (1)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each is counted (10)")
    parser.add_argument("--only", action="append", choices=list(SCENARIOS), help="one kind of trouble; again for more")
    parser.add_argument("--keep", type=Path, help="a file of pairs, to which these are added")
    parser.add_argument("--graph", type=Path, help="an SVG to draw from all pairs")
    parser.add_argument("--directory", type=Path, help="where the databases of the speed rows are")
    return parser.parse_args()


def _of(kept: Sequence[Any], name: str) -> list[Any]:
    return [pair for pair in kept if pair["scenario"] == name]


def _curves(kept: Sequence[Any], name: str) -> dict[str, list[list[float]]]:
    return {kind: [pair[kind]["curve"] for pair in _of(kept, name)] for kind in KINDS}


def _report(kept: Sequence[Any]) -> str:
    lines = ["| trouble | pairs | p50 ms without, with | p99 ms without, with | p99 ratio | min-max | |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name in SCENARIOS:
        if not (pairs := _of(kept, name)):
            continue
        halves, ends = (
            ", ".join(f"{statistics.median(pair[kind][share] for pair in pairs):.1f}" for kind in KINDS)
            for share in ("p50", "p99")
        )
        ratios = [pair["with"]["p99"] / pair["without"]["p99"] for pair in pairs]
        last = pairs[-1]["with"]
        more = ", ".join(f"{key} {last[key]:,}" for key in ("delivered", "most at once", "sent again") if key in last)
        spread = f"{statistics.median(ratios):.2f} | {min(ratios):.2f}-{max(ratios):.2f}"
        lines.append(f"| {name} | {len(pairs)} | {halves} | {ends} | {spread} | {more} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
