"""A request that asks to switch protocols, told as what the hub and the upstream do in turn."""

from __future__ import annotations

from slime.agent.passage import PassageWorker
from slime.agent.worker import HIGH_WATER
from slime.errors import ErrorCode
from slime.http.head import ResponseHead
from slime.tunnel import Data, End, Head, Open, Reset, Started
from tests.agent_fakes import ACCEPT, ANSWER, ANSWER_BLOCK, SWITCH, UPGRADE, WorkerCase

SWITCH_BLOCK = (
    b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
)


class PassageTests(WorkerCase):
    """One slot."""

    def opened(self, stream_id: int = 1, head: bytes = UPGRADE) -> PassageWorker:
        """The hub opens a stream for an upgrade."""
        worker = PassageWorker(self.shop, self.link, Open(stream_id, head, 0, upgrade=True))
        self.shop.admit(worker, False)
        return worker

    def switched(self) -> PassageWorker:
        """The upstream has switched."""
        worker = self.opened()
        self.call.sink.started()
        self.call.sink.head(SWITCH, None)
        self.assertEqual(self.sent(), [Started(1), Head(1, SWITCH_BLOCK, None, upgrade=True)])
        return worker

    @property
    def slot_is_free(self) -> bool:
        before = len(self.client.calls)
        self.opened(1000 + before)
        self.sent()
        return len(self.client.calls) > before

    def test_request(self) -> None:
        """The upstream is asked for what the application asked for."""
        self.opened()
        asked = self.call.head.fields
        self.assertEqual(asked[-2:], [(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade")])

    def test_both_ways(self) -> None:
        worker = self.switched()
        worker.body(Data(1, b"ping"))
        self.call.sink.data(b"pong")
        self.assertEqual((self.call.done, self.sent()), ([b"ping"], [Data(1, b"pong")]))
        self.assertEqual(self.link.used, [(1, 4)])

    def test_application_ends_first(self) -> None:
        worker = self.switched()
        worker.body_ended(End(1))
        self.call.sink.data(b"more")
        self.assertEqual((self.call.done, self.link.forgotten), ([("end", None)], []))
        self.call.sink.end([])
        self.assertEqual((self.sent(), self.link.forgotten), ([Data(1, b"more"), End(1)], [1]))
        self.assertTrue(self.slot_is_free)

    def test_upstream_ends_first(self) -> None:
        worker = self.switched()
        self.call.sink.end([])
        self.assertEqual(self.sent(), [End(1)])
        self.assertFalse(self.slot_is_free)
        worker.body(Data(1, b"more"))
        worker.body_ended(End(1))
        self.assertEqual(self.call.done, [b"more", ("end", None)])
        self.assertEqual((self.sent(), self.link.forgotten[-1]), ([], 1))
        self.assertTrue(self.slot_is_free)

    def test_upstream_ends_for_good(self) -> None:
        """It takes nothing more, and had said all it had to say."""
        self.switched()
        self.call.sink.end([])
        self.call.sink.failed(ErrorCode.NO_ERROR, "the upstream closed the connection")
        closed = Reset(1, ErrorCode.NO_ERROR, "the upstream closed the connection")
        self.assertEqual(self.sent(), [End(1), closed])
        self.assertTrue(self.slot_is_free)

    def test_upstream_is_gone_before_its_words_are(self) -> None:
        """The slot waits neither for these nor for the application, who may have to talk on before it reads."""
        worker = self.switched()
        self.call.sink.pause_request()
        worker.body(Data(1, b"for nobody"))
        self.link.waiting = 100
        self.call.sink.end([])
        self.call.sink.failed(ErrorCode.UPSTREAM_BROKE, "reset")
        said = [End(1), Reset(1, ErrorCode.UPSTREAM_BROKE, "reset")]
        self.assertEqual((self.sent(), self.link.forgotten, self.link.used), (said, [1], [(1, 10)]))
        self.assertTrue(self.slot_is_free)

    def test_upstream_breaks(self) -> None:
        self.switched()
        self.call.sink.failed(ErrorCode.UPSTREAM_BROKE, "gone")
        self.assertEqual(self.sent(), [Reset(1, ErrorCode.UPSTREAM_BROKE, "gone")])
        self.assertTrue(self.slot_is_free)

    def test_application_leaves(self) -> None:
        worker = self.switched()
        worker.abandon()
        self.assertEqual((self.call.done, self.sent()), (["abort"], []))
        self.assertTrue(self.slot_is_free)

    def test_backpressure(self) -> None:
        worker = self.switched()
        self.link.waiting = HIGH_WATER + 1
        self.call.sink.data(b"x")
        self.link.waiting = 0
        worker.resume()
        self.call.sink.pause_request()
        worker.body(Data(1, b"held"))
        self.assertEqual((self.call.done, self.link.used), (["pause", "resume", b"held"], []))
        self.call.sink.resume_request()
        self.assertEqual(self.link.used, [(1, 4)])

    def test_refused(self) -> None:
        """An upstream that does not switch answers as ever."""
        self.opened()
        self.call.answer(b"hello")
        self.assertEqual(self.sent(), [Started(1), Head(1, ANSWER_BLOCK, 5), Data(1, b"hello"), End(1)])
        self.assertTrue(self.slot_is_free)

    def test_interim(self) -> None:
        self.opened()
        self.call.sink.interim(ResponseHead(b"1.1", 103, b"Early Hints", []))
        self.call.sink.head(ANSWER, 0)
        self.call.sink.end([])
        self.assertEqual([type(frame) for frame in self.sent()], [Head, Head])

    def test_other_switch(self) -> None:
        """What was not asked for is the upstream's failure."""
        self.opened()
        fields = [(b"Connection", b"upgrade"), (b"Upgrade", b"h2c"), ACCEPT]
        self.call.sink.head(ResponseHead(b"1.1", 101, b"", fields), None)
        detail = "it switched to a protocol that was not asked for"
        self.assertEqual(self.sent(), [Reset(1, ErrorCode.UPSTREAM_BROKE, detail)])
        self.assertEqual(self.call.done, ["abort"])
        self.assertTrue(self.slot_is_free)

    def test_no_handshake(self) -> None:
        """The agent looks at the request as the hub did."""
        self.opened(head=UPGRADE.replace(b"Sec-WebSocket-Version: 13\r\n", b""))
        (frame,) = self.sent()
        assert isinstance(frame, Reset)
        self.assertEqual((frame.code, self.client.calls), (ErrorCode.BAD_REQUEST, []))

    def test_ended_while_it_waits(self) -> None:
        """A worker that has not begun has nothing to end; the protocol does not allow it, and it does no harm."""
        self.opened()
        waiting = PassageWorker(self.shop, self.link, Open(2, UPGRADE, 0, prefetch=True, upgrade=True))
        self.shop.admit(waiting, True)
        waiting.body_ended(End(2))
        self.assertEqual(self.sent(), [])
