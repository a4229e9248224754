"""Agents and exchanges as values: what the admin site and a program that embeds a hub get to see of them.

Names, paths and hardware come from strangers. They are bounded here, and have no characters that end lines or steer
terminals; whoever shows them in something like HTML has to escape them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from slime.hub.exchange import Exchange, Stage, Started
from slime.tunnel.text import make_printable

if TYPE_CHECKING:
    from slime.hub.links import HubLink
    from slime.hub.roster import AgentLink

__all__ = ["TEXT_SHOWN", "AgentInfo", "ExchangeInfo", "address_text", "bounded", "phase_of"]

#: Characters of a path or of a text that an agent sent which are shown.
TEXT_SHOWN = 256
#: Members of an agent's hardware report that are shown, and entries of a list in it.
HARDWARE_SHOWN = 16
NAME_SHOWN = 64


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """One link of an agent.

    :ivar number: which of this hub's links it is, from 1; an agent that links anew has another one.
    :ivar key: who the agent is: its token's id, ``/``, its own.
    :ivar name: the name in its token, for people.
    :ivar agent_id: what it calls itself.
    :ivar token_id: its token's id, to revoke that.
    :ivar scopes: the scopes that its token gives it.
    :ivar scope_paths: the paths that it serves; every one if there is none.
    :ivar address: host and port that it calls from.
    :ivar slots: requests that it runs at a time, as it said when it joined.
    :ivar software: the name and version of its program; empty for agents of the earlier one.
    :ivar upstream: what it serves, for people.
    :ivar hardware: what it says of its machine: texts, whole numbers, truth values and lists of texts, by name.
    """

    number: int
    key: str
    name: str
    agent_id: str
    token_id: str
    scopes: tuple[str, ...]
    scope_paths: tuple[str, ...]
    address: str
    slots: int
    software: str
    upstream: str
    hardware: Mapping[str, Any]

    @classmethod
    def of(cls, link: AgentLink, number: int) -> AgentInfo:
        """What is known of a link that has joined."""
        known = cast("HubLink", link)
        claims, hello = known.claims, known.hello
        return cls(
            number=number,
            key=known.key,
            name=known.agent_name,
            agent_id=known.agent_id,
            token_id=claims.token_id,
            scopes=tuple(claims.scopes),
            scope_paths=tuple(claims.scope_paths),
            address=known.address,
            slots=hello.slots if hello else 0,
            software=hello.software if hello else "",
            upstream=hello.upstream if hello else "",
            hardware=bounded(hello.hardware if hello else None),
        )


@dataclass(frozen=True, slots=True)
class ExchangeInfo:
    """One request of an application; durations in seconds, ``None`` for what has not come.

    :ivar request_id: as in ``Slime-Request-Id``.
    :ivar method: of the request.
    :ivar path: without the query, and not all of it if it is long.
    :ivar application: the host and port that it came from.
    :ivar agent: the name of the agent that had it last; empty before it had one.
    :ivar agent_key: which agent that is.
    :ivar phase: ``waiting``, ``sent``, ``running``, ``answering`` or ``ending``.
    :ivar outcome: how it ended: ``ok``, ``left`` (the application did) or the slug of an error; empty before that.
    :ivar status: of the answer; 0 before that.
    :ivar waited: from its arrival until an agent's upstream began with it.
    :ivar first_byte: from its arrival until the answer's head.
    :ivar took: from its arrival until its end.
    :ivar bytes_in: bytes of its body.
    :ivar bytes_out: bytes of the answer's body.
    :ivar requeues: how often it was given to another agent.
    """

    request_id: str
    method: str
    path: str
    application: str
    agent: str
    agent_key: str
    phase: str
    outcome: str
    status: int
    waited: float | None
    first_byte: float | None
    took: float | None
    bytes_in: int
    bytes_out: int
    requeues: int

    @classmethod
    def of(cls, exchange: Exchange) -> ExchangeInfo:
        """What is known of an exchange now."""
        request, arrived = exchange.request, exchange.queued_at
        moments = (exchange.started_at, exchange.answered_at, exchange.finished_at)
        waited, first_byte, took = (moment - arrived if moment and arrived else None for moment in moments)
        return cls(
            request_id=exchange.request_id.decode("ascii"),
            method=request.method.decode("ascii")[:NAME_SHOWN],
            path=request.path[:TEXT_SHOWN].decode("ascii"),
            application=address_text(request.client),
            agent=exchange.agent_name,
            agent_key=exchange.agent_key,
            phase=phase_of(exchange),
            outcome=exchange.outcome,
            status=exchange.status,
            waited=waited,
            first_byte=first_byte,
            took=took,
            bytes_in=exchange.bytes_in,
            bytes_out=request.answer_bytes,
            requeues=exchange.requeues,
        )


def phase_of(exchange: Exchange) -> str:
    """Where an exchange is, in a word: ``waiting``, ``sent``, ``running``, ``answering`` or ``ending``."""
    if exchange.stage is Stage.RUNNING:
        return "running" if exchange.started is Started.YES else "sent"
    return {Stage.WAITING: "waiting", Stage.ANSWERING: "answering"}.get(exchange.stage, "ending")


def address_text(address: Any) -> str:
    """Host and port of an application; dashes for one that has none, as by a UNIX socket."""
    return f"{getattr(address, 'host', '-')}:{getattr(address, 'port', '-')}"


def bounded(report: Mapping[str, Any] | None) -> dict[str, Any]:
    """Of a hardware report only what can be shown in a line: an agent may send anything that is JSON."""
    return {
        make_printable(str(name)[:NAME_SHOWN]): shown
        for name, value in islice((report or {}).items(), HARDWARE_SHOWN)
        if (shown := _showable(value)) is not None
    }


def _showable(value: Any) -> Any:
    if isinstance(value, str):
        return make_printable(value[:TEXT_SHOWN])
    if isinstance(value, list):
        return [text for item in value[:HARDWARE_SHOWN] if isinstance(text := _showable(item), str)]
    return value if isinstance(value, (bool, int)) and abs(value) < 2**53 else None
