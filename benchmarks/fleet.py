"""slime, ready to be measured: a hub and its agents, with settings as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks.machine import cpu_seconds
from slime.demo.children import Child, leashed
from slime.demo.fleet import AgentProcess, HubProcess

__all__ = ["Fleet", "Post", "fleet", "fleet_of", "relay"]

SECRET = "for the benchmarks only, on the loopback interface"


@dataclass(frozen=True)
class Post:
    """An agent's post: the upstreams' ports, as many slots at each, and seconds of round trip to the hub."""

    upstreams: Sequence[int]
    slots: int = 1
    round_trip: float = 0.0


@dataclass(frozen=True)
class Fleet:
    """A hub and its agents.

    :ivar port: where applications find the hub.
    :ivar hub: its process id.
    :ivar agents: theirs.
    """

    port: int
    hub: int
    agents: list[int]

    @property
    def agent(self) -> int:
        """The process id of the only agent."""
        return self.agents[0]

    def cpu(self) -> tuple[float, float]:
        """CPU seconds that the hub and the first agent have used."""
        return cpu_seconds(self.hub), cpu_seconds(self.agent)


def fleet(upstream: int, slots: int, round_trip: float = 0.0) -> AbstractContextManager[Fleet]:
    """A hub and an agent with ``slots`` slots for the upstream on that port, ``round_trip`` seconds from the hub."""
    return fleet_of([Post([upstream], slots, round_trip)])


@contextmanager
def fleet_of(posts: Sequence[Post], *options: str) -> Iterator[Fleet]:
    """A hub, with these options besides, and an agent process at each post."""
    with ExitStack() as cleanup:
        hub = HubProcess(SECRET, "--grace", "1s", *options)
        cleanup.callback(hub.child.end)
        agents = [_agent(cleanup, hub, f"bench-{number}", post) for number, post in enumerate(posts)]
        yield Fleet(hub.port, hub.child.pid, agents)


def _agent(cleanup: ExitStack, hub: HubProcess, name: str, post: Post) -> int:
    door = cleanup.enter_context(relay(hub.port, post.round_trip)) if post.round_trip else hub.port
    addresses = ",".join(f"127.0.0.1:{port}" for port in post.upstreams)
    options = ("--upstream", addresses, "--num-worker", str(post.slots), "--grace", "1s")
    agent = AgentProcess(name, f"127.0.0.1:{door}", hub.token(name), *options)
    cleanup.callback(agent.child.end)
    hub.child.wait_for(f"agent {name} joined", 60.0, len(post.upstreams))
    return agent.child.pid


@contextmanager
def relay(target: int, round_trip: float) -> Iterator[int]:
    """A relay to ``target``, ``round_trip`` seconds away; gives its port."""
    child = Child("relay", leashed("benchmarks.relay", str(target), str(round_trip * 1e3)))
    try:
        yield int(child.wait_for(r"port (\d+)")[1])
    finally:
        child.end()
