"""Requests: ordinary resources of twisted.web on the channel, and the gateway among them."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPullProducer, IPushProducer
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import EncodingResourceWrapper, Resource
from twisted.web.server import NOT_DONE_YET, GzipEncoderFactory, Request
from twisted.web.static import Data, File
from zope.interface import implementer

from slime.errors import ErrorCode
from slime.hub.answers import Trouble
from slime.hub.request import IStreamedResource, StreamedRequest
from tests.hub_fixture import Application, Hub, HubTestCase, request

CHUNKED = b"Transfer-Encoding: chunked"
LARGE = 300_000


class Page(Resource):
    """Does what a test says, for every method."""

    isLeaf = True

    def __init__(self, render: Callable[[Any], Any]) -> None:
        super().__init__()
        self._render = render

    def render(self, request: Any) -> Any:
        return self._render(request)


class TreeTestCase(HubTestCase):
    """A hub whose tree has ordinary resources and, as a child, the gateway."""

    def setUp(self) -> None:
        super().setUp()
        self.grow()

    def grow(self) -> None:
        root = Resource()
        self.hub = Hub(root=root)
        self.addCleanup(self.hub.close)
        self.root = root
        root.putChild(b"", Data(b"welcome", "text/plain"))
        root.putChild(b"api", self.hub.gateway)
        self.app: Application = self.application()

    def page(self, render: Callable[[Any], Any], path: bytes = b"page") -> None:
        self.root.putChild(path, Page(render))


class OrdinaryResourceTests(TreeTestCase):
    """What works under Twisted's own channel works here."""

    def test_get(self) -> None:
        self.app.get(b"/")
        response = self.app.response()
        self.assertEqual((response.status, response.body), (200, b"welcome"))
        self.assertEqual(response.all(b"content-type"), [b"text/plain"])
        self.assertEqual(response.all(b"connection"), [])

    def test_pipelined(self) -> None:
        """Answered while their end is being read; in order, each once."""
        self.app.send(request(b"/") * 3 + request(b"/nowhere") + request(b"/"))
        self.assertEqual([response.status for response in self.app.responses()], [200, 200, 200, 404, 200])

    def test_what_the_tree_sees(self) -> None:
        """A resource may choose its child by more than the path."""
        seen: list[Any] = []

        def choose(path: bytes, request: Any) -> Resource:
            seen.append((path, request.uri, request.clientproto))
            return Page(lambda request: b"")

        self.patch(self.root, "getChild", choose)
        self.app.send(request(b"/any?x=1"))
        self.assertEqual(seen, [(b"any", b"/any?x=1", b"HTTP/1.1")])

    def test_what_the_resource_sees(self) -> None:
        seen: list[Any] = []

        def look(request: Any) -> bytes:
            seen.append(list(request.requestHeaders.getAllRawHeaders()))
            seen.append((request.method, request.path, request.uri, request.clientproto))
            seen.append((request.args, request.content.read(), request.getCookie(b"c")))
            seen.append((request.prepath, request.postpath, request.isSecure(), request.getClientAddress().host))
            seen.append((request.getHost().port, request.getRequestHostname()))
            return b""

        self.root.putChild(b"page", branch := Resource())
        branch.putChild(b"a b", Page(look))
        given = (b"X-A: 1", b"x-a: 2", b"Cookie: c=1")
        self.app.send(request(b"/page/a%20b/c?x=1&x=2", *given, method=b"PUT", body=b"hello"))
        fields, line, content, place, host = seen
        self.assertEqual(dict(fields)[b"X-A"], [b"1", b"2"])
        self.assertEqual(line, (b"PUT", b"/page/a%20b/c", b"/page/a%20b/c?x=1&x=2", b"HTTP/1.1"))
        self.assertEqual(content, ({b"x": [b"1", b"2"]}, b"hello", b"1"))
        self.assertEqual(place, ([b"page", b"a b"], [b"c"], False, "192.0.2.7"))
        self.assertEqual(host, (8080, b"hub.example"))

    def test_form(self) -> None:
        self.page(lambda request: b"+".join(request.args[b"a"]))
        form = b"Content-Type: application/x-www-form-urlencoded"
        self.app.send(request(b"/page", form, method=b"POST", body=b"a=1&a=2"))
        self.assertEqual(self.app.response().body, b"1+2")

    def test_form_that_cannot_be_read(self) -> None:
        self.page(lambda request: b"never")
        self.app.send(request(b"/page", b"Content-Type: multipart/form-data", method=b"POST", body=b"x"))
        self.app.get(b"/")
        self.assertEqual([response.status for response in self.app.responses()], [400, 200])

    def test_whole_body_first(self) -> None:
        self.page(lambda request: request.content.read())
        self.app.send(request(b"/page", CHUNKED, method=b"POST"), b"3\r\nhel\r\n")
        self.assertEqual(self.app.received, b"")
        self.app.send(b"2\r\nlo\r\n0\r\n\r\n")
        self.assertEqual(self.app.response().body, b"hello")

    def test_expects_to_be_asked(self) -> None:
        """Nobody else asks for the body."""
        self.page(lambda request: request.content.read())
        self.app.send(request(b"/page", b"Expect: 100-continue", b"Content-Length: 5", method=b"POST"))
        self.assertEqual([response.status for response in self.app.responses()], [100])
        self.app.send(b"hello")
        self.assertEqual(self.app.response().body, b"hello")

    def test_body_too_large(self) -> None:
        self.app.send(request(b"/", CHUNKED, method=b"POST"))
        for _ in range(20):
            self.app.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        self.assertEqual(self.app.response().status, 413)
        self.assertEqual(self.app.transport.ended, "half-closed")

    def test_body_broken(self) -> None:
        self.page(lambda request: b"never")
        self.app.send(request(b"/page", CHUNKED, method=b"POST"), b"oops\r\n")
        self.assertEqual(self.app.response().status, 400)

    def test_head(self) -> None:
        self.app.get(b"/", method=b"HEAD")
        self.app.get(b"/")
        first, second = self.app.responses(b"HEAD")
        self.assertEqual((first.all(b"content-length"), first.body, second.body), ([b"7"], b"", b"welcome"))

    def test_star(self) -> None:
        """Twisted answers it without asking a resource."""
        self.app.get(b"*", method=b"OPTIONS")
        self.app.get(b"/")
        self.assertEqual([response.status for response in self.app.responses()], [200, 200])

    def test_unknown_length(self) -> None:
        self.page(write_pieces)
        self.app.get(b"/page")
        self.app.get(b"/")
        self.assertEqual([response.body for response in self.app.responses()], [b"onetwo", b"welcome"])

    def test_old_version(self) -> None:
        """Only an answer of known length lets the connection live."""
        self.page(write_pieces)
        keep = b"Connection: keep-alive"
        self.app.get(b"/", keep, version=b"1.0")
        self.app.get(b"/page", keep, version=b"1.0")
        first, second = self.app.responses()
        self.assertEqual((first.all(b"connection"), second.all(b"connection")), ([b"keep-alive"], [b"close"]))
        self.assertEqual(second.body, b"onetwo")
        self.assertTrue(self.app.transport.lost)

    def test_resource_closes(self) -> None:
        def close(request: Request) -> bytes:
            request.setHeader(b"Connection", b"close")
            return b"bye"

        self.page(close)
        self.app.get(b"/page")
        self.assertEqual(self.app.response().all(b"connection"), [b"close"])
        self.assertTrue(self.app.transport.lost)

    def test_resource_loses_the_connection(self) -> None:
        self.page(lambda request: request.loseConnection() or b"bye")
        self.app.get(b"/page")
        self.assertTrue(self.app.transport.lost)
        self.assertEqual(self.app.response().body, b"bye")

    def test_line_break_in_the_reason(self) -> None:
        """Twisted lets it through."""

        def say(request: Request) -> bytes:
            request.setResponseCode(200, b"a\r\nX: y\nz")
            return b""

        self.page(say)
        self.app.get(b"/page")
        self.assertEqual(self.app.response().head.reason, b"a X: y z")

    def test_too_short(self) -> None:
        """A file that shrank: the next answer must not be taken for its rest."""

        def shrink(request: Request) -> int:
            request.setHeader(b"Content-Length", b"10")
            request.write(b"short")
            request.finish()
            return NOT_DONE_YET

        self.page(shrink)
        self.app.get(b"/page")
        self.assertEqual(self.app.transport.ended, "abort")

    def test_encoding(self) -> None:
        page = Page(lambda request: b"x" * 1000)
        self.root.putChild(b"page", EncodingResourceWrapper(page, [GzipEncoderFactory()]))
        self.app.get(b"/page", b"Accept-Encoding: gzip")
        self.assertEqual(self.app.response().all(b"content-encoding"), [b"gzip"])

    def test_looked_for_once(self) -> None:
        """Though Twisted asks twice."""
        asked: list[bytes] = []

        class Dynamic(Resource):
            def getChild(self, path: bytes, request: Request) -> Resource:
                asked.append(path)
                return Data(path, "text/plain")

        self.root.putChild(b"page", Dynamic())
        self.app.get(b"/page/x")
        self.assertEqual((self.app.response().body, asked), (b"x", [b"x"]))

    def test_later(self) -> None:
        waiting: list[Request] = []
        self.page(lambda request: keep(waiting, request))
        self.app.send(request(b"/page") + request(b"/"))
        self.assertEqual(self.app.received, b"")
        waiting[0].write(b"at last")
        waiting[0].finish()
        self.assertEqual([response.body for response in self.app.responses()], [b"at last", b"welcome"])


