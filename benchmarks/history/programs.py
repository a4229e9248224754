"""The programs of a history: a hub and agents that can be killed and started again, where they were."""

from __future__ import annotations

import signal
from contextlib import suppress
from dataclasses import dataclass

from benchmarks.machine import free_port
from slime.demo.children import Child, ChildError, leashed

__all__ = ["Agent", "Hub"]

PROGRAM = "slime.cli:main"
SECRET = {"SLIME_SECRET": "a history's secret, thirty-two bytes"}
#: Seconds that an agent is waited for.
JOIN = 15.0
QUICK = ("--ping-interval", "0.3s", "--grace", "10s")


class Hub:
    """A hub on a port that stays the same over restarts."""

    def __init__(self, *options: str, port: int = 0) -> None:
        self.port = port or free_port()
        self._options = options
        self.child: Child | None = None

    def start(self) -> None:
        """Start it, and return when it listens."""
        listen = f"tcp:{self.port}:interface=127.0.0.1:backlog=1024"
        quiet = ("--admin", "off", "--access-log=false")
        command = leashed(PROGRAM, "hub", "run", "--listen", listen, *quiet, *QUICK, *self._options)
        self.child = Child("hub", command, SECRET)
        self.child.wait_for("listening on")

    def token(self, name: str) -> str:
        """A token for an agent."""
        register = Child("register", leashed(PROGRAM, "hub", "register", "--name", name), SECRET)
        register.result()
        return register.lines[-1]

    def end(self, number: int = signal.SIGTERM) -> None:
        """End it by a signal, and return when it is gone."""
        if self.child is not None:
            self.child.signal(number)
            self.child.result()


@dataclass
class Agent:
    """An agent, started anew under the same name as often as need be."""

    name: str
    hub: int
    upstream: int | str
    slots: int
    token: str
    child: Child | None = None

    def start(self) -> None:
        """Start it, and return when it has joined, or has taken too long for it."""
        command = leashed(
            PROGRAM, "agent", "run", "--hub", f"127.0.0.1:{self.hub}", "--agent-id", self.name,
            "--upstream", f"127.0.0.1:{self.upstream}" if isinstance(self.upstream, int) else self.upstream,
            "--num-worker", str(self.slots), *QUICK,
        )  # fmt: skip
        self.child = Child(self.name, command, {"SLIME_TOKEN": self.token})
        with suppress(ChildError):  # another fault may be in the way
            self.child.wait_for("linked to the hub", JOIN)

    def send(self, number: int) -> None:
        """Send a signal."""
        if self.child is not None:
            self.child.signal(number)

    def end(self, number: int = signal.SIGTERM) -> None:
        """End it by a signal, and return when it is gone."""
        if self.child is not None:
            self.child.signal(number)
            self.child.result()
