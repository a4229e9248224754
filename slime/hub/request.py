"""A request whose resource starts at the end of the head.

Resources that provide :class:`IStreamedResource` get the body as it arrives and write their answer through the
``answer_*`` methods, which keep every field and byte as given. Any other resource of the tree sees an ordinary
:class:`twisted.web.server.Request` when its body is complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import unquote_to_bytes

from twisted.internet.task import cooperate
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import Request
from zope.interface import Interface

from slime.errors import BadMessage, ErrorCode
from slime.http.body import encode_chunk, last_chunk
from slime.http.head import Fields, RequestHead, ResponseHead, persists, serialise_response_head
from slime.hub.answers import Trouble, answer_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slime.hub.channel import HttpChannel

__all__ = ["BodyReceiver", "IStreamedResource", "StreamedRequest"]

BUFFERED_BODY_LIMIT = 1024 * 1024
_NO_BODY = frozenset({204, 304})


class IStreamedResource(Interface):
    """A resource that wants requests at the end of their head."""

    def render_stream(request: StreamedRequest) -> None:
        """Take the request: set ``request.receiver`` before returning, unless it is answered already."""


class BodyReceiver(Protocol):
    """Who takes a request's body and hears of its application."""

    def body_received(self, data: bytes) -> None:
        """Some of the body, in order, never empty."""

    def body_finished(self, trailers: Fields) -> None:
        """The body is complete. Comes for every request that is not cut off, with a body or without."""

    def body_failed(self, error: BadMessage) -> None:
        """The body broke framing, a limit or a deadline; nothing more of it comes."""

    def left(self) -> None:
        """The application is gone; nothing can be written any more."""

    def drained(self) -> None:
        """All that was written has gone out to the application."""


class _Buffering:
    """Collects the body of a request for an ordinary resource, then lets Twisted process it."""

    def __init__(self, request: StreamedRequest) -> None:
        self._request = request
        self._room = BUFFERED_BODY_LIMIT
        request.fill_headers()
        request.gotLength(request.body_length)

    def body_received(self, data: bytes) -> None:
        self._room -= len(data)
        if self._room < 0:
            self.body_failed(BadMessage(ErrorCode.BODY_TOO_LARGE, "this resource takes no body of that size"))
        else:
            self._request.handleContentChunk(data)

    def body_finished(self, trailers: Fields) -> None:
        request = self._request
        request.requestReceived(request.head.method, request.head.target, b"HTTP/" + request.head.version)

    def body_failed(self, error: BadMessage) -> None:
        self._request.fail(Trouble(error.code, error.detail))

    def left(self) -> None:
        """:meth:`StreamedRequest.connectionLost` tells the resource by Twisted's own ways."""

    def drained(self) -> None:
        self._request.resume_producer()


