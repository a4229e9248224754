"""Calls to an upstream, in memory: what is sent, what is heard, and when."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from slime.agent.upstream import UpstreamCall, UpstreamClient, UpstreamLimits
from slime.errors import ErrorCode, LocalProtocolError
from slime.http.head import RequestHead
from slime.testing_upstream import Door, MemorySocket, RecordingSink, ScriptedUpstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
HEARD_OK: list[tuple[Any, ...]] = [("started",), ("head", 200, 2), ("data", b"hi"), ("end", [])]


def request(method: bytes = b"GET", *fields: tuple[bytes, bytes]) -> RequestHead:
    """A request for ``/``."""
    return RequestHead(method, b"/", b"1.1", [(b"Host", b"model"), *fields])


class CallCase(SynchronousTestCase):
    """A client, a scripted upstream, and a clock that the test owns."""

    limits = UpstreamLimits()

    def setUp(self) -> None:
        self.clock = Clock()
        self.upstream = ScriptedUpstream()
        self.client = UpstreamClient(self.clock, self.upstream.target, self.limits)
        self.sink = RecordingSink()

    def ask(self, head: RequestHead | None = None, length: int | None = 0) -> UpstreamCall:
        """Start a call whose sink is :attr:`sink`, made anew."""
        self.sink = RecordingSink()
        return self.client.start(head or request(), length, self.sink)

    def say(self, data: bytes) -> None:
        """The upstream speaks over its newest connection."""
        self.upstream.last.send(data)

    def turn(self) -> None:
        """One turn of the reactor."""
        self.clock.advance(0)

    @property
    def socket(self) -> MemorySocket:
        """The client's end of the newest connection."""
        socket: MemorySocket = self.upstream.last.transport.socket
        return socket

    @property
    def is_reused(self) -> bool:
        """Whether the connection of the call before serves another."""
        before = len(self.upstream.connections)
        self.ask()
        return len(self.upstream.connections) == before

    def assert_gone(self) -> None:
        """The newest connection is closed."""
        self.turn()
        self.assertIsNotNone(self.upstream.last.lost)

    def assert_failed(self, code: ErrorCode = ErrorCode.UPSTREAM_BROKE) -> None:
        """The call failed, as its last event and no other says, and its connection is closed."""
        self.assertEqual(self.sink.events[-1], ("failed", code))
        self.assertEqual([name for name in self.sink.names if name in ("end", "failed")], ["failed"])
        self.assert_gone()


