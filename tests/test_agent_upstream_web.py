"""The upstream client as an ``IAgent``, with treq on top."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import treq
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IConsumer
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IBodyProducer, IResponse
from zope.interface import implementer
from zope.interface.verify import verifyObject

from slime.agent.upstream import UpstreamAgent, UpstreamClient, UpstreamFailed, UpstreamTarget
from slime.errors import BadMessage, ErrorCode, LocalProtocolError
from slime.testing_upstream import Answer, Asked, Door, ScriptedUpstream

ORIGIN = b"http://upstream.test"


@implementer(IBodyProducer)
class Producer:
    """A body that a test sends piece by piece."""

    def __init__(self, length: Any = UNKNOWN_LENGTH) -> None:
        self.length = length
        self.consumer: Any = None
        self.finished: Deferred[None] = Deferred()
        self.heard: list[str] = []

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        self.consumer = consumer
        return self.finished

    def pauseProducing(self) -> None:
        self.heard.append("pause")

    def resumeProducing(self) -> None:
        self.heard.append("resume")

    def stopProducing(self) -> None:
        self.heard.append("stop")


class Body(Protocol):
    """Collects a body."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.reason: Failure | None = None

    def dataReceived(self, data: bytes) -> None:
        self.received.append(data)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.reason = reason


class AgentCase(SynchronousTestCase):
    """An agent of a scripted upstream."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.upstream = ScriptedUpstream()
        self.agent = UpstreamAgent(UpstreamClient(self.clock, self.upstream.target))

    def ask(self, producer: Producer | None = None, fields: dict[str, str] | None = None) -> Deferred[IResponse]:
        """POST with a body, GET without."""
        headers = Headers({name: [value] for name, value in (fields or {}).items()})
        return self.agent.request(b"POST" if producer else b"GET", ORIGIN + b"/x?y#z", headers, producer)

    def say(self, data: bytes) -> None:
        """The upstream speaks."""
        self.upstream.last.send(data)

    def turn(self) -> None:
        """One turn of the reactor."""
        self.clock.advance(0)


class TreqTests(AgentCase):
    """What treq does, it does over this client."""

    def answer_with(self, answer: Callable[[Asked], Answer]) -> None:
        """Let the upstream answer by itself."""
        self.upstream.answer = answer

    def result_of(self, coming: Deferred[Any]) -> Any:
        """Wait for something within a few turns."""
        for _ in range(5):
            self.turn()
        return self.successResultOf(coming)

    def test_get(self) -> None:
        """A request and its text."""
        self.answer_with(lambda asked: b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        response = self.result_of(treq.get("http://upstream.test/v1?a=b", agent=self.agent))
        self.assertEqual((response.code, response.length), (200, 5))
        self.assertEqual(self.result_of(response.text()), "hello")
        self.assertEqual(self.upstream.last.asked[0].head.target, b"/v1?a=b")

    def test_redirect(self) -> None:
        """treq's own helpers work, within the upstream."""

        def redirect(asked: Asked) -> bytes:
            if asked.head.target == b"/there":
                return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
            return b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"

        self.answer_with(redirect)
        response = self.result_of(treq.get("http://upstream.test/here", agent=self.agent))
        self.assertEqual(response.code, 200)
        self.assertEqual([before.code for before in response.history()], [302])
        self.assertEqual(response.request.absoluteURI, b"http://upstream.test/there")


