"""What ordinary resources of twisted.web need of a request: a tree to be found in, the whole body before they start,
and producers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from twisted.internet.interfaces import IPullProducer, IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import Request
from zope.interface import implementer

from slime.errors import BadMessage, ErrorCode
from slime.http.head import BODILESS, Fields, field_values, tokens
from slime.hub.answers import Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twisted.internet.task import Cooperator
    from twisted.web.http_headers import Headers
    from twisted.web.resource import IResource

    from slime.http.known import KnownHead
    from slime.hub.channel import HttpChannel
    from slime.hub.request import StreamedRequest
    from slime.hub.site import GatewaySite

__all__ = ["Buffering", "OrdinaryRequest", "Pump", "ask_for_body"]

BUFFERED_BODY_LIMIT = 1024 * 1024
DISCARDED_BODY_LIMIT = 64 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BOUNDING = (b"content-length", b"transfer-encoding")


class OrdinaryRequest(Request):
    """The part of a request that is there for ordinary resources, and what their answers share with all others.

    :ivar head: the request's head, as read.
    :ivar body_length: bytes of body to come; ``None`` when chunked.
    :ivar persistent: may the connection serve another request after this one?
    :ivar located: the resource that the tree has for it, with the paths to and beyond it; ``None`` before it was asked.
    """

    _log = Logger()
    channel: HttpChannel  # type: ignore[assignment]
    site: GatewaySite
    head: KnownHead
    body_length: int | None = 0
    body_complete = False
    persistent = True
    located: tuple[IResource, list[bytes], list[bytes]] | None = None
    defaultContentType = None
    _push_producer: IPushProducer | None = None
    _declared: int | None = None

    # -- the tree -------------------------------------------------------------------------------------------------

    def _enter_tree(self) -> IResource | None:
        """Become what Twisted's resources know, and look for the one that is wanted."""
        Request.__init__(self, self.channel)
        self.uri, self.clientproto = self.head.target, b"HTTP/" + self.head.version
        for name, value in self.head.fields:
            self.requestHeaders.addRawHeader(name, value)
        self.parseCookies()
        if self.path == b"*":
            return None
        self.prepath, self.postpath = [], self.site.segments(self.path)
        return self.site.getResourceFor(self)

    # -- answers --------------------------------------------------------------------------------------------------

    def ordinary_fields(self, headers: Headers) -> Fields:
        """The fields of a response that an ordinary resource has begun, framing included."""
        fields = [(name, value) for name, values in headers.getAllRawHeaders() for value in values]
        bodiless = self.method == b"HEAD" or self.code in BODILESS
        bounds = [(low, value) for name, value in fields if (low := name.lower()) in _BOUNDING]
        if b"close" in tokens(fields, b"connection") or not (bounds or bodiless):
            self.persistent = False
        if not bodiless and bounds and bounds[0][0] == b"content-length":
            self._declared = int(bounds[0][1])
        return [field for field in fields if field[0].lower() != b"connection"] + self._connection()

    def _connection(self) -> Fields:
        """What the answer's head says of the connection's future; it is decided here."""
        if self.persistent and (self.site.draining or not self._body_ends()):
            self.persistent = False
        if not self.persistent:
            return [(b"Connection", b"close")]
        return [(b"Connection", b"keep-alive")] if self.head.version == b"1.0" else []

    def _body_ends(self) -> bool:
        """Is the body here, or short and sure enough to come that the channel may read over it?"""
        if self.body_complete or self.channel.body_at_hand():
            return True
        if self.body_length is None or self.body_length > DISCARDED_BODY_LIMIT:
            return False
        return not field_values(self.head.fields, b"expect")

    def processingFailed(self, reason: Failure) -> Failure:
        """A resource raised: an answer that has begun must not look complete."""
        if not (self.startedWriting or self.finished or self._disconnected):
            return cast(Failure, super().processingFailed(reason))
        self._log.failure("a resource failed in the middle of its answer", reason)
        if not (self.finished or self._disconnected):
            self.answer_abort()
        return reason

    def answer_abort(self) -> None:
        """The response cannot be completed, and its beginning is out: cut the connection."""
        self.channel.abortConnection()

    def _cleanup(self) -> None:
        if self._declared is not None and self.sentLength != self._declared:
            self.channel.abortConnection()
        super()._cleanup()

    # -- producers ------------------------------------------------------------------------------------------------

    @property
    def write_blocked(self) -> bool:
        """Is the application slower than we are?"""
        return self.channel.outlet.is_blocked

    def blocked(self) -> None:
        """From the channel: the application reads more slowly than it is written to."""
        if self._push_producer is not None:
            self._push_producer.pauseProducing()

    def drained(self) -> None:
        """From the channel: the application has read everything."""
        if self._push_producer is not None:
            self._push_producer.resumeProducing()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """An ordinary resource produces its response by itself.

        :raises ValueError: there is a producer already.
        """
        if self.producer is not None:
            raise ValueError("a producer is registered already")
        if self._disconnected:
            producer.stopProducing()
            return
        self.producer = producer
        self._push_producer = producer if streaming else Pump(self, producer, self.site.cooperator)
        if self.write_blocked:
            self.blocked()

    def unregisterProducer(self) -> None:
        """The producer is done."""
        self.producer = self._push_producer = None

    def producer_failed(self, failure: Failure) -> None:
        """A producer raised: what it has produced must not look complete."""
        self._log.failure("a producer of a response failed", failure)
        if self.producer is not None:
            self.unregisterProducer()
            self.answer_abort()

    def connectionLost(self, reason: Failure) -> None:
        """From the channel: the application is gone."""
        producer = self._push_producer
        self.unregisterProducer()
        super().connectionLost(reason)
        if producer is not None:
            producer.stopProducing()


