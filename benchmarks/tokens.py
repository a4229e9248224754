"""Token streams: how much later an event comes than it would without slime, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from benchmarks.figures import Figure, at_most
from benchmarks.fleet import Fleet, fleet
from benchmarks.plan import Plan, take_turns
from benchmarks.source import INTERVAL
from benchmarks.streams import Delays, first_event, listen
from slime.demo.children import Child, leashed

__all__ = ["many_streams", "one_stream", "source"]

STREAMS = 100
FIRSTS = 25


@contextmanager
def source() -> Iterator[int]:
    """The upstream of :mod:`benchmarks.source`; gives its port."""
    child = Child("source", leashed("benchmarks.source"))
    try:
        yield int(child.wait_for(r"port (\d+)")[1])
    finally:
        child.end()


@dataclass(frozen=True, slots=True)
class Heard:
    """Delays of all events, and CPU microseconds that each took."""

    delays: Delays
    hub: float = 0.0
    agent: float = 0.0


def many_streams(plan: Plan) -> Iterator[Figure]:
    """100 streams at 50 events/s each; an event that is missing or out of order ends the run."""
    part, events = f"{STREAMS} streams, {1 / INTERVAL:.0f} events/s each", int(plan.seconds / INTERVAL)
    with source() as direct, fleet(direct, STREAMS) as slime:
        runs = take_turns(plan.rounds, {
            "direct": lambda: Heard(listen(direct, STREAMS, events)), "slime": lambda: _heard(slime, events)})
    for percent, most in ((50, 3.0), (99, 5.0)):
        own, through = ([run.delays.percentile(percent) for run in runs[name]] for name in ("direct", "slime"))
        yield Figure(part, "direct", f"p{percent} delay, ms", own)
        added = [late - early for early, late in zip(own, through, strict=True)]
        yield Figure(part, "slime", f"p{percent} added delay, ms", added, goal=at_most(most))
    yield Figure(part, "slime hub", "CPU per event, us", [run.hub for run in runs["slime"]], goal=at_most(25))
    yield Figure(part, "slime agent", "CPU per event, us", [run.agent for run in runs["slime"]])


def _heard(slime: Fleet, events: int) -> Heard:
    hub, agent = slime.cpu()
    delays = listen(slime.port, STREAMS, events)
    hub_after, agent_after = slime.cpu()
    share = 1e6 / len(delays.values)
    return Heard(delays, (hub_after - hub) * share, (agent_after - agent) * share)


def one_stream(plan: Plan) -> Iterator[Figure]:
    """How long until the first event of a single stream."""
    part = "1 stream"
    with source() as direct, fleet(direct, 1) as slime:
        runs = take_turns(plan.rounds, {"direct": lambda: _first(direct), "slime": lambda: _first(slime.port)})
    yield Figure(part, "direct", "first event after, ms", runs["direct"])
    added = [late - early for early, late in zip(runs["direct"], runs["slime"], strict=True)]
    yield Figure(part, "slime", "first event later by, ms", added, goal=at_most(5.0))


def _first(port: int) -> float:
    return median(first_event(port) for _ in range(FIRSTS))
