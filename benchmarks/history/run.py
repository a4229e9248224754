"""A history from its beginning to the oracle's word on it."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from random import Random
from time import monotonic

from benchmarks.history.book import Book
from benchmarks.history.caller import Caller
from benchmarks.history.faults import Stage, cause
from benchmarks.history.oracle import RECOVERY, violations
from benchmarks.history.programs import Agent, Hub
from benchmarks.history.relay import Relay
from benchmarks.history.upstream import Upstream

__all__ = ["Plan", "Result", "take"]

#: Seconds of peace: at first, and at the end when all must be well.
PEACE = 2.0

SLOTS = {"alpha": 2, "beta": 1}


@dataclass(frozen=True)
class Plan:
    """What is to happen.

    :ivar pause: seconds from one fault to the next.
    :ivar seed: the same seed, the same faults.
    """

    faults: int
    pause: float
    seed: int
    callers: int = 16


@dataclass(frozen=True)
class Result:
    """What has happened.

    :ivar logs: what each program said that ran at the end.
    """

    book: Book
    violations: list[str]
    logs: dict[str, list[str]]

    def __str__(self) -> str:
        book = self.book
        ends = Counter(call.end.value for call in book.calls)
        lines = [f"{len(book.calls)} requests: " + ", ".join(f"{count} {end}" for end, count in ends.most_common())]
        lines += [f"  {fault.began - book.began:6.2f} {fault.what}: met {fault.hit} running" for fault in book.faults]
        hit = sum(fault.hit > 0 for fault in book.faults)
        met = sum(fault.hit for fault in book.faults)
        lines.append(f"{len(book.faults)} faults, {hit} of them hit running requests ({met})")
        return "\n".join([*lines, f"{len(self.violations)} violations", *self.violations])


def take(plan: Plan) -> Result:
    """Let it happen."""
    return asyncio.run(_take(plan))


async def _take(plan: Plan) -> Result:
    book, chance = Book(dict(SLOTS)), Random(plan.seed)
    upstreams = [Upstream(name, book, chance) for name in SLOTS]
    hub = Hub()
    relay = Relay(hub.port)
    await asyncio.gather(relay.start(), *(upstream.start() for upstream in upstreams))
    agents = await asyncio.to_thread(_start, hub, relay, upstreams)
    callers = [Caller(f"c{number}", hub.port, book, chance) for number in range(plan.callers)]
    try:
        await _live(Stage(book, hub, agents, relay, callers, chance), plan)
    finally:
        logs = await asyncio.to_thread(_end, hub, agents)
        relay.stop()
        await asyncio.gather(*(upstream.stop() for upstream in upstreams))
    return Result(book, violations(book), logs)


def _start(hub: Hub, relay: Relay, upstreams: list[Upstream]) -> list[Agent]:
    hub.start()
    doors = [relay.port, hub.port]
    agents = [Agent(one.name, door, one.port, SLOTS[one.name], hub.token(one.name))
              for one, door in zip(upstreams, doors, strict=True)]
    for agent in agents:
        agent.start()
    return agents


async def _live(stage: Stage, plan: Plan) -> None:
    """Callers call, until some time after the last fault."""
    forever = asyncio.gather(*(caller.ask() for caller in stage.callers))
    await asyncio.sleep(PEACE / 2)
    await cause(stage, plan.faults, plan.pause)
    last = max(fault.mended for fault in stage.book.faults)
    await asyncio.sleep(max(0.0, last + RECOVERY + PEACE - monotonic()))
    for caller in stage.callers:
        caller.rest()
    await forever


def _end(hub: Hub, agents: list[Agent]) -> dict[str, list[str]]:
    logs = {}
    for program in (*agents, hub):
        program.end()
        logs["hub" if program is hub else program.name] = program.child.lines if program.child else []
    return logs
