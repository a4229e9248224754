"""What becomes of requests at the upstream: a worker for each, and the workshop they work in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from twisted.logger import Logger

from slime.agent.heads import RequestHeads, passed_on
from slime.agent.health import Health
from slime.agent.slots import Place, Slots
from slime.agent.upstream.call import UpstreamCall
from slime.agent.upstream.client import UpstreamClient
from slime.errors import BadMessage, ErrorCode
from slime.http.body import are_trailers
from slime.http.fields import Fields
from slime.http.head import HeadLimits, RequestHead, ResponseHead
from slime.http.trace import in_brackets
from slime.tunnel import Capacity, Data, End, Frame, Head, Open, Refused, Reset, Revoked, Started

__all__ = ["Bounds", "Worker", "WorkerLink", "Workshop"]

#: Bytes of an answer that may wait for the hub's credit before the upstream is paused.
HIGH_WATER = 256 * 1024


class WorkerLink(Protocol):
    """What a worker needs of its link."""

    def send(self, frame: Frame) -> None:
        """Queue a frame; it leaves when the turn ends."""

    def send_at_leisure(self, frame: Frame) -> None:
        """Queue a frame; it leaves within milliseconds."""

    def break_off(self, frame: Reset) -> None:
        """Queue the stream's last frame, behind what waits of the answer."""

    def consumed(self, stream_id: int, amount: int) -> None:
        """Body bytes of the request have gone to the upstream."""

    def queued(self, stream_id: int) -> int:
        """Bytes of the answer that wait."""

    def forget(self, stream_id: int) -> None:
        """The stream has no worker any more."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a workshop takes on.

    :ivar slots: requests it runs at a time.
    :ivar ahead: requests that may wait for a slot here.
    :ivar head: what a request's head may be.
    """

    slots: int
    ahead: int
    head: HeadLimits


class Workshop:
    """All requests at one upstream, whatever link they came by.

    :ivar client: the upstream's client.
    :ivar bounds: how much it takes on.
    :ivar requests: makes requests for it.
    :ivar draining: nothing new is taken.
    :ivar health: how well the upstream is.
    :ivar hubs: the links that requests come by: more than one while one hub takes over from another. Then each may
        think a slot free that the other has just filled, so that what would be refused may wait.
    """

    _log = Logger()

    def __init__(self, client: UpstreamClient, bounds: Bounds, health: Health) -> None:
        self.health = health
        health.changed = self._health_changed
        self.client = client
        self.bounds = bounds
        self.requests = RequestHeads(bounds.head, client.target.address)
        self.draining = False
        self.hubs: set[WorkerLink] = set()
        self._slots: Slots[Worker] = Slots(bounds.slots, bounds.ahead)
        self._trouble: ErrorCode | None = None

    def admit(self, worker: Worker, ahead: bool) -> None:
        """Start the worker, let it wait if it was sent ``ahead``, or refuse it."""
        if self.draining:
            worker.refuse(ErrorCode.DRAINING)
            return
        place = self._slots.offer(worker, ahead or len(self.hubs) > 1)
        if place is Place.RUNNING:
            self._run(worker)
        elif place is Place.NONE:
            worker.refuse(ErrorCode.ALL_BUSY)

    def withdraw(self, worker: Worker) -> bool:
        """Take back a worker that has not begun; says whether it had not."""
        return self._slots.withdraw(worker)

    def done(self) -> None:
        """A worker that had begun is done: the next one begins."""
        self._run(self._slots.free())

    def _run(self, worker: Worker | None) -> None:
        while worker is not None and not self._begun(worker):
            worker = self._slots.free()

    def _begun(self, worker: Worker) -> bool:
        try:
            return worker.begin()
        except Exception:
            # A mistake of ours must not cost a slot, nor the link and all that runs on it.
            self._log.failure("a request could not be begun at upstream {upstream}", upstream=self.client.target.label)
            return worker.stumbled()

    def drain(self) -> None:
        """Take nothing new, and give back what waits."""
        self.draining = True
        self._give_back(ErrorCode.DRAINING)

    def _give_back(self, code: ErrorCode) -> None:
        for worker in self._slots.dismiss():
            worker.refuse(code)

    def _health_changed(self) -> None:
        if self.draining:
            return
        capacity = self.health.capacity
        for hub in self.hubs:
            hub.send(Capacity(capacity))
        if not capacity:
            self._give_back(ErrorCode.ALL_BUSY)

    def failed(self, code: ErrorCode, detail: str, request: RequestHead | None = None) -> None:
        """The upstream failed a request. Logged when it begins to, not for every request."""
        self.health.failed(code, detail)
        if self._trouble is not code:
            self._trouble = code
            self._log.warn(
                "upstream {upstream}: {code}: {detail}{which}",
                upstream=self.client.target.label, code=code.slug, detail=detail,
                which=in_brackets(request.fields if request is not None else []),
            )  # fmt: skip

    def answered(self, status: int, began: float) -> None:
        """The upstream answered a request."""
        self.health.answered(status, began)
        if self._trouble is not None:
            self._trouble = None
            self._log.info("upstream {upstream} answers again", upstream=self.client.target.label)


