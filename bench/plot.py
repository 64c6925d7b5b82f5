"""The ratios of a run as a picture: a bar for each, on a logarithmic scale, the goal as a mark on it.

Written here as SVG: bars and text need no library, and a diff of the file can be read.
"""

import math
from collections.abc import Sequence
from html import escape

from bench.result import Line

_ROW, _LEFT, _WIDTH, _TOP = 22, 270, 560, 54
_LEAST, _MOST = 0.1, 1000.0


def svg(lines: Sequence[Line], title: str) -> str:
    """The picture; lines without a ratio are left out."""
    drawn = [line for line in lines if line.ratio is not None]
    bottom = _TOP + _ROW * len(drawn)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 90}" height="{bottom + 30}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="20" font-size="14">{escape(title)}</text>',
        *_scale(bottom),
    ]
    for number, line in enumerate(drawn):
        parts += _bar(line, _TOP + _ROW * number)
    return "\n".join([*parts, "</svg>", ""])


def _scale(bottom: int) -> list[str]:
    parts = []
    for power in range(-1, 4):
        value = 10.0**power
        x, colour = _x(value), "black" if power == 0 else "#ddd"
        parts.append(f'<line x1="{x}" y1="{_TOP - 6}" x2="{x}" y2="{bottom}" stroke="{colour}"/>')
        parts.append(f'<text x="{x}" y="{_TOP - 10}" text-anchor="middle">{value:g} x</text>')
    return parts


def _bar(line: Line, y: int) -> list[str]:
    assert line.ratio is not None
    start, end = sorted((_x(1.0), _x(line.ratio)))
    colour = {True: "#2a7f3f", False: "#b3261e", None: "#5b7fb5"}[line.met]
    parts = [
        f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(f"{line.work}, {line.measure}")}</text>',
        f'<rect x="{start}" y="{y + 3}" width="{max(1.0, end - start):.1f}" height="{_ROW - 7}" fill="{colour}"/>',
        f'<text x="{end + 5}" y="{y + 14}">{line.ratio:.1f} x</text>',
    ]
    if line.goal and line.goal.of_ratio and line.goal.at_least:
        x = _x(line.goal.at_least)
        parts.append(f'<line x1="{x}" y1="{y}" x2="{x}" y2="{y + _ROW - 1}" stroke="black" stroke-width="2"/>')
    return parts


def _x(ratio: float) -> float:
    share = math.log10(min(max(ratio, _LEAST), _MOST) / _LEAST) / math.log10(_MOST / _LEAST)
    return round(_LEFT + share * _WIDTH, 1)
