"""The channel: connections of applications, from the first byte to the last."""

from __future__ import annotations

import gc
import weakref
from typing import Any
from unittest import mock

from twisted.internet.address import UNIXAddress
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure

from slime import direct
from slime.errors import ErrorCode
from slime.http.head import HeadLimits
from slime.hub.answers import Trouble
from slime.hub.channel import ChannelLimits
from slime.hub.exchange import ExchangePolicy
from slime.hub.gateway import GatewayPolicy
from slime.hub.pool import PoolLimits
from tests.hub_fixture import Application, FakeLink, HubTestCase, MemoryTransport, Wanted, request

CHUNKED = b"Transfer-Encoding: chunked"
BLOCK = b"Slime-Block: 1"
LARGE = 100 * 1024


class AgentTestCase(HubTestCase):
    """A test with a hub, an agent with one slot and an application."""

    def setUp(self) -> None:
        super().setUp()
        self.begin()

    def begin(self, wanted: Wanted | None = None) -> None:
        if wanted is not None:
            self.rebuild(wanted)
        self.agent: FakeLink = self.hub.agent()
        self.app: Application = self.application()

    def statuses(self, *methods: bytes) -> list[int]:
        return [response.status for response in self.app.responses(*methods)]


class ConversationTests(AgentTestCase):
    """Requests and answers on a connection that stays."""

    def test_one_after_the_other(self) -> None:
        self.app.get(b"/path?query")
        self.assertEqual((self.agent.last.head.method, self.agent.last.head.target), (b"GET", b"/path?query"))
        self.agent.answer(b"200 Fine\r\nX-Thing: 1", b"hello")
        response = self.app.response()
        self.assertEqual((response.status, response.head.reason, response.body), (200, b"Fine", b"hello"))
        self.assertIsNone(response.field(b"connection"))
        self.app.get()
        self.agent.answer()
        self.assertEqual(self.statuses(), [200, 200])
        self.assertFalse(self.app.gone)

    def test_socket_options(self) -> None:
        self.assertEqual(self.app.transport.options, {"no delay": True, "keep alive": True})

    def test_unix_socket(self) -> None:
        """Such a connection has no TCP options to set."""
        with mock.patch.object(MemoryTransport, "getPeer", return_value=UNIXAddress(None)):
            app = self.application()
        self.assertEqual(app.transport.options, {})

    def test_in_any_pieces(self) -> None:
        """What a request means does not depend on how it was cut."""
        for message in (request(b"/x", method=b"POST", body=b"hello"), chunked(b"hello")):
            for size in (1, 2, 3, 7):
                self.app.send(*(message[at : at + size] for at in range(0, len(message), size)))
                self.assertEqual((self.agent.last.body, self.agent.last.complete), (b"hello", True))
                self.agent.answer()
        self.assertEqual(self.statuses(), [200] * 8)

    def test_data_comes_as_it_arrives(self) -> None:
        self.app.send(request(b"/", CHUNKED, method=b"POST"))
        self.app.send(b"5\r\nhello\r\n")
        self.assertEqual((self.agent.last.body, self.agent.last.trailers), (b"hello", None))
        self.app.send(b"1\r\n!\r\n0\r\nX-Sum: 1\r\n\r\n")
        self.assertEqual((self.agent.last.body, self.agent.last.trailers), (b"hello!", [(b"X-Sum", b"1")]))

    def test_answer_goes_out_as_it_comes(self) -> None:
        self.app.get(b"/", b"TE: trailers")
        self.agent.head(b"200 OK")
        self.assertEqual(self.app.response().complete, False)
        self.agent.data(b"one")
        self.assertTrue(self.app.received.endswith(b"3\r\none\r\n"))
        self.agent.data(b"two")
        self.agent.end_answer([(b"X-Sum", b"2")])
        response = self.app.response()
        self.assertEqual((response.body, response.trailers), (b"onetwo", [(b"X-Sum", b"2")]))

    def test_trailers_only_for_those_who_asked(self) -> None:
        self.app.get()
        self.agent.head(b"200 OK")
        self.agent.end_answer([(b"X-Sum", b"2")])
        self.assertEqual((self.app.response().trailers, self.app.response().complete), ([], True))

    def test_empty_lines_before_a_request(self) -> None:
        """RFC 9112 section 2.2."""
        self.app.send(b"\r\n" + request())
        self.agent.answer()
        self.app.send(b"\r\n", request())
        self.agent.answer()
        self.assertEqual(self.statuses(), [200, 200])


class BodilessTests(AgentTestCase):
    """Answers that have no body, and how long they would have been."""

    def test_head(self) -> None:
        self.app.get(method=b"HEAD")
        self.agent.answer(b"200 OK\r\nContent-Length: 10")
        response = self.app.response(b"HEAD")
        self.assertEqual(response.all(b"content-length"), [b"10"])
        self.assertEqual(response.all(b"transfer-encoding"), [])
        self.app.get()
        self.agent.answer()
        self.assertEqual(self.statuses(b"HEAD"), [200, 200])

    def test_head_with_an_error(self) -> None:
        """The hub's own answers have no body either."""
        self.agent.lose()
        self.app.get(method=b"HEAD")
        self.app.get(method=b"HEAD")
        self.assertEqual(self.statuses(b"HEAD", b"HEAD"), [503, 503])
        self.assertTrue(self.app.received.endswith(b"\r\n\r\n"))

    def test_head_that_is_refused(self) -> None:
        """Nor have they when the head cannot be read, or never ends, if it begins as this one does."""
        for rest in (b"/x HTTP/1.1\r\n\r\n", b"nothing HTTP/1.1\r\nHost: h\r\n\r\n", b"/x HTTP/1.1\r\nA: \0",
                     b"/x HTTP/1.1\r\nA: " + b"b" * 70000, b"/x HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"):
            self.app = self.application()
            self.app.send(b"HEAD " + rest)
            self.assertIn(self.app.response(b"HEAD").status, (400, 431), rest)
            self.assertTrue(self.app.received.endswith(b"\r\n\r\n"), rest)

    def test_head_that_is_slow(self) -> None:
        self.app.send(b"HEAD /")
        self.hub.wait(31)
        self.assertEqual(self.app.response(b"HEAD").status, 408)
        self.assertTrue(self.app.received.endswith(b"\r\n\r\n"))

    def test_behind_head(self) -> None:
        """Another request's answer has its body."""
        self.app.get(method=b"HEAD")
        self.agent.answer()
        self.app.send(b"GET / HTTP/1.1\r\n\r\nHEAD / HTTP/1.1\r\n\r\n")
        self.assertTrue(self.app.responses(b"HEAD", b"GET")[-1].body)

    def test_no_content(self) -> None:
        for text, lengths in ((b"204 No Content", []), (b"304 Not Modified\r\nContent-Length: 7", [b"7"])):
            self.app.get()
            self.agent.answer(text)
            response = self.app.responses()[-1]
            self.assertEqual(response.all(b"content-length"), lengths)
            self.assertEqual(response.all(b"transfer-encoding"), [])

    def test_empty(self) -> None:
        self.app.get()
        self.agent.answer()
        self.assertEqual(self.app.response().all(b"content-length"), [b"0"])


