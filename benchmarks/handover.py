"""One slot, applications waiting: how long the upstream has nothing to do between two requests."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from benchmarks.figures import Figure, at_most
from benchmarks.fleet import fleet
from benchmarks.plan import Plan, take_turns
from benchmarks.provider import answer_to, path_of, provider, visits
from benchmarks.servers import haproxy
from benchmarks.wrk import Load, press

__all__ = ["hand_over"]


def hand_over(plan: Plan) -> Iterator[Figure]:
    """Two applications take turns on one slot; the provider notes when it ends one and begins the next."""
    part = "hand-over, 1 slot, 2 waiting"
    with provider() as direct, haproxy(plan.folder, direct, 1) as queue, fleet(direct, 1) as slime:
        runs = take_turns(plan.rounds, {
            "HAProxy": lambda: _gaps(queue, direct, plan), "slime": lambda: _gaps(slime.port, direct, plan)})
    for subject, taken in runs.items():
        yield Figure(part, subject, "median gap, ms", [median(gaps) for gaps in taken],
                     goal=at_most(5) if subject == "slime" else None)
        yield Figure(part, subject, "p99 gap, ms", [sorted(gaps)[int(len(gaps) * 0.99)] for gaps in taken])


def _gaps(port: int, upstream: int, plan: Plan) -> list[float]:
    """Gaps in ms, as the upstream saw them while ``port`` was pressed."""
    visits(upstream)
    press(port, Load(2, plan.seconds, answer_to("w"), path_of(0.0, "w")))
    return [(after.began - before.ended) * 1e3 for before, after in pairwise(visits(upstream))]
