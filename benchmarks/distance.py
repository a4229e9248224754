"""Providers far away: how busy they are kept, and how fast large bodies travel."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bulk import MEGABYTE, CorruptError, curl
from benchmarks.figures import Figure, at_least
from benchmarks.fleet import fleet
from benchmarks.plan import Plan
from benchmarks.servers import BODY, nginx
from benchmarks.tokens import idle, source
from benchmarks.wrk import Load, press

__all__ = ["far_bulk", "utilisation"]

CALLERS = 8
FAR = 0.1
PATIENCE = 3
TIMED_OUT = 28


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
        with source() as upstream, fleet(upstream, 1, case.round_trip) as slime:
            shares = [_share(slime.port, upstream, case, plan) for _ in range(plan.rounds)]
        measure = f"share of time busy: {case.service * 1e3:.0f} ms a request, RTT {case.round_trip * 1e3:.0f} ms"
        yield Figure(f"1 slot, {CALLERS} waiting", "slime", measure, shares, goal=at_least(case.goal))


def _share(port: int, upstream: int, case: Distance, plan: Plan) -> float:
    seconds = max(plan.seconds, 4 * case.service)
    press(port, Load(CALLERS, seconds, BODY, f"/work?{case.service}"))
    pauses = idle(upstream)
    return pauses.busy / (pauses.busy + sum(pauses.gaps))


def far_bulk(plan: Plan) -> Iterator[Figure]:
    """One large body to and from a provider that is far away."""
    part, path = f"one body, RTT {FAR * 1e3:.0f} ms", plan.folder / "bulk"
    _fill(path, plan.megabytes)
    with nginx(plan.folder) as down, source() as up, fleet(down, 1, FAR) as reader, fleet(up, 1, FAR) as writer:
        downs = [_speed(reader.port, "%{size_download}", "-o", "/dev/null") for _ in range(plan.rounds)]
        ups = [_speed(writer.port, "%{size_upload}", "-T", str(path)) for _ in range(plan.rounds)]
    path.unlink()
    yield Figure(part, "slime", "down, MB/s", downs)
    yield Figure(part, "slime", "up, MB/s", ups)


def _fill(path: Path, megabytes: int) -> None:
    chance = random.Random(2)
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(chance.randbytes(MEGABYTE))


def _speed(port: int, size: str, *arguments: str) -> float:
    """MB/s over all of the transfer, or over its first seconds where it would take long."""
    limits = ("-H", "Slime-Block: 1", "-H", "Expect:", "--max-time", str(PATIENCE))
    told = ("-w", f"\n{size} %{{time_total}}", f"http://127.0.0.1:{port}/bulk")
    done = curl(*arguments, *limits, *told, check=False)
    if done.returncode not in (0, TIMED_OUT):
        raise CorruptError(done.stderr)
    transferred, seconds = done.stdout.split("\n")[-1].split()
    return float(transferred) / float(seconds) / MEGABYTE
