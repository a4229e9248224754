"""Heads that are remembered, and answers that come in one piece: as strict and as exact as all others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from slime.agent.heads import LONGEST, REMEMBERED, RequestHeads, _known, parsed, passed_on
from slime.errors import BadMessage
from slime.http.forwarding import UpstreamAddress, agent_response_fields, rewrite_for_upstream
from slime.http.head import DEFAULT, RequestHead, ResponseHead, serialise_request_head, serialise_response_head
from slime.testing_upstream import RecordingSink
from tests.http_strategies import Sent, requests, responses
from tests.test_agent_upstream import HEARD_OK, OK, CallCase, request

ADDRESS = UpstreamAddress(b"upstream:80", b"/base", b"Basic eDp5")
START = b"GET /v1/models HTTP/1.1\r\nHost: app.example\r\nAccept: */*"


def numbered(number: bytes, start: bytes = START) -> bytes:
    """A request as a hub sends it."""
    return start + b"\r\nSlime-Request-Id: " + number + b"\r\n\r\n"


class RequestTests(SynchronousTestCase):
    """Requests from the link."""

    def setUp(self) -> None:
        self.heads = RequestHeads(DEFAULT, ADDRESS)

    def plain(self, text: bytes) -> RequestHead:
        """What is made of it without any memory; the hub's number stays last."""
        head = rewrite_for_upstream(parsed(text, DEFAULT), ADDRESS)
        fields = sorted(head.fields, key=lambda field: field[0] == b"Slime-Request-Id")
        return RequestHead(head.method, head.target, head.version, fields)

    @property
    def remembered(self) -> int:
        """How many heads there are in memory."""
        return self.heads._known.cache_info().currsize

    def test_number_is_each_requests_own(self) -> None:
        for number in (b"7a-1", b"7a-2"):
            self.assertEqual(self.heads.rewritten(numbered(number)), self.plain(numbered(number)))
        self.assertEqual(self.remembered, 1)

    def test_not_shared(self) -> None:
        """What somebody does to one request's fields is nothing to the next."""
        self.heads.rewritten(numbered(b"1")).fields.clear()
        self.assertEqual(self.heads.rewritten(numbered(b"1")), self.plain(numbered(b"1")))

    def test_bounded(self) -> None:
        for one in range(2 * REMEMBERED):
            self.heads.rewritten(numbered(b"1", START + b"%d" % one))
        self.assertEqual(self.remembered, REMEMBERED)

    def test_not_remembered(self) -> None:
        """Without a number, with an odd one, and when it is long."""
        long = numbered(b"1", START + b"\r\nX: " + b"x" * LONGEST)
        for text in (START + b"\r\n\r\n", numbered(b"a b"), numbered(b""), long):
            self.assertCountEqual(self.heads.rewritten(text).fields, self.plain(text).fields)
        self.assertEqual(self.remembered, 0)

    def test_refused(self) -> None:
        """As often as it comes."""
        bad = (
            numbered(b"1", b"GET / HTTP/1.1"),
            numbered(b"1", START + b"\r\nHost: other"),
            numbered(b"1", START + b"\r\nX:\n1"),
            numbered(b"1", START + b"\r\n\r\nGET / HTTP/1.1"),
            numbered(b"1") + b"more",
            numbered(b"1")[:-2],
            b"",
        )
        for text in bad * 2:
            self.assertRaises(BadMessage, self.heads.rewritten, text)
        self.assertEqual(self.remembered, 0)

    @given(requests())
    def test_any(self, sent: Sent) -> None:
        """Remembered or not, it is what the strict functions make of it."""
        assert isinstance(sent.head, RequestHead)
        heads, text = RequestHeads(DEFAULT, ADDRESS), numbered(b"1", serialise_request_head(sent.head)[:-4])
        self.assertEqual([heads.rewritten(text), heads.rewritten(text)], [self.plain(text)] * 2)


class AnswerHeadTests(SynchronousTestCase):
    """Answers on their way to the link."""

    @given(responses(), st.sampled_from([b"GET", b"HEAD"]))
    def test_any(self, sent: Sent, method: bytes) -> None:
        """Remembered or not, it is what the strict functions make of it."""
        head = sent.head
        assert isinstance(head, ResponseHead)
        fields = agent_response_fields(head, method)
        expected = serialise_response_head(ResponseHead(head.version, head.status, head.reason, fields))
        self.assertEqual([passed_on(head, method), passed_on(head, method)], [expected] * 2)

    def test_bounded(self) -> None:
        """In number and in length."""
        _known.clear()
        for size, remembered in ((LONGEST, 1), (LONGEST + 1, 1)):
            head = ResponseHead(b"1.1", 200, b"OK", [(b"X", b"x" * (size - 3))])
            self.assertEqual(passed_on(head, b"GET"), serialise_response_head(head))
            self.assertEqual(len(_known), remembered)
        for number in range(2 * REMEMBERED):
            passed_on(ResponseHead(b"1.1", 200, b"%d" % number, []), b"GET")
            self.assertLessEqual(len(_known), REMEMBERED)
        self.assertIn(b"%d" % number, [words[2] for words in _known])


class WholeAnswerTests(CallCase):
    """Answers that come in one piece."""

    def test_same_words(self) -> None:
        """An answer in the words of the one before is heard as that one was, but what it means may differ."""
        for method, heard in ((b"GET", HEARD_OK), (b"GET", HEARD_OK), (b"HEAD", [*HEARD_OK[:1], ("head", 200, 0)])):
            self.ask(request(method))
            self.say(OK)
            self.assertEqual(self.sink.events[:len(heard)], heard)
        self.assertEqual(self.sink.names, ["started", "head", "end"])

    def test_refused_again(self) -> None:
        for _ in range(2):
            self.ask()
            self.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nhi")
            self.assert_failed()

    def test_more_than_announced(self) -> None:
        """What follows an answer is nobody's, and so is its connection."""
        self.ask()
        self.say(OK + b"x")
        self.assertEqual(self.sink.events, HEARD_OK)
        self.assertFalse(self.is_reused)

    def test_given_up_at_the_head(self) -> None:
        """Who gives up when it sees the head does not hear of the rest."""
        call = self.ask()
        heard = self.sink.head

        def give_up(head: ResponseHead, length: int | None) -> None:
            heard(head, length)
            call.abort()

        self.sink.head = give_up  # type: ignore[method-assign]
        self.say(OK)
        self.assertEqual(self.sink.names, ["started", "head"])
        self.assert_gone()

    @given(responses(), st.integers(1, 200))
    def test_any(self, sent: Sent, cut: int) -> None:
        """In one piece or in two, twice or once: the same is heard, and the connection is kept or not alike."""
        self.setUp()
        stories = [self.story(sent.stream), self.story(sent.stream[:cut], sent.stream[cut:]), self.story(sent.stream)]
        self.assertEqual(stories, [stories[0]] * 3)

    def story(self, *pieces: bytes) -> tuple[list[object], bytes, bool]:
        """What is heard of an answer: its events but for data, its body, and whether its connection is kept."""
        self.ask()
        for piece in filter(None, pieces):
            self.say(piece)
        sink, reused = self.sink, self.is_reused
        self.upstream.last.close()
        self.turn()
        return [event for event in sink.events if event[0] != "data"], body(sink), reused


def body(sink: RecordingSink) -> bytes:
    """All that was heard of the body."""
    return b"".join(event[1] for event in sink.events if event[0] == "data")
