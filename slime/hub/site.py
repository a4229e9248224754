"""A :class:`twisted.web.server.Site` on the strict channel, and the keeper of its connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IAddress
from twisted.logger import Logger
from twisted.web.server import Site

from slime.hub.answers import Trouble
from slime.hub.channel import ChannelLimits, HttpChannel
from slime.hub.request import StreamedRequest

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime
    from twisted.web.resource import IResource

__all__ = ["GatewaySite"]


class GatewaySite(Site):
    """A :class:`~twisted.web.server.Site` whose connections are :class:`HttpChannel`.

    :ivar connections: the open connections, those that became an agent's link among them.
    :ivar draining: set at shutdown; connections close after the answer in progress.
    """

    _log = Logger()

    def __init__(self, resource: IResource, reactor: IReactorTime, limits: ChannelLimits) -> None:
        super().__init__(resource, requestFactory=StreamedRequest, reactor=reactor)
        self.limits = limits
        self.seconds = reactor.seconds
        self.connections: set[HttpChannel] = set()
        self.draining = False
        self._turned_away = 0

    def startFactory(self) -> None:
        """Twisted's per-request log and its clock stay off; the gateway keeps its own access log."""

    def stopFactory(self) -> None:
        """Counterpart of :meth:`startFactory`."""

    def log(self, request: object) -> None:
        """See :meth:`startFactory`."""

    def acceptableProtocols(self) -> list[bytes]:
        """Only HTTP/1.1 by ALPN: HTTP/2 would go past everything this channel checks."""
        return [b"http/1.1"]

    def buildProtocol(self, addr: IAddress | None) -> HttpChannel | None:  # type: ignore[override]
        """A channel for a new connection; none, so that it is closed at once, beyond ``max_connections``."""
        if len(self.connections) >= self.limits.max_connections:
            self._turned_away += 1
            return None
        channel = HttpChannel()
        channel.factory = self
        channel.site = self
        channel.requestFactory = self.requestFactory
        return channel

    def sweep(self) -> None:
        """Enforce the deadlines of all connections. The service calls this once a second."""
        now = self.seconds()
        for channel in list(self.connections):
            channel.check(now)
        if self._turned_away:
            self._log.warn(
                "turned away {count} connections: {limit} are open, which is the limit (--max-connections)",
                count=self._turned_away,
                limit=self.limits.max_connections,
            )
            self._turned_away = 0

    def refused(self, trouble: Trouble, peer: IAddress) -> None:
        """A connection was refused for what it sent; said in the log at debug level, as anyone can cause it."""
        self._log.debug("refused {peer}: {code}, {detail}", peer=peer, code=trouble.code.slug, detail=trouble.detail)

    def drain(self) -> None:
        """Close idle connections now and the others after their answer."""
        self.draining = True
        for channel in list(self.connections):
            channel.drain()
