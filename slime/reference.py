"""The tables of settings and errors as texts: what ``--help`` shows, and pages of the documentation.

``python -m slime.reference settings`` and ``... errors`` print a page as reStructuredText.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import MISSING

from slime import commands
from slime.commands import Command
from slime.errors import ErrorCode
from slime.settings import GROUPS, Setting, settings_of
from slime.sources import with_files
from slime.values import BOOLEAN

__all__ = [
    "HOW_TO_GIVE", "by_group", "default_of", "errors_page", "help_text", "rows_of", "settings_page", "usage_line",
    "usage_of",
]  # fmt: skip

_FLAG_COLUMN = 30


def default_of(setting: Setting) -> str:
    """The default as a person would write it; empty when there is none to speak of."""
    if setting.default in (MISSING, None, ()):
        return ""
    return setting.kind.show(setting.default)


def by_group(settings: Iterable[Setting]) -> dict[str, list[Setting]]:
    """The settings under their headings, in the order of the table."""
    groups: dict[str, list[Setting]] = {group: [] for group in GROUPS}
    for setting in settings:
        groups[setting.group].append(setting)
    return {group: rows for group, rows in groups.items() if rows}


def usage_of(setting: Setting) -> str:
    """The flag with what stands for its value; a switch takes one only when it is to be switched off."""
    if setting.kind is BOOLEAN:
        return f"{setting.flag}=false" if setting.default else setting.flag
    return f"{setting.flag} {setting.kind.metavar}"


# -- help -------------------------------------------------------------------------------------------------


def usage_line(command: Command) -> str:
    """What is typed."""
    return " ".join(filter(None, [command.name, command.operand, "[options]" if command.config else ""]))


def rows_of(command: Command) -> list[Setting]:
    """Every option of a command, each secret's file and ``--config`` included."""
    return with_files(settings_of(command.config)) if command.config else []


def help_text(command: Command, width: int) -> str:
    """What ``--help`` prints.

    :param width: columns of the terminal.
    """
    parts = [f"Usage: {usage_line(command)}", textwrap.fill(command.summary, width)]
    for group, settings in by_group(rows_of(command)).items():
        parts.append("\n".join([f"{group}:", *(_entry(setting, width) for setting in settings)]))
    if command.config:
        parts.append(textwrap.fill(HOW_TO_GIVE, width))
    return "\n\n".join(parts)


HOW_TO_GIVE = (
    "Each option can also be set in the environment (--app-password as SLIME_APP_PASSWORD) or in the YAML file "
    "(app-password: ...); the command line counts most, the file least. Durations are written like 90s or "
    "1h2m3s, sizes like 64KiB. Keep secrets in files: a command line can be read by everyone on the machine."
)


def _entry(setting: Setting, width: int) -> str:
    default = default_of(setting)
    text = f"{setting.help} [{default}]" if default else setting.help
    body = textwrap.wrap(text, max(width, 60) - _FLAG_COLUMN)
    flag = f"  {usage_of(setting)}"
    first = [flag] if len(flag) >= _FLAG_COLUMN else [flag.ljust(_FLAG_COLUMN) + body.pop(0)]
    return "\n".join([*first, *(" " * _FLAG_COLUMN + line for line in body)])


# -- the reference page -----------------------------------------------------------------------------------

#: Commands that take the same settings share a chapter, which has the first one's name.
_CHAPTERS = (
    (commands.HUB_RUN, "``slime hub run`` and ``twistd slime-hub``"),
    (commands.AGENT_RUN, "``slime agent run``, ``slime agent check`` and ``twistd slime-agent``"),
    (commands.REGISTER, "``slime hub register``"),
    (commands.STATUS, "``slime hub status``"),
    (commands.DRAIN, "``slime hub drain``, ``undrain``, ``disconnect`` and ``revoke``"),
)


