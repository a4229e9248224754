"""What an intermediary removes from a message and what it adds (RFC 9110 section 7.6).

Four passes, one for each crossing of a hop: :func:`upstream_fields` and :func:`client_response_fields` at the
hub, :func:`rewrite_for_upstream` and :func:`agent_response_fields` at the agent. All of them keep order, case
and repetition of the fields that they let pass, and none relies on another side having done its part.
"""

from __future__ import annotations

from dataclasses import dataclass

from slime.http.fields import Fields, field_values, tokens
from slime.http.head import RequestHead, ResponseHead

__all__ = [
    "Added",
    "Peer",
    "UpstreamAddress",
    "agent_response_fields",
    "client_response_fields",
    "rewrite_for_upstream",
    "upstream_fields",
]

VIA = b"slime"
"""The name by which every slime calls itself in ``Via``."""

_FRAMING = frozenset([b"content-length", b"transfer-encoding"])

HOP_BY_HOP = _FRAMING | {
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"upgrade",
}
"""Fields that concern one connection, or are made anew for each."""

PROTECTED = frozenset(
    b"accept accept-encoding accept-language authorization cache-control content-encoding content-language"
    b" content-location content-range content-type cookie date etag expect expires forwarded host"
    b" if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards"
    b" origin range retry-after set-cookie vary via www-authenticate x-forwarded-for x-forwarded-host"
    b" x-forwarded-proto".split()
)
"""Fields meant for every recipient, which a ``Connection`` field has no business to name."""

_REPLACED = frozenset([b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"])


@dataclass(frozen=True, slots=True)
class Peer:
    """Who sent a request: the address as text, and the scheme it came by, ``http`` or ``https``."""

    address: str
    scheme: str


@dataclass(frozen=True, slots=True)
class UpstreamAddress:
    """Where requests go: ``Host`` value, path put before every target, ``Authorization`` value if any."""

    host: bytes
    base_path: bytes = b""
    authorization: bytes | None = None
    preserve_host: bool = False


@dataclass(frozen=True, slots=True)
class Added:
    """What the hub tells the application about who answered."""

    agent_id: bytes
    agent_name: bytes
    request_id: bytes


def upstream_fields(head: RequestHead, peer: Peer, request_id: bytes) -> Fields:
    """The fields of a request as the hub passes them on; ``Host`` is there, if only empty.

    ``Content-Length`` and ``Transfer-Encoding`` are gone: the length travels beside the head.
    """
    fields = [field for field in _end_to_end(head.fields, b"slime-") if field[0].lower() not in _REPLACED]
    hosts = field_values(fields, b"host")
    if not hosts:
        fields.insert(0, (b"Host", b""))
    if head.version == b"1.0":
        fields = [field for field in fields if field[0].lower() != b"expect"]
    return fields + _request_trail(head, peer, hosts) + [(b"Slime-Request-Id", request_id)]


def _request_trail(head: RequestHead, peer: Peer, hosts: list[bytes]) -> Fields:
    before = field_values(head.fields, b"x-forwarded-for")
    trail = [
        (b"X-Forwarded-For", b", ".join([*filter(None, before), peer.address.encode("ascii")])),
        (b"X-Forwarded-Proto", peer.scheme.encode("ascii")),
    ]
    trail += [(b"X-Forwarded-Host", host) for host in hosts]
    return trail + [(b"Via", b"%b %b" % (head.version, VIA))]


def rewrite_for_upstream(head: RequestHead, address: UpstreamAddress) -> RequestHead:
    """The request as the agent sends it, framing fields still to be added."""
    fields = _end_to_end(head.fields)
    if not address.preserve_host or not any(field_values(fields, b"host")):
        fields = _with_host(fields, address.host)
    if address.authorization is not None:
        fields = [field for field in fields if field[0].lower() != b"authorization"]
        fields.append((b"Authorization", address.authorization))
    if any(name == b"TE" for name, _ in fields):
        fields.append((b"Connection", b"TE"))
    target = head.target if head.target == b"*" else address.base_path + head.target
    return RequestHead(head.method, target, b"1.1", fields)


def _with_host(fields: Fields, host: bytes) -> Fields:
    replaced = [(name, host if name.lower() == b"host" else value) for name, value in fields]
    return replaced if field_values(replaced, b"host") else [(b"Host", host), *replaced]


def agent_response_fields(head: ResponseHead, method: bytes) -> Fields:
    """The fields of an upstream's response as the agent passes them on.

    ``Content-Length`` stays where it says nothing about this message: in responses to ``HEAD`` and in ``304``.
    """
    fields = _end_to_end(head.fields, b"slime-")
    if method == b"HEAD" or head.status == 304:
        fields += [field for field in head.fields if field[0].lower() == b"content-length"]
    return fields


def client_response_fields(head: ResponseHead, added: Added, method: bytes = b"GET") -> Fields:
    """The fields of a response as the hub passes them on to the application, framing still to be added."""
    return agent_response_fields(head, method) + [
        (b"Via", b"%b %b" % (head.version, VIA)),
        (b"Slime-Agent-Id", added.agent_id),
        (b"Slime-Agent-Name", added.agent_name),
        (b"Slime-Request-Id", added.request_id),
    ]


def _end_to_end(fields: Fields, prefix: bytes = b"\n") -> Fields:
    """``fields`` less those of one hop and those whose name begins with ``prefix``."""
    gone = HOP_BY_HOP.union(tokens(fields, b"connection")) - PROTECTED
    kept = [f for f in fields if (low := f[0].lower()) not in gone and not low.startswith(prefix)]
    if b"te" in gone and any(e.split(b";")[0].strip() == b"trailers" for e in tokens(fields, b"te")):
        kept.append((b"TE", b"trailers"))
    return kept
