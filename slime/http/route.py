"""The way a request came, as the proxies on it tell, and who of them is believed.

Two dialects tell it: ``X-Forwarded-For``, ``-Proto`` and ``-Host``, which everybody speaks, and ``Forwarded``
(RFC 7239). Both are written by whoever likes to, so only proxies that are known are listened to: from the nearest one
backwards, each tells who came to it, and the first that is not itself a known proxy is the application.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from slime.http.fields import Fields, field_values, is_token
from slime.http.known import Conclusion

__all__ = ["UNKNOWN", "Route", "TrustedProxies", "canonical_address", "forwarded_element", "read_route"]

UNKNOWN = "unknown"
"""Stands for an address that nobody knows (RFC 7239 section 6.2)."""

UNIX = "unix"
"""Stands for whoever comes by a UNIX socket, among networks."""

_SCHEMES = frozenset([b"http", b"https", b"ws", b"wss"])
_PORT = r"(?::([0-9]{1,5}|_[\w.-]+))?"
_NODE = re.compile(rf"\[([0-9A-Fa-f:.]+)\]{_PORT}|([0-9.]+){_PORT}|([0-9A-Fa-f:.]+)")

_PLAIN = re.compile(rb"[\w.:\[\]-]+")

# One pair of an element, and what ends it. The assertions keep a run of blanks from being split in several ways.
_PAIR = re.compile(
    rb"[ \t]*(?![ \t])(?:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)="
    rb"(?:([!#$%&'*+\-.^_`|~0-9A-Za-z:\[\]/]+)|\"((?:[^\"\\]|\\.)*)\")[ \t]*(?![ \t]))?([,;]|\Z)"
)
_ESCAPED = re.compile(rb"\\(.)")

Element = dict[bytes, bytes]
"""One hop of ``Forwarded``: its parameters, by their names in lower case."""


@dataclass(frozen=True, slots=True)
class Route:
    """What a trusted proxy says of the way before it.

    :ivar client: the application's address; empty when nobody told it.
    :ivar port: the application's port; 0 when nobody told it.
    :ivar nodes: who came to whom, the application first, as far as it was told.
    :ivar scheme: what the application speaks, ``https`` for one; ``None`` when nobody told it.
    :ivar host: the host that the application asked for; ``None`` when nobody told it.
    :ivar forwarded: the value of ``Forwarded`` so far; empty when there is none or it makes no sense.
    """

    client: str = ""
    port: int = 0
    nodes: tuple[bytes, ...] = ()
    scheme: bytes | None = None
    host: bytes | None = None
    forwarded: bytes = b""


class TrustedProxies:
    """The proxies that are listened to.

    :param names: networks and addresses, and :data:`UNIX`.
    :ivar told: what they say in a head of the way before them.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._networks = [ip_network(name) for name in names if name != UNIX]
        self._unix = UNIX in names
        self.told: Conclusion[Route] = Conclusion()
        self.include = lru_cache(4096)(self._include) if self._networks else self._nobody

    def include_sender(self, address: str) -> bool:
        """Whether whoever is at the other end of a connection is one of them.

        :param address: as :func:`canonical_address` writes it, or :data:`UNKNOWN`.
        """
        return self._unix if address == UNKNOWN else self.include(address)

    def _include(self, address: str) -> bool:
        """Whether an address is one of theirs."""
        known = ip_address(address)
        return any(known in network for network in self._networks)

    def _nobody(self, address: str) -> bool:
        return False


def canonical_address(text: str) -> str | None:
    """An IP address in the one way of writing it, IPv4 as such even where it came by IPv6; ``None`` if it is none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def read_route(fields: Fields, proxies: TrustedProxies) -> Route:
    """What the fields of a request say that a trusted proxy has sent.

    ``X-Forwarded-*`` count where both dialects are spoken. Of lists, the element is believed that the outermost of
    the trusted proxies has written.
    """
    forwarded = b", ".join(filter(None, field_values(fields, b"forwarded")))
    elements = parse_forwarded(forwarded)
    nodes = _list(fields, b"x-forwarded-for")
    schemes, hosts = _list(fields, b"x-forwarded-proto"), _list(fields, b"x-forwarded-host")
    if elements and not (nodes or schemes or hosts):
        nodes, schemes, hosts = ([hop.get(name, b"") for hop in elements] for name in (b"for", b"proto", b"host"))
        nodes = [node if _PLAIN.fullmatch(node) else UNKNOWN.encode() for node in nodes]
    back, client, port = _find_client(nodes, proxies)
    scheme = _aligned(schemes, back).lower()
    return Route(
        client=client,
        port=port,
        nodes=tuple(nodes),
        scheme=scheme if scheme in _SCHEMES else None,
        host=_aligned(hosts, back) or None,
        forwarded=forwarded if elements else b"",
    )


def _list(fields: Fields, name: bytes) -> list[bytes]:
    """The elements of a list, from all lines, empty ones left out."""
    return [bare for value in field_values(fields, name) for part in value.split(b",") if (bare := part.strip(b" \t"))]


def _find_client(nodes: Sequence[bytes], proxies: TrustedProxies) -> tuple[int, str, int]:
    """The application: how far from the end of ``nodes`` it stands (1 for the last), its address and port."""
    found = 1, "", 0
    for back, node in enumerate(reversed(nodes), 1):
        address, port = _address_of(node)
        if address is None:
            break
        found = back, address, port
        if not proxies.include(address):
            break
    return found


def _address_of(node: bytes) -> tuple[str | None, int]:
    """Address and port of a node; there may be neither (RFC 7239 section 6)."""
    match = _NODE.fullmatch(node.decode("latin-1"))
    if match is None:
        return None, 0
    port = match[2] or match[4] or ""
    return canonical_address(match[1] or match[3] or match[5]), int(port) if port.isdigit() and int(port) < 65536 else 0


def _aligned(values: Sequence[bytes], back: int) -> bytes:
    """The element of a list that tells of the hop ``back`` from the end. A list of one tells of all of them."""
    if len(values) == 1:
        return values[0]
    return values[-back] if back <= len(values) else b""


# -- RFC 7239 ---------------------------------------------------------------------------------------------------


def parse_forwarded(value: bytes) -> list[Element]:
    """The hops in a value of ``Forwarded``, the application's first; none if the value is not one."""
    elements: list[Element] = [{}]
    at = 0
    while True:
        match = _PAIR.match(value, at)
        if match is None or (match[1] and match[1].lower() in elements[-1]):
            return []
        if match[1]:
            elements[-1][match[1].lower()] = match[2] or _ESCAPED.sub(rb"\1", match[3])
        if not match[4]:
            return [element for element in elements if element]
        if match[4] == b",":
            elements.append({})
        at = match.end()


def forwarded_element(address: str, scheme: str, host: bytes = b"") -> bytes:
    """One hop for ``Forwarded``.

    :param address: as :func:`canonical_address` writes it, or :data:`UNKNOWN`.
    """
    node = f'"[{address}]"' if ":" in address else address
    pairs = [f"for={node};proto={scheme}".encode("ascii")]
    if host:
        pairs.append(b"host=" + (host if is_token(host) else b'"' + host + b'"'))
    return b";".join(pairs)
