"""slime, ready to be measured: a hub and one agent, with settings as they come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks.machine import cpu_seconds
from slime.demo.children import Child, leashed
from slime.demo.fleet import AgentProcess, HubProcess

__all__ = ["Fleet", "fleet"]

SECRET = "for the benchmarks only, on the loopback interface"


@dataclass(frozen=True)
class Fleet:
    """A hub and its agent.

    :ivar port: where applications find the hub.
    """

    port: int
    hub: int
    agent: int

    def cpu(self) -> tuple[float, float]:
        """CPU seconds that hub and agent have used."""
        return cpu_seconds(self.hub), cpu_seconds(self.agent)


@contextmanager
def fleet(upstream: int, slots: int, round_trip: float = 0.0) -> Iterator[Fleet]:
    """A hub and an agent with ``slots`` slots for the upstream on that port, ``round_trip`` seconds from the hub."""
    with ExitStack() as cleanup:
        hub = HubProcess(SECRET, "--grace", "1s")
        cleanup.callback(hub.child.end)
        door = cleanup.enter_context(relay(hub.port, round_trip)) if round_trip else hub.port
        options = ("--upstream", f"127.0.0.1:{upstream}", "--num-worker", str(slots), "--grace", "1s")
        agent = AgentProcess("bench", f"127.0.0.1:{door}", hub.token("bench"), *options)
        cleanup.callback(agent.child.end)
        hub.wait_for_agent("bench")
        yield Fleet(hub.port, hub.child.pid, agent.child.pid)


@contextmanager
def relay(target: int, round_trip: float) -> Iterator[int]:
    """A relay to ``target``, ``round_trip`` seconds away; gives its port."""
    child = Child("relay", leashed("benchmarks.relay", str(target), str(round_trip * 1e3)))
    try:
        yield int(child.wait_for(r"port (\d+)")[1])
    finally:
        child.end()
