"""Where values of settings come from, and which one counts.

In this order: the command line, the environment, systemd's credentials, the YAML file, the default. Text that
cannot be read, a flag or key nobody knows, a missing value: each is one :exc:`SettingError`, a line that
names the setting, where its value came from, and what to do.
"""

from __future__ import annotations

import difflib
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, replace
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from slime.files import content_of
from slime.settings import (
    RUNNING,
    AdminConfig,
    AgentConfig,
    HubConfig,
    RegisterConfig,
    Setting,
    StatusConfig,
    settings_of,
)
from slime.values import PATH
from slime.yamlfile import pairs_in

__all__ = [
    "ALL_SETTINGS", "SettingError", "as_typed", "flags_of", "load_admin", "load_agent", "load_hub", "load_register",
    "load_status", "shown", "with_files",
]  # fmt: skip

#: Read from the home directory when no file is named and it exists.
DEFAULT_FILE = ".slime.yaml"

#: Characters of a value that a message shows, at most.
SHOWN = 60

#: Not in the tables, as it says where the tables' values come from.
CONFIG = Setting(
    "config", "config", replace(PATH, metavar="FILE"), None,
    "YAML file with settings; ~/.slime.yaml unless given, if there is one.", RUNNING,
)

#: The settings of every command, each name once: what a YAML file may hold.
_ALL_ROWS = [row for config in (StatusConfig, HubConfig, AgentConfig, RegisterConfig) for row in settings_of(config)]
ALL_SETTINGS = tuple({row.name: row for row in _ALL_ROWS}.values())

_Config = TypeVar("_Config")


class SettingError(Exception):
    """A setting cannot be used. The message is one line for whoever runs slime; it holds no secret."""


class Rank(IntEnum):
    """The sources, the weightiest last."""

    DEFAULT = 0
    FILE = 1
    CREDENTIALS = 2
    ENVIRONMENT = 3
    FLAG = 4


@dataclass(frozen=True, slots=True)
class Found:
    """The raw value of a setting: one text or several, and where they stood."""

    texts: Sequence[str]
    where: str
    rank: Rank


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), 1, 0.5)
    return f"; did you mean {near[0]}?" if near else ""


# -- the command line --------------------------------------------------------------------------------


def secret_file(setting: Setting) -> Setting:
    """The companion of a secret: the file that holds it."""
    return replace(
        setting,
        name=f"{setting.name}_file",
        kind=replace(PATH, metavar="FILE"),
        help=f"File that holds the {setting.key.replace('-', ' ')}; a line break at its end does not count.",
        seed="",
        environ=tuple(f"{name}_FILE" for name in setting.environ),
        secret=False,
    )


def with_files(settings: Iterable[Setting]) -> list[Setting]:
    """The settings, each secret followed by its companion, and ``--config`` at the end."""
    rows = [row for setting in settings for row in (setting, secret_file(setting))[: 1 + setting.secret]]
    return [*rows, CONFIG]


def flags_of(settings: Iterable[Setting]) -> dict[str, Setting]:
    """Every flag in every spelling, and what it sets."""
    return {f"--{name}": row for row in with_files(settings) for name in _spellings(row)}


def read_flags(arguments: Sequence[str], settings: Iterable[Setting]) -> dict[str, Found]:
    """Take a command line apart: ``--flag value``, ``--flag=value``, and switches with or without ``=value``.

    :raises SettingError: a flag is unknown or lacks its value, or something is no flag at all.
    """
    known = flags_of(settings)
    found: dict[str, Found] = {}
    rest = deque(arguments)
    while rest:
        flag, equals, text = rest.popleft().partition("=")
        setting = known.get(flag)
        if setting is None:
            raise SettingError(_stray(flag, known))
        if not equals:
            text = _following(rest, flag, setting)
        earlier = found[setting.name].texts if setting.name in found else ()
        found[setting.name] = Found([*earlier, text], flag, Rank.FLAG)
    return found


def _following(rest: deque[str], flag: str, setting: Setting) -> str:
    kind = setting.kind
    # Where a value may follow, a word that is none is a wrong one.
    if rest and (kind.follows(rest[0]) or (kind.metavar and not rest[0].startswith("-"))):
        return rest.popleft()
    if kind.bare:
        return kind.bare
    raise SettingError(f"{setting.key}: {flag} lacks its value; write {flag} {kind.metavar}")


def _stray(argument: str, known: Iterable[str]) -> str:
    if argument.startswith("-"):
        return f"{as_typed(argument)}: there is no such option{_nearest(argument, known)} (--help lists them)"
    return f"{shown(argument)}: an option was expected here; each starts with -- (--help lists them)"


