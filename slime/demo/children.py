"""Processes of our own: started, listened to, and surely ended.

Used where whole programs meet: by ``slime demo``, by the end-to-end tests and by the benchmarks.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Condition, Thread
from time import monotonic
from typing import IO

import slime

__all__ = ["Child", "ChildError", "leashed"]

KEPT_LINES = 5000
"""Lines of output kept for each process; older ones are forgotten."""


class ChildError(Exception):
    """A process ended, or stayed silent, before it said what was awaited; the message has its last lines."""


def leashed(program: str, *arguments: str) -> list[str]:
    """The command that runs a Python program which ends with this process (:mod:`slime.demo.leash`)."""
    return [sys.executable, "-m", "slime.demo.leash", program, *arguments]


def _same_code() -> dict[str, str]:
    """What makes Python programs speak at once, and run this very package, whether it is installed or not."""
    ours, others = str(Path(slime.__file__).parents[1]), os.environ.get("PYTHONPATH")
    return {"PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join([ours, others] if others else [ours])}


class Child:
    """One process, its output (both streams together) kept line by line.

    :ivar name: what messages call it.
    :ivar pid: its process id.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None,
        hear: Callable[[str], None] | None = None,
    ) -> None:
        """Start ``command``, with ``environment`` added to ours.

        :param hear: called with each line, in a thread of the child's own.
        """
        self.name = name
        self._hear = hear
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._said = Condition()
        self._silent = False
        self._process = subprocess.Popen(  # noqa: S603 (our own programs only)
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, **_same_code(), **(environment or {})}, text=True, errors="replace",
            start_new_session=True,  # Ctrl-C at a terminal is for us; children end in the order that we choose
        )
        self.pid = self._process.pid
        self._ear = Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._ear.start()

    def _listen(self, output: IO[str]) -> None:
        for line in output:
            self._note(line.rstrip("\n"))
        with self._said:
            self._silent = True
            self._said.notify_all()

    def _note(self, line: str) -> None:
        with self._said:
            self._lines.append(line)
            self._said.notify_all()
        if self._hear is not None:
            self._hear(line)

    @property
    def lines(self) -> list[str]:
        """What it said so far."""
        with self._said:
            return list(self._lines)

    @property
    def status(self) -> int | None:
        """Its exit status (negative: the signal that killed it); None while it runs."""
        return self._process.poll()

    def wait_for(self, pattern: str, timeout: float = 15.0, times: int = 1) -> re.Match[str]:
        """The match of ``pattern`` in the first line that has one, or in the nth, waiting for it if need be.

        :raises ChildError: the process ended first, or ``timeout`` seconds went by.
        """
        deadline = monotonic() + timeout
        with self._said:
            while True:
                matches = [match for line in self._lines if (match := re.search(pattern, line))]
                if len(matches) >= times:
                    return matches[times - 1]
                if self._silent or not self._said.wait(deadline - monotonic()):
                    raise ChildError(self._complaint(f"never said {pattern!r}"))

    def _complaint(self, what: str) -> str:
        last = list(self._lines)[-15:]
        return "\n    ".join([f"{self.name} {what} (status {self.status}); its last lines:", *last])

    def signal(self, number: int) -> None:
        """Send a signal; a process that has already ended gets none."""
        self._process.send_signal(number)

    def wait(self, timeout: float | None = 15.0) -> int:
        """Its exit status, once it has ended and its output is all here.

        :raises ChildError: it still runs after ``timeout`` seconds; None allows any number.
        """
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise ChildError(self._complaint(f"still runs after {timeout} s")) from None
        self._ear.join(timeout)
        return status

    def release(self) -> None:
        """Let go of its leash, as the end of this process would."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def end(self, patience: float = 5.0) -> int:
        """End it, if it still runs: SIGTERM, and SIGKILL after ``patience`` seconds more; its exit status."""
        self._process.terminate()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
        return self.result()

    def result(self, timeout: float | None = 15.0) -> int:
        """Like :meth:`wait`, and then let go of everything held for it; its lines stay."""
        status = self.wait(timeout)
        self.release()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return status