class OldVersionTests(AgentTestCase):
    """HTTP/1.0."""

    def ask(self, *fields: bytes, method: bytes = b"GET") -> None:
        self.app.get(b"/", *fields, method=method, version=b"1.0")

    def test_closes(self) -> None:
        self.ask()
        self.agent.answer(body=b"hello")
        self.assertEqual(self.app.response().all(b"connection"), [b"close"])
        self.assertEqual(self.app.transport.ended, "close")
        self.assertTrue(self.app.transport.lost)

    def test_keep_alive(self) -> None:
        self.ask(b"Connection: Keep-Alive")
        self.agent.answer(body=b"hello")
        self.assertEqual(self.app.response().all(b"connection"), [b"keep-alive"])
        self.ask(b"Connection: keep-alive")
        self.agent.answer()
        self.assertEqual(self.statuses(), [200, 200])

    def test_ends_with_the_connection(self) -> None:
        """An answer of unknown length, for somebody who knows no chunks, even if it asked to stay."""
        self.ask(b"Connection: keep-alive")
        self.agent.head(b"200 OK")
        self.agent.data(b"hello")
        self.assertFalse(self.app.gone)
        self.agent.end_answer()
        response = self.app.response()
        self.assertEqual((response.body, response.all(b"connection")), (b"hello", [b"close"]))
        self.assertEqual(response.all(b"transfer-encoding"), [])

    def test_cut_off(self) -> None:
        """Nobody may take such an answer for complete that isn't."""
        self.ask()
        self.agent.head(b"200 OK")
        self.agent.data(b"hel")
        self.agent.lose()
        self.assertEqual(self.app.transport.ended, "abort")

    def test_never_interim(self) -> None:
        self.app.send(request(b"/", b"Expect: 100-continue", method=b"POST", version=b"1.0", body=b"hello"))
        self.agent.head(b"100 Continue")
        self.agent.answer()
        self.assertEqual(self.statuses(), [200])


class ExpectTests(AgentTestCase):
    """``Expect: 100-continue``, end to end."""

    def expect(self, *fields: bytes, length: int = 5) -> None:
        self.app.send(request(b"/", b"Expect: 100-continue", b"Content-Length: %d" % length, *fields, method=b"POST"))

    def test_goes_on(self) -> None:
        self.expect()
        self.assertEqual(self.app.received, b"")
        self.agent.head(b"100 Continue")
        self.assertEqual(self.statuses(), [100])
        self.app.send(b"hello")
        self.assertTrue(self.agent.last.complete)
        self.agent.answer()
        self.assertEqual(self.statuses(), [100, 200])
        self.app.get()
        self.agent.answer()
        self.assertEqual(self.statuses(), [100, 200, 200])

    def test_refused(self) -> None:
        """Whether the body comes after all nobody knows: the connection cannot be used again."""
        self.expect()
        self.agent.answer(b"401 Unauthorized")
        self.assertEqual(self.app.response().all(b"connection"), [b"close"])
        self.assertEqual(self.app.transport.ended, "half-closed")

    def test_refused_by_the_hub(self) -> None:
        self.agent.lose()
        self.expect()
        self.assertEqual(self.app.response().all(b"connection"), [b"close"])

    def test_other_interim_answers(self) -> None:
        self.app.get()
        self.agent.head(b"103 Early Hints\r\nLink: </s.css>")
        self.agent.head(b"102 Processing")
        self.agent.answer()
        self.assertEqual(self.statuses(), [103, 102, 200])
        self.assertEqual(self.app.responses()[0].field(b"link"), b"</s.css>")

    def test_none_behind_the_final_head(self) -> None:
        self.app.get()
        self.agent.head(b"200 OK", 5)
        self.app.channel._request.answer_interim(b"HTTP/1.1 103 Early Hints\r\n\r\n")  # type: ignore[union-attr]
        self.agent.data(b"hello")
        self.agent.end_answer()
        self.assertEqual(self.app.response().body, b"hello")

    def test_not_for_who_does_not_read(self) -> None:
        """They come outside of credit, so somebody who doesn't read gets none, instead of any number."""
        self.app.get()
        self.app.transport.reading = False
        self.agent.head(b"103 Early Hints\r\nLink: " + b"x" * 60000)
        before = self.app.transport.pending
        self.agent.head(b"103 Early Hints\r\nLink: " + b"x" * 60000)
        self.assertGreater(self.app.transport.pending, before)
        after = self.app.transport.pending
        for _ in range(3):
            self.agent.head(b"103 Early Hints\r\nLink: " + b"x" * 60000)
        self.assertEqual((self.app.transport.pending, len(self.app.channel.outlet._backlog)), (after, 0))

    def test_no_deadline_while_it_waits_for_a_slot(self) -> None:
        """The application holds its body back: that it doesn't come is no fault of its own."""
        self.application().get()
        self.expect(BLOCK)
        self.hub.wait(200)
        self.assertEqual(self.app.received, b"")
        self.agent.answer(number=1)
        self.hub.wait(59)
        self.assertEqual(self.app.received, b"")
        self.hub.wait(3)
        self.assertEqual(self.statuses(), [408])


