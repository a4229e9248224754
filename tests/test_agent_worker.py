"""A request at the upstream, told as what the hub, the slots and the upstream do in turn."""

from __future__ import annotations

from collections.abc import Callable
from unittest import mock

from twisted.logger import capturedLogs

from slime.agent.worker import HIGH_WATER, Worker
from slime.errors import ErrorCode
from slime.http.head import ResponseHead
from slime.tunnel import Data, End, Head, Open, Refused, Reset, Revoked, Started
from tests.agent_fakes import ANSWER, ANSWER_BLOCK, HEAD, WorkerCase, scripted_shop


class OrdinaryCase(WorkerCase):
    """Requests that ask for no upgrade."""

    def opened(self, stream_id: int = 1, head: bytes = HEAD, length: int | None = 0, ahead: bool = False) -> Worker:
        """The hub opens a stream."""
        worker = Worker(self.shop, self.link, Open(stream_id, head, length, ahead))
        self.shop.admit(worker, ahead)
        return worker


class ExchangeTests(OrdinaryCase):
    """A request that goes well."""

    def test_whole_answer(self) -> None:
        self.opened()
        self.call.answer(b"hello")
        expected = [Started(1), Head(1, ANSWER_BLOCK, 5), Data(1, b"hello"), End(1)]
        self.assertEqual(self.sent(), expected)
        self.assertEqual(self.link.forgotten, [1])

    def test_request_is_rewritten(self) -> None:
        self.opened()
        head = self.call.head
        self.assertEqual((head.method, head.target), (b"GET", b"/base/v1/models"))
        self.assertIn((b"Host", b"upstream:80"), head.fields)
        self.assertEqual(self.call.length, 0)

    def test_answer_without_body_ends_with_its_head(self) -> None:
        self.opened()
        self.call.answer(b"")
        self.assertEqual(self.sent(), [Started(1), Head(1, ANSWER_BLOCK, 0)])

    def test_interim_and_trailers(self) -> None:
        self.opened()
        sink = self.call.sink
        sink.started()
        sink.interim(ResponseHead(b"1.1", 103, b"Early Hints", [(b"Link", b"</a>")]))
        sink.head(ANSWER, None)
        sink.end([(b"Digest", b"x")])
        early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        expected = [Started(1), Head(1, early, None, interim=True), Head(1, ANSWER_BLOCK, None)]
        self.assertEqual(self.sent(), [*expected, End(1, [(b"Digest", b"x")])])

    def test_answer_to_head_keeps_its_length(self) -> None:
        self.opened(head=HEAD.replace(b"GET", b"HEAD"))
        self.call.sink.head(ResponseHead(b"1.1", 200, b"OK", [(b"Content-Length", b"7")]), 0)
        self.assertEqual(self.sent(), [Head(1, b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", 0)])

    def test_upload(self) -> None:
        worker = self.opened(length=None)
        worker.body(Data(1, b"abc"))
        worker.body(Data(1, b"de"))
        worker.body_ended(End(1, [(b"Digest", b"x")]))
        self.assertEqual(self.call.done, [b"abc", b"de", ("end", [(b"Digest", b"x")])])
        self.assertEqual(self.link.used, [(1, 3), (1, 2)])


class FlowTests(OrdinaryCase):
    """Neither side is sent more than it takes."""

    def test_slow_application_pauses_the_upstream_once(self) -> None:
        worker = self.opened()
        self.call.sink.head(ANSWER, None)
        self.link.waiting = HIGH_WATER
        self.call.sink.data(b"x")
        self.assertEqual(self.call.done, [])
        self.link.waiting = HIGH_WATER + 1
        self.call.sink.data(b"x")
        self.call.sink.data(b"x")
        self.assertEqual(self.call.done, ["pause"])
        worker.resume()
        worker.resume()
        self.assertEqual(self.call.done, ["pause", "resume"])
        self.call.sink.data(b"x")
        self.assertEqual(self.call.done, ["pause", "resume", "pause"])

    def test_slow_upstream_keeps_the_hubs_credit(self) -> None:
        worker = self.opened(length=None)
        self.call.sink.pause_request()
        worker.body(Data(1, b"abc"))
        worker.body(Data(1, b"de"))
        self.assertEqual((self.call.done, self.link.used), ([b"abc", b"de"], []))
        self.call.sink.resume_request()
        self.call.sink.pause_request()
        self.call.sink.resume_request()
        self.assertEqual(self.link.used, [(1, 5)])


class FailureTests(OrdinaryCase):
    """A request that does not go well."""

    def test_upstream_fails(self) -> None:
        self.opened()
        self.call.sink.started()
        self.call.sink.failed(ErrorCode.UPSTREAM_BROKE, "cut off")
        self.assertEqual(self.sent(), [Started(1), Reset(1, ErrorCode.UPSTREAM_BROKE, "cut off")])
        self.opened(2)
        self.assertEqual(len(self.client.calls), 2)

    def test_upstream_fails_at_once(self) -> None:
        """The slot is free again, though the call failed before it was known."""
        self.client.unreachable = True
        for stream_id in (1, 2):
            self.opened(stream_id)
        detail = "it refuses connections"
        expected = [Reset(stream_id, ErrorCode.UPSTREAM_UNREACHABLE, detail) for stream_id in (1, 2)]
        self.assertEqual(self.sent(), expected)

    def test_trouble_is_logged_when_it_begins_and_ends(self) -> None:
        self.client.unreachable = True
        with capturedLogs() as events:
            for stream_id in (1, 2, 3):
                self.opened(stream_id)
            self.client.unreachable = False
            for stream_id in (4, 5):
                self.opened(stream_id)
                self.call.answer()
        self.assertEqual(
            [event["log_format"] for event in events],
            ["upstream {upstream}: {code}: {detail}{which}", "upstream {upstream} answers again"],
        )

    def test_trouble_says_which_request(self) -> None:
        """By the hub's name for it, and its trace."""
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        more = f"Slime-Request-Id: 0a1b-7\r\ntraceparent: 00-{trace}-00f067aa0ba902b7-01\r\n\r\n".encode()
        self.opened(1, HEAD[:-2] + more)
        with capturedLogs() as events:
            self.call.sink.failed(ErrorCode.UPSTREAM_BROKE, "cut off")
        self.assertEqual([event["which"] for event in events], [f" (request 0a1b-7, trace {trace})"])

    def test_bad_head(self) -> None:
        """The agent reads what the hub says as strictly as the hub read it."""
        for stream_id, head in enumerate((b"", HEAD + b"x", HEAD[:-2], HEAD.replace(b"Host:", b"Host :")), 1):
            self.opened(stream_id, head)
            (frame,) = self.sent()
            assert isinstance(frame, Reset)
            self.assertEqual((frame.stream_id, frame.code), (stream_id, ErrorCode.BAD_REQUEST))
        self.assertEqual(self.client.calls, [])

    def test_mistake_of_ours(self) -> None:
        """Whatever goes wrong when a request begins: it is told and logged, and the slot is free for the next one."""
        for stream_id, (owner, name) in enumerate(((self.shop.requests, "rewritten"), (self.client, "start")), 1):
            with mock.patch.object(owner, name, side_effect=ZeroDivisionError):
                self.opened(stream_id)
            self.assertEqual(self.sent(), [Reset(stream_id, ErrorCode.INTERNAL, "the agent could not begin it")])
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.opened(3)
        self.assertEqual((len(self.client.calls), self.sent()), (1, []))

    def test_mistake_with_what_came_early(self) -> None:
        """The upstream has been asked: it is left, and the slot is freed once, whoever had noticed first."""
        for number, trailers in enumerate(([], [(b"Host", b"x")])):
            self.shop, self.client = scripted_shop()
            self.opened(1)
            self.opened(2, length=None, ahead=True).body_ended(End(2, trailers))
            self.opened(3, ahead=True)
            self.sent()
            name = "abandon" if trailers else "body_ended"
            with mock.patch.object(Worker, name, self.failing(getattr(Worker, name), after=bool(trailers))):
                self.client.calls[0].answer(b"")
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
            self.assertEqual([call.done for call in self.client.calls[1:]], [["abort"], []])
            self.assertEqual(self.shop._slots.running, 1, number)

    @staticmethod
    def failing(method: Callable[..., object], after: bool) -> Callable[..., object]:
        """The method, with a mistake in it."""

        def fail(*arguments: object) -> None:
            if after:
                method(*arguments)
            raise ZeroDivisionError

        return fail

    def test_bad_trailers(self) -> None:
        bad = [(b"A", b"b\r\nC: d")], [(b"A b", b"c")], [(b"Content-Length", b"3")], [(b"a", b" b")]
        for stream_id, trailers in enumerate(bad, 1):
            self.opened(stream_id, length=None).body_ended(End(stream_id, trailers))
            self.assertEqual(self.call.done, ["abort"])
            self.assertEqual(self.sent(), [Reset(stream_id, ErrorCode.BAD_REQUEST, "trailers that cannot be")])

    def test_application_leaves(self) -> None:
        worker = self.opened()
        worker.abandon()
        self.assertEqual((self.call.done, self.sent()), (["abort"], []))
        self.opened(2)
        self.assertEqual(len(self.client.calls), 2)


class SlotTests(OrdinaryCase):
    """One slot, and more requests than that."""

    def test_no_slot(self) -> None:
        self.opened(1)
        self.opened(2)
        self.assertEqual(self.sent(), [Refused(2, ErrorCode.ALL_BUSY)])

    def test_sent_ahead(self) -> None:
        """It begins in the turn in which the slot is free, with what has come of its body."""
        self.opened(1)
        ahead = self.opened(2, length=None, ahead=True)
        ahead.body(Data(2, b"early"))
        ahead.body_ended(End(2))
        self.assertEqual((len(self.client.calls), self.link.used), (1, []))
        self.client.calls[0].answer(b"")
        self.assertEqual(self.call.done, [b"early", ("end", [])])
        self.assertEqual(self.link.used, [(2, 5)])

    def test_too_many_ahead(self) -> None:
        for stream_id in range(1, 7):
            self.opened(stream_id, ahead=True)
        self.assertEqual(self.sent(), [Refused(6, ErrorCode.ALL_BUSY)])

    def test_revoke_in_time(self) -> None:
        self.opened(1)
        self.opened(2, ahead=True).revoke()
        self.assertEqual(self.sent(), [Revoked(2)])
        self.client.calls[0].answer(b"")
        self.assertEqual(len(self.client.calls), 1)

    def test_revoke_too_late(self) -> None:
        worker = self.opened(1, ahead=True)
        self.call.start()
        worker.revoke()
        self.assertEqual(self.sent(), [Started(1)])

    def test_revoke_while_it_connects(self) -> None:
        """Nothing of it has reached the upstream: it goes back, and the next one has the slot."""
        worker = self.opened(1, length=None)
        worker.body(Data(1, b"early"))
        self.opened(2, ahead=True)
        worker.revoke()
        self.assertEqual((self.sent(), self.client.calls[0].done), ([Revoked(1)], [b"early", "abort"]))
        self.assertEqual((len(self.client.calls), self.link.forgotten), (2, [1]))

    def test_waiting_request_is_abandoned(self) -> None:
        self.opened(1)
        self.opened(2, ahead=True).abandon()
        self.client.calls[0].answer(b"")
        self.assertEqual(len(self.client.calls), 1)

    def test_whole_line_fails_at_once(self) -> None:
        """However long the line, each gets its answer, or is given back, and the slot is free at the end."""
        self.shop, self.client = scripted_shop(1, 5000)
        self.opened(1)
        for stream_id in range(2, 5002):
            self.opened(stream_id, ahead=True)
        first = self.client.calls[0]
        self.client.unreachable = True
        first.answer(b"")
        self.assertEqual(sum(isinstance(frame, Reset | Refused) for frame in self.sent()), 5000)
        self.client.unreachable = False
        self.opened(6000)
        self.call.answer(b"")
        self.assertIn(Started(6000), self.sent())

    def test_bad_trailers_of_a_request_sent_ahead(self) -> None:
        """The one behind it has the slot then."""
        self.opened(1)
        self.opened(2, length=None, ahead=True).body_ended(End(2, [(b"Host", b"x")]))
        self.opened(3, ahead=True)
        self.client.calls[0].answer(b"")
        self.assertEqual([call.done for call in self.client.calls[1:]], [["abort"], []])
        self.call.answer(b"")
        self.opened(4)
        self.assertEqual(len(self.client.calls), 4)

    def test_draining(self) -> None:
        self.opened(1)
        self.opened(2, ahead=True)
        self.shop.drain()
        self.opened(3)
        self.assertEqual(self.sent(), [Refused(n, ErrorCode.DRAINING) for n in (2, 3)])
        self.client.calls[0].answer(b"")
        self.assertEqual(self.sent(), [Started(1), Head(1, ANSWER_BLOCK, 0)])
