"""A rate with a bound: the token bucket. Pure; every time is an argument."""

from __future__ import annotations

__all__ = ["TokenBucket"]


class TokenBucket:
    """Lets ``rate`` things a second happen, and as many at once when it has been quiet.

    :param rate: things a second; 0 is no limit.
    """

    __slots__ = ("_left", "_rate", "_size", "_then")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._size = self._left = max(1.0, rate)
        self._then = now

    def take(self, now: float, count: int = 1) -> bool:
        """May one more happen now, or ``count`` together?"""
        if not self._rate:
            return True
        self._left = min(self._size, self._left + (now - self._then) * self._rate)
        self._then = now
        if self._left < count:
            return False
        self._left -= count
        return True