class PipeliningTests(AgentTestCase):
    """Several requests before their answers: RFC 9112 section 9.3.2."""

    def test_in_order(self) -> None:
        self.app.send(request(b"/1") + request(b"/2", method=b"POST", body=b"two") + request(b"/3"))
        for number, target in enumerate((b"/1", b"/2", b"/3"), 1):
            self.assertEqual((len(self.agent.streams), self.agent.last.head.target), (number, target))
            self.agent.answer(body=target)
        self.assertEqual([response.body for response in self.app.responses()], [b"/1", b"/2", b"/3"])
        self.assertEqual(self.agent.streams[2].body, b"two")

    def test_cut_behind_a_good_one(self) -> None:
        """An answer that breaks off takes none before it with it: if some of those may be on their way, it ends the
        connection behind them."""
        for unsent, ended in ((0, "abort"), (1, "half-closed")):
            self.app = self.application()
            self.app.send(request(b"/1") + request(b"/2"))
            self.agent.answer(body=b"good")
            self.agent.started()
            self.agent.head(b"200 OK", 9)
            self.agent.data(b"bad")
            with mock.patch.object(direct, "unsent", return_value=unsent):
                self.agent.confirm(code=ErrorCode.UPSTREAM_BROKE)
            self.hub.clock.advance(0)
            self.assertEqual(self.app.transport.ended, ended)
        self.assertIn(b"good", self.app.received)
        self.assertTrue(self.app.received.endswith(b"\r\n\r\nbad"))

    def test_cut_as_its_framing_asks(self) -> None:
        """The end of the connection must not look like the end of the answer; if it cannot, nothing of it is lost."""
        for version, length, unsent, ended in (
            (b"1.1", None, 0, "half-closed"),
            (b"1.1", 9, 0, "abort"),
            (b"1.1", 9, 1, "half-closed"),
            (b"1.0", None, 1, "abort"),
        ):
            self.app = self.application()
            self.app.send(b"GET / HTTP/" + version + b"\r\nHost: h\r\n\r\n")
            self.agent.head(b"200 OK", length)
            self.agent.data(b"bad")
            with mock.patch.object(direct, "unsent", return_value=unsent):
                self.agent.confirm(code=ErrorCode.UPSTREAM_BROKE)
            self.hub.clock.advance(0)
            self.assertEqual(self.app.transport.ended, ended)

    def test_cut_in_one_piece(self) -> None:
        """What an agent's message says of an answer is the application's, though the same message breaks it off."""
        for length, said in ((None, b"\r\n\r\n3\r\nbad\r\n"), (9, b"\r\n\r\nbad")):
            self.app = self.application()
            self.app.send(request(b"/"))
            self.hub.site.corks.during(self.break_off, length)
            self.hub.clock.advance(0)
            self.assertEqual(self.app.transport.ended, "half-closed")
            self.assertTrue(self.app.received.endswith(said))

    def break_off(self, length: int | None) -> None:
        """An answer that is not whole."""
        self.agent.head(b"200 OK", length)
        self.agent.data(b"bad")
        self.agent.confirm(code=ErrorCode.UPSTREAM_BROKE)

    def test_one_comes_during_the_answer(self) -> None:
        self.app.get(b"/1")
        self.agent.head(b"200 OK", 3)
        self.app.send(request(b"/2")[:9], request(b"/2")[9:])
        self.assertEqual(len(self.agent.streams), 1)
        self.agent.data(b"one")
        self.agent.end_answer()
        self.agent.answer(body=b"two")
        self.assertEqual([response.body for response in self.app.responses()], [b"one", b"two"])

    def test_error_behind_good_ones(self) -> None:
        """The good ones are answered, the bad one is, and nothing behind it is looked at."""
        self.app.send(request(b"/1") + request(b"/2") + b"GET / HTTP/1.1\r\n\r\n" + request(b"/3"))
        self.agent.answer()
        self.agent.answer()
        self.assertEqual(self.statuses(), [200, 200, 400])
        self.assertEqual(len(self.agent.streams), 2)
        self.assertEqual(self.app.transport.ended, "half-closed")
        self.app.send(request(b"/4"))
        self.assertEqual(len(self.agent.streams), 2)

    def test_refused_at_once_between(self) -> None:
        """Answers that need no agent wait for their turn too."""
        self.begin(Wanted(gateway=GatewayPolicy(app_password=b"xyzzy")))
        good = b"Slime-App-Password: xyzzy"
        self.app.send(request(b"/1", good) + request(b"/2") + request(b"/3", good) + request(b"/4"))
        self.assertEqual(self.statuses(), [])
        self.agent.answer()
        self.agent.answer()
        self.assertEqual(self.statuses(), [200, 401, 200, 401])

    def test_close_in_the_middle(self) -> None:
        """What stands behind ``Connection: close`` is not looked at."""
        self.app.send(request(b"/1", b"Connection: close") + request(b"/2"))
        self.agent.answer()
        self.assertEqual(self.statuses(), [200])
        self.assertEqual(len(self.agent.streams), 1)
        self.assertEqual(self.app.transport.ended, "half-closed")

    def test_flood(self) -> None:
        """No more is read ahead than the limit and what was on its way."""
        self.app.get(b"/0")
        batch = request(b"/x") * 1000
        while not self.app.transport.paused:
            self.app.send(batch)
        self.assertLess(self.app.channel._parser.buffered, 64 * 1024 + 2 * len(batch))
        for _ in range(100):
            self.agent.answer()
            self.hub.clock.advance(0)
        self.assertTrue(self.app.transport.paused)
        while self.app.channel.inlet.pauses:
            self.agent.answer()
            self.hub.clock.advance(0)
        self.assertLessEqual(self.app.channel._parser.buffered, 64 * 1024)

    def test_others_have_their_turn(self) -> None:
        """A segment can hold hundreds of requests: they are not answered all at once."""
        self.agent.lose()
        self.app.transport.deliver(request(b"/") * 100)
        self.assertEqual(len(self.hub.finished), 32)
        self.app.send(request(b"/") * 10)
        for _ in range(5):
            self.hub.clock.advance(0)
        self.assertEqual(self.statuses(), [503] * 110)

    def test_goes_on_by_itself_meanwhile(self) -> None:
        """Two reasons to go on: the second finds a request that is being answered."""
        self.agent.lose()
        self.app.transport.deliver(request(b"/") * 100)
        self.app.channel.drained()
        agent = self.hub.agent("beta")
        self.hub.clock.advance(0)
        self.assertEqual((len(agent.streams), len(self.hub.finished)), (1, 32))

    def test_leaves_before_its_next_turn(self) -> None:
        self.agent.lose()
        self.app.transport.deliver(request(b"/") * 100)
        self.app.transport.hang_up()
        self.hub.clock.advance(0)
        self.assertEqual(len(self.hub.finished), 32)

    def test_flood_by_who_does_not_read(self) -> None:
        """Answers of the hub's own don't pile up: no request is begun while answers wait to be read."""
        self.begin(Wanted(gateway=GatewayPolicy(app_password=b"xyzzy")))
        self.app.transport.reading = False
        while not self.app.transport.paused:
            self.app.send(request(b"/") * 500)
        for _ in range(20):
            self.hub.clock.advance(0)
        self.assertLess(self.app.transport.pending, 75 * 1024)
        self.app.transport.take()
        for _ in range(20):
            self.hub.clock.advance(0)
        self.assertGreater(self.app.transport.pending, 64 * 1024)
        self.app.transport.reading = True
        for _ in range(100):
            self.app.transport.take()
            self.hub.clock.advance(0)
        self.assertEqual(set(self.statuses()), {401})
        self.assertEqual(self.app.channel._parser.buffered, 0)
        self.app.get(b"/")
        self.assertTrue(self.app.responses()[-1].complete)

    def test_date(self) -> None:
        """Who has a clock dates what has no date, the upstream's answers and its own (RFC 9110 section 6.6.1)."""
        self.hub.clock.advance(86400)
        date = b"Fri, 02 Jan 1970 00:16:40 GMT"
        self.app.get()
        self.agent.answer()
        self.app.get()
        self.agent.started()
        self.agent.head(b"200 OK\r\ndAtE: yesterday", 0)
        self.app.send(b"nonsense\r\n")
        self.assertEqual([one.field(b"date") for one in self.app.responses()], [date, b"yesterday", date])

    def test_reads_no_more(self) -> None:
        """The hub cuts it off, and does not say that it left."""
        self.app.transport.reading = False
        self.app.get()
        self.agent.head(b"200 OK", 2 * LARGE)
        self.agent.data(b"x" * LARGE)
        self.hub.wait(62)
        self.assertEqual(self.app.transport.ended, "abort")
        self.assertEqual([exchange.outcome for exchange in self.hub.finished], ["too-slow"])

    def test_not_idle_while_answers_are_read(self) -> None:
        """Somebody slow is not taken for somebody silent."""
        self.app.transport.reading = False
        self.app.get()
        self.agent.answer(body=b"x" * LARGE)
        for _ in range(100):
            self.app.transport.ours.send(b"x")
            self.hub.wait(1)
        self.assertFalse(self.app.gone)
        self.app.transport.take()
        self.hub.clock.advance(0)
        self.app.transport.reading = True
        self.app.get()
        self.agent.answer()
        self.assertEqual(self.statuses(), [200, 200])


