"""The way out of this machine: to the hub, and to upstreams that are elsewhere.

:class:`Egress` makes the endpoint for a host and port, out of the parts in ``dial`` (names and addresses),
``proxy`` and ``connect`` (by way of an HTTP proxy) and ``tls`` (who is trusted, and what we show).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint

from slime.agent.egress.connect import ConnectEndpoint, ProxyError, ProxyRefusal
from slime.agent.egress.dial import NamedEndpoint
from slime.agent.egress.proxy import ProxyAddress, authority, is_exempt
from slime.agent.egress.tls import TLSOptions, TLSTrouble, explained

__all__ = [
    "DIRECT",
    "Egress",
    "EndpointMaker",
    "Place",
    "ProxyError",
    "ProxyRefusal",
    "TLSOptions",
    "TLSTrouble",
    "explained",
]

#: Makes an endpoint from a reactor and the seconds a connection may take.
EndpointMaker = Callable[[Any, float], IStreamClientEndpoint]


@dataclass(frozen=True, slots=True)
class Place:
    """Where to connect to.

    :ivar host: a name in ASCII, or an address without brackets.
    :ivar secure: whether TLS is spoken there.
    """

    host: str
    port: int
    secure: bool = False


@dataclass(frozen=True, slots=True)
class Egress:
    """How connections leave this machine.

    :ivar tls: for secure places.
    :ivar proxy: the way to secure places; ``None`` to go there directly.
    :ivar plain_proxy: the way to places without TLS.
    :ivar no_proxy: hosts to go to directly, as :func:`slime.agent.egress.proxy.is_exempt` reads them.
    :ivar proxy_tls: for a proxy that is spoken to by TLS itself.
    """

    tls: TLSOptions = TLSOptions()
    proxy: ProxyAddress | None = None
    plain_proxy: ProxyAddress | None = None
    no_proxy: tuple[str, ...] = ()
    proxy_tls: TLSOptions = TLSOptions()

    def to(self, place: Place) -> EndpointMaker:
        """What makes the endpoint of a place."""
        proxy = self.proxy_to(place)
        way = _directly(place.host, place.port) if proxy is None else self._through(proxy, place)
        return _with_tls(way, self.tls, place.host) if place.secure else way

    def proxy_to(self, place: Place) -> ProxyAddress | None:
        """The proxy on the way to a place, if there is one."""
        proxy = self.proxy if place.secure else self.plain_proxy
        return None if is_exempt(place.host, place.port, self.no_proxy) else proxy

    def _through(self, proxy: ProxyAddress, place: Place) -> EndpointMaker:
        way = _directly(proxy.host, proxy.port)
        if proxy.secure:
            way = _with_tls(way, self.proxy_tls, proxy.host)
        target = authority(place.host, place.port)
        return lambda reactor, timeout: ConnectEndpoint(reactor, way(reactor, timeout), proxy, target, timeout)


#: Without any proxy, trusting what the system trusts.
DIRECT = Egress()


def _directly(host: str, port: int) -> EndpointMaker:
    if isIPAddress(host):
        return lambda reactor, timeout: TCP4ClientEndpoint(reactor, host, port, timeout)
    if isIPv6Address(host):
        return lambda reactor, timeout: TCP6ClientEndpoint(reactor, host, port, timeout)
    return lambda reactor, timeout: NamedEndpoint(reactor, host, port, timeout)


def _with_tls(way: EndpointMaker, tls: TLSOptions, host: str) -> EndpointMaker:
    creator = tls.creator(host)
    return lambda reactor, timeout: wrapClientTLS(creator, way(reactor, timeout), reactor)
