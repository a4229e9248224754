"""The admin site, put together and listening."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted.application.internet import TimerService
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.logger import Logger
from twisted.python.failure import Failure

from slime.hub.admin.actions import Actions
from slime.hub.admin.events import Feed
from slime.hub.admin.guard import Guard, is_local_endpoint
from slime.hub.admin.metrics import Metrics
from slime.hub.admin.routes import Parts, Routes
from slime.hub.admin.site import admin_factory
from slime.hub.admin.view import Hub, View
from slime.hub.history import TICK, History
from slime.hub.listening import Ports, cannot_listen
from slime.settings import DEFAULT_ADMIN

if TYPE_CHECKING:
    from twisted.internet.interfaces import IListeningPort
    from twisted.protocols.policies import ThrottlingFactory

    from slime.hub.observe import Observer
    from slime.hub.pool import AgentPool
    from slime.hub.revocations import Revocations
    from slime.hub.site import GatewaySite
    from slime.settings import HubConfig

__all__ = ["AdminService", "Watched", "build_admin", "site_address"]


class AdminService(MultiService):
    """The site's life. It begins before the hub takes work and ends after it, so that the end can be watched.

    :ivar port: where it listens, while it does.
    """

    _log = Logger()

    def __init__(self, reactor: Any, config: HubConfig, factory: ThrottlingFactory, feed: Feed) -> None:
        super().__init__()
        self._reactor = Ports(reactor, (), True) if config.reuse_port else reactor
        self._endpoint = config.admin or ""
        self._optional = config.admin == DEFAULT_ADMIN
        self._factory = factory
        self._feed = feed
        self._asked = False
        self.port: IListeningPort | None = None

    def privilegedStartService(self) -> None:
        """Listen. That the address which nobody asked for is taken is said, and nothing else comes of it.

        :raises CannotListenError: the address that was asked for cannot be had.
        """
        super().privilegedStartService()
        self._asked = True
        failures: list[Failure] = []
        serverFromString(self._reactor, self._endpoint).listen(self._factory).addCallbacks(
            self._listening, failures.append
        )
        if failures:
            self._cannot_listen(failures[0])

    def startService(self) -> None:
        """The service is up; listen, if nobody called :meth:`privilegedStartService`."""
        if not self._asked:
            self.privilegedStartService()
        super().startService()

    def _listening(self, port: IListeningPort) -> None:
        self.port = port
        self._log.info("the admin site is at {address}", address=site_address(port.getHost(), self._endpoint))

    def _cannot_listen(self, failure: Failure) -> None:
        error = cannot_listen(failure, "--admin")
        if not self._optional:
            raise error
        self._log.warn(
            "there is no admin site: port {port} is taken, by another hub perhaps (choose another one with "
            "--admin tcp:PORT:interface=127.0.0.1, or do without by --admin off)",
            port=error.port,
        )

    def stopService(self) -> Deferred[Any]:
        """Listen no more, and end the answers that have no end."""
        self._asked = False
        self._feed.close()
        for protocol in list(self._factory.protocols):
            protocol.loseConnection()
        port, self.port = self.port, None
        waits = [maybeDeferred(super().stopService), maybeDeferred(port.stopListening) if port else None]
        return DeferredList([wait for wait in waits if wait is not None])


@dataclass(frozen=True, slots=True)
class Watched:
    """The parts of a hub that its admin site looks at and acts on."""

    pool: AgentPool
    site: GatewaySite
    observer: Observer
    revoked: Revocations


def build_admin(reactor: Any, config: HubConfig, watched: Watched) -> AdminService:
    """The admin site of a hub, as a service.

    :param config: with an ``admin`` endpoint.
    :raises ValueError: the endpoint could be reached from elsewhere, and there is no token.
    """
    if config.admin_token is None and not is_local_endpoint(config.admin or ""):
        raise ValueError("an admin site that can be reached from elsewhere needs a token")
    pool, observer = watched.pool, watched.observer
    history = History(pool, observer, reactor.seconds)
    hub = Hub(pool, watched.site, observer, history, reactor.seconds)
    view = View(hub)
    feed = Feed(reactor, view)
    parts = Parts(view, Actions(pool, observer, watched.revoked, config.secret), Metrics(hub), feed)
    routes = Routes(parts, Guard(config.admin_token))
    admin = AdminService(reactor, config, admin_factory(reactor, routes), feed)
    ticker = TimerService(TICK, history.tick)
    ticker.clock = reactor
    ticker.setServiceParent(admin)
    return admin


def site_address(host: Any, endpoint: str) -> str:
    """What to type into a browser, where there is such a thing.

    :param host: where the port that listens is, as it says itself.
    """
    if not hasattr(host, "port"):
        return str(host)
    name = f"[{host.host}]" if ":" in host.host else host.host
    return f"{'https' if endpoint.startswith('ssl') else 'http'}://{name}:{host.port}/"