class EarlyAnswerTests(AgentTestCase):
    """Answers that come before the request's body."""

    def test_body_in_the_same_segment(self) -> None:
        self.agent.lose()
        self.app.send(request(method=b"POST", body=b"hello") + request())
        self.assertEqual(self.statuses(), [503, 503])
        self.assertFalse(self.app.gone)

    def test_chunked_body_in_the_same_segment(self) -> None:
        """Where such a body ends is known only when it has been read."""
        self.agent.lose()
        self.app.send(chunked(b"hello") + request())
        self.assertEqual(self.statuses(), [503])
        self.assertEqual(self.app.transport.ended, "half-closed")

    def test_small_body_later(self) -> None:
        """Clients send head and body apart: for a few bytes the connection need not end."""
        self.agent.lose()
        self.app.send(request(b"/", b"Content-Length: 5", method=b"POST"), b"he", b"llo" + request())
        self.assertEqual(self.statuses(), [503, 503])
        self.assertEqual(self.app.responses()[0].all(b"connection"), [])

    def test_small_body_never(self) -> None:
        """The answer was given: there is no other one to give."""
        self.agent.lose()
        self.app.send(request(b"/", b"Content-Length: 5", method=b"POST"), b"he")
        self.hub.wait(62)
        self.assertEqual(self.statuses(), [503])
        self.assertEqual(self.app.transport.ended, "half-closed")

    def test_large_body_later(self) -> None:
        self.agent.lose()
        self.app.send(request(b"/", b"Content-Length: %d" % LARGE, method=b"POST"))
        self.assertEqual(self.app.response().all(b"connection"), [b"close"])
        self.assertEqual(self.app.transport.ended, "half-closed")
        self.app.send(b"x" * LARGE, request())
        self.assertEqual(self.statuses(), [503])

    def test_chunked_body_later(self) -> None:
        self.agent.lose()
        self.app.send(request(b"/", CHUNKED, method=b"POST"), b"5\r\nhello\r\n0\r\n\r\n")
        self.assertEqual(self.app.response().all(b"connection"), [b"close"])
        self.assertEqual(self.app.transport.ended, "half-closed")

    def test_during_the_upload(self) -> None:
        self.app.send(request(b"/", CHUNKED, method=b"POST"), b"5\r\nhello\r\n")
        self.agent.head(b"413 Too Large", 3)
        self.agent.data(b"big")
        self.app.send(b"5\r\nhello\r\n")
        self.assertEqual(self.agent.last.body, b"hellohello")
        self.agent.end_answer()
        response = self.app.response()
        self.assertEqual((response.status, response.body, response.complete), (413, b"big", True))
        self.app.send(b"5\r\nhello\r\n", b"garbage")
        self.assertEqual(self.agent.last.body, b"hellohello")
        self.app.leave()
        self.assertTrue(self.app.transport.lost)

    def test_upload_ends_during_the_answer(self) -> None:
        """Both at once; the connection was promised to end, and does when both are over."""
        self.app.send(request(b"/", CHUNKED, method=b"POST"), b"5\r\nhello\r\n")
        self.agent.head(b"200 OK")
        self.app.send(b"0\r\n\r\n")
        self.assertTrue(self.agent.last.complete)
        self.agent.data(b"hello")
        self.agent.end_answer()
        self.assertEqual((self.app.response().body, self.app.transport.ended), (b"hello", "close"))

    def test_paused_upload(self) -> None:
        """The agent took nothing more of it; now it is read again, and thrown away."""
        self.begin(Wanted(pool=PoolLimits(exchange=ExchangePolicy(replay_body=500))))
        self.agent.waiting_bytes = 10**6
        self.app.send(request(b"/", b"Content-Length: 60000", method=b"POST"), b"x" * 500, b"x" * 500)
        self.assertTrue(self.app.transport.paused)
        self.hub.wait(100)
        self.agent.answer(b"403 Forbidden")
        self.assertFalse(self.app.transport.paused)
        self.hub.wait(30)
        self.app.send(b"x" * 59000 + request())
        self.agent.answer()
        self.assertEqual(self.statuses(), [403, 200])


