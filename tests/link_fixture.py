"""A whole hub in memory, with applications and agents that a test speaks for byte by byte and frame by frame."""

from __future__ import annotations

import time
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from slime.hub.channel import ChannelLimits
from slime.hub.exchange import Exchange
from slime.hub.gateway import GatewayPolicy, GatewayResource
from slime.hub.links import Door, LinkPolicy
from slime.hub.pool import AgentPool, PoolLimits
from slime.hub.site import GatewaySite
from slime.tokens import AgentClaims, mint
from slime.tunnel import Frame, Hello, Role, TunnelConnection, decode, encode
from slime.wsframe import mask, message_start, plain_message

__all__ = ["AgentPeer", "AppPeer", "MemoryHub", "MemoryTransport", "token"]

SECRET = b"a secret of the hub"
KEY = b"\x01\x02\x03\x04"
HANDSHAKE = (
    b"GET /v1/agent/tunnel HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def token(name: str = "worker", expires: float | None = None, **more: Any) -> str:
    """A valid token for the hub below."""
    claims = AgentClaims(name + "-token", name, expires, more.get("scope_paths", ()), more.get("scopes", ()))
    return mint(SECRET, claims, b"n" * 12)


class MemoryTransport(StringTransport):
    """Remembers how the hub ended the connection."""

    aborted = half_closed = False

    def fileno(self) -> int:
        """There is no socket."""
        return -1

    def abortConnection(self) -> None:
        self.aborted = True
        self.disconnecting = True

    def loseWriteConnection(self) -> None:
        assert not self.half_closed, "Twisted would lose the connection"
        self.half_closed = True

    def setTcpNoDelay(self, enabled: bool) -> None:
        """As a socket has it."""

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """As a socket has it."""


class Peer:
    """One connection to the hub."""

    def __init__(self, hub: MemoryHub) -> None:
        self.hub = hub
        self.transport = MemoryTransport()
        channel = hub.site.buildProtocol(None)
        assert channel is not None
        self.channel = channel
        channel.makeConnection(self.transport)

    def deliver(self, data: bytes) -> None:
        """These bytes arrive at the hub."""
        self.channel.dataReceived(data)

    def leave(self) -> None:
        """The connection is gone."""
        self.channel.connectionLost(Failure(ConnectionDone()))

    def taken(self) -> bytes:
        """What the hub has sent since this was asked last."""
        data = self.transport.value()
        self.transport.clear()
        return data


class AppPeer(Peer):
    """An application."""

    def ask(self, target: bytes = b"/", fields: bytes = b"", method: bytes = b"GET", body: bytes = b"") -> None:
        """Send a request."""
        self.deliver(b"%b %b HTTP/1.1\r\nHost: hub\r\n%b\r\n%b" % (method, target, fields, body))


class AgentPeer(Peer):
    """An agent; its frames are what a test says they are, legal or not."""

    def __init__(
        self, hub: MemoryHub, bearer: str | None = None, extra: bytes = b"", protocol: bytes = b"slime.v1"
    ) -> None:
        super().__init__(hub)
        bearer = token() if bearer is None else bearer
        self.tunnel = TunnelConnection(Role.AGENT)
        self.deliver(
            HANDSHAKE
            + b"Authorization: Bearer %b\r\nSec-WebSocket-Protocol: %b\r\n%b\r\n" % (bearer.encode(), protocol, extra)
        )
        self.answer = self.taken()

    def hello(self, **members: Any) -> list[Frame]:
        """Introduce itself; the frames that come back."""
        greeting = {"agent_id": "id", "name": "worker", "slots": 1, **members}
        self.tunnel.send(Hello(**greeting))
        self.flush()
        return self.frames()

    def flush(self) -> None:
        """Send what the tunnel has to send."""
        while (message := self.tunnel.next_message()) is not None:
            self.message(message)

    def say(self, *frames: Frame) -> None:
        """Send frames as the protocol wants them."""
        for frame in frames:
            self.tunnel.send(frame)
        self.flush()

    def blurt(self, *frames: Frame) -> None:
        """Send frames whether the protocol allows them or not."""
        self.message(b"".join(map(encode, frames)))

    def message(self, payload: bytes) -> None:
        """Send one binary WebSocket message."""
        self.deliver(message_start(len(payload), KEY) + mask(payload, KEY))

    def heard(self) -> list[Frame]:
        """Every frame that the hub has sent since this was asked last, as it stands on the wire."""
        self.hub.turn()
        data, frames = self.taken(), []
        while data:
            read = plain_message(data, False, 10**6)
            if read is None or not read[1]:
                break
            self.tunnel.receive(read[0])
            frames += decode(read[0])
            data = data[read[1] :]
        return frames

    def frames(self) -> list[Frame]:
        """As :meth:`heard`, without the signs of life."""
        return [frame for frame in self.heard() if type(frame).__name__ not in ("Ping", "Pong")]

    @property
    def close_code(self) -> int | None:
        """The code with which the hub has closed the WebSocket; ``None`` if it has not. Takes what was sent."""
        self.hub.turn()
        data = self.taken()
        while data:
            read = plain_message(data, False, 10**6)
            if read is None:
                return int.from_bytes(data[2:4], "big") if data[0] == 0x88 else None
            data = data[read[1] :]
        return None


class MemoryHub:
    """A hub on a clock of its own."""

    def __init__(
        self,
        policy: LinkPolicy | None = None,
        limits: PoolLimits | None = None,
        gateway_policy: GatewayPolicy | None = None,
    ) -> None:
        policy, limits = policy or LinkPolicy(SECRET), limits or PoolLimits()
        self.clock = Clock()
        self.clock.advance(time.time())
        self.finished: list[Exchange] = []
        self.pool = AgentPool(self.clock, limits, self.finished.append)
        door = Door(self.clock, self.pool, policy)
        gateway = GatewayResource(self.pool, door, gateway_policy or GatewayPolicy())
        self.site = GatewaySite(gateway, self.clock, ChannelLimits())

    def app(self) -> AppPeer:
        """A new application's connection."""
        return AppPeer(self)

    def agent(self, **members: Any) -> AgentPeer:
        """An agent that has joined."""
        agent = AgentPeer(self, members.pop("bearer", None))
        agent.hello(**members)
        return agent

    def turn(self) -> None:
        """End the reactor's turn."""
        self.clock.advance(0)