class LeavingTests(TreeTestCase):
    """The application leaves an ordinary resource."""

    def setUp(self) -> None:
        super().setUp()
        self.requests: list[Request] = []
        self.ends: list[Deferred[None]] = []
        self.page(self.take)

    def take(self, request: Request) -> int:
        self.requests.append(request)
        self.ends.append(request.notifyFinish())
        return NOT_DONE_YET

    def test_told(self) -> None:
        self.app.get(b"/page")
        self.app.leave()
        self.failureResultOf(self.ends[0], ConnectionDone)
        self.assertRaises(RuntimeError, self.requests[0].finish)

    def test_in_the_body(self) -> None:
        self.app.send(request(b"/page", b"Content-Length: 5", method=b"POST"), b"he")
        self.app.leave()
        self.assertEqual(self.requests, [])

    def test_finished_in_the_same_turn(self) -> None:
        """The connection is cut, and not lost yet."""
        self.app.get(b"/page")
        self.hub.site.abort()
        self.requests[0].write(b"x")
        self.requests[0].finish()
        self.hub.clock.advance(0)
        self.successResultOf(self.ends[0])
        self.assertTrue(self.app.transport.lost)

    def test_producer_comes_too_late(self) -> None:
        self.app.get(b"/page")
        self.app.leave()
        self.failureResultOf(self.ends[0], ConnectionDone)
        producer = PushProducer()
        self.requests[0].registerProducer(producer, True)
        self.assertEqual(producer.said, ["stop"])

    def test_memory(self) -> None:
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        for leaves in (True, False):
            self.app = self.application()
            self.app.get(b"/page")
            gone = weakref.ref(self.requests[-1])
            if leaves:
                self.requests.clear()
                self.app.leave()
                self.failureResultOf(self.ends.pop(), ConnectionDone)
            else:
                self.requests.pop().finish()
                self.successResultOf(self.ends.pop())
            self.assertIsNone(gone())


