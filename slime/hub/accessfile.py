"""Where lines of the access log go: to the log, or to a file of their own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from twisted.logger import Logger

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

__all__ = ["AccessFile", "Losses", "Sink", "TheLog"]

#: Seconds between two complaints about lines that cannot be written.
COMPLAINT_INTERVAL = 60.0

# A pipe that nobody empties must not hold the hub up; of a regular file the system asks no such thing.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK

#: For the owner and a group that reads logs.
_MODE = 0o640


class Sink(Protocol):
    """Takes lines.

    :ivar place: what it is, for people.
    """

    place: str

    def write(self, text: str) -> None:
        """Write whole lines.

        :raises OSError: some of them, or all, could not be written.
        """

    def reopen(self) -> bool:
        """Somebody may have moved the file away: begin a new one; whether there is such a file.

        :raises OSError: that cannot be done now; :meth:`write` tries again.
        """

    def close(self) -> None:
        """No more lines for now."""


class TheLog:
    """The log of this process, which is opened and closed elsewhere.

    :param write: writes to wherever the log goes.
    """

    place = "the log"

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def write(self, text: str) -> None:
        """See :meth:`Sink.write`."""
        self._write(text)

    def reopen(self) -> bool:
        """See :meth:`Sink.reopen`."""
        return False

    def close(self) -> None:
        """See :meth:`Sink.close`."""


class AccessFile:
    """A file that is written to at its end. After an error it is opened anew for the next lines."""

    _log = Logger()

    def __init__(self, path: Path) -> None:
        self.place = str(path)
        self._path = path
        self._file: int | None = None
        self._torn = False

    def write(self, text: str) -> None:
        """See :meth:`Sink.write`."""
        data = text.encode("utf-8")
        if self._torn:
            data = b"\n" + data
        try:
            self._write(self._open(), data)
        except OSError:
            self.close()
            raise

    def _write(self, file: int, data: bytes) -> None:
        while data:
            size = os.write(file, data)
            # A disk that fills up takes a part of a line; the next line must not go on there.
            self._torn = not data[:size].endswith(b"\n")
            data = data[size:]

    def _open(self) -> int:
        if self._file is None:
            self._file = os.open(self._path, _FLAGS, _MODE)
        return self._file

    def reopen(self) -> bool:
        """See :meth:`Sink.reopen`."""
        self.close()
        self._torn = False
        self._open()
        self._log.info("from now on the access log is written to {place}", place=self.place)
        return True

    def close(self) -> None:
        """See :meth:`Sink.close`."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


class Losses:
    """Says in the log that lines are lost, and when it is over: once a minute at most, however often it happens.

    :param place: where the lines should have gone.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, place: str) -> None:
        self._clock = clock
        self._place = place
        self._lines = 0
        self._said = False
        self._quiet_until = 0.0

    def lost(self, lines: int, error: OSError) -> None:
        """So many lines, at most, could not be written."""
        self._lines += lines
        now = self._clock.seconds()
        if now >= self._quiet_until:
            self._quiet_until = now + COMPLAINT_INTERVAL
            self._said = True
            self._log.error(
                "the access log cannot be written to {place}: {reason}; lines lost so far: {lines}",
                place=self._place, reason=error.strerror or error, lines=self._lines,
            )  # fmt: skip

    def written(self) -> None:
        """Lines could be written."""
        if self._said:
            self._said = False
            self._log.info(
                "the access log is written to {place} again; lines lost: {lines}", place=self._place, lines=self._lines
            )
            self._lines = 0
