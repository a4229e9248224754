"""The reading side of an application's connection: whether it is read now, and how long what comes next may take."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from slime import sockets
from slime.hub.pace import SENDING, Pace

__all__ = ["ANYTHING", "PIPELINE", "UPLOAD", "Inlet", "Wait"]

# Why the socket is not being read: bits of a number, because an Enum's flags cost more than all else here.
UPLOAD, PIPELINE = 1, 2
ANYTHING = UPLOAD | PIPELINE


class Wait(Enum):
    """What the deadline is for."""

    NOTHING = auto()
    HEAD = auto()
    IDLE = auto()
    BODY = auto()


_NOTHING = Wait.NOTHING  # looked up once: a sweep asks it of every connection


class Inlet:
    """Pauses a transport for as long as there is a reason to, and keeps one deadline.

    :ivar pauses: the reasons why it is paused.
    :ivar wait: what the deadline is for.
    :ivar pace: how a body arrives.
    :ivar outlives_goodbye: may the application close its end and go on listening?
    """

    def __init__(self, transport: Any, seconds: Callable[[], float]) -> None:
        self.pauses = 0
        self.wait = Wait.NOTHING
        self.outlives_goodbye = False
        self.pace = Pace(SENDING)
        self._transport = transport
        self._seconds = seconds
        self._deadline = 0.0

    def pause(self, reason: int) -> None:
        """Stop reading."""
        if not self.pauses:
            self._transport.pauseProducing()
        self.pauses |= reason

    def resume(self, reason: int) -> None:
        """Read on, unless there is another reason not to."""
        if self.pauses & reason:
            self.pauses &= ~reason
            if not self.pauses:
                self._transport.resumeProducing()

    def wait_for(self, wait: Wait, seconds: float) -> None:
        """Let the deadline run from now on."""
        self.wait = wait
        self._deadline = self._seconds() + seconds

    def expired(self, now: float) -> bool:
        """Is the deadline over?"""
        return self.wait is not _NOTHING and now > self._deadline

    def hung_up(self) -> bool:
        """Has the application gone while nobody was reading?"""
        gone = sockets.broken if self.outlives_goodbye else sockets.hung_up
        return self.pauses != 0 and gone(self._transport.fileno())

    def lag(self, whom: object, now: float, rate: int) -> float:
        """Seconds that an application is behind the least rate at which a body has to arrive; 0 if it is up to date.

        :param whom: whose body it is.
        :param rate: bytes a second.
        """
        waiting = self.wait is Wait.BODY and not self.pauses
        passed = sockets.passed(self._transport.fileno()) if waiting and rate else None
        if passed is None:
            self.pace.rest()
            return 0.0
        return self.pace.measure(whom, now, passed[1], rate)
