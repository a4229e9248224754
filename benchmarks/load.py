"""Open-loop load below, at and above what the providers can do: what the way adds to the best possible queue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random

from benchmarks.arrivals import ideal, percentile, poisson
from benchmarks.figures import Figure
from benchmarks.fleet import fleet
from benchmarks.openloop import send
from benchmarks.plan import Plan
from benchmarks.provider import provider
from benchmarks.servers import haproxy

__all__ = ["LOADS", "PERCENTILES", "added_latency", "measure_name", "part_name"]

SLOTS = 16
SERVICE = 0.02
LOADS = (25, 50, 75, 90, 110)
PERCENTILES = (50, 99, 99.9)


def part_name(load: float) -> str:
    """The part of the table that is about ``load`` percent."""
    return f"open loop, {load} % load"


def measure_name(percent: float) -> str:
    """What is measured."""
    return f"p{percent} added latency, ms"


def added_latency(plan: Plan) -> Iterator[Figure]:
    """16 slots that take 20 ms a request; Poisson arrivals, the same for slime and HAProxy."""
    with provider() as upstream, haproxy(plan.folder, upstream, SLOTS) as queue, fleet(upstream, SLOTS) as slime:
        ports = {"HAProxy": queue, "slime": slime.port}
        for load in LOADS:
            yield from _figures(load, [_round(ports, load, plan, number) for number in range(plan.rounds)])


def _round(ports: Mapping[str, int], load: float, plan: Plan, number: int) -> dict[str, list[float]]:
    """Milliseconds that each request took longer than it had to, by subject."""
    arrivals = poisson(load / 100 * SLOTS / SERVICE, plan.seconds, SERVICE, Random(number))
    best = ideal(arrivals, SLOTS)
    return {
        name: [(took - least) * 1e3 for took, least in zip(send(port, arrivals).latencies, best, strict=True)]
        for name, port in ports.items()
    }


def _figures(load: float, rounds: list[dict[str, list[float]]]) -> Iterator[Figure]:
    for subject in rounds[0]:
        for percent in PERCENTILES:
            values = [percentile(taken[subject], percent) for taken in rounds]
            yield Figure(part_name(load), subject, measure_name(percent), values)