class RaisingTests(TreeTestCase):
    """Resources with bugs."""

    def raises(self, *args: Any) -> Any:
        raise ZeroDivisionError

    def test_in_render(self) -> None:
        self.page(self.raises)
        self.app.get(b"/page")
        self.app.get(b"/")
        self.assertEqual([response.status for response in self.app.responses()], [500, 200])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_in_the_middle_of_an_answer(self) -> None:
        """Twisted would write its page behind what is there and end it well."""
        self.page(lambda request: request.write(b"hel") or self.raises())
        self.app.get(b"/page")
        self.assertEqual((self.app.transport.ended, len(self.flushLoggedErrors(ZeroDivisionError))), ("abort", 1))
        self.hub.clock.advance(0)
        self.assertEqual(self.hub.site.connections, set())

    def test_behind_an_answer(self) -> None:
        self.page(lambda request: request.finish() or self.raises())
        self.app.get(b"/page")
        self.app.get(b"/")
        self.assertEqual([response.status for response in self.app.responses()], [200, 200])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_in_the_tree(self) -> None:
        broken = Resource()
        broken.getChild = self.raises  # type: ignore[method-assign]
        self.root.putChild(b"broken", broken)
        self.app.get(b"/broken/x")
        self.app.get(b"/")
        self.assertEqual([response.status for response in self.app.responses()], [500, 200])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual([one.outcome for one in self.hub.answered], ["internal"])