class StreamedRequest(Request):
    """One request on an :class:`~slime.hub.channel.HttpChannel`.

    :ivar head: the request's head, as read.
    :ivar body_length: bytes of body to come; ``None`` when chunked.
    :ivar persistent: may the connection serve another request after this one?
    :ivar receiver: who takes the body.
    :ivar answer_bytes: bytes of response body written so far.
    """

    _log = Logger()
    channel: HttpChannel  # type: ignore[assignment]
    head: RequestHead
    receiver: BodyReceiver | None = None
    body_length: int | None = 0
    body_complete = False
    persistent = True
    answer_started = False
    answer_bytes = 0
    _answer_chunked = False
    _push_producer: Any = None
    defaultContentType = None

    # -- the channel's side ---------------------------------------------------------------------------------------

    def begin(self, head: RequestHead, body_length: int | None) -> None:
        """The head is complete: find the resource and start it."""
        self.head = head
        self.body_length = body_length
        self.method, self.uri, self.clientproto = head.method, head.target, b"HTTP/" + head.version
        self.path = head.target.partition(b"?")[0]
        self.persistent = persists(head)
        self.site = self.channel.site
        try:
            resource = self._locate()
            if IStreamedResource.providedBy(resource):
                resource.render_stream(self)
            else:
                self.receiver = _Buffering(self)
        except Exception:
            self._log.failure("no answer could be made")
            self.fail(Trouble(ErrorCode.INTERNAL))

    def _locate(self) -> Any:
        root = self.channel.site.resource
        if IStreamedResource.providedBy(root):
            return root
        self.fill_headers()
        self.prepath = []
        self.postpath = [unquote_to_bytes(segment) for segment in self.path[1:].split(b"/")]
        return self.channel.site.getResourceFor(self)

    def fill_headers(self) -> None:
        """Give ordinary resources the fields in the form that they know."""
        for name, value in self.head.fields:
            self.requestHeaders.addRawHeader(name, value)

    def body_received(self, data: bytes) -> None:
        """From the channel: some of the body."""
        if self.receiver is not None:
            self.receiver.body_received(data)

    def body_finished(self, trailers: Fields) -> None:
        """From the channel: the end of the body."""
        self.body_complete = True
        if self.receiver is not None:
            self.receiver.body_finished(trailers)

    def body_failed(self, error: BadMessage) -> None:
        """From the channel: the body will never be complete."""
        self.persistent = False
        if self.receiver is not None:
            self.receiver.body_failed(error)

    def drained(self) -> None:
        """From the channel: the application has read everything."""
        if self.receiver is not None:
            self.receiver.drained()

    def connectionLost(self, reason: Failure) -> None:
        """From the channel: the application is gone."""
        receiver, self.receiver = self.receiver, None
        super().connectionLost(reason)
        if receiver is not None:
            receiver.left()

    # -- the gateway's side ---------------------------------------------------------------------------------------

    @property
    def write_blocked(self) -> bool:
        """Is the application slower than we are?"""
        return self.channel.write_blocked

    def answer_interim(self, head: ResponseHead) -> None:
        """Pass on a 1xx response; HTTP/1.0 knows none (RFC 9110 section 15.2)."""
        if self.head.version == b"1.1" and not self.answer_started:
            self.channel.write(serialise_response_head(head))

    def answer_head(self, head: ResponseHead, length: int | None) -> None:
        """Begin the final response.

        :param head: status and fields, without framing; ``Content-Length`` only where there is no body.
        :param length: bytes of body to come, or ``None`` when not known.
        """
        self.answer_started = True
        fields = [*head.fields, *self._framing(head.status, length)]
        self.channel.write(serialise_response_head(ResponseHead(b"1.1", head.status, head.reason, fields)))

    def _framing(self, status: int, length: int | None) -> Fields:
        fields: Fields = []
        if self.method != b"HEAD" and status not in _NO_BODY:
            if length is not None:
                fields.append((b"Content-Length", b"%d" % length))
            elif self.head.version == b"1.1":
                self._answer_chunked = True
                fields.append((b"Transfer-Encoding", b"chunked"))
            else:
                self.persistent = False
        if not self.body_complete and not self.channel.body_at_hand():
            self.persistent = False
        if not self.persistent or self.channel.site.draining:
            self.persistent = False
            fields.append((b"Connection", b"close"))
        elif self.head.version == b"1.0":
            fields.append((b"Connection", b"keep-alive"))
        return fields

    def answer_data(self, data: bytes) -> None:
        """Some of the response's body; it is on its way in this turn of the reactor."""
        self.answer_bytes += len(data)
        if self._answer_chunked:
            self.channel.write(encode_chunk(data))
        else:
            self.channel.write(data)

    def answer_end(self, trailers: Fields) -> None:
        """The response is complete."""
        if self._answer_chunked:
            self.channel.write(last_chunk(trailers))
        self._finish()

    def answer_abort(self) -> None:
        """The response cannot be completed, and its beginning is out: cut the connection."""
        self.receiver = None
        self.channel.abortConnection()

    def fail(self, trouble: Trouble, request_id: bytes = b"") -> None:
        """Answer with an error of ours; if an answer has begun already, cut it off."""
        if self.answer_started or self.startedWriting:
            self.answer_abort()
            return
        answer = answer_for(trouble, self.head, request_id)
        self.answer_head(answer.head, len(answer.body))
        if self.method != b"HEAD":
            self.answer_data(answer.body)
        self._finish()

    def _finish(self) -> None:
        self.finished = 1
        self.receiver = None
        self._cleanup()

    # -- ordinary resources' producers ------------------------------------------------------------------------------

    def producer_registered(self, producer: Any, streaming: bool) -> None:
        """An ordinary resource produces its response by itself."""
        self._push_producer = producer if streaming else _Pump(self, producer)

    def blocked(self) -> None:
        """From the channel: the application reads more slowly than it is written to."""
        if self.producer is not None:
            self._push_producer.pauseProducing()

    def resume_producer(self) -> None:
        """The application has read everything: the producer may go on."""
        if self.producer is not None:
            self._push_producer.resumeProducing()


class _Pump:
    """Makes a push producer of a pull producer, as long as it is the request's producer."""

    def __init__(self, request: StreamedRequest, producer: Any) -> None:
        self._request = request
        self._producer = producer
        self._paused = False
        self._task = cooperate(self._run())

    def _run(self) -> Iterator[None]:
        while self._request.producer is self._producer:
            cast(Any, self._producer).resumeProducing()
            yield None

    def pauseProducing(self) -> None:
        if not self._paused:
            self._paused = True
            self._task.pause()

    def resumeProducing(self) -> None:
        if self._paused:
            self._paused = False
            self._task.resume()
