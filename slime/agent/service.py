"""The agents of one process: how they are wired, started and stopped."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import SystemRandom
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from slime import __version__
from slime.agent.egress import DIRECT, Egress
from slime.agent.egress.ways import warnings_about, ways_out
from slime.agent.hardware import Catalogue, checked, hardware
from slime.agent.health import Health, Precautions
from slime.agent.identity import given_ids, kept_ids
from slime.agent.link import LinkFactory, LinkPolicy
from slime.agent.reconnect import Backoff, Hub, LinkKeeper
from slime.agent.upstream.client import UpstreamClient
from slime.agent.upstream.target import UpstreamTarget
from slime.agent.worker import Bounds, Workshop
from slime.http.head import HeadLimits
from slime.settings import AgentConfig
from slime.state import state_dir
from slime.tunnel import HEAD_LIMIT, Hello
from slime.tunnel.growth import WindowLimits

if TYPE_CHECKING:
    from slime.agent.probe import Probe

__all__ = ["AgentService", "build_agent"]

#: Requests that may wait in an agent, for each slot.
AHEAD = 4

#: Bytes of each such request's body that travel ahead with it.
AHEAD_WINDOW = 64 * 1024

#: Characters of a text in HELLO.
MAX_TEXT = 256

#: Fields that the hub adds to a request; they do not count against the application.
ADDED_FIELDS = 16


@dataclass(frozen=True, slots=True)
class Member:
    """One agent: where its requests come from, and where they go."""

    keeper: LinkKeeper
    shop: Workshop
    probe: Probe | None = None


class Once:
    """Something that may happen often, of which the first time counts.

    :ivar event: fires then.
    """

    def __init__(self) -> None:
        self.event: Deferred[None] = Deferred()

    def __call__(self) -> None:
        if not self.event.called:
            self.event.callback(None)


class AgentService(Service):
    """Runs agents. Stopping takes nothing new and waits for what runs, as long as the grace allows.

    :param grace: seconds.
    :param warnings: what to say loudly at each start.
    :param linked: fires when the first agent has been let in by its hub.
    """

    _log = Logger()

    def __init__(
        self, members: Sequence[Member], grace: float, warnings: Sequence[str] = (), linked: Once | None = None
    ) -> None:
        self._members = members
        self._grace = grace
        self._warnings = warnings
        self._linked = linked or Once()

    def when_ready(self) -> Deferred[None]:
        """An agent is ready when a hub has let it in; one of several upstreams is enough."""
        return self._linked.event

    def status(self) -> str:
        """How many are linked, in one line."""
        linked = sum(member.keeper.linked for member in self._members)
        return f"{linked} of {len(self._members)} agents are linked to the hub"

    def startService(self) -> None:
        super().startService()
        for warning in self._warnings:
            self._log.error("{words}", words=warning)
        for member in self._members:
            member.keeper.start()
            if member.probe is not None:
                member.probe.start()

    def stopService(self) -> Deferred[None]:
        super().stopService()
        self._log.info("stopping: what runs has {grace} seconds to finish", grace=self._grace)
        # In this order: what is given back must not come again because the hub has not been told yet.
        stopped = [member.keeper.stop(self._grace) for member in self._members]
        for member in self._members:
            member.shop.drain()
        return DeferredList(stopped, consumeErrors=True).addCallback(self._close)

    def _close(self, results: object) -> None:
        for member in self._members:
            if member.probe is not None:
                member.probe.stop()
            member.shop.health.stop()
            member.shop.client.close()


def build_agent(reactor: Any, config: AgentConfig, catalogue: Catalogue | None = None) -> IService:
    """An agent for each upstream, as one service.

    :param catalogue: says what to tell the hub of this machine in place of :mod:`slime.agent.hardware`: a function
        that returns names and values, as JSON can hold them; asked once, unless ``report_hardware`` is off. A hub shows
        16 of them: texts, whole numbers, truth values and lists of texts.
    :raises ValueError: an upstream's address cannot be read, or a file of certificates, or the catalogue says what
        cannot be told; with a sentence.
    """
    ways = ways_out(config)
    targets = [upstream(text, config, ways.upstreams) for text in config.upstreams]
    hellos = greetings(config, targets, catalogue or partial(hardware, config.report_mac))
    linked = Once()
    members = [build_member(reactor, config, ways.hub, *pair, linked) for pair in zip(targets, hellos, strict=True)]
    warnings = warnings_about(ways.upstreams, [(target.label, target.place) for target in targets])
    return cast(IService, AgentService(members, config.grace, list(warnings), linked))


def upstream(text: str, config: AgentConfig, way: Egress) -> UpstreamTarget:
    """Where an upstream is, and how to get there."""
    return UpstreamTarget.parse(text, preserve_host=config.preserve_host, egress=way)


def agent_ids(config: AgentConfig, targets: Sequence[UpstreamTarget]) -> list[str]:
    """Each agent's id, in the order of their upstreams."""
    if config.agent_id is not None:
        return given_ids(config.agent_id, len(targets))
    return kept_ids(state_dir(config.state_dir), [target.label for target in targets])


