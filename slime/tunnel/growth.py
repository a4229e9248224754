"""How large a stream's window should be: what the path holds, and no more. Pure; every time is an argument.

A window of which half or more is used up within a round trip is what limits the stream, so it is doubled, until the
stream is limited by something else. What a stream does not use any more, others may have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["Growth", "WindowLimits"]

#: Seconds of round trip below which a window is large enough as it is.
NEAR = 0.002
#: How many round trips a window may last and still count as what limits the stream: more than one, as what is measured
#: is late by what both ends do meanwhile.
LEEWAY = 1.25


@dataclass(frozen=True, slots=True)
class WindowLimits:
    """Bounds of windows, in bytes.

    :ivar start: where each begins.
    :ivar stream: the largest.
    :ivar link: how much all windows of a link may have grown together.
    """

    start: int = 256 * 1024
    stream: int = 8 * 1024 * 1024
    link: int = 64 * 1024 * 1024


class _Use:
    """What one stream uses: its window, and what it has used of it since a moment."""

    __slots__ = ("since", "used", "window")

    def __init__(self, window: int, since: float) -> None:
        self.window = window
        self.used = 0
        self.since = since


class Growth:
    """The windows of one end of a link.

    :param is_live: whether the stream with this id is not over.
    :ivar grown: bytes by which its windows have grown together.
    """

    __slots__ = ("_is_live", "_limits", "_streams", "grown")

    def __init__(self, limits: WindowLimits, is_live: Callable[[int], bool]) -> None:
        self._limits = limits
        self._is_live = is_live
        self._streams: dict[int, _Use] = {}
        self.grown = 0

    def judge(self, stream_id: int, used: int, now: float, rtt: float | None) -> int:
        """A live stream has used so many bytes more: the window to have from now on, or 0 for the one there is."""
        use = self._streams.get(stream_id)
        if use is None:
            self._streams[stream_id] = _Use(self._limits.start, now)
            return 0
        use.used += used
        if use.used * 2 < use.window:
            return 0
        grows = self._is_short(use, now, rtt)
        use.used, use.since = 0, now
        more = self._room(use) if grows else 0
        if more <= 0:
            return 0
        use.window += more
        self.grown += more
        return use.window

    def _is_short(self, use: _Use, now: float, rtt: float | None) -> bool:
        """Would all of the window have been used within a round trip or two?"""
        return rtt is not None and rtt >= NEAR and (now - use.since) * use.window <= 2 * use.used * rtt * LEEWAY

    def _room(self, use: _Use) -> int:
        """By how much a window may grow. What streams that are over had is looked for only where it is needed."""
        more = min(use.window, self._limits.stream - use.window)
        if more > self._limits.link - self.grown:
            self._drop(key for key in self._streams if not self._is_live(key))
        return min(more, self._limits.link - self.grown)

    def forget(self, before: float) -> dict[int, int]:
        """Take back what was not used since ``before``: the windows to have from now on, by stream."""
        idle = self._drop(key for key, use in self._streams.items() if use.since < before)
        return dict.fromkeys((key for key, use in idle.items() if use.window > self._limits.start), self._limits.start)

    def _drop(self, keys: Iterable[int]) -> dict[int, _Use]:
        dropped = {key: self._streams.pop(key) for key in list(keys)}
        self.grown -= sum(use.window - self._limits.start for use in dropped.values())
        return dropped
