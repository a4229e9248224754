"""A public stand-in for an upstream: it does what a test tells it, in memory or on a loopback socket.

In memory nothing moves but by the test's hand, and time by its clock::

    clock = Clock()
    upstream = ScriptedUpstream()
    client = UpstreamClient(clock, upstream.target)
    sink = RecordingSink()
    client.start(RequestHead(b"GET", b"/", b"1.1", [(b"Host", b"model")]), 0, sink)
    upstream.last.send(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi")
    assert sink.body == b"hi"

With ``ScriptedUpstream(answer)`` every complete request is answered by what ``answer`` returns: in memory in the
next turn of the clock. :meth:`ScriptedUpstream.listen` serves the same script on a real socket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
    ITransport,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from slime.agent.upstream import UpstreamTarget
from slime.errors import ErrorCode
from slime.http.forwarding import UpstreamAddress
from slime.http.head import Fields, RequestHead, ResponseHead
from slime.http.parser import Data, EndOfMessage, RequestParser, Signal

__all__ = [
    "Answer",
    "Asked",
    "Door",
    "MemorySocket",
    "RecordingSink",
    "ScriptedConnection",
    "ScriptedUpstream",
    "Then",
    "Watched",
]

#: Bytes a socket in memory takes for a peer that does not read, before its producer is paused.
SOCKET_BUFFER = 65536


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, whole."""

    head: RequestHead
    body: bytes
    trailers: Fields


class Then(Enum):
    """What an upstream does to its connection within an answer."""

    CLOSE = "close"
    RESET = "reset"


class Door(Enum):
    """What becomes of an attempt to connect to an upstream in memory."""

    OPEN = "open"
    REFUSING = "refusing"
    #: Neither accepts nor refuses.
    SILENT = "silent"


#: Bytes are sent, numbers are seconds to wait.
Answer = bytes | Sequence[bytes | float | Then]


class Watched:
    """Something that happens, and that a test can wait for."""

    def __init__(self) -> None:
        self._awaited: list[tuple[Callable[[], object], Deferred[None]]] = []

    def when(self, condition: Callable[[], object]) -> Deferred[None]:
        """Fires when ``condition`` is true, which is tried now and whenever something has happened here."""
        awaited: Deferred[None] = Deferred()
        self._awaited.append((condition, awaited))
        self.happened()
        return awaited

    def happened(self) -> None:
        """Something has."""
        for entry in list(self._awaited):
            if entry[0]():
                self._awaited.remove(entry)
                entry[1].callback(None)


