"""One request at a worker of the earlier program's agents: out by its accept, and back by its submit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from slime.errors import BadMessage, ErrorCode, RemoteProtocolError
from slime.http.body import encode_chunk, last_chunk
from slime.http.forwarding import agent_response_fields
from slime.http.head import UNTIL_CLOSE, Fields, ResponseHead, serialise_response_head
from slime.http.parser import EndOfMessage, ResponseParser, Signal
from slime.seed.wire import framed_head
from slime.sockets import notice_death
from slime.tunnel.frames import Head

if TYPE_CHECKING:
    from slime.hub.exchange import Exchange
    from slime.hub.request import StreamedRequest
    from slime.tokens import AgentClaims

__all__ = ["WINDOW", "SeedStream", "Silent", "reply", "watch_over"]

#: Bytes of an answer that may wait for an application that reads more slowly.
WINDOW = 256 * 1024

#: What a link says of a request body's queue when the worker is slower than the application: stop.
FULL = 2**31


class StreamOwner(Protocol):
    """What a stream needs of its worker."""

    claims: AgentClaims

    def free(self, stream: SeedStream) -> Exchange:
        """The stream is over."""

    def forsaken(self) -> None:
        """Nobody waits for the stream's answer."""


def reply(request: StreamedRequest, status: int, text: bytes = b"") -> None:
    """Answer one of the agent's calls."""
    reason = {200: b"OK", 401: b"Unauthorized", 500: b"Internal Server Error"}[status]
    fields = [(b"Content-Type", b"text/plain")] if text else []
    request.answer_head(ResponseHead(b"1.1", status, reason, fields), len(text))
    if text:
        request.answer_data(text)
    request.answer_end([])


def watch_over(call: StreamedRequest) -> None:
    """A worker may say and read nothing for as long as its upstream likes; but its machine has to be there."""
    call.channel.outlet.is_patient = True
    transport: Any = call.channel.transport
    notice_death(transport.fileno())


class Silent:
    """Takes the body of a call that says nothing, and does nothing about anything."""

    def body_received(self, data: bytes) -> None:
        """Nobody asked."""

    def body_finished(self, trailers: Fields) -> None:
        """The call is complete."""

    def body_failed(self, error: BadMessage) -> None:
        """The call will never be complete."""

    def left(self) -> None:
        """The caller is gone."""

    def drained(self) -> None:
        """All that was written has gone out."""


