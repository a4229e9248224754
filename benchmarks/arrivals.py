"""When requests arrive, whatever becomes of those before them, and what the best possible queue would do. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from random import Random

__all__ = ["Arrival", "ideal", "percentile", "poisson", "steady"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that is to be sent ``due`` seconds after the beginning and takes ``service`` seconds at a provider."""

    due: float
    service: float


def poisson(rate: float, seconds: float, service: float, chance: Random) -> list[Arrival]:
    """Arrivals of many applications that know nothing of each other: ``rate`` a second in the mean."""
    moments = accumulate(chance.expovariate(rate) for _ in range(int(rate * seconds * 2) + 100))
    return [Arrival(due, service) for due in takewhile(lambda due: due < seconds, moments)]


def steady(rate: float, seconds: float, service: float) -> list[Arrival]:
    """Arrivals like clockwork."""
    return [Arrival(number / rate, service) for number in range(int(rate * seconds))]


def ideal(arrivals: Sequence[Arrival], slots: int) -> list[float]:
    """Seconds from each arrival to its answer, if the way cost nothing: first come, first served by whoever is free."""
    free = [0.0] * slots
    latencies = []
    for arrival in arrivals:
        ended = max(arrival.due, heapq.heappop(free)) + arrival.service
        heapq.heappush(free, ended)
        latencies.append(ended - arrival.due)
    return latencies


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that ``percent`` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
