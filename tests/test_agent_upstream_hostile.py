"""Upstreams that break the rules, die, or never finish: the caller is told, and nobody else pays for it."""

from __future__ import annotations

from slime.agent.upstream import UpstreamLimits
from slime.agent.upstream.connection import CLOSE_TIMEOUT
from slime.errors import ErrorCode
from tests.test_agent_upstream import HEARD_OK, OK, CallCase, request

MALFORMED = {
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
    "not HTTP": b"220 mail.example ESMTP\r\n\r\n",
    "HTTP/2": b"HTTP/2 200 OK\r\n\r\n",
    "HTTP/0.9": b"<html>hello</html>\r\n\r\n",
    "no status": b"HTTP/1.1\r\n\r\n",
    "long status": b"HTTP/1.1 2000 OK\r\n\r\n",
    "status above all": b"HTTP/1.1 600 No\r\nContent-Length: 0\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "bare LF in a field": b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
    "bare CR": b"HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nA: b\x00c\r\n\r\n",
    "NUL in the reason": b"HTTP/1.1 200 O\x00K\r\n\r\n",
    "folded field": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\nno field\r\n\r\n",
    "no name": b"HTTP/1.1 200 OK\r\n: b\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nab",
    "hex length": b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nab",
    "huge length": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nab",
    "doubly framed": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    "coding unknown": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "coding on 1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unasked 101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: smtp\r\nConnection: upgrade\r\n\r\n",
    "endless head": b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70000,
    "endless line": b"HTTP/1.1 200 " + b"b" * 70000,
    "many fields": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 201 + b"\r\n",
    "endless interim head": b"HTTP/1.1 103 Early Hints\r\nLink: " + b"b" * 70000,
}

BROKEN_BODIES = {
    "bad size": b"x\r\n",
    "signed size": b"+2\r\nab\r\n",
    "spaced size": b" 2\r\nab\r\n",
    "underscored size": b"1_0\r\n",
    "huge size": b"FFFFFFFFFFFFFFFFF\r\n",
    "bare LF": b"2\nab\n",
    "no CRLF behind the data": b"2\r\nabc\r\n",
    "endless extension": b"2;" + b"a" * 70000,
    "bad trailer": b"0\r\nno field\r\n\r\n",
    "endless trailer": b"0\r\nA: " + b"b" * 70000,
}


class MalformedTests(CallCase):
    """Answers that are not HTTP as it should be."""

    def test_heads(self) -> None:
        """Nothing of the answer is passed on."""
        for name, answer in MALFORMED.items():
            with self.subTest(name):
                self.ask()
                self.say(answer)
                self.assertEqual(self.sink.names, ["started", "failed"])
                self.assert_failed()

    def test_bodies(self) -> None:
        """A body that breaks off is not passed for a whole one."""
        for name, body in BROKEN_BODIES.items():
            with self.subTest(name):
                self.ask()
                self.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                self.say(body)
                self.assert_failed()

    def test_detail(self) -> None:
        """The failure says what is wrong, in words."""
        self.ask()
        self.say(MALFORMED["folded field"])
        self.assertIn("folded", self.sink.detail)

    def test_head_limit(self) -> None:
        """The bound of a head is a setting."""
        self.client = type(self.client)(self.clock, self.upstream.target, UpstreamLimits(max_head=100))
        self.ask()
        self.say(b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100 + b"\r\n\r\n")
        self.assert_failed()

    def test_field_limit(self) -> None:
        """So is the number of its fields."""
        self.client = type(self.client)(self.clock, self.upstream.target, UpstreamLimits(max_fields=2))
        self.ask()
        self.say(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 3 + b"\r\n")
        self.assert_failed()


