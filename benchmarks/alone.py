"""The agent alone: what its own code costs, without sockets, without a hub and without an upstream.

::

    python -m benchmarks.alone [--batch N] [--rounds N] [--profile]

Bytes of a link go in, bytes of requests come out; bytes of answers go in, bytes of the link come out. What the system
takes for the same on real sockets comes on top, so these figures are for comparing one version of the code with
another: they vary by a few per cent where whole programs on a busy machine vary by half.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha1
from statistics import median
from time import process_time
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.address import UNIXAddress
from twisted.internet.testing import StringTransport

from benchmarks.servers import BODY
from benchmarks.source import event_line
from slime.agent.health import Health, Precautions
from slime.agent.link import LinkFactory, LinkPolicy
from slime.agent.upstream.client import UpstreamClient
from slime.agent.upstream.connection import UpstreamConnection
from slime.agent.upstream.target import UpstreamTarget
from slime.agent.worker import Bounds, Workshop
from slime.http.head import HeadLimits
from slime.tunnel import DATA_LIMIT, Credit, Data, Hello, Role, TunnelConnection, Welcome, encode
from slime.tunnel.growth import WindowLimits
from slime.wsframe import message_start

reactor: Any = _reactor

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

HEAD = (
    b"GET /small HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"
    b"X-Forwarded-Host: 127.0.0.1:8080\r\nVia: 1.1 slime\r\nSlime-Request-Id: 01hzy8m3v5x4k2t9q7wn6r0b1c\r\n\r\n"
)
ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 28 Nov 2026 19:00:00 GMT\r\nContent-Type: text/plain\r\n"
    b"Content-Length: %d\r\nConnection: keep-alive\r\n\r\n%b" % (len(BODY), BODY.encode())
)
STREAM = (
    b"HTTP/1.1 200 OK\r\nServer: source\r\nDate: Sat, 28 Nov 2026 19:00:00 GMT\r\n"
    b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)


class Memory(StringTransport):
    """A socket that takes everything and keeps only how much that was."""

    taken = 0
    last = b""

    def write(self, data: bytes) -> None:
        self.taken += len(data)
        self.last = data

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """It is never full."""

    def unregisterProducer(self) -> None:
        """It is never full."""

    def pauseProducing(self) -> None:
        """Who reads from it decides."""

    def resumeProducing(self) -> None:
        """Who reads from it decides."""


class Agent:
    """An agent with a link, and as many connections to its upstream as it has slots.

    :ivar hub: the other end of the link, as far as it says something.
    """

    def __init__(self, slots: int) -> None:
        self.connections: list[UpstreamConnection] = []
        self.client = UpstreamClient(reactor, UpstreamTarget.parse("unix:/nowhere"))
        self._give_connections(slots)
        health = Health(reactor, slots, Precautions(), "upstream")
        shop = Workshop(self.client, Bounds(slots, slots, HeadLimits()), health)
        policy = LinkPolicy(Hello(agent_id="a", name="a", slots=slots), windows=WindowLimits())
        self.link = LinkFactory(reactor, "ws://hub/v1/agent/tunnel", "token", shop, policy).buildProtocol(None)
        self.socket = Memory()
        self.hub = TunnelConnection(Role.HUB)
        self._shake_hands()

    def _give_connections(self, slots: int) -> None:
        for _ in range(slots):
            connection = self.client._factory.buildProtocol(None)
            connection.makeConnection(Memory(peerAddress=UNIXAddress(b"/nowhere")))
            self.client._connections.add(connection)
            self.client.rest(connection)
            self.connections.append(connection)

    def _shake_hands(self) -> None:
        self.link.makeConnection(self.socket)
        key = re.search(rb"(?i)sec-websocket-key: *(\S+)", self.socket.last)
        assert key is not None
        self.link.dataReceived(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Protocol: slime.v1\r\nSec-WebSocket-Accept: %b\r\n\r\n"
            % b64encode(sha1(key[1] + _GUID).digest())
        )
        self.hub.receive(encode(Hello(agent_id="a", name="a", slots=len(self.connections))))
        self.hub.send(Welcome(session="s"))
        self.link.dataReceived(self.heard())
        self.turn()

    def heard(self) -> bytes:
        """What the hub has to say, as it comes out of the socket."""
        message = self.hub.next_message()
        assert message is not None
        return message_start(len(message), b"") + message

    def turn(self) -> None:
        """End the reactor's turn."""
        reactor.runUntilCurrent()

    def renew(self) -> None:
        """Let no time pass for what lies idle, however long the measurement took."""
        for connection in self.client._pool._since:
            self.client._pool._since[connection] = reactor.seconds()


