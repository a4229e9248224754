"""From bytes to what a call's sink hears: the reading side of a connection, without the connection."""

from __future__ import annotations

from dataclasses import dataclass

from slime.agent.upstream.call import UpstreamCall
from slime.errors import BadMessage, ErrorCode
from slime.http.head import HeadLimits, ResponseHead
from slime.http.parser import Data, EndOfMessage, ResponseParser

__all__ = ["AnswerReader", "Outcome", "Upgraded"]


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The upstream switched protocols; ``rest`` is what it has said in the new one."""

    head: ResponseHead
    rest: bytes


#: What a read has come to: nothing yet, the answer's end, or the end of HTTP.
Outcome = EndOfMessage | Upgraded | None


class AnswerReader:
    """Reads the answers of one connection, one after the other.

    Body and heads go to the sink as they are met; what decides the connection's future is returned.
    """

    __slots__ = ("_call", "_parser")

    def __init__(self, limits: HeadLimits) -> None:
        self._parser = ResponseParser(limits)
        self._call: UpstreamCall | None = None

    @property
    def reusable(self) -> bool:
        """Whether, behind a complete answer, another request may follow."""
        return self._parser.keep_alive

    def begin(self, call: UpstreamCall) -> None:
        """Expect the answer to ``call``."""
        self._call = call
        # Whether an upgrade was asked for is looked up when one comes, which is hardly ever.
        self._parser.start(call.request.method, upgrade=True)

    def stop(self) -> None:
        """The call was left; its sink must hear nothing more, even of what was read with the last bytes."""
        self._call = None

    def read(self, data: bytes) -> Outcome:
        """Take in what the socket gave.

        :raises BadMessage: the upstream does not speak HTTP as it should.
        """
        self._parser.feed(data)
        return self._deliver()

    def read_eof(self) -> Outcome:
        """Take in the connection's orderly end, which can be the answer's end.

        :raises BadMessage: more was to come.
        """
        self._parser.feed_eof()
        return self._deliver()

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