class LingeringTests(AgentTestCase):
    """Closing while input may come, so that it doesn't destroy the answer: RFC 9112 section 9.6."""

    def test_not_without_need(self) -> None:
        """The request was here as a whole, and refused before its end was looked at."""
        self.agent.lose()
        for message in (request(b"/", b"Connection: close"), request(method=b"POST", version=b"1.0", body=b"hello")):
            app = self.application()
            app.send(message)
            self.assertEqual((app.response().status, app.transport.ended), (503, "close"))

    def refuse(self) -> None:
        self.app.send(b"nonsense\r\n\r\n")

    def test_application_closes(self) -> None:
        self.refuse()
        self.assertEqual((self.statuses(), self.app.transport.ended), ([400], "half-closed"))
        self.app.send(b"more of it")
        self.app.leave()
        self.assertEqual(self.hub.site.connections, set())

    def test_application_does_not(self) -> None:
        self.refuse()
        self.hub.wait(2)
        self.assertFalse(self.app.transport.lost)
        self.hub.wait(2)
        self.assertTrue(self.app.transport.lost)

    def test_application_has_not_read_the_answer(self) -> None:
        """The time begins when everything is out."""
        self.app.transport.reading = False
        self.app.send(request(b"/", CHUNKED, method=b"POST"))
        self.agent.answer(body=b"x" * LARGE)
        for _ in range(10):
            self.app.transport.take(5000)
            self.app.transport.ours.send(b"x" * 1000)
            self.hub.wait(10)
        self.assertFalse(self.app.gone)
        self.app.transport.reading = True
        self.app.transport.take()
        self.hub.clock.advance(0)
        self.assertEqual(self.app.transport.ended, "half-closed")
        self.hub.wait(45)
        self.assertFalse(self.app.transport.lost, "the kernel still has bytes to send")
        self.app.transport.theirs.recv(10**6)
        self.hub.wait(2)
        self.assertFalse(self.app.transport.lost)
        self.hub.wait(2)
        self.assertTrue(self.app.transport.lost)
        self.assertTrue(self.app.response().complete)

    def test_application_never_reads_the_answer(self) -> None:
        self.app.transport.reading = False
        self.app.send(request(b"/", CHUNKED, method=b"POST"))
        self.agent.answer(body=b"x" * LARGE)
        self.hub.wait(62)
        self.assertTrue(self.app.transport.lost)

    def test_nothing_to_wait_for(self) -> None:
        """What the transport has drained of is nobody's business any more."""
        self.refuse()
        self.app.channel.drained()
        self.assertEqual(self.statuses(), [400])

    def test_no_half_close(self) -> None:
        """A transport that cannot do it is closed."""
        with mock.patch.object(MemoryTransport, "loseWriteConnection", property()):
            self.refuse()
            self.hub.clock.advance(0)
        self.assertEqual((self.app.transport.ended, self.app.transport.lost), ("close", True))

    def test_closes_once(self) -> None:
        """What else would close it comes too late."""
        self.refuse()
        self.hub.site.drain()
        self.app.channel.loseConnection()
        self.hub.clock.advance(0)
        self.assertEqual(self.app.transport.ended, "half-closed")


