"""Draws who did what when, for a terminal. Pure: spans in, lines out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Span", "draw"]

STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds between two marks of the scale; the first that leaves room for the marks' numbers is taken."""

ROOM = 8
"""Columns that a mark and its number need."""


@dataclass(frozen=True, slots=True)
class Span:
    """Something that went on in ``row`` from ``begin`` to ``end`` (seconds), called ``label`` (short)."""

    row: str
    label: str
    begin: float
    end: float


def draw(spans: Sequence[Span], width: int = 64) -> list[str]:
    """A line with the scale, then a line a row, rows in the order of their first appearance.

    Spans of one row that overlap hide each other's parts; nothing of this program has such rows.
    """
    if not spans:
        return []
    first, last = min(span.begin for span in spans), max(span.end for span in spans)
    scale = width / max(last - first, 1e-3)
    rows = list(dict.fromkeys(span.row for span in spans))
    margin = max(len(row) for row in rows) + 2
    lines = [_row([span for span in spans if span.row == row], first, scale, width) for row in rows]
    marks = " " * margin + _marks(last - first, scale, width)
    return [marks.rstrip(), *(f"{row:<{margin}}{line}".rstrip() for row, line in zip(rows, lines, strict=True))]


def _marks(length: float, scale: float, width: int) -> str:
    step = next((step for step in STEPS if step * scale >= ROOM), STEPS[-1])
    cells = [" "] * (width + ROOM)
    for number in range(int(length / step) + 1):
        text, column = f"{number * step:.3g} s", round(number * step * scale)
        cells[column:column + len(text)] = text
    return "".join(cells)


def _row(spans: Sequence[Span], first: float, scale: float, width: int) -> str:
    cells = [" "] * width
    for span in spans:
        begin = min(round((span.begin - first) * scale), width - 1)
        end = max(round((span.end - first) * scale), begin + 1)
        cells[begin:end] = _bar(span.label, end - begin)
    return "".join(cells)


def _bar(label: str, length: int) -> str:
    """``|label====``: the bar touches the next one only by its own first character."""
    return f"|{label}".ljust(length, "=")[:length]
