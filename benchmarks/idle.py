"""Agents that are linked and have nothing to do: what one costs the hub, and whether it is in anybody's way."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from time import process_time

from benchmarks.figures import Figure, at_most
from benchmarks.fleet import SECRET
from benchmarks.machine import Memory
from benchmarks.micro import handshake, message
from benchmarks.plan import Plan
from slime.demo.fleet import HubProcess
from slime.hub.dispatch import Dispatcher
from slime.hub.seats import Rights, Seat, Ticket
from slime.tunnel import Hello

__all__ = ["idle_links"]

LINKS, FEW = 5000, 10
#: Kilobytes of the hub's memory that a link may take.
MOST = 32.0


def idle_links(plan: Plan) -> Iterator[Figure]:
    """Memory for each of many links, and what an answer costs the hub with few of them and with many."""
    links = LINKS if plan.rounds > 1 else LINKS // 50
    part = f"{links} idle links"
    yield Figure(part, "slime hub", "memory per link, KB", [memory_of(links)], goal=at_most(MOST))
    for count in (FEW, links):
        taken = list(choices(count, plan.rounds * 3))
        reference, goal = (None, None) if count == FEW else (f"with {FEW}", at_most(1.25))
        yield Figure(part, f"with {count}", "us to choose an agent, and free it", taken, reference, goal)


def choices(agents: int, laps: int) -> Iterator[float]:
    """Requests that come one by one to so many idle agents: what it takes to decide, for each, a lap at a time."""
    dispatcher = Dispatcher()
    for number in range(agents):
        dispatcher.join(Seat(number, Rights(), 1))
    for _ in range(laps):
        began = process_time()
        for _ in range(LINKS):
            ticket = Ticket(None, None, "/")
            dispatcher.offer(ticket)
            dispatcher.release(ticket)
        yield (process_time() - began) / LINKS * 1e6


def memory_of(links: int) -> float:
    """Link so many agents to a hub; the kilobytes that each took."""
    with ExitStack() as cleanup:
        hub = HubProcess(SECRET, "--grace", "1s", "--handshake-rate", "0", "--ping-interval", "600s")
        cleanup.callback(hub.child.end)
        for number in range(FEW):
            cleanup.enter_context(link(hub.port, number))
        memory = Memory(hub.child.pid)
        for number in range(FEW, links):
            cleanup.enter_context(link(hub.port, number))
        return memory.growth() * 1000 / (links - FEW)


def link(port: int, number: int) -> socket.socket:
    """An agent that has joined, as far as the hub can tell."""
    agent = socket.create_connection(("127.0.0.1", port), 30)
    agent.sendall(handshake(SECRET.encode()) + message([Hello(agent_id=f"idle-{number}", name="idle", slots=1)]))
    seen = b""
    while not seen.partition(b"\r\n\r\n")[2]:
        seen += _some(agent)
    return agent


def _some(agent: socket.socket) -> bytes:
    data = agent.recv(65536)
    if not data:
        raise ConnectionError("the hub has closed a link")
    return data
