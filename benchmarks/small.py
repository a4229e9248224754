"""Small answers, as many as possible: closed loop, every body checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.figures import Figure, at_least, at_most
from benchmarks.fleet import Fleet, fleet
from benchmarks.plan import Plan, take_turns
from benchmarks.servers import BODY, haproxy, nginx
from benchmarks.wrk import Load, Result, press

__all__ = ["many_slots", "one_connection", "one_slot"]


@dataclass(frozen=True, slots=True)
class Pressed:
    """A run of wrk, with the CPU time that slime took for each request (microseconds)."""

    wrk: Result
    hub: float = 0.0
    agent: float = 0.0


def _reference(port: int, load: Load) -> Callable[[], Pressed]:
    return lambda: Pressed(press(port, load))


def _slime(slime: Fleet, load: Load) -> Callable[[], Pressed]:
    def measure() -> Pressed:
        hub, agent = slime.cpu()
        result = press(slime.port, load)
        hub_after, agent_after = slime.cpu()
        share = 1e6 / result.requests
        return Pressed(result, (hub_after - hub) * share, (agent_after - agent) * share)
    return measure


def many_slots(plan: Plan) -> Iterator[Figure]:
    """16 slots and 64 applications that ask again as soon as they are answered."""
    part, load = "16 slots, 64 connections", Load(64, plan.seconds, BODY)
    with nginx(plan.folder) as direct, haproxy(plan.folder, direct, 16) as queue, fleet(direct, 16) as slime:
        runs = take_turns(plan.rounds, {
            "nginx": _reference(direct, load), "HAProxy": _reference(queue, load), "slime": _slime(slime, load)})
    yield from _rates(part, runs, goal=0.18)
    for subject, taken in runs.items():
        yield Figure(part, subject, "p99 latency, ms", [run.wrk.p99 for run in taken])
    yield Figure(part, "slime hub", "CPU per answer, us", [run.hub for run in runs["slime"]], goal=at_most(120))
    yield Figure(part, "slime agent", "CPU per answer, us", [run.agent for run in runs["slime"]], goal=at_most(130))


def one_slot(plan: Plan) -> Iterator[Figure]:
    """One slot and 16 applications that wait for it."""
    part, load = "1 slot, 16 waiting", Load(16, plan.seconds, BODY)
    with nginx(plan.folder) as direct, haproxy(plan.folder, direct, 1) as queue, fleet(direct, 1) as slime:
        runs = take_turns(plan.rounds, {"HAProxy": _reference(queue, load), "slime": _slime(slime, load)})
    yield Figure(part, "HAProxy", "answers/s", [run.wrk.rate for run in runs["HAProxy"]])
    yield Figure(part, "slime", "answers/s", [run.wrk.rate for run in runs["slime"]], goal=at_least(1200))


def one_connection(plan: Plan) -> Iterator[Figure]:
    """One application, one request at a time: what the way itself costs."""
    part, load = "1 connection", Load(1, plan.seconds, BODY)
    with nginx(plan.folder) as direct, haproxy(plan.folder, direct, 1) as queue, fleet(direct, 1) as slime:
        runs = take_turns(plan.rounds, {
            "nginx": _reference(direct, load), "HAProxy": _reference(queue, load), "slime": _slime(slime, load)})
    for subject, taken in runs.items():
        goal = at_most(1.0) if subject == "slime" else None
        yield Figure(part, subject, "p50 latency, ms", [run.wrk.p50 for run in taken], goal=goal)
        yield Figure(part, subject, "p99 latency, ms", [run.wrk.p99 for run in taken])


def _rates(part: str, runs: dict[str, list[Pressed]], goal: float) -> Iterator[Figure]:
    for subject, taken in runs.items():
        wanted = at_least(goal) if subject == "slime" else None
        reference = None if subject == "HAProxy" else "HAProxy"
        yield Figure(part, subject, "answers/s", [run.wrk.rate for run in taken], reference, wanted)
