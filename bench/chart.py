"""A bar chart of ratios as SVG: two bars a row on a logarithmic scale. Nothing but text, so that no plotting library is
needed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

COLOURS = ("#3b6ea5", "#d98a3d", "#5a9367")
LEFT, WIDTH, ROW, TOP = 230, 470, 24, 40


@dataclass(frozen=True)
class Series:
    """What one colour stands for, and one value (above 0) a row."""

    name: str
    values: Sequence[float]


def bars(rows: Sequence[str], series: Sequence[Series], caption: str) -> str:
    """The chart. A line marks the ratio of 1. ValueError when there is nothing to show."""
    values = [value for one in series for value in one.values]
    if not rows or not values:
        raise ValueError("nothing was measured that could be shown")
    low, high = min(0.5, *values), max(2.0, *values)
    span = math.log(high / low)

    def across(value: float) -> float:
        return LEFT + WIDTH * math.log(value / low) / span

    height = TOP + ROW * len(rows) + 50
    thick = (ROW - 6) / len(series)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 60} {height}">',
        "<style>text { font: 11px sans-serif }</style>",
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, one in enumerate(series):
        x, colour = LEFT + 160 * number, COLOURS[number % len(COLOURS)]
        lines.append(f'<rect x="{x}" y="12" width="12" height="12" fill="{colour}"/>')
        lines.append(f'<text x="{x + 18}" y="22">{escape(one.name)}</text>')
    for row, title in enumerate(rows):
        y = TOP + ROW * row
        lines.append(f'<text x="{LEFT - 8}" y="{y + ROW / 2 + 1:.1f}" text-anchor="end">{escape(title)}</text>')
        for number, one in enumerate(series):
            begin, end = sorted((across(1.0), across(one.values[row])))
            top, colour = y + thick * number, COLOURS[number % len(COLOURS)]
            lines.append(
                f'<rect x="{begin:.1f}" y="{top:.1f}" width="{max(end - begin, 1):.1f}" height="{thick:.1f}" '
                f'fill="{colour}"><title>{escape(title)}: {one.values[row]:.2f}</title></rect>'
            )
    bottom = TOP + ROW * len(rows)
    for mark in (0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32):
        if low <= mark <= high:
            x, colour = across(mark), "black" if mark == 1 else "#cccccc"
            lines.append(f'<line x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{bottom}" stroke="{colour}"/>')
            lines.append(f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{mark:g}</text>')
    lines.append(f'<text x="{LEFT}" y="{bottom + 34}">{escape(caption)}</text>')
    return "\n".join([*lines, "</svg>", ""])
