"""A :class:`twisted.web.server.Site` on the strict channel, and the keeper of its connections."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote_to_bytes

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IProtocol
from twisted.internet.task import Cooperator
from twisted.logger import Logger
from twisted.web.http import datetimeToString
from twisted.web.server import Site

from slime.direct import Corks
from slime.http.known import KnownHeads
from slime.hub.answers import Answered
from slime.hub.channel import ChannelLimits, HttpChannel
from slime.hub.refusing import Refused, TurnedAway
from slime.hub.request import StreamedRequest
from slime.hub.spool import Spool
from slime.hub.strangers import Strangers

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime
    from twisted.web.resource import IResource
    from twisted.web.server import Request

    from slime.http.fields import Fields

__all__ = ["GatewaySite"]

SWEPT_AT_ONCE = 500


class GatewaySite(Site):
    """A :class:`~twisted.web.server.Site` whose connections are :class:`HttpChannel`.

    :ivar connections: the open connections, less those that became an agent's link.
    :ivar heads: reads the heads of their requests.
    :ivar draining: set at shutdown; answers say that the connection will be closed after them, and it is.
    :ivar closing: set a little later; connections close after the answer in progress, whatever it has said.
    :ivar answered: told of every request that was answered before anybody took it.
    :ivar corks: what a piece of work writes to applications leaves when it is done.
    :ivar spool: room for what slow applications have not read.
    :ivar refused: connections beyond a limit.
    :ivar later: calls a function in the next turn of the reactor.
    :ivar cooperator: runs the pull producers of ordinary resources.
    """

    _log = Logger()
    noisy = False

    def __init__(
        self,
        resource: IResource,
        reactor: IReactorTime,
        limits: ChannelLimits,
        answered: Callable[[Answered], object] = lambda answered: None,
        corks: Corks | None = None,
    ) -> None:
        super().__init__(resource, requestFactory=StreamedRequest, reactor=reactor)
        self.limits = limits
        self.heads = KnownHeads(limits.head)
        self.seconds = reactor.seconds
        self.answered = answered
        self.later = partial(reactor.callLater, 0)
        self.cooperator = Cooperator(scheduler=self.later)
        self.corks = corks or Corks()
        self.connections: set[HttpChannel] = set()
        self.draining = self.closing = False
        self.spool = Spool(limits.spool)
        self.refused = Refused()
        self._strangers = Strangers(limits.max_strangers, limits.proxies)
        self._waiting: list[Deferred[None]] = []
        self._dated = -1
        self._date: Fields = []

    # -- what Twisted's Site does ------------------------------------------------------------------------------------

    def startFactory(self) -> None:
        """Twisted's per-request log and its clock stay off; the hub keeps its own access log."""

    def stopFactory(self) -> None:
        """Counterpart of :meth:`startFactory`."""

    def log(self, request: object) -> None:
        """See :meth:`startFactory`."""

    def acceptableProtocols(self) -> list[bytes]:
        """Only HTTP/1.1 by ALPN: HTTP/2 would go past everything this channel checks."""
        return [b"http/1.1"]

    def buildProtocol(self, addr: IAddress | None) -> IProtocol:  # type: ignore[override]
        """A channel for a new connection; beyond a limit one that closes it at once."""
        if len(self.connections) >= self.limits.max_connections:
            self.refused.total += 1
            return TurnedAway()
        stranger = self._strangers.come(addr)
        if stranger is None:
            self.refused.of(addr)
            return TurnedAway()
        channel = HttpChannel()
        channel.stranger = stranger
        channel.factory = self
        channel.site = self
        channel.requestFactory = self.requestFactory
        return channel

    def date(self) -> Fields:
        """The ``Date`` that an answer without one gets from whoever has a clock (RFC 9110 section 6.6.1)."""
        now = int(self.seconds())
        if now != self._dated:
            self._dated, self._date = now, [(b"Date", datetimeToString(now))]
        return self._date

    def segments(self, path: bytes) -> list[bytes]:
        """The parts of a path, as resources know them."""
        return [unquote_to_bytes(segment) for segment in path[1:].split(b"/")]

    def getResourceFor(self, request: Request) -> IResource:
        """The resource for a request: looked for once, at the end of the head, though Twisted asks again later."""
        request = cast(StreamedRequest, request)
        if request.located is None:
            resource = super().getResourceFor(request)
            request.located = resource, request.prepath or [], request.postpath or []
        resource, request.prepath, request.postpath = request.located
        return resource

    # -- connections -------------------------------------------------------------------------------------------------

    def sweep(self) -> None:
        """Enforce the deadlines of all connections. The service calls this once a second."""
        self._check(list(self.connections))
        self.refused.report(self._log, self.limits)

    def _check(self, channels: list[HttpChannel]) -> None:
        """So many in a turn that nobody has to wait for it."""
        now = self.seconds()
        for channel in channels[:SWEPT_AT_ONCE]:
            try:
                channel.check(now)
            except Exception:
                self._log.failure("a connection could not be looked after, and is cut")
                channel.abortConnection()
        if len(channels) > SWEPT_AT_ONCE:
            self.later(self._check, channels[SWEPT_AT_ONCE:])

    def recognise(self, channel: HttpChannel) -> None:
        """Something permitted has come by a connection that was a stranger's so far, or it is gone."""
        stranger, channel.stranger = channel.stranger, ""
        self._strangers.gone(stranger)

    def lost(self, channel: HttpChannel) -> None:
        """A connection is gone, or belongs to somebody else."""
        if channel.stranger:
            self.recognise(channel)
        self.connections.discard(channel)
        if self._waiting and not self.connections:
            waiting, self._waiting = self._waiting, []
            for idle in waiting:
                idle.callback(None)

    def when_idle(self) -> Deferred[None]:
        """Fires when there are no connections."""
        if not self.connections:
            return succeed(None)
        self._waiting.append(Deferred())
        return self._waiting[-1]

    def wind_down(self) -> None:
        """Close every connection after the next answer that can say so."""
        self.draining = True

    def drain(self) -> None:
        """Close idle connections now and the others after their answer."""
        self.draining = self.closing = True
        for channel in list(self.connections):
            channel.drain()

    def abort(self) -> None:
        """Cut whatever is left."""
        for channel in list(self.connections):
            channel.abortConnection()