class RequestTests(CallCase):
    """What goes to the upstream."""

    def test_head_only(self) -> None:
        """A request without a body is one write, and says nothing of a body."""
        self.ask()
        self.assertEqual(self.upstream.last.received, b"GET / HTTP/1.1\r\nHost: model\r\n\r\n")

    def test_fields_are_kept(self) -> None:
        """Case, order and repetition of fields are the application's."""
        self.ask(request(b"GET", (b"x-B", b"1"), (b"X-a", b"\xff"), (b"x-B", b"")))
        self.assertIn(b"x-B: 1\r\nX-a: \xff\r\nx-B: \r\n", self.upstream.last.received)

    def test_no_body_where_one_is_usual(self) -> None:
        """POST, PUT and PATCH say that they have no body (RFC 9110 section 8.6); others need not."""
        said = {}
        for method in (b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"):
            self.ask(request(method))
            said[method] = b"Content-Length: 0\r\n" in self.upstream.last.received
        self.assertEqual(said, {b"POST": True, b"PUT": True, b"PATCH": True, b"DELETE": False, b"OPTIONS": False})

    def test_declared_body(self) -> None:
        """A body of known length follows its length."""
        call = self.ask(request(b"POST"), 5)
        call.write(b"he")
        call.write(b"")
        call.write(b"llo")
        call.end([(b"X-Too-Late", b"1")])
        self.assertTrue(self.upstream.last.received.endswith(b"\r\nContent-Length: 5\r\n\r\nhello"))

    def test_pieces_of_one_message(self) -> None:
        """What comes in one piece of work leaves in one, head and all."""

        def work() -> None:
            call = self.ask(request(b"POST"), None)
            for piece in (b"a", b"b"):
                call.write(piece)
            self.assertEqual(self.upstream.last.received, b"")
            call.end()

        self.client.corks.during(work)
        expected = b"POST / HTTP/1.1\r\nHost: model\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n"
        self.assertEqual((self.upstream.last.received, self.upstream.last.reads), (expected, 1))

    def test_given_up_in_the_same_message(self) -> None:
        """What was to leave does not."""
        self.client.corks.during(lambda: self.ask(request(b"POST"), 1).abort())
        self.assertEqual(self.upstream.last.received, b"")
        self.assert_gone()

    def test_chunked_body(self) -> None:
        """A body of unknown length is chunked; no data is no chunk, since that would be the end."""
        call = self.ask(request(b"POST"), None)
        call.write(b"hello")
        call.write(b"")
        call.write(b"x" * 16)
        call.end([(b"X-Sum", b"7")])
        expected = (
            b"\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n10\r\n" + b"x" * 16 + b"\r\n0\r\nX-Sum: 7\r\n\r\n"
        )
        self.assertTrue(self.upstream.last.received.endswith(expected))

    def test_too_much(self) -> None:
        """More than was declared is refused, and nothing of it is sent."""
        call = self.ask(request(b"POST"), 2)
        self.assertRaises(LocalProtocolError, call.write, b"abc")
        self.assertTrue(self.upstream.last.received.endswith(b"\r\n\r\n"))

    def test_too_little(self) -> None:
        """An end before the declared length is refused."""
        call = self.ask(request(b"POST"), 2)
        call.write(b"a")
        self.assertRaises(LocalProtocolError, call.end)

    def test_body_of_a_request_without(self) -> None:
        """So is a body where none was declared."""
        call = self.ask()
        self.assertRaises(LocalProtocolError, call.write, b"a")

    def test_line_break_in_head(self) -> None:
        """A head that would be read as another is not sent."""
        self.assertRaises(LocalProtocolError, self.ask, request(b"GET", (b"A", b"b\r\nC: d")))
        self.assertEqual(self.upstream.connections, [])

    def test_line_break_in_trailers(self) -> None:
        """Nor are trailers."""
        for name, value in ((b"A", b"b\r\nC: d"), (b"A\n", b"b"), (b"A", b"\r")):
            call = self.ask(request(b"POST"), None)
            self.assertRaises(LocalProtocolError, call.end, [(name, value)])

    def test_end_twice(self) -> None:
        """A second end does nothing."""
        call = self.ask(request(b"POST"), None)
        call.end()
        call.end()
        self.assertEqual(self.upstream.last.received.count(b"0\r\n\r\n"), 1)


class AnswerTests(CallCase):
    """What the sink hears."""

    def test_answer(self) -> None:
        """An answer is heard while it is read."""
        self.ask()
        self.assertEqual(self.sink.events, [("started",)])
        self.say(OK)
        self.assertEqual(self.sink.events, HEARD_OK)
        self.assertEqual(self.sink.heads[0].reason, b"OK")

    def test_each_read_at_once(self) -> None:
        """Whatever a read brings is passed on before anything else happens."""
        self.ask()
        self.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.assertEqual(self.sink.events, [("started",), ("head", 200, None)])
        for word in (b"one", b"three"):
            self.say(b"%x\r\n%b\r\n" % (len(word), word))
            self.assertEqual(self.sink.events[-1], ("data", word))
        self.say(b"0\r\nX-Sum: 8\r\n\r\n")
        self.assertEqual(self.sink.events[-1], ("end", [(b"X-Sum", b"8")]))

    def test_byte_by_byte(self) -> None:
        """How the bytes are cut means nothing."""
        self.ask()
        for byte in OK:
            self.say(bytes([byte]))
        self.assertEqual(self.sink.body, b"hi")
        self.assertEqual(self.sink.names[-1], "end")

    def test_no_body(self) -> None:
        """Answers to HEAD, 204 and 304 have none, whatever they say."""
        for method, status in ((b"HEAD", 200), (b"GET", 204), (b"GET", 304)):
            self.ask(request(method))
            self.say(b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\n" % status)
            self.assertEqual(self.sink.events, [("started",), ("head", status, 0), ("end", [])])

    def test_until_close(self) -> None:
        """Without framing the body ends with the connection."""
        self.ask()
        self.say(b"HTTP/1.0 200 OK\r\n\r\nall ")
        self.say(b"of it")
        self.upstream.last.close()
        self.assertEqual(self.sink.names, ["started", "head", "data", "data", "end"])
        self.assertEqual((self.sink.events[1], self.sink.body), (("head", 200, None), b"all of it"))
        self.assert_gone()

    def test_interim(self) -> None:
        """1xx are passed on, but a 100 only to who asked for it."""
        early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        self.ask()
        self.say(early + OK)
        self.assertEqual(self.sink.names, ["started", "interim", "head", "data", "end"])
        self.ask(request(b"POST", (b"Expect", b"100-continue")), 2)
        self.say(early)
        self.assertEqual(self.sink.events, [("started",), ("interim", 100), ("interim", 103)])

    def test_endless_interim(self) -> None:
        """An upstream that goes on with them is broken."""
        self.ask()
        self.say(b"HTTP/1.1 102 Processing\r\n\r\n" * 1000)
        self.assertEqual(self.sink.names.count("interim"), 1000)
        self.say(b"HTTP/1.1 102 Processing\r\n\r\n")
        self.assert_failed()

    def test_interim_counted_anew(self) -> None:
        """The bound is for each request."""
        for _ in range(2):
            self.ask()
            self.say(b"HTTP/1.1 102 Processing\r\n\r\n" * 600 + OK)
            self.assertEqual(self.sink.names[-1], "end")


class ExpectTests(CallCase):
    """A body withheld is one that comes late."""

    def test_continue(self) -> None:
        """The upstream wants the body."""
        call = self.ask(request(b"POST", (b"Expect", b"100-continue")), 2)
        self.say(b"HTTP/1.1 100 Continue\r\n\r\n")
        call.write(b"ab")
        call.end()
        self.say(OK)
        self.assertEqual(self.sink.names, ["started", "interim", "head", "data", "end"])
        self.assertTrue(self.is_reused)

    def test_refused(self) -> None:
        """The upstream does not: its connection still waits for the body, and is of no more use."""
        self.ask(request(b"POST", (b"Expect", b"100-continue")), 2)
        self.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(self.sink.events, [("started",), ("head", 413, 0), ("end", [])])
        self.assertFalse(self.is_reused)


class EarlyAnswerTests(CallCase):
    """The upstream answers before the upload is over."""

    def test_early_answer(self) -> None:
        """The answer is delivered, the connection closed, and the rest of the upload goes nowhere."""
        call = self.ask(request(b"POST"), 1000)
        call.write(b"x" * 10)
        self.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        self.assertEqual(self.sink.names, ["started", "head", "data", "end"])
        call.write(b"x" * 10)
        call.pause()
        call.resume()
        call.end()
        call.abort()
        self.assert_gone()
        self.assertEqual(self.upstream.last.received.count(b"x"), 10)

    def test_duplex(self) -> None:
        """While the answer lasts, the upload goes on."""
        call = self.ask(request(b"POST"), None)
        self.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        call.write(b"one")
        self.assertTrue(self.upstream.last.received.endswith(b"3\r\none\r\n"))
        call.end()
        self.say(b"1\r\nb\r\n0\r\n\r\n")
        self.assertEqual(self.sink.body, b"ab")
        self.assertTrue(self.is_reused)


class FlowTests(CallCase):
    """Neither side has to take more than it wants."""

    def test_slow_upload(self) -> None:
        """When the socket is full the sink is asked to pause, once, and to go on when it is empty."""
        call = self.ask(request(b"POST"), None)
        self.upstream.last.stop_reading()
        call.write(b"x" * 65536)
        call.write(b"x" * 65536)
        self.assertEqual(self.sink.names, ["started", "pause"])
        self.upstream.last.read_on()
        self.assertEqual(self.sink.names, ["started", "pause", "resume"])
        self.assertEqual(self.upstream.last.received.count(b"x"), 131072)

    def test_answer_while_upload_is_stuck(self) -> None:
        """The rest of the request would run into the next one, so the connection is not used again."""
        call = self.ask(request(b"POST"), 131072)
        self.upstream.last.stop_reading()
        call.write(b"x" * 131072)
        call.end()
        self.say(OK)
        self.assertEqual(self.sink.names, ["started", "pause", "head", "data", "end"])
        self.assert_gone()
        self.assertFalse(self.is_reused)

    def test_pause(self) -> None:
        """A paused answer is not read."""
        call = self.ask()
        call.pause()
        self.say(OK)
        self.assertEqual(self.sink.names, ["started"])
        call.resume()
        self.turn()
        self.assertEqual(self.sink.events, HEARD_OK)

    def test_end_while_paused(self) -> None:
        """An idle connection is read even if its last call was paused, or its end would not be seen."""
        call = self.ask()
        self.sink.data = lambda data: call.pause()  # type: ignore[method-assign]
        self.say(OK)
        self.assertEqual(self.sink.names[-1], "end")
        self.assertFalse(self.socket.paused)

    def test_full_when_idle(self) -> None:
        """The transport may say what it likes when there is no call."""
        self.ask()
        self.say(OK)
        producer: Any = self.socket._producer
        producer.pauseProducing()
        producer.resumeProducing()
        producer.stopProducing()
        self.assertEqual(self.sink.events, HEARD_OK)


class AbortTests(CallCase):
    """The caller gives up."""

    def test_before_the_answer(self) -> None:
        """The connection is closed and the sink hears nothing more."""
        call = self.ask()
        call.abort()
        self.assert_gone()
        call.abort()
        self.assertEqual(self.sink.names, ["started"])

    def test_within_the_answer(self) -> None:
        """Not even of what was read with the last bytes."""
        call = self.ask()
        self.sink.head = lambda head, length: call.abort()  # type: ignore[method-assign]
        self.say(OK)
        self.assertEqual(self.sink.names, ["started"])
        self.assert_gone()

    def test_with_the_last_byte(self) -> None:
        """A call aborted over its last data does not end as well."""
        call = self.ask()
        self.sink.data = lambda data: call.abort()  # type: ignore[method-assign]
        self.say(OK)
        self.assertEqual(self.sink.names, ["started", "head"])
        self.assert_gone()

    def test_late_bytes(self) -> None:
        """What TLS still delivers after an abort goes nowhere."""
        call = self.ask()
        call.abort()
        self.socket._client.dataReceived(OK)
        self.assertEqual(self.sink.names, ["started"])


class ConnectTests(CallCase):
    """Until there is a connection."""

    def test_refused(self) -> None:
        """A failure says so at once."""
        self.upstream.door = Door.REFUSING
        self.ask()
        self.assertEqual(self.sink.events, [("failed", ErrorCode.UPSTREAM_UNREACHABLE)])
        self.assertEqual(self.sink.detail, "it refuses connections")

    def test_silent(self) -> None:
        """Connecting has its time."""
        self.upstream.door = Door.SILENT
        self.ask()
        self.clock.advance(9.9)
        self.assertEqual(self.sink.events, [])
        self.clock.advance(0.2)
        self.assertEqual(self.sink.events, [("failed", ErrorCode.UPSTREAM_UNREACHABLE)])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_abort(self) -> None:
        """A caller need not wait for it."""
        self.upstream.door = Door.SILENT
        call = self.ask()
        call.abort()
        self.clock.advance(20)
        self.assertEqual(self.sink.events, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def connect(self) -> None:
        """The silent upstream accepts after all."""
        self.upstream.door = Door.OPEN
        self.upstream.open()

    def test_begins(self) -> None:
        """Nothing of it has reached the upstream before."""
        self.upstream.door = Door.SILENT
        call = self.ask()
        before = call.has_begun
        self.connect()
        self.assertEqual((before, call.has_begun), (False, True))

    def test_early_body(self) -> None:
        """What is written meanwhile goes out with the head."""
        self.upstream.door = Door.SILENT
        call = self.ask(request(b"POST"), None)
        call.write(b"abc")
        call.end()
        call.pause()
        call.resume()
        self.connect()
        self.assertEqual(self.sink.names, ["started"])
        self.assertTrue(self.upstream.last.received.endswith(b"chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
        self.assertEqual(self.upstream.last.reads, 1)

    def test_early_pause(self) -> None:
        """A call paused meanwhile is paused."""
        self.upstream.door = Door.SILENT
        self.ask().pause()
        self.connect()
        self.assertTrue(self.socket.paused)

    def test_much_early_body(self) -> None:
        """There is a bound to what is kept."""
        self.upstream.door = Door.SILENT
        call = self.ask(request(b"POST"), None)
        call.write(b"x" * 65536)
        self.assertEqual(self.sink.names, ["pause"])
        self.connect()
        self.assertEqual(self.sink.names, ["pause", "started", "resume"])

    def test_much_early_body_and_a_full_socket(self) -> None:
        """The pause lasts until the socket has taken it."""
        self.upstream.door = Door.SILENT
        call = self.ask(request(b"POST"), None)
        call.write(b"x" * 65536)
        self.upstream.reading = False
        self.connect()
        self.assertEqual(self.sink.names, ["pause", "started"])
        self.upstream.last.read_on()
        self.assertEqual(self.sink.names, ["pause", "started", "resume"])

    def test_sink_with_a_bug(self) -> None:
        """A sink that fails while it is told of the connection leaves a trace."""
        self.upstream.door = Door.SILENT
        self.ask()
        self.sink.started = lambda: 1 / 0  # type: ignore[assignment, method-assign]
        self.connect()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
