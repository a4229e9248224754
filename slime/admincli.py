"""The commands that ask a running hub: ``slime hub status``, ``drain``, ``undrain``, ``disconnect`` and ``revoke``."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from itertools import accumulate
from typing import Any, NoReturn, TextIO

from slime.adminclient import AdminClient, AdminError
from slime.commands import DISCONNECT, DRAIN, REVOKE, STATUS, UNDRAIN, Command
from slime.options import SettingsOptions, refuse, words_of
from slime.seed.tokens import is_like_seeds
from slime.settings import AdminConfig, StatusConfig
from slime.sources import load_admin, load_status

__all__ = ["COMMANDS", "render"]

#: Seconds between two pictures of ``--watch``.
PAUSE = 1.0
#: Cells of an agent's slots that are drawn.
CELLS = 12
#: Columns of a name or an address in a table.
WIDEST = 40
_HOME, _REST = "\x1b[H", "\x1b[J"

#: As ``slime hub register`` makes tokens and their ids; what is neither is a name that was mistyped.
_TOKEN = re.compile(r"slime1_.*")
_TOKEN_ID = re.compile(r"[0-9a-f]{16}|seed-[0-9]{1,20}")

Data = Mapping[str, Any]


# -- status -------------------------------------------------------------------------------------------------------


class StatusOptions(SettingsOptions):
    """How to show a hub's state."""

    row = STATUS
    config: StatusConfig
    read = staticmethod(load_status)


def _status(arguments: Sequence[str]) -> None:
    options = StatusOptions()
    options.parseOptions(arguments)
    client = AdminClient(options.config)
    show = _as_json if options.config.json else render
    try:
        if options.config.watch:
            _watch(client, show)
        sys.stdout.write(show(_state(client)))
    except AdminError as error:
        _fail(STATUS, error)


def _watch(client: AdminClient, show: Callable[[Data], str]) -> NoReturn:
    """Draw over the last picture, so that nothing flickers; one that goes into a file is a log of pictures.

    A hub that cannot be asked at first is a mistake of whoever asks; later it may come back.
    """
    screen = sys.stdout.isatty() and show is render
    picture = show(_state(client))
    try:
        while True:
            sys.stdout.write(_fitted(picture, *shutil.get_terminal_size()) if screen else picture)
            sys.stdout.flush()
            time.sleep(PAUSE)
            picture = _next(client, show, sys.stdout if screen else sys.stderr)
    except KeyboardInterrupt:
        raise SystemExit(0) from None


def _next(client: AdminClient, show: Callable[[Data], str], complaints: TextIO) -> str:
    """The hub's state now; nothing if it cannot be had, which is said instead."""
    try:
        return show(_state(client))
    except AdminError as error:
        complaint = f"{_printable(str(error))}\n"
        if complaints is sys.stdout:
            return complaint
        complaints.write(complaint)
        return ""


def _fitted(picture: str, columns: int, rows: int) -> str:
    """A picture over the last one, as far as the screen has room: what is too large would scroll, and never stand."""
    lines = picture.splitlines()
    hidden = len(lines) - (rows - 2)
    if hidden > 1:
        lines[rows - 2 :] = [f"and {hidden} more"]
    return _HOME + "".join(f"{_cut(line, columns)}\x1b[K\n" for line in lines) + _REST


def _state(client: AdminClient) -> Data:
    return {**client.get("status"), "agents": client.get("agents")["agents"], "address": client.address}


def _as_json(state: Data) -> str:
    return json.dumps(state) + "\n"


def render(state: Data) -> str:
    """A hub's state as text: three lines of its own, and one for each agent."""
    lately, slots, queue = state["lately"], state["slots"], state["queue"]
    up, usable = state["now"] - state["started_at"], slots["busy"] + slots["free"]
    share = f" ({slots['busy'] / usable:.0%})" if usable else ""
    waiting = f"{queue['length']} waiting"
    if queue["length"]:
        waiting += f", the first for {_brief(queue['head_age'])}"
    if slots["held"]:
        waiting += f", {slots['held']} sent ahead"
    first_byte = f"{_brief(lately['first_byte_p50'])} (95 % within {_brief(lately['first_byte_p95'])})"
    lines = [
        f"slime hub {state['version']} at {state['address']}, {state['state']}, up {_brief(up)}",
        f"{lately['rate']:.1f} requests/s, {lately['failed']:.1f} failed/s; first byte {first_byte}",
        f"{slots['busy']} of {usable} slots busy{share}; {waiting}; {state['in_progress']} in progress",
        "",
    ]
    agents = [_row(agent) for agent in state["agents"]]
    lines += _table(_HEADINGS, agents) if agents else ["no agent is linked"]
    return "\n".join(lines) + "\n"


_HEADINGS = ("AGENT", "STATE", "SLOTS", "HELD", "ROUND TRIP", "SERVICE", "SERVED", "FROM", "UPSTREAM")


