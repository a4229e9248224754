"""A fleet in simulated time around the real dispatcher: distance, service times and crossing messages, no sockets.

Providers have one slot each, a one-way delay, and service times drawn from a seeded generator. The hub learns of
everything one delay late, as it would.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from slime.hub.dispatch import Dispatcher
from slime.hub.seats import Decision, Revocation, Rights, Seat, Ticket

__all__ = ["Figures", "Provider", "exponential", "fixed", "simulate"]

ServiceTime = Callable[[Random], float]


@dataclass(frozen=True)
class Provider:
    """``delay`` one way, in seconds, and how long a request runs."""

    delay: float
    service_time: ServiceTime


@dataclass(frozen=True)
class Figures:
    """What came of a run: mean share of time that providers ran, mean and 99th percentile of waits in seconds."""

    busy: float
    mean_wait: float
    p99_wait: float
    served: int


def fixed(seconds: float) -> ServiceTime:
    return lambda rng: seconds


def exponential(mean: float) -> ServiceTime:
    return lambda rng: rng.expovariate(1 / mean)


@dataclass(eq=False)
class _Agent:
    provider: Provider
    seat: Seat
    running: Ticket | None = None
    line: list[Ticket] = field(default_factory=list)
    busy: float = 0.0


class _Fleet:
    def __init__(self, providers: Sequence[Provider], rate: float, prefetch: int, seed: int) -> None:
        self.now = 0.0
        self.rng = Random(seed)
        self.rate = rate
        self.dispatcher = Dispatcher()
        self.agents = []
        self.waits: list[float] = []
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = count()
        for provider in providers:
            seat = Seat(None, Rights(), 1, prefetch)
            seat.rtt = 2 * provider.delay
            seat.owner = _Agent(provider, seat)
            self.agents.append(seat.owner)
            self.dispatcher.join(seat)

    def run(self, seconds: float) -> None:
        self._after(0.0, self._arrive)
        while self._events[0][0] < seconds:
            self.now, _, step, arguments = heapq.heappop(self._events)
            step(*arguments)

    def _after(self, seconds: float, step: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._sequence), step, arguments))

    def _arrive(self) -> None:
        self._after(self.rng.expovariate(self.rate), self._arrive)
        self._place(Ticket({"arrived": self.now}, None, "/"))

    def _place(self, ticket: Ticket) -> None:
        seat = self.dispatcher.offer(ticket)
        if isinstance(seat, Seat):
            self._after(seat.owner.provider.delay, self._deliver, seat.owner, ticket)
        else:
            self._perform(self.dispatcher.enqueue(ticket))

    def _perform(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            agent = decision.seat.owner
            step = self._ask if isinstance(decision, Revocation) else self._deliver
            self._after(agent.provider.delay, step, agent, decision.ticket)

    def _deliver(self, agent: _Agent, ticket: Ticket) -> None:
        if agent.running is None:
            self._start(agent, ticket)
        else:
            agent.line.append(ticket)

    def _start(self, agent: _Agent, ticket: Ticket) -> None:
        agent.running = ticket
        self.waits.append(self.now - ticket.owner["arrived"])
        seconds = agent.provider.service_time(self.rng)
        agent.busy += seconds
        ticket.owner["ran"] = seconds
        self._after(agent.provider.delay, self._started, ticket)
        self._after(seconds, self._finish, agent, ticket)

    def _started(self, ticket: Ticket) -> None:
        self._perform(self.dispatcher.started(ticket))

    def _finish(self, agent: _Agent, ticket: Ticket) -> None:
        agent.running = None
        self._after(agent.provider.delay, self._done, agent, ticket)
        if agent.line:
            self._start(agent, agent.line.pop(0))

    def _done(self, agent: _Agent, ticket: Ticket) -> None:
        agent.seat.measure(ticket.owner["ran"])
        self._perform(self.dispatcher.release(ticket))

    def _ask(self, agent: _Agent, ticket: Ticket) -> None:
        if ticket in agent.line:
            agent.line.remove(ticket)
            self._after(agent.provider.delay, self._given_back, ticket)

    def _given_back(self, ticket: Ticket) -> None:
        self._perform(self.dispatcher.release(ticket))
        self._place(ticket)


def simulate(providers: Sequence[Provider], load: float, prefetch: int, seconds: float, seed: int = 1) -> Figures:
    """Run a fleet at ``load`` of what its providers could serve."""
    rng = Random(seed)
    capacity = sum(1 / _mean(provider.service_time, rng) for provider in providers)
    fleet = _Fleet(providers, load * capacity, prefetch, seed)
    fleet.run(seconds)
    waits = sorted(fleet.waits)
    busy = sum(agent.busy for agent in fleet.agents) / len(fleet.agents) / seconds
    return Figures(busy, sum(waits) / len(waits), waits[int(len(waits) * 0.99)], len(waits))


def _mean(service_time: ServiceTime, rng: Random) -> float:
    return sum(service_time(rng) for _ in range(2000)) / 2000
