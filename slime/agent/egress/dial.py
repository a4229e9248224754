"""Connecting to a name: every address it has, the next one at once when one refuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import (
    IAddress,
    IHostResolution,
    IProtocol,
    IProtocolFactory,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["STAGGER", "NamedEndpoint"]

#: Seconds a silent address is waited for before the next one is tried beside it (RFC 8305 section 5).
STAGGER = 0.25

TCPAddress = IPv4Address | IPv6Address


@implementer(IStreamClientEndpoint)
class NamedEndpoint:
    """A TCP endpoint for a host name.

    Twisted's ``HostnameEndpoint`` waits its stagger out even after a refusal, so that ``localhost`` with a
    server on IPv4 only costs 0.3 s for each connection, and so does the news that nobody listens. This one
    goes on at once, and begins with the address that answered last.

    :param reactor: provides TCP and a name resolver.
    :param host: a host name; numeric addresses have endpoints of their own.
    :param timeout: seconds for each address.
    """

    def __init__(self, reactor: Any, host: str, port: int, timeout: float) -> None:
        self._reactor = reactor
        self._host = host
        self._port = port
        self._timeout = timeout
        self._favourite: TCPAddress | None = None

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Resolve the name and connect to the first of its addresses that answers.

        Fails with :exc:`twisted.internet.error.DNSLookupError`, or with what the last address failed with.
        """
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        found = await _resolve(self._reactor, self._host, self._port)
        found.sort(key=self._is_second_choice)
        protocol, self._favourite = await _Race(self._reactor, factory, self._timeout, found).run()
        return protocol

    def _is_second_choice(self, address: TCPAddress) -> bool:
        return address != self._favourite


@implementer(IResolutionReceiver)
class _Resolution:
    """Collects the addresses of a name."""

    def __init__(self) -> None:
        self.found: list[TCPAddress] = []
        self.complete: Deferred[list[TCPAddress]] = Deferred()

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """Nothing to remember: the resolver's own thread cannot be stopped."""

    def addressResolved(self, address: IAddress) -> None:
        assert isinstance(address, (IPv4Address, IPv6Address))
        self.found.append(address)

    def resolutionComplete(self) -> None:
        if not self.complete.called:
            self.complete.callback(self.found)


async def _resolve(reactor: Any, host: str, port: int) -> list[TCPAddress]:
    resolution = _Resolution()
    reactor.nameResolver.resolveHostName(resolution, host, port)
    found = await resolution.complete
    if not found:
        raise DNSLookupError(f"{host} has no address")
    return found


class _Race:
    """Attempts at several addresses, of which the first to succeed wins."""

    def __init__(
        self, reactor: Any, factory: IProtocolFactory, timeout: float, addresses: Sequence[TCPAddress]
    ) -> None:
        self._reactor = reactor
        self._factory = factory
        self._timeout = timeout
        self._waiting = list(addresses)
        self._running: list[Deferred[IProtocol]] = []
        self._stagger: Any = None
        self._won: Deferred[tuple[IProtocol, TCPAddress]] = Deferred()

    async def run(self) -> tuple[IProtocol, TCPAddress]:
        self._start_next()
        try:
            return await self._won
        finally:
            self._stop_stagger()
            for attempt in list(self._running):
                attempt.cancel()

    def _start_next(self) -> None:
        self._stop_stagger()
        address = self._waiting.pop(0)
        if self._waiting:
            self._stagger = self._reactor.callLater(STAGGER, self._start_next)
        attempt = self._endpoint(address).connect(self._factory)
        self._running.append(attempt)
        attempt.addCallbacks(self._succeeded, self._failed, (attempt, address), errbackArgs=(attempt,))

    def _endpoint(self, address: TCPAddress) -> IStreamClientEndpoint:
        kind = TCP6ClientEndpoint if isinstance(address, IPv6Address) else TCP4ClientEndpoint
        return kind(self._reactor, address.host, address.port, self._timeout)

    def _succeeded(self, protocol: IProtocol, attempt: Deferred[IProtocol], address: TCPAddress) -> None:
        self._running.remove(attempt)
        self._won.callback((protocol, address))

    def _failed(self, reason: Failure, attempt: Deferred[IProtocol]) -> None:
        self._running.remove(attempt)
        if self._won.called:
            return
        if self._waiting:
            self._start_next()
        elif not self._running:
            self._won.errback(reason)

    def _stop_stagger(self) -> None:
        if self._stagger is not None and self._stagger.active():
            self._stagger.cancel()
