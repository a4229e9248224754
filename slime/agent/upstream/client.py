"""The client of one upstream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory

from slime.agent.upstream.answer import Heads
from slime.agent.upstream.call import ResponseSink, UpstreamCall
from slime.agent.upstream.connection import Patience, UpstreamConnection
from slime.agent.upstream.lobby import Lobby
from slime.agent.upstream.pool import IdlePool
from slime.agent.upstream.target import UpstreamTarget
from slime.direct import Corks
from slime.http.head import HeadLimits, RequestHead

__all__ = ["UpstreamClient", "UpstreamLimits", "UpstreamSettings"]

#: Longest pause, in seconds, between two looks at the connections' deadlines.
_ROUND = 0.5


class UpstreamSettings(Patience, Protocol):
    """The settings a client reads; :class:`slime.settings.AgentConfig` has them."""

    @property
    def connect_timeout(self) -> float:
        """Seconds to connect, name lookup and TLS handshake included; never 0."""

    @property
    def upstream_idle(self) -> float:
        """Seconds an unused connection is kept; 0 to keep none."""

    @property
    def max_head(self) -> int:
        """Bytes an answer's head may have."""

    @property
    def max_fields(self) -> int:
        """Fields it may have."""


@dataclass(frozen=True, slots=True)
class UpstreamLimits:
    """:class:`UpstreamSettings` for those who have no configuration."""

    connect_timeout: float = 10.0
    first_byte_timeout: float = 0.0
    stall_timeout: float = 0.0
    upstream_idle: float = 4.0
    max_head: int = 65536
    max_fields: int = 200


class _ConnectionFactory(Factory):
    noisy = False

    def __init__(self, keeper: UpstreamClient, settings: UpstreamSettings) -> None:
        self._keeper = keeper
        self._settings = settings
        self._heads = Heads(HeadLimits(head_bytes=settings.max_head, fields=settings.max_fields))

    def buildProtocol(self, addr: IAddress | None) -> UpstreamConnection:
        return UpstreamConnection(self._keeper, self._settings, self._heads)


class UpstreamClient:
    """Sends requests to one upstream, over connections that it keeps for the next request.

    It takes every request at once, on a connection of its own: who starts calls bounds them.

    :param reactor: provides time, TCP, UNIX sockets and a name resolver.
    :ivar corks: collect what requests bring while :meth:`~slime.direct.Corks.during` some work.
    """

    def __init__(self, reactor: Any, target: UpstreamTarget, settings: UpstreamSettings = UpstreamLimits()) -> None:
        self.target = target
        self.corks = Corks()
        self._reactor = reactor
        self._settings = settings
        self._endpoint = target.endpoint(reactor, settings.connect_timeout)
        self._factory = _ConnectionFactory(self, settings)
        self._pool: IdlePool[UpstreamConnection] = IdlePool(settings.upstream_idle)
        self._connections: set[UpstreamConnection] = set()
        timeouts = filter(None, (settings.first_byte_timeout, settings.stall_timeout))
        self._round = min([_ROUND, *(timeout / 4 for timeout in timeouts)])
        self._next_round: Any = None

    def start(self, head: RequestHead, body_length: int | None, sink: ResponseSink) -> UpstreamCall:
        """Ask for something.

        :param head: as :func:`slime.http.forwarding.rewrite_for_upstream` makes it: no framing fields.
        :param body_length: bytes that :meth:`UpstreamCall.write` will bring; ``None`` when only
            :meth:`UpstreamCall.end` will tell. With 0 the request is complete already.
        :raises LocalProtocolError: the head cannot be sent as it is.
        """
        call = UpstreamCall(head, body_length, sink)
        connection = self._pool.take(self._reactor.seconds())
        if connection is not None:
            connection.begin(call)
        else:
            self.ask_again(call)
        return call

    def close(self) -> None:
        """Close idle connections, and from now on those whose call is over. Calls go on."""
        self._pool.shut()

    # What connections report.

    def ask_again(self, call: UpstreamCall) -> None:
        """Send a call over a new connection."""
        dial = Deferred.fromCoroutine(self._connect())
        Lobby(call, dial.addTimeout(self._settings.connect_timeout, self._reactor))

    def rest(self, connection: UpstreamConnection) -> None:
        """Keep a connection for the next call."""
        self._pool.put(connection, self._reactor.seconds())

    def lost(self, connection: UpstreamConnection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)
        self._pool.discard(connection)
        if not self._connections and self._next_round is not None:
            self._next_round.cancel()
            self._next_round = None

    async def _connect(self) -> UpstreamConnection:
        connection = await self._endpoint.connect(self._factory)
        assert isinstance(connection, UpstreamConnection)
        self._connections.add(connection)
        if self._next_round is None:
            self._next_round = self._reactor.callLater(self._round, self._look_round)
        await connection.secured
        return connection

    def _look_round(self) -> None:
        """Look at every deadline; one timer for all connections, and none without connections."""
        self._next_round = self._reactor.callLater(self._round, self._look_round)
        now = self._reactor.seconds()
        self._pool.close_old(now)
        for connection in list(self._connections):
            connection.check(now)
