"""Log lines for people and for programs."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from twisted.logger import Logger, LogLevel, globalLogBeginner
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from slime import log
from slime.log import json_line, log_through_twistd, observer, raw_sink, text_line


def event(text: str = "{what} happened", **fields: Any) -> dict[str, Any]:
    """A log event."""
    about = {"log_time": 0.5, "log_level": LogLevel.warn, "log_namespace": "slime.hub.pool", "log_format": text}
    return {**about, "what": "nothing", **fields}


class Case(SynchronousTestCase):
    """The log of this process is put back as it was."""

    def setUp(self) -> None:
        self.patch(log, "LOG", log._Log())


class LineTests(Case):
    """The two formats."""

    def test_text(self) -> None:
        """Time, level, part of the program, message."""
        self.assertEqual(text_line(event()), "1970-01-01T00:00:00.500Z warn slime.hub.pool: nothing happened\n")

    def test_json(self) -> None:
        """The same and the event's own fields, by name."""
        self.assertEqual(
            json.loads(json_line(event(agent=b"\xff", size=3, peer=Path("/x"), message="mine"))),
            {
                "time": "1970-01-01T00:00:00.500Z", "level": "warn", "logger": "slime.hub.pool",
                "message": "nothing happened", "what": "nothing", "agent": "\\xff", "size": 3, "peer": "/x",
            },
        )  # fmt: skip

    def test_one_line(self) -> None:
        """What a stranger says cannot look like a line of its own, nor move the cursor."""
        hostile = event(what="x\n1970 info slime: all is well\x1b[2J\u2028")
        self.assertEqual(text_line(hostile).count("\n"), 1)
        self.assertIn(r"x\n1970 info slime: all is well\x1b[2J\u2028 happened", text_line(hostile))
        self.assertEqual(json_line(hostile).count("\n"), 1)

    def test_traceback(self) -> None:
        """A failure brings its traceback."""
        try:
            raise ValueError("bug")
        except ValueError:
            failed = event(log_failure=Failure())
        self.assertIn("ValueError: bug\n", text_line(failed))
        self.assertIn("ValueError: bug", json.loads(json_line(failed))["traceback"])

    def test_legacy(self) -> None:
        """Twisted's older parts repeat themselves in fields that nobody wants."""
        old = {"log_namespace": "log_legacy", "log_format": "{log_text}", "log_text": "hello", "isError": 0}
        self.assertEqual(text_line(old), "1970-01-01T00:00:00.000Z info twisted: hello\n")
        self.assertEqual(sorted(json.loads(json_line(old))), ["level", "logger", "message", "time"])


class ObserverTests(Case):
    """Where lines go."""

    def test_level(self) -> None:
        """Events below the level are not written."""
        stream = io.StringIO()
        write: Any = observer("text", "warn", stream)
        for level in LogLevel.iterconstants():
            write(event(log_level=level))
        self.assertEqual([line.split()[1] for line in stream.getvalue().splitlines()], ["warn", "error", "critical"])

    def test_start(self) -> None:
        """Logging begins with what is asked for."""
        begun: list[Any] = []
        self.patch(globalLogBeginner, "beginLoggingTo", lambda found, **more: begun.append((found, more)))
        stream = io.StringIO()
        log.start_logging("json", "info", stream)
        (((write,), more),) = begun
        write(event())
        self.assertEqual(json.loads(stream.getvalue())["message"], "nothing happened")
        self.assertEqual(more, {"redirectStandardIO": False})

    def test_raw(self) -> None:
        """Lines formatted elsewhere go to the same place."""
        stream = io.StringIO()
        sink = raw_sink()
        observer("text", "info", stream)
        sink("one\ntwo\n")
        self.assertEqual(stream.getvalue(), "one\ntwo\n")

    def test_raw_without_a_file(self) -> None:
        """Where only events are taken, each line becomes one."""
        seen: list[Any] = []
        self.patch(log._Log, "_log", Logger("slime", observer=seen.append))
        raw_sink()("one {x}\ntwo\n")
        self.assertEqual([text_line(line).split(": ")[1] for line in seen], ["one {x}\n", "two\n"])


class Options:
    """A command's options as twistd leaves them."""

    def __init__(self, parent: dict[str, Any] | None) -> None:
        self.parent = parent


class TwistdTests(Case):
    """The log under ``twistd``."""

    def observe(self, **twistd: Any) -> Any:
        """The observer that twistd gets with these options."""
        options = {"nodaemon": False, "logfile": None, "logger": None, "syslog": False, **twistd}
        log_through_twistd(Options(options), "json", "info")
        self.assertEqual(options["logger"], "slime.log.LOG.twistd_observer")
        return log.LOG.twistd_observer()

    def test_foreground(self) -> None:
        """Without a daemon the log goes to standard output."""
        for name in (None, "-"):
            stream = io.StringIO()
            self.patch(log.sys, "stdout", stream)
            self.observe(nodaemon=True, logfile=name)(event())
            self.assertEqual(json.loads(stream.getvalue())["level"], "warn")

    def test_file(self) -> None:
        """A log file is used with and without a daemon."""
        for nodaemon in (False, True):
            path = Path(self.mktemp())
            self.observe(nodaemon=nodaemon, logfile=str(path))(event())
            self.assertEqual(json.loads(path.read_text())["level"], "warn")
            log.LOG.stream.close()

    def test_default_file(self) -> None:
        """A daemon writes to the file that twistd's users know."""
        path = Path(self.mktemp())
        path.mkdir()
        self.patch(log, "DEFAULT_LOG_FILE", str(path / "twistd.log"))
        self.observe()(event())
        self.assertTrue((path / "twistd.log").exists())
        log.LOG.stream.close()

    def test_left_alone(self) -> None:
        """Another logger, syslog, another program, or none at all: nothing of ours."""
        for name in ("logger", "syslog"):
            options = {"nodaemon": True, "logfile": None, "logger": None, "syslog": False, name: "theirs"}
            before = dict(options)
            log_through_twistd(Options(options), "json", "info")
            self.assertEqual(options, before)
        twist: dict[str, Any] = {}
        log_through_twistd(Options(twist), "json", "info")
        self.assertEqual(twist, {})
        log_through_twistd(Options(None), "json", "info")