class DeadlineTests(AgentTestCase):
    """Every wait has an end: by the sweep, once a second."""

    def test_nothing_comes(self) -> None:
        """A connection without a request is closed without a word."""
        self.hub.wait(30)
        self.assertFalse(self.app.gone)
        self.hub.wait(1)
        self.assertEqual((self.app.transport.ended, self.app.received), ("close", b""))

    def test_slow_head(self) -> None:
        """The limit is for the whole head, however little by little it comes."""
        for byte in request(b"/" + b"x" * 100)[:31]:
            self.app.send(bytes([byte]))
            self.hub.wait(1)
        self.assertEqual(self.statuses(), [408])
        self.assertEqual(self.app.transport.ended, "half-closed")

    def test_slow_second_head(self) -> None:
        self.app.get()
        self.agent.answer()
        self.hub.wait(70)
        self.app.send(b"GET ")
        self.hub.wait(29)
        self.app.send(b"/ ")
        self.assertFalse(self.app.gone)
        self.hub.wait(2)
        self.assertEqual(self.statuses(), [200, 408])

    def test_empty_lines_are_no_head(self) -> None:
        self.app.send(b"\r\n")
        self.hub.wait(76)
        self.assertEqual((self.app.transport.ended, self.app.received), ("close", b""))

    def test_idle(self) -> None:
        self.app.get()
        self.agent.answer()
        self.hub.wait(75)
        self.assertFalse(self.app.gone)
        self.hub.wait(1)
        self.assertEqual((self.app.transport.ended, self.statuses()), ("close", [200]))

    def test_answer_takes_its_time(self) -> None:
        self.app.get()
        self.hub.wait(1000)
        self.agent.head(b"200 OK", 2)
        self.hub.wait(1000)
        self.agent.data(b"ok")
        self.agent.end_answer()
        self.assertEqual(self.statuses(), [200])

    def test_slow_body(self) -> None:
        """It may take long, but not pause for long; its agent is told."""
        self.app.send(request(b"/", CHUNKED, method=b"POST"))
        for _ in range(5):
            self.hub.wait(59)
            self.app.send(b"1\r\nx\r\n")
        self.hub.wait(60)
        self.assertIsNone(self.agent.last.reset)
        self.hub.wait(1)
        self.assertIs(self.agent.last.reset, ErrorCode.CANCELLED)
        self.assertEqual(self.statuses(), [408])
        self.assertEqual(self.app.transport.ended, "half-closed")
        self.assertEqual(self.hub.finished[-1].outcome, "request-timeout")

    def test_slow_body_while_answered(self) -> None:
        """Neither side can be completed."""
        self.app.send(request(b"/", CHUNKED, method=b"POST"))
        self.agent.head(b"200 OK")
        self.hub.wait(61)
        self.assertFalse(self.app.response().complete)
        self.assertEqual(self.app.transport.ended, "half-closed")
        self.assertIs(self.agent.last.reset, ErrorCode.CANCELLED)

    def test_upload_held_back(self) -> None:
        """That nothing comes is no fault of the application's then; and it gets its time afterwards."""
        self.agent.waiting_bytes = 10**6
        self.app.send(request(b"/", b"Content-Length: 200000", method=b"POST"), b"x" * 100_000, b"x")
        self.hub.wait(300)
        self.assertFalse(self.app.gone)
        self.agent.last.exchange.writable()
        self.hub.wait(60)
        self.assertFalse(self.app.gone)
        self.hub.wait(1)
        self.assertEqual(self.statuses(), [408])

    def test_slow_reader(self) -> None:
        """Who takes nothing for a minute is cut off, and the agent's slot is free."""
        self.app.transport.reading = False
        self.app.get()
        self.agent.head(b"200 OK")
        self.agent.data(b"x" * LARGE)
        self.hub.wait(60)
        self.assertFalse(self.app.gone)
        self.hub.wait(2)
        self.assertEqual(self.app.transport.ended, "abort")
        self.assertIs(self.agent.last.reset, ErrorCode.CANCELLED)

    def test_very_slow_reader(self) -> None:
        """The transport's buffer does not move, but the kernel's does."""
        self.app.transport.reading = False
        self.app.get()
        self.agent.head(b"200 OK")
        self.agent.data(b"x" * LARGE)
        for _ in range(5):
            self.app.transport.ours.send(b"x" * 10)
            self.hub.wait(59)
        self.assertFalse(self.app.gone)

    def test_many_connections(self) -> None:
        """They are looked after some at a time, so that requests can come between."""
        apps = [self.application() for _ in range(3)]
        with mock.patch("slime.hub.site.SWEPT_AT_ONCE", 1):
            self.hub.clock.advance(40)
            self.hub.site.sweep()
            self.assertEqual(sum(app.transport.ended == "close" for app in [self.app, *apps]), 1)
            apps[0].transport.hang_up()
            for _ in range(5):
                self.hub.clock.advance(0)
        self.assertEqual(self.hub.site.connections, set())

    def test_error_in_a_sweep(self) -> None:
        """One connection's trouble is no other's."""
        with mock.patch.object(self.app.channel, "check", side_effect=ZeroDivisionError):
            other = self.application()
            self.hub.wait(31)
        self.assertTrue(self.app.transport.lost)
        self.assertTrue(other.transport.lost)
        self.assertGreaterEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class LeavingTests(AgentTestCase):
    """The application hangs up: at every stage."""

    def leave(self) -> None:
        self.app.leave()
        self.assertEqual(self.hub.site.connections, set())

    def test_before_anything(self) -> None:
        self.leave()

    def test_in_the_head(self) -> None:
        self.app.send(b"GET / HT")
        self.leave()
        self.assertEqual((self.agent.streams, self.hub.answered), ({}, []))

    def test_queued(self) -> None:
        self.agent.lose()
        self.app.get(b"/", BLOCK)
        self.assertEqual(self.hub.pool.waiting, 1)
        self.leave()
        self.assertEqual((self.hub.pool.waiting, self.hub.finished[-1].outcome), (0, "left"))

    def test_queued_with_a_paused_upload(self) -> None:
        """Nobody reads, so the reactor doesn't notice: the sweep does."""
        self.agent.lose()
        self.app.send(request(b"/", BLOCK, b"Content-Length: %d" % LARGE, method=b"POST"), b"x" * LARGE)
        self.app.send(request())
        self.app.channel.pause_body()
        self.assertTrue(self.app.transport.paused)
        self.hub.wait(5)
        self.assertEqual(self.hub.pool.waiting, 1)
        self.app.transport.hang_up()
        self.assertEqual(self.hub.pool.waiting, 1)
        self.hub.wait(1)
        self.assertEqual((self.hub.pool.waiting, self.hub.site.connections), (0, set()))

    def test_during_the_upload(self) -> None:
        self.app.send(request(b"/", CHUNKED, method=b"POST"), b"5\r\nhello\r\n")
        self.leave()
        self.assertEqual((self.agent.last.reset, self.agent.last.complete), (ErrorCode.CANCELLED, False))

    def test_waiting_for_the_answer(self) -> None:
        self.app.get()
        self.leave()
        self.assertIs(self.agent.last.reset, ErrorCode.CANCELLED)
        other = self.application()
        other.get(b"/", BLOCK)
        self.assertEqual(len(self.agent.streams), 1, "the slot is free when the agent says so")
        self.agent.confirm()
        self.assertEqual(len(self.agent.streams), 2)

    def test_during_the_answer(self) -> None:
        self.app.get()
        self.agent.head(b"200 OK", 100)
        self.agent.data(b"some")
        self.leave()
        self.assertIs(self.agent.last.reset, ErrorCode.CANCELLED)
        self.agent.data(b"more")
        self.agent.end_answer()
        self.assertEqual(self.hub.finished[-1].outcome, "left")

    def test_with_requests_behind(self) -> None:
        self.app.send(request() * 3)
        self.leave()
        self.agent.confirm()
        self.assertEqual(len(self.agent.streams), 1)

    def test_after_the_answer(self) -> None:
        self.app.get()
        self.agent.answer()
        self.leave()
        self.assertIsNone(self.agent.last.reset)

    def test_events_that_come_too_late(self) -> None:
        """The link doesn't know yet: nothing happens to a connection that is gone."""
        self.app.send(request(b"/", CHUNKED, method=b"POST"), b"5\r\nhello\r\n")
        exchange = self.agent.last.exchange
        self.leave()
        exchange.writable()
        exchange.drained()
        exchange.left()
        exchange.fail(Trouble(ErrorCode.INTERNAL))
        exchange.request.pause_body()
        self.agent.started()
        self.agent.head(b"100 Continue")
        self.agent.head(b"200 OK")
        self.agent.data(b"x")
        self.agent.end_answer([(b"X", b"1")])
        self.app.channel.abortConnection()
        self.assertEqual(self.app.transport.ended, "")