class SurplusTests(CallCase):
    """Bytes that belong to no answer are never given to one."""

    def test_behind_the_end(self) -> None:
        """Behind an answer: it stands, and the connection is closed."""
        self.ask()
        self.say(OK + OK)
        self.assertEqual(self.sink.events, HEARD_OK)
        self.assertFalse(self.is_reused)

    def test_body_where_there_is_none(self) -> None:
        """Answers to HEAD, 204 and 304 with a body."""
        for method, status in ((b"HEAD", 200), (b"GET", 204), (b"GET", 304)):
            with self.subTest(status=status):
                self.ask(request(method))
                self.say(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nhi" % status)
                self.assertEqual(self.sink.events, [("started",), ("head", status, 0), ("end", [])])
                self.assertFalse(self.is_reused)

    def test_on_an_idle_connection(self) -> None:
        """Unasked bytes close the connection, though they look like an answer."""
        self.ask()
        self.say(OK)
        self.say(OK)
        self.assert_gone()
        self.assertFalse(self.is_reused)
        self.assertEqual(self.sink.names, ["started"])

    def test_idle_and_asked_in_one_turn(self) -> None:
        """Even before the reactor has got round to closing it."""
        self.ask()
        self.say(OK)
        self.say(b"x")
        self.assertFalse(self.is_reused)

    def test_too_much_body(self) -> None:
        """What is beyond the length is not part of the answer."""
        self.ask()
        self.say(OK + b"there")
        self.assertEqual(self.sink.body, b"hi")
        self.assertFalse(self.is_reused)


class CutTests(CallCase):
    """The connection goes before the answer is complete."""

    def test_before_the_head(self) -> None:
        """Closed or reset."""
        for cut in ("close", "reset"):
            self.ask()
            getattr(self.upstream.last, cut)()
            self.turn()
            self.assertEqual(self.sink.names, ["started", "failed"])
            self.assert_failed()

    def test_within_the_answer(self) -> None:
        """At any byte of it."""
        for size in range(1, len(OK)):
            for cut in ("close", "reset"):
                self.ask()
                self.say(OK[:size])
                getattr(self.upstream.last, cut)()
                self.turn()
                self.assert_failed()

    def test_reset_where_the_end_would_end_it(self) -> None:
        """A body that ends with the connection ends with an orderly end only."""
        self.ask()
        self.say(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        self.upstream.last.reset()
        self.turn()
        self.assert_failed()

    def test_orderly_end_unread(self) -> None:
        """A connection that TLS or another closes as a whole is the same as one that is half closed."""
        self.ask()
        self.say(b"HTTP/1.1 200 OK\r\n\r\nall")
        self.socket.loseConnection()
        self.turn()
        self.assertEqual(self.sink.names[-1], "end")

    def test_during_an_upload(self) -> None:
        """An upload has nowhere to go then."""
        call = self.ask(request(b"POST"), None)
        call.write(b"abc")
        self.upstream.last.close()
        call.write(b"def")
        self.assert_failed()

    def test_until_close_during_an_upload(self) -> None:
        """An answer can be whole without the request being."""
        self.ask(request(b"POST"), 10)
        self.say(b"HTTP/1.1 400 No\r\n\r\n")
        self.upstream.last.close()
        self.assertEqual(self.sink.events, [("started",), ("head", 400, None), ("end", [])])
        self.assert_gone()

    def test_whole_connection_lost_during_an_upload(self) -> None:
        """Also when both halves are closed at once."""
        self.ask(request(b"POST"), 10)
        self.say(b"HTTP/1.1 400 No\r\n\r\n")
        self.socket.loseConnection()
        self.turn()
        self.assertEqual(self.sink.names[-1], "end")


class TimeoutTests(CallCase):
    """Deadlines, where there are any."""

    limits = UpstreamLimits(first_byte_timeout=4.0, stall_timeout=2.0)

    def wait(self, seconds: float) -> None:
        """Let time pass as it does, bit by bit."""
        for _ in range(int(seconds * 10)):
            self.clock.advance(0.1)

    def test_no_answer(self) -> None:
        """An upstream that says nothing is given up, not before its time and soon after."""
        self.ask()
        self.wait(3.9)
        self.assertEqual(self.sink.names, ["started"])
        self.wait(1.2)
        self.assert_failed(ErrorCode.UPSTREAM_TIMEOUT)

    def test_time_starts_with_the_request_s_end(self) -> None:
        """Until then it is the application that is waited for."""
        call = self.ask(request(b"POST"), None)
        self.wait(20)
        call.end()
        self.wait(3.9)
        self.assertEqual(self.sink.names, ["started"])
        self.wait(1.2)
        self.assert_failed(ErrorCode.UPSTREAM_TIMEOUT)

    def test_each_request_has_its_own(self) -> None:
        """A connection's earlier requests take no time from it."""
        self.ask()
        self.wait(3.5)
        self.say(OK)
        self.assertTrue(self.is_reused)
        self.wait(3.9)
        self.say(OK)

    def test_stall(self) -> None:
        """An answer may be slow, but not stop."""
        self.ask()
        self.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        for _ in range(5):
            self.wait(1.9)
            self.say(b"x")
        self.assertEqual(self.sink.body, b"xxxxx")
        self.wait(3.1)
        self.assert_failed(ErrorCode.UPSTREAM_TIMEOUT)

    def test_paused(self) -> None:
        """An answer that we do not read does not stall, and has its time anew when we do."""
        call = self.ask()
        self.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        call.pause()
        self.wait(20)
        call.resume()
        self.wait(1.9)
        self.say(b"hi")
        self.assertEqual(self.sink.names[-1], "end")

    def test_upload_not_taken(self) -> None:
        """An upstream that does not read is given up."""
        call = self.ask(request(b"POST"), None)
        self.upstream.last.stop_reading()
        call.write(b"x" * 70000)
        self.wait(1.9)
        self.assertEqual(self.sink.names, ["started", "pause"])
        self.wait(1.2)
        self.assert_failed(ErrorCode.UPSTREAM_TIMEOUT)

    def test_duplex(self) -> None:
        """Who answers while it reads may wait for what it reads."""
        self.ask(request(b"POST"), None)
        self.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.wait(20)
        self.assertEqual(self.sink.names, ["started", "head"])

    def test_close(self) -> None:
        """An orderly close that does not happen is forced."""
        self.ask(request(b"POST"), 10).write(b"x" * 10)
        self.say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        self.assert_gone()
        call = self.ask(request(b"POST"), 10)
        self.upstream.last.stop_reading()
        call.write(b"x" * 10)
        call.end()
        self.say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(self.sink.names[-1], "end")
        self.wait(CLOSE_TIMEOUT - 0.1)
        self.assertIsNone(self.upstream.last.lost)
        self.wait(1.2)
        self.assertIsNotNone(self.upstream.last.lost)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class PatientTests(CallCase):
    """Without deadlines an upstream may take all the time it wants, as a model may need it."""

    def test_no_limit(self) -> None:
        """An hour is nothing."""
        self.ask()
        for _ in range(3600):
            self.clock.advance(1)
        self.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        for _ in range(3600):
            self.clock.advance(1)
        self.say(b"hi")
        self.assertEqual(self.sink.events, HEARD_OK)
