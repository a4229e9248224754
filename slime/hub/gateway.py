"""The hub's web resource: every request of an application, and the door for agents."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Protocol

from twisted.logger import Logger
from twisted.web.resource import Resource
from zope.interface import implementer

from slime.errors import BadMessage, ErrorCode
from slime.http.head import field_lines, field_values, tokens
from slime.http.known import Conclusion
from slime.http.route import TrustedProxies
from slime.http.upgrade import wanted_upgrade
from slime.hub.answers import Trouble
from slime.hub.doorstep import Porch
from slime.hub.exchange import Exchange, Wishes
from slime.hub.hops import COUNTED, as_recipient, one_hop_on
from slime.hub.orders import Order, read_order
from slime.hub.passage import Passage
from slime.hub.request import IStreamedResource, StreamedRequest
from slime.hub.sender import introduce
from slime.tunnel import HEAD_LIMIT

if TYPE_CHECKING:
    from twisted.web.server import Request

    from slime.http.forwarding import Peer
    from slime.http.known import KnownHead
    from slime.hub.pool import AgentPool

__all__ = ["TUNNEL_PATH", "GatewayPolicy", "GatewayResource"]

TUNNEL_PATH = b"/v1/agent/tunnel"
CALLS = b"/v1/agent/"
_CRLF = b"\r\n"

#: The passwords that a head brings; what each gateway makes of a head is its own.
_PASSWORDS: Conclusion[list[bytes]] = Conclusion()


@dataclass(frozen=True, slots=True)
class GatewayPolicy:
    """Settings of the hub.

    :ivar app_password: what ``Slime-App-Password`` must be; ``None`` lets every application in.
    :ivar patience: the longest that a blocked request may wait for a slot, in seconds.
    :ivar proxies: who is believed about where requests come from.
    :ivar allow_upgrade: protocols besides WebSocket that requests may switch to, in lower case.
    """

    app_password: bytes | None = None
    patience: float = 600.0
    proxies: TrustedProxies = TrustedProxies()
    allow_upgrade: frozenset[bytes] = frozenset()


class LinkDoor(Protocol):
    """Lets agents in; :mod:`slime.hub.links` has it."""

    def enter(self, request: StreamedRequest) -> None:
        """A request for the tunnel's path with a WebSocket upgrade: verify, and take the connection over."""


class CallDoor(Protocol):
    """Lets agents of the earlier program in; :mod:`slime.hub.seedagents` has it."""

    def takes(self, request: StreamedRequest) -> bool:
        """A request below :data:`CALLS`: deal with it if it is such an agent's call, or say that it is none."""


