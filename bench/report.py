"""Medians, spread and ratios of rounds that were taken in turn."""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bench.load import Round

Rounds = Mapping[str, Sequence[Round]]
Yardsticks = Mapping[str, Sequence[str]]


def document(machine: Mapping[str, Any], rounds: Rounds, yardsticks: Yardsticks) -> dict[str, Any]:
    """Return everything that was measured."""
    return {
        "machine": dict(machine),
        "ratios": {
            f"{name} / {yardstick}": {"rate": _spread(rates), "per_core_second": _spread(cores)}
            for name, yardstick, rates, cores in _ratios(rounds, yardsticks)
        },
        "figures": {name: _figure(taken) for name, taken in rounds.items()},
        "rounds": {name: [vars(one) for one in taken] for name, taken in rounds.items()},
    }


def text(machine: Mapping[str, Any], rounds: Rounds, yardsticks: Yardsticks) -> str:
    """Return it as tables, ratios first."""
    lines = ["| ratio, of the same round | rate | min-max | for a core-second | min-max |", "|---|---|---|---|---|"]
    for name, yardstick, rates, cores in _ratios(rounds, yardsticks):
        lines.append(f"| {name} / {yardstick} | {_cells(rates, '.3f')} | {_cells(cores, '.3f')} |")
    lines += ["", "| figure | per second | min-max | for a core-second | min-max | of a core | p50 ms | p99 ms |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for name, taken in rounds.items():
        rates, cores = [one.per_second for one in taken], [one.per_core_second for one in taken]
        processor = f"{statistics.median(one.processor for one in taken):.0%}"
        latencies = [_latency(one.p50_milliseconds for one in taken), _latency(one.p99_milliseconds for one in taken)]
        cells = [name, _cells(rates, ",.0f"), _cells(cores, ",.0f"), processor, *latencies]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.items())])


def _ratios(rounds: Rounds, held_against: Yardsticks) -> Iterator[tuple[str, str, list[float], list[float]]]:
    """Yield a figure, what it is held against, and both kinds of ratio, round by round."""
    for name, yardsticks in held_against.items():
        for yardstick in yardsticks:
            pairs = list(zip(rounds[name], rounds[yardstick], strict=True))
            rates = [one.per_second / other.per_second for one, other in pairs]
            cores = [one.per_core_second / other.per_core_second for one, other in pairs if other.processor]
            yield name, yardstick, rates, cores


def _figure(taken: Sequence[Round]) -> dict[str, Any]:
    return {
        "per_second": _spread([one.per_second for one in taken]),
        "per_core_second": _spread([one.per_core_second for one in taken]),
        "p50_milliseconds": _median(one.p50_milliseconds for one in taken),
        "p99_milliseconds": _median(one.p99_milliseconds for one in taken),
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)} if values else {}


def _cells(values: Sequence[float], form: str) -> str:
    spread = _spread(values) or dict.fromkeys(("median", "min", "max"), 0.0)
    return f"{spread['median']:{form}} | {spread['min']:{form}}-{spread['max']:{form}}"


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _latency(values: Iterable[float | None]) -> str:
    median = _median(values)
    return "" if median is None else f"{median:.2f}"
