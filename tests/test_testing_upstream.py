"""The scripted upstream does what its script says, in memory."""

from __future__ import annotations

from slime.testing_upstream import Asked, Door, Then
from tests.test_agent_upstream import HEARD_OK, OK, CallCase, request


class ScriptTests(CallCase):
    """Answers by themselves."""

    def test_what_was_asked(self) -> None:
        """The script sees the request, whole."""
        seen: list[Asked] = []

        def answer(asked: Asked) -> bytes:
            seen.append(asked)
            return OK

        self.upstream.answer = answer
        for _ in range(2):
            call = self.ask(request(b"POST"), None)
            call.write(b"he")
            call.write(b"llo")
            call.end([(b"X-Sum", b"1")])
            self.assertEqual(self.sink.names, ["started"])
            self.turn()
            self.assertEqual(self.sink.events, HEARD_OK)
        self.assertEqual([asked.body for asked in seen], [b"hello", b"hello"])
        self.assertEqual((seen[0].head.method, seen[0].trailers), (b"POST", [(b"X-Sum", b"1")]))
        self.assertEqual(self.upstream.last.asked, seen)

    def test_steps(self) -> None:
        """Bytes are sent, numbers are waited for, and the connection ends as the script says."""
        head = b"HTTP/1.1 200 OK\r\n\r\n"
        for then, heard in ((Then.CLOSE, "end"), (Then.RESET, "failed")):
            self.upstream.answer = lambda asked, then=then: [head, 5.0, b"later", then]
            self.ask()
            self.turn()
            self.assertEqual(self.sink.names, ["started", "head"])
            self.clock.advance(5)
            self.turn()
            self.assertEqual(self.sink.names, ["started", "head", "data", heard])

    def test_given_up(self) -> None:
        """Who has gone does not come in."""
        self.upstream.door = Door.SILENT
        self.ask().abort()
        self.ask()
        self.upstream.open()
        self.assertEqual(len(self.upstream.connections), 1)

    def test_socket_closes_once(self) -> None:
        """As a real one does."""
        self.ask()
        for _ in range(2):
            self.socket.loseConnection()
            self.socket.abortConnection()
        self.socket.write(b"late")
        self.turn()
        self.assertEqual(self.sink.names, ["started", "failed"])
        self.assertEqual(self.upstream.last.reads, 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_socket_closes_when_it_is_empty(self) -> None:
        """What an upstream does not read keeps it open."""
        call = self.ask(request(b"POST"), 2)
        self.upstream.last.stop_reading()
        call.write(b"ab")
        call.end()
        self.say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        self.turn()
        self.assertIsNone(self.upstream.last.lost)
        self.upstream.last.read_on()
        self.assert_gone()
        self.assertTrue(self.upstream.last.received.endswith(b"ab"))

    def test_conditions(self) -> None:
        """A test can wait for what happens, in whatever order."""
        never = self.upstream.when(lambda: False)
        asked = self.upstream.when(lambda: self.upstream.connections)
        self.assertNoResult(asked)
        self.ask()
        self.successResultOf(asked)
        over = self.sink.when(lambda: self.sink.over)
        self.assertNoResult(over)
        self.say(OK)
        self.successResultOf(over)
        self.assertNoResult(never)
