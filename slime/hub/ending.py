"""How a connection ends: gently, at once, or because somebody's time is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slime.errors import BadMessage, ErrorCode
from slime.http.parser import RequestParser
from slime.hub.inlet import ANYTHING, UPLOAD, Inlet, Wait
from slime.hub.outlet import Outlet

if TYPE_CHECKING:
    from slime.hub.channel import ChannelLimits
    from slime.hub.switch import Successor

__all__ = ["Endable"]


class Endable:
    """The part of a channel that ends its connection."""

    limits: ChannelLimits
    inlet: Inlet
    outlet: Outlet
    _request: Any
    _parser: RequestParser
    _successor: Successor | None
    _message_ended: bool
    _closing: bool

    if TYPE_CHECKING:

        def isSecure(self) -> bool: ...

        def _refuse(self, error: BadMessage) -> None: ...

    def body_at_hand(self) -> bool:
        """Has the whole body of the request in progress arrived, delivered or not?"""
        length = self._parser.body_length
        return self._message_ended or (length is not None and self._parser.buffered >= length)

    def body_begun(self) -> bool:
        """Has some of what stands behind the head that was just read come with it?"""
        return self._parser.buffered > 0

    def loseConnection(self) -> None:
        """Close when everything written has been sent."""
        self.close_gently()

    def abortConnection(self) -> None:
        """Cut the connection: the application must not take what it got for complete."""
        self._closing = True
        self.outlet.abort()

    def cut_short(self) -> None:
        """The answer in progress will never be complete, and has said where it should have ended.

        To cut the connection destroys what the kernel has not got rid of. So if there is such, the connection closes
        behind it all: too early for this answer, which says so as well. Of what TLS has not yet given to the kernel
        nobody knows.
        """
        if self.isSecure() or self.outlet.is_under_way():
            self.close_gently(unread=True)
        else:
            self.abortConnection()

    def cut_behind(self) -> None:
        """Cut the connection, since nothing else says that what it brought is not all; but let that arrive first.

        What TLS has been given in this turn it still has; the sweep looks again.
        """
        self._closing = True
        self.inlet.resume(ANYTHING)
        self.outlet.cut()
        if not self.isSecure() and self.outlet.has_arrived():
            self.abortConnection()

    def close_gently(self, unread: bool = False) -> None:
        """End the connection after what has been written.

        :param unread: more input may be on its way than what has come says.
        """
        if self._closing:
            return
        self._closing = True
        unread = unread or self.inlet.pauses != 0 or self._more_follows()
        self.inlet.resume(ANYTHING)
        self.outlet.end(linger=unread and not self.isSecure())

    def _more_follows(self) -> bool:
        """Is there, or must there come, more than the request that was last begun?"""
        parser = self._parser
        if self._message_ended or parser.head is None:
            return parser.buffered > 0
        return not self.body_at_hand() or parser.buffered > (parser.body_length or 0)

    def drain(self) -> None:
        """The hub is shutting down: close, unless an answer is in progress (it will say ``Connection: close``)."""
        if self._request is None:
            self.close_gently()

    def check(self, now: float) -> None:
        """The sweep calls this once a second: enforce what has run out."""
        if self.inlet.hung_up() or self.outlet.may_be_cut():
            self.abortConnection()
        elif self.outlet.stalled(now, self.limits):
            self._stop("none of the answer was read for --send-timeout")
        elif self._closing and (self._successor is None or self.outlet.to_be_cut):
            self._check_rest(now)
        elif self._successor is not None:
            self._successor.check(now)
        elif self.inlet.expired(now):
            self._expired()
        else:
            self._check_pace(now)

    def reading_lag(self, now: float) -> float:
        """Seconds that the application is behind with reading its answer."""
        return self.outlet.lag(now, self.limits.rates.rate)

    def sending_lag(self, now: float) -> float:
        """Seconds that it is behind with sending its request.

        Once the answer has begun nobody can tell who waits for whom: the two may be halves of a conversation.
        """
        if self._request is not None and self._request.answer_started:
            return 0.0
        return self.inlet.lag(self._request, now, self.limits.rates.rate)

    def _check_rest(self, now: float) -> None:
        """The last answer is written."""
        if self.reading_lag(now) > self.limits.rates.grace:
            self.abortConnection()

    def _check_pace(self, now: float) -> None:
        grace = self.limits.rates.grace
        if self.reading_lag(now) > grace:
            self._stop("the answer is read more slowly than --min-rate")
        elif self.sending_lag(now) > grace:
            self._refuse(BadMessage(ErrorCode.TOO_SLOW, "the request arrives more slowly than --min-rate"))

    def _stop(self, detail: str) -> None:
        """Cut the connection of an application that does not read; whoever serves it hears why."""
        if self._request is not None:
            self._request.body_failed(BadMessage(ErrorCode.TOO_SLOW, detail))
        self.abortConnection()

    def _expired(self) -> None:
        if self._parser.mid_message and not self.inlet.pauses & UPLOAD:
            self._refuse(BadMessage(ErrorCode.REQUEST_TIMEOUT, "the request stopped arriving"))
        elif self.inlet.wait is not Wait.BODY and not (self.outlet.is_patient and self.outlet.is_blocked):
            self.close_gently()
