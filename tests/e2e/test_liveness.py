"""Ends that stop, lines that break and upstreams that are down, seen from outside: whole programs, real signals."""

from __future__ import annotations

import asyncio
import math
import signal
from random import Random
from time import monotonic

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.history.book import Book, Call, End
from benchmarks.history.caller import Caller
from benchmarks.history.programs import Agent, Hub
from benchmarks.history.relay import Relay
from benchmarks.history.upstream import Upstream
from benchmarks.machine import free_port
from slime.agent.health import FIRST_REST, STRIKES
from tests.e2e.harness import until_true

#: Three intervals of the programs' 0.3 s, and as much again for a busy machine.
FOUND = 2 * 3 * 0.3
SILENT = "the peer gave no sign of life"


class LivenessTests(SynchronousTestCase):
    """A hub and an agent ``a``, which have just linked."""

    timeout = 60

    def setUp(self) -> None:
        self.hub = Hub()
        self.hub.start()
        self.addCleanup(self.hub.end)
        self.agent = Agent("a", self.hub.port, free_port(), 1, self.hub.token("a"))
        self.agent.start()
        self.addCleanup(self.agent.end)

    def hears(self, program: Hub | Agent, line: str, times: int = 1, seconds: float = 10.0) -> None:
        """The program says so in time."""
        assert program.child is not None
        program.child.wait_for(line, seconds, times)

    def test_agent_that_stops(self) -> None:
        """The hub is rid of an agent that stands still; it comes back when it runs again."""
        self.agent.send(signal.SIGSTOP)
        self.addCleanup(self.agent.send, signal.SIGCONT)
        self.hears(self.hub, f"agent a left: {SILENT}", seconds=FOUND)
        self.agent.send(signal.SIGCONT)
        self.hears(self.hub, "agent a joined", times=2)

    def test_hub_that_stops(self) -> None:
        """So is an agent of a hub."""
        assert self.hub.child is not None
        self.hub.child.signal(signal.SIGSTOP)
        self.addCleanup(self.hub.child.signal, signal.SIGCONT)
        self.hears(self.agent, SILENT, seconds=FOUND)
        self.hub.child.signal(signal.SIGCONT)
        self.hears(self.hub, "agent a joined", times=2)

    def test_line_that_breaks(self) -> None:
        """A line that loses everything and says nothing is found out at both ends."""

        async def broken() -> None:
            relay = Relay(self.hub.port)
            await relay.start()
            far = Agent("b", relay.port, free_port(), 1, self.hub.token("b"))
            await asyncio.to_thread(far.start)
            try:
                relay.swallow()
                found = (asyncio.to_thread(self.hears, *one, seconds=FOUND) for one in (
                    (self.hub, f"agent b left: {SILENT}"), (far, SILENT)))
                await asyncio.gather(*found)
            finally:
                await asyncio.to_thread(far.end)
                relay.stop()

        asyncio.run(broken())


class FenceTests(SynchronousTestCase):
    """A hub that would wait for its agents for a minute and a half."""

    timeout = 60

    def test_agent_that_comes_again(self) -> None:
        """Its former link is over at once, although the hub has no reason to think that it is dead."""

        async def twice() -> float:
            hub = Hub("--ping-interval", "30s")
            relay = Relay(hub.port)
            await relay.start()
            await asyncio.to_thread(hub.start)
            token = hub.token("a")
            former = Agent("a", relay.port, free_port(), 1, token)
            later = Agent("a", hub.port, free_port(), 1, token)
            try:
                await asyncio.to_thread(former.start)
                relay.swallow()
                began = monotonic()
                await asyncio.to_thread(later.start)
                assert hub.child is not None
                await asyncio.to_thread(hub.child.wait_for, "agent a left: the agent has linked anew", 10.0)
                return monotonic() - began
            finally:
                for program in (former, later, hub):
                    await asyncio.to_thread(program.end)
                relay.stop()

        self.assertLess(asyncio.run(twice()), 10)


class GuardTests(SynchronousTestCase):
    """Two providers, one of them down: nobody listens at its address."""

    timeout = 60

    def test_dead_upstream_does_not_eat_the_queue(self) -> None:
        """It fails fast, and would take every request if that made it the first that is free."""
        began = monotonic()
        calls = asyncio.run(_ask_beside_a_dead_one(callers=4, until=60))
        failed = [call for call in calls if call.end is not End.OK]
        rests = math.ceil(math.log2((monotonic() - began) / FIRST_REST + 1))
        self.assertLessEqual(len(failed), STRIKES + rests, failed)
        for call in failed:
            self.assertIn("upstream-unreachable", call.detail)


async def _ask_beside_a_dead_one(callers: int, until: int) -> list[Call]:
    book, chance = Book({"well": 1}), Random(5)
    upstream, hub = Upstream("well", book, chance), Hub()
    await upstream.start()
    await asyncio.to_thread(hub.start)
    agents = [Agent(name, hub.port, port, 1, hub.token(name)) for name, port in (
        ("dead", free_port()), ("well", upstream.port))]
    asking = [Caller(f"c{number}", hub.port, book, chance) for number in range(callers)]
    try:
        for agent in agents:
            await asyncio.to_thread(agent.start)
        calls = asyncio.gather(*(caller.ask() for caller in asking))
        await until_true(lambda: len(book.calls) >= until)
        for caller in asking:
            caller.rest()
        await calls
    finally:
        for program in (*agents, hub):
            await asyncio.to_thread(program.end)
        await upstream.stop()
    return book.calls
