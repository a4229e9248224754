"""A strict, streaming HTTP/1.1 channel for :class:`twisted.web.server.Site`.

Twisted's own ``HTTPChannel`` calls ``render`` when the whole body is in; this one starts the resource at the end of
the head and hands the body over as it arrives. It implements what :class:`twisted.web.http.Request` asks of a
channel, as ``H2Stream`` does, so that any resource can live in the same tree. All reading is done by
:class:`slime.http.parser.RequestParser`; nothing it refused is ever acted upon.

Time: one sweep a second (:meth:`slime.hub.site.GatewaySite.sweep`) looks at every connection's deadline; no request
owns a timer.
"""

from __future__ import annotations

import select
from collections import deque
from dataclasses import dataclass
from enum import Enum, Flag, auto
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.interfaces import IAddress, IProtocol, IPushProducer, ITransport
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from slime.errors import BadMessage, ErrorCode
from slime.http.head import HeadLimits, RequestHead, ResponseHead, serialise_response_head
from slime.http.parser import Data, EndOfMessage, RequestParser, Signal
from slime.hub.answers import Trouble, answer_for
from slime.hub.request import StreamedRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slime.hub.site import GatewaySite

__all__ = ["ChannelLimits", "HttpChannel"]

PIPELINE_LIMIT = 64 * 1024
WRITE_SLICE = 64 * 1024


@dataclass(frozen=True, slots=True)
class ChannelLimits:
    """Bounds of one connection; times in seconds, sizes in bytes. Each is a setting of the hub."""

    head: HeadLimits = HeadLimits()
    head_timeout: float = 30.0
    idle_timeout: float = 75.0
    body_timeout: float = 60.0
    send_timeout: float = 60.0
    linger_timeout: float = 2.0
    max_connections: int = 10_000


class Pause(Flag):
    """Why the socket is not being read."""

    NONE = 0
    UPLOAD = auto()
    PIPELINE = auto()


class Wait(Enum):
    """What a connection's deadline is for."""

    NOTHING = auto()
    HEAD = auto()
    IDLE = auto()
    BODY = auto()
    CLOSE = auto()


class Ending(Enum):
    """What follows the last byte we write."""

    NONE = auto()
    CLOSE = auto()
    HALF_CLOSE = auto()