# -- the YAML file --------------------------------------------------------------------------------------


def _folded(key: str) -> str:
    """Keys count as the same whatever their case and separators: appPassword, app-password, app_password."""
    return re.sub(r"[-_]", "", key).lower()


def read_file(path: Path, settings: Iterable[Setting]) -> dict[str, Found]:
    """The settings in a YAML file, by name.

    :param settings: those of every command, as all of them share one file.
    :raises SettingError: it cannot be read, is not a mapping, or has a key that nobody knows.
    """
    known = {_folded(row.key): row for row in with_files(settings) if row is not CONFIG}
    found: dict[str, Found] = {}
    for key, value in _read_pairs(path):
        setting = known.get(_folded(key))
        where = f"{shown(key)} in {path}"
        if setting is None:
            names = [name for row in known.values() for name in _spellings(row)]
            raise SettingError(f"{where}: there is no such setting{_nearest(key, names)}")
        if setting.name in found:
            other = found[setting.name].where
            surplus = "one of them" if other == where else other
            raise SettingError(f"{setting.key}: {where} is given twice; leave {surplus} out")
        texts = _texts_of(value, setting, where)
        if texts:
            found[setting.name] = Found(texts, where, Rank.FILE)
    return found


def _spellings(setting: Setting) -> list[str]:
    return [setting.key, setting.seed] if setting.seed else [setting.key]


def _read_pairs(path: Path) -> list[tuple[str, Any]]:
    try:
        return pairs_in(path)
    except ValueError as error:
        raise SettingError(f"config: {error}") from None


def _texts_of(value: Any, setting: Setting, where: str) -> list[str]:
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in items) or (len(items) > 1 and not setting.kind.split):
        wanted = "a value, or a list of values" if setting.kind.split else "a single value"
        raise SettingError(f"{setting.key}: {where} is not {wanted}; give one")
    return [item for item in items if item]


# -- all together ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sources:
    """Everything that was said about a command's settings."""

    flags: Mapping[str, Found]
    environ: Mapping[str, str]
    file: Mapping[str, Found]

    @classmethod
    def gather(cls, arguments: Sequence[str], environ: Mapping[str, str], config: type) -> Sources:
        """Read the command line and the YAML file.

        :param config: the configuration class whose flags are allowed.
        :raises SettingError: see :func:`read_flags` and :func:`read_file`.
        """
        flags = read_flags(arguments, settings_of(config))
        named = flags.get("config") or _from_environment(CONFIG, environ)
        path = value_of(CONFIG, named) if named else Path(environ.get("HOME") or "/", DEFAULT_FILE)
        file = read_file(path, ALL_SETTINGS) if named or os.path.isfile(path) else {}
        return cls(flags, environ, file)

    def find(self, setting: Setting) -> Found:
        """What counts for a setting; texts of rank ``DEFAULT`` are none.

        :raises SettingError: a secret and its file are both given, or the file cannot be read.
        """
        for look in (self._flag, self._variable, self._credential, self._key):
            found = self._given(setting, look)
            if found is not None:
                return found
        return Found((), "its default", Rank.DEFAULT)

    def _given(self, setting: Setting, look: Callable[[Setting], Found | None]) -> Found | None:
        plain = look(setting)
        if not setting.secret:
            return plain
        in_file = look(secret_file(setting))
        if plain and in_file:
            both = f"{plain.where} and {in_file.where}"
            raise SettingError(f"{setting.key}: {both} are both given; leave one out")
        return _content(setting, in_file) if in_file else plain

    def _flag(self, setting: Setting) -> Found | None:
        return self.flags.get(setting.name)

    def _variable(self, setting: Setting) -> Found | None:
        return _from_environment(setting, self.environ)

    def _credential(self, setting: Setting) -> Found | None:
        """A file in ``$CREDENTIALS_DIRECTORY`` (systemd's ``LoadCredential=``), named like the setting."""
        directory = self.environ.get("CREDENTIALS_DIRECTORY")
        if not directory or not setting.name.endswith("_file"):
            return None
        path = os.path.join(directory, setting.key.removesuffix("-file"))
        return Found([path], "$CREDENTIALS_DIRECTORY", Rank.CREDENTIALS) if os.path.isfile(path) else None

    def _key(self, setting: Setting) -> Found | None:
        return self.file.get(setting.name)


