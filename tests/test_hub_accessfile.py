"""The access log's file, and what is said when it cannot be written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from twisted.internet.address import UNIXAddress
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from benchmarks.accesslog import cost
from slime.hub import accessfile
from slime.hub.access import FLUSH_INTERVAL, AccessLog
from slime.hub.accessfile import COMPLAINT_INTERVAL, AccessFile, Losses
from slime.hub.accessline import FORMATS
from slime.hub.answers import Answered


class FileTests(SynchronousTestCase):
    """A file, moved away and back."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.path = self.folder / "access.log"
        self.file = AccessFile(self.path)
        self.addCleanup(self.file.close)

    def test_at_its_end(self) -> None:
        """What is there stays; others than owner and group see nothing."""
        self.file.write("one\n")
        self.file.close()
        self.file.write("two\n")
        self.assertEqual(self.path.read_text(), "one\ntwo\n")
        self.assertEqual(self.path.stat().st_mode & 0o007, 0)

    def test_rotation(self) -> None:
        """A file that is moved away is written on until somebody says that it was."""
        self.file.write("one\n")
        old = self.path.rename(self.folder / "access.log.1")
        self.file.write("two\n")
        self.file.reopen()
        self.assertEqual((old.read_text(), self.path.read_text()), ("one\ntwo\n", ""))
        self.file.write("three\n")
        self.assertEqual((old.read_text(), self.path.read_text()), ("one\ntwo\n", "three\n"))

    def test_cannot_be_opened(self) -> None:
        """It is tried again with the next lines."""
        self.folder.rename(self.folder.with_suffix(".away"))
        self.assertRaises(FileNotFoundError, self.file.reopen)
        self.assertRaises(FileNotFoundError, self.file.write, "one\n")
        self.folder.with_suffix(".away").rename(self.folder)
        self.file.write("two\n")
        self.assertEqual(self.path.read_text(), "two\n")

    def test_full_disk(self) -> None:
        """A line that was torn in the middle does not spoil the one that comes after it."""
        room = [6]

        def write(file: int, data: bytes) -> int:
            size = min(room[0], len(data))
            if not size:
                raise OSError(errno.ENOSPC, "No space left on device")
            room[0] -= size
            return real(file, data[:size])

        real = os.write
        self.patch(accessfile.os, "write", write)
        self.assertRaises(OSError, self.file.write, "one\ntwo\n")
        room[0] = 1000
        self.file.write("three\n")
        self.file.write("four\n")
        self.assertEqual(self.path.read_text(), "one\ntw\nthree\nfour\n")

    def test_pipe(self) -> None:
        """A pipe that nobody empties loses lines, and holds nobody up."""
        os.mkfifo(self.path)
        self.assertRaises(OSError, self.file.write, "nobody reads\n")
        reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.file.write("somebody does\n")
        self.assertEqual(os.read(reader, 100), b"somebody does\n")
        self.assertRaises(BlockingIOError, self.file.write, "x" * 10**6)


class LossTests(SynchronousTestCase):
    """What is said of it, and how often."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.log = EventLoggingObserver()
        globalLogPublisher.addObserver(self.log)
        self.addCleanup(globalLogPublisher.removeObserver, self.log)

    def said(self) -> list[str]:
        return [event["log_format"].format(**event) for event in self.log]

    def test_rate(self) -> None:
        """Once a minute, however often it fails, and once when it is over."""
        losses = Losses(self.clock, "x")
        full = OSError(errno.ENOSPC, "No space left on device")
        for _ in range(200):
            losses.lost(3, full)
            losses.lost(1, full)
            self.clock.advance(0.5)
        losses.written()
        losses.written()
        self.assertEqual(
            self.said(),
            [
                "the access log cannot be written to x: No space left on device; lines lost so far: 3",
                "the access log cannot be written to x: No space left on device; lines lost so far: 483",
                "the access log is written to x again; lines lost: 800",
            ],
        )

    def test_now_and_then(self) -> None:
        """What comes and goes is not said each time, and what was lost meanwhile is not forgotten."""
        losses = Losses(self.clock, "x")
        for _ in range(10):
            losses.lost(1, OSError(errno.EIO, "Input/output error"))
            losses.written()
        self.assertEqual(len(self.said()), 2)
        self.clock.advance(COMPLAINT_INTERVAL)
        losses.lost(1, OSError("odd"))
        self.assertEqual(self.said()[-1], "the access log cannot be written to x: odd; lines lost so far: 10")

    def test_requests_go_on(self) -> None:
        """No request hears of it, and nothing is kept for later."""
        log = AccessLog(self.clock, AccessFile(Path(self.mktemp()) / "no" / "folder"), FORMATS["json"])
        log.reopen()
        for _ in range(60):
            log.answered(Answered(UNIXAddress(None), 400, "bad-request", "why"))
        self.clock.advance(FLUSH_INTERVAL)
        log.close()
        self.assertEqual(len(self.said()), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class CostTests(SynchronousTestCase):
    """What ``benchmarks.accesslog`` measures is a log."""

    def test_lines(self) -> None:
        for name in FORMATS:
            path = Path(self.mktemp())
            lines: list[str] = []
            self.patch(Path, "unlink", lambda path, lines=lines: lines.extend(path.read_text().splitlines()))
            self.assertGreater(cost(name, path, 300), 0)
            self.assertEqual(sum("/v1/chat/completions" in line for line in lines), 300)
