"""One connection to an upstream, and the calls it carries one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto
from functools import partial
from typing import Protocol

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from slime.agent.upstream.answer import AnswerReader, Heads, Outcome, Upgraded
from slime.agent.upstream.call import UpstreamCall
from slime.agent.upstream.lastwords import LastWords
from slime.agent.upstream.wire import Wire
from slime.direct import Cork, Corks, DirectWriter
from slime.errors import BadMessage, ErrorCode
from slime.http.parser import EndOfMessage

__all__ = ["CLOSE_TIMEOUT", "Keeper", "Patience", "UpstreamConnection"]

#: Seconds an orderly close may take before it is forced.
CLOSE_TIMEOUT = 2.0

CUT_SHORT = "the connection was lost before the answer's end"
DEAF = "it closed the connection while it was still talked to"


class Phase(Enum):
    """What a connection is doing."""

    IDLE = auto()
    #: The request is on its way and nothing has come back.
    ASKED = auto()
    ANSWERING = auto()
    #: Upgraded: raw bytes both ways (RFC 9110 section 7.8).
    PASSAGE = auto()
    #: Upgraded, and the upstream has closed its half.
    FAREWELL = auto()
    CLOSING = auto()
    LOST = auto()


class Patience(Protocol):
    """How long an upstream is waited for, in seconds; 0 for as long as it takes."""

    @property
    def first_byte_timeout(self) -> float:
        """From the request's end to the answer's first byte."""

    @property
    def stall_timeout(self) -> float:
        """Between two reads of an answer, or for what was sent to be taken."""


class Keeper(Protocol):
    """Who owns a connection.

    :ivar corks: of all its connections.
    """

    corks: Corks

    def rest(self, connection: UpstreamConnection) -> None:
        """It is free for another request."""

    def lost(self, connection: UpstreamConnection) -> None:
        """It is gone."""

    def ask_again(self, call: UpstreamCall) -> None:
        """It was closed just as ``call`` was asked, which may be asked once more elsewhere."""


class StallWatch:
    """Notices that nothing has moved for long.

    It is looked at in passing rather than timed, so that a request costs no timer and not even a look at the
    clock: a limit of T seconds strikes between T and T plus two rounds.
    """

    __slots__ = ("_since", "moved")

    def __init__(self) -> None:
        self.moved = True
        self._since = 0.0

    def strikes(self, now: float, limit: float) -> bool:
        """Whether nothing has moved for ``limit`` seconds; 0 is no limit."""
        if self.moved or not limit:
            self.moved = False
            self._since = now
        return 0 < limit <= now - self._since


@implementer(IHalfCloseableProtocol, IPushProducer)
class UpstreamConnection(Wire):
    """The client's end of one connection."""

    def __init__(self, keeper: Keeper, patience: Patience, heads: Heads) -> None:
        super().__init__()
        self._keeper = keeper
        self._patience = patience
        self._reader = AnswerReader(heads)
        self._watch = StallWatch()
        self._phase = Phase.IDLE
        self._call: UpstreamCall | None = None
        self._used = False
        self._full = False

    def connectionMade(self) -> None:
        super().connectionMade()
        self._cork = Cork(self._keeper.corks, self.direct.write)

    # What the caller does.

    def is_fresh(self) -> bool:
        """Whether a request may be sent."""
        return self._phase is Phase.IDLE and self.is_silent()

    def begin(self, call: UpstreamCall, waiting: Sequence[bytes] = ()) -> None:
        """Send a call's opening, and what of its body has come ``waiting`` already."""
        self._call = call
        self._phase = Phase.ASKED
        self._watch.moved = True
        self._reader.begin(call)
        if call.paused:
            self.transport.pauseProducing()
        call.carry(self)
        if call.ended and not waiting:
            self.direct.write(call.opening)
        else:
            self._cork.write(b"".join((call.opening, *waiting)))
        call.begun()
        if waiting and not self._full:
            call.release()

    def send(self, pieces: Sequence[bytes]) -> None:
        self._cork.write(b"".join(pieces))

    def request_ended(self) -> None:
        self._watch.moved = True
        if self._phase is Phase.PASSAGE:
            self._cork.pull()
            self.half_close()
        elif self._phase is Phase.FAREWELL:
            self._let_go()
            self.close()

    def pause_answer(self) -> None:
        self.transport.pauseProducing()

    def resume_answer(self) -> None:
        self._watch.moved = True
        self.transport.resumeProducing()

    def pauseProducing(self) -> None:
        self._full = self._watch.moved = True
        if self._call is not None:
            self._call.hold()

    def resumeProducing(self) -> None:
        self._full = False
        if self._call is not None:
            self._call.release()

    # What the upstream does.

    def dataReceived(self, data: bytes) -> None:
        self._watch.moved = True
        if self._phase is Phase.ASKED:
            self._phase = Phase.ANSWERING
        if self._phase is Phase.ANSWERING:
            self._take_in(partial(self._reader.read, data))
        elif self._call is not None:
            self._call.sink.data(data)
        else:
            self.drop()

    def _take_in(self, read: Callable[[], Outcome]) -> None:
        try:
            outcome = read()
        except BadMessage as error:
            self._break(ErrorCode.UPSTREAM_BROKE, error.detail)
            return
        call = self._call
        if call is None or outcome is None:
            return
        if isinstance(outcome, Upgraded):
            self._open_passage(call, outcome)
        else:
            self._complete(call, outcome)

    def _complete(self, call: UpstreamCall, end: EndOfMessage) -> None:
        """The connection rests before the sink hears of the end, so that its next request finds it."""
        self._let_go()
        if not call.ended or self._full:
            self.drop()
        elif self._reader.reusable:
            self._rest(call)
        else:
            self.close()
        call.complete(end.trailers)

    def _rest(self, call: UpstreamCall) -> None:
        self._phase = Phase.IDLE
        self._used = True
        if call.paused:
            self.transport.resumeProducing()
        self._keeper.rest(self)

    def _open_passage(self, call: UpstreamCall, upgraded: Upgraded) -> None:
        self._phase = Phase.PASSAGE
        LastWords(self, self._is_heard).listen()
        self.direct = DirectWriter(self.transport)
        self._cork.turn_to(self.direct.write)
        call.upgrade()
        call.sink.head(upgraded.head, None)
        if upgraded.rest and self._call is not None:
            call.sink.data(upgraded.rest)

    def _is_heard(self) -> bool:
        return self._phase is Phase.PASSAGE and self._call is not None

    def readConnectionLost(self) -> None:
        """The upstream closed its half: in a passage a goodbye, else all there is."""
        call = self._call
        if call is None:
            self.close()
        elif self._phase is Phase.PASSAGE:
            self._hear_farewell(call)
        else:
            self._cut(call, self._phase, orderly=True)
            self.close()

    def _hear_farewell(self, call: UpstreamCall) -> None:
        self._phase = Phase.FAREWELL
        if call.ended:
            self._let_go()
            self.close()
        call.sink.end([])

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        phase, self._phase = self._phase, Phase.LOST
        super().connectionLost(reason)
        self._keeper.lost(self)
        if self._call is not None:
            self._cut(self._call, phase, orderly=reason.check(ConnectionDone) is not None)

    def _cut(self, call: UpstreamCall, phase: Phase, *, orderly: bool) -> None:
        """What is under way ends here, well or badly."""
        if phase is Phase.ANSWERING and orderly:
            self._take_in(self._reader.read_eof)
            return
        self._let_go()
        if phase is Phase.ASKED and self._used and call.repeatable and not self.direct.is_taken():
            self._keeper.ask_again(call)
        elif phase is Phase.PASSAGE and orderly:
            self._hear_last(call)
        else:
            call.fail(ErrorCode.UPSTREAM_BROKE, DEAF if phase is Phase.FAREWELL else CUT_SHORT)

    def _hear_last(self, call: UpstreamCall) -> None:
        """The upstream closed both halves at once, as TLS does."""
        ended = call.ended
        call.complete([])
        if not ended:
            call.sink.failed(ErrorCode.NO_ERROR, "the upstream closed the connection")

    def close(self) -> None:
        """Close in an orderly way: within :data:`CLOSE_TIMEOUT`, or by force."""
        if self._phase not in (Phase.CLOSING, Phase.LOST):
            self._phase = Phase.CLOSING
            self._watch.moved = True
            self._cork.pull()
            self.hang_up()

    def drop(self) -> None:
        """Close at once, without a word to the call."""
        self._let_go()
        self._cork.drop()
        if self._phase is not Phase.LOST:
            self._phase = Phase.CLOSING
            self.transport.abortConnection()

    def _break(self, code: ErrorCode, detail: str) -> None:
        call = self._let_go()
        self.drop()
        if call is not None:
            call.fail(code, detail)

    def _let_go(self) -> UpstreamCall | None:
        call, self._call = self._call, None
        self._reader.stop()
        return call

    def check(self, now: float) -> None:
        """Called now and then: ends what the upstream lets wait for too long, or has given up."""
        if self._phase is Phase.FAREWELL and self.is_reset():
            self._break(ErrorCode.UPSTREAM_BROKE, DEAF)
        elif self._watch.strikes(now, self._limit()):
            self._break(ErrorCode.UPSTREAM_TIMEOUT, "the upstream took too long")

    def _limit(self) -> float:
        """Seconds the upstream may take for what it has to do next; 0 when it is not its turn."""
        if self._phase is Phase.CLOSING:
            return CLOSE_TIMEOUT
        call = self._call
        if call is None or call.paused or self._phase in (Phase.PASSAGE, Phase.FAREWELL):
            return 0.0
        if self._full:
            return self._patience.stall_timeout
        if not call.ended:
            return 0.0
        patience = self._patience
        return patience.first_byte_timeout if self._phase is Phase.ASKED else patience.stall_timeout