@implementer(IStreamedResource)
class GatewayResource(Resource):
    """Passes every request on to an agent's upstream, whatever its method and path.

    One path is the hub's own: a WebSocket upgrade to :data:`TUNNEL_PATH` is an agent's. It can stand anywhere in a tree
    of resources whose site is a :class:`~slime.hub.site.GatewaySite`; the path is passed on whole.

    :ivar began: told of every exchange that is made.
    """

    isLeaf = True
    _log = Logger()

    def __init__(self, pool: AgentPool, door: LinkDoor, policy: GatewayPolicy, seed: CallDoor | None = None) -> None:
        super().__init__()
        self._pool = pool
        self._porch = Porch(pool)
        self._door = door
        self._policy = policy
        self._seed = seed
        self._id_prefix = os.urandom(6).hex().encode("ascii") + b"-"
        self._ids = count(1)
        self._order: Conclusion[Order] = Conclusion()
        self.began: Callable[[Exchange], object] | None = None

    def render(self, request: Request) -> bytes:
        """Twisted's own Site calls this, when it has collected the whole body, which is not how this can work."""
        self._log.error("the gateway has to be mounted in a slime.hub.site.GatewaySite, not in a plain Site")
        request.setResponseCode(500)
        return b"This gateway is mounted in a site that it cannot work in; the log says more.\n"

    def render_stream(self, request: StreamedRequest) -> None:
        """The head of a request is complete."""
        peer = request.channel.sender or introduce(request, self._policy.proxies)
        if request.path.startswith(CALLS) and self._takes_call(request):
            return
        request_id = request.request_id = self._id_prefix + b"%x" % next(self._ids)
        try:
            if self._policy.app_password is not None:
                authenticate(request.head, self._policy.app_password)
            if request.channel.stranger:
                request.site.recognise(request.channel)
            order = request.head.meaning.conclusions.get(self._order) or self._conclude(request.head, peer)
            head = one_hop_on(request.head) if request.method in COUNTED else request.head
        except BadMessage as error:
            request.fail(Trouble(error.code, error.detail), request_id)
            return
        if head is None:
            request.answer(as_recipient(request.head), request_id)
        else:
            exchange = request.receiver = self._exchange(request, order.wishes)
            exchange.forward_head = order.text(head, peer, request_id)
            self._start(exchange)

    def _conclude(self, head: KnownHead, peer: Peer) -> Order:
        order = head.meaning.conclusions[self._order] = read_order(head, peer, self._policy.patience)
        return order

    def _start(self, exchange: Exchange) -> None:
        if self.began is not None:
            self.began(exchange)
        limit = self._pool.policy.max_body
        if limit and (exchange.length or 0) > limit:
            exchange.fail(Trouble(ErrorCode.BODY_TOO_LARGE, f"at most {limit} bytes (--max-body)"))
            return
        if exchange.upgrade is not None:
            hop = field_lines(exchange.upgrade.hop_fields) + _CRLF
            exchange.forward_head = exchange.forward_head.removesuffix(_CRLF) + hop
        if len(exchange.forward_head) > HEAD_LIMIT:
            # What trusted proxies said of the way is said twice, if they said it in one of two manners.
            exchange.fail(Trouble(ErrorCode.HEAD_TOO_LARGE, "it grows too long by what is said of its way"))
        elif exchange.length == 0:
            self._pool.submit(exchange)
        else:
            self._porch.receive(exchange)

    def _exchange(self, request: StreamedRequest, wishes: Wishes) -> Exchange:
        if request.head.meaning.upgrading:
            upgrade = wanted_upgrade(request.head, request.body_length, self._policy.allow_upgrade)
            if upgrade is not None:
                return Passage(request, self._pool, request.request_id, wishes, upgrade)
        return Exchange(request, self._pool, request.request_id, wishes)

    def _takes_call(self, request: StreamedRequest) -> bool:
        """Deal with a request that comes from an agent, if it does."""
        if request.path == TUNNEL_PATH:
            self._render_tunnel(request)
            return True
        return self._seed is not None and self._seed.takes(request)

    def _render_tunnel(self, request: StreamedRequest) -> None:
        fields = request.head.fields
        wanted = tokens(fields, b"upgrade") == [b"websocket"] and b"upgrade" in tokens(fields, b"connection")
        if wanted and request.method == b"GET" and request.body_length == 0 and request.head.version == b"1.1":
            self._door.enter(request)
        else:
            request.fail(Trouble(ErrorCode.UPGRADE_REQUIRED))


def authenticate(head: KnownHead, password: bytes) -> None:
    """Ask for the application's password. What was given is remembered with the head, but not whether it was right.

    :raises BadMessage: the head does not have it, and only it.
    """
    conclusions = head.meaning.conclusions
    given = conclusions.get(_PASSWORDS)
    if given is None:
        given = conclusions[_PASSWORDS] = field_values(head.fields, b"slime-app-password")
    if len(given) != 1:
        raise BadMessage(ErrorCode.UNAUTHORIZED, "one Slime-App-Password field is needed")
    if not hmac.compare_digest(given[0], password):
        raise BadMessage(ErrorCode.UNAUTHORIZED, "the Slime-App-Password is wrong")