_SETTINGS_PAGE = """\
Settings
========

.. This page is written by ``make settings``, from the tables in slime/settings.py.

Every setting can be given in several ways. The first of these that has it counts:

1. the command line: ``--max-body 10MB`` or ``--max-body=10MB``;
2. the environment: ``SLIME_MAX_BODY=10MB``, or one of the shorter names given below; an empty variable says nothing;
3. for secrets, a file of that name in ``$CREDENTIALS_DIRECTORY`` (systemd's ``LoadCredential=``);
4. the YAML file: ``max-body: 10MB``. It is ``~/.slime.yaml`` unless ``--config`` or ``SLIME_CONFIG`` names another
   one, and serves all commands. Case, ``-`` and ``_`` in keys do not matter; an unknown key is an error, and one
   without a value, or with ``null``, says nothing;
5. the default.

``twistd slime-hub`` and ``twistd slime-agent`` take the same options as ``slime hub run`` and ``slime agent run``.

Durations are written like ``90s``, ``1h2m3s``, ``250ms`` or ``7d``; a bare number is seconds. Sizes are written like
``64KiB`` or ``10MB``; a bare number is bytes, and ``K``, ``M``, ``G`` alone are powers of 1024. A switch is given as
``--report-hardware`` or ``--report-hardware=false``. Where several values are possible, they are joined by commas or
the option is repeated; endpoints are separated by spaces.

Give secrets in files. Everyone on the machine can read a command line, and an environment is easily logged.

On Kubernetes, do not name a service ``slime``: for its pods that sets ``SLIME_PORT`` to something that is not a port
(or set ``enableServiceLinks: false``).
"""


def settings_page() -> str:
    """Every setting of every command as reStructuredText, with all ways of giving it."""
    lines = [_SETTINGS_PAGE]
    for command, title in _CHAPTERS:
        lines += [title, "-" * len(title), ""]
        for group, settings in by_group(rows_of(command)).items():
            lines += [f"**{group}**", ""]
            for setting in settings:
                lines += _section(setting, command.name)
    return "\n".join(lines).rstrip() + "\n"


def _section(setting: Setting, command: str) -> Iterator[str]:
    anchor = f"{command} {setting.key}".replace(" ", "-")
    yield f".. _{anchor}:"
    yield ""
    yield f"``{usage_of(setting)}``"
    yield from textwrap.wrap(_literal(setting.help), 100, initial_indent="    ", subsequent_indent="    ")
    yield ""
    yield f"    {_facts(setting)}"
    yield ""


def _literal(text: str) -> str:
    """Help texts quote with single backticks, and path patterns end with a star."""
    return text.replace("`", "``").replace("*", r"\*")


def _facts(setting: Setting) -> str:
    variables = ", ".join(f"``{name}``" for name in setting.variables)
    facts = [f"Environment: {variables}."]
    if setting.name != "config":
        facts.append(f"YAML: ``{setting.key}``.")
    if setting.seed:
        facts.append(f"Also: ``--{setting.seed}``, ``{setting.seed}``.")
    if default_of(setting):
        facts.append(f"Default: ``{default_of(setting)}``.")
    return " ".join(facts)


_ERRORS_PAGE = """\
Errors
======

.. This page is written by ``make settings``, from the table in slime/errors.py.

What the hub answers by itself says so: the field ``Slime-Error`` holds one of these codes, so that slime's own 503 can
be told from an upstream's. The body is ``application/problem+json`` (:rfc:`9457`) for a client that accepts it, and
one line of text for others. The number is what stands for the code on the link between hub and agent.

.. list-table::
   :header-rows: 1

   * - Status
     - Code
     - Number
     - Meaning
"""


def errors_page() -> str:
    """Every error code as reStructuredText."""
    rows = [
        f"   * - {code.status}\n     - ``{code.slug}``\n     - {code.wire}\n     - {code.title}" for code in ErrorCode
    ]
    return _ERRORS_PAGE + "\n".join(rows) + "\n"


PAGES = {"settings": settings_page, "errors": errors_page}

if __name__ == "__main__":
    sys.stdout.write(PAGES[sys.argv[1]]())
