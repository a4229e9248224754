"""A hub, agents and toy upstreams as processes of this machine, on ports that the system chooses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from slime.demo.children import Child, ChildError, leashed

__all__ = ["AgentProcess", "HubProcess", "ToyProcess"]

PROGRAM = "slime.cli:main"
"""What the command ``slime`` runs."""


class HubProcess:
    """A running hub.

    :ivar child: its process.
    :ivar port: where it serves applications and agents, on the loopback interface.
    """

    def __init__(self, secret: str, *options: str, admin: str = "off") -> None:
        """Start it, and wait until it listens.

        :param admin: where its admin site listens, as a Twisted endpoint.
        """
        self._environment = {"SLIME_SECRET": secret}
        listen = ("--listen", "tcp:0:interface=127.0.0.1:backlog=1024", "--admin", admin)
        self.child = Child("hub", leashed(PROGRAM, "hub", "run", *listen, *options), self._environment)
        self.port = int(self.child.wait_for(r"listening on .*port=(\d+)")[1])

    def token(self, name: str, *options: str) -> str:
        """A new token for an agent, from ``slime hub register``.

        :raises ChildError: the command failed.
        """
        command = leashed(PROGRAM, "hub", "register", "--name", name, *options)
        register = Child("slime hub register", command, self._environment)
        if register.result():
            raise ChildError(f"slime hub register failed: {register.lines}")
        return register.lines[-1]

    def wait_for_agent(self, name: str, times: int = 1) -> None:
        """Wait until an agent of this name has joined, for the nth time if ``times`` says so."""
        self.child.wait_for(rf"agent {re.escape(name)} joined", times=times)


class AgentProcess:
    """A running agent.

    :ivar child: its process.
    """

    def __init__(self, name: str, hub: str, token: str, *options: str) -> None:
        """Start it; :meth:`HubProcess.wait_for_agent` tells when it has joined.

        :param hub: the hub's address.
        :param options: among them ``--upstream``.
        """
        command = leashed(PROGRAM, "agent", "run", "--hub", hub, "--agent-id", name, *options)
        self.child = Child(name, command, {"SLIME_TOKEN": token})


class ToyProcess:
    """A running toy text generator (:mod:`slime.demo.upstream`).

    :ivar child: its process.
    :ivar port: where it listens, on the loopback interface.
    """

    def __init__(self, name: str, rate: float, hear: Callable[[str], None]) -> None:
        """Start it, and wait until it listens.

        :param rate: words a second.
        :param hear: called in another thread with each line that it prints.
        """
        command = leashed("slime.demo.upstream", "--name", name, "--rate", str(rate))
        self.child = Child(name, command, hear=hear)
        self.port = int(json.loads(self.child.wait_for('"ready"').string)["port"])
