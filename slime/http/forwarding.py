"""What an intermediary removes from a message and what it adds (RFC 9110 section 7.6).

Four functions, one for each crossing: :func:`upstream_fields` when the hub has read a request (or, in parts,
:func:`upstream_parts`), :func:`rewrite_for_upstream` when the agent sends it on, :func:`agent_response_fields` when
the agent has read the response, :func:`client_response_fields` when the hub sends that on, with :func:`added_fields`
behind them. All keep the order, the case and the repetition of the fields they let pass, and each removes everything
itself, whether or not another side has done so before.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from functools import lru_cache

from slime.http.fields import Fields, tokens
from slime.http.head import RequestHead, ResponseHead, field_lines, serialise_request_head
from slime.http.route import Route, forwarded_element
from slime.http.upgrade import Upgrade
from slime.record import record

__all__ = [
    "HOP_BY_HOP",
    "PROTECTED",
    "Peer",
    "UpstreamAddress",
    "UpstreamParts",
    "added_fields",
    "agent_response_fields",
    "client_response_fields",
    "rewrite_for_upstream",
    "upstream_fields",
    "upstream_parts",
]

VIA = b"slime"
"""The name by which every slime calls itself in ``Via``."""

NO_HOST = b"host.invalid"
"""Stands for the ``Host`` of an HTTP/1.0 request that has none; the name can exist nowhere (RFC 6761)."""

OWN = b"slime-"
"""What the names of slime's own fields begin with. Only slime itself sends them to either side."""

HOP_BY_HOP = frozenset(
    [
        b"connection",
        b"content-length",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    ]
)
"""Fields that concern one hop, or are made anew for each: never passed on as they came."""

PROTECTED = frozenset(
    b"accept accept-encoding accept-language authorization cache-control content-encoding content-language"
    b" content-location content-range content-type cookie date etag expect expires forwarded host"
    b" if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location"
    b" max-forwards origin range retry-after server set-cookie vary via www-authenticate x-forwarded-for"
    b" x-forwarded-host x-forwarded-proto".split()
)
"""Fields meant for every recipient: a ``Connection`` field that names one does not take it away."""