class ScriptedUpstream(Factory, Watched):
    """An upstream.

    :ivar door: how it meets new connections in memory.
    :ivar reading: whether new connections in memory are read from.
    :ivar connections: all connections so far, in order.
    :param answer: answers each complete request; ``None`` for a test that speaks itself.
    """

    noisy = False

    def __init__(self, answer: Callable[[Asked], Answer] | None = None) -> None:
        Watched.__init__(self)
        self.answer = answer
        self.door = Door.OPEN
        self.reading = True
        self._knocking: list[tuple[IProtocolFactory, Deferred[IProtocol]]] = []
        self.connections: list[ScriptedConnection] = []
        self.reactor: Any = None

    @property
    def target(self) -> UpstreamTarget:
        """Where it is, in memory."""
        address = UpstreamAddress(b"upstream.test")
        return UpstreamTarget("upstream.test", "http://upstream.test", address, self._endpoint)

    @property
    def last(self) -> ScriptedConnection:
        """The newest connection."""
        return self.connections[-1]

    async def listen(self, reactor: Any, endpoint: IStreamServerEndpoint | None = None) -> IListeningPort:
        """Serve on a loopback port chosen by the system, or on ``endpoint``."""
        self.reactor = reactor
        return await (endpoint or TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")).listen(self)

    def open(self) -> None:
        """Let those in who met a silent door."""
        self.door = Door.OPEN
        for factory, connected in self._knocking:
            if not connected.called:
                connected.callback(self.accept(factory))

    def knock(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Somebody connects in memory; called by the endpoint."""
        if self.door is Door.REFUSING:
            return fail(Refused())
        if self.door is Door.OPEN:
            return succeed(self.accept(factory))
        connected: Deferred[IProtocol] = Deferred()
        self._knocking.append((factory, connected))
        return connected

    def accept(self, factory: IProtocolFactory) -> IProtocol:
        """Connect a client's protocol to a new connection."""
        client = factory.buildProtocol(_ADDRESS)
        assert client is not None
        MemorySocket(self.reactor, client, self.buildProtocol(_ADDRESS)).read(self.reading)
        return client

    def buildProtocol(self, addr: IAddress | None) -> ScriptedConnection:
        connection = ScriptedConnection(self)
        self.connections.append(connection)
        return connection

    def _endpoint(self, reactor: Any, timeout: float) -> IStreamClientEndpoint:
        self.reactor = reactor
        return _MemoryEndpoint(self)


@implementer(IStreamClientEndpoint)
class _MemoryEndpoint:
    def __init__(self, upstream: ScriptedUpstream) -> None:
        self._upstream = upstream

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        return self._upstream.knock(protocolFactory)


_ADDRESS = IPv4Address("TCP", "127.0.0.1", 80)


@implementer(IHalfCloseableProtocol)
class ScriptedConnection(Protocol):
    """The upstream's end of a connection.

    :ivar received: every byte that came.
    :ivar reads: in how many pieces.
    :ivar asked: every request that came whole, if the upstream answers by itself.
    :ivar ended: the client closed its half of the connection, or all of it.
    :ivar lost: how the connection was lost, once it is.
    """

    transport: Any

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self._upstream = upstream
        self._parser = RequestParser()
        self._body = b""
        self.received = b""
        self.reads = 0
        self.asked: list[Asked] = []
        self.ended = False
        self.lost: Failure | None = None

    def connectionMade(self) -> None:
        self._upstream.happened()

    # What a test does.

    def send(self, data: bytes) -> None:
        """Say something."""
        self.transport.write(data)

    def close(self) -> None:
        """Close in an orderly way."""
        self.transport.loseConnection()

    def half_close(self) -> None:
        """Say that nothing more will be said."""
        self.transport.loseWriteConnection()

    def reset(self) -> None:
        """Break the connection."""
        self.transport.abortConnection()

    def stop_reading(self) -> None:
        """Let what the client sends pile up."""
        self.transport.pauseProducing()

    def read_on(self) -> None:
        """Take in what has piled up."""
        self.transport.resumeProducing()

    # What the client does.

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        self.reads += 1
        self._upstream.happened()
        if self._upstream.answer is not None:
            self._parser.feed(data)
            self._read_requests()

    def _read_requests(self) -> None:
        while not isinstance(event := self._parser.next_event(), Signal):
            if isinstance(event, Data):
                self._body += event.data
            elif isinstance(event, EndOfMessage):
                self._answer(event.trailers)

    def _answer(self, trailers: Fields) -> None:
        head, script = self._parser.head, self._upstream.answer
        assert head is not None
        assert script is not None
        asked, self._body = Asked(head, self._body, trailers), b""
        self._parser.start_next()
        self.asked.append(asked)
        answer = script(asked)
        self._upstream.reactor.callLater(0, self._play, iter([answer] if isinstance(answer, bytes) else answer))

    def _play(self, steps: Iterable[bytes | float | Then]) -> None:
        steps = iter(steps)
        for step in steps:
            if isinstance(step, bytes):
                self.send(step)
            elif isinstance(step, Then):
                {Then.CLOSE: self.close, Then.RESET: self.reset}[step]()
            else:
                self._upstream.reactor.callLater(step, self._play, steps)
                return

    def readConnectionLost(self) -> None:
        self.ended = True
        self._upstream.happened()

    def writeConnectionLost(self) -> None:
        """As asked."""

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.ended = True
        self.lost = reason
        self._upstream.happened()


@implementer(ITransport)
class MemorySocket:
    """The client's socket, in memory: delivers at once both ways, but for what somebody does not read.

    :ivar paused: the client does not read.
    """

    def __init__(self, reactor: Any, client: IProtocol, server: ScriptedConnection) -> None:
        self._reactor = reactor
        self._client: Any = client
        self._server = server
        self._producer: Any = None
        self._outgoing: list[bytes] = []
        self._incoming: list[bytes] = []
        self._server_reads = True
        self._closing = False
        self._server_ended = False
        self._gone = False
        self.paused = False
        server.makeConnection(_ServerEnd(self))
        self._client.makeConnection(self)

    # The transport of the client, and its producer.

    def write(self, data: bytes) -> None:
        self.writeSequence([data])

    def writeSequence(self, data: Iterable[bytes]) -> None:
        if self._gone or self._closing:
            return
        self._outgoing.append(b"".join(data))
        self._flush_outgoing()
        if self._producer is not None and sum(map(len, self._outgoing)) > SOCKET_BUFFER:
            self._producer.pauseProducing()

    def loseConnection(self) -> None:
        if not self._closing:
            self._closing = True
            self._flush_outgoing()

    def loseWriteConnection(self) -> None:
        self._server.readConnectionLost()
        self._client.writeConnectionLost()

    def abortConnection(self) -> None:
        self.lose(ConnectionAborted(), ConnectionLost())

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._producer = producer

    def unregisterProducer(self) -> None:
        self._producer = None

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False
        self._reactor.callLater(0, self._flush_incoming)

    def getPeer(self) -> IPv4Address:
        return _ADDRESS

    def getHost(self) -> IPv4Address:
        return _ADDRESS

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Nothing is delayed."""

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Nothing vanishes."""

    # The upstream's doing.

    def deliver(self, data: bytes) -> None:
        """The upstream said something."""
        self._incoming.append(data)
        self._flush_incoming()

    def end(self) -> None:
        """The upstream will say no more."""
        self._server_ended = True
        self._flush_incoming()

    def read(self, reading: bool) -> None:
        """The upstream reads, or not."""
        self._server_reads = reading
        if reading:
            self._flush_outgoing()
            if self._producer is not None:
                self._producer.resumeProducing()

    def lose(self, client_sees: Exception, server_sees: Exception) -> None:
        """The connection is gone; both protocols are told in the next turn, as by a reactor."""
        if not self._gone:
            self._gone = True
            self._reactor.callLater(0, self._client.connectionLost, Failure(client_sees))
            self._reactor.callLater(0, self._server.connectionLost, Failure(server_sees))

    def _flush_incoming(self) -> None:
        while self._incoming and not self.paused and not self._gone and not self._closing:
            self._client.dataReceived(self._incoming.pop(0))
        if self._server_ended and not self._incoming and not self._gone:
            self._server_ended = False
            self._client.readConnectionLost()

    def _flush_outgoing(self) -> None:
        while self._outgoing and self._server_reads:
            self._server.dataReceived(self._outgoing.pop(0))
        if self._closing and not self._outgoing:
            self.lose(ConnectionDone(), ConnectionDone())


class _ServerEnd:
    """The transport of the upstream's protocol, as far as a script needs one."""

    def __init__(self, socket: MemorySocket) -> None:
        self._socket = socket

    @property
    def socket(self) -> MemorySocket:
        """The client's end."""
        return self._socket

    def write(self, data: bytes) -> None:
        self._socket.deliver(data)

    def loseConnection(self) -> None:
        self._socket.end()

    def loseWriteConnection(self) -> None:
        self._socket.end()

    def abortConnection(self) -> None:
        self._socket.lose(ConnectionLost(), ConnectionAborted())

    def pauseProducing(self) -> None:
        self._socket.read(False)

    def resumeProducing(self) -> None:
        self._socket.read(True)


class RecordingSink(Watched):
    """A :class:`slime.agent.upstream.ResponseSink` that writes down what it hears.

    :ivar events: in order: ``("started",)``, ``("interim", status)``, ``("head", status, length)``,
        ``("data", bytes)``, ``("end", trailers)``, ``("failed", code)``, ``("pause",)``, ``("resume",)``.
    :ivar heads: the heads behind them.
    :ivar detail: of the failure.
    """

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[Any, ...]] = []
        self.heads: list[ResponseHead] = []
        self.detail = ""

    @property
    def body(self) -> bytes:
        """All body bytes so far."""
        return b"".join(event[1] for event in self.events if event[0] == "data")

    @property
    def names(self) -> list[str]:
        """What was heard, without particulars."""
        return [event[0] for event in self.events]

    @property
    def over(self) -> bool:
        """Whether the call is."""
        return self.names[-1:] in (["end"], ["failed"])

    def _hear(self, *event: Any) -> None:
        self.events.append(event)
        self.happened()

    def started(self) -> None:
        self._hear("started")

    def interim(self, head: ResponseHead) -> None:
        self.heads.append(head)
        self._hear("interim", head.status)

    def head(self, head: ResponseHead, length: int | None) -> None:
        self.heads.append(head)
        self._hear("head", head.status, length)

    def data(self, data: bytes) -> None:
        self._hear("data", data)

    def end(self, trailers: Fields) -> None:
        self._hear("end", trailers)

    def failed(self, code: ErrorCode, detail: str) -> None:
        self.detail = detail
        self._hear("failed", code)

    def pause_request(self) -> None:
        self._hear("pause")

    def resume_request(self) -> None:
        self._hear("resume")
