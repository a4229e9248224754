"""The manual pages, from the tables of commands and settings.

``python -m slime.manual DIRECTORY`` writes them; ``make man`` keeps ``man/`` current, from where they are installed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import slime
from slime.commands import AGENT_RUN, COMMANDS, HUB_RUN, INTRODUCTION, Command
from slime.reference import HOW_TO_GIVE, by_group, default_of, rows_of, usage_of
from slime.settings import Setting
from slime.sources import ALL_SETTINGS, with_files

__all__ = ["EXAMPLE", "pages", "roff"]

#: When what is written here, rather than in the tables, was last changed; a page must have a date.
_DATE = "2026-11-28"

#: What ends with which status.
_STATUS = (
    ("0", "All went well; of a service: it was told to end, and did."),
    ("1", "The command failed: the hub cannot be reached, the port is taken, something is not as it should be."),
    ("2", "The command line, the environment or the file of settings has a mistake; one line says which."),
)

_SIGNALS = (
    ("SIGTERM, SIGINT", "End: what runs has as long as --grace says. A second one ends the process at once."),
    ("SIGHUP", "Open the file of --access-log-file anew, for logrotate. A process whose terminal was closed ends."),
)


def pages() -> dict[str, str]:
    """Every page, by its file's name."""
    texts = {f"{_title(command)}.1": _command_page(command) for command in COMMANDS if command.config}
    return {"slime.1": _overview(), **texts, "slime.yaml.5": _file_page()}


def _title(command: Command) -> str:
    return "-".join(["slime", *command.words])


# -- roff -----------------------------------------------------------------------------------------------------------

_SPECIAL = str.maketrans(
    {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti", "…": r"\&..."}
)


def roff(text: str) -> str:
    """Plain text as roff shows it: letter for letter, and no line a command."""
    escaped = text.translate(_SPECIAL)
    return rf"\&{escaped}" if escaped.startswith(".") else escaped


def _bold(text: str) -> str:
    return rf"\fB{roff(text)}\fR"


def _quoted(text: str) -> str:
    """Prose: what stands in single backquotes is typed."""
    return re.sub(r"\\\(ga(.+?)\\\(ga", r"\\fB\1\\fR", roff(text))


def _head(title: str, section: int, about: str) -> list[str]:
    version = slime.__version__.partition(".dev")[0]
    name = title.upper().replace("-", r"\-")
    return [
        r'.\" Written by "make man", from the tables in slime/commands.py and slime/settings.py.',
        f'.TH "{name}" "{section}" "{_DATE}" "slime {version}" "slime"',
        ".SH NAME",
        rf"{roff(title)} \- {roff(about)}",
    ]


def _tagged(tag: str, *paragraphs: str) -> Iterator[str]:
    yield ".TP"
    yield tag
    for number, paragraph in enumerate(paragraphs):
        if number:
            yield ".br"
        yield paragraph


def _listed(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, text in rows:
        yield from _tagged(_bold(name), _quoted(text))


def _see(*names: str) -> list[str]:
    marked = [rf"\fB{roff(name)}\fR({section})" for name, _, section in (one.rpartition(".") for one in names)]
    return [".SH SEE ALSO", ",\n".join(marked)]


def _page(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


# -- the pages ------------------------------------------------------------------------------------------------------


def _overview() -> str:
    lines = _head("slime", 1, "many providers of one HTTP API behind one address")
    lines += [".SH SYNOPSIS", rf"{_bold('slime')} \fICOMMAND\fR [\fIOPTIONS\fR]", ".SH DESCRIPTION", roff(INTRODUCTION)]
    lines += [".SH COMMANDS", *_listed((" ".join([*c.words, c.operand]).strip(), c.about) for c in COMMANDS)]
    lines += [".PP", roff("Add --help to a command for its options.")]
    lines += [".SH EXIT STATUS", *_listed(_STATUS)]
    lines += _see(*(f"{_title(command)}.1" for command in COMMANDS if command.config), "slime.yaml.5")
    return _page(lines)


def _command_page(command: Command) -> str:
    about = command.about[0].lower() + command.about[1:].rstrip(".")
    operand = rf" \fI{roff(command.operand)}\fR" if command.operand else ""
    lines = _head(_title(command), 1, about)
    lines += [".SH SYNOPSIS", rf"{_bold(command.name)}{operand} [\fIOPTIONS\fR]"]
    lines += [".SH DESCRIPTION", _quoted(command.summary), ".SH OPTIONS"]
    for group, settings in by_group(rows_of(command)).items():
        lines += [f".SS {roff(group)}", *_options(settings)]
    lines += [".SH SETTINGS", _quoted(HOW_TO_GIVE)]
    if command in (HUB_RUN, AGENT_RUN):
        lines += [".SH SIGNALS", *_listed(_SIGNALS)]
    lines += [".SH EXIT STATUS", *_listed(_STATUS)]
    return _page(lines + _see("slime.1", "slime.yaml.5"))


def _options(settings: Iterable[Setting]) -> Iterator[str]:
    for setting in settings:
        variables = f"Environment: {', '.join(setting.variables)}"
        default = [f"Default: {default_of(setting)}"] if default_of(setting) else []
        yield from _tagged(_bold(usage_of(setting)), _quoted(setting.help), *map(roff, [*default, variables]))


def _file_page() -> str:
    lines = _head("slime.yaml", 5, "settings of hubs, agents and the commands that manage them")
    lines += [".SH DESCRIPTION", "\n.PP\n".join(map(_quoted, _ABOUT_FILE))]
    lines += [".SH EXAMPLE", ".nf", *map(roff, EXAMPLE), ".fi"]
    lines.append(".SH SETTINGS")
    for group, settings in by_group(row for row in with_files(ALL_SETTINGS) if row.name != "config").items():
        lines.append(f".SS {roff(group)}")
        for setting in settings:
            default = [f"Default: {default_of(setting)}"] if default_of(setting) else []
            value = setting.kind.metavar or "true|false"
            yaml = f"{_bold(setting.key)}: \\fI{roff(value)}\\fR"
            lines += _tagged(yaml, _quoted(setting.help), *map(roff, default))
    return _page(lines + _see("slime.1", *(f"{_title(command)}.1" for command in (HUB_RUN, AGENT_RUN))))


_ABOUT_FILE = (
    "Settings may stand in a YAML file: ~/.slime.yaml, or the one that --config or SLIME_CONFIG names.",
    "One file serves all commands; each takes what is its own. The command line and the environment count more.",
    "Case, dashes and underscores in names do not matter. An unknown name is an error.",
    "Several values are a list, or joined by commas.",
)

#: Settings of a hub.
EXAMPLE = (
    "secret-file: /etc/slime/secret",
    "app-password-file: /etc/slime/app-password",
    "port: 8080",
    "max-body: 10MB",
    "access-log: combined",
    "access-log-file: /var/log/slime/access.log",
)


def main(folder: str) -> None:
    """Write every page into a folder."""
    place = Path(folder)
    place.mkdir(exist_ok=True)
    for name, text in pages().items():
        (place / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
