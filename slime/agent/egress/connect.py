"""Through an HTTP proxy: ``CONNECT`` (RFC 9110 section 9.3.6), and then whatever was to be said."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectingCancelledError, DNSLookupError
from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from slime import __version__
from slime.agent.egress.proxy import ProxyAddress
from slime.agent.egress.tls import TLSTrouble, explained
from slime.errors import BadMessage
from slime.http.head import ResponseHead, parse_response_head

__all__ = ["ConnectEndpoint", "ProxyError", "ProxyRefusal"]

#: Bytes of a proxy's answer.
MAX_ANSWER = 16 * 1024

#: What the statuses mean that proxies refuse with.
_STATUSES = {
    403: "it allows no connection to {target}",
    407: "it wants a user and a password, or others than it was given",
    502: "it cannot reach {target}",
    503: "it cannot reach {target}",
    504: "it cannot reach {target} in time",
}


class ProxyError(Exception):
    """The proxy is no way out just now; one line, without credentials."""


class ProxyRefusal(ProxyError):
    """The proxy said no, and will most likely say so again."""


@implementer(IStreamClientEndpoint)
class ConnectEndpoint:
    """Connects to a server by way of a proxy.

    :param way: the endpoint of the proxy itself.
    :param target: the server as ``host:port``; the proxy looks the name up.
    :param timeout: seconds that the proxy has to answer, once it is connected to.
    """

    def __init__(
        self, reactor: Any, way: IStreamClientEndpoint, proxy: ProxyAddress, target: str, timeout: float
    ) -> None:
        self._reactor = reactor
        self._way = way
        self._proxy = proxy
        self._target = target
        self._timeout = timeout

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect; fires when the proxy has opened the way, and fails with :exc:`ProxyError` when it did not."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        greeter = _Greeter(factory, self._proxy, self._target)
        try:
            guide = await self._way.connect(greeter)
        except (ConnectError, ConnectingCancelledError, DNSLookupError, OSError) as error:
            raise ProxyError(f"the proxy {self._proxy.label} cannot be reached: {error}") from None
        assert isinstance(guide, _Guide)
        return await guide.through.addTimeout(self._timeout, self._reactor)


class _Greeter(Factory):
    """Makes the connection to a proxy."""

    noisy = False

    def __init__(self, inner: IProtocolFactory, proxy: ProxyAddress, target: str) -> None:
        self.inner = inner
        self.proxy = proxy
        self.target = target

    def buildProtocol(self, addr: Any) -> _Guide:
        return _Guide(self, addr)

    def request(self) -> bytes:
        """What to say to the proxy."""
        target = self.target.encode("ascii")
        lines = [b"CONNECT %b HTTP/1.1" % target, b"Host: %b" % target, b"User-Agent: slime/%b" % __version__.encode()]
        if self.proxy.authorization is not None:
            lines.append(b"Proxy-Authorization: %b" % self.proxy.authorization)
        return b"\r\n".join([*lines, b"", b""])


class _Guide(Protocol):
    """A connection to a proxy: asks it for the way, and steps aside when it is open.

    :ivar through: fires with the protocol at the other end of the way, connected.
    """

    transport: Any
    _inner: IProtocol | None = None

    def __init__(self, greeter: _Greeter, address: IAddress) -> None:
        self._greeter = greeter
        self._address = address
        self._answer = b""
        self.through: Deferred[IProtocol] = Deferred(lambda _: self._fail("it does not answer"))

    def connectionMade(self) -> None:
        self.transport.write(self._greeter.request())

    def dataReceived(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.dataReceived(data)
        elif not self.through.called:
            self._answer += data
            self._read()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._inner is not None:
            self._inner.connectionLost(reason)
        elif not self.through.called:
            error = explained(reason).value
            self._fail(str(error) if isinstance(error, TLSTrouble) else "it closed the connection")

    def _read(self) -> None:
        block, end, rest = self._answer.partition(b"\r\n\r\n")
        if len(block) > MAX_ANSWER:
            self._fail("its answer has no end")
        elif end:
            try:
                head = parse_response_head(block)
            except BadMessage as error:
                self._fail(f"its answer is not HTTP: {error.detail}")
                return
            self._answered(head, rest)

    def _answered(self, head: ResponseHead, rest: bytes) -> None:
        if 200 <= head.status < 300:
            self._step_aside(rest)
            return
        meaning = _STATUSES.get(head.status, "it does not connect to {target}").format(target=self._greeter.target)
        self._fail(f"{meaning} (status {head.status})", ProxyRefusal if head.status in (403, 407) else ProxyError)

    def _step_aside(self, rest: bytes) -> None:
        """A body of this answer cannot be: everything behind its head comes from the other end of the way."""
        inner = self._inner = self._greeter.inner.buildProtocol(self._address)
        assert inner is not None
        inner.makeConnection(self.transport)
        self.through.callback(inner)
        if rest:
            inner.dataReceived(rest)

    def _fail(self, what: str, kind: type[ProxyError] = ProxyError) -> None:
        self.through.errback(kind(f"the proxy {self._greeter.proxy.label}: {what}"))
        self.transport.abortConnection()