@implementer(IPushProducer)
class HttpChannel(Protocol):
    """One connection of an application, or of an agent until it has upgraded."""

    site: GatewaySite
    requestFactory: Any

    def __init__(self) -> None:
        self._request: StreamedRequest | None = None
        self._successor: IProtocol | None = None
        self._backlog: deque[bytes] = deque()
        self._pauses = Pause.NONE
        self._wait = Wait.NOTHING
        self._ending = Ending.NONE
        self._deadline = 0.0
        self._blocked_since = 0.0
        self._message_ended = False
        self._parsing = self._closing = self._write_blocked = False

    # -- the transport's side -------------------------------------------------------------------------------------

    def connectionMade(self) -> None:
        """The transport calls this once; from here on the head's deadline runs."""
        self.limits = self.site.limits
        self._parser = RequestParser(self.limits.head)
        transport = cast(Any, self.transport)
        set_no_delay = getattr(transport, "setTcpNoDelay", None)
        if set_no_delay is not None:
            set_no_delay(True)
            transport.setTcpKeepAlive(True)
        transport.registerProducer(self, True)
        self.site.connections.add(self)
        self._await(Wait.HEAD, self.limits.head_timeout)

    def dataReceived(self, data: bytes) -> None:
        """Bytes from the application."""
        if self._successor is not None:
            self._successor.dataReceived(data)
        elif not self._closing:
            self._parser.feed(data)
            self._parse()

    def connectionLost(self, reason: Failure = Failure(ConnectionError())) -> None:  # noqa: B008
        """The application is gone: at its own will, or because the channel ended the connection."""
        self.site.connections.discard(self)
        self._closing = True
        self._backlog.clear()
        if self._successor is not None:
            self._successor.connectionLost(reason)
        request, self._request = self._request, None
        if request is not None:
            request.connectionLost(reason)

    # -- reading --------------------------------------------------------------------------------------------------

    def _parse(self) -> None:
        """Act on everything that has arrived, in order, up to the end of the message in progress."""
        if self._parsing:
            return
        self._parsing = True
        try:
            self._deliver_events()
        except BadMessage as error:
            self._refuse(error)
        finally:
            self._parsing = False
        if not self._closing and self._successor is None:
            self._settle()

    def _deliver_events(self) -> None:
        parser = self._parser
        while not self._closing and self._successor is None:
            event = parser.next_event()
            if type(event) is Signal:
                return
            if type(event) is RequestHead:
                self._begin(event)
            elif type(event) is EndOfMessage:
                self._message_complete(event)
            elif self._request is not None:
                self._request.body_received(cast(Data, event).data)

    def _message_complete(self, end: EndOfMessage) -> None:
        self._message_ended = True
        if self._request is not None:
            self._request.body_finished(end.trailers)
        if self._request is None and not self._closing:
            self._next_message()

    def _next_message(self) -> None:
        self._message_ended = False
        self._parser.start_next()

    def body_at_hand(self) -> bool:
        """Has the whole body of the request in progress arrived, delivered or not?"""
        length = self._parser.body_length
        return self._message_ended or (length is not None and self._parser.buffered >= length)

    def _begin(self, head: RequestHead) -> None:
        self._await(Wait.NOTHING)
        request: StreamedRequest = self.requestFactory(self)
        self._request = request
        request.begin(head, self._parser.body_length)

    def _settle(self) -> None:
        """After a batch of events: which deadline runs, and may more be read?"""
        parser = self._parser
        if self._request is None:
            if not parser.mid_message:
                self._await(Wait.IDLE, self.limits.idle_timeout)
            elif self._wait is not Wait.HEAD:
                self._await(Wait.HEAD, self.limits.head_timeout)
        elif not self._request.body_complete:
            self._await(Wait.BODY, self.limits.body_timeout)
        else:
            self._wait = Wait.NOTHING
        self._pause_reading(Pause.PIPELINE, parser.buffered > PIPELINE_LIMIT)

    def _refuse(self, error: BadMessage) -> None:
        """The bytes are not acceptable HTTP: nothing behind this point is ever looked at."""
        request = self._request
        if request is not None:
            request.body_failed(error)
        else:
            self._answer_and_close(Trouble(error.code, error.detail))

    def _answer_and_close(self, trouble: Trouble) -> None:
        answer = answer_for(trouble, None)
        fields = [*answer.head.fields, (b"Content-Length", b"%d" % len(answer.body)), (b"Connection", b"close")]
        head = ResponseHead(b"1.1", answer.head.status, answer.head.reason, fields)
        self.write(serialise_response_head(head) + answer.body)
        self.site.refused(trouble, self.getPeer())
        self.close_gently()

    def pause_body(self) -> None:
        """The request's consumer has enough for now."""
        self._pause_reading(Pause.UPLOAD, True)

    def resume_body(self) -> None:
        """The request's consumer wants more."""
        if self._pauses & Pause.UPLOAD:
            self._pause_reading(Pause.UPLOAD, False)
            if self._wait is Wait.BODY:
                self._await(Wait.BODY, self.limits.body_timeout)

    def _pause_reading(self, reason: Pause, wanted: bool) -> None:
        before = self._pauses
        self._pauses = before | reason if wanted else before & ~reason
        if before and not self._pauses:
            cast(Any, self.transport).resumeProducing()
        elif self._pauses and not before:
            cast(Any, self.transport).pauseProducing()

    # -- writing --------------------------------------------------------------------------------------------------

    @property
    def write_blocked(self) -> bool:
        """Does the application read more slowly than it is written to?"""
        return self._write_blocked

    def write(self, data: bytes) -> None:
        """Send bytes; while the application does not read they wait here, in order."""
        if self._write_blocked:
            self._backlog.append(data)
        else:
            cast(ITransport, self.transport).write(data)

    def writeSequence(self, pieces: Iterable[bytes]) -> None:
        """As :meth:`write`, for several pieces."""
        self.write(b"".join(pieces))

    def pauseProducing(self) -> None:
        """The transport's buffer is full (it says so with every write)."""
        if not self._write_blocked:
            self._write_blocked = True
            self._blocked_since = self.site.seconds()
            if self._request is not None:
                self._request.blocked()

    def resumeProducing(self) -> None:
        """The transport's buffer is empty: progress, so the send deadline starts anew."""
        self._write_blocked = False
        while self._backlog and not self._write_blocked:
            cast(ITransport, self.transport).write(self._next_slice())
        if self._write_blocked:
            self._blocked_since = self.site.seconds()
        elif self._ending is not Ending.NONE:
            self._end_now()
        elif self._request is not None:
            self._request.drained()

    def _next_slice(self) -> bytes:
        pieces = [self._backlog.popleft()]
        size = len(pieces[0])
        while self._backlog and size < WRITE_SLICE:
            pieces.append(self._backlog.popleft())
            size += len(pieces[-1])
        return b"".join(pieces)

    def stopProducing(self) -> None:
        """The transport is about to close; :meth:`connectionLost` follows."""

    # -- what twisted.web.http.Request asks of a channel ------------------------------------------------------------

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Any) -> None:
        """Write the head of a response made by an ordinary resource of the tree."""
        request = cast(StreamedRequest, self._request)
        fields = [(name, value) for name, values in headers.getAllRawHeaders() for value in values]
        if not request.persistent:
            fields.append((b"Connection", b"close"))
        self.write(serialise_response_head(ResponseHead(b"1.1", int(code), reason, fields)))

    def requestDone(self, request: StreamedRequest) -> None:
        """The response is complete. The next request's turn, if framing allows one."""
        self._request = None
        if not request.persistent or self.site.draining:
            self.close_gently(unread=not self._message_ended)
            return
        self._pause_reading(Pause.UPLOAD, False)
        if self._message_ended:
            self._next_message()
            self._parse()

    def getPeer(self) -> IAddress:
        """The application's address."""
        return cast(ITransport, self.transport).getPeer()

    def getHost(self) -> IAddress:
        """Our own address on this connection."""
        return cast(ITransport, self.transport).getHost()

    def isSecure(self) -> bool:
        """Does TLS protect the connection?"""
        return hasattr(self.transport, "getPeerCertificate")

    def loseConnection(self) -> None:
        """Close when everything written has been sent."""
        self.close_gently(unread=False)

    def abortConnection(self) -> None:
        """Cut the connection: the application must not take what it got for complete."""
        self._closing = True
        self._backlog.clear()
        cast(Any, self.transport).abortConnection()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """An ordinary resource produces its response; see :meth:`StreamedRequest.registerProducer`."""
        cast(StreamedRequest, self._request).producer_registered(producer, streaming)

    def unregisterProducer(self) -> None:
        """An ordinary resource's producer is done."""

    # -- ending ---------------------------------------------------------------------------------------------------

    def close_gently(self, unread: bool = True) -> None:
        """End the connection after what has been written.

        With ``unread`` input the kernel would answer a plain close with RST and could destroy the response on its
        way; so the sending half is closed first, and input is discarded until the application closes too or
        ``linger_timeout`` is over (RFC 9112 section 9.6).
        """
        self._closing = True
        self._pause_reading(~Pause.NONE, False)
        linger = unread and hasattr(self.transport, "loseWriteConnection") and not self.isSecure()
        self._ending = Ending.HALF_CLOSE if linger else Ending.CLOSE
        self._await(Wait.CLOSE, self.limits.linger_timeout if linger else self.limits.send_timeout)
        if not self._write_blocked:
            self._end_now()

    def _end_now(self) -> None:
        transport = cast(Any, self.transport)
        ending, self._ending = self._ending, Ending.NONE
        if ending is Ending.HALF_CLOSE:
            transport.loseWriteConnection()
        else:
            transport.loseConnection()

    def drain(self) -> None:
        """The hub is shutting down: close, unless an answer is in progress (it will say ``Connection: close``)."""
        if self._request is None and self._successor is None:
            self.close_gently(unread=False)

    def detach(self, successor: IProtocol) -> bytes:
        """Hand the connection over: ``successor`` gets every byte after the head in progress.

        :returns: the bytes that were read behind the head; the caller feeds them.
        """
        transport = cast(Any, self.transport)
        self._request = None
        self._wait = Wait.NOTHING
        transport.unregisterProducer()
        self._successor = successor
        successor.makeConnection(transport)
        self._pause_reading(~Pause.NONE, False)
        return self._parser.detach()

    # -- time -----------------------------------------------------------------------------------------------------

    def _await(self, wait: Wait, seconds: float = 0.0) -> None:
        self._wait = wait
        self._deadline = self.site.seconds() + seconds

    def check(self, now: float) -> None:
        """The sweep calls this once a second: enforce what has run out."""
        if self._successor is not None:
            return
        stalled = self._write_blocked and now - self._blocked_since > self.limits.send_timeout
        if stalled or (self._pauses and self._hung_up()):
            self.abortConnection()
        elif self._wait is not Wait.NOTHING and now > self._deadline:
            self._expired()

    def _expired(self) -> None:
        if self._wait is Wait.CLOSE:
            self.abortConnection()
        elif self._wait is Wait.IDLE or not (self._parser.mid_message or self._request):
            self.close_gently(unread=False)
        elif not self._pauses & Pause.UPLOAD:
            self._refuse(BadMessage(ErrorCode.REQUEST_TIMEOUT, "the request stopped arriving"))

    def _hung_up(self) -> bool:
        """A socket that is neither read nor written to is not watched by the reactor, so ask the kernel."""
        poll = select.poll()
        poll.register(cast(Any, self.transport).fileno(), select.POLLRDHUP)
        return any(event & (select.POLLRDHUP | select.POLLHUP | select.POLLERR) for _, event in poll.poll(0))
