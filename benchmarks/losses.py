"""What faults cost: a short history (:mod:`benchmarks.history`), and what was lost in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from benchmarks.figures import Figure, at_most
from benchmarks.history.book import End
from benchmarks.history.run import Plan as HistoryPlan
from benchmarks.history.run import take
from benchmarks.plan import Plan

__all__ = ["lost_requests"]

PAUSE = 2.0
SEED = 1


def lost_requests(plan: Plan) -> Iterator[Figure]:
    """Each kind of fault once, while 16 applications ask; those that went away themselves have lost nothing."""
    found = take(HistoryPlan(plan.faults, PAUSE, SEED))
    book, part = found.book, f"{plan.faults} faults, {PAUSE:.0f} s apart"
    ends, faults = Counter(call.end for call in book.calls), len(book.faults)
    yield Figure(part, "slime", "requests", [len(book.calls)])
    yield Figure(part, "slime", "faults that met running requests", [sum(fault.hit > 0 for fault in book.faults)])
    yield Figure(part, "slime", "requests lost per fault", [(ends[End.ERROR] + ends[End.CUT]) / faults])
    yield Figure(part, "slime", "refused connections per fault", [ends[End.DOWN] / faults])
    yield Figure(part, "slime", "violations", [len(found.violations)], goal=at_most(0))
