"""One application request, from the end of its head to the last byte of its answer.

An exchange stands between the request (what the application sees), the pool (who gives it a slot) and a link (where
its stream runs). It keeps these promises:

* the answer's bytes go out as they came, in the turn of the reactor in which they came;
* what cannot be completed is cut off, never ended cleanly;
* a request is given to a second agent only when it certainly has not run, or is safe to repeat.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

from slime.errors import BadMessage, ErrorCode
from slime.http.forwarding import added_fields
from slime.http.head import Fields, rest_of_head
from slime.hub.answers import Trouble
from slime.hub.heads import answer_start
from slime.hub.seats import Ticket, scope_path
from slime.hub.terms import ExchangePolicy, Wishes

if TYPE_CHECKING:
    from slime.http.upgrade import Upgrade
    from slime.hub.laggards import Laggards
    from slime.hub.request import StreamedRequest
    from slime.tunnel.frames import Head

__all__ = ["Exchange", "ExchangePolicy", "Stage", "Started", "StreamLink", "Wishes", "out_of_time"]

IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})
QUEUED_HIGH = 128 * 1024
#: Bytes of a body, at least, after which the rest waits at the application until its request has begun. All of it is
#: kept until then. An agent with the usual window takes less.
UNSTARTED_BODY = 512 * 1024


class Started(Enum):
    """Has an upstream begun to work on the request?"""

    NO = "no"
    UNKNOWN = "unknown"
    YES = "yes"

    def or_before(self, before: Started) -> Started:
        """Has one, after what is known of it at other agents before?"""
        return self if self is Started.YES or before is Started.NO else before

    @property
    def field(self) -> Fields:
        """What the application is told of it."""
        return [(b"Slime-Started", self.value.encode("ascii"))]


class Stage(Enum):
    """Where an exchange is."""

    WAITING = auto()
    RUNNING = auto()
    ANSWERING = auto()
    OVER = auto()


# A member of an enumeration is looked up slowly, and these for every request or piece of one.
_WAITING, _RUNNING, _ANSWERING, _OVER = Stage
_NOT_STARTED, _STARTED = Started.NO, Started.YES


class StreamLink(Protocol):
    """What an exchange needs of an agent's link.

    :ivar key: whose it is.
    """

    key: str
    agent_id: str
    agent_name: str

    def open(self, exchange: Exchange, ahead: bool) -> int:
        """Start a stream for the exchange (its ``forward_head`` and ``length``); events go to the exchange."""

    def revoke(self, stream_id: int) -> None:
        """Ask the agent for a stream that has not begun."""

    def send_body(self, stream_id: int, data: bytes) -> int:
        """Queue request body; returns the bytes that wait for credit or socket."""

    def end_body(self, stream_id: int, trailers: Fields) -> None:
        """The request body is complete."""

    def reset(self, stream_id: int, code: ErrorCode) -> None:
        """Give the stream up; the slot is free when the agent has confirmed."""

    def consumed(self, stream_id: int, size: int) -> None:
        """So many bytes of the answer are out; the agent may send as many more."""

    def was_flushed(self, stream_id: int) -> bool:
        """Has the stream's OPEN left this process?"""


class ExchangeKeeper(Protocol):
    """What an exchange needs of the pool."""

    policy: ExchangePolicy
    laggards: Laggards

    def withdraw(self, exchange: Exchange) -> None:
        """The exchange wants no slot any more."""

    def give_elsewhere(self, exchange: Exchange) -> bool:
        """Let it wait in its old place, before all that came later; ``False`` when nobody connected could serve it."""

    def started(self, exchange: Exchange) -> None:
        """Its upstream call has begun."""

    def answering(self, exchange: Exchange) -> None:
        """Its answer has begun."""

    def finished(self, exchange: Exchange) -> None:
        """The application has its answer, or is gone."""


