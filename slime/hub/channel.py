"""A strict, streaming HTTP/1.1 channel for :class:`twisted.web.server.Site`.

Twisted's own ``HTTPChannel`` calls ``render`` when the whole body is in; this one starts the resource at the end of
the head and hands the body over as it arrives. It implements what :class:`twisted.web.http.Request` asks of a
channel, as ``H2Stream`` does, so that any resource can live in the same tree. All reading is done by
:class:`slime.http.parser.RequestParser`; nothing it refused is ever acted upon.

Time: one sweep a second (:meth:`slime.hub.site.GatewaySite.sweep`) looks at every connection's deadline; no request
owns a timer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.interfaces import IAddress, ISSLTransport, ITCPTransport, ITransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from slime.errors import BadMessage, ErrorCode
from slime.http.head import HeadLimits, ResponseHead, serialise_response_head
from slime.http.known import KnownHead
from slime.http.parser import Data, EndOfMessage, RequestParser, Signal
from slime.http.route import TrustedProxies
from slime.hub.answers import Answered, Trouble, closing_answer
from slime.hub.ending import Endable
from slime.hub.inlet import PIPELINE, UPLOAD, Inlet, Wait
from slime.hub.outlet import Outlet
from slime.hub.pace import LeastRate
from slime.hub.request import StreamedRequest
from slime.hub.sender import known_address
from slime.hub.spool import SpoolLimits
from slime.hub.switch import Switchable

if TYPE_CHECKING:
    from twisted.web.http_headers import Headers

    from slime.http.forwarding import Peer
    from slime.hub.site import GatewaySite

__all__ = ["ChannelLimits", "HttpChannel"]

PIPELINE_LIMIT = 64 * 1024
TURN_LIMIT = 32

# A member of an enumeration is looked up slowly, and these several times for each request.
_NOTHING, _HEAD, _IDLE, _BODY = Wait


@dataclass(frozen=True, slots=True)
class ChannelLimits:
    """Bounds of connections; times in seconds, sizes in bytes. Each is a setting of the hub.

    :ivar max_strangers: connections of one address that nothing permitted has come by yet; 0 is no limit.
    :ivar proxies: whose connections are not counted among these.
    :ivar rates: how slow an application may be.
    :ivar spool: how much of answers is kept for slow readers.
    """

    head: HeadLimits = HeadLimits()
    head_timeout: float = 30.0
    idle_timeout: float = 75.0
    body_timeout: float = 60.0
    send_timeout: float = 60.0
    linger_timeout: float = 2.0
    max_connections: int = 10_000
    max_strangers: int = 0
    proxies: TrustedProxies = TrustedProxies()
    rates: LeastRate = LeastRate()
    spool: SpoolLimits = SpoolLimits()


class RequestSide(Protocol):
    """What :class:`twisted.web.http.Request` asks of a channel, beyond what concerns the request's course."""

    outlet: Outlet
    _request: StreamedRequest | None
    _secure = False

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        """Write the head of a response made by an ordinary resource of the tree."""
        fields = cast(StreamedRequest, self._request).ordinary_fields(headers)
        sentence = b" ".join(reason.splitlines())
        self.outlet.write(serialise_response_head(ResponseHead(b"1.1", int(code), sentence, fields)))

    def write(self, data: bytes) -> None:
        """Send bytes, in order, as fast as the application reads them."""
        self.outlet.write(data)

    def writeSequence(self, pieces: Iterable[bytes]) -> None:
        """As :meth:`write`, for several pieces."""
        self.outlet.write(b"".join(pieces))

    @property
    def write_blocked(self) -> bool:
        """Does the application read more slowly than it is written to?"""
        return self.outlet.is_blocked

    def getPeer(self) -> IAddress:
        """The application's address."""
        return cast(ITransport, self.transport).getPeer()

    def getHost(self) -> IAddress:
        """Our own address on this connection."""
        return cast(ITransport, self.transport).getHost()

    def isSecure(self) -> bool:
        """Does TLS protect the connection?"""
        return self._secure

    def _respondToBadRequestAndDisconnect(self) -> None:
        """Twisted could not read a form that an ordinary resource was sent."""
        cast(StreamedRequest, self._request).fail(Trouble(ErrorCode.BAD_REQUEST, "the form cannot be read"))


