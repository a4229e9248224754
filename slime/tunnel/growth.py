"""How large a stream's window should be: what the path holds, and no more. Pure; every time is an argument.

A window that is used up within a round trip is what limits the stream, so it is doubled, until the stream is limited by
something else. What a stream does not use any more, others may have.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Growth", "WindowLimits"]

#: Seconds of round trip below which a window is large enough as it is.
NEAR = 0.002


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
    """What one stream uses: its window, and when it had used half of one last."""

    __slots__ = ("since", "window")

    def __init__(self, window: int, since: float) -> None:
        self.window = window
        self.since = since


class Growth:
    """The windows of one end of a link.

    :ivar grown: bytes by which its windows have grown together.
    """

    __slots__ = ("_limits", "_streams", "grown")

    def __init__(self, limits: WindowLimits) -> None:
        self._limits = limits
        self._streams: dict[int, _Use] = {}
        self.grown = 0

    def judge(self, stream_id: int, now: float, rtt: float | None) -> int:
        """Half a window has been used: the window to have from now on, or 0 for the one there is."""
        use = self._streams.get(stream_id)
        if use is None:
            self._streams[stream_id] = _Use(self._limits.start, now)
            return 0
        since, use.since = use.since, now
        if rtt is None or rtt < NEAR or now - since > rtt:
            return 0
        more = min(use.window, self._limits.stream - use.window, self._limits.link - self.grown)
        if more <= 0:
            return 0
        use.window += more
        self.grown += more
        return use.window

    def forget(self, before: float) -> dict[int, int]:
        """Take back what was not used since ``before``: the windows to have from now on, by stream.

        Streams that are over are among them, as nobody tells of their end.
        """
        idle = [key for key, use in self._streams.items() if use.since < before]
        shrunk = {}
        for stream_id in idle:
            use = self._streams.pop(stream_id)
            self.grown -= use.window - self._limits.start
            if use.window > self._limits.start:
                shrunk[stream_id] = self._limits.start
        return shrunk
