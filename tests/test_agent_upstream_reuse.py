"""Connections kept for the next request, upgrades, and requests sent twice."""

from __future__ import annotations

from slime.agent.upstream import UpstreamLimits
from slime.errors import ErrorCode
from slime.http.head import Fields
from slime.testing_upstream import Door
from tests.test_agent_upstream import HEARD_OK, OK, CallCase, request

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"


class ReuseTests(CallCase):
    """One connection, many requests."""

    def test_kept(self) -> None:
        """The next request goes over the same connection."""
        for _ in range(3):
            self.ask()
            self.say(OK)
            self.assertEqual(self.sink.events, HEARD_OK)
        self.assertEqual(len(self.upstream.connections), 1)

    def test_next_request_at_the_end(self) -> None:
        """Even a request made when the sink hears of the end finds it."""

        def go_on(trailers: Fields) -> None:
            self.ask()

        self.ask()
        self.sink.end = go_on  # type: ignore[method-assign]
        self.say(OK)
        self.assertEqual(len(self.upstream.connections), 1)
        self.say(OK)
        self.assertEqual(self.sink.events, HEARD_OK)

    def test_said_not_to_be_kept(self) -> None:
        """When either the version or ``Connection`` says so."""
        for answer in (
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
            b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nhi",
            b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        ):
            self.ask()
            self.say(answer)
            self.assertEqual(self.sink.events, HEARD_OK)
            self.assert_gone()
        self.assertFalse(self.is_reused)

    def test_kept_under_1_0(self) -> None:
        """HTTP/1.0 can keep a connection too."""
        self.ask()
        self.say(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi")
        self.assertTrue(self.is_reused)

    def test_last_used_first(self) -> None:
        """So that those not needed grow old."""
        self.ask()
        first = self.upstream.last
        self.ask()
        second = self.upstream.last
        first.send(OK)
        second.send(OK)
        self.ask()
        self.assertGreater(second.received.count(b"GET"), first.received.count(b"GET"))

    def test_idle_limit(self) -> None:
        """What is not used for 4 s is closed, and no timer stays behind."""
        self.ask()
        self.say(OK)
        for _ in range(39):
            self.clock.advance(0.1)
        self.assertIsNone(self.upstream.last.lost)
        for _ in range(6):
            self.clock.advance(0.1)
        self.assertIsNotNone(self.upstream.last.lost)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_idle_limit_at_use(self) -> None:
        """What is too old is not used, though nobody has closed it yet."""
        self.client._round = 60.0
        self.ask()
        self.say(OK)
        self.clock.advance(4.1)
        self.assertFalse(self.is_reused)

    def test_age_of_each(self) -> None:
        """Old ones go, younger ones stay."""
        self.ask()
        old = self.upstream.last
        self.ask()
        young = self.upstream.last
        old.send(OK)
        self.clock.advance(3)
        young.send(OK)
        self.clock.advance(1.5)
        self.clock.advance(0)
        self.assertIsNotNone(old.lost)
        self.assertIsNone(young.lost)

    def test_none_kept(self) -> None:
        """An idle time of 0 keeps none."""
        self.client = type(self.client)(self.clock, self.upstream.target, UpstreamLimits(upstream_idle=0))
        self.ask()
        self.say(OK)
        self.assert_gone()

    def test_close(self) -> None:
        """Closing the client closes what is idle; a call goes on, and its connection closes behind it."""
        self.ask()
        busy, running = self.upstream.last, self.sink
        self.ask()
        self.say(OK)
        self.client.close()
        self.assert_gone()
        self.assertIsNone(busy.lost)
        busy.send(OK)
        self.assertEqual(running.events, HEARD_OK)
        self.turn()
        self.assertIsNotNone(busy.lost)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_closed_by_the_upstream(self) -> None:
        """What the upstream closes, orderly or not, is not used again."""
        for cut in ("close", "reset"):
            self.ask()
            self.say(OK)
            getattr(self.upstream.last, cut)()
            self.assert_gone()
            self.assertFalse(self.is_reused)


class RetryTests(CallCase):
    """A kept connection may die in the moment it is used."""

    def ask_over_stale(self, method: bytes = b"GET", length: int | None = 0) -> None:
        """Ask over a kept connection, which the upstream then closes."""
        self.ask()
        self.say(OK)
        self.ask(request(method), length)
        self.upstream.last.close()
        self.turn()

    def test_retry(self) -> None:
        """A safe request without a body is asked again, over a new connection, and the sink does not notice."""
        for method in (b"GET", b"HEAD", b"OPTIONS", b"TRACE"):
            self.ask_over_stale(method)
            self.assertEqual(self.sink.names, ["started"])
            self.assertTrue(self.upstream.last.received.startswith(method))
            self.say(b"HTTP/1.1 204 Fine\r\n\r\n")
            self.assertEqual(self.sink.names, ["started", "head", "end"])

    def test_retry_after_reset(self) -> None:
        """However it died."""
        self.ask()
        self.say(OK)
        self.ask()
        self.upstream.last.reset()
        self.turn()
        self.assertEqual(len(self.upstream.connections), 2)
        self.say(OK)
        self.assertEqual(self.sink.events, HEARD_OK)

    def test_once(self) -> None:
        """Twice is enough."""
        self.ask_over_stale()
        self.upstream.last.close()
        self.assertEqual(len(self.upstream.connections), 2)
        self.assert_failed()

    def test_unsafe(self) -> None:
        """What may change something is never sent twice, DELETE no more than POST."""
        for method in (b"POST", b"PUT", b"DELETE", b"PATCH", b"get", b"PROPFIND"):
            self.ask_over_stale(method)
            self.assert_failed()

    def test_body(self) -> None:
        """What has a body is never sent twice, not even before its first byte."""
        self.ask_over_stale(b"GET", 5)
        self.assert_failed()
        self.ask_over_stale(b"GET", None)
        self.assert_failed()

    def test_answer_begun(self) -> None:
        """Nor is what was answered with so much as a byte."""
        self.ask()
        self.say(OK)
        self.ask()
        self.say(b"H")
        self.upstream.last.close()
        self.assert_failed()

    def test_new_connection(self) -> None:
        """An upstream that closes new connections is broken."""
        self.ask()
        self.upstream.last.close()
        self.assertEqual(len(self.upstream.connections), 1)
        self.assert_failed()

    def test_abort_while_asked_again(self) -> None:
        """The caller may give up between the two."""
        self.ask()
        self.say(OK)
        call = self.ask()
        self.upstream.door = Door.SILENT
        self.upstream.last.close()
        call.abort()
        self.clock.advance(20)
        self.assertEqual(self.sink.names, ["started"])

    def test_refused_when_asked_again(self) -> None:
        """The upstream may be gone for good."""
        self.ask()
        self.say(OK)
        self.ask()
        self.upstream.door = Door.REFUSING
        self.upstream.last.close()
        self.assertEqual(self.sink.events, [("started",), ("failed", ErrorCode.UPSTREAM_UNREACHABLE)])


class UpgradeTests(CallCase):
    """After 101 the bytes of both sides are their own (RFC 9110 section 7.8)."""

    def setUp(self) -> None:
        super().setUp()
        fields = [(b"Connection", b"upgrade"), (b"Upgrade", b"websocket")]
        self.call = self.ask(request(b"GET", *fields))

    def test_passage(self) -> None:
        """Bytes go both ways as they are, those right behind the head too."""
        self.say(SWITCHING + b"hello")
        self.assertEqual(self.sink.events, [("started",), ("head", 101, None), ("data", b"hello")])
        self.call.write(b"HTTP/1.1")
        self.assertTrue(self.upstream.last.received.endswith(b"\r\n\r\nHTTP/1.1"))
        self.say(b"\x00\r\n")
        self.assertEqual(self.sink.body, b"hello\x00\r\n")

    def test_refused(self) -> None:
        """An ordinary answer is one."""
        self.say(OK)
        self.assertEqual(self.sink.events, HEARD_OK)
        self.assertTrue(self.is_reused)

    def test_upstream_ends_first(self) -> None:
        """The upstream's end is passed on; ours may go on for as long as it likes."""
        self.say(SWITCHING)
        self.upstream.last.half_close()
        self.assertEqual(self.sink.events[-1], ("end", []))
        self.clock.advance(60)
        self.call.write(b"more")
        self.assertTrue(self.upstream.last.received.endswith(b"more"))
        self.assertIsNone(self.upstream.last.lost)
        self.call.end()
        self.assert_gone()

    def test_we_end_first(self) -> None:
        """Our end is passed on; the upstream may go on."""
        self.say(SWITCHING)
        self.call.end()
        self.assertTrue(self.upstream.last.ended)
        self.say(b"more")
        self.assertEqual(self.sink.body, b"more")
        self.upstream.last.close()
        self.assertEqual(self.sink.events[-1], ("end", []))
        self.assert_gone()

    def last_words(self) -> None:
        """Say something, and that it was all."""
        self.call.write(b"bye")
        self.call.end()

    def test_last_words_in_one_message(self) -> None:
        """What is said in one piece of work comes before the end that is said in it."""
        self.say(SWITCHING)
        self.client.corks.during(self.last_words)
        self.assertTrue(self.upstream.last.received.endswith(b"bye"))
        self.assertTrue(self.upstream.last.ended)

    def test_last_words_after_the_upstreams(self) -> None:
        """The same when that closes the connection."""
        self.say(SWITCHING)
        self.upstream.last.half_close()
        self.client.corks.during(self.last_words)
        self.assertTrue(self.upstream.last.received.endswith(b"bye"))
        self.assert_gone()

    def test_both_lost_at_once(self) -> None:
        """An end of both halves, as TLS has it, is an end, and nothing more can be said."""
        self.say(SWITCHING)
        self.socket.loseConnection()
        self.turn()
        self.assertEqual([event[:2] for event in self.sink.events[-2:]], [("end", []), ("failed", ErrorCode.NO_ERROR)])

    def test_both_lost_after_our_end(self) -> None:
        """Then it is all that was waited for."""
        self.say(SWITCHING)
        self.call.end()
        self.socket.loseConnection()
        self.turn()
        self.assertEqual(self.sink.events[-1], ("end", []))

    def test_reset(self) -> None:
        """A reset is not."""
        self.say(SWITCHING)
        self.upstream.last.reset()
        self.turn()
        self.assert_failed()

    def test_reset_after_goodbye(self) -> None:
        """What we say does not arrive, so that is told."""
        self.say(SWITCHING)
        self.upstream.last.half_close()
        self.upstream.last.reset()
        self.turn()
        self.call.write(b"more")
        self.call.end()
        expected = [("end", []), ("failed", ErrorCode.UPSTREAM_BROKE)]
        self.assertEqual([event[:2] for event in self.sink.events[-2:]], expected)

    def test_reset_after_both_goodbyes(self) -> None:
        """What becomes of the connection then is of no interest."""
        self.say(SWITCHING)
        self.upstream.last.half_close()
        self.call.end()
        self.upstream.last.reset()
        self.turn()
        self.assertEqual(self.sink.events[-1], ("end", []))

    def test_abort(self) -> None:
        """Either may leave without a word."""
        self.say(SWITCHING)
        self.call.abort()
        self.assert_gone()
        self.assertEqual(self.sink.names, ["started", "head"])

    def test_abort_at_the_head(self) -> None:
        """Also over the bytes behind the head."""
        self.sink.head = lambda head, length: self.call.abort()  # type: ignore[method-assign]
        self.say(SWITCHING + b"hello")
        self.assertEqual(self.sink.names, ["started"])

    def test_no_deadlines(self) -> None:
        """A passage may be silent."""
        limits = UpstreamLimits(first_byte_timeout=1.0, stall_timeout=1.0)
        self.client = type(self.client)(self.clock, self.upstream.target, limits)
        self.ask(request(b"GET", (b"Upgrade", b"x")))
        self.say(SWITCHING)
        for _ in range(100):
            self.clock.advance(0.5)
        self.assertEqual(self.sink.names, ["started", "head"])

    def test_never_used_again(self) -> None:
        """A connection that was a passage is no connection any more."""
        self.say(SWITCHING)
        self.upstream.last.half_close()
        self.call.end()
        self.assertFalse(self.is_reused)
