"""Who sent a request: whoever is at the other end of the connection, or the one that a trusted proxy there names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress

from slime.http.forwarding import Peer
from slime.http.route import UNKNOWN, Route, TrustedProxies, canonical_address, read_route

if TYPE_CHECKING:
    from slime.http.known import KnownHead
    from slime.hub.request import StreamedRequest

__all__ = ["introduce", "known_address"]


def known_address(address: IAddress) -> IAddress:
    """An address that can be told to others: in its canonical form, or one of nobody if it has none.

    A proxy may tell anything by the PROXY protocol, line breaks included, and Twisted passes it on.
    """
    if not isinstance(address, IPv4Address | IPv6Address):
        return address
    host = canonical_address(address.host)
    return UNIXAddress(None) if host is None else _tcp_address(host, address.port)


def _tcp_address(host: str, port: int) -> IPv4Address | IPv6Address:
    return IPv6Address("TCP", host, port) if ":" in host else IPv4Address("TCP", host, port)


def introduce(request: StreamedRequest, proxies: TrustedProxies) -> Peer:
    """Who sent a request, for the fields that say so to its upstream.

    If it came from a trusted proxy that names the application, the application is from then on the request's client.
    From anybody else's connection all requests are his, and the connection remembers it.
    """
    channel = request.channel
    address = getattr(channel.peer, "host", UNKNOWN)
    scheme = "https" if request.isSecure() else "http"
    if not proxies.include_sender(address):
        channel.sender = Peer(address, scheme)
        return channel.sender
    route = _told_by(request.head, proxies)
    if route.client:
        request.client = _tcp_address(route.client, route.port)
    return Peer(address, scheme, route)


def _told_by(head: KnownHead, proxies: TrustedProxies) -> Route:
    """What a head says of the way, concluded once for each head."""
    conclusions = head.meaning.conclusions
    route = conclusions.get(proxies.told)
    if route is None:
        route = conclusions[proxies.told] = read_route(head.fields, proxies)
    return route