def _from_environment(setting: Setting, environ: Mapping[str, str]) -> Found | None:
    for name in setting.variables:
        if environ.get(name):
            return Found([environ[name]], f"{name} in the environment", Rank.ENVIRONMENT)
    return None


def _content(setting: Setting, named: Found) -> Found:
    path: Path = value_of(secret_file(setting), named)
    try:
        text = content_of(path).decode("utf-8", "surrogateescape")
    except OSError as error:
        raise SettingError(f"{setting.key}: {named.where} names {path}: {error.strerror}") from None
    return Found([text.removesuffix("\n").removesuffix("\r")], str(path), named.rank)


def value_of(setting: Setting, found: Found) -> Any:
    """The value of a setting, read and checked.

    :raises SettingError: what was found cannot be used, or nothing was and there is no default.
    """
    if found.rank is Rank.DEFAULT:
        if setting.default is MISSING:
            raise SettingError(f"{setting.key}: missing; {_how_to_give(setting)}")
        return setting.default
    if setting.kind.split is None:
        return _parsed(setting, found, found.texts[-1])
    parts = [part for text in found.texts for part in setting.kind.split(text)]
    if not parts:
        raise SettingError(f"{setting.key}: {found.where} names nothing; {_how_to_give(setting)}")
    return tuple(_parsed(setting, found, part) for part in parts)


def _parsed(setting: Setting, found: Found, text: str) -> Any:
    try:
        return setting.kind.parse(text)
    except ValueError as error:
        says = ":" if setting.kind.private else f" says {shown(text)}, which is"
        raise SettingError(f"{setting.key}: {found.where}{says} {error}") from None


def as_typed(word: str) -> str:
    """A word of the command line fit for a message: as it is, if that can be."""
    return word if word.isprintable() and len(word) <= SHOWN else shown(word)


def shown(text: str) -> str:
    """Text fit for a message: short, and without the password of a URL."""
    text = re.sub(r"//.*@", "//...@", text)
    return repr(text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}...")


def _how_to_give(setting: Setting) -> str:
    flag = secret_file(setting).flag if setting.secret else setting.flag
    metavar = "FILE" if setting.secret else setting.kind.metavar
    return f"give it with {flag} {metavar}, in {setting.variables[0]}, or as {setting.key!r} in the YAML file"


def _values(config: type, sources: Sources) -> dict[str, Any]:
    return {row.attribute: value_of(row, sources.find(row)) for row in settings_of(config)}


def load_hub(arguments: Sequence[str], environ: Mapping[str, str]) -> HubConfig:
    """A hub's configuration.

    ``--listen`` and ``--host`` or ``--port`` exclude each other within one source; of two sources, the
    weightier one wins.

    :raises SettingError: see :class:`Sources` and :func:`value_of`.
    """
    sources = Sources.gather(arguments, environ, HubConfig)
    config = HubConfig(**_values(HubConfig, sources))
    rows = {row.name: row for row in settings_of(HubConfig)}
    # Of these alone, as what comes by a pipe cannot be found twice.
    listen, host, port = (sources.find(rows[name]) for name in ("listen", "host", "port"))
    short = max(host, port, key=lambda item: item.rank)
    if listen.rank == short.rank != Rank.DEFAULT:
        raise SettingError(
            f"listen: {listen.where} and {short.where} are both given; "
            "name the address and port in the endpoint, or leave it out"
        )
    return config if listen.rank > short.rank else replace(config, listen=(config.host_and_port,))


def load_agent(
    arguments: Sequence[str], environ: Mapping[str, str], check_upstream: Callable[[str], object] = str
) -> AgentConfig:
    """An agent's configuration.

    :param check_upstream: raises :exc:`ValueError` with a sentence for an upstream it cannot use.
    :raises SettingError: see :class:`Sources` and :func:`value_of`.
    """
    sources = Sources.gather(arguments, environ, AgentConfig)
    config = AgentConfig(**_values(AgentConfig, sources))
    for row in settings_of(AgentConfig):
        if row.name == "upstream":
            value_of(replace(row, kind=replace(row.kind, parse=check_upstream)), sources.find(row))
    return config


def _load(config: type[_Config], arguments: Sequence[str], environ: Mapping[str, str]) -> _Config:
    """A configuration whose settings know nothing of each other.

    :raises SettingError: see :class:`Sources` and :func:`value_of`.
    """
    return config(**_values(config, Sources.gather(arguments, environ, config)))


load_admin = partial(_load, AdminConfig)
load_status = partial(_load, StatusConfig)
load_register = partial(_load, RegisterConfig)
