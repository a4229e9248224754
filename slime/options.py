"""The command line of both services, for :program:`slime` and for :program:`twistd` alike."""

from __future__ import annotations

import os
import shutil
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, NoReturn

from twisted.python import usage

from slime.commands import Command
from slime.reference import help_text
from slime.sources import ALL_SETTINGS, SettingError, flags_of

__all__ = ["SettingsOptions", "refuse", "words_of"]


def words_of(arguments: Iterable[str]) -> Iterator[list[str]]:
    """A command line in pieces: each flag, of whichever command, with its value behind it, and each other word."""
    known = flags_of(ALL_SETTINGS)
    rest = deque(arguments)
    while rest:
        piece = [rest.popleft()]
        setting = known.get(piece[0])
        if setting is not None and rest and setting.kind.follows(rest[0]):
            piece.append(rest.popleft())
        yield piece


def refuse(command: str, problem: object) -> NoReturn:
    """End the process over a setting that cannot be used: one line, exit status 2."""
    sys.stderr.write(f"{command}: {problem}\n")
    raise SystemExit(2)


class SettingsOptions(usage.Options):
    """A command's options, read from every source there is.

    Subclasses name the table. Twisted's own reading of flags is replaced, as it knows no other source, no
    switch with a value, and no exit status for a mistake.

    :cvar row: the command: its name in complaints, what its help says, the table of its settings.
    :cvar read: one of the ``load`` functions of :mod:`slime.sources`.
    :ivar config: the configuration, once :meth:`parseOptions` has returned.
    """

    row: ClassVar[Command]
    read: ClassVar[Callable[..., Any]]
    config: Any

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Read the configuration; show the help or end the process over a mistake.

        :param options: the arguments after the command; those of the process when absent.
        """
        arguments = sys.argv[1:] if options is None else options
        if any(argument in ("--help", "-h") for argument in arguments):
            sys.stdout.write(self.getUsage())
            raise SystemExit(0)
        try:
            self.config = self.read(arguments, os.environ)
        except SettingError as problem:
            refuse(self.row.name, problem)
        self.postOptions()

    @property
    def foreground(self) -> bool:
        """Whether the process stays where it was started, as all do but daemons of ``twistd``."""
        return self.parent is None or bool(self.parent.get("nodaemon", True))

    def getUsage(self, width: int | None = None) -> str:
        """The text of ``--help``."""
        columns = width or min(shutil.get_terminal_size().columns, 110)
        return help_text(self.row, columns) + "\n"
