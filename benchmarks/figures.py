"""What was measured: figures, the goals they are held against, and their table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

__all__ = ["Figure", "Goal", "at_least", "at_most", "page", "records", "table"]


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound that a figure, or its ratio to a reference, should keep.

    :ivar least: true if it is the least allowed value, false if the most.
    """

    bound: float
    least: bool

    def met(self, value: float) -> bool:
        """Whether ``value`` keeps it."""
        return value >= self.bound if self.least else value <= self.bound

    def __str__(self) -> str:
        return f"{'>=' if self.least else '<='} {show(self.bound)}"


def at_least(bound: float) -> Goal:
    """The goal of ``bound`` or more."""
    return Goal(bound, True)


def at_most(bound: float) -> Goal:
    """The goal of ``bound`` or less."""
    return Goal(bound, False)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity.

    :ivar part: the part of the suite that measured it.
    :ivar subject: what was measured: slime, or which reference.
    :ivar measure: the quantity and its unit.
    :ivar values: one value a round.
    :ivar reference: another subject of this part and measure; the figure is shown in proportion to it.
    :ivar goal: held against the ratio if there is a reference, else against the median.
    """

    part: str
    subject: str
    measure: str
    values: Sequence[float]
    reference: str | None = None
    goal: Goal | None = None

    @property
    def median(self) -> float:
        """The middle one of its values."""
        return median(self.values)


Row = tuple[str, str, str, str, str, str, str, str]
HEADINGS: Row = ("part", "subject", "measure", "median", "range", "ratio", "goal", "")


def table(figures: Sequence[Figure]) -> str:
    """The figures as text, a line each."""
    rows = [HEADINGS, *(_row(figure, figures) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return "\n".join(_line(row, widths) for row in rows)


def page(figures: Sequence[Figure], machine: Mapping[str, str]) -> str:
    """The figures as a part of a reStructuredText page, with the machine that they were taken on."""
    facts = [f":{name}: {value}" for name, value in machine.items()]
    rows = [HEADINGS, *(_row(figure, figures) for figure in figures)]
    lines = ["   * - " + "\n     - ".join(row) for row in rows]
    return "\n".join([*facts, "", ".. list-table::", "   :header-rows: 1", "", *lines, ""])


def records(figures: Sequence[Figure]) -> list[dict[str, Any]]:
    """The figures for JSON."""
    return [
        {"part": figure.part, "subject": figure.subject, "measure": figure.measure, "median": figure.median,
         "values": list(figure.values), "ratio": ratio(figure, figures),
         "goal": figure.goal and str(figure.goal), "met": verdict(figure, figures)}
        for figure in figures
    ]


def ratio(figure: Figure, figures: Iterable[Figure]) -> float | None:
    """The figure in proportion to its reference among ``figures``."""
    for other in figures:
        if (other.part, other.subject, other.measure) == (figure.part, figure.reference, figure.measure):
            return figure.median / other.median if other.median else None
    return None


def verdict(figure: Figure, figures: Iterable[Figure]) -> bool | None:
    """Whether the figure keeps its goal; None without one."""
    if figure.goal is None:
        return None
    proportion = ratio(figure, figures)
    return figure.goal.met(figure.median if proportion is None else proportion)


def _row(figure: Figure, figures: Sequence[Figure]) -> Row:
    proportion = ratio(figure, figures)
    spread = f"{show(min(figure.values))} .. {show(max(figure.values))}" if len(figure.values) > 1 else ""
    met = {None: "", True: "met", False: "SHORT"}[verdict(figure, figures)]
    return (figure.part, figure.subject, figure.measure, show(figure.median), spread,
            "" if proportion is None else f"{proportion:.3f}", str(figure.goal or ""), met)


def _line(row: Row, widths: Sequence[int]) -> str:
    left = "  ".join(cell.ljust(width) for cell, width in zip(row[:3], widths, strict=False))
    right = "  ".join(cell.rjust(width) for cell, width in zip(row[3:], widths[3:], strict=True))
    return f"{left}  {right}".rstrip()


def show(value: float) -> str:
    """A number with as many digits as mean something."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