_NOTED = HOP_BY_HOP | {b"host"}
_NOTED_BY_HUB = _NOTED | {b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"}
_NOTED_WITH_CREDENTIALS = _NOTED | {b"authorization"}
# To programs that speak CGI's language these are the same names as those with hyphens (RFC 3875 section 4.1.18).
_OURS = (OWN, b"slime_", b"x_forwarded_", b"x_forwarded-", b"x-forwarded_")
_OURS_AND_CLAIMS = (*_OURS, b"x-forwarded-")
_NO_PREFIX = b"\xff"
_VIA = {version: (b"Via", version + b" " + VIA) for version in (b"1.0", b"1.1")}
_NO_ROUTE = Route()
_NUMBER = b"Slime-Request-Id"
_CRLF = b"\r\n"
_END = 2 * _CRLF


@record
class Peer:
    """Who sent a request.

    :ivar address: its address as :func:`slime.http.route.canonical_address` writes it, or ``unknown``.
    :ivar scheme: what the request came by, ``http`` or ``https``.
    :ivar route: what it says of the way before it, if it is a proxy whose word is taken.
    """

    address: str
    scheme: str
    route: Route | None = None


@dataclass(frozen=True, slots=True)
class UpstreamAddress:
    """What an agent has to know of its upstream to send a request there.

    :ivar host: the value of ``Host``.
    :ivar base_path: put before every target but ``*``; no slash at its end.
    :ivar authorization: the value of ``Authorization``, in place of whatever came with the request.
    :ivar preserve_host: whether the ``Host`` that the application sent is kept.
    """

    host: bytes
    base_path: bytes = b""
    authorization: bytes | None = None
    preserve_host: bool = False


def upstream_fields(head: RequestHead, peer: Peer, request_id: bytes) -> Fields:
    """The fields of a request as the hub passes them on; there is a ``Host`` among them in any case.

    ``Content-Length`` and ``Transfer-Encoding`` are gone: the length travels beside the head. What a trusted proxy
    said of the request's way is continued; what anybody else said of it is replaced.
    """
    kept, told = _kept_by_hub(head, _OURS_AND_CLAIMS if peer.route is None else _OURS)
    hosts = [value for name, value in told if name == b"host"]
    way = _way(peer, hosts, told)
    return [*kept, *way, _VIA[head.version], (_NUMBER, request_id)]


@record
class UpstreamParts:
    """The head of a request as the hub passes it on, whoever it is that sent it.

    :ivar before: what is before the fields that tell the sender, as text.
    :ivar behind: what is behind them.
    """

    before: bytes
    behind: bytes

    def whole(self, peer: Peer, request_id: bytes) -> bytes:
        """The text of it, empty line included: line and :func:`upstream_fields`, for a peer without a route."""
        return b"".join((self.before, _nearest_lines(peer.address, peer.scheme), self.behind, request_id, _END))


def upstream_parts(head: RequestHead) -> UpstreamParts | None:
    """What all requests with this head have in common; ``None`` where each tells its sender in ``Forwarded``, too."""
    kept, told = _kept_by_hub(head, _OURS_AND_CLAIMS)
    if any(name == b"forwarded" for name, _ in told):
        return None
    hosts = [(b"X-Forwarded-Host", value) for name, value in told if name == b"host"]
    before = serialise_request_head(RequestHead(head.method, head.target, b"1.1", kept)).removesuffix(_CRLF)
    return UpstreamParts(before, field_lines([*hosts, _VIA[head.version], (_NUMBER, b"")]).removesuffix(_CRLF))


def _kept_by_hub(head: RequestHead, prefix: tuple[bytes, ...]) -> tuple[Fields, Fields]:
    """What the hub passes on as it is, and what it has noted."""
    kept, told = _sift(head.fields, _NOTED_BY_HUB, prefix)
    if head.version == b"1.0":
        kept = _as_1_0(kept, any(name == b"host" for name, _ in told))
    return [*kept, *_trailers_wanted(told)], told


def _way(peer: Peer, hosts: list[bytes], told: Fields) -> Fields:
    """Where the request comes from; in ``Forwarded`` too, if somebody began to say it there."""
    route = peer.route or _NO_ROUTE
    way = _nearest(peer.address, peer.scheme) if route is _NO_ROUTE else _from_far(peer, route)
    way += [(b"X-Forwarded-Host", host) for host in ([route.host] if route.host else hosts)]
    if b"forwarded" in dict(told):
        ours = forwarded_element(peer.address, peer.scheme, *hosts[:1])
        way.append((b"Forwarded", b", ".join(filter(None, [route.forwarded, ours]))))
    return way


def _nearest(address: str, scheme: str) -> Fields:
    """What says who came to us, and by what."""
    return [(b"X-Forwarded-For", address.encode("ascii")), (b"X-Forwarded-Proto", scheme.encode("ascii"))]


@lru_cache(maxsize=1024)
def _nearest_lines(address: str, scheme: str) -> bytes:
    """The same as text; remembered, since who has come once comes again and again."""
    return field_lines(_nearest(address, scheme))


def _from_far(peer: Peer, route: Route) -> Fields:
    """The same of who came to a proxy, and by what."""
    nodes = b", ".join([*route.nodes, peer.address.encode("ascii")])
    return [(b"X-Forwarded-For", nodes), (b"X-Forwarded-Proto", route.scheme or peer.scheme.encode("ascii"))]


def _as_1_0(fields: Fields, has_host: bool) -> Fields:
    """HTTP/1.0 knows no expectations (RFC 9110 section 10.1.1) and may do without ``Host``."""
    kept = [field for field in fields if field[0].lower() != b"expect"]
    return kept if has_host else [(b"Host", NO_HOST), *kept]


def rewrite_for_upstream(head: RequestHead, address: UpstreamAddress, upgrade: Upgrade | None = None) -> RequestHead:
    """The request as the agent sends it, but for the framing fields, which whoever frames the body adds.

    :param upgrade: what the request asks to switch to; without it, it asks for nothing.
    """
    authorization = address.authorization
    kept, told = _sift(head.fields, _NOTED if authorization is None else _NOTED_WITH_CREDENTIALS, _NO_PREFIX)
    host = next((value for name, value in told if name == b"host"), NO_HOST)
    if host == NO_HOST or not address.preserve_host:
        kept = _with_host(kept, address.host)
    if authorization is not None:
        kept.append((b"Authorization", authorization))
    hop = [*(upgrade.fields if upgrade is not None else ()), *_trailers_wanted(told)]
    if hop:
        kept += [*hop, (b"Connection", b", ".join([name for name, _ in hop]))]
    target = head.target if head.target == b"*" else address.base_path + head.target
    return RequestHead(head.method, target, b"1.1", kept)


def _with_host(fields: Fields, host: bytes) -> Fields:
    """``fields`` with this ``Host``, where the old one stood."""
    for at, (name, _) in enumerate(fields):
        if name.lower() == b"host":
            return [*fields[:at], (name, host), *fields[at + 1 :]]
    return [(b"Host", host), *fields]


def agent_response_fields(head: ResponseHead, method: bytes) -> Fields:
    """The fields of an upstream's response to ``method`` as the agent passes them on.

    ``Content-Length`` stays where it does not frame this message: in responses to ``HEAD`` and in ``304``.
    """
    kept, told = _sift(head.fields, _NOTED)
    if method == b"HEAD" or head.status == 304:
        kept += [(b"Content-Length", value) for name, value in told if name == b"content-length"]
    return kept


def client_response_fields(head: ResponseHead, method: bytes = b"GET") -> Fields:
    """The fields of a response to ``method`` as the hub sends them to the application, whoever answers.

    Framing fields are still to be added, but for those that :func:`agent_response_fields` keeps.
    """
    return [*agent_response_fields(head, method), _VIA[head.version]]


def added_fields(agent_id: str, agent_name: str, request_id: bytes) -> Fields:
    """What the hub tells an application about its exchange: who answered it, and its number in the logs."""
    return [*_answered_by(agent_id, agent_name), (_NUMBER, request_id)]


@lru_cache(maxsize=1024)
def _answered_by(agent_id: str, agent_name: str) -> tuple[tuple[bytes, bytes], ...]:
    return (b"Slime-Agent-Id", agent_id.encode("ascii")), (b"Slime-Agent-Name", agent_name.encode("utf-8"))


def _sift(fields: Fields, noted: Set[bytes], prefix: bytes | tuple[bytes, ...] = OWN) -> tuple[Fields, Fields]:
    """Take out the fields of one hop.

    :param noted: the names of those to take out, in lower case, and ``host``, which stays; what
        ``Connection`` names goes too.
    :param prefix: what the names of others to take out begin with; none comes before :data:`OWN` in the alphabet.
    :returns: what is left, and those that were noted, by their names in lower case.
    """
    kept: Fields = []
    told: Fields = []
    for field in fields:
        low = field[0].lower()
        if low in noted:
            told.append((low, field[1]))
            if low != b"host":
                continue
        elif low >= OWN and low.startswith(prefix):
            continue
        kept.append(field)
    named = _named(told)
    return [field for field in kept if field[0].lower() not in named] if named else kept, told


def _named(told: Fields) -> frozenset[bytes]:
    """The fields that ``Connection`` names, and that are not gone or protected anyway."""
    lines = [value for name, value in told if name == b"connection"]
    if not lines:
        return frozenset()
    options = b",".join(lines)
    return _named_in(options) if len(options) < 100 else _named_in.__wrapped__(options)


@lru_cache(maxsize=256)
def _named_in(options: bytes) -> frozenset[bytes]:
    return frozenset(tokens([(b"connection", options)], b"connection")) - HOP_BY_HOP - PROTECTED - {b"close"}


def _trailers_wanted(told: Fields) -> Fields:
    """``TE: trailers`` if that was said, whatever else was (RFC 9110 section 10.1.4)."""
    codings = tokens(told, b"te")
    if not codings:
        return []
    wanted = any(coding.split(b";")[0].rstrip(b" \t") == b"trailers" for coding in codings)
    return [(b"TE", b"trailers")] if wanted else []
