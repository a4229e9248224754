"""A hub in memory, for tests of its parts: applications, agents' links and a clock, and no sockets.

An :class:`Application` talks bytes to a channel through a :class:`MemoryTransport`, which behaves as Twisted's TCP
transport does towards its protocol: what is written leaves when the turn ends, the producer is paused with every
write beyond 64 KiB and resumed when all has left, closing comes after what was written, and losing the connection is
told in a later turn. A :class:`FakeLink` is an agent as the pool and the exchanges see one.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import IResource
from zope.interface import implementer

from slime.errors import BadMessage, ErrorCode
from slime.http.head import Fields, RequestHead, ResponseHead, parse_request_head, serialise_response_head
from slime.http.parser import Data, EndOfMessage, ResponseParser, Signal
from slime.hub.answers import Answered
from slime.hub.channel import ChannelLimits, HttpChannel
from slime.hub.exchange import Exchange
from slime.hub.gateway import GatewayPolicy, GatewayResource
from slime.hub.pool import AgentPool, PoolLimits
from slime.hub.request import StreamedRequest
from slime.hub.seats import Rights
from slime.hub.site import GatewaySite
from slime.tokens import AgentClaims
from slime.tunnel.frames import Head, Hello

BUFFER = 64 * 1024


@implementer(ITCPTransport)
class MemoryTransport:
    """A connection's end, as a protocol sees it.

    :ivar reading: whether the application takes what is sent to it.
    :ivar taken: what it has taken.
    :ivar ended: how our side ended: ``""``, ``half-close``, ``close`` or ``abort``.
    :ivar paused: whether our side has stopped reading.
    """

    def __init__(self, clock: Clock, number: int = 1) -> None:
        self.clock = clock
        self.reading = True
        self.taken = bytearray()
        self.ended = ""
        self.paused = False
        self.lost = False
        self.options: dict[str, bool] = {}
        self.protocol: Any = None
        self.ours, self.theirs = socket.socketpair()
        self._peer = IPv4Address("TCP", "192.0.2.7", 40000 + number)
        self._buffer = bytearray()
        self._producer: Any = None
        self._producer_paused = False
        self._flush: Any = None

    # -- for the protocol ------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        if self.lost or self.ended in ("half-closed", "abort") or not data:
            return
        self._buffer += data
        if self._producer is not None and len(self._buffer) > BUFFER:
            self._producer_paused = True
            self._producer.pauseProducing()
        self._schedule()

    def writeSequence(self, pieces: Iterable[bytes]) -> None:
        self.write(b"".join(pieces))

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert self._producer is None
        assert streaming
        self._producer, self._producer_paused = producer, False

    def unregisterProducer(self) -> None:
        self._producer = None
        self._schedule()

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False

    def loseConnection(self) -> None:
        if self.ended in ("", "half-close"):
            self.ended = "close"
            self._schedule()
        elif self.ended == "half-closed":
            self._lose(ConnectionDone())

    def loseWriteConnection(self) -> None:
        assert not self.ended.startswith("half"), "Twisted would lose the connection"
        self.ended = self.ended or "half-close"
        self._schedule()

    def abortConnection(self) -> None:
        if not self.lost:
            self.ended = "abort"
            self._buffer.clear()
            self.clock.callLater(0, self._lose, ConnectionAborted())

    def getPeer(self) -> IPv4Address:
        return self._peer

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.1", 8080)

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.options["no delay"] = enabled

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self.options["keep alive"] = enabled

    def getTcpNoDelay(self) -> bool:
        return self.options["no delay"]

    def getTcpKeepAlive(self) -> bool:
        return self.options["keep alive"]

    def fileno(self) -> int:
        """A real socket, as the kernel is asked about it; nothing of the conversation goes through it."""
        return self.ours.fileno()

    # -- for the application --------------------------------------------------------------------------------------

    def deliver(self, data: bytes) -> None:
        """Bytes for the protocol, unless it closed the connection: then the application gets a reset."""
        if not self.lost and self.ended not in ("close", "abort"):
            self.protocol.dataReceived(data)

    def hang_up(self) -> None:
        """The application closes its end."""
        self.theirs.close()
        if not self.paused:
            self._lose(ConnectionDone())

    def take(self, size: int | None = None) -> None:
        """The application takes so much of what was sent, or all."""
        wanted = len(self._buffer) if size is None else size
        self.taken += self._buffer[:wanted]
        del self._buffer[:wanted]
        self._schedule()

    @property
    def pending(self) -> int:
        """Bytes that the application has not taken."""
        return len(self._buffer)

    def _schedule(self) -> None:
        if self._flush is None and not self.lost:
            self._flush = self.clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self._flush = None
        if self.lost:
            return
        if self.reading:
            self.taken += self._buffer
            self._buffer.clear()
        if self._buffer:
            return
        if self._producer is not None and self._producer_paused:
            self._producer_paused = False
            self._producer.resumeProducing()
        elif self.ended == "close":
            self._lose(ConnectionDone())
        elif self.ended == "half-close":
            self.ended = "half-closed"

    def _lose(self, why: Exception) -> None:
        if self.lost:
            return
        self.lost = True
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()
        protocol, self.protocol = self.protocol, None
        protocol.connectionLost(Failure(why))
        self.close_sockets()

    def close_sockets(self) -> None:
        self.ours.close()
        self.theirs.close()


@dataclass
class Response:
    """A response as an application understood it."""

    head: ResponseHead
    body: bytes
    trailers: Fields = field(default_factory=list)
    complete: bool = True

    @property
    def status(self) -> int:
        return self.head.status

    def field(self, name: bytes) -> bytes | None:
        values = self.all(name)
        return values[0] if values else None

    def all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.head.fields if key.lower() == name.lower()]


class Application:
    """A client of the hub's, on one connection."""

    def __init__(self, clock: Clock, site: GatewaySite, number: int = 1) -> None:
        self.clock = clock
        self.transport = MemoryTransport(clock, number)
        protocol: Any = site.buildProtocol(self.transport.getPeer())
        self.channel: HttpChannel = protocol
        self.transport.protocol = protocol
        protocol.makeConnection(self.transport)
        self._methods: list[bytes] = []

    def send(self, *pieces: bytes) -> None:
        """Each piece in a segment of its own."""
        for piece in pieces:
            self.transport.deliver(piece)
            self.clock.advance(0)

    def get(self, path: bytes = b"/", *fields: bytes, method: bytes = b"GET", version: bytes = b"1.1") -> None:
        """Send a request without body."""
        self.send(request(path, *fields, method=method, version=version))

    def leave(self) -> None:
        """Hang up."""
        self.transport.hang_up()
        self.clock.advance(0)

    @property
    def received(self) -> bytes:
        self.clock.advance(0)
        return bytes(self.transport.taken)

    def responses(self, *methods: bytes) -> list[Response]:
        """What came, read as responses to requests with these methods, GET for those not named."""
        return list(read_responses(self.received, methods, self.gone))

    def response(self, method: bytes = b"GET") -> Response:
        """The only response there is, interim ones aside."""
        [response] = [one for one in self.responses(method) if one.status >= 200]
        return response

    @property
    def gone(self) -> bool:
        """Has the hub ended the connection, or its half of it?"""
        return self.transport.lost or self.transport.ended in ("half-closed", "abort")