class Small:
    """Small answers: ``batch`` requests in a message of the hub's, answered in one turn."""

    unit = "request"

    def __init__(self, batch: int, times: int) -> None:
        self.agent = Agent(batch)
        self.units = batch * times
        self._batch = batch
        self._messages = [self._message() for _ in range(times)]

    def _message(self) -> bytes:
        for _ in range(self._batch):
            self.agent.hub.open(HEAD, 0)
        return self.agent.heard()

    def run(self) -> None:
        """Everything once."""
        agent = self.agent
        for message in self._messages:
            agent.link.dataReceived(message)
            for connection in agent.connections:
                connection.dataReceived(ANSWER)
            agent.turn()


class Unlike(Small):
    """The same, but no two applications and no two answers use the same words, so that nothing remembered helps."""

    def __init__(self, batch: int, times: int) -> None:
        self._number = 0
        super().__init__(batch, times)
        self._answers = iter([ANSWER.replace(b"nginx", b"nginx-%d" % number) for number in range(self.units)])

    def _message(self) -> bytes:
        for _ in range(self._batch):
            self._number += 1
            self.agent.hub.open(HEAD.replace(b"/small", b"/small?%d" % self._number), 0)
        return self.agent.heard()

    def run(self) -> None:
        """Everything once."""
        agent = self.agent
        for message in self._messages:
            agent.link.dataReceived(message)
            for connection in agent.connections:
                connection.dataReceived(next(self._answers))
            agent.turn()


class Events:
    """Event streams: one event of each of ``batch`` streams in a turn."""

    unit = "event"

    def __init__(self, batch: int, times: int) -> None:
        self.agent = agent = Agent(batch)
        self.units = batch * times
        self._times = times
        ids = [agent.hub.open(HEAD, 0) for _ in range(batch)]
        agent.link.dataReceived(agent.heard())
        for connection in agent.connections:
            connection.dataReceived(STREAM)
        agent.turn()
        line = event_line(1000)
        self._event = b"%x\r\n%b\r\n" % (len(line), line)
        grant = b"".join(encode(Credit(stream_id, len(line) * times)) for stream_id in ids)
        agent.link.dataReceived(message_start(len(grant), b"") + grant)

    def run(self) -> None:
        """Everything once."""
        agent, event = self.agent, self._event
        for _ in range(self._times):
            for connection in agent.connections:
                connection.dataReceived(event)
            agent.turn()


class Upload:
    """A large body on its way up; ``batch`` pieces of 16 KiB in a message."""

    unit = "16 KiB up"

    def __init__(self, batch: int, times: int) -> None:
        batch = min(batch, 4)
        self.agent = agent = Agent(1)
        self.units = batch * times
        stream_id = agent.hub.open(HEAD.replace(b"GET", b"PUT"), None)
        agent.link.dataReceived(agent.heard())
        agent.turn()
        frames = encode(Data(stream_id, bytes(16384))) * batch
        assert len(frames) <= DATA_LIMIT + 1024
        self._messages = [message_start(len(frames), b"") + frames] * times

    def run(self) -> None:
        """Everything once."""
        agent = self.agent
        for message in self._messages:
            agent.link.dataReceived(message)
            agent.turn()


class Download(Events):
    """A large body on its way down: ``batch`` reads of 64 KiB in a turn."""

    unit = "64 KiB down"

    def __init__(self, batch: int, times: int) -> None:
        super().__init__(1, times)
        self.units = times
        self._event = b"10000\r\n%b\r\n" % bytes(65536)
        grant = encode(Credit(1, 65536 * times))
        self.agent.link.dataReceived(message_start(len(grant), b"") + grant)


WORK: dict[str, Callable[[int, int], Any]] = {
    "small": Small, "unlike": Unlike, "events": Events, "up": Upload, "down": Download,
}  # fmt: skip


def measure(name: str, batch: int, units: int) -> float:
    """Microseconds of CPU for each unit."""
    work = WORK[name](batch, units // batch)
    work.agent.renew()
    gc.collect()
    gc.freeze()
    began = process_time()
    work.run()
    return (process_time() - began) / work.units * 1e6


def main() -> None:
    """Measure, and print a line for each kind of work."""
    parser = argparse.ArgumentParser("python -m benchmarks.alone", description=__doc__)
    parser.add_argument("work", nargs="*", default=list(WORK))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--units", type=int, default=8000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    for name in asked.work:
        if asked.profile:
            work = WORK[name](asked.batch, asked.units // asked.batch)
            profile = cProfile.Profile()
            profile.runcall(work.run)
            pstats.Stats(profile).sort_stats("tottime").print_stats(45)
        else:
            taken = [measure(name, asked.batch, asked.units) for _ in range(asked.rounds)]
            print(f"{name}: {min(taken):.1f} us at least, {median(taken):.1f} in the middle, each {WORK[name].unit}")


if __name__ == "__main__":
    main()
