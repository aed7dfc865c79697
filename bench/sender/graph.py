"""A picture of waits: of each scenario the share of events that came within a time, with the trouble and without."""

import math
from collections.abc import Mapping, Sequence

from bench.sender.isolation import SHARES

# Pixels of one plot and of its margins; the times in milliseconds that the axis spans.
WIDTH, HEIGHT, LEFT, TOP = 300, 160, 40, 30
SHORTEST, LONGEST = 1.0, 100.0
COLOURS = {"without": "#767676", "with": "#c2410c"}

Curves = Mapping[str, Sequence[Sequence[float]]]


def draw(scenarios: Mapping[str, Curves]) -> str:
    """Return an SVG: one plot a scenario, a line a run."""
    parts = [_plot(name, curves, place) for place, (name, curves) in enumerate(scenarios.items())]
    width, height = 2 * (WIDTH + LEFT) + LEFT, math.ceil(len(parts) / 2) * (HEIGHT + 2 * TOP) + TOP
    style = "text{font:11px sans-serif;fill:#767676}path{fill:none;stroke-width:1.5}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"><style>{style}</style>'
    return "\n".join([head, *parts, "</svg>", ""])


def _plot(name: str, curves: Curves, place: int) -> str:
    left, top = LEFT + place % 2 * (WIDTH + LEFT), TOP + place // 2 * (HEIGHT + 2 * TOP)
    lines = [f'<text x="{left}" y="{top - 8}">{name}: with (orange) and without (grey)</text>']
    for milliseconds in (1, 3, 10, 30, 100):
        x = left + _x(milliseconds)
        lines.append(f'<path d="M{x:.0f} {top}v{HEIGHT}" stroke="#76767640"/>')
        lines.append(f'<text x="{x - 14:.0f}" y="{top + HEIGHT + 14}">{milliseconds} ms</text>')
    for share in (0.0, 0.5, 0.99):
        y = top + HEIGHT * (1 - share)
        lines.append(f'<path d="M{left} {y:.0f}h{WIDTH}" stroke="#76767640"/>')
        lines.append(f'<text x="{left - 34}" y="{y + 4:.0f}">{share:.0%}</text>')
    for kind, runs in curves.items():
        for curve in runs:
            points = " ".join(
                f"{left + _x(wait):.1f} {top + HEIGHT * (1 - share):.1f}"
                for share, wait in zip(SHARES, curve, strict=True)
            )
            lines.append(f'<path d="M{points}" stroke="{COLOURS[kind]}"/>')
    return "\n".join(lines)


def _x(milliseconds: float) -> float:
    span = math.log(LONGEST / SHORTEST)
    return WIDTH * math.log(min(LONGEST, max(SHORTEST, milliseconds)) / SHORTEST) / span