def read_responses(data: bytes, methods: tuple[bytes, ...], closed: bool) -> Iterator[Response]:
    """Responses one behind the other."""
    left = list(methods)
    while data:
        parser = ResponseParser()
        parser.start(left.pop(0) if left else b"GET", upgrade=True)
        parser.feed(data)
        if closed:
            parser.feed_eof()
        found = list(read_response(parser))
        yield from found
        if not found or not found[-1].complete or found[-1].status < 200:
            return
        data = parser.detach()


def read_response(parser: ResponseParser) -> Iterator[Response]:
    """One response, and the interim ones before it; less than complete if no more is there."""
    response: Response | None = None
    while isinstance(event := next_event(parser), ResponseHead | Data):
        if isinstance(event, Data):
            assert response is not None
            response.body += event.data
        elif event.status < 200:
            yield Response(event, b"")
        else:
            response = Response(event, b"")
    if response is not None:
        response.complete = isinstance(event, EndOfMessage)
        response.trailers = event.trailers if isinstance(event, EndOfMessage) else []
        yield response


def next_event(parser: ResponseParser) -> ResponseHead | Data | EndOfMessage | Signal:
    try:
        return parser.next_event()
    except BadMessage as error:
        if not error.detail.startswith("the connection ended"):
            raise
        return Signal.NEED_DATA


