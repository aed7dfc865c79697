"""`python -m bench.receiving`: stale products and API reads of the receiver, beside the rules that it does not use.

The traffic is invented, the same for all; the rules are a simulation, the receiver is the real one on a virtual clock.
Returns 1 when the receiver misses more than it may, or reads more.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from bench.receiving.replay import replay
from bench.receiving.rules import RULES, Score, score
from bench.receiving.traffic import sessions

# What is promised: of the products, and reads for each save.
MOST_STALE = 0.002
MOST_READS = 1.0
# Seconds by which the shop's copies lag behind, on average.
LAG_SECONDS = 0.5


def main() -> int:
    """Replay and print."""
    options = _options()
    traffic = sessions(options.products, options.spread, options.seed)
    rows = [
        (name, score(rule, traffic, 0.0, options.seed), score(rule, traffic, LAG_SECONDS, options.seed))
        for name, rule in RULES
    ]
    measured = []
    for lag in (0.0, LAG_SECONDS):
        with tempfile.TemporaryDirectory(prefix="ombud-bench-") as folder:
            measured.append(replay(traffic, lag, options.seed, Path(folder)))
    fresh, lagging = measured
    sys.stdout.write(_text([*rows, ("the receiver", fresh, lagging)], options.products, options.seed))
    if options.json is not None:
        options.json.write_text(json.dumps({"fresh": vars(fresh), "lagging": vars(lagging)}, indent=2) + "\n")
    return 0 if _holds(fresh) and _holds(lagging) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.receiving", description=__doc__)
    parser.add_argument("--products", type=int, default=7_500, help="products that are edited (7500)")
    parser.add_argument("--spread", type=float, default=300.0, help="seconds within which people begin (300)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="a file for the receiver's figures")
    return parser.parse_args()


def _holds(found: Score) -> bool:
    return found.stale <= MOST_STALE and found.reads_per_update <= MOST_READS


def _text(rows: list[tuple[str, Score, Score]], products: int, seed: int) -> str:
    lines = [
        f"{products} products, seed {seed}; stale: the last version was never read",
        f"{'rule':<28}{'stale, fresh reads':>20}{f'stale, lag {LAG_SECONDS:g} s':>18}{'reads per update':>18}",
    ]
    lines += [
        f"{name:<28}{fresh.stale:>20.2%}{lagging.stale:>18.2%}{lagging.reads_per_update:>18.2f}"
        for name, fresh, lagging in rows
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
