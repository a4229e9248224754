"""How many agents are let in, and when."""

from __future__ import annotations

from twisted.internet.testing import EventLoggingObserver
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from slime.hub.links import LinkPolicy
from slime.rate import TokenBucket
from tests.link_fixture import HANDSHAKE, SECRET, MemoryHub, token


class BucketTests(SynchronousTestCase):
    def test_rate(self) -> None:
        """A second's worth at once, then as many as time passes."""
        bucket = TokenBucket(10.0, 100.0)
        self.assertEqual([bucket.take(100.0) for _ in range(11)], [True] * 10 + [False])
        self.assertEqual([bucket.take(100.25) for _ in range(3)], [True, True, False])
        self.assertEqual(sum(bucket.take(500.0) for _ in range(50)), 10)

    def test_slow(self) -> None:
        """Less than one a second."""
        bucket = TokenBucket(0.5, 0.0)
        self.assertEqual([bucket.take(now) for now in (0.0, 1.0, 2.0, 3.0)], [True, False, True, False])

    def test_no_limit(self) -> None:
        self.assertTrue(all(TokenBucket(0.0, 0.0).take(0.0) for _ in range(1000)))


class DoorTests(SynchronousTestCase):
    def test_log(self) -> None:
        """Whoever tries any number of tokens gets a few lines, and the number of the others later."""
        hub = MemoryHub()
        observer = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        knock = HANDSHAKE + b"Sec-WebSocket-Protocol: slime.v1\r\nAuthorization: Bearer forged\r\n\r\n"
        for _ in range(100):
            hub.app().deliver(knock)
        hub.clock.advance(0.2)
        hub.app().deliver(knock)
        lines = [formatEvent(event) for event in observer]
        self.assertEqual(len(lines), 12)
        self.assertTrue(all("was refused: its token is" in line for line in [*lines[:10], lines[11]]), lines)
        self.assertIn("90 more agents were refused", lines[10])

    def test_too_many(self) -> None:
        """Who comes beyond the rate is asked to come back; who has no good token is told just that."""
        hub = MemoryHub(LinkPolicy(SECRET, handshake_rate=2))
        knock = HANDSHAKE + b"Sec-WebSocket-Protocol: slime.v1\r\nAuthorization: Bearer %b\r\n\r\n"
        answers = []
        for credentials in ("forged", token("a"), token("b"), token("c"), "forged"):
            app = hub.app()
            app.deliver(knock % credentials.encode())
            answers.append(app.taken())
        self.assertEqual([answer[9:12] for answer in answers], [b"401", b"101", b"101", b"503", b"401"])
        self.assertIn(b"\r\nRetry-After: 1\r\n", answers[3])
        hub.clock.advance(0.5)
        late = hub.app()
        late.deliver(knock % token("c").encode())
        self.assertEqual(late.taken()[9:12], b"101")
