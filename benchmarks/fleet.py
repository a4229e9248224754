"""slime, ready to be measured: a hub and its agents, with settings as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

from benchmarks.machine import cpu_seconds
from slime.demo.children import Child, leashed
from slime.demo.fleet import AgentProcess, HubProcess

__all__ = ["Fleet", "Post", "agent", "fleet", "fleet_of", "relay"]

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

    :ivar process: the hub.
    :ivar agents: process ids.
    """

    process: HubProcess
    agents: list[int]

    @property
    def port(self) -> int:
        """Where applications find the hub."""
        return self.process.port

    @property
    def hub(self) -> int:
        """The hub's process id."""
        return self.process.child.pid

    @property
    def agent(self) -> int:
        """The process id of the only agent."""
        return self.agents[0]

    def cpu(self) -> tuple[float, float]:
        """CPU seconds that the hub and the first agent have used."""
        return cpu_seconds(self.hub), cpu_seconds(self.agent)


def fleet(upstream: int, slots: int, round_trip: float = 0.0) -> AbstractContextManager[Fleet]:
    """A hub and an agent with ``slots`` slots for the upstream on that port, ``round_trip`` seconds from the hub."""
    return fleet_of(Post([upstream], slots, round_trip))


@contextmanager
def fleet_of(*posts: Post, options: Sequence[str] = ()) -> Iterator[Fleet]:
    """A hub, with these options besides, and an agent process at each post."""
    with ExitStack() as cleanup:
        hub = HubProcess(SECRET, "--grace", "1s", *options)
        cleanup.callback(hub.child.end)
        agents = [cleanup.enter_context(agent(hub, f"bench-{number}", post)) for number, post in enumerate(posts)]
        yield Fleet(hub, agents)


@contextmanager
def agent(hub: HubProcess, name: str, post: Post) -> Iterator[int]:
    """An agent process at its post, all of its agents linked; gives its process id."""
    with relay(hub.port, post.round_trip) if post.round_trip else nullcontext(hub.port) as door:
        addresses = ",".join(f"127.0.0.1:{port}" for port in post.upstreams)
        options = ("--upstream", addresses, "--num-worker", str(post.slots), "--grace", "1s")
        process = AgentProcess(name, f"127.0.0.1:{door}", hub.token(name), *options)
        try:
            hub.child.wait_for(f"agent {name} joined", 90.0, len(post.upstreams))
            yield process.child.pid
        finally:
            process.child.end()


@contextmanager
def relay(target: int, round_trip: float) -> Iterator[int]:
    """A relay to ``target``, ``round_trip`` seconds away; gives its port."""
    child = Child("relay", leashed("benchmarks.relay", str(target), str(round_trip * 1e3)))
    try:
        yield int(child.wait_for(r"port (\d+)")[1])
    finally:
        child.end()
