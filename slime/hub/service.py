"""The hub, put together. Read :func:`build_hub` as the diagram of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.application.internet import TimerService
from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.logger import Logger
from twisted.python.failure import Failure

from slime.http.head import HeadLimits
from slime.hub.access import AccessLog, json_line, text_line
from slime.hub.channel import ChannelLimits
from slime.hub.exchange import Exchange, ExchangePolicy
from slime.hub.gateway import GatewayPolicy, GatewayResource
from slime.hub.links import Door, LinkPolicy
from slime.hub.pool import AgentPool, PoolLimits
from slime.hub.seats import Balance
from slime.hub.site import GatewaySite
from slime.log import raw_sink

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IListeningPort, IReactorTime, IStreamServerEndpoint

    from slime.settings import HubConfig

__all__ = ["HubService", "build_hub"]


def build_hub(reactor: Any, config: HubConfig) -> HubService:
    """A hub as a Twisted service.

    :param reactor: the reactor everything runs on.
    :raises ValueError: a ``--listen`` description is not an endpoint string.
    """
    access = access_log(reactor, config)
    pool = AgentPool(reactor, pool_limits(config), access)
    door = Door(reactor, pool, link_policy(config))
    gateway = GatewayResource(pool, door, GatewayPolicy(config.app_password, config.queue_timeout))
    site = GatewaySite(gateway, reactor, channel_limits(config))
    hub = HubService(reactor, site, pool, config.grace)
    for description in config.listen:
        Listener(serverFromString(reactor, description), site).setServiceParent(hub)
    TimerService(1.0, site.sweep).setServiceParent(hub)
    return hub


def access_log(reactor: IReactorTime, config: HubConfig) -> Callable[[Exchange], None]:
    """What the pool does with finished exchanges."""
    if not config.access_log:
        return lambda exchange: None
    return AccessLog(reactor, raw_sink(), json_line if config.log_format == "json" else text_line).add


def pool_limits(config: HubConfig) -> PoolLimits:
    """The pool's share of the settings."""
    policy = ExchangePolicy(config.max_body, config.replay_body, config.max_requeues)
    return PoolLimits(config.concurrent, config.max_queue, config.prefetch, Balance(config.balance), policy)


def link_policy(config: HubConfig) -> LinkPolicy:
    """The links' share of the settings."""
    return LinkPolicy(
        config.secret, config.window, config.ping_interval, config.handshake_timeout, config.prefetch
    )


def channel_limits(config: HubConfig) -> ChannelLimits:
    """The channel's share of the settings."""
    return ChannelLimits(
        head=HeadLimits(config.max_head, config.max_fields, config.max_target),
        head_timeout=config.head_timeout,
        idle_timeout=config.idle_timeout,
        body_timeout=config.body_timeout,
        send_timeout=config.send_timeout,
        linger_timeout=config.linger_timeout,
        max_connections=config.max_connections,
    )


class Listener(Service):
    """Listens on one endpoint from start to stop."""

    _log = Logger()

    def __init__(self, endpoint: IStreamServerEndpoint, site: GatewaySite) -> None:
        self._endpoint = endpoint
        self._site = site
        self._asked = False
        self.port: IListeningPort | None = None

    def privilegedStartService(self) -> None:
        """Listen while the process may still bind to a low port.

        :raises CannotListenError: the address cannot be had; :mod:`slime.process` makes one clear line of it.
        """
        self._asked = True
        failures: list[Failure] = []
        self._endpoint.listen(self._site).addCallbacks(self._listening, failures.append)
        if failures:
            failures[0].raiseException()

    def startService(self) -> None:
        """The service is up; listen, if nobody called :meth:`privilegedStartService`."""
        super().startService()
        if not self._asked:
            self.privilegedStartService()

    def _listening(self, port: IListeningPort) -> None:
        self.port = port
        self._log.info("listening on {address}", address=port.getHost())

    def stopService(self) -> Deferred[None] | None:
        """Accept no more connections; those that are open stay."""
        super().stopService()
        port, self.port = self.port, None
        self._asked = False
        return None if port is None else port.stopListening()


class HubService(MultiService):
    """The hub's life as a whole; at its end a coordinator, because order matters then."""

    _log = Logger()

    def __init__(self, reactor: IReactorTime, site: GatewaySite, pool: AgentPool, grace: float) -> None:
        super().__init__()
        self.site = site
        self.pool = pool
        self._reactor = reactor
        self._grace = grace

    def stopService(self) -> Deferred[None]:
        """Take nothing new, tell agents, let what runs finish within the grace time, then close everything."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._log.info("stopping: what runs has {grace} seconds to finish", grace=self._grace)
        for service in self:
            if isinstance(service, Listener):
                await maybeDeferred(service.stopService)
        self.site.drain()
        finished = self.pool.drain()
        if self._grace:
            finished.addTimeout(self._grace, self._reactor, onTimeoutCancel=self._out_of_time)
            await finished
        self._close()
        await maybeDeferred(super().stopService)

    def _out_of_time(self, result: object, timeout: float) -> None:
        self._log.warn("the grace time of {grace} seconds is over: what still runs is cut off", grace=timeout)

    def _close(self) -> None:
        for link in self.pool.links:
            link.end()
        for channel in list(self.site.connections):
            channel.close_gently(unread=False)