class SeedStream(Silent):
    """One request at a worker, and its answer.

    :ivar stream_id: what the worker calls the request by.
    """

    def __init__(self, link: StreamOwner, exchange: Exchange, accept: StreamedRequest, stream_id: int) -> None:
        self.link = link
        self.exchange = exchange
        self.stream_id = stream_id
        self._accept: StreamedRequest | None = accept
        self._submit: StreamedRequest | None = None
        self._cancelled = self._over = False
        self._unread = 0
        self._parser = ResponseParser()
        self._parser.start(exchange.request.method)

    @property
    def answering(self) -> bool:
        """Has the worker begun to bring the answer?"""
        return self._submit is not None

    # -- towards the worker -----------------------------------------------------------------------------------------

    def begin(self, accept: StreamedRequest) -> None:
        """Answer the accept with the request."""
        fields = [(b"Slime-Connection-Id", b"%d" % self.stream_id)]
        accept.answer_head(ResponseHead(b"1.1", 200, b"OK", fields), None)
        accept.answer_data(framed_head(self.exchange.forward_head, self.exchange.length))
        if self.exchange.length == 0:
            self._end_accept()

    def started(self) -> None:
        """The worker has the request: it may have an effect from now on."""
        if not self._over:
            self.exchange.upstream_started()

    def _end_accept(self) -> None:
        accept, self._accept = self._accept, None
        if accept is not None:
            accept.answer_end([])

    def send_body(self, data: bytes) -> int:
        """More of the request's body; says whether that was too fast."""
        if self._accept is None:
            return 0
        self._accept.answer_data(encode_chunk(data) if self.exchange.length is None else data)
        return FULL if self._accept.write_blocked else 0

    def end_body(self, trailers: Fields) -> None:
        """The request's body is complete."""
        if self._accept is not None and self.exchange.length is None:
            self._accept.answer_data(last_chunk(trailers))
        self._end_accept()

    def consumed(self, size: int) -> None:
        """So much of the answer is out."""
        was, self._unread = self._unread, self._unread - size
        if was > WINDOW >= self._unread and self._submit is not None:
            self._submit.resume_body()

    def cancel(self) -> None:
        """Nobody wants the answer: cut whatever there is to be cut, now or when the worker brings it."""
        self._cancelled = True
        if self._over:
            return
        if self._submit is not None:
            self._fail(ErrorCode.NO_ERROR, "")
        else:
            self._cut()
            self.link.forsaken()

    def _cut(self) -> None:
        for call in (self._accept, self._submit):
            if call is not None:
                call.answer_abort()
        self._accept = self._submit = None

    # -- from the worker --------------------------------------------------------------------------------------------

    def submit(self, request: StreamedRequest) -> bool:
        """The worker brings the answer; False if it does so already."""
        if self._submit is not None:
            return False
        self._submit = request
        request.receiver = self
        request.patient = True
        watch_over(request)
        if self._cancelled:
            self._fail(ErrorCode.NO_ERROR, "")
        return True

    def body_received(self, data: bytes) -> None:
        """Some of the answer, in HTTP's own form."""
        self._parser.feed(data)
        self._read()
        if self._unread > WINDOW and self._submit is not None:
            self._submit.pause_body()

    def body_finished(self, trailers: Fields) -> None:
        """The call is complete, and with it the answer, if that ends with its connection."""
        self._parser.feed_eof()
        self._read()
        submit, self._submit = self._submit, None
        if submit is not None:
            reply(submit, 200)

    def body_failed(self, error: BadMessage) -> None:
        """The call broke off."""
        self._fail(ErrorCode.UPSTREAM_BROKE, "the agent's answer broke off")

    def left(self) -> None:
        """The call was cut."""
        self._submit = None
        self._fail(ErrorCode.UPSTREAM_BROKE, "the agent's answer was cut off")

    def _read(self) -> None:
        try:
            while not self._over and not isinstance(event := self._parser.next_event(), Signal):
                self._event(event)
        except (BadMessage, RemoteProtocolError) as error:
            self._fail(ErrorCode.UPSTREAM_BROKE, getattr(error, "detail", str(error)))

    def _event(self, event: Any) -> None:
        if isinstance(event, ResponseHead):
            self._head(event)
        elif isinstance(event, EndOfMessage):
            self._end(event.trailers)
        else:
            self._unread += len(event.data)
            self.exchange.response_data(event.data)

    def _head(self, head: ResponseHead) -> None:
        interim = head.status < 200
        known = self._parser.body_length
        length = None if known == UNTIL_CLOSE else known
        fields = agent_response_fields(head, self.exchange.request.method)
        text = serialise_response_head(ResponseHead(b"1.1", head.status, head.reason, fields))
        self.exchange.response_head(Head(self.stream_id, text, length, interim=interim))

    def _end(self, trailers: Fields) -> None:
        self._over = True
        accept, self._accept = self._accept, None
        if accept is not None:
            accept.answer_abort()
        self.link.free(self).response_end(trailers)

    # -- when it goes wrong -----------------------------------------------------------------------------------------

    def _fail(self, code: ErrorCode, detail: str) -> None:
        if not self._over:
            self._over = True
            self._cut()
            self.link.free(self).stream_reset(code, detail)

    def accept_lost(self) -> None:
        """The worker hung up before it had the whole request."""
        self._accept = None
        self.abandoned()

    def abandoned(self) -> None:
        """The worker has given the request up, or is gone: there will be no answer."""
        if not self._over:
            self._over = True
            self._cut()
            self.link.free(self).link_lost()
