"""How log events are written: a line of text for people, or one JSON object a line for programs.

Every event is one line. Names and addresses of strangers are in them, so control characters are escaped;
only a traceback, which is ours, may follow on further lines of the text format.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, MutableMapping
from datetime import datetime, timezone
from typing import Any, TextIO

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
    globalLogBeginner,
)
from twisted.python.logfile import LogFile

__all__ = ["json_line", "log_through_twistd", "observer", "raw_sink", "start_logging", "text_line"]

#: Where a daemon of ``twistd`` writes its log unless told otherwise, as it does without us.
DEFAULT_LOG_FILE = "twistd.log"


class _Log:
    """The log of this process: one, as the standard streams are.

    :ivar stream: the file it goes to; ``None`` before it began, and where only events are taken (syslog).
    :ivar twistd: twistd's options, when it runs us and wants our format.
    """

    _log = Logger(namespace="slime")
    stream: Any = None
    twistd: MutableMapping[str, Any]
    log_format: str
    log_level: str

    def write(self, text: str) -> None:
        """Write lines already formatted."""
        if self.stream is not None:
            self.stream.write(text)
            self.stream.flush()
            return
        for line in text.splitlines():
            self._log.info("{line}", line=line)

    def twistd_observer(self) -> ILogObserver:
        """The observer that ``twistd`` asks for by this method's name."""
        name = self.twistd["logfile"]
        if self.twistd["nodaemon"] and name in (None, "-"):
            return observer(self.log_format, self.log_level, sys.stdout)
        return observer(self.log_format, self.log_level, LogFile.fromFullPath(name or DEFAULT_LOG_FILE))


LOG = _Log()


def raw_sink() -> Callable[[str], object]:
    """A function that writes whole, formatted lines to wherever the log goes, at the time they are written."""
    return LOG.write


def start_logging(log_format: str, log_level: str, stream: TextIO | None = None) -> None:
    """Write this process' log from now on, what was logged before included.

    :param stream: where to; standard error when absent.
    """
    target = observer(log_format, log_level, stream or sys.stderr)
    globalLogBeginner.beginLoggingTo([target], redirectStandardIO=False)


def log_through_twistd(options: Any, log_format: str, log_level: str) -> None:
    """Have ``twistd`` write its log in our format, unless told to use a logger or syslog.

    Twisted's other program, ``twist``, has formats of its own, and keeps them.

    :param options: a command's options, whose ``parent`` is twistd's when twistd runs it.
    """
    twistd = options.parent
    if twistd is not None and "nodaemon" in twistd and not twistd["logger"] and not twistd.get("syslog"):
        LOG.twistd, LOG.log_format, LOG.log_level = twistd, log_format, log_level
        twistd["logger"] = f"{__name__}.LOG.twistd_observer"


def observer(log_format: str, log_level: str, stream: Any) -> ILogObserver:
    """An observer that writes events of a level and above.

    :param log_format: ``text`` or ``json``.
    :param log_level: the least severe level to write.
    :param stream: a text file; :func:`raw_sink` writes there too from now on.
    """
    LOG.stream = stream
    lines = FileLogObserver(stream, {"text": text_line, "json": json_line}[log_format])
    return FilteringLogObserver(lines, [LogLevelFilterPredicate(LogLevel.lookupByName(log_level))])


def text_line(event: LogEvent) -> str:
    """``2026-05-01T12:00:00.000Z info slime.hub.pool: what happened``."""
    message, traceback = _one_line(formatEvent(event)), _traceback_of(event)
    return f"{_time_of(event)} {_level_of(event)} {_logger_of(event)}: {message}\n{traceback}"


def json_line(event: LogEvent) -> str:
    """``time``, ``level``, ``logger`` and ``message``, then the event's own fields, then ``traceback``."""
    about = {
        "time": _time_of(event),
        "level": _level_of(event),
        "logger": _logger_of(event),
        "message": formatEvent(event),
    }
    traceback = {"traceback": _traceback_of(event)} if "log_failure" in event else {}
    return json.dumps({**_fields_of(event), **about, **traceback}, default=_plain) + "\n"


def _fields_of(event: LogEvent) -> dict[str, Any]:
    if _logger_of(event) == "twisted":
        return {}  # repeats of the message in other forms
    return {name: value for name, value in event.items() if not name.startswith("log_")}


def _plain(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _time_of(event: LogEvent) -> str:
    moment = datetime.fromtimestamp(event.get("log_time", 0.0), timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _logger_of(event: LogEvent) -> str:
    """Which part of the program speaks; Twisted's older parts do not say."""
    namespace = event.get("log_namespace", "-")
    return "twisted" if namespace == "log_legacy" else str(namespace)


def _level_of(event: LogEvent) -> str:
    level = event.get("log_level")
    return level.name if level else "info"


def _one_line(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def _traceback_of(event: LogEvent) -> str:
    failure = event.get("log_failure")
    return f"{failure.getTraceback().rstrip()}\n" if failure else ""