class HttpChannel(RequestSide, Switchable, Endable):
    """One connection of an application, or of an agent until it has upgraded.

    :ivar sender: who sends all its requests, once that is known; never where each may name another.
    """

    site: GatewaySite
    requestFactory: Any
    stranger = ""
    sender: Peer | None = None

    def __init__(self) -> None:
        self._request = None
        self._message_ended = self._parsing = self._closing = False
        self._peer: IAddress | None = None
        self._begun = 0

    # -- the transport's side -------------------------------------------------------------------------------------

    def connectionMade(self) -> None:
        """The transport calls this once; from here on the head's deadline runs."""
        transport = cast(Any, self.transport)
        self.limits = self.site.limits
        self.inlet = Inlet(transport, self.site.seconds)
        self.outlet = Outlet(self, transport, self.site.seconds, self.site.corks)
        self._secure = ISSLTransport.providedBy(transport)
        self._parser = RequestParser(self.limits.head, read=self.site.heads.read)
        if ITCPTransport.providedBy(transport) and hasattr(transport.getPeer(), "port"):
            transport.setTcpNoDelay(True)
            transport.setTcpKeepAlive(True)
        self.site.connections.add(self)
        self.inlet.wait_for(_HEAD, self.limits.head_timeout)

    def dataReceived(self, data: bytes) -> None:
        """Bytes from the application, as long as it speaks HTTP."""
        if not self._closing:
            self._parser.feed(data)
            self._begun = 0
            self.site.corks.during(self._parse)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The application is gone: at its own will, or because the channel ended the connection."""
        self.site.lost(self)
        self._closing = True
        self.outlet.connection_lost()
        if self._listener is not None:
            self._listener.connectionLost(reason)
        request, self._request = self._request, None
        if request is not None:
            request.connectionLost(reason)

    @property
    def peer(self) -> IAddress:
        """The application's address, or that of a proxy in front; not to be asked for before there is a request.

        (HAProxy tells whom it speaks for by its first bytes.)
        """
        if self._peer is None:
            self._peer = known_address(self.getPeer())
        return self._peer

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
        if not self._closing and self._listener is None:
            self._settle()

    def _deliver_events(self) -> None:
        parser = self._parser
        while not self._closing and self._listener is None:
            event = parser.next_event()
            if type(event) is Signal:
                return
            if type(event) is KnownHead:
                self._begin(event)
            elif type(event) is EndOfMessage:
                self._message_complete(event)
                if self._message_ended:
                    return
            elif self._request is not None:
                self._request.body_received(cast(Data, event).data)

    def _begin(self, head: KnownHead) -> None:
        self._begun += 1
        self.inlet.wait = _NOTHING
        request: StreamedRequest = self.requestFactory(self)
        self._request = request
        request.begin(head, self._parser.body_length)

    def _message_complete(self, end: EndOfMessage) -> None:
        self._message_ended = True
        if self._request is not None:
            self._request.body_finished(end.trailers)
        if self._request is None and self._message_ended:
            self._go_on()

    def _go_on(self) -> None:
        """Request and answer are over: the next one, unless the application doesn't read the answers it has."""
        if self.outlet.is_blocked or self._closing:
            return
        if self._begun < TURN_LIMIT or not self._parser.buffered:
            self._message_ended = False
            if self._parser.start_next():
                self._parse()
            elif not self._parsing:
                self.inlet.wait_for(_IDLE, self.limits.idle_timeout)
        else:
            self.site.later(self._next_turn)

    def _next_turn(self) -> None:
        """Others had their turn, too: one segment can hold more requests than are answered in a moment."""
        self._begun = 0
        if self._request is None and self._message_ended:
            self.site.corks.during(self._go_on)

    def _settle(self) -> None:
        """After a batch of events: which deadline runs, and may more be read?"""
        parser = self._parser
        if self._message_ended or (self._request is not None and self._request.expectant):
            self.inlet.wait = _NOTHING
        elif parser.head is not None:
            self._wait_for_body()
        elif not parser.mid_message:
            self.inlet.wait_for(_IDLE, self.limits.idle_timeout)
        elif self.inlet.wait is not _HEAD:
            self.inlet.wait_for(_HEAD, self.limits.head_timeout)
        if parser.buffered > PIPELINE_LIMIT:
            self.inlet.pause(PIPELINE)
        elif self.inlet.pauses:
            self.inlet.resume(PIPELINE)

    def _refuse(self, error: BadMessage) -> None:
        """The bytes are not acceptable HTTP: nothing behind this point is ever looked at."""
        if self._request is not None:
            self._request.body_failed(error)
        elif self._parser.head is not None:
            self.close_gently()
        else:
            self._answer_and_close(Trouble(error.code, error.detail))

    def _answer_and_close(self, trouble: Trouble) -> None:
        code, answer = trouble.code, closing_answer(trouble, self.site.date())
        body = b"" if self._parser.wants_no_body else answer.body
        self.outlet.write(serialise_response_head(answer.head) + body)
        self.site.answered(Answered(self.peer, code.status, code.slug, trouble.detail, sent=len(body)))
        self.close_gently(unread=True)

    def pause_body(self) -> None:
        """The request's consumer has enough for now."""
        self.inlet.pause(UPLOAD)

    def resume_body(self) -> None:
        """The request's consumer wants more; the application gets as long for it as if it had just sent some."""
        if self.inlet.pauses:
            self.inlet.resume(UPLOAD)
        if not (self._message_ended or self._closing):
            self._wait_for_body()

    def _wait_for_body(self) -> None:
        if self._request is not None and self._request.patient:
            self.inlet.wait = _NOTHING
        else:
            self.inlet.wait_for(_BODY, self.limits.body_timeout)

    # -- the outlet's side ----------------------------------------------------------------------------------------

    def blocked(self) -> None:
        """The application reads more slowly than it is written to."""
        if self._request is not None:
            self._request.blocked()

    def drained(self) -> None:
        """All that was written has left for the application."""
        if self._request is not None:
            self._request.drained()
        elif self._message_ended:
            self._go_on()

    # -- the request's side ---------------------------------------------------------------------------------------

    def requestDone(self, request: StreamedRequest) -> None:
        """The response is complete. The next request's turn, if framing allows one."""
        self._request = None
        self.resume_body()
        if not request.persistent or self.site.closing:
            self.close_gently(unread=self._more_to_come)
        elif self._message_ended:
            self._go_on()