class RequestTests(AgentCase):
    """What goes out."""

    def test_interface(self) -> None:
        """It is what Twisted says an agent is."""
        verifyObject(IAgent, self.agent)

    def test_head(self) -> None:
        """The target less its fragment, the upstream's Host, and the fields given."""
        self.ask(fields={"X-A": "b"})
        self.assertEqual(self.upstream.last.received, b"GET /x?y HTTP/1.1\r\nHost: upstream.test\r\nX-A: b\r\n\r\n")

    def test_no_path(self) -> None:
        """A URL without a path asks for the root."""
        for uri, target in ((ORIGIN, b"/"), (ORIGIN + b"?a", b"/?a")):
            self.agent.request(b"GET", uri)
            self.assertTrue(self.upstream.last.received.startswith(b"GET " + target + b" HTTP"))

    def test_other_origin(self) -> None:
        """Other servers are not this upstream's business, however much their URLs look alike."""
        for uri in (
            b"http://other/",
            b"https://upstream.test/",
            ORIGIN + b".evil/",
            ORIGIN + b":81/",
            ORIGIN + b"@evil/",
        ):
            self.failureResultOf(self.agent.request(b"GET", uri), ValueError)

    def test_invalid(self) -> None:
        """What is not HTTP is not sent."""
        for method, target in ((b"GET", b"/a b"), (b"G T", b"/"), (b"GET", b"/\xff"), (b"CONNECT", b"/")):
            self.failureResultOf(self.agent.request(method, ORIGIN + target), BadMessage)
        self.assertEqual(self.upstream.connections, [])

    def test_credentials(self) -> None:
        """The upstream's are sent, unless the request has its own; so with Host."""
        target = UpstreamTarget.parse("http://u:p@upstream.test")
        target = UpstreamTarget(target.label, target.origin, target.address, self.upstream.target.endpoint)
        self.agent = UpstreamAgent(UpstreamClient(self.clock, target))
        self.ask()
        self.assertIn(b"\r\nAuthorization: Basic dTpw\r\n", self.upstream.last.received)
        self.ask(fields={"Authorization": "Mine", "Host": "else"})
        self.assertEqual(self.upstream.last.received.count(b"Authorization"), 1)
        self.assertIn(b"Host: else\r\n", self.upstream.last.received)


