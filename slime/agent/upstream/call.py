"""One request at an upstream: what its caller holds, and what it tells its caller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from slime.agent.upstream.framing import NOTHING, RAW, opening
from slime.errors import ErrorCode
from slime.http.head import Fields, RequestHead, ResponseHead, tokens

__all__ = ["Carrier", "ResponseSink", "UpstreamCall"]

#: Methods that ask for nothing to be changed, and so may be asked again (RFC 9110 section 9.2.1).
_SAFE = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE"})


class ResponseSink(Protocol):
    """Hears what becomes of a call, synchronously, in the reactor turn in which it happens.

    Exactly one of :meth:`end` and :meth:`failed` is called, once, and nothing after it (but see :meth:`end`);
    neither is after :meth:`UpstreamCall.abort`. Every method may call the call back. :meth:`started` and
    :meth:`failed` may come before :meth:`UpstreamClient.start` has returned.
    """

    def started(self) -> None:
        """The request's first bytes were given to a connected socket. Called once at most, also on retry."""

    def interim(self, head: ResponseHead) -> None:
        """A 1xx answer other than 101; an unasked ``100 Continue`` is not passed on (RFC 9110 15.2)."""

    def head(self, head: ResponseHead, length: int | None) -> None:
        """The answer's head; ``length`` bytes of body follow, ``None`` when only the end will tell.

        Status 101 comes only to a request with an ``Upgrade`` field; the bytes of both sides follow it raw.
        """

    def data(self, data: bytes) -> None:
        """Body bytes, never none.

        After :meth:`UpstreamCall.pause` those of one read may still come; after a 101 also the rest of what an upstream
        said that has gone.
        """

    def end(self, trailers: Fields) -> None:
        """The answer is complete. An upload that still runs is pointless now: it goes nowhere.

        After a 101 this is the upstream's half only: ours lasts until :meth:`UpstreamCall.end`, or until
        :meth:`failed`, which comes if the upstream is gone before that.
        """

    def failed(self, code: ErrorCode, detail: str) -> None:
        """There will be no answer, or no more of it.

        :param code: ``UPSTREAM_UNREACHABLE``, ``UPSTREAM_BROKE`` or ``UPSTREAM_TIMEOUT``; ``NO_ERROR`` after
            :meth:`end`, when the upstream had said goodbye in good order and takes nothing more.
        """

    def pause_request(self) -> None:
        """More than enough of the request waits to be sent; the caller should stop writing."""

    def resume_request(self) -> None:
        """All of it has gone; go on writing."""


class Carrier(Protocol):
    """What takes a call's side of things at the moment: a dial, a connection, or nothing any more."""

    def send(self, pieces: Sequence[bytes]) -> None:
        """Pass framed bytes on."""

    def request_ended(self) -> None:
        """The last piece was sent."""

    def pause_answer(self) -> None:
        """Read no more of the answer."""

    def resume_answer(self) -> None:
        """Read on."""

    def drop(self) -> None:
        """Close at once; the call is not to be told."""


class _Over:
    """Carries a call that is over: what crossed with the end goes nowhere."""

    def send(self, pieces: Sequence[bytes]) -> None:
        """Nobody needs them any more."""

    def request_ended(self) -> None:
        """Nor this."""

    def pause_answer(self) -> None:
        """There is none."""

    def resume_answer(self) -> None:
        """There is none."""

    def drop(self) -> None:
        """Nothing is open."""


_OVER = _Over()


class UpstreamCall:
    """A request under way; made by :meth:`UpstreamClient.start`.

    Every method may be called at any time; after the end of the call they do nothing.
    """

    __slots__ = (
        "_carrier",
        "_framing",
        "_held",
        "_started",
        "ended",
        "opening",
        "paused",
        "request",
        "sink",
    )

    def __init__(self, request: RequestHead, body_length: int | None, sink: ResponseSink) -> None:
        self.request = request
        self.sink = sink
        self.opening, self._framing = opening(request, body_length)
        self.ended = body_length == 0
        self.paused = False
        self._held = False
        self._started = False
        self._carrier: Carrier = _OVER

    # What the caller does.

    def write(self, data: bytes) -> None:
        """Send body bytes.

        :raises LocalProtocolError: when they go beyond the declared length; abort the call then.
        """
        if data:
            self._carrier.send(self._framing.pieces(data))

    def end(self, trailers: Fields | None = None) -> None:
        """The request is complete; trailers reach the upstream only behind a body of unknown length.

        :raises LocalProtocolError: when the body fell short of the declared length; abort the call then.
        """
        if self.ended:
            return
        pieces = self._framing.end(trailers or [])
        self.ended = True
        self._carrier.send(pieces)
        self._carrier.request_ended()

    def abort(self) -> None:
        """Give up: the connection is closed at once and the sink hears nothing more."""
        self._leave().drop()

    def pause(self) -> None:
        """Stop reading the answer."""
        self.paused = True
        self._carrier.pause_answer()

    def resume(self) -> None:
        """Read on."""
        self.paused = False
        self._carrier.resume_answer()

    # What its carriers do.

    def carry(self, carrier: Carrier) -> None:
        """From now on ``carrier`` takes what the caller does."""
        self._carrier = carrier

    def begun(self) -> None:
        """The opening was written to a connected socket."""
        if not self._started:
            self._started = True
            self.sink.started()

    def hold(self) -> None:
        """The carrier holds more than enough of the request."""
        if not self._held:
            self._held = True
            self.sink.pause_request()

    def release(self) -> None:
        """The carrier wants more of the request again."""
        if self._held:
            self._held = False
            self.sink.resume_request()

    @property
    def has_begun(self) -> bool:
        """Whether some of it may have reached the upstream."""
        return self._started

    @property
    def repeatable(self) -> bool:
        """Whether asking twice does no harm, and nothing of the request is gone."""
        return self._framing is NOTHING and self.request.method in _SAFE

    def asks(self, name: bytes, token: bytes | None = None) -> bool:
        """Whether the request has a field ``name``, holding ``token`` unless that is ``None``."""
        found = tokens(self.request.fields, name)
        return bool(found) if token is None else token in found

    def upgrade(self) -> None:
        """The connection is the caller's own now, both ways."""
        self._framing = RAW
        self.ended = False

    def complete(self, trailers: Fields) -> None:
        """The answer is complete, and so is the call."""
        self._leave()
        self.sink.end(trailers)

    def fail(self, code: ErrorCode, detail: str) -> None:
        """The call ends without a complete answer."""
        self._leave()
        self.sink.failed(code, detail)

    def _leave(self) -> Carrier:
        carrier, self._carrier = self._carrier, _OVER
        self._framing = RAW  # which never complains of what the caller sends until it hears of the end
        return carrier
