"""Room for answers that their applications read more slowly than they come. Pure.

An answer that is here needs no slot any more, however long its application takes to read it. Each connection may
take some of the room, and all together no more than there is; who finds none waits with the agent, as far as the
link's window lets it, and holds the slot.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Spool", "SpoolLimits"]


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """Settings of the hub, in bytes.

    :ivar each: for one connection.
    :ivar all: for all of them together.
    """

    each: int = 0
    all: int = 0


class Spool:
    """Keeps account of the room; the bytes are where they would be anyway.

    :ivar used: bytes taken.
    """

    __slots__ = ("_limits", "used")

    def __init__(self, limits: SpoolLimits) -> None:
        self.used = 0
        self._limits = limits

    def take(self, size: int, share: int) -> bool:
        """Take so many bytes, for one who has ``share`` already; or say that there is no room."""
        if share + size > self._limits.each or self.used + size > self._limits.all:
            return False
        self.used += size
        return True

    def give_back(self, size: int) -> None:
        """So many bytes are read, or lost."""
        self.used -= size
