"""The faults of a history: each is done, and mended."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from time import monotonic

from benchmarks.history.book import Book, Fault
from benchmarks.history.caller import Caller
from benchmarks.history.programs import Agent, Hub
from benchmarks.history.relay import Relay

__all__ = ["Stage", "cause"]

#: Seconds that an agent stands still: longer than it takes the hub to notice.
STANDSTILL = 1.5


@dataclass
class Stage:
    """Who there is.

    :ivar relay: what stands between the hub and the first agent.
    """

    book: Book
    hub: Hub
    agents: list[Agent]
    relay: Relay
    callers: list[Caller]
    chance: Random

    def agent(self) -> Agent:
        """Any of them."""
        return self.chance.choice(self.agents)


async def _kill_agent(stage: Stage, fault: Fault) -> None:
    agent = stage.agent()
    fault.hit = len(stage.book.running(agent.name))
    await asyncio.to_thread(agent.end, signal.SIGKILL)
    await asyncio.to_thread(agent.start)


async def _stop_agent(stage: Stage, fault: Fault) -> None:
    agent = stage.agent()
    fault.hit = len(stage.book.running(agent.name))
    agent.send(signal.SIGSTOP)
    await asyncio.sleep(STANDSTILL)
    agent.send(signal.SIGCONT)


async def _restart_agent(stage: Stage, fault: Fault) -> None:
    agent = stage.agent()
    fault.hit = len(stage.book.running(agent.name))
    await asyncio.to_thread(agent.end)
    await asyncio.to_thread(agent.start)


async def _abort_callers(stage: Stage, fault: Fault) -> None:
    waiting = [caller for caller in stage.callers if caller.waits]
    gone = stage.chance.sample(waiting, min(6, len(waiting)))
    fault.hit = len(gone)
    for caller in gone:
        caller.leave()


async def _restart_hub(stage: Stage, fault: Fault) -> None:
    fault.hit = len(stage.book.running())
    await asyncio.to_thread(stage.hub.end)
    await asyncio.to_thread(stage.hub.start)


async def _kill_hub(stage: Stage, fault: Fault) -> None:
    fault.hit = len(stage.book.running())
    await asyncio.to_thread(stage.hub.end, signal.SIGKILL)
    await asyncio.to_thread(stage.hub.start)


async def _lose_line(stage: Stage, fault: Fault) -> None:
    fault.hit = len(stage.book.running(stage.agents[0].name))
    stage.relay.swallow()


FAULTS: dict[str, Callable[[Stage, Fault], Awaitable[None]]] = {
    "agent killed": _kill_agent,
    "agent stopped": _stop_agent,
    "agent restarted": _restart_agent,
    "callers gone": _abort_callers,
    "hub restarted": _restart_hub,
    "hub killed": _kill_hub,
    "line lost": _lose_line,
}


def plan(chance: Random, count: int) -> list[str]:
    """Which faults, in which order: all of them once before any comes twice."""
    names: list[str] = []
    while len(names) < count:
        names += chance.sample(list(FAULTS), len(FAULTS))
    return names[:count]


async def cause(stage: Stage, count: int, pause: float) -> None:
    """Cause so many faults, one every ``pause`` seconds (or when the one before is mended)."""
    for what in plan(stage.chance, count):
        next_one = monotonic() + pause
        fault = stage.book.begin(what)
        await FAULTS[what](stage, fault)
        fault.mended = monotonic()
        await asyncio.sleep(max(0.0, next_one - monotonic()))
