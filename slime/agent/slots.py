"""How many requests an upstream runs at a time, and who is next. Pure."""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import Generic, TypeVar

__all__ = ["Place", "Slots"]

Job = TypeVar("Job")


class Place(Enum):
    """What became of a job that was offered."""

    RUNNING = auto()
    WAITING = auto()
    NONE = auto()


class Slots(Generic[Job]):
    """A fixed number of slots, and a bounded line of jobs for the next one to become free.

    :ivar limit: jobs that run at a time; a hard limit, whoever offers them.
    :ivar room: jobs that may wait.
    :ivar running: jobs that run now.
    """

    __slots__ = ("_line", "limit", "room", "running")

    def __init__(self, limit: int, room: int) -> None:
        self.limit = limit
        self.room = room
        self.running = 0
        self._line: deque[Job] = deque()

    def offer(self, job: Job, may_wait: bool) -> Place:
        """Give the job a slot, or a place in the line if it may wait."""
        if self.running < self.limit:
            self.running += 1
            return Place.RUNNING
        if may_wait and len(self._line) < self.room:
            self._line.append(job)
            return Place.WAITING
        return Place.NONE

    def withdraw(self, job: Job) -> bool:
        """Take a job out of the line; says whether it was there."""
        if job not in self._line:
            return False
        self._line.remove(job)
        return True

    def free(self) -> Job | None:
        """A job that ran is done. Its slot goes to the first in line, who is returned."""
        if self._line:
            return self._line.popleft()
        self.running -= 1
        return None

    def dismiss(self) -> list[Job]:
        """Send everybody home who waits."""
        line = list(self._line)
        self._line.clear()
        return line
