"""From bytes to what a call's sink hears: the reading side of a connection, without the connection."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from slime.agent.upstream.call import UpstreamCall
from slime.errors import BadMessage, ErrorCode
from slime.http.head import HeadLimits, ResponseHead, persists, read_response_head
from slime.http.parser import Data, EndOfMessage, ResponseParser

__all__ = ["AnswerReader", "Heads", "Outcome", "Upgraded"]

#: Heads that are remembered, and bytes of the longest of them: an upstream that is asked often answers in the same
#: words until its ``Date`` changes.
REMEMBERED = 64
LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The upstream switched protocols; ``rest`` is what it has said in the new one."""

    head: ResponseHead
    rest: bytes


#: What a read has come to: nothing yet, the answer's end, or the end of HTTP.
Outcome = EndOfMessage | Upgraded | None

_END = EndOfMessage([])


@dataclass(frozen=True, slots=True)
class Known:
    """A head that has been read, what it says of the body, and whether the connection may be used again."""

    head: ResponseHead
    length: int | None
    persists: bool


class Heads:
    """Reads the heads of one upstream's answers; those that come again are read once."""

    __slots__ = ("known", "limits")

    def __init__(self, limits: HeadLimits) -> None:
        self.limits = limits
        self.known = lru_cache(REMEMBERED)(self._read)

    def _read(self, block: bytes, method: bytes) -> Known:
        head, length = read_response_head(block, self.limits, method)
        return Known(head, length, persists(head))


class AnswerReader:
    """Reads the answers of one connection, one after the other.

    Body and heads go to the sink as they are met; what decides the connection's future is returned.
    """

    __slots__ = ("_call", "_heads", "_method", "_parser", "_persists", "_untouched")

    def __init__(self, heads: Heads) -> None:
        self._heads = heads
        self._parser = ResponseParser(heads.limits)
        self._call: UpstreamCall | None = None
        self._method = b""
        self._untouched = False
        self._persists = False

    @property
    def reusable(self) -> bool:
        """Whether, behind a complete answer, another request may follow."""
        return self._persists if self._untouched else self._parser.keep_alive

    def begin(self, call: UpstreamCall) -> None:
        """Expect the answer to ``call``."""
        self._call = call
        self._method = call.request.method
        self._untouched = True
        self._persists = False

    def stop(self) -> None:
        """The call was left; its sink must hear nothing more, even of what was read with the last bytes."""
        self._call = None

    def read(self, data: bytes) -> Outcome:
        """Take in what the socket gave.

        :raises BadMessage: the upstream does not speak HTTP as it should.
        """
        if self._untouched:
            if self._read_whole(data):
                return _END
            self._hand_over()
        self._parser.feed(data)
        return self._deliver()

    def read_eof(self) -> Outcome:
        """Take in the connection's orderly end, which can be the end of an answer that has begun.

        :raises BadMessage: more was to come.
        """
        self._parser.feed_eof()
        return self._deliver()

    def _read_whole(self, data: bytes) -> bool:
        """Read an answer that is all there, and is all that is there, as most small ones are; says whether it was."""
        call = self._call
        end = data.find(b"\r\n\r\n", 0, LONGEST)
        if call is None or end < 0:
            return False
        known = self._heads.known(data[: end + 2], self._method)
        size = len(data) - end - 4
        if known.length != size or known.head.status < 200:
            return False
        self._persists = known.persists
        call.sink.head(known.head, size)
        if size and self._call is not None:
            call.sink.data(data[end + 4 :])
        return True

    def _hand_over(self) -> None:
        """From here on it is the parser's."""
        self._untouched = False
        # Whether an upgrade was asked for is looked up when one comes, which is hardly ever.
        self._parser.start(self._method, upgrade=True)

    def _deliver(self) -> Outcome:
        next_event = self._parser.next_event
        while (call := self._call) is not None:
            event = next_event()
            if type(event) is Data:
                call.sink.data(event.data)
            elif type(event) is ResponseHead:
                if event.status == 101:
                    return self._upgraded(call, event)
                self._pass_head_on(call, event)
            else:
                return event if type(event) is EndOfMessage else None
        return None

    def _pass_head_on(self, call: UpstreamCall, head: ResponseHead) -> None:
        if head.status >= 200:
            length = self._parser.body_length
            call.sink.head(head, None if length is None or length < 0 else length)
        elif head.status != 100 or call.asks(b"expect", b"100-continue"):
            call.sink.interim(head)

    def _upgraded(self, call: UpstreamCall, head: ResponseHead) -> Upgraded:
        if not call.asks(b"upgrade"):
            raise BadMessage(ErrorCode.UPSTREAM_BROKE, "it switched protocols without being asked to")
        return Upgraded(head, self._parser.detach())
