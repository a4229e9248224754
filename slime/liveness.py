"""Whether the other end of a link lives, and how far away it is. Pure: every time is an argument."""

from __future__ import annotations

__all__ = ["SILENT_INTERVALS", "Liveness"]

#: Intervals without a single byte from the peer after which it counts as dead.
SILENT_INTERVALS = 3


class Liveness:
    """Counts silence and measures the round trip; whoever owns the clock ticks.

    Any byte is a sign of life, not a PONG alone: behind a slow line a PONG may wait for megabytes of DATA.

    :ivar interval: seconds between two ticks.
    :ivar heard: when the last byte came; set by whoever reads bytes.
    :ivar rtt: the smoothed round trip in seconds, ``None`` before the first PONG.
    """

    __slots__ = ("_due", "_sent", "_token", "heard", "interval", "rtt")

    def __init__(self, interval: float, now: float) -> None:
        self.interval = interval
        self._due = now
        self._sent: dict[int, float] = {}
        self._token = 0
        self.heard = now
        self.rtt: float | None = None

    def is_dead(self, now: float) -> bool:
        """Whether the peer has been silent for too long. Asked at every tick.

        A tick that comes a whole interval late says that this process slept, not that the peer did.
        """
        if now - self._due >= self.interval:
            self.heard = now
        return now >= self._deadline()

    def ping(self, now: float) -> int:
        """The token of a PING that is sent now."""
        self._token += 1
        if len(self._sent) == SILENT_INTERVALS:
            del self._sent[min(self._sent)]
        self._sent[self._token] = now
        return self._token

    def pong(self, token: int, now: float) -> None:
        """A PONG came. One that answers no PING of late says nothing."""
        sent = self._sent.pop(token, None)
        if sent is not None:
            sample = now - sent
            self.rtt = sample if self.rtt is None else self.rtt + (sample - self.rtt) / 8

    def next_tick(self, now: float) -> float:
        """Seconds until the next tick: an interval, or less when the peer's time is up before that."""
        self._due = min(now + self.interval, self._deadline())
        return self._due - now

    def _deadline(self) -> float:
        return self.heard + self.interval * SILENT_INTERVALS
