"""Keeping an agent linked to its hub: dial, serve, rest, and dial again until stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from twisted.internet import defer
from twisted.internet.defer import CancelledError, Deferred, DeferredList, succeed
from twisted.internet.error import ConnectError, ConnectingCancelledError
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from slime.agent.egress import ProxyError, ProxyRefusal
from slime.agent.link import AgentLink, LinkEnd, Verdict

__all__ = ["Backoff", "Hub", "LinkKeeper"]

#: Seconds of the first rest, at most, and how much longer each further one may be.
BASE, GROWTH = 1.0, 1.5

#: The rest that a hub's return falls into should be short beside the time that it was away: no rest is longer than this
#: share of all rests before it, or so many seconds.
SHARE, SHORT = 0.25, 4.0

#: Seconds of the first rest after a refusal: whoever refused will most likely do so again.
SLOW = 30.0

#: Seconds that a link must have lived for the attempts before it to be forgotten. Not the connection counts, nor
#: the handshake: a hub that accepts and then drops every link is dialled more and more seldom.
SETTLED = 2.0


_EXPECTED = (ProxyError, ConnectError, ConnectingCancelledError, OSError, defer.TimeoutError)


class Backoff:
    """How long to rest between links: full jitter under a bound that grows. Pure but for ``random``.

    :param longest: seconds of the longest rest.
    :param random: gives numbers from 0 to 1.
    """

    def __init__(self, longest: float, random: Callable[[], float]) -> None:
        self._longest = longest
        self._random = random
        self._attempts = 0
        self._rested = 0.0

    def after(self, end: LinkEnd) -> float:
        """Seconds to rest after a link ended like this."""
        if end.lived >= SETTLED:
            self._attempts, self._rested = 0, 0.0
            if end.verdict is Verdict.MOVING:
                return 0.0
        if end.retry_after:
            # A hub that is there, and says when.
            return end.retry_after * (1 + self._random())
        bound = min(self._longest, BASE * GROWTH ** min(self._attempts, 32), max(SHORT, SHARE * self._rested))
        self._attempts += 1
        rest = self._slow(bound) if end.verdict is Verdict.REFUSED else bound * self._random()
        self._rested += rest
        return rest

    def _slow(self, bound: float) -> float:
        """Half the bound at least, so that a refused token is not tried again at once by luck."""
        bound = max(bound, min(SLOW, self._longest))
        return bound * (1 + self._random()) / 2


@dataclass(frozen=True, slots=True)
class Hub:
    """Where links go to.

    :ivar label: the hub's address for people; never holds credentials.
    :ivar endpoint: connects to it.
    :ivar timeout: seconds in which a connection must come about.
    """

    label: str
    endpoint: IStreamClientEndpoint
    timeout: float


class LinkKeeper:
    """Keeps one agent linked.

    :param reactor: times the rests.
    :param factory: makes the links.
    """

    _log = Logger()

    def __init__(self, reactor: Any, hub: Hub, factory: IProtocolFactory, backoff: Backoff) -> None:
        self._reactor = reactor
        self._hub = hub
        self._factory = factory
        self._backoff = backoff
        self._links: list[AgentLink] = []
        self._stopping = False
        self._loop: Deferred[None] = succeed(None)

    def start(self) -> None:
        """Dial."""
        self._stopping = False
        self._loop = Deferred.fromCoroutine(self._keep_linked())
        self._loop.addErrback(self._ended)

    @property
    def linked(self) -> bool:
        """Is the agent at its hub's service?"""
        return any(link.linked for link in self._links)

    def stop(self, grace: float) -> Deferred[None]:
        """Let what runs on the link end, for ``grace`` seconds at most; fires when the connection is gone."""
        return Deferred.fromCoroutine(self._stop(grace))

    async def _keep_linked(self) -> None:
        end = await self._serve_one_link()
        while not self._stopping:
            rest = self._backoff.after(end)
            self._log.warn(
                "no link to the hub at {hub}: {reason}; dialling in {rest:.1f} s",
                hub=self._hub.label, reason=end.reason, rest=rest,
            )  # fmt: skip
            await deferLater(self._reactor, rest)
            end = await self._serve_one_link()

    async def _serve_one_link(self) -> LinkEnd:
        try:
            link = await self._connect()
        except CancelledError:
            raise
        except Exception as error:
            return self._failed(error)
        self._links.append(link)
        link.when_gone().addBoth(lambda _: self._links.remove(link))
        return await link.ended

    def _connect(self) -> Deferred[AgentLink]:
        connecting = self._hub.endpoint.connect(self._factory)
        connecting.addTimeout(self._hub.timeout, self._reactor)
        return cast("Deferred[AgentLink]", connecting)

    def _failed(self, error: Exception) -> LinkEnd:
        """Whatever the reason, the hub may be there the next time; a bug of ours is told apart in the log."""
        if not isinstance(error, _EXPECTED):
            self._log.failure("dialling the hub failed", Failure(error))
        verdict = Verdict.REFUSED if isinstance(error, ProxyRefusal) else Verdict.LOST
        reason = str(error).removesuffix(".") or type(error).__name__
        return LinkEnd(f"cannot connect: {reason}", verdict)

    async def _stop(self, grace: float) -> None:
        # Some endpoints fail with an error of their own when they are cancelled, so cancelling alone will not do.
        self._stopping = True
        await DeferredList([Deferred.fromCoroutine(self._drain(link, grace)) for link in self._links])
        self._loop.cancel()
        gone = DeferredList([link.when_gone() for link in self._links])
        for link in list(self._links):
            link.close("the agent stops")
        await gone

    async def _drain(self, link: AgentLink, grace: float) -> None:
        try:
            await link.drain().addTimeout(grace, self._reactor)
        except defer.TimeoutError:
            self._log.warn("{live} requests are cut off: the grace is over", live=link.tunnel.live)

    def _ended(self, failure: Failure) -> None:
        if failure.check(CancelledError) is None:
            self._log.failure("the agent gives up on its hub", failure)
