"""Restarts that nobody notices: of agents one after the other, and of a hub that another one takes over from."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from random import Random
from time import monotonic

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.history.book import Book, End
from benchmarks.history.caller import Caller
from benchmarks.history.programs import Agent, Hub
from benchmarks.history.upstream import Upstream
from benchmarks.storm import storm
from tests.e2e.harness import until_true

SLOTS = {"alpha": 2, "beta": 2}


class RestartTests(SynchronousTestCase):
    """Callers ask all the time, and every answer must be right."""

    timeout = 60

    def during(self, restart: Callable[[Hub, list[Agent]], Hub], options: tuple[str, ...] = (), **asking: bool) -> Book:
        """What was asked and answered around a restart."""
        return asyncio.run(_during(restart, options, asking))

    def assert_nothing_lost(self, book: Book) -> None:
        """Every call has its answer, every request ran once, and both agents worked afterwards."""
        wrong = [f"{call.key} {call.end.value} {call.detail} {call.sent - book.began:.2f}" for call in book.calls
                 if call.end is not End.OK]
        self.assertEqual((wrong, book.complaints), ([], []))
        twice = [key for key, count in Counter(visit.key for visit in book.visits).items() if count > 1]
        self.assertEqual(twice, [])
        self.assertEqual(_at_work(book, book.faults[0].mended), set(SLOTS))

    def test_agents(self) -> None:
        """One agent after the other is ended and started again."""

        def restart(hub: Hub, agents: list[Agent]) -> Hub:
            for agent in agents:
                agent.end()
                agent.start()
            return hub

        self.assert_nothing_lost(self.during(restart))

    def test_agents_overlapping(self) -> None:
        """A second process of the same agent starts before the first is told to stop: what runs is not cut off."""

        def restart(hub: Hub, agents: list[Agent]) -> Hub:
            for agent in agents:
                former = agent.child
                assert former is not None
                former.signal(15)
                agent.start()
                former.result()
            return hub

        self.assert_nothing_lost(self.during(restart))

    def test_hub(self) -> None:
        """A second hub starts on the same port, then the first one is told to stop."""
        self.assert_nothing_lost(self.during(take_over, ("--reuse-port",)))

    def test_hub_with_callers_that_do_not_wait(self) -> None:
        """Who does not ask to be kept waiting is not refused, either, because agents have not all arrived."""
        self.assert_nothing_lost(self.during(take_over, ("--reuse-port",), few=True))


def take_over(hub: Hub, agents: list[Agent]) -> Hub:
    """Let another hub take over."""
    successor = Hub("--reuse-port", port=hub.port)
    successor.start()
    hub.end()
    return successor


def _answered(book: Book) -> int:
    """How many calls have been answered."""
    return sum(call.end is End.OK for call in book.calls)


def _at_work(book: Book, since: float) -> set[str]:
    """The upstreams that have been asked for something since a moment."""
    return {visit.upstream for visit in book.visits if visit.began > since}


async def _during(
    restart: Callable[[Hub, list[Agent]], Hub], options: tuple[str, ...], asking: dict[str, bool]
) -> Book:
    book, chance = Book(dict(SLOTS)), Random(3)
    upstreams = [Upstream(name, book, chance) for name in SLOTS]
    await asyncio.gather(*(upstream.start() for upstream in upstreams))
    hub = Hub(*options)
    hub.start()
    agents = [Agent(one.name, hub.port, one.port, SLOTS[one.name], hub.token(one.name)) for one in upstreams]
    callers = [Caller(f"c{n}", hub.port, book, chance, not asking) for n in range(3 if asking else 12)]
    try:
        for agent in agents:
            await asyncio.to_thread(agent.start)
        calls = asyncio.gather(*(caller.ask() for caller in callers))
        await until_true(lambda: _answered(book) >= 20)
        fault = book.begin("restart")
        hub = await asyncio.to_thread(restart, hub, agents)
        fault.mended = monotonic()
        enough = _answered(book) + 20
        await until_true(lambda: _answered(book) >= enough and _at_work(book, fault.mended) == set(SLOTS))
        for caller in callers:
            caller.rest()
        await calls
    finally:
        for program in (*agents, hub):
            program.end()
        await asyncio.gather(*(upstream.stop() for upstream in upstreams))
    return book


class StormTests(SynchronousTestCase):
    """A hub dies and comes back, and everybody wants in at once."""

    timeout = 90

    def test_storm(self) -> None:
        """200 links are back in time, and an application is answered all the while."""
        found = storm(200)
        self.assertTrue(found.weathered, found)
