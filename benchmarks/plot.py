"""The figures as a picture: ``python -m benchmarks.plot FILE.json FILE.svg``, with nothing but the standard library.

One chart: what the way adds to the best possible queue, over the load. Both axes are labelled, the vertical one is
logarithmic; colours tell slime from its reference and dashes tell percentiles, so that neither is needed alone. The
picture follows its reader's choice of a light or a dark page.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from benchmarks.load import LOADS, PERCENTILES, measure_name, part_name

__all__ = ["Line", "chart", "draw"]

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 76, 600, 56, 370

STYLE = """
.page { fill: #ffffff } .ink { fill: #1f2328 } .faint { stroke: #d1d9e0 } .axis { stroke: #59636e }
.slime { stroke: #0550ae } .haproxy { stroke: #bc4c00 } text.slime { fill: #0550ae } text.haproxy { fill: #bc4c00 }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117 } .ink { fill: #e6edf3 } .faint { stroke: #30363d } .axis { stroke: #9198a1 }
.slime { stroke: #79c0ff } .haproxy { stroke: #ffa657 } text.slime { fill: #79c0ff } text.haproxy { fill: #ffa657 }
}
text, text.slime, text.haproxy { font: 14px system-ui, "DejaVu Sans", sans-serif; stroke: none }
text.title { font-size: 17px; font-weight: 600 }
.curve { fill: none; stroke-width: 2.5; stroke-linejoin: round }
"""
DASHES = ("", "9 5", "2 5")


@dataclass(frozen=True)
class Line:
    """One curve: its class of colour, its dashes, and a value for each place on the horizontal axis."""

    label: str
    colour: str
    dashes: str
    values: Sequence[float]


def draw(records: Sequence[Mapping[str, Any]]) -> str:
    """The chart of these figures as SVG.

    :param records: as :func:`benchmarks.figures.records` gives them.
    :raises KeyError: the figures of the part ``load`` are not among them.
    """
    medians = {(one["part"], one["subject"], one["measure"]): one["median"] for one in records}
    lines = [
        Line(f"{subject} p{percent}", subject.lower(), dashes,
             [medians[part_name(load), subject, measure_name(percent)] for load in LOADS])
        for subject in ("slime", "HAProxy") for percent, dashes in zip(PERCENTILES, DASHES, strict=True)
    ]
    return chart("What the way adds to the best possible queue (16 slots, 20 ms a request)",
                 "load, % of what the providers can do", "added latency, ms", LOADS, lines)


def chart(title: str, across: str, up: str, places: Sequence[float], lines: Sequence[Line]) -> str:
    """A chart of lines over places, with a logarithmic vertical axis."""
    values = [value for line in lines for value in line.values]
    scale = Scale(places, min(values), max(values))
    middle = (TOP + BOTTOM) / 2
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>',
        _text(20, 30, title, "ink title"),
        *_grid(scale, places),
        _text((LEFT + RIGHT) / 2, BOTTOM + 52, across, "ink", "middle"),
        f'<g transform="rotate(-90 22 {middle})">{_text(22, middle, up, "ink", "middle")}</g>',
        *(_curve(scale, line, places) for line in lines),
        *_names(scale, lines),
        "</svg>", "",
    ])  # fmt: skip


class Scale:
    """Where on the picture a value is."""

    def __init__(self, places: Sequence[float], least: float, most: float) -> None:
        self._left, self._width = places[0], places[-1] - places[0]
        self.low = math.floor(math.log10(max(least, 0.01)))
        self.high = max(math.ceil(math.log10(max(most, 0.01))), self.low + 1)

    def x(self, place: float) -> float:
        """Across."""
        return LEFT + (place - self._left) / self._width * (RIGHT - LEFT)

    def y(self, value: float) -> float:
        """Up; what is less than the axis begins with lies on it."""
        share = (math.log10(max(value, 10**self.low)) - self.low) / (self.high - self.low)
        return BOTTOM - share * (BOTTOM - TOP)


def _grid(scale: Scale, places: Sequence[float]) -> Iterator[str]:
    for power in range(scale.low, scale.high + 1):
        y = scale.y(10**power)
        yield f'<line class="faint" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(LEFT - 10, y + 5, f"{10**power:g}", "ink", "end")
    for place in places:
        x = scale.x(place)
        yield f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{BOTTOM}" y2="{BOTTOM + 6}"/>'
        yield _text(x, BOTTOM + 24, f"{place:g}", "ink", "middle")
    yield f'<path class="axis" fill="none" d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"/>'


def _curve(scale: Scale, line: Line, places: Sequence[float]) -> str:
    ends = zip(places, line.values, strict=True)
    points = " ".join(f"{scale.x(place):.1f},{scale.y(value):.1f}" for place, value in ends)
    return f'<polyline class="curve {line.colour}" stroke-dasharray="{line.dashes}" points="{points}"/>'


def _names(scale: Scale, lines: Sequence[Line]) -> Iterator[str]:
    """Each beside the end of its curve, moved apart where they would lie on one another."""
    lowest = float(BOTTOM)
    for line in sorted(lines, key=lambda line: line.values[-1]):
        end = scale.y(line.values[-1])
        lowest = y = min(end, lowest - 17)
        yield (f'<path class="curve {line.colour}" stroke-dasharray="{line.dashes}" '
               f'd="M{RIGHT} {end:.1f}L{RIGHT + 12} {y:.1f}H{RIGHT + 44}"/>')
        yield _text(RIGHT + 50, y + 5, line.label, line.colour)


def _text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def main(source: Path, target: Path) -> None:
    """Draw what a run has kept by ``--json``."""
    target.write_text(draw(json.loads(source.read_text())["figures"]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
