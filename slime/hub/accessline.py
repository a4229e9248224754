"""One line of the access log, in each of its formats. Pure.

A line costs 2 to 3 µs to make, so that these functions put it together by themselves: the general way to JSON costs as
much as all the rest of a request's entry.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING, NamedTuple

from slime.http.trace import trace_id

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress

    from slime.http.head import Fields
    from slime.hub.answers import Answered
    from slime.hub.exchange import Exchange

__all__ = ["FORMATS", "Entry", "LineFormat", "answered_entry", "exchange_entry"]

PATH_SHOWN = 1024
FIELD_SHOWN = 512

#: What the combined format says of an application that left before its answer began, as others do.
LEFT = 499

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_TOLD = frozenset([b"referer", b"user-agent", b"traceparent"])
_TOLD_SIZES = frozenset(map(len, _TOLD))
_BARE = re.compile(r"[!#-~]+")
_PLAIN = re.compile(rb"[ !#-\[\]-~]*")
_CREDENTIALS = re.compile(rb"//[^/]*@")


class Entry(NamedTuple):
    """What is worth knowing of a request; durations in seconds, sizes in bytes."""

    when: float
    request_id: bytes
    app: IAddress | None
    agent: str
    method: bytes
    path: bytes
    version: bytes
    status: int
    outcome: str
    told: dict[bytes, bytes]
    queued: float = 0.0
    ran: float = 0.0
    received: int = 0
    sent: int = 0
    requeues: int = 0
    detail: str | None = None

    @property
    def trace(self) -> str:
        """The id of the trace it is a part of, if that was told."""
        parent = self.told.get(b"traceparent")
        return trace_id(parent) if parent else ""


def exchange_entry(when: float, exchange: Exchange) -> Entry:
    """A finished exchange."""
    request = exchange.request
    began = exchange.assigned_at or exchange.finished_at
    return Entry(
        when,
        exchange.request_id,
        request.client,
        exchange.agent_name,
        request.method,
        request.path[:PATH_SHOWN],
        request.head.version,
        exchange.status,
        exchange.outcome,
        _told_in(request.head.fields),
        began - (exchange.queued_at or began),
        exchange.finished_at - began,
        exchange.bytes_in,
        request.answer_bytes,
        exchange.requeues,
    )


def answered_entry(when: float, answered: Answered) -> Entry:
    """A request that the hub answered before it became an exchange, with the reason."""
    head = answered.head
    method, target, version, fields = (head.method, head.target, head.version, head.fields) if head else _UNREAD
    path = target.partition(b"?")[0][:PATH_SHOWN]
    return Entry(
        when, answered.request_id, answered.peer, "", method, path, version, answered.status, answered.outcome,
        _told_in(fields), sent=answered.sent, detail=answered.detail or None,
    )  # fmt: skip


_UNREAD: tuple[bytes, bytes, bytes, Fields] = (b"-", b"-", b"", [])


def _told_in(fields: Fields) -> dict[bytes, bytes]:
    """The fields that some format shows; one that is there twice says nothing."""
    found: dict[bytes, bytes] = {}
    for name, value in fields:
        if len(name) in _TOLD_SIZES and (low := name.lower()) in _TOLD:
            found[low] = b"" if low in found else value[:FIELD_SHOWN]
    return found


def _application(address: IAddress | None) -> str:
    return f"{getattr(address, 'host', '-')}:{getattr(address, 'port', '-')}"


# -- text and JSON ------------------------------------------------------------------------------------------------


def _utc(second: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def text_line(stamp: str, entry: Entry) -> str:
    """One line of ``key=value`` pairs; path and detail are quoted as JSON quotes, and the agent's name if need be."""
    trace = f" trace={entry.trace}" if entry.trace else ""
    detail = "" if entry.detail is None else f" detail={quoted(entry.detail)}"
    return (
        f"{stamp}.{int(entry.when % 1 * 1000):03d}Z access id={entry.request_id.decode() or '-'}"
        f" app={_application(entry.app)} agent={_bare_or_quoted(entry.agent or '-')} method={entry.method.decode()}"
        f" path={quoted(entry.path.decode())} status={entry.status} outcome={entry.outcome}"
        f" queued={entry.queued:.6f} ran={entry.ran:.6f} in={entry.received} out={entry.sent}"
        f" requeues={entry.requeues}{trace}{detail}\n"
    )


