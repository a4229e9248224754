"""The last hour: what was counted, put into equal steps of time. Bounded: so many points, so many numbers each."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, fields
from operator import sub
from typing import TYPE_CHECKING

from slime.hub.observe import Observer, failures, quantile

if TYPE_CHECKING:
    from collections.abc import Callable

    from slime.hub.pool import AgentPool

__all__ = ["KEPT", "STEP", "History", "Point", "Use"]

#: Seconds between two samples.
TICK = 1.0
#: Samples in one point, so that a point stands for as many seconds.
STEP = 10
#: Points that are kept: an hour.
KEPT = 360


@dataclass(frozen=True, slots=True)
class Point:
    """One step of time.

    :ivar at: its end, in seconds since the epoch.
    :ivar rate: exchanges that ended, a second.
    :ivar failed: those that failed, a second.
    :ivar first_byte_p50: seconds from arrival to the head of the answer that half of the exchanges did not exceed.
    :ivar first_byte_p95: the same for 95 of 100; ``None``, like the other, when no answer began.
    :ivar busy: slots that worked, on average.
    :ivar slots: slots that worked or could have, on average.
    :ivar waiting: exchanges that waited, at most.
    :ivar agents: agents that were linked at the end.
    :ivar lag: seconds by which the reactor was late, at most.
    """

    at: float
    rate: float
    failed: float
    first_byte_p50: float | None
    first_byte_p95: float | None
    busy: float
    slots: float
    waiting: int
    agents: int
    lag: float


@dataclass(frozen=True, slots=True)
class Use:
    """How the slots are used, now.

    :ivar free: slots that could take something.
    :ivar busy: slots that work.
    :ivar drained: slots without work whose agents get nothing new.
    :ivar held: exchanges that wait at agents for their slots.
    """

    free: int
    busy: int
    drained: int
    held: int

    @classmethod
    def of(cls, pool: AgentPool) -> Use:
        """Look at every agent."""
        free = busy = drained = held = 0
        for seat in pool.seats:
            taken = len(seat.tickets)
            working = min(taken, seat.offered)
            busy += working
            held += taken - working
            if seat.drained:
                drained += seat.offered - working
            else:
                free += seat.offered - working
        return cls(free, busy, drained, held)


@dataclass(frozen=True, slots=True)
class _Sample:
    """The counters at one moment, and what was seen then."""

    moment: float
    ended: int
    failed: int
    first_byte: Sequence[int]
    use: Use
    waiting: int
    lag: float


class History:
    """Looks at the hub once a second and keeps the last hour.

    :param seconds: the reactor's clock.
    :ivar points: the last hour, the oldest first.
    """

    def __init__(self, pool: AgentPool, observer: Observer, seconds: Callable[[], float]) -> None:
        self._pool = pool
        self._observer = observer
        self._seconds = seconds
        self._samples: deque[_Sample] = deque([self._look(0.0)], maxlen=STEP + 1)
        self._ticks = 0
        self.points: deque[Point] = deque(maxlen=KEPT)

    def tick(self) -> None:
        """A second is over; with every :data:`STEP`th one a point is made."""
        lag = max(0.0, self._seconds() - self._samples[-1].moment - TICK)
        self._samples.append(self._look(lag))
        self._ticks += 1
        if self._ticks % STEP == 0:
            self.points.append(self.now())

    def now(self) -> Point:
        """The last :data:`STEP` seconds, or as many as there were."""
        first, last = self._samples[0], self._samples[-1]
        seen = list(self._samples)[1:] or [first]
        span = max(last.moment - first.moment, TICK)
        begun = list(map(sub, last.first_byte, first.first_byte))
        return Point(
            at=round(self._observer.wall_clock(), 3),
            rate=(last.ended - first.ended) / span,
            failed=(last.failed - first.failed) / span,
            first_byte_p50=quantile(begun, 0.5),
            first_byte_p95=quantile(begun, 0.95),
            busy=sum(sample.use.busy for sample in seen) / len(seen),
            slots=sum(sample.use.free + sample.use.busy for sample in seen) / len(seen),
            waiting=max(sample.waiting for sample in seen),
            agents=len(self._pool.seats),
            lag=max(sample.lag for sample in seen),
        )

    def columns(self, points: Sequence[Point] | None = None) -> dict[str, list[float | int | None]]:
        """The points as one list for each of their members; shorter to send, and as charts want it.

        :param points: which; all unless given.
        """
        chosen = self.points if points is None else points
        return {item.name: [_rounded(getattr(point, item.name)) for point in chosen] for item in fields(Point)}

    def _look(self, lag: float) -> _Sample:
        observer = self._observer
        return _Sample(
            moment=self._seconds(),
            ended=sum(observer.exchanges.values()),
            failed=failures(observer.exchanges),
            first_byte=tuple(observer.first_byte.counts),
            use=Use.of(self._pool),
            waiting=self._pool.waiting,
            lag=lag,
        )


def _rounded(value: float | int | None) -> float | int | None:
    return round(value, 6) if isinstance(value, float) else value
