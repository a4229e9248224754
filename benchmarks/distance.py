"""Providers far away: how busy they are kept, and how fast large bodies travel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import mean
from time import monotonic, sleep

from benchmarks.arrivals import poisson
from benchmarks.bulk import MEGABYTE, CorruptError, Growth, compare_hash, curl, make_file, stalled
from benchmarks.figures import Figure, at_least, at_most
from benchmarks.fleet import Fleet, Post, fleet, fleet_of
from benchmarks.openloop import send
from benchmarks.plan import Plan
from benchmarks.provider import Visit, answer_to, path_of, provider, visits
from benchmarks.servers import nginx
from benchmarks.tokens import source
from benchmarks.wrk import Load, press

__all__ = ["far_bulk", "unequal", "utilisation"]

CALLERS = 8
FAR = 0.1

#: Two providers: seconds that a request takes at the fast one, how much slower the other is, their round trip, and the
#: load in proportion to what both can do.
FAST, SLOWER, NEAR, LOAD = 0.05, 10.0, 0.02, 0.6


@dataclass(frozen=True, slots=True)
class Distance:
    """A provider that takes ``service`` seconds for a request and is ``round_trip`` seconds away."""

    service: float
    round_trip: float
    goal: float


DISTANCES = (Distance(0.05, 0.0, 0.97), Distance(0.05, 0.1, 0.95), Distance(0.5, 0.2, 0.99))


def utilisation(plan: Plan) -> Iterator[Figure]:
    """One slot and 8 applications that wait for it: the share of time in which the provider works."""
    for case in DISTANCES:
        with provider() as upstream, fleet(upstream, 1, case.round_trip) as slime:
            _share(slime.port, upstream, case, 1.0)  # what the hub knows of a new agent is not what is measured
            seconds = max(plan.seconds, 6 * case.service)
            shares = [_share(slime.port, upstream, case, seconds) for _ in range(plan.rounds)]
        measure = f"share of time busy: {case.service * 1e3:.0f} ms a request, RTT {case.round_trip * 1e3:.0f} ms"
        yield Figure(f"1 slot, {CALLERS} waiting", "slime", measure, shares, goal=at_least(case.goal))


def _share(port: int, upstream: int, case: Distance, seconds: float) -> float:
    """From the first request's beginning to the end of the last one that ended while all were asking."""
    visits(upstream)
    press(port, Load(CALLERS, seconds, answer_to("w"), path_of(case.service, "w")))
    over = monotonic()
    sleep(2 * (case.service + case.round_trip))  # until what was still asked for has been given up
    return busy([visit for visit in visits(upstream) if visit.ended < over])


def busy(seen: list[Visit]) -> float:
    """The share of time in which the provider worked, from its first request to its last."""
    return sum(visit.ended - visit.began for visit in seen) / (seen[-1].ended - seen[0].began)


def unequal(plan: Plan) -> Iterator[Figure]:
    """Two providers, one 10 times slower, Poisson arrivals: how long requests wait, sent ahead or not."""
    waits: dict[str, list[float]] = {"not sent ahead": [], "sent ahead": []}
    with provider() as fast, provider(SLOWER) as slow:
        posts = [Post([upstream], 1, NEAR) for upstream in (fast, slow)]
        with fleet_of(*posts, options=("--prefetch", "0")) as without, fleet_of(*posts) as ahead:
            for number in range(plan.rounds):
                for subject, port in zip(waits, (without.port, ahead.port), strict=True):
                    waits[subject].append(_mean_wait(port, [fast, slow], 2 * plan.seconds, Random(number)))
    part, measure = "2 providers, one 10 times slower", f"mean wait, ms, {LOAD:.0%} load"
    yield Figure(part, "not sent ahead", measure, waits["not sent ahead"])
    yield Figure(part, "sent ahead", measure, waits["sent ahead"], "not sent ahead", at_most(1.0))


def _mean_wait(port: int, upstreams: list[int], seconds: float, chance: Random) -> float:
    """Milliseconds from a request's being due to its beginning at either provider."""
    arrivals = poisson(LOAD * (1 + 1 / SLOWER) / FAST, seconds, FAST, chance)
    sent = send(port, arrivals)
    began = {int(visit.word): visit.began - sent.began for upstream in upstreams for visit in visits(upstream)}
    return mean(began[number] - arrival.due for number, arrival in enumerate(arrivals)) * 1e3


def far_bulk(plan: Plan) -> Iterator[Figure]:
    """One large body to and from a provider that is far away, from the question to the answer's last byte."""
    part = f"one body of {plan.megabytes} MB, RTT {FAR * 1e3:.0f} ms"
    path, digest = make_file(plan)
    with nginx(plan.folder) as upstream, fleet(upstream, 2, FAR) as slime:
        grown = _grown_by_staller(slime, f"a reader that stalls, RTT {FAR * 1e3:.0f} ms", plan)
        compare_hash(slime.port, plan, digest)
        downs = [_down(slime.port, plan.megabytes) for _ in range(plan.rounds)]
    with source() as upstream, fleet(upstream, 1, FAR) as slime:
        ups = [_up(slime.port, plan, path, digest) for _ in range(plan.rounds)]
    path.unlink()
    yield Figure(part, "slime", "down, MB/s", downs, goal=at_least(60))
    yield Figure(part, "slime", "up, MB/s", ups, goal=at_least(60))
    yield from grown


def _grown_by_staller(slime: Fleet, part: str, plan: Plan) -> list[Figure]:
    """How much hub and agent hold for an application that reads fast, so that windows grow, and then stops."""
    growth = Growth(slime)
    with stalled(slime.port, plan.megabytes * MEGABYTE // 6):
        sleep(10 * FAR)
    return growth.figures(part, most=16)


def _down(port: int, megabytes: int) -> float:
    """MB/s, from the question to the answer's last byte."""
    asked = ("-o", "/dev/null", "-w", "%{size_download} %{time_total}", f"http://127.0.0.1:{port}/bulk")
    size, seconds = curl(*asked).stdout.split()
    if int(size) != megabytes * MEGABYTE:
        raise CorruptError(f"{size} bytes came")
    return megabytes / float(seconds)


def _up(port: int, plan: Plan, path: Path, digest: str) -> float:
    """MB/s, from the first byte to the answer, which has the hash of all that came."""
    asked = ("-T", str(path), "-H", "Expect:", "-w", "\n%{time_total}", f"http://127.0.0.1:{port}/sink")
    answer, seconds = curl(*asked).stdout.split("\n")
    if json.loads(answer)["sha256"] != digest:
        raise CorruptError("upload")
    return plan.megabytes / float(seconds)
