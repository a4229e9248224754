"""One timer for everybody who waits."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Generic, TypeVar

from twisted.logger import Logger

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["TICK", "PatienceWheel"]

#: How exact deadlines are, in seconds: nobody is called before the deadline, or more than two of these after it.
TICK = 0.1

Waiter = TypeVar("Waiter", bound=Hashable)


class PatienceWheel(Generic[Waiter]):
    """Calls ``expired`` for each waiter whose time is up.

    A reactor's timer costs more than all the rest of a short wait, and most waits are short. Here to begin and to
    end one is an entry in a dictionary each; the reactor has one timer, and only while somebody waits.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, expired: Callable[[Waiter], object]) -> None:
        self._clock = clock
        self._expired = expired
        self._buckets: dict[int, dict[Waiter, None]] = {}
        self._ticks: dict[Waiter, int] = {}
        self._done = 0
        self._timer: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._ticks)

    def __contains__(self, waiter: object) -> bool:
        return waiter in self._ticks

    def start(self, waiter: Waiter, seconds: float) -> None:
        """Let the waiter wait for so long at most; if it waits already, nothing changes."""
        if waiter in self._ticks:
            return
        now = self._clock.seconds()
        if self._timer is None:
            self._done = math.floor(now / TICK)
            self._timer = self._clock.callLater(TICK, self._turn)
        tick = max(math.ceil((now + seconds) / TICK), self._done + 1)
        self._ticks[waiter] = tick
        self._buckets.setdefault(tick, {})[waiter] = None

    def stop(self, waiter: Waiter) -> None:
        """The waiter waits no longer; it need not have waited at all."""
        tick = self._ticks.pop(waiter, None)
        if tick is not None:
            bucket = self._buckets[tick]
            del bucket[waiter]
            if not bucket:
                del self._buckets[tick]

    def _turn(self) -> None:
        now = math.floor(self._clock.seconds() / TICK)
        late = [(waiter, tick) for tick in range(self._done + 1, now + 1) for waiter in self._buckets.get(tick, ())]
        self._done = now
        self._timer = self._clock.callLater(TICK, self._turn)
        for waiter, tick in late:
            # One before it may have ended its wait.
            if self._ticks.get(waiter) == tick:
                self.stop(waiter)
                self._call(waiter)
        if not self._ticks:
            self._timer.cancel()
            self._timer = None

    def _call(self, waiter: Waiter) -> None:
        try:
            self._expired(waiter)
        except Exception:
            # A mistake with one must not cost the others their end.
            self._log.failure("the end of a wait failed")
