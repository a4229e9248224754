"""What the hub's own code costs, without sockets: bytes in, bytes out, in one process.

All between the transports is the hub as :func:`slime.hub.service.build_hub` makes it, access log included. What
applications and the agent do is done before the clock runs, or while it stands. So these figures vary little with what
else the machine does. They leave out system calls and most of the reactor, which the other parts have in them.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from time import process_time
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.interfaces import ITCPTransport
from zope.interface import implementer

from benchmarks.figures import Figure
from benchmarks.plan import Plan
from slime.hub.service import build_hub
from slime.log import observer
from slime.settings import HubConfig
from slime.tokens import AgentClaims, mint
from slime.tunnel import Data, End, Frame, Head, Hello, Started, encode
from slime.wsframe import mask, message_start

__all__ = ["handshake", "in_memory", "message"]

SECRET = b"for the benchmarks only, in memory"
KEY = b"\x01\x02\x03\x04"
HANDSHAKE = (
    "GET /v1/agent/tunnel HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Protocol: slime.v1\r\nAuthorization: Bearer {token}\r\n\r\n"
)
#: As wrk asks and nginx answers in the part "16 slots, 64 connections".
REQUEST = b"GET /small HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nSlime-Block: 1\r\n\r\n"
ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 28 Nov 2026 19:00:00 GMT\r\n"
    b"Content-Type: text/plain\r\n\r\n"
)
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n"
BODY = b"The quick brown fox jumps over the lazy dog; the lazy dog does not mind."
CONNECTIONS, SLOTS, STREAMS = 64, 16, 100
#: Requests, or events, that one turn of the reactor brings.
AT_ONCE = 4
LAP = 2000


@implementer(ITCPTransport)
class MemoryTransport:
    """A connection to a peer who takes everything at once.

    :ivar taken: what was written, in pieces.
    """

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.write = self.taken.append

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", "127.0.0.1", 40000)

    getHost = getPeer

    def fileno(self) -> int:
        return -1

    def ignore(self, *_: object) -> None:
        """No producer is ever paused, no option has an effect."""

    setTcpNoDelay = setTcpKeepAlive = registerProducer = unregisterProducer = pauseProducing = resumeProducing = ignore


class MemoryHub:
    """A hub, with its reactor's turns taken by hand, and an agent.

    :ivar seconds: what its code has taken while the clock ran.
    """

    def __init__(self, slots: int) -> None:
        self.reactor: Any = EPollReactor()
        self.hub = build_hub(self.reactor, HubConfig(secret=SECRET, admin=None))
        self.seconds = 0.0
        self.link, self.to_agent = self.connection()
        self.link.dataReceived(handshake(SECRET))
        self.link.dataReceived(message([Hello(agent_id="bench", name="bench", slots=slots)]))
        self.reactor.runUntilCurrent()

    def connection(self) -> tuple[Any, list[bytes]]:
        """A new connection, and what the hub will write to it."""
        channel: Any = self.hub.site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 40000))
        transport = MemoryTransport()
        channel.makeConnection(transport)
        return channel, transport.taken

    def turn(self, arrived: Sequence[tuple[Callable[[bytes], None], bytes]]) -> None:
        """A turn of the reactor in which these bytes arrive at these protocols, while the clock runs."""
        began = process_time()
        for receive, data in arrived:
            receive(data)
        self.reactor.runUntilCurrent()
        self.seconds += process_time() - began


def handshake(secret: bytes) -> bytes:
    """With what an agent begins a link."""
    token = mint(secret, AgentClaims("bench-token", "bench", None), os.urandom(12))
    return HANDSHAKE.format(token=token).encode()


def message(frames: Sequence[Frame]) -> bytes:
    """One message of an agent's."""
    payload = b"".join(map(encode, frames))
    return message_start(len(payload), KEY) + mask(payload, KEY)


def answer(stream_id: int) -> bytes:
    """A whole small answer."""
    return message([Started(stream_id), Head(stream_id, ANSWER, len(BODY)), Data(stream_id, BODY), End(stream_id)])


class WrongAnswerError(Exception):
    """The hub did not pass on what it should have: whatever was measured means nothing."""


def small_answers(requests: int) -> Iterator[float]:
    """Applications that ask again when answered: microseconds of hub for each answer, a lap at a time."""
    hub = MemoryHub(SLOTS)
    channels = [hub.connection() for _ in range(CONNECTIONS)]
    asking = [(channel.dataReceived, REQUEST) for channel, _ in channels]
    answers = [answer(number) for number in range(1, requests + 1)]
    gc.collect()
    gc.freeze()
    for number in range(0, requests, AT_ONCE):
        hub.turn(asking)
        hub.turn([(hub.link.dataReceived, data) for data in answers[number : number + AT_ONCE]])
        asking = [(channel.dataReceived, REQUEST) for channel, taken in channels if _answered(taken)]
        hub.to_agent.clear()
        if len(asking) != AT_ONCE:
            raise WrongAnswerError(f"{len(asking)} answers where {AT_ONCE} were due")
        if (number + AT_ONCE) % LAP == 0:
            yield hub.seconds / LAP * 1e6
            hub.seconds = 0.0
    gc.unfreeze()


def _answered(taken: list[bytes]) -> bool:
    if not taken:
        return False
    if not taken[-1].endswith(BODY):
        raise WrongAnswerError(b"".join(taken))
    taken.clear()
    return True


def events(count: int, together: int) -> Iterator[float]:
    """Streams of events: microseconds of hub for each event, a lap at a time.

    :param together: events in one message.
    """
    hub = MemoryHub(STREAMS)
    channels = [hub.connection() for _ in range(STREAMS)]
    hub.turn([(channel.dataReceived, REQUEST) for channel, _ in channels])
    ids = range(1, STREAMS + 1)
    hub.turn([(hub.link.dataReceived, message([Started(one), Head(one, STREAM, None)])) for one in ids])
    messages = [
        message([Data((number + other) % STREAMS + 1, BODY) for other in range(together)])
        for number in range(0, count, together)
    ]
    gc.collect()
    gc.freeze()
    hub.seconds, passed = 0.0, 0
    for data in messages:
        hub.turn([(hub.link.dataReceived, data)])
        passed += together
        if passed % LAP == 0:
            yield hub.seconds / LAP * 1e6
            hub.seconds = 0.0
    gc.unfreeze()
    _check_events([taken for _, taken in channels], count)


def _check_events(taken: Sequence[list[bytes]], count: int) -> None:
    got = sum(b"".join(pieces).count(BODY) for pieces in taken)
    if got != count:
        raise WrongAnswerError(f"{got} events of {count}")


def in_memory(plan: Plan) -> Iterator[Figure]:
    """The hub's own code, by the answer and by the event."""
    part = "in memory"
    laps = int(plan.seconds * 5)
    with open(os.devnull, "w") as nowhere:
        observer("text", "info", nowhere)
        yield Figure(part, "slime hub", "us per answer", list(small_answers(laps * LAP)))
        yield Figure(part, "slime hub", "us per event, one by one", list(events(laps * LAP, 1)))
        yield Figure(part, "slime hub", f"us per event, {AT_ONCE} together", list(events(laps * LAP, AT_ONCE)))
