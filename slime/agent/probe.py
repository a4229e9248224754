"""Asking an upstream whether it is ready."""

from __future__ import annotations

from typing import Any

from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone

from slime.agent.health import Health, Precautions
from slime.agent.upstream.client import UpstreamClient
from slime.agent.upstream.target import UpstreamTarget
from slime.agent.upstream.web import UpstreamAgent

__all__ = ["Probe", "ask", "url_of"]


class Probe:
    """Asks an upstream again and again whether it is ready: any answer below 400 says so."""

    def __init__(self, reactor: Any, client: UpstreamClient, precautions: Precautions, health: Health) -> None:
        self._reactor = reactor
        self._treq = HTTPClient(UpstreamAgent(client))
        self._url = url_of(client.target, precautions.path or "")
        self._interval = precautions.interval
        self._health = health
        self._loop = LoopingCall(self._ask)
        self._loop.clock = reactor

    def start(self) -> None:
        """Ask now, and from now on."""
        self._loop.start(self._interval)

    def stop(self) -> None:
        """Ask no more."""
        if self._loop.running:
            self._loop.stop()

    def _ask(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._probe())

    async def _probe(self) -> None:
        try:
            status = await Deferred.fromCoroutine(self._status()).addTimeout(self._interval, self._reactor)
        except Exception as error:
            # Whatever keeps it from answering, it is not ready.
            self._health.probed(False, f"not ready: {str(error) or type(error).__name__}")
            return
        ready = status < 400
        self._health.probed(ready, "ready" if ready else f"not ready: it answers {status}")

    async def _status(self) -> int:
        response = await ask(self._reactor, self._treq, self._url, self._interval)
        rest = _Rest()
        response.deliverBody(rest)
        await rest.over
        return int(response.code)


def url_of(target: UpstreamTarget, path: str) -> str:
    """Where an upstream has something, below its own base path."""
    return target.origin + target.address.base_path.decode("ascii") + path


async def ask(reactor: Any, treq: HTTPClient, url: str, timeout: float) -> Any:
    """Ask an upstream for something; treq's response, whose body nobody has read yet.

    :param timeout: seconds until the answer begins.
    """
    return await treq.get(url, reactor=reactor, allow_redirects=False, unbuffered=True, timeout=timeout)


class _Rest(Protocol):
    """What follows the head of an answer: read to its end, so that the connection can be used again, and forgotten.

    :ivar over: fires at that end; cancelling it, as for an answer that has none, closes the connection.
    """

    transport: Any

    def __init__(self) -> None:
        self.over: Deferred[None] = Deferred(lambda _: self.transport.abortConnection())

    def dataReceived(self, data: bytes) -> None:
        """Nobody wants to know."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if reason.check(ResponseDone):
            self.over.callback(None)
        else:
            self.over.errback(reason)
