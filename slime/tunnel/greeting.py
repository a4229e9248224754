"""HELLO and WELCOME: what the two ends tell each other first, as JSON.

Their members are a table each; unknown members are ignored so that later versions can add some.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, NoReturn

from slime.errors import RemoteProtocolError
from slime.tunnel.text import is_printable

__all__ = ["VERSION", "Hello", "Welcome", "dump_greeting", "load_hello", "load_welcome"]

#: The version of the protocol that this code speaks.
VERSION = 1

_WINDOW = 256 * 1024
_COUNT_LIMIT = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """The agent's first frame.

    :ivar agent_id: 1 to 128 characters from ``A-Z a-z 0-9 . _ -``; a new link with the same id replaces the old.
    :ivar name: the agent's name, for people.
    :ivar slots: requests it runs at a time.
    :ivar prefetch: requests it holds in advance at most.
    :ivar hardware: what the machine has, a JSON object.
    :ivar software: the name and version of the agent's program.
    :ivar window: bytes of each request body it takes before it has to grant more.
    :ivar prefetch_window: the same for a prefetched request until it is started.
    :ivar upstream: what it serves, for people.
    :ivar versions: versions of the protocol that it speaks.
    :ivar check: it only wants to know whether it would be let in.
    """

    agent_id: str
    name: str
    slots: int
    prefetch: int = 0
    hardware: Mapping[str, Any] | None = None
    software: str = ""
    window: int = _WINDOW
    prefetch_window: int = _WINDOW
    upstream: str = ""
    versions: tuple[int, ...] = (VERSION,)
    check: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """The hub's answer to HELLO.

    :ivar session: the link's id.
    :ivar window: bytes of each response body the hub takes before it has to grant more.
    :ivar max_window: the most it will let a window grow to.
    :ivar ping_interval: seconds between two PINGs of the hub.
    :ivar max_message: the longest message the hub takes, in bytes.
    :ivar prefetch: requests it sends ahead for each slot at most.
    :ivar version: the version of the protocol spoken from here on.
    :ivar about: the answer to ``check``: what the agent's token allows, and who the hub is; a JSON object.
    """

    session: str
    window: int = _WINDOW
    max_window: int = 8 * 1024 * 1024
    ping_interval: float = 10.0
    max_message: int = 96 * 1024
    prefetch: int = 0
    version: int = VERSION
    about: Mapping[str, Any] | None = None


# What each member must be -------------------------------------------------------------------------------------

_Check = Callable[[Any], bool]


def _count(low: int, high: int = _COUNT_LIMIT) -> _Check:
    return lambda value: type(value) is int and low <= value <= high


def _text(value: Any) -> bool:
    return type(value) is str and len(value) <= 256 and is_printable(value)


def _identifier(value: Any) -> bool:
    return type(value) is str and re.fullmatch(r"[A-Za-z0-9._-]{1,128}", value) is not None


def _seconds(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 86400


def _versions(value: Any) -> bool:
    return type(value) is list and 1 <= len(value) <= 64 and all(map(_count(0), value))


def _object_or_null(value: Any) -> bool:
    return value is None or type(value) is dict


_HELLO: dict[str, _Check] = {
    "agent_id": _identifier, "name": _text, "slots": _count(0), "prefetch": _count(0), "hardware": _object_or_null,
    "software": _text, "window": _count(1), "prefetch_window": _count(1), "upstream": _text, "versions": _versions,
}  # fmt: skip
_WELCOME: dict[str, _Check] = {
    "session": _identifier, "window": _count(1), "max_window": _count(1), "ping_interval": _seconds,
    "max_message": _count(96 * 1024), "prefetch": _count(0), "version": _count(0),
}  # fmt: skip


#: Members that need not be there; left out where they say nothing.
_OPTIONAL: dict[str, _Check] = {"check": lambda value: type(value) is bool, "about": _object_or_null}


def dump_greeting(greeting: Hello | Welcome) -> bytes:
    """The JSON text of a greeting."""
    members = {row.name: getattr(greeting, row.name) for row in fields(greeting)}
    members = {name: value for name, value in members.items() if name not in _OPTIONAL or value not in (None, False)}
    return json.dumps(members, separators=(",", ":")).encode("ascii")


def load_hello(text: bytes) -> Hello:
    """Read HELLO.

    :raises RemoteProtocolError: it is not a JSON object, or a member is missing or wrong.
    """
    members = _members(text, _HELLO, "check")
    members["versions"] = tuple(members["versions"])
    return Hello(**members)


def load_welcome(text: bytes) -> Welcome:
    """Read WELCOME.

    :raises RemoteProtocolError: it is not a JSON object, or a member is missing or wrong.
    """
    return Welcome(**_members(text, _WELCOME, "about"))


def _members(text: bytes, table: Mapping[str, _Check], optional: str) -> dict[str, Any]:
    given = _parse(text)
    if optional in given:
        table = {**table, optional: _OPTIONAL[optional]}
    for name, fits in table.items():
        if name not in given or not fits(given[name]):
            raise RemoteProtocolError(f"a greeting whose {name} is missing or wrong")
    return {name: given[name] for name in table}


def _parse(text: bytes) -> dict[str, Any]:
    try:
        given = json.loads(text.decode("utf-8"), parse_constant=_refuse)
        # Lone surrogates pass as \u escapes and would fail wherever the text is encoded next.
        json.dumps(given, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise RemoteProtocolError("a greeting that is not JSON in UTF-8") from None
    if type(given) is not dict:
        raise RemoteProtocolError("a greeting that is not a JSON object")
    return given


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
