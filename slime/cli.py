"""The ``slime`` command.

It finds the command's words among the options (``slime --config FILE hub run`` works too), and leaves the rest
to the command. A mistake in what was typed ends with one line and status 2.
"""

from __future__ import annotations

import difflib
import os
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from twisted.application.service import IService

import slime
from slime.log import start_logging
from slime.names import random_name
from slime.options import SettingsOptions, refuse
from slime.process import run_service
from slime.reactor import install
from slime.seed.tokens import mint_seed
from slime.settings import RegisterConfig
from slime.sources import load_register, takes_value
from slime.tokens import NONCE_BYTES, AgentClaims, mint

__all__ = ["main"]

Words = tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> None:
    """Carry out one command line.

    :param arguments: the words after ``slime``; those of the process when absent.
    :raises SystemExit: with status 2 for a mistake in the command line, 1 when the command failed.
    """
    words, rest = split_command(sys.argv[1:] if arguments is None else arguments)
    if words in COMMANDS:
        COMMANDS[words][0](rest)
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
    remaining = iter(arguments)
    for argument in remaining:
        if argument.startswith("-"):
            rest += [argument, *islice(remaining, int(takes_value(argument)))]
            continue
        words = (*words, argument)
        if words in COMMANDS or not _is_group(words):
            break
    return words, [*rest, *remaining]


def _is_group(words: Words) -> bool:
    """Whether more words can follow to make a command."""
    return any(len(words) < len(command) and command[: len(words)] == words for command in COMMANDS)


def _unknown(words: Words) -> str:
    depth = len(words) - 1
    known = {command[depth] for command in COMMANDS if len(command) > depth and command[:depth] == words[:depth]}
    near = difflib.get_close_matches(words[-1], known, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"there is no command {words[-1]!r}{hint} (slime --help lists them)"


def _overview(words: Words, rest: Sequence[str]) -> None:
    """Show the commands there are; a flag that has no command yet is a mistake."""
    if rest == ["--version"]:
        _version([])
    elif set(rest) - {"--help", "-h"}:
        refuse(" ".join(["slime", *words]), f"{rest[0]}: a command is missing (slime --help lists them)")
    else:
        listed = [(command, about) for command, (_, about) in COMMANDS.items() if command[: len(words)] == words]
        lines = [f"  slime {' '.join(command):<16}{about}" for command, about in listed]
        sys.stdout.write("\n".join([_INTRODUCTION, "", "Commands:", *lines, "", _MORE, ""]))


_INTRODUCTION = """\
slime puts many providers of one HTTP API behind one address. A hub takes requests from applications; an agent
beside each provider dials out to the hub and fetches one request whenever the provider is free."""
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


class RegisterOptions(SettingsOptions):
    """The settings of a new token."""

    command = "slime hub register"
    summary = (
        "Make a token with which an agent may join the hub that has the same secret, and print it. The hub need "
        "not run; it keeps no list of tokens."
    )
    config_class = RegisterConfig
    config: RegisterConfig
    read = staticmethod(load_register)


def _register(arguments: Sequence[str]) -> None:
    options = RegisterOptions()
    options.parseOptions(arguments)
    config = options.config
    claims = AgentClaims(
        token_id=secrets.token_hex(8),
        name=config.name or random_name(secrets.SystemRandom()),
        expires=time.time() + config.age if config.age else None,
        scope_paths=config.scope_paths,
        scopes=config.scopes,
    )
    try:
        token = _minted(config, claims)
    except ValueError as problem:
        refuse(options.command, problem)
    sys.stdout.write(f"{token}\n")


def _admin(command: str) -> Callable[[Sequence[str]], None]:
    """One of the commands that ask a running hub."""

    def run(arguments: Sequence[str]) -> None:
        from slime import admincli

        admincli.COMMANDS[command](arguments)

    return run


def _minted(config: RegisterConfig, claims: AgentClaims) -> str:
    nonce = os.urandom(NONCE_BYTES)
    if config.agents_of == "seed":
        return mint_seed(config.secret, secrets.randbits(63), claims, nonce)
    return mint(config.secret, claims, nonce)


def _demo(arguments: Sequence[str]) -> None:
    from slime.demo import main as demo

    raise SystemExit(demo(list(arguments)))


def _version(arguments: Sequence[str]) -> None:
    sys.stdout.write(f"slime {slime.__version__}\n")


COMMANDS: dict[Words, tuple[Callable[[Sequence[str]], None], str]] = {
    ("hub", "run"): (_hub_run, "Run a hub."),
    ("hub", "register"): (_register, "Make a token for an agent."),
    ("hub", "status"): (_admin("status"), "Show a running hub: its agents, slots and queue."),
    ("hub", "drain"): (_admin("drain"), "Give an agent nothing new."),
    ("hub", "undrain"): (_admin("undrain"), "Let a drained agent work again."),
    ("hub", "disconnect"): (_admin("disconnect"), "End an agent's link."),
    ("hub", "revoke"): (_admin("revoke"), "Accept an agent's token no more."),
    ("agent", "run"): (_agent_run, "Run an agent for one upstream or several."),
    ("demo",): (_demo, "Show a hub, two agents and two toy upstreams at work on this machine."),
    ("version",): (_version, "Print the version."),
}
