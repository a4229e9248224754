"""slime, ready to be measured: a hub and one agent, with settings as they come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.machine import cpu_seconds
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
def fleet(upstream: int, slots: int) -> Iterator[Fleet]:
    """A hub and an agent with ``slots`` slots for the upstream on that port."""
    hub = HubProcess(SECRET, "--grace", "1s")
    try:
        options = ("--upstream", f"127.0.0.1:{upstream}", "--num-worker", str(slots), "--grace", "1s")
        agent = AgentProcess("bench", f"127.0.0.1:{hub.port}", hub.token("bench"), *options)
        try:
            hub.wait_for_agent("bench")
            yield Fleet(hub.port, hub.child.pid, agent.child.pid)
        finally:
            agent.child.end()
    finally:
        hub.child.end()