@lru_cache(256)
def _bare_or_quoted(name: str) -> str:
    """An agent's name, which hardly ever needs quotes; remembered, since the same come again and again."""
    return name if _BARE.fullmatch(name) else quoted(name)


def json_line(stamp: str, entry: Entry) -> str:
    """One JSON object. What stands here without being quoted consists of letters, digits and dashes."""
    trace = f', "trace": "{entry.trace}"' if entry.trace else ""
    detail = "" if entry.detail is None else f', "detail": {quoted(entry.detail)}'
    return (
        f'{{"time": "{stamp}.{int(entry.when % 1 * 1000):03d}Z", "log": "access",'
        f' "id": "{entry.request_id.decode() or "-"}", "app": {quoted(_application(entry.app))},'
        f' "agent": {quoted(entry.agent or "-")}, "method": {quoted(entry.method.decode())},'
        f' "path": {quoted(entry.path.decode())}, "status": {entry.status}, "outcome": "{entry.outcome}",'
        f' "queued": {entry.queued:.6f}, "ran": {entry.ran:.6f}, "in": {entry.received}, "out": {entry.sent},'
        f' "requeues": {entry.requeues}{trace}{detail}}}\n'
    )


# -- Apache's combined format -------------------------------------------------------------------------------------


def _clf(second: float) -> str:
    moment = time.gmtime(second)
    month = _MONTHS[moment.tm_mon - 1]
    clock = f"{moment.tm_hour:02}:{moment.tm_min:02}:{moment.tm_sec:02}"
    return f"[{moment.tm_mday:02}/{month}/{moment.tm_year:04}:{clock} +0000]"


def combined_line(stamp: str, entry: Entry) -> str:
    """As Apache's ``combined``: address, time, request line, status, bytes, referer and user agent."""
    host = getattr(entry.app, "host", "-")
    request = f"{entry.method.decode()} {_escaped(entry.path)} HTTP/{entry.version.decode()}" if entry.version else "-"
    told = entry.told
    referer = _without_secrets(told[b"referer"]) if b"referer" in told else b""
    return (
        f'{host} - - {stamp} "{request}" {entry.status or LEFT} {entry.sent or "-"}'
        f' "{_escaped(referer) or "-"}" "{_escaped(told.get(b"user-agent", b"")) or "-"}"\n'
    )


def _without_secrets(url: bytes) -> bytes:
    """A URL without query, fragment, user and password."""
    return _CREDENTIALS.sub(b"//", url.partition(b"?")[0].partition(b"#")[0], count=1)


def _escaped(value: bytes) -> str:
    """What a client has sent, as Apache writes it: nothing in it can end the quotes or the line."""
    if _PLAIN.fullmatch(value):
        return value.decode("ascii")
    return "".join(_escaped_byte(byte) for byte in value)


def _escaped_byte(byte: int) -> str:
    if byte in b'"\\':
        return "\\" + chr(byte)
    return chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}"


@dataclass(frozen=True, slots=True)
class LineFormat:
    """How lines are made.

    :ivar stamp: a second since the epoch as text: made once for all lines of it.
    :ivar line: the line of an entry, with its second.
    """

    stamp: Callable[[float], str]
    line: Callable[[str, Entry], str]


FORMATS = {
    "combined": LineFormat(_clf, combined_line),
    "json": LineFormat(_utc, json_line),
    "text": LineFormat(_utc, text_line),
}