class Exchange:
    """See the module's text. Made by the gateway; the pool and a link call the rest.

    :ivar request_id: unique among this hub's requests.
    :ivar forward_head: the head for the agent, as canonical text.
    :ivar length: bytes of request body; ``None`` when chunked.
    :ivar outcome: how it ended, for the access log: ``ok``, an error's slug, or ``left``.
    :ivar agent_name: the agent that had it last, and ``agent_key`` which one of that name it is.
    :ivar requeues: how often it was given to another agent because one lost or refused it.
    :ivar returns: how often an agent gave it back because it was asked to.
    :ivar stage: where it is.
    :ivar waited: seconds of its patience spent before it had to wait anew; ``seated_at`` is when its wait was over.
    :ivar too_late: its patience is over, and the agent that it waits at has been asked for it.
    :ivar answered_at: when the answer's head came, by the pool's clock, as all moments here; 0 means not yet.
    :ivar upgrade: what it asks to switch to, and ``switched`` whether it has; see :mod:`slime.hub.passage`.
    """

    upgrade: Upgrade | None = None
    switched = too_late = False
    forward_head = b""
    link: StreamLink | None = None
    started = begun_before = _NOT_STARTED
    outcome = agent_name = agent_key = ""
    status = requeues = returns = bytes_in = 0
    queued_at = requeued_at = seated_at = assigned_at = started_at = answered_at = finished_at = waited = 0.0
    stage = _WAITING
    _trailers: Fields | None = None
    _stream_id = _unread = 0

    def __init__(self, request: StreamedRequest, keeper: ExchangeKeeper, request_id: bytes, wishes: Wishes) -> None:
        self.request, self.request_id = request, request_id
        self.wishes = wishes
        self.length = request.body_length
        self.ticket = Ticket(self, wishes.scope, scope_path(request.path))
        self._keeper, self._policy = keeper, keeper.policy
        self._kept: list[bytes] | None = []

    @property
    def over(self) -> bool:
        """Has the application its answer, or left?"""
        return self.stage is _OVER

    @property
    def told(self) -> Fields:
        """What the application is told of whether its request has begun, anywhere."""
        return self.started.or_before(self.begun_before).field

    # -- from the application -------------------------------------------------------------------------------------

    def body_received(self, data: bytes) -> None:
        """Some of the request's body."""
        self.bytes_in += len(data)
        if self._policy.max_body and self.bytes_in > self._policy.max_body:
            self.body_failed(BadMessage(ErrorCode.BODY_TOO_LARGE, "see the hub's --max-body"))
            return
        if self._kept is not None:
            self._kept.append(data)
        if self.stage is not _WAITING:
            self._send_body(data)
        elif self.bytes_in >= self._policy.replay_body:
            self.request.pause_body()

    def _send_body(self, data: bytes) -> None:
        link = self.link
        if link is not None and link.send_body(self._stream_id, data) > QUEUED_HIGH:
            self.request.pause_body()
        if self._kept is not None:
            self._trim_kept()
            if self._awaits_start():
                self.request.pause_body()

    def body_finished(self, trailers: Fields) -> None:
        """The request's body is complete."""
        self._trailers = trailers
        if self.link is not None and self.length != 0:
            self.link.end_body(self._stream_id, trailers)

    def body_failed(self, error: BadMessage) -> None:
        """The request's body will never be complete: nothing of it may look complete to the upstream."""
        self.fail(Trouble(error.code, error.detail))

    def left(self) -> None:
        """The application is gone: so is the need for a slot, a place in the queue or the upstream's work."""
        if self.stage is not _OVER:
            self._let_go(ErrorCode.CANCELLED)
            self._finish("left")

    def drained(self) -> None:
        """The application has read everything: the agent may send more."""
        unread, self._unread = self._unread, 0
        if unread and self.link is not None:
            self.link.consumed(self._stream_id, unread)

    # -- from the pool --------------------------------------------------------------------------------------------

    def assign(self, link: StreamLink, ahead: bool = False) -> None:
        """This agent is to have it, in a slot or ``ahead`` of one. What is here of the body goes with the head."""
        self.link = link
        self.agent_name, self.agent_key = link.agent_name, link.key
        self.stage = _RUNNING
        self._stream_id = link.open(self, ahead)
        if self.length != 0:
            self._send_what_is_here(link)

    def _send_what_is_here(self, link: StreamLink) -> None:
        waiting = 0
        if self._kept:
            for data in self._kept:
                waiting = link.send_body(self._stream_id, data)
        if self._trailers is not None:
            link.end_body(self._stream_id, self._trailers)
        if waiting <= QUEUED_HIGH and not self._awaits_start():
            self.request.resume_body()

    def revoke(self) -> None:
        """Another agent could begin sooner, or time is up: the link answers with :meth:`revoked`, or it has begun."""
        if self.link is not None:
            self.link.revoke(self._stream_id)

    def fail(self, trouble: Trouble) -> None:
        """End the exchange with an error of the hub's own; an answer that has begun is cut off instead."""
        if self.over:
            return
        self._let_go(ErrorCode.CANCELLED)
        self.status = self.status or trouble.code.status
        self.stage = _OVER
        self.request.fail(trouble, self.request_id)
        self._finish(trouble.code.slug)

    # -- from the link --------------------------------------------------------------------------------------------

    def upstream_started(self) -> None:
        """The agent has begun the upstream call: from now on the request may have had an effect."""
        self.started, self.too_late = _STARTED, False
        if self._kept:
            self._trim_kept()
        self._keeper.started(self)
        if self.bytes_in >= UNSTARTED_BODY:
            self.request.resume_body()

    def response_head(self, frame: Head) -> None:
        """The upstream answered; checked again here, because the agent is not trusted.

        :raises RemoteProtocolError: the head is not what an agent may send.
        """
        start = answer_start(frame, self.request.method)
        if self.stage is _OVER:
            return
        if frame.interim:
            self.request.answer_interim(start.text + rest_of_head(self._added()))
            return
        self.stage = _ANSWERING
        self._keeper.answering(self)
        self._kept = None
        self.status = start.status
        self.request.answer_start(start, self._added(), frame.length)

    def _added(self) -> Fields:
        link = self.link
        agent_id, agent_name = (link.agent_id, link.agent_name) if link is not None else ("", "")
        return added_fields(agent_id, agent_name, self.request_id)

    def response_data(self, data: bytes) -> None:
        """Some of the answer's body."""
        if self.stage is _OVER:
            return
        request = self.request
        if request.answer_data(data) and (self.switched or not request.spool(len(data))):
            self._unread += len(data)
            self._keeper.laggards.watch(self)
        elif self.link is not None:
            self.link.consumed(self._stream_id, len(data))

    def response_end(self, trailers: Fields) -> None:
        """The answer is complete, and the slot is free."""
        self.link = None
        if self.stage is not _OVER:
            self.stage = _OVER
            self.request.answer_end(trailers)
            self._finish("ok")

    def stream_reset(self, code: ErrorCode, detail: str) -> None:
        """The agent gave the stream up (or confirms that we did); the slot is free."""
        self.link = None
        if not self.over:
            if code.status < 502:
                code = ErrorCode.UPSTREAM_BROKE
            self.fail(Trouble(code, detail, self.told))

    def refused(self) -> None:
        """The agent has no slot for the request after all, as it drains; another agent may have one."""
        self.link = None
        if not self.over:
            self._try_elsewhere(Trouble(ErrorCode.ALL_BUSY, "", self.told))

    def revoked(self) -> None:
        """The agent gave the request back, as it was asked to: no fault of anybody's."""
        self.link = None
        self.returns += 1
        if not self.over:
            self._try_elsewhere(Trouble(ErrorCode.AGENT_LOST, "", self.told), counts=0)

    def link_lost(self) -> None:
        """The agent is gone, in the middle of this exchange."""
        link, self.link = self.link, None
        if self.over or link is None:
            return
        if self.stage is _ANSWERING:
            self.stage = _OVER
            self.request.answer_abort()
            self._finish(ErrorCode.AGENT_LOST.slug)
            return
        if self.started is _NOT_STARTED and link.was_flushed(self._stream_id):
            self.started = Started.UNKNOWN
        trouble = Trouble(ErrorCode.AGENT_LOST, "", self.told)
        harmless = self.wishes.retry or self.request.method in IDEMPOTENT
        may_run = self.started is _NOT_STARTED or (harmless and self.bytes_in <= self._policy.replay_body)
        if may_run or self.too_late:
            self._try_elsewhere(trouble)
        else:
            self.fail(trouble)

    def writable(self) -> None:
        """The link has sent most of what waited: the application may go on uploading."""
        if not self._awaits_start():
            self.request.resume_body()

    # -- inside ---------------------------------------------------------------------------------------------------

    def _trim_kept(self) -> None:
        """Until it has begun the request may have to go to another agent, and that is nobody's fault."""
        if self.started is not _NOT_STARTED and self.bytes_in > self._policy.replay_body:
            self._kept = None

    def _awaits_start(self) -> bool:
        """Has so much of the body come that no more may, until it has begun? An agent's window may be larger."""
        unstarted = self.started is _NOT_STARTED and self._kept is not None
        return unstarted and self.bytes_in >= max(self._policy.replay_body, UNSTARTED_BODY)

    def _try_elsewhere(self, trouble: Trouble, counts: int = 1) -> None:
        if self.too_late or self._kept is None or self.requeues + counts > self._policy.max_requeues:
            self.fail(out_of_time(self) if self.too_late else trouble)
            return
        self.requeues += counts
        self.stage = _WAITING
        self.started, self.begun_before = _NOT_STARTED, self.started.or_before(self.begun_before)
        if not self._keeper.give_elsewhere(self):
            self.fail(trouble)

    def _let_go(self, code: ErrorCode) -> None:
        if self.stage is _WAITING:
            self._keeper.withdraw(self)
        elif self.link is not None:
            self.link.reset(self._stream_id, code)

    def _finish(self, outcome: str) -> None:
        if not self.outcome:
            self.outcome = outcome
            self.stage = _OVER
            self._kept = None
            self._keeper.finished(self)


def out_of_time(exchange: Exchange, detail: str = "") -> Trouble:
    """It got no slot in the time it had. Who did not ask to wait may come again, unless the request may have begun."""
    told = exchange.told
    refused = not exchange.wishes.block and told == _NOT_STARTED.field
    return Trouble(ErrorCode.ALL_BUSY if refused else ErrorCode.QUEUE_TIMEOUT, detail, told)
