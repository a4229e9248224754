"""The hub, put together. Read :func:`build_hub` as the diagram of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted.application.internet import TimerService
from twisted.application.service import MultiService, Service
from twisted.internet import defer
from twisted.internet.defer import CancelledError, Deferred, DeferredList, maybeDeferred, succeed
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from slime.direct import Corks
from slime.http.head import HeadLimits
from slime.http.route import TrustedProxies
from slime.hub.access import AccessLog, NoAccessLog
from slime.hub.accessfile import AccessFile, TheLog
from slime.hub.accessline import FORMATS
from slime.hub.admin.service import Watched, build_admin
from slime.hub.channel import ChannelLimits
from slime.hub.events import Herald
from slime.hub.gateway import GatewayPolicy, GatewayResource
from slime.hub.handover import LAST_CALL, Newcomers, steer
from slime.hub.info import AgentInfo, ExchangeInfo
from slime.hub.links import Door, LinkPolicy
from slime.hub.listening import cannot_listen, hub_endpoint
from slime.hub.observe import Observer
from slime.hub.pace import LeastRate
from slime.hub.pool import AgentPool
from slime.hub.revocations import Revocations
from slime.hub.seats import Balance
from slime.hub.seedagents import SeedDoor, ShutDoor
from slime.hub.site import GatewaySite
from slime.hub.spool import SpoolLimits
from slime.hub.terms import ExchangePolicy, Patience, PoolLimits
from slime.log import raw_sink
from slime.pem import certificates_in
from slime.state import state_dir
from slime.tunnel.growth import WindowLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    from twisted.internet.interfaces import IAddress, IListeningPort, IReactorTime, IStreamServerEndpoint
    from twisted.web.resource import IResource

    from slime.hub.events import HubEvent
    from slime.hub.roster import AgentLink, LinkWatcher
    from slime.settings import HubConfig

__all__ = ["HubService", "build_hub"]

#: Seconds that applications have to take what was written, and agents to say goodbye, after everything else.
LAST_WORDS = 2.0

#: Seconds in which agents of the hub before this one find it.
ARRIVAL = 5.0


def build_hub(
    reactor: Any,
    config: HubConfig,
    tree: Callable[[GatewayResource], IResource] | None = None,
    on_event: Callable[[HubEvent], object] | None = None,
) -> HubService:
    """A hub as a Twisted service.

    :param reactor: the reactor everything runs on.
    :param tree: makes the root of the site from the gateway, which it may put anywhere in a tree of other resources
        (``root.putChild(b"v1", gateway)``); without it the gateway is the root. Agents come to ``/v1/agent/``, so that
        has to lead to the gateway.
    :param on_event: called with everything that happens (:mod:`slime.hub.events`).
    :raises ValueError: a ``--listen`` description is not an endpoint string, ``--agent-ca`` holds no certificates, or
        nothing can be kept in the state directory.
    """
    access = access_log(reactor, config)
    observer, herald = Observer(time.time), Herald(reactor, on_event)
    revoked = Revocations(state_dir(config.state_dir))
    finished = both(observer.finished, access.finished)
    if on_event is not None:
        finished = both(finished, herald.ended)
    pool = AgentPool(reactor, pool_limits(config), finished, Watchers(observer, herald))
    corks = Corks()
    door = Door(reactor, pool, link_policy(config, revoked), corks)
    seed = SeedDoor(reactor, pool, config.secret, revoked) if seed_may_join(config) else ShutDoor(reactor)
    gateway = GatewayResource(pool, door, gateway_policy(config), seed)
    gateway.began = None if on_event is None else herald.began
    root = gateway if tree is None else tree(gateway)
    site = GatewaySite(root, reactor, channel_limits(config), both(observer.answered, access.answered), corks)
    hub = HubService(reactor, Parts(site, gateway, pool, herald), access, config.grace)
    for listener in listeners(reactor, config, site):
        listener.setServiceParent(hub)
    sweeper(reactor, site).setServiceParent(hub)
    if config.admin is not None:
        build_admin(reactor, config, Watched(pool, site, observer, revoked)).setServiceParent(hub)
    return hub


def both(first: Callable[[Any], object], second: Callable[[Any], object]) -> Callable[[Any], None]:
    """A function that tells two."""

    def tell(event: Any) -> None:
        first(event)
        second(event)

    return tell


class Watchers:
    """Two who want to know which agents come and go."""

    def __init__(self, first: LinkWatcher, second: LinkWatcher) -> None:
        self.both = (first, second)

    def joined(self, link: AgentLink) -> None:
        """An agent has linked."""
        for watcher in self.both:
            watcher.joined(link)

    def left(self, link: AgentLink) -> None:
        """Its link is gone."""
        for watcher in self.both:
            watcher.left(link)


def seed_may_join(config: HubConfig) -> bool:
    """Whether agents of the earlier program are let in. They have no certificates."""
    return config.seed_agents and config.agent_ca is None


def access_log(reactor: IReactorTime, config: HubConfig) -> AccessLog | NoAccessLog:
    """Where finished requests are noted."""
    if config.access_log == "off":
        return NoAccessLog()
    line_format = FORMATS[config.log_format if config.access_log == "on" else config.access_log]
    sink = AccessFile(config.access_log_file) if config.access_log_file else TheLog(raw_sink())
    return AccessLog(reactor, sink, line_format)


def listeners(reactor: Any, config: HubConfig, site: GatewaySite) -> Iterator[Listener]:
    """One for each endpoint."""
    authorities = certificates_in(config.agent_ca) if config.agent_ca else []
    setting = "--host, --port" if config.listen == (config.host_and_port,) else "--listen"
    for description in config.listen:
        endpoint = hub_endpoint(reactor, description, authorities, config.reuse_port)
        yield Listener(endpoint, site, config.reuse_port, setting)


def sweeper(reactor: IReactorTime, site: GatewaySite) -> TimerService:
    """Looks after the deadlines of connections."""
    service = TimerService(1.0, site.sweep)
    service.clock = reactor
    return service


def pool_limits(config: HubConfig) -> PoolLimits:
    """The pool's share of the settings."""
    policy = ExchangePolicy(config.max_body, config.replay_body, config.max_requeues, config.upgrade_idle)
    arrival = ARRIVAL if config.reuse_port else 0.0
    return PoolLimits(
        concurrent=config.concurrent,
        max_queue=config.max_queue,
        prefetch=config.prefetch,
        balance=Balance(config.balance),
        arrival=arrival,
        patience=Patience(config.body_patience, config.reader_patience),
        exchange=policy,
    )


