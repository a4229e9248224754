"""A request whose resource starts at the end of the head.

Resources that provide :class:`IStreamedResource` get the body as it arrives and write their answer through the
``answer_*`` methods, which keep every field and byte as given. Any other resource of the tree sees an ordinary
:class:`twisted.web.server.Request` when its body is complete; what such a request has beyond this one is made then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import Interface

from slime.errors import BadMessage, ErrorCode
from slime.http.body import encode_chunk, last_chunk
from slime.http.head import (
    BODILESS,
    Fields,
    ResponseHead,
    ResponseStart,
    response_start,
    rest_of_head,
    serialise_response_head,
    tokens,
)
from slime.http.trace import identified
from slime.hub.answers import Answer, Answered, Trouble, answer_for
from slime.hub.ordinary import Buffering, OrdinaryRequest

if TYPE_CHECKING:
    from slime.http.known import KnownHead
    from slime.hub.channel import HttpChannel
    from slime.hub.switch import Successor

__all__ = ["BodyReceiver", "IStreamedResource", "StreamedRequest"]


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


class StreamedRequest(OrdinaryRequest):
    """One request on an :class:`~slime.hub.channel.HttpChannel`.

    :ivar expectant: does the application hold the body back until somebody asks for it (``Expect: 100-continue``)?
    :ivar patient: may the body pause for as long as it likes?
    :ivar receiver: who takes the body.
    :ivar answer_bytes: bytes of response body written so far.
    :ivar request_id: what the gateway calls it.
    """

    _log = Logger()
    receiver: BodyReceiver | None = None
    expectant = False
    patient = False
    answer_started = False
    answer_bytes = 0
    _answer_chunked = _answer_delimited = False
    request_id = b""

    def __init__(self, channel: HttpChannel) -> None:
        """Much leaner than Twisted's own, which :meth:`_enter_tree` makes up for."""
        self.channel = channel
        self.site = channel.site
        self.transport = channel.transport
        self.client = channel.peer
        self.notifications = []

    # -- the channel's side ---------------------------------------------------------------------------------------

    def begin(self, head: KnownHead, body_length: int | None) -> None:
        """The head is complete: find the resource and start it."""
        self.head = head
        self.body_length = body_length
        meaning = head.meaning
        self.method, self.path = head.method, meaning.path
        self.persistent = meaning.persistent
        if meaning.hesitant:
            self.expectant = not self.channel.body_begun()
        try:
            self._start()
        except Exception:
            self._log.failure("no answer could be made ({which})", which=identified(self.request_id, head.fields))
            self._give_up()

    def _start(self) -> None:
        resource = self.site.resource
        if not IStreamedResource.providedBy(resource):
            resource = self._enter_tree()
            if not IStreamedResource.providedBy(resource):
                self.receiver = Buffering(self)
                return
        resource.render_stream(self)

    def _give_up(self) -> None:
        """Answer for a resource that raised; who has taken the request hears that it is over."""
        if self.receiver is not None:
            self.body_failed(BadMessage(ErrorCode.INTERNAL, ""))
        elif not self.finished:
            self.fail(Trouble(ErrorCode.INTERNAL))

    def body_received(self, data: bytes) -> None:
        """From the channel: some of the body."""
        self.expectant = False
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
        else:
            self.fail(Trouble(error.code, error.detail))

    def drained(self) -> None:
        """From the channel: the application has read everything."""
        super().drained()
        if self.receiver is not None:
            self.receiver.drained()

    def connectionLost(self, reason: Failure) -> None:
        """From the channel: the application is gone."""
        receiver, self.receiver = self.receiver, None
        super().connectionLost(reason)
        if receiver is not None:
            receiver.left()

    # -- the gateway's side ---------------------------------------------------------------------------------------

    def isSecure(self) -> bool:
        """Did it come by TLS?"""
        return self.channel.isSecure()

    def pause_body(self) -> None:
        """Enough of the body for now."""
        if not self.finished and not self._disconnected:
            self.channel.pause_body()

    def resume_body(self) -> None:
        """More of the body may come, and is waited for."""
        self.expectant = False
        if not self.finished and not self._disconnected:
            self.channel.resume_body()

    def answer_interim(self, head: bytes) -> None:
        """Pass on the head of a 1xx response as it is; HTTP/1.0 knows none (RFC 9110 section 15.2).

        One that the application is too slow to read is left out: no credit bounds how many come.
        """
        if self.head.version == b"1.1" and not self.answer_started and not self.write_blocked:
            self.channel.outlet.write(head)

    def answer_head(self, head: ResponseHead, length: int | None) -> None:
        """Begin the final response.

        :param head: status and fields, without framing; ``Content-Length`` only where there is no body.
        :param length: bytes of body to come, or ``None`` when not known.
        """
        self.answer_start(response_start(head), [], length)

    def answer_start(self, start: ResponseStart, added: Fields, length: int | None) -> None:
        """As :meth:`answer_head`, of a head that is written but for the fields that are ``added`` behind it."""
        self.answer_started = True
        date = [] if start.dated else self.site.date()
        fields = [*added, *date, *self._framing(start.status, length), *self._connection()]
        self.channel.outlet.write(start.text + rest_of_head(fields))

    def _framing(self, status: int, length: int | None) -> Fields:
        if self.method == b"HEAD" or status in BODILESS:
            return []
        self._answer_delimited = length is not None or self.head.version == b"1.1"
        if length is not None:
            return [(b"Content-Length", b"%d" % length)]
        if self._answer_delimited:
            self._answer_chunked = True
            return [(b"Transfer-Encoding", b"chunked")]
        self.persistent = False
        return []

    def answer_data(self, data: bytes) -> bool:
        """Some of the response's body; it is on its way in this turn of the reactor.

        :returns: whether the application reads more slowly than it is written to.
        """
        self.answer_bytes += len(data)
        outlet = self.channel.outlet
        outlet.write(encode_chunk(data) if self._answer_chunked else data)
        return outlet.is_blocked

    def spool(self, size: int) -> bool:
        """May so many bytes of body, written but not read yet, stay here, so that more can come?"""
        return self.channel.outlet.spool(size, self.site.spool)

    def answer_end(self, trailers: Fields) -> None:
        """The response is complete; trailers are for those who asked for them (RFC 9110 section 10.1.4)."""
        if self._answer_chunked:
            wanted = trailers and b"trailers" in tokens(self.head.fields, b"te")
            self.channel.outlet.write(last_chunk(trailers if wanted else []))
        self._finish()

    def switch(self, head: ResponseHead, successor: Successor) -> bytes:
        """Pass a ``101`` on; from here on what is written and read are raw bytes.

        :param successor: who takes what the connection brings.
        :returns: what it has brought already.
        """
        self.answer_started = True
        self.persistent = False
        self.channel.outlet.write(serialise_response_head(head))
        return self.channel.switch(successor)

    def end_half(self) -> None:
        """After a switch: nothing more will be written, but the application may go on."""
        self.channel.end_half()

    def answer_abort(self) -> None:
        """The response cannot be completed, and its beginning is out: end the connection behind what there is of it.

        A body without its last chunk is incomplete whatever ends it (RFC 9112 section 8); one without its last bytes
        is, too, but not every application counts them.
        """
        self.receiver = None
        if self._answer_chunked:
            self.channel.close_gently(unread=True)
        elif self._answer_delimited:
            self.channel.cut_short()
        elif self.channel.is_switched:
            self.channel.cut_behind()
        else:
            super().answer_abort()

    def fail(self, trouble: Trouble, request_id: bytes = b"") -> None:
        """Answer with an error of ours; if an answer has begun already, cut it off.

        Who was too slow to read it is not waited for. Requests that nobody had taken go into the access log here.
        """
        if self.answer_started or self.startedWriting:
            if trouble.code is ErrorCode.TOO_SLOW:
                super().answer_abort()
            else:
                self.answer_abort()
            return
        answer = answer_for(trouble, self.head, request_id)
        if self.receiver is None:
            self._tell(answer, trouble.code.slug, trouble.detail, request_id)
        self._answer_whole(answer)

    def answer(self, answer: Answer, request_id: bytes) -> None:
        """Answer, of the hub's own, a request that nobody had taken."""
        self._tell(answer, "ok", "", request_id)
        self._answer_whole(answer)

    def _tell(self, answer: Answer, outcome: str, detail: str, request_id: bytes) -> None:
        sent = 0 if self.method == b"HEAD" else len(answer.body)
        status = answer.head.status
        self.site.answered(Answered(self.client, status, outcome, detail, self.head, request_id, sent))

    def _answer_whole(self, answer: Answer) -> None:
        self.answer_head(answer.head, len(answer.body))
        if self.method != b"HEAD":
            self.answer_data(answer.body)
        self._finish()

    def _finish(self) -> None:
        self.finished = 1
        if self.content is not None or self.producer is not None or self.notifications:
            self._cleanup()
            return
        # What that comes to for a request that no ordinary resource has had to do with.
        self.receiver = None
        self.channel.requestDone(self)
        del self.channel

    def _cleanup(self) -> None:
        self.receiver = None
        super()._cleanup()
