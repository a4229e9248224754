"""The writing side of an application's connection: what waits for a slow reader, and how the connection ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Protocol

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from slime import sockets
from slime.direct import Cork, Corks, DirectWriter, is_delivered
from slime.hub.pace import READING, TAKEN, Pace
from slime.hub.spool import Spool

__all__ = ["Outlet", "Patience"]

WRITE_SLICE = 64 * 1024
#: Whose time it is that answers take, whichever they are.
READER = "the application"
#: What a piece takes besides its bytes, at most: a stream of tokens has very small ones.
PIECE_COST = 64


class Patience(Protocol):
    """How long to wait for the application, in seconds; :class:`slime.hub.channel.ChannelLimits` has it."""

    @property
    def send_timeout(self) -> float:
        """For it to take anything of what is sent."""

    @property
    def linger_timeout(self) -> float:
        """For it to close, when it has taken all."""


class Ending(Enum):
    """What follows the last byte we write."""

    NONE = auto()
    HALF = auto()
    CLOSE = auto()
    HALF_CLOSE = auto()
    CUT = auto()
    DONE = auto()


class Owner(Protocol):
    """Who writes; :class:`slime.hub.channel.HttpChannel`."""

    def blocked(self) -> None:
        """The application reads more slowly than it is written to."""

    def drained(self) -> None:
        """All that was written has left for the application."""


@implementer(IPushProducer)
class Outlet:
    """Writes to a transport, as its producer.

    :ivar is_blocked: whether the transport's buffer is full; what is written then waits here.
    :ivar write: takes bytes to be sent, in order, now or when the work that goes on is done.
    :ivar is_patient: whether the other side may read as slowly as it likes: it is an agent, with an upstream behind it.
    """

    is_patient = False

    def __init__(self, owner: Owner, transport: Any, seconds: Callable[[], float], corks: Corks) -> None:
        self.is_blocked = False
        self._owner: Owner | None = owner
        self._transport = transport
        self._seconds = seconds
        self._direct = DirectWriter(transport)
        self._cork = Cork(corks, self._direct.write)
        self.write = self._cork.write
        self._backlog: deque[bytes] = deque()
        self._ending = Ending.NONE
        self._progress = 0.0
        self._unsent = 0
        self._pace = Pace(READING)
        self._pace.begin(READER, taken=TAKEN)
        self._spool: Spool | None = None
        self._spooled = self._weight = 0
        self._registered = True
        self._half_closed = self._arrived = False
        transport.registerProducer(self, True)

    def _keep(self, data: bytes) -> None:
        """Let bytes wait here, in order, while the application does not read."""
        self._backlog.append(data)
        self._weight += len(data) + PIECE_COST

    # -- the transport's side -------------------------------------------------------------------------------------

    def pauseProducing(self) -> None:
        """The transport's buffer is full (it says so with every write)."""
        if not self.is_blocked:
            self.is_blocked = True
            self._cork.turn_to(self._keep)
            self._progress = self._seconds()
            if self._owner is not None:
                self._owner.blocked()

    def resumeProducing(self) -> None:
        """The transport's buffer is empty."""
        self.is_blocked = False
        while self._backlog and not self.is_blocked:
            self._transport.write(self._next_slice())
        if self._spooled:
            self._give_back()
        if self.is_blocked:
            return
        self._cork.turn_to(self._direct.write)
        self._pace.rest()
        if self.to_be_cut:
            return
        if self._ending is not Ending.NONE:
            self._end_now()
        elif self._owner is not None:
            self._owner.drained()

    def _next_slice(self) -> bytes:
        pieces = [self._backlog.popleft()]
        size = len(pieces[0])
        while self._backlog and size < WRITE_SLICE:
            pieces.append(self._backlog.popleft())
            size += len(pieces[-1])
        self._weight -= size + len(pieces) * PIECE_COST
        return b"".join(pieces)

    def spool(self, size: int, spool: Spool) -> bool:
        """Bytes were written that nobody reads yet. May they be kept on the hub's account, so that more can come?"""
        cost = size + PIECE_COST
        if not spool.take(cost, self._spooled):
            return False
        self._spool = spool
        self._spooled += cost
        return True

    def _give_back(self) -> None:
        """Leave room for others that is not needed any more."""
        unneeded = max(0, self._spooled - self._weight)
        self._spooled -= unneeded
        if self._spool is not None:
            self._spool.give_back(unneeded)

    def stopProducing(self) -> None:
        """The connection is about to be lost; :meth:`connection_lost` follows."""

    # -- ending ---------------------------------------------------------------------------------------------------

    def end(self, linger: bool) -> None:
        """End the connection after what has been written.

        :param linger: input may still come. The kernel would answer it with RST, which can destroy the answer on
            its way; so only our half is closed, until the application closes its own or ``linger_timeout`` after it
            has taken all is over (RFC 9112 section 9.6). Over TLS that is how a connection is closed anyway.
        """
        self._cork.pull()
        half = linger and hasattr(self._transport, "loseWriteConnection")
        if self._ending in (Ending.NONE, Ending.HALF):
            self._ending = Ending.HALF_CLOSE if half else Ending.CLOSE
            self._progress = self._seconds()
            if not self.is_blocked:
                self._end_now()

    def end_half(self) -> None:
        """Close our half after what has been written, while the application's goes on for as long as it likes."""
        self._cork.pull()
        if self._ending is Ending.NONE:
            self._ending = Ending.HALF
            self._progress = self._seconds()
            if not self.is_blocked:
                self._end_now()

    def _end_now(self) -> None:
        ending, self._ending = self._ending, Ending.DONE
        self._unregister()
        if ending is Ending.HALF:
            self._ending = Ending.NONE
        if ending not in (Ending.HALF, Ending.HALF_CLOSE):
            self._transport.loseConnection()
        elif not self._half_closed:
            # Told again, Twisted would write to a half that is closed, and lose the connection over it.
            self._half_closed = True
            self._transport.loseWriteConnection()

    def cut(self) -> None:
        """Let the connection be cut behind what has been written; :meth:`has_arrived` and the sweep tell when."""
        self._cork.pull()
        self._ending = Ending.CUT
        self._progress = self._seconds()

    @property
    def to_be_cut(self) -> bool:
        """Is that so?"""
        return self._ending is Ending.CUT

    def has_arrived(self) -> bool:
        """Has everything come to the application's kernel, which a reset would destroy on its way?"""
        return not self.is_blocked and is_delivered(self._transport)

    def may_be_cut(self) -> bool:
        """Is it time? To be asked every second: what TLS is given in one turn of the reactor leaves it in the next."""
        if not self.to_be_cut:
            return False
        before, self._arrived = self._arrived, self.has_arrived()
        return before and self._arrived

    def is_under_way(self) -> bool:
        """Has the application yet to acknowledge some of what was written?"""
        return self._cork.filled or not self.has_arrived()

    def abort(self) -> None:
        """Cut the connection: the application must not take what it got for complete, but may get what there is."""
        if self._owner is not None:
            self._cork.pull()
            self._cork.drop()
            self._backlog.clear()
            self._transport.abortConnection()

    def release(self) -> None:
        """Somebody else writes from here on; what was written here goes first."""
        self._cork.pull()
        self._unregister()
        self._transport.write(b"".join(self._backlog))
        self.connection_lost()

    def connection_lost(self) -> None:
        """Nothing can be written any more."""
        self._owner = None
        self._cork.drop()
        self._backlog.clear()
        self._weight = 0
        self._give_back()
        self.is_blocked = False
        self._unregister()

    def _unregister(self) -> None:
        """Leave the transport: over TLS it neither closes nor forgets us otherwise."""
        if self._registered:
            self._registered = False
            self._transport.unregisterProducer()

    # -- time -----------------------------------------------------------------------------------------------------

    def stalled(self, now: float, patience: Patience) -> bool:
        """Has the application not taken anything, or not closed its end, for too long? To be asked every second.

        The transport's buffer empties in lumps as large as the kernel's, which a slow reader may take minutes for;
        so the kernel is asked.
        """
        if self._ending is Ending.NONE and (self.is_patient or not self.is_blocked):
            return False
        left = sockets.unsent(self._transport.fileno())
        if left != self._unsent:
            self._unsent, self._progress = left, now
            return False
        taken = self._ending is Ending.DONE and not left
        return now - self._progress > (patience.linger_timeout if taken else patience.send_timeout)

    def lag(self, now: float, rate: int) -> float:
        """Seconds that the application is behind the least rate at which it has to read; 0 if it is up to date.

        :param rate: bytes a second.
        """
        unread = self._ending is not Ending.NONE or (self.is_blocked and not self.is_patient)
        passed = sockets.passed(self._transport.fileno()) if unread and rate else None
        return 0.0 if passed is None else self._pace.measure(READER, now, passed[0], rate)