def request(
    path: bytes = b"/", *fields: bytes, method: bytes = b"GET", version: bytes = b"1.1", body: bytes | None = None
) -> bytes:
    """A request as text; with ``body`` it has a Content-Length."""
    lines = [b"%b %b HTTP/%b" % (method, path, version), b"Host: hub.example", *fields]
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body or b""])


@dataclass
class Stream:
    """One request as an agent got it."""

    exchange: Exchange
    ahead: bool
    body: bytearray = field(default_factory=bytearray)
    trailers: Fields | None = None
    reset: ErrorCode | None = None
    consumed: int = 0
    revoked: bool = False

    @property
    def head(self) -> RequestHead:
        assert self.exchange.forward_head.endswith(b"\r\n\r\n")
        return parse_request_head(self.exchange.forward_head[:-4])

    @property
    def complete(self) -> bool:
        """Would the upstream take the request's body for complete?"""
        return self.reset is None and (self.exchange.length == 0 or self.trailers is not None)


class FakeLink:
    """An agent's link that does what a test tells it to; it frees slots as the real one does.

    :ivar streams: what it was given, by stream id.
    :ivar waiting_bytes: what :meth:`send_body` says is queued.
    :ivar flushed: what :meth:`was_flushed` says.
    """

    hello: Hello | None = None

    def __init__(self, pool: AgentPool, name: str = "alpha", rights: Rights | None = None, slots: int = 1) -> None:
        self.pool = pool
        self.key = f"token/{name}"
        self.agent_id, self.agent_name = f"{name}-id", name
        self.claims = AgentClaims("token", name, None, (), ("gpu",))
        self.prefetch, self.address, self.ended = 0, "192.0.2.9:50000", "because"
        self.rtt: float | None = 0.01
        self.streams: dict[int, Stream] = {}
        self.waiting_bytes = 0
        self.flushed = True
        self.said: list[str] = []
        self.fail_to_open: Exception | None = None
        pool.join(self, rights or Rights(), slots)

    # -- for the pool and the exchanges -----------------------------------------------------------------------------

    def open(self, exchange: Exchange, ahead: bool) -> int:
        if self.fail_to_open is not None:
            raise self.fail_to_open
        stream_id = len(self.streams) + 1
        self.streams[stream_id] = Stream(exchange, ahead)
        return stream_id

    def send_body(self, stream_id: int, data: bytes) -> int:
        assert data
        self.streams[stream_id].body += data
        return self.waiting_bytes

    def end_body(self, stream_id: int, trailers: Fields) -> None:
        assert self.streams[stream_id].trailers is None
        self.streams[stream_id].trailers = trailers

    def reset(self, stream_id: int, code: ErrorCode) -> None:
        self.streams[stream_id].reset = code

    def revoke(self, stream_id: int) -> None:
        self.streams[stream_id].revoked = True

    def consumed(self, stream_id: int, size: int) -> None:
        self.streams[stream_id].consumed += size

    def was_flushed(self, stream_id: int) -> bool:
        return self.flushed

    def fence(self) -> None:
        self.said.append("fence")
        self.lose()

    def drain(self) -> None:
        self.said.append("drain")

    def end(self) -> None:
        self.said.append("end")
        self.lose()

    def when_gone(self) -> Deferred[None]:
        return succeed(None)

    # -- for the test -----------------------------------------------------------------------------------------------

    @property
    def last(self) -> Stream:
        return self.streams[max(self.streams)]

    def started(self, number: int = 0) -> None:
        self._stream(number).exchange.upstream_started()

    def head(self, text: bytes, length: int | None = None, number: int = 0) -> None:
        """The upstream's head, ``200 OK`` and fields; a status below 200 is interim."""
        line, *lines = text.split(b"\r\n")
        fields = [(name, value) for name, _, value in (one.partition(b": ") for one in lines)]
        status, _, reason = line.partition(b" ")
        head = serialise_response_head(ResponseHead(b"1.1", int(status), reason, fields))
        frame = Head(1, head, length, interim=int(status) < 200)
        self._stream(number).exchange.response_head(frame)
        if length == 0:
            self._free(number).response_end([])

    def data(self, data: bytes, number: int = 0) -> None:
        self._stream(number).exchange.response_data(data)

    def end_answer(self, trailers: Fields | None = None, number: int = 0) -> None:
        self._free(number).response_end(trailers or [])

    def answer(self, text: bytes = b"200 OK", body: bytes = b"", number: int = 0) -> None:
        """A whole answer at once."""
        self.started(number)
        self.head(text, len(body), number)
        if body:
            self.data(body, number)
            self.end_answer(number=number)

    def confirm(self, number: int = 0, code: ErrorCode = ErrorCode.NO_ERROR, detail: str = "") -> None:
        """RESET, of the agent's own or because it got one."""
        self._free(number).stream_reset(code, detail)

    def refuse(self, number: int = 0) -> None:
        self._free(number).refused()

    def give_back(self, number: int = 0) -> None:
        self._free(number).revoked()

    def lose(self) -> None:
        """The link breaks."""
        self.pool.leave(self)
        exchanges = [stream.exchange for stream in self.streams.values() if stream.exchange.link is self]
        for exchange in exchanges:
            exchange.link_lost()

    def _stream(self, number: int) -> Stream:
        return self.streams[number] if number else self.last

    def _free(self, number: int) -> Exchange:
        exchange = self._stream(number).exchange
        self.pool.release(exchange)
        return exchange