def gateway_policy(config: HubConfig) -> GatewayPolicy:
    """The gateway's share of the settings."""
    allowed = frozenset(protocol.lower().encode("ascii") for protocol in config.allow_upgrade)
    proxies = TrustedProxies(config.trusted_proxies)
    return GatewayPolicy(config.app_password, config.queue_timeout, proxies, allowed)


def link_policy(config: HubConfig, revoked: Container[str] = frozenset()) -> LinkPolicy:
    """The links' share of the settings, and the tokens that are void."""
    return LinkPolicy(
        secret=config.secret,
        window=config.window,
        windows=WindowLimits(config.window, config.max_window, config.link_window),
        ping_interval=config.ping_interval,
        handshake_timeout=config.handshake_timeout,
        prefetch=config.prefetch,
        revoked=revoked,
        certified=config.agent_ca is not None,
        handshake_rate=config.handshake_rate,
        control_rate=config.control_rate,
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
        max_strangers=config.max_connections_per_address,
        proxies=TrustedProxies(config.trusted_proxies),
        rates=LeastRate(config.min_rate, config.slow_grace),
        spool=SpoolLimits(config.spool, config.spool_total),
    )


class Listener(Service):
    """Listens on one endpoint from start to stop.

    :ivar shared: whether another hub may listen there, too.
    :param setting: what whoever runs the hub has asked for it with.
    """

    _log = Logger()

    def __init__(
        self, endpoint: IStreamServerEndpoint, site: GatewaySite, shared: bool = False, setting: str = "--listen"
    ) -> None:
        self.shared = shared
        self._setting = setting
        self._endpoint = endpoint
        self._site = site
        self._asked = False
        self._failure: Failure | None = None
        self.port: IListeningPort | None = None

    def privilegedStartService(self) -> None:
        """Listen while the process may still bind to a low port.

        :raises CannotListenError: the address cannot be had; :mod:`slime.process` makes one clear line of it.
        """
        self._endpoint.listen(self._site).addCallbacks(self._listening, self._failed)
        self._asked = True
        if self._failure is not None:
            raise cannot_listen(self._failure, self._setting)

    def startService(self) -> None:
        """The service is up; listen, if nobody called :meth:`privilegedStartService`."""
        super().startService()
        if not self._asked:
            self.privilegedStartService()

    def _listening(self, port: IListeningPort) -> None:
        self.port = port
        self._log.info("listening on {address}", address=port.getHost())

    def _failed(self, failure: Failure) -> None:
        self._failure = failure
        if self._asked:
            self._log.failure("cannot listen ({setting})", failure, setting=self._setting)

    def step_aside(self) -> None:
        """Let new connections go to the other hub, if there is one."""
        if self.port is not None:
            steer(self.port, Newcomers.TO_YOUNGER)

    def stopService(self) -> Deferred[None] | None:
        """Accept no more connections; those that are open stay."""
        super().stopService()
        port, self.port = self.port, None
        self._asked = False
        return None if port is None else port.stopListening()


