"""How slow an application may be: the least rate, and how far it is behind it. Pure; every time is an argument."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["READING", "SENDING", "TAKEN", "LeastRate", "Merit", "Pace"]


@dataclass(frozen=True, slots=True)
class Merit:
    """What one gets for having been faster than needed.

    :ivar most: seconds that one may rest without falling behind, at most.
    :ivar price: how many seconds' worth one has to be faster for each of these.
    """

    most: float
    price: float


#: Kernels take some ten kilobytes more for an application that reads nothing, and that must not help it. Of one that
#: reads much they take megabytes ahead, and then nothing until it has read half of them (10 s at 300 kB/s).
READING = Merit(most=20.0, price=256.0)
#: Bytes that kernels may take for an application that has read nothing yet (Linux: 128 KiB).
TAKEN = 256 * 1024
#: Who sends a little now and then, but enough, need not fear the pauses: lines that lose packets make some of seconds.
SENDING = Merit(most=6.0, price=4.0)


@dataclass(frozen=True, slots=True)
class LeastRate:
    """Settings of the hub.

    :ivar rate: bytes a second; 0 is no limit.
    :ivar grace: seconds that an application may be behind it.
    """

    rate: int = 0
    grace: float = 20.0


class Pace:
    """Compares what has passed with what should have, in the time that was the application's to use.

    Whoever asks says how many bytes have passed by then; what lies between two questions was the application's time,
    unless :meth:`rest` was called in between. Nothing is counted as bytes pass.

    :ivar lag: seconds that the application was behind when :meth:`measure` was last asked; negative if ahead.
    """

    __slots__ = ("_merit", "_seen", "_taken", "_then", "_whom", "lag")

    def __init__(self, merit: Merit) -> None:
        self.lag = 0.0
        self._merit = merit
        self._whom: object = None
        self._then: float | None = None
        self._seen: int | None = None
        self._taken = 0

    def begin(self, whom: object, lead: float = 0.0, taken: int | None = None) -> None:
        """Somebody's time begins at the next :meth:`measure`, so many seconds ahead.

        :param taken: all bytes that have passed by then count as well, but so many of them are no merit; ``None``: they
            do not count.
        """
        self._whom, self.lag, self._then = whom, -lead, None
        self._seen, self._taken = (None, 0) if taken is None else (0, taken)

    def rest(self) -> None:
        """The time until the next :meth:`measure` is not the application's, though the bytes are."""
        self._then = None

    def measure(self, whom: object, now: float, count: int, rate: int) -> float:
        """The lag now.

        :param whom: who uses the time; for somebody new it begins.
        :param count: bytes that have passed, from any beginning.
        """
        if whom is not self._whom:
            self.begin(whom)
        seen = count if self._seen is None else self._seen
        elapsed = 0.0 if self._then is None else now - self._then
        self._add((count - seen) / rate - elapsed, (count - max(seen, self._taken)) / rate)
        self._then, self._seen = now, count
        return self.lag

    def _add(self, gain: float, merit: float) -> None:
        surplus = gain - max(self.lag, 0.0)
        if gain > 0.0 and surplus > 0.0:
            earned = min(self.lag, 0.0) - max(0.0, min(surplus, merit)) / self._merit.price
            self.lag = min(self.lag, max(earned, -self._merit.most), 0.0)
        else:
            self.lag -= gain