class FakeDoor:
    """Lets nobody in."""

    def __init__(self) -> None:
        self.knocks: list[StreamedRequest] = []

    def enter(self, request: StreamedRequest) -> None:
        self.knocks.append(request)


@dataclass
class Wanted:
    """What kind of hub."""

    channel: ChannelLimits = ChannelLimits()
    pool: PoolLimits = PoolLimits()
    gateway: GatewayPolicy = GatewayPolicy()


class Hub:
    """A hub without sockets: site, gateway and pool on one clock."""

    def __init__(self, wanted: Wanted | None = None, root: IResource | None = None) -> None:
        wanted = wanted or Wanted()
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.finished: list[Exchange] = []
        self.answered: list[Answered] = []
        self.door = FakeDoor()
        self.pool = AgentPool(self.clock, wanted.pool, self.finished.append)
        self.gateway = GatewayResource(self.pool, self.door, wanted.gateway)
        self.site = GatewaySite(root or self.gateway, self.clock, wanted.channel, self.answered.append)
        self._applications: list[Application] = []

    def application(self) -> Application:
        application = Application(self.clock, self.site, len(self._applications) + 1)
        self._applications.append(application)
        return application

    def agent(self, name: str = "alpha", rights: Rights | None = None, slots: int = 1) -> FakeLink:
        return FakeLink(self.pool, name, rights, slots)

    def wait(self, seconds: float) -> None:
        """Time passes, with a sweep each second."""
        for _ in range(int(seconds)):
            self.clock.advance(1.0)
            self.site.sweep()
            self.clock.advance(0)

    def close(self) -> None:
        for application in self._applications:
            application.transport.close_sockets()


class HubTestCase(SynchronousTestCase):
    """A test with a hub of its own."""

    wanted: Wanted | None = None

    def setUp(self) -> None:
        self.hub = Hub(self.wanted)
        self.addCleanup(self.hub.close)

    def application(self) -> Application:
        return self.hub.application()

    def rebuild(self, wanted: Wanted | None = None, root: IResource | None = None) -> Hub:
        self.hub = Hub(wanted, root)
        self.addCleanup(self.hub.close)
        return self.hub