@dataclass(frozen=True, slots=True)
class Parts:
    """What a hub consists of."""

    site: GatewaySite
    gateway: GatewayResource
    pool: AgentPool
    herald: Herald


class HubService(MultiService):
    """The hub's life as a whole; at its end a coordinator, because order matters then.

    :ivar site: its site, a :class:`twisted.web.server.Site`: what listens on ``--listen``, and could elsewhere.
    :ivar gateway: the resource that passes requests on.
    """

    _log = Logger()

    def __init__(self, reactor: IReactorTime, parts: Parts, access: AccessLog | NoAccessLog, grace: float) -> None:
        super().__init__()
        self.site, self.gateway, self.pool = parts.site, parts.gateway, parts.pool
        self._herald = parts.herald
        self._reactor = reactor
        self._access = access
        self._grace = grace

    @property
    def agents(self) -> list[AgentInfo]:
        """The agents that are linked, as they were when they joined, in the order in which they did."""
        return self._herald.agents

    @property
    def exchanges(self) -> list[ExchangeInfo]:
        """The requests that are in the hub now, waiting ones included, in no order."""
        return list(map(ExchangeInfo.of, self.pool.exchanges))

    def addresses(self) -> list[IAddress]:
        """Where applications and agents reach the hub, while it runs."""
        ports = [service.port for service in self if isinstance(service, Listener)]
        return [port.getHost() for port in ports if port is not None]

    def when_ready(self) -> Deferred[None]:
        """A hub that has started listens."""
        return succeed(None)

    def status(self) -> str:
        """How many are here, in one line."""
        waiting = self.pool.waiting
        running = len(self.pool.exchanges) - waiting
        return f"{len(self.pool.links)} agents are linked; {running} requests run, {waiting} wait"

    def startService(self) -> None:
        """Open the access log first: whether that can be done is to be said at the start."""
        self._access.reopen()
        super().startService()

    def reopen(self) -> bool:
        """The file of the access log may have been moved away; whether there is one."""
        return self._access.reopen()

    def stopService(self) -> Deferred[None]:
        """Take nothing new, tell agents, let what runs finish within the grace time, then close everything."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._log.info("stopping: what runs has {grace} seconds to finish", grace=self._grace)
        end = self._reactor.seconds() + self._grace
        listeners = [service for service in self if isinstance(service, Listener)]
        shared = [listener for listener in listeners if listener.shared]
        if shared:
            await self._hand_over(shared)
        for listener in listeners:
            await maybeDeferred(listener.stopService)
        self.site.drain()
        if shared:
            await self._in_time(self.pool.when_idle(), end)
        if not await self._in_time(self.pool.drain(), end):
            self._log.warn("the grace time of {grace} seconds is over: what still runs is cut off", grace=self._grace)
        gone = self._end_links()
        self.pool.drain()  # who was given back by an agent meanwhile and waits for another one
        await self._in_time(self.site.when_idle(), max(end, self._reactor.seconds() + LAST_WORDS))
        self.site.abort()
        gone = DeferredList([gone, self.site.when_idle()], consumeErrors=True)
        await self._in_time(gone, self._reactor.seconds() + LAST_WORDS)
        self._access.close()
        await maybeDeferred(super().stopService)

    async def _hand_over(self, listeners: Sequence[Listener]) -> None:
        """Send whoever comes to the other hub, agents first; serve who is here already, or on the way, as ever."""
        for listener in listeners:
            listener.step_aside()
        self.pool.take_leave()
        self.site.wind_down()
        await deferLater(self._reactor, LAST_CALL)

    def _end_links(self) -> Deferred[Any]:
        links = self.pool.links
        gone = [link.when_gone() for link in links]
        for link in links:
            link.end()
        return DeferredList(gone, consumeErrors=True)

    async def _in_time(self, event: Deferred[Any], end: float) -> bool:
        """Wait for something, until a moment; did it happen?"""
        left = end - self._reactor.seconds()
        if left > 0 and not event.called:
            event.addTimeout(left, self._reactor)
        elif not event.called:
            event.cancel()
        try:
            await event
        except (CancelledError, defer.TimeoutError):
            return False
        return True
