"""The ``slime`` command.

It finds the command's words among the options (``slime --config FILE hub run`` works too), and leaves the rest
to the command. A mistake in what was typed ends with one line and status 2.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Sequence
from itertools import chain
from textwrap import wrap
from typing import Any

from twisted.application.service import IService

import slime
from slime import commands
from slime.commands import Words
from slime.log import start_logging
from slime.options import SettingsOptions, refuse, words_of
from slime.process import run_service
from slime.reactor import install
from slime.reference import help_text
from slime.sources import as_typed, shown

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Carry out one command line.

    :param arguments: the words after ``slime``; those of the process when absent.
    :raises SystemExit: with status 2 for a mistake in the command line, 1 when the command failed.
    """
    words, rest = split_command(sys.argv[1:] if arguments is None else arguments)
    if words in COMMANDS:
        COMMANDS[words](rest)
    elif _is_group(words):
        _overview(words, rest)
    else:
        refuse(" ".join(["slime", *words[:-1]]), _unknown(words))


def split_command(arguments: Sequence[str]) -> tuple[Words, list[str]]:
    """The command's words, and everything else in its order.

    The words end with the first complete command, or with the first word that belongs to none.
    """
    words: Words = ()
    rest: list[str] = []
    remaining = words_of(arguments)
    for piece in remaining:
        if piece[0].startswith("-"):
            rest += piece
            continue
        words = (*words, piece[0])
        if words in COMMANDS or not _is_group(words):
            break
    return words, [*rest, *chain.from_iterable(remaining)]


def _is_group(words: Words) -> bool:
    """Whether more words can follow to make a command."""
    return any(len(words) < len(command) and command[: len(words)] == words for command in COMMANDS)


def _unknown(words: Words) -> str:
    depth = len(words) - 1
    known = {command[depth] for command in COMMANDS if len(command) > depth and command[:depth] == words[:depth]}
    near = difflib.get_close_matches(words[-1], known, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"there is no command {shown(words[-1])}{hint} (slime --help lists them)"


def _overview(words: Words, rest: Sequence[str]) -> None:
    """Show the commands there are; a flag that has no command yet is a mistake."""
    if rest == ["--version"]:
        _show_version()
    elif set(rest) - {"--help", "-h"}:
        refuse(" ".join(["slime", *words]), f"{as_typed(rest[0])}: a command is missing (slime --help lists them)")
    else:
        listed = [row for row in commands.COMMANDS if row.words[: len(words)] == words]
        lines = [f"  {row.name:<22}{row.about}" for row in listed]
        sys.stdout.write("\n".join([*wrap(commands.INTRODUCTION, 110), "", "Commands:", *lines, "", _MORE, ""]))


_MORE = "Add --help to a command for its options."


# -- the commands ---------------------------------------------------------------------------------------------


def _hub_run(arguments: Sequence[str]) -> None:
    from slime.hub import tap

    _serve(tap.Options(), tap.makeService, arguments)


def _agent_run(arguments: Sequence[str]) -> None:
    from slime.agent import tap

    _serve(tap.Options(), tap.makeService, arguments)


def _serve(options: SettingsOptions, make_service: Callable[[Any], IService], arguments: Sequence[str]) -> None:
    """Run, in the foreground, the service that ``twistd`` would run."""
    options.parseOptions(arguments)
    start_logging(options.config.log_format, options.config.log_level)
    install()
    from twisted.internet import reactor

    run_service(reactor, make_service(options))


def _agent_check(arguments: Sequence[str]) -> None:
    from slime.agent.check import main as check

    check(arguments)


def _register(arguments: Sequence[str]) -> None:
    from slime.register import register

    register(arguments)


def _admin(command: str) -> Callable[[Sequence[str]], None]:
    """One of the commands that ask a running hub."""

    def run(arguments: Sequence[str]) -> None:
        from slime import admincli

        admincli.COMMANDS[command](arguments)

    return run


def _demo(arguments: Sequence[str]) -> None:
    from slime.demo import main as demo

    raise SystemExit(demo(list(arguments)))


def _completion(arguments: Sequence[str]) -> None:
    from slime.completion import main as completion

    completion(arguments)


def _version(arguments: Sequence[str]) -> None:
    strange = [argument for argument in arguments if argument not in ("--help", "-h")]
    if strange:
        refuse(commands.VERSION.name, f"{shown(strange[0])}: nothing was expected here")
    elif arguments:
        sys.stdout.write(f"{help_text(commands.VERSION, 110)}\n")
    else:
        _show_version()


def _show_version() -> None:
    sys.stdout.write(f"slime {slime.__version__}\n")


#: What carries each command of the table out, given the words that belong to no command.
COMMANDS: dict[Words, Callable[[Sequence[str]], None]] = {
    commands.HUB_RUN.words: _hub_run,
    commands.REGISTER.words: _register,
    **{row.words: _admin(row.words[1]) for row in (commands.STATUS, commands.DRAIN, commands.UNDRAIN)},
    **{row.words: _admin(row.words[1]) for row in (commands.DISCONNECT, commands.REVOKE)},
    commands.AGENT_RUN.words: _agent_run,
    commands.AGENT_CHECK.words: _agent_check,
    commands.DEMO.words: _demo,
    commands.COMPLETION.words: _completion,
    commands.VERSION.words: _version,
}