class BackpressureTests(AgentTestCase):
    """No side gets ahead of the other by more than its bounds."""

    def test_answer(self) -> None:
        """What the application has not taken is not credited to the agent."""
        self.app.transport.reading = False
        self.app.get()
        self.agent.head(b"200 OK", 10**6)
        pieces = 0
        while not self.app.channel.write_blocked:
            self.agent.data(b"%04d" % pieces * 4096)
            pieces += 1
        stream = self.agent.last
        credited = stream.consumed
        self.assertLess(credited, pieces * 16384)
        for piece in range(pieces, pieces + 10):
            self.agent.data(b"%04d" % piece * 4096)
        self.assertEqual(stream.consumed, credited)
        self.assertLess(self.app.transport.pending, 90 * 1024)
        self.app.transport.take()
        self.hub.clock.advance(0)
        self.assertEqual(stream.consumed, credited, "the next 64 KiB are not out yet")
        self.app.transport.reading = True
        self.app.transport.take()
        for _ in range(5):
            self.hub.clock.advance(0)
        self.assertEqual(stream.consumed, (pieces + 10) * 16384)
        body = self.app.response().body
        self.assertEqual(body, b"".join(b"%04d" % piece * 4096 for piece in range(pieces + 10)))

    def test_upload(self) -> None:
        """The agent's queue is long: the application is not read; it is when the queue is short again."""
        self.app.send(request(b"/", b"Content-Length: 300000", method=b"POST"), b"x" * 100_000)
        self.assertFalse(self.app.transport.paused)
        self.agent.waiting_bytes = 200 * 1024
        self.app.send(b"x" * 1000)
        self.assertTrue(self.app.transport.paused)
        self.agent.waiting_bytes = 0
        self.agent.last.exchange.writable()
        self.assertFalse(self.app.transport.paused)

    def test_upload_of_a_request_that_waits(self) -> None:
        self.agent.lose()
        self.app.send(request(b"/", BLOCK, b"Content-Length: 300000", method=b"POST"))
        sent = 0
        while not self.app.transport.paused:
            self.app.send(b"x" * 10000)
            sent += 10000
        self.assertLess(sent, 80000)
        self.agent = self.hub.agent("beta")
        self.assertFalse(self.app.transport.paused)
        self.app.send(b"x" * (300000 - sent))
        self.assertEqual((len(self.agent.last.body), self.agent.last.complete), (300000, True))

    def test_pipelined_behind_a_paused_upload(self) -> None:
        """Two reasons not to read: one that is gone does not end the other."""
        self.agent.waiting_bytes = 10**6
        self.app.send(request(b"/", b"Content-Length: 10", method=b"POST"), b"x" * 5)
        self.app.send(b"x" * 5 + request() * 3000)
        self.assertTrue(self.app.transport.paused)
        self.agent.last.exchange.writable()
        self.assertTrue(self.app.transport.paused)


class BrokenBodyTests(AgentTestCase):
    """A body that breaks off or breaks the rules never looks complete to anybody."""

    def test_chunk_error(self) -> None:
        self.app.send(request(b"/", CHUNKED, method=b"POST"), b"5\r\nhello\r\n", b"5\r\nhelloXX")
        self.assertEqual((self.agent.last.reset, self.agent.last.complete), (ErrorCode.CANCELLED, False))
        self.assertEqual((self.statuses(), self.app.transport.ended), ([400], "half-closed"))
        self.assertEqual(self.hub.finished[-1].outcome, "bad-request")
        self.agent.confirm()

    def test_chunk_error_in_the_first_segment(self) -> None:
        self.app.send(request(b"/", CHUNKED, method=b"POST") + b"5\r\nhelloXX")
        self.assertEqual((self.agent.last.complete, self.statuses()), (False, [400]))

    def test_chunk_error_while_it_waits(self) -> None:
        """Nobody ever hears of the request."""
        self.agent.lose()
        self.app.send(request(b"/", CHUNKED, BLOCK, method=b"POST"), b"oops\r\n")
        self.assertEqual((self.statuses(), self.hub.pool.waiting), ([400], 0))

    def test_chunk_error_while_answered(self) -> None:
        self.app.send(request(b"/", CHUNKED, method=b"POST"))
        self.agent.head(b"200 OK")
        self.app.send(b"oops\r\n")
        self.assertEqual(self.app.transport.ended, "half-closed")
        self.assertFalse(self.agent.last.complete)

    def test_chunk_error_behind_the_answer(self) -> None:
        """The answer was early and whole; the connection is ending anyway."""
        self.app.send(request(b"/", CHUNKED, method=b"POST"))
        self.agent.answer()
        self.app.send(b"oops\r\n")
        self.assertEqual(self.statuses(), [200])

    def test_forbidden_trailer(self) -> None:
        self.app.send(request(b"/", CHUNKED, method=b"POST"), b"0\r\nContent-Length: 5\r\n\r\n")
        self.assertEqual((self.statuses(), self.agent.last.complete), ([400], False))


class MaxBodyTests(AgentTestCase):
    """``--max-body``."""

    wanted = Wanted(pool=PoolLimits(exchange=ExchangePolicy(max_body=10)))

    def test_announced(self) -> None:
        self.app.send(request(method=b"POST", body=b"x" * 11))
        self.assertEqual((self.statuses(), self.agent.streams), ([413], {}))
        self.assertEqual(self.hub.finished[-1].outcome, "body-too-large")

    def test_counted(self) -> None:
        self.app.send(request(b"/", CHUNKED, method=b"POST"), b"a\r\n0123456789\r\n")
        self.assertEqual(self.statuses(), [])
        self.app.send(b"1\r\nx\r\n0\r\n\r\n")
        self.assertEqual((self.statuses(), self.agent.last.complete), ([413], False))

    def test_allowed(self) -> None:
        self.app.send(request(method=b"POST", body=b"x" * 10))
        self.agent.answer()
        self.assertEqual(self.statuses(), [200])