@implementer(IStreamedResource)
class Streamed(Resource):
    """Does what a test says at the end of the head."""

    isLeaf = True

    def __init__(self, take: Callable[[StreamedRequest], object]) -> None:
        super().__init__()
        self._take = take

    def render_stream(self, request: StreamedRequest) -> None:
        self._take(request)


class Receiver:
    """Notes what a request's receiver is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def body_received(self, data: bytes) -> None:
        self.told.append(data)

    def body_finished(self, trailers: Any) -> None:
        self.told.append("finished")

    def body_failed(self, error: Any) -> None:
        self.told.append(error.code.slug)

    def left(self) -> None:
        self.told.append("left")

    def drained(self) -> None:
        self.told.append("drained")


class StreamedResourceTests(HubTestCase):
    """Resources that want requests at the end of the head."""

    def ask(self, take: Callable[[StreamedRequest], object], *message: bytes) -> Application:
        hub = self.rebuild(root=Streamed(take))
        app = hub.application()
        app.send(*(message or (request(),)))
        return app

    def test_told_everything(self) -> None:
        receiver = Receiver()
        app = self.ask(
            lambda request: setattr(request, "receiver", receiver),
            request(b"/", b"Content-Length: 5", method=b"POST"),
            b"he",
            b"llo",
        )
        app.leave()
        self.assertEqual(receiver.told, [b"he", b"llo", "finished", "left"])

    def test_raises(self) -> None:
        app = self.ask(lambda request: 1 / 0)
        app.get()
        self.assertEqual([response.status for response in app.responses()], [500, 500])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_raises_behind_a_receiver(self) -> None:
        """It is told, so that it can give up what it has begun."""
        receiver = Receiver()

        def take(request: StreamedRequest) -> None:
            request.receiver = receiver
            raise ZeroDivisionError

        self.ask(take)
        self.assertEqual(receiver.told, ["internal", "finished"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_raises_behind_its_answer(self) -> None:
        def take(request: StreamedRequest) -> None:
            request.fail(Trouble(ErrorCode.NO_AGENT))
            raise ZeroDivisionError

        self.assertEqual(self.ask(take).response().status, 503)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_forgets_to_take_it(self) -> None:
        """The body has nowhere to go, and still must not end up in the next request."""
        app = self.ask(lambda request: None, request(b"/", CHUNKED, method=b"POST") + b"2\r\nhe\r\n", b"oops")
        self.assertEqual(app.response().status, 400)
        self.assertTrue(app.gone)

    def test_who_waits_for_the_end_is_told(self) -> None:
        ends: list[object] = []

        def take(request: StreamedRequest) -> None:
            request.notifyFinish().addCallback(ends.append)
            self.assertEqual(ends, [])
            request.fail(Trouble(ErrorCode.NO_AGENT))

        app = self.ask(take)
        self.assertEqual((app.response().status, ends), (503, [None]))

    def test_forgets_its_producer(self) -> None:
        """Twisted says so, and the next request is answered all the same."""

        def take(request: StreamedRequest) -> None:
            request.registerProducer(PushProducer(), True)
            request.fail(Trouble(ErrorCode.NO_AGENT))

        app = self.ask(take)
        app.get()
        self.assertEqual([response.status for response in app.responses()], [503, 503])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)

    def test_left_without_a_receiver(self) -> None:
        app = self.ask(lambda request: None)
        app.channel.outlet.pauseProducing()
        app.channel.outlet.resumeProducing()
        app.leave()
        self.assertTrue(app.transport.lost)


class GatewayInTreeTests(TreeTestCase):
    """The gateway as a child: it gets requests at the end of their head, its neighbours at their end."""

    def test_both(self) -> None:
        agent = self.hub.agent()
        self.app.send(request(b"/api/x?y", method=b"POST", body=b"hello") + request(b"/"))
        self.assertEqual((agent.last.head.target, agent.last.body), (b"/api/x?y", b"hello"))
        agent.answer(body=b"from afar")
        self.assertEqual([response.body for response in self.app.responses()], [b"from afar", b"welcome"])

    def test_streams(self) -> None:
        agent = self.hub.agent()
        self.app.send(request(b"/api", CHUNKED, method=b"POST"), b"2\r\nhe\r\n")
        self.assertEqual(agent.last.body, b"he")
        self.app.leave()
        self.assertIsNotNone(agent.last.reset)


@implementer(IPushProducer)
class PushProducer:
    def __init__(self) -> None:
        self.said: list[str] = []

    def pauseProducing(self) -> None:
        self.said.append("pause")

    def resumeProducing(self) -> None:
        self.said.append("resume")

    def stopProducing(self) -> None:
        self.said.append("stop")


@implementer(IPullProducer)
class PullProducer:
    """Writes so many pieces, then finishes or raises."""

    def __init__(self, request: Request, pieces: int, error: Exception | None = None) -> None:
        self.request = request
        self.left = pieces
        self.error = error
        self.stopped = False
        request.registerProducer(self, False)

    def resumeProducing(self) -> None:
        self.left -= 1
        self.request.write(b"x" * 10_000)
        if not self.left:
            if self.error is not None:
                raise self.error
            self.request.unregisterProducer()
            self.request.finish()

    def stopProducing(self) -> None:
        self.stopped = True


class ProducerTests(TreeTestCase):
    """Ordinary resources that produce their answer by and by."""

    def setUp(self) -> None:
        super().setUp()
        self.requests: list[Request] = []
        self.page(lambda request: keep(self.requests, request))

    def ask(self) -> Request:
        self.app.get(b"/page")
        return self.requests[-1]

    def test_push(self) -> None:
        producer = PushProducer()
        request = self.ask()
        request.registerProducer(producer, True)
        self.app.transport.reading = False
        request.write(b"x" * LARGE)
        request.write(b"y" * LARGE)
        self.assertEqual(producer.said, ["pause"])
        self.app.transport.reading = True
        self.app.transport.take()
        for _ in range(20):
            self.hub.clock.advance(0)
        self.assertEqual((set(producer.said[:-1]), producer.said[-1]), ({"pause"}, "resume"))
        request.unregisterProducer()
        request.finish()
        self.assertEqual(self.app.response().body, b"x" * LARGE + b"y" * LARGE)

    def test_push_into_a_full_buffer(self) -> None:
        """The answer before is still being read."""
        self.app.transport.reading = False
        request = self.ask()
        request.write(b"x" * LARGE)
        producer = PushProducer()
        request.registerProducer(producer, True)
        self.assertEqual(producer.said, ["pause"])

    def test_push_left(self) -> None:
        producer = PushProducer()
        self.ask().registerProducer(producer, True)
        self.app.leave()
        self.assertEqual(producer.said, ["stop"])
        self.requests[0].unregisterProducer()

    def test_two(self) -> None:
        request = self.ask()
        request.registerProducer(PushProducer(), True)
        self.assertRaises(ValueError, request.registerProducer, PushProducer(), True)

    def test_pull(self) -> None:
        producer = PullProducer(self.ask(), 50)
        self.app.transport.reading = False
        for _ in range(60):
            self.hub.clock.advance(0)
        self.assertGreater(producer.left, 40, "it was not stopped")
        self.app.transport.reading = True
        self.app.transport.take()
        for _ in range(100):
            self.hub.clock.advance(0)
        self.assertEqual((self.app.response().body, producer.left), (b"x" * 500_000, 0))

    def test_pull_told_twice(self) -> None:
        """Transports say so with every write."""
        PullProducer(self.ask(), 3)
        pump: Any = self.requests[0]._push_producer  # type: ignore[attr-defined]
        for _ in range(2):
            pump.resumeProducing()
            pump.pauseProducing()
            pump.pauseProducing()
        pump.resumeProducing()
        for _ in range(5):
            self.hub.clock.advance(0)
        self.assertEqual(len(self.app.response().body), 30_000)

    def test_pull_left(self) -> None:
        """Twisted's own would go on to the end."""
        producer = PullProducer(self.ask(), 10)
        self.app.leave()
        left = producer.left
        for _ in range(10):
            self.hub.clock.advance(0)
        self.assertEqual((producer.stopped, producer.left), (True, left))

    def test_pull_raises(self) -> None:
        PullProducer(self.ask(), 1, ZeroDivisionError())
        for _ in range(5):
            self.hub.clock.advance(0)
        self.assertEqual(self.app.transport.ended, "abort")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_pull_raises_when_done(self) -> None:
        """The answer is whole: it stays so."""
        request = self.ask()
        producer = PullProducer(request, 1)
        producer.resumeProducing = lambda: (request.unregisterProducer(), request.finish(), 1 / 0)  # type: ignore[assignment, method-assign]
        for _ in range(5):
            self.hub.clock.advance(0)
        self.assertTrue(self.app.response().complete)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class FileTests(TreeTestCase):
    """``twisted.web.static.File``."""

    def setUp(self) -> None:
        super().setUp()
        folder = Path(self.mktemp())
        folder.mkdir()
        self.content = bytes(range(256)) * 4000
        (folder / "large.bin").write_bytes(self.content)
        self.root.putChild(b"files", File(str(folder)))

    def turns(self, count: int = 50) -> None:
        for _ in range(count):
            self.hub.clock.advance(0)

    def test_whole(self) -> None:
        self.app.send(request(b"/files/large.bin") + request(b"/"))
        self.turns()
        first, second = self.app.responses()
        self.assertEqual((first.body, second.body), (self.content, b"welcome"))
        self.assertEqual(first.all(b"accept-ranges"), [b"bytes"])

    def test_range(self) -> None:
        self.app.get(b"/files/large.bin", b"Range: bytes=1000-300999")
        self.turns()
        response = self.app.response()
        self.assertEqual((response.status, response.body), (206, self.content[1000:301000]))

    def test_unchanged(self) -> None:
        self.app.get(b"/files/large.bin", method=b"HEAD")
        self.turns()
        [response] = self.app.responses(b"HEAD")
        self.app.get(b"/files/large.bin", b"If-Modified-Since: " + (response.field(b"last-modified") or b""))
        self.turns()
        self.assertEqual([one.status for one in self.app.responses(b"HEAD")], [200, 304])

    def test_slow_reader(self) -> None:
        """The file is not read faster than the application reads."""
        self.app.transport.reading = False
        self.app.get(b"/files/large.bin")
        self.turns()
        waiting = self.app.transport.pending + sum(map(len, self.app.channel.outlet._backlog))
        self.assertLess(waiting, 300_000)
        self.app.transport.reading = True
        self.app.transport.take()
        self.turns(100)
        self.assertEqual(self.app.response().body, self.content)

    def test_left(self) -> None:
        self.app.transport.reading = False
        self.app.get(b"/files/large.bin")
        self.turns(2)
        self.app.leave()
        self.turns()
        self.assertEqual(self.hub.site.connections, set())

    def test_directory(self) -> None:
        """Paths are set as Twisted sets them."""
        self.app.get(b"/files")
        self.app.get(b"/files/")
        first, second = self.app.responses()
        self.assertTrue((first.field(b"location") or b"").endswith(b"/files/"))
        self.assertIn(b"large.bin", second.body)


class ContractTests(SynchronousTestCase):
    """What of Twisted is relied upon without being promised."""

    def test_class_attributes(self) -> None:
        """The lean constructor leaves these to the class."""
        for name, value in {
            "content": None,
            "producer": None,
            "finished": 0,
            "startedWriting": 0,
            "sentLength": 0,
            "_disconnected": False,
        }.items():
            self.assertEqual(getattr(Request, name), value, name)


def keep(requests: list[Request], request: Request) -> int:
    requests.append(request)
    return NOT_DONE_YET


def write_pieces(request: Request) -> int:
    request.write(b"one")
    request.write(b"two")
    request.finish()
    return NOT_DONE_YET