def build_member(
    reactor: Any, config: AgentConfig, way: Egress, target: UpstreamTarget, hello: Hello, linked: Once
) -> Member:
    """One agent."""
    client = UpstreamClient(reactor, target, config)
    precautions = Precautions(config.health_path, config.health_interval, config.guard_status)
    health = Health(reactor, config.num_worker, precautions, target.label)
    probe = probe_of(reactor, client, precautions, health) if precautions.path is not None else None
    shop = Workshop(client, bounds(config), health)
    windows = WindowLimits(config.window, config.max_window, config.link_window)
    policy = LinkPolicy(hello, config.ping_interval, config.handshake_timeout, linked, windows, config.control_rate)
    factory = LinkFactory(reactor, config.hub, config.token, shop, policy)
    backoff = Backoff(config.reconnect_max, SystemRandom().random)
    hub = hub_at(reactor, config.hub, config.handshake_timeout, way)
    return Member(LinkKeeper(reactor, hub, factory, backoff), shop, probe)


def probe_of(reactor: Any, client: UpstreamClient, precautions: Precautions, health: Health) -> Probe:
    """What asks the upstream whether it is ready; treq, with all that it brings, is loaded for nobody else."""
    from slime.agent.probe import Probe

    return Probe(reactor, client, precautions, health)


def bounds(config: AgentConfig) -> Bounds:
    """What one upstream takes on; the hub's own additions to a head come on top of the limits."""
    head = HeadLimits(head_bytes=HEAD_LIMIT, fields=config.max_fields + ADDED_FIELDS, target_bytes=HEAD_LIMIT)
    return Bounds(config.num_worker, AHEAD * config.num_worker, head)


def greetings(config: AgentConfig, targets: Sequence[UpstreamTarget], catalogue: Catalogue) -> list[Hello]:
    """Who each agent is."""
    ids = agent_ids(config, targets)
    report = checked(catalogue) if config.report_hardware else None
    return [greeting(config, target, agent_id, report) for target, agent_id in zip(targets, ids, strict=True)]


def greeting(config: AgentConfig, target: UpstreamTarget, agent_id: str, report: Mapping[str, Any] | None) -> Hello:
    """Who the agent is."""
    return Hello(
        agent_id=agent_id,
        name=platform.node()[:MAX_TEXT] or agent_id,
        slots=config.num_worker,
        prefetch=AHEAD * config.num_worker,
        hardware=report,
        software=f"slime/{__version__}",
        window=config.window,
        prefetch_window=min(AHEAD_WINDOW, config.window),
        upstream=target.label[:MAX_TEXT],
    )


def hub_at(reactor: Any, url: str, timeout: float, way: Egress = DIRECT) -> Hub:
    """How to reach a hub: as an upstream at the same place."""
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}[parts.scheme]
    place = UpstreamTarget.parse(f"{scheme}://{parts.netloc}", egress=way)
    return Hub(place.label, place.endpoint(reactor, timeout), timeout)
