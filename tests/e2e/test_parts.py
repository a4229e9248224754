"""The parts of HTTP that stand before, within and behind: interim answers, expectations, early answers, trailers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from threading import Thread
from time import monotonic

from tests.e2e.harness import Application, Served, SharedFleetTestCase
from tests.e2e.messages import BrokenError, Wire

AT_ONCE = 1.0
CHUNKED = b"Transfer-Encoding: chunked"
EXPECT = b"Expect: 100-continue"
TRAILERS = (b"TE: trailers", b"Connection: TE")
# As much of a body as the hub wants to see before it gives a slot to a request.
LARGE = b"x" * 65536
CURL = shutil.which("curl")


class InterimTests(SharedFleetTestCase):
    """1xx answers, each at once."""

    def test_passed_on(self) -> None:
        """Each before the next is sent, with its fields but for those of one hop, and the final answer behind them."""
        asked = self.ask(b"GET /")
        served = self.provider.next()
        served.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nLink: </b.css>\r\nKeep-Alive: 5\r\n\r\n")
        hints = asked.head()
        self.assertEqual((hints.start, hints.all(b"link")), (b"HTTP/1.1 103 Early Hints", [b"</a.css>", b"</b.css>"]))
        self.assertEqual(hints.all(b"keep-alive"), [])
        for _ in range(3):
            served.send(b"HTTP/1.1 102 Processing\r\n\r\n")
            self.assertEqual(asked.head().status, 102)
        served.answer(b"done")
        self.assertEqual(asked.response().body, b"done")

    def test_while_the_request_comes(self) -> None:
        asked = self.ask(b"POST /", CHUNKED)
        asked.send(b"3\r\none\r\n")
        served = self.provider.next()
        self.assertEqual(served.chunk(), b"one")
        served.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        self.assertEqual(asked.head().status, 102)
        asked.send(b"3\r\ntwo\r\n0\r\n\r\n")
        self.assertEqual((served.chunk(), served.chunk(), served.until(b"\r\n")), (b"two", b"", b""))
        served.answer(b"")
        self.assertEqual(asked.response().status, 200)

    def test_nothing_for_old_applications(self) -> None:
        """HTTP/1.0 knows none (RFC 9110 section 15.2)."""
        asked = self.application(self.shared)
        asked.send(b"GET / HTTP/1.0\r\n\r\n")
        served = self.provider.next()
        served.send(b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n")
        served.answer(b"done")
        self.assertEqual((asked.head().status, asked.to_end()), (200, b"done"))

    def test_unasked_continue(self) -> None:
        """Who did not wait for 100 must not get one."""
        asked = self.ask(b"POST /", body=b"x")
        served = self.provider.next()
        served.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        served.body(served.request)
        served.answer(b"done")
        self.assertEqual(asked.head().status, 200)


class ExpectationTests(SharedFleetTestCase):
    """``Expect: 100-continue``: the upstream's word, not ours, decides about the body."""

    def expecting(self, *lines: bytes, path: bytes = b"/") -> tuple[Application, Served]:
        """A request that waits before its body of eight bytes."""
        asked = self.ask(b"PUT " + path, EXPECT, *(lines or (b"Content-Length: 8",)))
        served = self.provider.next()
        self.assertEqual(served.request.one(b"expect"), b"100-continue")
        self.assertEqual(served.rest, b"")
        return asked, served

    def test_asked_for(self) -> None:
        """Who waits for 100 gets the upstream's, and then sends."""
        for framing, body in ((CHUNKED, b"3\r\nyes\r\n0\r\n\r\n"), (b"Content-Length: 3", b"yes")):
            asked, served = self.expecting(framing)
            served.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.assertEqual(asked.head().status, 100)
            asked.send(body)
            self.assertEqual(served.body(served.request).body, b"yes")
            served.answer(b"")
            self.assertEqual(asked.response().status, 200)
            self.provider.again(served)

    def test_refused(self) -> None:
        """401 or 413 instead of 100; no body was read, so the connection ends, as what comes next is not known."""
        for status in (b"401 Unauthorized", b"413 Content Too Large", b"417 Expectation Failed"):
            asked, served = self.expecting()
            served.answer(b"no", status, b"WWW-Authenticate: Basic")
            answer = asked.response()
            self.assertEqual((answer.status, answer.body), (int(status[:3]), b"no"))
            self.assertEqual(answer.one(b"connection"), b"close")
            self.assertTrue(served.closed_within(AT_ONCE))
            self.assertEqual(served.rest, b"")
            self.assertEqual(asked.to_end(), b"")

    def test_body_in_spite_of_refusal(self) -> None:
        """It goes nowhere, and is no request, whatever it looks like."""
        asked, served = self.expecting(b"Content-Length: 33", path=b"/refused")
        served.answer(b"no", b"413 Content Too Large")
        asked.send(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(asked.response().status, 413)
        self.assertTrue(self.provider.silent_for(0.2))

    def test_impatience(self) -> None:
        """Who gives up waiting for 100 sends the body, and that is fine; a late 100 does no harm."""
        asked, served = self.expecting()
        asked.send(b"the body")
        self.assertEqual(served.body(served.request).body, b"the body")
        served.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        served.answer(b"done")
        self.assertEqual(asked.response().body, b"done")

    def test_refused_in_the_middle(self) -> None:
        """100 is no promise."""
        asked, served = self.expecting()
        served.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.assertEqual(asked.head().status, 100)
        asked.send(b"half")
        self.assertEqual(served.exactly(4), b"half")
        served.answer(b"no", b"403 Forbidden")
        self.assertEqual(asked.response().status, 403)

    def test_nobody_free(self) -> None:
        """The hub's own refusals come instead of 100 as well."""
        self.ask(b"GET /")
        served = self.provider.next()
        refused = self.ask(b"PUT /", EXPECT, b"Content-Length: 8").response()
        self.assertEqual((refused.status, refused.one(b"connection")), (503, b"close"))
        served.answer(b"")

    def test_curl(self) -> None:
        """curl asks by itself before a large upload."""
        if CURL is None:
            self.skipTest("there is no curl")
        upload = Path(self.mktemp())
        upload.write_bytes(b"x" * 3_000_000)
        for refused in (False, True):
            curl = start_curl("-T", str(upload), "--expect100-timeout", "20", f"http://127.0.0.1:{self.shared.port}/")
            served = self.provider.next()
            self.assertEqual(served.request.one(b"expect"), b"100-continue")
            if refused:
                served.answer(b"no", b"413 Content Too Large")
                self.assertEqual(served.rest, b"")
            else:
                served.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                self.assertEqual(len(served.body(served.request).body), 3_000_000)
                served.answer(b"yes")
                self.provider.again(served)
            self.assertEqual(curl.communicate(timeout=20)[0], b"no 413" if refused else b"yes 200")


class EarlyAnswerTests(SharedFleetTestCase):
    """Final answers to requests that are still on their way."""

    def flood(self, wire: Wire, piece: bytes) -> Thread:
        """Send this again and again in a thread, until nobody takes it any more."""

        def send() -> None:
            try:
                while True:
                    wire.socket.sendall(piece)
            except OSError:
                return

        thread = Thread(target=send, daemon=True)
        thread.start()
        return thread

    def test_refused_upload(self) -> None:
        """The whole answer arrives, though nobody reads the rest of the upload; both connections end soon."""
        asked = self.ask(b"POST /", CHUNKED)
        thread = self.flood(asked, b"10000\r\n" + LARGE + b"\r\n")
        served = self.provider.next()
        served.answer(b"n" * 100_000, b"413 Content Too Large")
        answer = asked.response()
        self.assertEqual((answer.status, answer.body), (413, b"n" * 100_000))
        self.assertEqual(answer.one(b"connection"), b"close")
        self.assertTrue(served.closed_within(AT_ONCE))
        thread.join(5)
        self.assertFalse(thread.is_alive(), "the hub goes on reading for ever")

    def test_refusal_of_an_upstream_that_hangs_up(self) -> None:
        """It closes with bytes of ours unread, so that its socket resets ours; its answer counts all the same."""
        asked = self.ask(b"POST /", b"Content-Length: 1000000000")
        thread = self.flood(asked, LARGE)
        served = self.provider.next()
        served.answer(b"no", b"413 Content Too Large", b"Connection: close")
        served.close()
        self.assertEqual(asked.response().body, b"no")
        thread.join(5)

    def test_rest_is_no_request(self) -> None:
        asked = self.ask(b"POST /", b"Content-Length: 1000000")
        asked.send(LARGE)
        self.provider.next().answer(b"early")
        self.assertEqual(asked.response().body, b"early")
        asked.send(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        self.assertTrue(self.provider.silent_for(0.2))
        self.assertEqual(asked.to_end(), b"")

    def test_answer_outlasts_the_request(self) -> None:
        """An early answer goes on while the upload does, and both may end well."""
        asked = self.ask(b"POST /", b"Content-Length: 70000")
        asked.send(LARGE)
        served = self.provider.next()
        self.assertEqual(served.exactly(len(LARGE)), LARGE)
        served.send(b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n\r\n5\r\nearly\r\n")
        self.assertEqual(asked.head().status, 200)
        self.assertEqual(asked.chunk(), b"early")
        asked.send(b"y" * 4464)
        self.assertEqual(served.exactly(4464), b"y" * 4464)
        served.send(b"4\r\nlate\r\n0\r\n\r\n")
        self.assertEqual((asked.chunk(), asked.chunk(), asked.until(b"\r\n")), (b"late", b"", b""))
        self.assertEqual(asked.to_end(), b"")

    def test_slow_rest(self) -> None:
        """Nobody waits for the rest for long."""
        asked = self.ask(b"POST /", b"Content-Length: 1000000")
        asked.send(LARGE)
        self.provider.next().answer(b"early")
        self.assertEqual(asked.response().body, b"early")
        began = monotonic()
        with self.assertRaises((BrokenError, OSError)):
            while monotonic() - began < 10:
                asked.send(b"x")
                asked.closed_within(0.2)
        self.assertTrue(monotonic() - began < 6)

    def test_curl(self) -> None:
        """Without Expect, an upload of 20 MB that is refused at its head: curl gets the answer every time."""
        if CURL is None:
            self.skipTest("there is no curl")
        upload = Path(self.mktemp())
        upload.write_bytes(b"x" * 20_000_000)
        for _ in range(5):
            address = f"http://127.0.0.1:{self.shared.port}/"
            curl = start_curl("-T", str(upload), "-H", "Expect:", "-H", "Slime-Block: 1", address)
            served = self.provider.next()
            served.answer(b"no", b"413 Content Too Large")
            self.assertEqual(curl.communicate(timeout=20)[0], b"no 413")
            self.provider.hang_up()


def start_curl(*arguments: str) -> subprocess.Popen[bytes]:
    """Start curl; it prints what it got and the status."""
    assert CURL is not None
    command = [CURL, "--silent", "--noproxy", "*", "--max-time", "20", "--write-out", " %{http_code}", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


class TrailerTests(SharedFleetTestCase):
    """Fields behind a chunked body."""

    def test_of_requests(self) -> None:
        asked = self.ask(b"POST /", CHUNKED, b"Trailer: X-Sum")
        asked.send(b"4\r\nbody\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\n")
        request = self.provider.serve().request
        self.assertEqual((request.body, request.trailers), (b"body", [(b"X-Sum", b"1"), (b"x-sum", b"2")]))
        self.assertEqual(asked.response().status, 200)

    def answered(self, *lines: bytes, version: bytes = b"1.1") -> tuple[Application, Served]:
        """A request that was answered with trailers."""
        asked = self.application(self.shared)
        block = b"\r\n".join([b"GET / HTTP/" + version, b"Host: hub.example", *lines])
        asked.send(block + b"\r\n\r\n")
        served = self.provider.next()
        served.send(
            b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\n" + CHUNKED
            + b"\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 1\r\nGrpc-Status: 0\r\n\r\n"
        )  # fmt: skip
        return asked, served

    def test_of_answers(self) -> None:
        """For who says that it takes them; the upstream is told so."""
        asked, served = self.answered(*TRAILERS)
        self.assertEqual((served.request.one(b"te"), served.request.one(b"connection")), (b"trailers", b"TE"))
        answer = asked.response()
        self.assertEqual((answer.body, answer.trailers), (b"body", [(b"X-Sum", b"1"), (b"Grpc-Status", b"0")]))

    def test_not_for_others(self) -> None:
        asked, served = self.answered()
        self.assertEqual(served.request.all(b"te") + served.request.all(b"connection"), [])
        answer = asked.response()
        self.assertEqual((answer.body, answer.trailers), (b"body", []))

    def test_not_for_old_applications(self) -> None:
        asked, _ = self.answered(b"TE: trailers", version=b"1.0")
        self.assertEqual((asked.head().status, asked.to_end()), (200, b"body"))

    def test_connection_goes_on(self) -> None:
        asked, served = self.answered(*TRAILERS)
        self.assertEqual(asked.response().status, 200)
        self.provider.again(served)
        asked.ask(b"GET /next")
        self.assertEqual(self.provider.serve(b"next").request.target, b"/next")
        self.assertEqual(asked.response().body, b"next")
