"""The client as Twisted's own kind of client, so that treq and anything else that takes an ``IAgent`` runs on it.

For readiness probes, ``slime hub status`` and tests; never for what slime passes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IConsumer, IProtocol, IPushProducer
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IBodyProducer, IClientRequest, IResponse
from zope.interface import implementer

from slime.agent.upstream.call import UpstreamCall
from slime.agent.upstream.client import UpstreamClient
from slime.errors import BadMessage, ErrorCode
from slime.http.head import (
    Fields,
    RequestHead,
    ResponseHead,
    field_values,
    parse_request_head,
    serialise_request_head,
)

__all__ = ["UpstreamAgent", "UpstreamFailed"]


class UpstreamFailed(Exception):
    """There is no answer, or no more of it.

    :ivar code: what kind of failure it is.
    :ivar detail: what happened, for a person.
    """

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(f"{code.title}: {detail}")
        self.code = code
        self.detail = detail


@implementer(IAgent)
class UpstreamAgent:
    """An ``IAgent`` for the URLs of one upstream.

    The upstream's own credentials are sent with requests that bring none.
    """

    def __init__(self, client: UpstreamClient) -> None:
        self._client = client

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """Ask for ``uri``; fires with the response when its head is here.

        Cancelling closes the connection. Fails with :exc:`UpstreamFailed`; with :exc:`ValueError` when the
        URI is not the upstream's; with :exc:`slime.errors.BadMessage` when the request is not valid HTTP/1.1.
        """
        try:
            head = self._head(method, uri, headers or Headers())
        except (ValueError, BadMessage):
            return fail(Failure())
        exchange = _Exchange(_Request(method, uri, headers or Headers()))
        length = 0 if bodyProducer is None else bodyProducer.length
        call = self._client.start(head, None if length == UNKNOWN_LENGTH else length, exchange)
        exchange.begin(call, bodyProducer)
        return exchange.response

    def _head(self, method: bytes, uri: bytes, headers: Headers) -> RequestHead:
        origin = self._client.target.origin.encode("ascii")
        target = uri[len(origin) :].partition(b"#")[0]
        if not uri.startswith(origin) or target[:1] not in (b"", b"/", b"?"):
            raise ValueError(f"only URLs that begin with {self._client.target.origin} can be asked for here")
        if not target.startswith(b"/"):
            target = b"/" + target
        head = RequestHead(method, target, b"1.1", self._fields(headers))
        return parse_request_head(serialise_request_head(head)[:-4])

    def _fields(self, headers: Headers) -> Fields:
        address = self._client.target.address
        fields = [(name, value) for name, values in headers.getAllRawHeaders() for value in values]
        if not field_values(fields, b"host"):
            fields.insert(0, (b"Host", address.host))
        if address.authorization is not None and not field_values(fields, b"authorization"):
            fields.append((b"Authorization", address.authorization))
        return fields


@implementer(IClientRequest)
@dataclass(frozen=True, slots=True)
class _Request:
    """What a response says of the request it answers."""

    method: bytes
    absoluteURI: bytes
    headers: Headers


@implementer(IConsumer)
class _Exchange:
    """The sink of one call, and the consumer of its body: makes a response of what it hears."""

    _call: UpstreamCall

    def __init__(self, request: _Request) -> None:
        self._request = request
        self._producer: IBodyProducer | None = None
        self._response: _Response | None = None
        self.response: Deferred[IResponse] = Deferred(lambda _: self.abort())

    def begin(self, call: UpstreamCall, producer: IBodyProducer | None) -> None:
        """The call has been started; let the body come."""
        self._call = call
        if producer is not None:
            self._producer = producer
            maybeDeferred(producer.startProducing, self).addCallbacks(self._body_over, self._body_failed)

    def abort(self) -> None:
        """Nobody wants the response any more."""
        self._stop_producer()
        self._call.abort()

    # The consumer.

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """The body's producer is known already."""

    def unregisterProducer(self) -> None:
        """What it returned tells when it is over."""

    def write(self, data: bytes) -> None:
        self._call.write(data)

    def _body_over(self, _: object) -> None:
        if self._producer is not None:
            self._producer = None
            self._call.end()

    def _body_failed(self, reason: Failure) -> None:
        if self._producer is not None:
            self._producer = None
            self.abort()
            self._over(reason)

    def _stop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()

    # The sink.

    def started(self) -> None:
        """Nobody asks."""

    def interim(self, head: ResponseHead) -> None:
        """There is no place for it in an ``IResponse``."""

    def head(self, head: ResponseHead, length: int | None) -> None:
        self._call.pause()
        self._response = _Response(self._request, head, length, self._call)
        self.response.callback(self._response)

    def data(self, data: bytes) -> None:
        assert self._response is not None
        self._response.data(data)

    def end(self, trailers: Fields) -> None:
        self._stop_producer()
        self._over(Failure(ResponseDone()))

    def failed(self, code: ErrorCode, detail: str) -> None:
        self._stop_producer()
        self._over(Failure(UpstreamFailed(code, detail)))

    def pause_request(self) -> None:
        if self._producer is not None:
            self._producer.pauseProducing()

    def resume_request(self) -> None:
        if self._producer is not None:
            self._producer.resumeProducing()

    def _over(self, reason: Failure) -> None:
        if self._response is None:
            self.response.errback(reason)
        else:
            self._response.over(reason)


@implementer(IResponse, IPushProducer)
class _Response:
    """The answer; of its body's protocol it is the transport, as far as there is one.

    The answer is not read on until somebody wants the body.
    """

    def __init__(self, request: _Request, head: ResponseHead, length: int | None, call: UpstreamCall) -> None:
        self.version = (b"HTTP", 1, int(head.version[-1:]))
        self.code = head.status
        self.phrase = head.reason
        self.headers = Headers()
        for name, value in head.fields:
            self.headers.addRawHeader(name, value)
        self.length = UNKNOWN_LENGTH if length is None else length
        self.request = request
        self.previousResponse: IResponse | None = None
        self._call = call
        self._waiting: list[bytes] = []
        self._reader: IProtocol | None = None
        self._reason: Failure | None = None

    def setPreviousResponse(self, previousResponse: IResponse) -> None:
        """Remember the redirect that led here."""
        self.previousResponse = previousResponse

    def deliverBody(self, protocol: IProtocol) -> None:
        """Give the body to ``protocol``; once.

        Its connection is lost for the reason :exc:`twisted.web.client.ResponseDone` when it has got all of it,
        and for :exc:`UpstreamFailed` when not.
        """
        self._reader = protocol
        transport: Any = self
        protocol.makeConnection(transport)
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            protocol.dataReceived(data)
        if self._reason is not None:
            protocol.connectionLost(self._reason)
        else:
            self._call.resume()

    def data(self, data: bytes) -> None:
        """More of the body is here."""
        if self._reader is None:
            self._waiting.append(data)
        else:
            self._reader.dataReceived(data)

    def over(self, reason: Failure) -> None:
        """No more will come."""
        self._reason = reason
        if self._reader is not None:
            self._reader.connectionLost(reason)

    def pauseProducing(self) -> None:
        self._call.pause()

    def resumeProducing(self) -> None:
        self._call.resume()

    def stopProducing(self) -> None:
        """Close the connection; the protocol's is lost for :exc:`twisted.internet.error.ConnectionAborted`."""
        if self._reason is None:
            self._call.abort()
            self.over(Failure(ConnectionAborted()))

    loseConnection = abortConnection = stopProducing