def ask_for_body(request: StreamedRequest) -> None:
    """Whoever waits with the body until somebody wants it may send it (RFC 9110 section 10.1.1)."""
    if request.expectant:
        request.answer_interim(CONTINUE)
        request.resume_body()


class Buffering:
    """Collects the body of a request for an ordinary resource, then lets Twisted process it."""

    def __init__(self, request: StreamedRequest) -> None:
        self._request = request
        self._room = BUFFERED_BODY_LIMIT
        request.gotLength(request.body_length)
        ask_for_body(request)

    def body_received(self, data: bytes) -> None:
        """Some of the body; beyond the limit the request is refused."""
        self._room -= len(data)
        if self._room < 0:
            self.body_failed(BadMessage(ErrorCode.BODY_TOO_LARGE, "this resource takes no body of that size"))
        else:
            self._request.handleContentChunk(data)

    def body_finished(self, trailers: Fields) -> None:
        """The body is complete: the resource's turn."""
        request = self._request
        request.requestReceived(request.head.method, request.head.target, b"HTTP/" + request.head.version)

    def body_failed(self, error: BadMessage) -> None:
        """The body will never be complete."""
        self._request.fail(Trouble(error.code, error.detail))

    def left(self) -> None:
        """The request tells the resource by Twisted's own ways."""

    def drained(self) -> None:
        """The request tells its producer."""


@implementer(IPushProducer)
class Pump:
    """Makes a push producer of a pull producer, for as long as it is the request's producer."""

    def __init__(self, request: OrdinaryRequest, producer: IPullProducer, cooperator: Cooperator) -> None:
        self._request = request
        self._producer = producer
        self._paused = False
        self._task = cooperator.cooperate(self._run())
        self._task.whenDone().addErrback(self._failed)

    def _run(self) -> Iterator[None]:
        while self._request.producer is self._producer:
            self._producer.resumeProducing()
            yield None

    def _failed(self, failure: Failure) -> None:
        """The producer raised: what it has produced must not look complete."""
        self._request.producer_failed(failure)

    def pauseProducing(self) -> None:
        """The application reads more slowly than the producer produces."""
        if not self._paused:
            self._paused = True
            self._task.pause()

    def resumeProducing(self) -> None:
        """The application has read everything."""
        if self._paused:
            self._paused = False
            self._task.resume()

    def stopProducing(self) -> None:
        """The application is gone."""
        cast(Any, self._producer).stopProducing()
