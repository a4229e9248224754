"""Slow bodies: they take no slot before there is something to do."""

from __future__ import annotations

from slime.hub.pool import PoolLimits
from slime.hub.terms import Patience
from tests.hub_fixture import HubTestCase, Wanted, request


class DoorstepTests(HubTestCase):
    """One agent with one slot."""

    def setUp(self) -> None:
        super().setUp()
        self.alpha = self.hub.agent("alpha")
        self.slow = self.application()

    def begin(self, size: int, *fields: bytes) -> None:
        """The head of a request whose body is to be so long."""
        self.slow.send(request(b"/", b"Content-Length: %d" % size, *fields, method=b"POST"))

    def test_slow_body_takes_no_slot(self) -> None:
        """Found by ``slowhttptest -B``: a byte now and then held a provider."""
        self.begin(5)
        self.slow.send(b"hell")
        self.assertEqual(self.alpha.streams, {})
        other = self.application()
        other.get()
        self.alpha.answer()
        self.assertEqual(other.response().status, 200)

    def test_complete_body(self) -> None:
        self.begin(5)
        self.slow.send(b"hell")
        self.slow.send(b"o")
        self.assertEqual((self.alpha.last.body, self.alpha.last.trailers), (b"hello", []))
        self.alpha.answer()
        self.assertEqual(self.slow.response().status, 200)

    def test_large_body(self) -> None:
        """Of a large body the beginning is enough."""
        self.begin(10**9)
        self.slow.send(b"x" * (self.hub.pool.policy.replay_body - 1))
        self.assertEqual(self.alpha.streams, {})
        self.slow.send(b"yz")
        self.assertEqual(self.alpha.last.body[-3:], b"xyz")

    def test_unknown_length(self) -> None:
        """A conversation may begin before the first byte."""
        self.slow.send(request(b"/", b"Transfer-Encoding: chunked", method=b"POST"))
        self.assertEqual(len(self.alpha.streams), 1)

    def test_expectation(self) -> None:
        """Nothing comes before the upstream has been asked."""
        self.begin(5, b"Expect: 100-continue")
        self.assertEqual(len(self.alpha.streams), 1)

    def test_expectation_that_does_not_wait(self) -> None:
        """Who sends the body along waits for nothing, and takes no slot if it is bad."""
        self.rebuild(Wanted(pool=PoolLimits(patience=Patience(body=0.25))))
        self.alpha, self.slow = self.hub.agent("alpha"), self.application()
        head = request(b"/", b"Transfer-Encoding: chunked", b"Expect: 100-continue", method=b"POST")
        self.slow.send(head + b"zz\r\n")
        self.assertEqual(self.slow.response().status, 400)
        self.assertEqual(self.alpha.streams, {})

    def test_nobody_to_serve_it(self) -> None:
        """There is no need to wait for what will be refused."""
        self.alpha.lose()
        self.begin(5)
        self.assertEqual(self.slow.response().status, 503)

    def test_leaves(self) -> None:
        self.begin(5)
        self.slow.leave()
        [exchange] = self.hub.finished
        self.assertEqual(exchange.outcome, "left")
        self.assertEqual(self.alpha.streams, {})

    def test_stalls(self) -> None:
        self.begin(5)
        self.slow.send(b"h")
        self.hub.wait(61)
        self.assertEqual(self.slow.response().status, 408)
        self.assertEqual(self.alpha.streams, {})