class BodyTests(AgentCase):
    """The body of the request."""

    def test_unknown_length(self) -> None:
        """Chunked; over when its producer says so."""
        producer = Producer()
        self.ask(producer)
        producer.consumer.registerProducer(producer, True)
        producer.consumer.write(b"abc")
        producer.consumer.unregisterProducer()
        producer.finished.callback(None)
        self.assertTrue(self.upstream.last.received.endswith(b"3\r\nabc\r\n0\r\n\r\n"))

    def test_backpressure(self) -> None:
        """A producer is paused when the upstream does not read, but not one that is done."""
        producer = Producer(140000)
        self.ask(producer)
        self.upstream.last.stop_reading()
        producer.consumer.write(b"x" * 70000)
        self.upstream.last.read_on()
        self.assertEqual(producer.heard, ["pause", "resume"])
        self.upstream.last.stop_reading()
        producer.consumer.write(b"x" * 70000)
        producer.finished.callback(None)
        self.upstream.last.read_on()
        self.assertEqual(producer.heard, ["pause", "resume", "pause"])
        self.upstream.last.stop_reading()

    def test_backpressure_before_the_connection(self) -> None:
        """Also one that writes while the connection is made."""
        self.upstream.door = Door.SILENT
        producer = Producer()
        self.ask(producer)
        producer.finished.callback(None)
        self.upstream.open()
        self.assertEqual(producer.heard, [])

    def test_late_pause(self) -> None:
        """A call may be full when its producer is done."""
        producer = Producer()
        self.ask(producer)
        self.upstream.last.stop_reading()
        write = producer.consumer.write
        producer.finished.callback(None)
        write(b"x" * 70000)
        self.upstream.last.read_on()
        self.assertEqual(producer.heard, [])

    def test_failure(self) -> None:
        """A producer that fails ends the request; its connection is closed, so that nobody takes it for whole."""
        producer = Producer()
        coming = self.ask(producer)
        producer.finished.errback(ZeroDivisionError())
        self.failureResultOf(coming, ZeroDivisionError)
        self.turn()
        self.assertIsNotNone(self.upstream.last.lost)

    def test_failure_within_the_answer(self) -> None:
        """The answer ends with it."""
        producer = Producer()
        coming = self.ask(producer)
        self.say(b"HTTP/1.1 200 OK\r\n\r\n")
        body = Body()
        self.successResultOf(coming).deliverBody(body)
        producer.finished.errback(ZeroDivisionError())
        assert body.reason is not None
        self.assertIsNotNone(body.reason.check(ZeroDivisionError))

    def test_too_long(self) -> None:
        """A producer that writes more than it said has a bug, and hears of it."""
        producer = Producer(2)
        self.ask(producer)
        self.assertRaises(LocalProtocolError, producer.consumer.write, b"abc")

    def test_early_answer(self) -> None:
        """The answer does not wait for the body, which is stopped at its end."""
        producer = Producer()
        response = self.ask(producer)
        self.say(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\n")
        body = Body()
        self.successResultOf(response).deliverBody(body)
        self.turn()
        self.say(b"no")
        self.assertEqual(producer.heard, ["stop"])
        producer.finished.callback(None)
        producer.consumer.write(b"late")

    def test_failure_after_the_end(self) -> None:
        """What a stopped producer has to say is of no interest."""
        producer = Producer()
        self.ask(producer)
        self.say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        producer.finished.errback(ZeroDivisionError())
        self.assertEqual(producer.heard, ["stop"])


class ResponseTests(AgentCase):
    """What comes back."""

    def respond(self, data: bytes) -> Any:
        """Ask, and get the response."""
        coming = self.ask()
        self.say(data)
        response = self.successResultOf(coming)
        verifyObject(IResponse, response)
        return response

    def test_response(self) -> None:
        """Version, status, reason, fields, length, request."""
        response = self.respond(b"HTTP/1.0 404 Nope\r\nX-A: 1\r\nx-a: 2\r\n\r\n")
        self.assertEqual((response.version, response.code, response.phrase), ((b"HTTP", 1, 0), 404, b"Nope"))
        self.assertEqual(response.headers.getRawHeaders("x-a"), ["1", "2"])
        self.assertEqual(response.length, UNKNOWN_LENGTH)
        self.assertEqual((response.request.method, response.previousResponse), (b"GET", None))

    def test_interim(self) -> None:
        """There is no place for 1xx."""
        response = self.respond(b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(response.code, 200)

    def test_body(self) -> None:
        """It waits until somebody wants it, then comes as it comes."""
        response = self.respond(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na")
        self.say(b"b")
        body = Body()
        response.deliverBody(body)
        self.turn()
        self.say(b"c")
        self.assertEqual(body.received, [b"a", b"b", b"c"])
        self.assertIsNone(body.reason)
        self.say(b"d")
        self.assertEqual(body.received, [b"a", b"b", b"c", b"d"])
        assert body.reason is not None
        self.assertIsNotNone(body.reason.check(ResponseDone))

    def test_pause(self) -> None:
        """Its protocol may pause it."""
        response = self.respond(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        body = Body()
        response.deliverBody(body)
        transport: Any = body.transport
        transport.pauseProducing()
        self.say(b"ab")
        self.assertEqual(body.received, [])
        transport.resumeProducing()
        self.turn()
        self.assertEqual(body.received, [b"ab"])

    def test_stop(self) -> None:
        """Or close the connection, once."""
        response = self.respond(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        body = Body()
        response.deliverBody(body)
        transport: Any = body.transport
        transport.stopProducing()
        transport.loseConnection()
        assert body.reason is not None
        self.assertIsNotNone(body.reason.check(ConnectionAborted))
        self.turn()
        self.assertIsNotNone(self.upstream.last.lost)

    def test_cut(self) -> None:
        """A body that is not whole does not end like one that is."""
        response = self.respond(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        body = Body()
        response.deliverBody(body)
        self.turn()
        self.upstream.last.close()
        assert body.reason is not None
        assert isinstance(body.reason.value, UpstreamFailed)
        self.assertIs(body.reason.value.code, ErrorCode.UPSTREAM_BROKE)

    def test_failed(self) -> None:
        """No response at all, and no body to stop."""
        self.upstream.door = Door.REFUSING
        for producer in (None, Producer()):
            failure = self.failureResultOf(self.ask(producer), UpstreamFailed)
            self.assertIs(failure.value.code, ErrorCode.UPSTREAM_UNREACHABLE)
            self.assertIn("it refuses connections", str(failure.value))

    def test_cancel(self) -> None:
        """Who cancels closes the connection and stops the body."""
        for door in (Door.OPEN, Door.SILENT):
            self.upstream.door = door
            producer = Producer()
            coming = self.ask(producer)
            coming.cancel()
            self.failureResultOf(coming)
            self.assertEqual(producer.heard, ["stop"])
            self.turn()
            self.assertIsNotNone(self.upstream.last.lost)
