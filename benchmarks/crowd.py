"""Thousands of agents that rest: what they cost the hub, and whether they slow down the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import process_time

from benchmarks.canned import canned
from benchmarks.figures import Figure, at_most
from benchmarks.fleet import fleet_of
from benchmarks.machine import Memory
from benchmarks.plan import Plan, take_turns
from benchmarks.servers import BODY
from benchmarks.wrk import Load, press
from slime.hub.dispatch import Dispatcher
from slime.hub.seats import Rights, Seat, Ticket

__all__ = ["dispatch_time", "resting_links"]

FEW = 10
TICKETS, LAPS = 5000, 10
#: How fast agents come is not what is measured here.
OPEN_DOOR = ("--handshake-rate", "0")


def resting_links(plan: Plan) -> Iterator[Figure]:
    """Memory of the hub for each link; one application's latency, and the time to dispatch, beside few and many."""
    part, many = "links that rest", plan.crowd
    with fleet_of(options=OPEN_DOOR) as small, fleet_of(options=OPEN_DOOR) as large:
        memory, load = Memory(large.hub), Load(1, plan.seconds, BODY)
        with canned(small.process, FEW), canned(large.process, many):
            kilobytes = memory.kept() * 1e3 / many
            runs = take_turns(plan.rounds, {
                f"{FEW} links": lambda: press(small.port, load), f"{many} links": lambda: press(large.port, load)})
    yield Figure(part, "slime hub", f"memory for each of {many} links, KB", [kilobytes], goal=at_most(32))
    names, times = list(runs), [[run.p50 for run in taken] for taken in runs.values()]
    yield Figure(part, names[0], "p50 latency, ms", times[0])
    yield Figure(part, names[1], "p50 latency, ms", times[1], names[0], at_most(1.2))
    yield from _dispatch(part, names, [FEW, many], plan)


def _dispatch(part: str, names: list[str], sizes: list[int], plan: Plan) -> Iterator[Figure]:
    taken = take_turns(plan.rounds, {name: _timed(size) for name, size in zip(names, sizes, strict=True)})
    yield Figure(part, names[0], "dispatch of a request, us", taken[names[0]])
    yield Figure(part, names[1], "dispatch of a request, us", taken[names[1]], names[0], at_most(1.2))


def _timed(size: int) -> Callable[[], float]:
    return lambda: dispatch_time(size)


def dispatch_time(size: int) -> float:
    """Microseconds of CPU to find a slot for a request among ``size`` agents and to free it again, undisturbed.

    Others on this core slow it down by half for a while, so of some laps the fastest counts.
    """
    dispatcher = Dispatcher()
    for _ in range(size):
        dispatcher.join(Seat(None, Rights(), 1))
    return min(_lap(dispatcher) for _ in range(LAPS))


def _lap(dispatcher: Dispatcher) -> float:
    began = process_time()
    for _ in range(TICKETS):
        ticket = Ticket(None, None, "/")
        dispatcher.offer(ticket)
        dispatcher.release(ticket)
    return (process_time() - began) / TICKETS * 1e6