class LimitTests(HubTestCase):
    """Bounds of a connection, and of their number."""

    wanted = Wanted(ChannelLimits(head=HeadLimits(1000, 5, 100), max_connections=2))

    def test_head(self) -> None:
        for message, status in (
            (request(b"/" + b"x" * 100), 414),
            (request(b"/", b"X: " + b"x" * 1000), 431),
            (request(b"/", *[b"X: y"] * 6), 431),
            (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
            (b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", 501),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", 400),
        ):
            app = self.application()
            app.send(message)
            self.assertEqual(app.response().status, status, message)
            app.leave()

    def test_connections(self) -> None:
        first, second, third = (self.application() for _ in range(3))
        self.hub.clock.advance(0)
        self.assertEqual((first.gone, second.gone, third.gone), (False, False, True))
        first.leave()
        self.hub.site.sweep()
        self.assertFalse(self.application().gone)


class ShutdownTests(AgentTestCase):
    """The site takes its leave."""

    def test_idle_connections_go(self) -> None:
        self.hub.site.drain()
        self.assertNoResult(self.hub.site.when_idle())
        self.hub.clock.advance(0)
        self.assertTrue(self.app.transport.lost)
        self.successResultOf(self.hub.site.when_idle())

    def test_running_ones_finish(self) -> None:
        self.app.get()
        self.hub.site.drain()
        idle = [self.hub.site.when_idle() for _ in range(2)]
        self.hub.clock.advance(0)
        self.agent.answer(body=b"hello")
        self.assertEqual(self.app.response().all(b"connection"), [b"close"])
        self.assertTrue(self.app.transport.lost)
        for deferred in idle:
            self.successResultOf(deferred)

    def test_begun_before(self) -> None:
        """The head has promised another request; it will not be kept, which RFC 9112 section 9.5 allows for."""
        self.app.get()
        self.agent.head(b"200 OK", 5)
        self.hub.site.drain()
        self.agent.data(b"hello")
        self.agent.end_answer()
        self.assertEqual(self.app.response().body, b"hello")
        self.assertTrue(self.app.transport.lost)

    def test_cut_off(self) -> None:
        self.app.get()
        self.hub.site.abort()
        self.hub.clock.advance(0)
        self.assertEqual((self.app.transport.ended, self.app.transport.lost), ("abort", True))


class Successor(Protocol):
    def __init__(self) -> None:
        self.got = b""
        self.lost = False

    def dataReceived(self, data: bytes) -> None:
        self.got += data

    def connectionLost(self, reason: Failure = Failure(ZeroDivisionError())) -> None:  # noqa: B008
        self.lost = True


class DetachTests(HubTestCase):
    """Somebody else takes the connection over."""

    def setUp(self) -> None:
        super().setUp()
        self.app = self.application()
        self.successor = Successor()

    def take_over(self, *pieces: bytes) -> bytes:
        upgrade = request(b"/v1/agent/tunnel", b"Connection: Upgrade", b"Upgrade: websocket")
        self.app.send(upgrade + pieces[0], *pieces[1:])
        [knock] = self.hub.door.knocks
        return knock.channel.detach(self.successor)

    def test_nothing_is_lost(self) -> None:
        """Not what came with the head, nor what came later, nor the end."""
        self.assertEqual(self.take_over(b"early"), b"early")
        self.app.send(b"late")
        self.assertEqual(self.successor.got, b"late")
        self.app.transport.registerProducer(mock.Mock(), True)
        self.app.leave()
        self.assertTrue(self.successor.lost)

    def test_no_application_any_more(self) -> None:
        self.take_over(b"")
        self.assertEqual(self.hub.site.connections, set())
        self.hub.wait(1000)
        self.hub.site.drain()
        self.assertFalse(self.app.gone)

    def test_reading_goes_on(self) -> None:
        """More than the limit came behind the head."""
        self.assertEqual(len(self.take_over(b"x" * LARGE, b"y")), LARGE + 1)
        self.assertFalse(self.app.transport.paused)

    def test_within_the_head(self) -> None:
        """The door takes it at once, while the channel is still reading."""
        rests: list[bytes] = []
        with mock.patch.object(
            self.hub.door, "enter", lambda knock: rests.append(knock.channel.detach(self.successor))
        ):
            self.app.send(
                request(b"/v1/agent/tunnel", b"Connection: Upgrade", b"Upgrade: websocket") + b"early", b"late"
            )
        self.assertEqual((rests, self.successor.got), ([b"early"], b"late"))

    def test_unread_answers_go_first(self) -> None:
        """An answer before the upgrade that the application has not read yet."""
        agent = self.hub.agent()
        self.app.transport.reading = False
        self.app.get()
        agent.head(b"200 OK", 3 * LARGE)
        agent.data(b"x" * LARGE)
        agent.data(b"y" * LARGE)
        agent.data(b"z" * LARGE)
        self.app.channel.requestFactory(self.app.channel)
        self.app.channel.detach(self.successor)
        self.app.transport.write(b"101")
        self.app.transport.reading = True
        self.app.transport.take()
        self.assertTrue(self.app.received.endswith(b"z101"))
        self.assertEqual(self.app.response().body[: 2 * LARGE], b"x" * LARGE + b"y" * LARGE)


class MemoryTests(AgentTestCase):
    """What is over is gone at once: the collector of cycles has nothing to do."""

    def test_request_and_exchange(self) -> None:
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        self.app.send(request(method=b"POST", body=b"hello"))
        exchange = self.agent.last.exchange
        gone: list[weakref.ref[Any]] = [weakref.ref(exchange), weakref.ref(exchange.request)]
        del exchange
        self.agent.answer(body=b"x")
        self.agent.streams.clear()
        self.hub.finished.clear()
        self.assertEqual([one() for one in gone], [None, None])

    def test_connection(self) -> None:
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        for leave in (True, False):
            app = self.application()
            app.get(b"/", BLOCK)
            things = (app.channel, app.channel.outlet, self.agent.last.exchange.request)
            gone: list[weakref.ref[Any]] = [weakref.ref(thing) for thing in things]
            del things
            if not leave:
                self.agent.answer()
            app.leave()
            self.hub._applications.pop()
            self.agent.confirm()
            self.agent.streams.clear()
            self.hub.finished.clear()
            del app
            self.assertEqual([one() for one in gone], [None] * 3)


def chunked(body: bytes) -> bytes:
    return request(b"/", CHUNKED, method=b"POST") + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
