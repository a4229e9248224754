"""One visit to a hub, to learn whether an agent would be let in. It disturbs nobody and takes no request."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, ISSLTransport

from slime.agent.health import Health, Precautions
from slime.agent.link import AgentLink, LinkEnd, LinkFactory, LinkPolicy
from slime.agent.reconnect import Hub
from slime.agent.upstream.client import UpstreamClient
from slime.agent.upstream.target import UpstreamTarget
from slime.agent.worker import Bounds, Workshop
from slime.http.head import HeadLimits
from slime.settings import AgentConfig
from slime.tunnel import Hello, Welcome

__all__ = ["Visit", "visit"]


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of a visit.

    :ivar end: why the hub did not let us in; ``None`` if it did.
    :ivar about: what it said of our token and of itself, if it did.
    :ivar version: of the protocol that both speak.
    :ivar rtt: the round trip in seconds; ``None`` if it was not measured.
    :ivar certified_until: until when the hub's certificate is good; ``None`` without TLS.
    """

    end: LinkEnd | None = None
    about: Mapping[str, Any] | None = None
    version: int = 0
    rtt: float | None = None
    certified_until: datetime | None = None


class _Visitor(AgentLink):
    """A link that has done what it was for when its round trip is known, or when it is over.

    :ivar done: fires then.
    :ivar end: how it ended, if it did by itself.
    :ivar certified_until: see :class:`Visit`.
    """

    end: LinkEnd | None = None
    certified_until: datetime | None = None

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.done: Deferred[None] = Deferred()
        self.ended.addCallback(self._note_end)

    def _note_end(self, end: LinkEnd) -> None:
        self.end = end
        self._finish()

    def _finish(self) -> None:
        if not self.done.called:
            self.done.callback(None)

    def processHandshake(self) -> None:
        """The hub's answer: TLS, if there is any, is set up, and its certificate was good."""
        if self.certified_until is None and ISSLTransport.providedBy(self.transport):
            certificate: Any = self.transport.getPeerCertificate()
            self.certified_until = certificate.to_cryptography().not_valid_after_utc
        super().processHandshake()

    def message_received(self, payload: bytes) -> None:
        """The second of them is a PONG, and then the round trip is known."""
        super().message_received(payload)
        if self.rtt is not None:
            self._finish()


class _Visitors(LinkFactory):
    def buildProtocol(self, addr: IAddress | None) -> _Visitor:
        link = _Visitor(self.reactor, self._shop, self._policy)
        link.factory = self
        return link


async def visit(reactor: Any, hub: Hub, config: AgentConfig, hello: Hello) -> Visit:
    """Dial the hub, be let in or not, and leave.

    :param hello: as an agent's own; it gets a name of its own, so that the agent itself is not taken for gone.
    :raises Exception: nothing could be connected to; see :class:`slime.agent.reconnect.LinkKeeper`.
    """
    hello = replace(hello, agent_id=f"check-{secrets.token_hex(8)}", slots=0, prefetch=0, check=True)
    policy = LinkPolicy(hello, config.ping_interval, config.handshake_timeout)
    factory = _Visitors(reactor, config.hub, config.token, _idle_shop(reactor), policy)
    link = await hub.endpoint.connect(factory).addTimeout(hub.timeout, reactor)
    assert isinstance(link, _Visitor)
    try:
        await link.done.addTimeout(2 * config.handshake_timeout, reactor)
    except defer.TimeoutError:
        link.end = LinkEnd("it says nothing more")
    seen = _seen(link)
    link.close("this was a check")
    await link.when_gone()
    return seen


def _seen(link: _Visitor) -> Visit:
    welcome = link.tunnel.remote
    if not isinstance(welcome, Welcome):
        return Visit(link.end, certified_until=link.certified_until)
    return Visit(None, welcome.about, welcome.version, link.rtt, link.certified_until)


def _idle_shop(reactor: Any) -> Workshop:
    """Where requests would go, if there were any."""
    client = UpstreamClient(reactor, UpstreamTarget.parse("localhost:1"))
    return Workshop(client, Bounds(0, 0, HeadLimits()), Health(reactor, 0, Precautions(), ""))