class Worker:
    """One request, from OPEN to its last frame: between a stream of a link and a call at the upstream.

    The link calls what is named after frames, the workshop :meth:`begin` and :meth:`refuse`; the rest is told
    by the call, whose :class:`~slime.agent.upstream.call.ResponseSink` this is.
    """

    __slots__ = (
        "_began", "_call", "_early", "_full", "_head", "_held", "_length", "_link", "_method", "_over",
        "_paused", "_shop", "_stream_id", "_whole",
    )  # fmt: skip

    _log = Logger()

    def __init__(self, shop: Workshop, link: WorkerLink, frame: Open) -> None:
        self._shop = shop
        self._link = link
        self._stream_id = frame.stream_id
        self._head = frame.head
        self._length = frame.length
        self._over = False
        self._method = b""
        self._began = 0.0
        self._call: UpstreamCall | None = None
        self._early: list[Data | End] = []
        self._held = 0
        self._full = self._paused = self._whole = False

    # What the hub says.

    def body(self, frame: Data) -> None:
        """Body bytes of the request."""
        if self._call is None:
            self._early.append(frame)
            return
        self._call.write(frame.data)
        if self._full:
            self._held += len(frame.data)
        else:
            self._link.consumed(self._stream_id, len(frame.data))

    def body_ended(self, frame: End) -> None:
        """The request is complete."""
        if self._call is None:
            self._early.append(frame)
        elif frame.trailers and not are_trailers(frame.trailers):
            self.abandon()
            self._reset(ErrorCode.BAD_REQUEST, "trailers that cannot be")
        else:
            self._call.end(frame.trailers)

    def revoke(self) -> None:
        """The hub wants the request back, and gets it unless it has begun."""
        call = self._call
        if self._shop.withdraw(self):
            self._leave()
            self._link.send(Revoked(self._stream_id))
        elif call is not None and not call.has_begun:
            self._leave()
            call.abort()
            self._link.send(Revoked(self._stream_id))
            self._shop.done()

    def abandon(self) -> None:
        """The hub has given the request up, or is gone: whatever runs ends now, and nobody is told."""
        self._leave()
        if self._call is None:
            self._shop.withdraw(self)
        else:
            self._call.abort()
            self._shop.done()

    def resume(self) -> None:
        """Little of the answer waits now."""
        if self._paused and self._call is not None:
            self._paused = False
            self._call.resume()

    # What the workshop says.

    def refuse(self, code: ErrorCode) -> None:
        """There is no slot for this."""
        self._leave()
        self._link.send(Refused(self._stream_id, code))

    def begin(self) -> bool:
        """There is a slot: ask the upstream. Returns whether the slot is in use."""
        try:
            request = self._request()
        except BadMessage as error:
            self._fail(error.code, error.detail)
            return False
        self._method = request.method
        self._began = self._shop.health.now()
        call = self._shop.client.start(request, self._length, self)
        if self._over:
            return False
        self._call = call
        for frame in self._early:
            self.body(frame) if isinstance(frame, Data) else self.body_ended(frame)
        self._early.clear()
        return True

    def stumbled(self) -> bool:
        """Something other than the request was wrong when it began. Returns whether its slot is seen to already."""
        if self._over:
            return self._call is not None
        self._leave()
        if self._call is not None:
            self._call.abort()
        self._reset(ErrorCode.INTERNAL, "the agent could not begin it")
        return False

    def _request(self) -> RequestHead:
        text, self._head = self._head, b""
        return self._rewritten(text)

    def _rewritten(self, text: bytes) -> RequestHead:
        return self._shop.requests.rewritten(text)

    # What the call says.

    def started(self) -> None:
        """From here on the request may have had effects. An answer that comes at once takes this with it."""
        self._link.send_at_leisure(Started(self._stream_id))

    def interim(self, head: ResponseHead) -> None:
        """A 1xx answer."""
        self._link.send(Head(self._stream_id, passed_on(head, self._method), None, interim=True))

    def head(self, head: ResponseHead, length: int | None) -> None:
        """The answer begins; with nothing to follow, this frame is its end as well."""
        self._whole = length == 0
        self._shop.answered(head.status, self._began)
        self._link.send(Head(self._stream_id, passed_on(head, self._method), length))

    def data(self, data: bytes) -> None:
        """Body bytes of the answer, under way in this turn unless the hub's credit is used up."""
        link, stream_id = self._link, self._stream_id
        link.send(Data(stream_id, data))
        if not self._paused and self._call is not None and link.queued(stream_id) > HIGH_WATER:
            self._paused = True
            self._call.pause()

    def end(self, trailers: Fields) -> None:
        """The answer is complete."""
        if not self._whole:
            self._link.send(End(self._stream_id, trailers))
        self._leave()
        self._shop.done()

    def failed(self, code: ErrorCode, detail: str) -> None:
        """There is no answer, or no more of it."""
        self._shop.failed(code, detail, self._call.request if self._call is not None else None)
        self._fail(code, detail)

    def pause_request(self) -> None:
        """The upstream does not take the request as fast as it comes."""
        self._full = True

    def resume_request(self) -> None:
        """It has taken what there was."""
        self._full = False
        held, self._held = self._held, 0
        if held:
            self._link.consumed(self._stream_id, held)

    # How it ends.

    def _fail(self, code: ErrorCode, detail: str) -> None:
        # What the upstream said before it failed is the application's, however little it is.
        self._link.break_off(Reset(self._stream_id, code, detail))
        self._leave()
        if self._call is not None:
            self._shop.done()

    def _reset(self, code: ErrorCode, detail: str) -> None:
        self._link.send(Reset(self._stream_id, code, detail))

    def _leave(self) -> None:
        self._over = True
        self._link.forget(self._stream_id)