def _row(agent: Data) -> tuple[str, ...]:
    slots = agent["slots"]
    return (
        agent["name"],
        agent["state"],
        f"{slots['busy']}/{slots['offered']} {_cells(slots['busy'], slots['offered'])}",
        str(slots["held"] or ""),
        _brief(agent["rtt"]),
        _brief(agent["service_time"]),
        str(agent["served"]),
        agent["address"],
        agent["upstream"],
    )


def _cells(busy: int, offered: int) -> str:
    shown = min(offered, CELLS)
    filled = min(shown, -(-busy * shown // offered)) if offered else 0
    return "█" * filled + "·" * (shown - filled)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterable[str]:
    clean = [headings, *([_cut(_printable(cell), WIDEST) for cell in row] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*clean, strict=True)]
    for row in clean:
        padded = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return sum(map(_columns, text))


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _cut(text: str, columns: int) -> str:
    """As much of a text as these columns have room for, with a sign that there is more."""
    if _width(text) <= columns:
        return text
    taken = accumulate(map(_columns, text))
    return "".join(char for char, end in zip(text, taken, strict=True) if end < columns) + "…"


def _printable(text: str) -> str:
    """Names are the agents' own; one could move the cursor, or worse."""
    return "".join(char if char.isprintable() else "�" for char in text)


def _brief(seconds: float | None) -> str:
    """A duration in two or three digits."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms" if seconds < 0.9995 else "1 s"
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    for size, large, small, name in ((3600, 60, 1, "m s"), (86400, 3600, 60, "h m")):
        if seconds < size:
            return _pair(seconds, large, small, name)
    return _pair(seconds, 86400, 3600, "d h")


def _pair(seconds: float, large: int, small: int, names: str) -> str:
    first, second = names.split()
    return f"{int(seconds // large)} {first} {int(seconds % large // small)} {second}"


# -- what changes something -----------------------------------------------------------------------------------------


class _OrderOptions(SettingsOptions):
    """Where to send an order."""

    config: AdminConfig
    read = staticmethod(load_admin)

    def __init__(self, row: Command) -> None:
        super().__init__()
        self.row = row  # type: ignore[misc]


def _order(row: Command, carry_out: Callable[[AdminClient, str], str]) -> Callable[[Sequence[str]], None]:
    """A command with one operand."""

    def run(arguments: Sequence[str]) -> None:
        options = _OrderOptions(row)
        operands, rest = _operands(arguments)
        options.parseOptions(rest)
        if len(operands) != 1:
            refuse(row.name, f"one {row.operand} is needed ({row.name} --help)")
        try:
            sys.stdout.write(_printable(carry_out(AdminClient(options.config), operands[0])) + "\n")
        except AdminError as error:
            _fail(row, error)

    return run


def _operands(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is no option, and what is."""
    operands: list[str] = []
    rest: list[str] = []
    for piece in words_of(arguments):
        (rest if piece[0].startswith("-") else operands).extend(piece)
    return operands, rest


def _acting(action: str) -> Callable[[AdminClient, str], str]:
    return lambda client, whom: client.act_on_agent(_find(client, whom)["key"], action)


def _revoke(client: AdminClient, whom: str) -> str:
    """An agent's name, a token, or the id of one: whichever it is."""
    if _TOKEN.fullmatch(whom) or is_like_seeds(whom):
        return client.act("revocations", token=whom)
    tokens = {agent["token_id"] for agent in _matching(client, whom)}
    if len(tokens) > 1:
        ids = ", ".join(sorted(tokens))
        raise AdminError(f"agents with several tokens are called {whom!r}; give a token's id: {ids}")
    if not tokens and not _TOKEN_ID.fullmatch(whom):
        raise AdminError(f"no linked agent is called {whom!r}; give a token, or a token's id")
    return client.act("revocations", token_id=tokens.pop() if tokens else whom)


def _find(client: AdminClient, whom: str) -> Data:
    agents = _matching(client, whom)
    if len(agents) > 1:
        keys = ", ".join(agent["key"] for agent in agents)
        raise AdminError(f"{len(agents)} agents are called {whom!r}; give a key: {keys}")
    if agents:
        return agents[0]
    if "/" in whom:
        return {"key": whom}
    names = [agent["name"] for agent in client.get("agents")["agents"]]
    near = get_close_matches(whom, names, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise AdminError(f"no linked agent is called {whom!r}{hint} (slime hub status lists them)")


def _matching(client: AdminClient, whom: str) -> list[Data]:
    agents = client.get("agents")["agents"]
    for member in ("key", "name", "agent_id"):
        found = [agent for agent in agents if agent[member] == whom]
        if found:
            return found
    return []


def _fail(row: Command, error: AdminError) -> NoReturn:
    sys.stderr.write(f"{row.name}: {_printable(str(error))}\n")
    raise SystemExit(1)


COMMANDS: Mapping[str, Callable[[Sequence[str]], None]] = {
    "status": _status,
    "drain": _order(DRAIN, _acting("drain")),
    "undrain": _order(UNDRAIN, _acting("undrain")),
    "disconnect": _order(DISCONNECT, _acting("disconnect")),
    "revoke": _order(REVOKE, _revoke),
}
