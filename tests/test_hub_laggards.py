"""Applications that are slow, and whose slot others want."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from slime import sockets
from slime.hub.channel import ChannelLimits
from slime.hub.pace import LeastRate
from slime.hub.seats import Rights
from slime.hub.spool import SpoolLimits
from slime.hub.terms import ExchangePolicy, Patience, PoolLimits
from tests.hub_fixture import Application, HubTestCase, Wanted, request

KIB = 1024
CHUNKED = b"Transfer-Encoding: chunked"
RATES = LeastRate(500, 20.0)
SPOOL = SpoolLimits(each=256 * KIB, all=384 * KIB)
POOL = PoolLimits(patience=Patience(body=0.25, reader=0.25), exchange=ExchangePolicy(replay_body=1000))
WANTED = Wanted(ChannelLimits(rates=RATES, spool=SPOOL, send_timeout=1000.0, body_timeout=1000.0), POOL)


class SlowTestCase(HubTestCase):
    """One agent with one slot, and a kernel that counts what the test says."""

    wanted = WANTED

    def setUp(self) -> None:
        super().setUp()
        self.counts: dict[int, list[int]] = {}
        self.patch(sockets, "passed", self.passed)
        self.alpha = self.hub.agent("alpha")
        self.slow = self.application()

    def passed(self, descriptor: int) -> tuple[int, int]:
        acknowledged, received = self.counts.setdefault(descriptor, [0, 0])
        return acknowledged, received

    def reads(self, app: Application, size: int) -> None:
        """The kernel of an application has acknowledged so many bytes more."""
        self.passed(app.transport.fileno())
        self.counts[app.transport.fileno()][0] += size

    def sends(self, app: Application, data: bytes) -> None:
        """An application sends some of a body."""
        self.passed(app.transport.fileno())
        self.counts[app.transport.fileno()][1] += len(data)
        app.send(data)

    def pass_time(self, seconds: float) -> None:
        """Time passes in small steps, without a sweep."""
        for _ in range(round(seconds / 0.05)):
            self.hub.clock.advance(0.05)

    def upload(self, app: Application, *fields: bytes) -> None:
        """The head of a chunked request."""
        app.send(request(b"/slow", CHUNKED, *fields, method=b"POST"))

    def other(self, *fields: bytes) -> Application:
        """Somebody else, who has all that it takes."""
        app = self.application()
        app.get(b"/other", *fields)
        return app


class BodyTests(SlowTestCase):
    """Bodies of unknown length."""

    def test_waits_outside(self) -> None:
        self.upload(self.slow)
        self.pass_time(0.2)
        self.assertEqual(self.alpha.streams, {})
        self.pass_time(0.3)
        self.assertEqual(len(self.alpha.streams), 1)

    def test_end_is_enough(self) -> None:
        self.upload(self.slow)
        self.slow.send(b"2\r\nhi\r\n0\r\n\r\n")
        self.assertEqual((self.alpha.last.body, self.alpha.last.complete), (b"hi", True))
        self.pass_time(1.0)
        self.assertEqual(len(self.alpha.streams), 1)

    def test_much_is_enough(self) -> None:
        self.upload(self.slow)
        self.slow.send(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        self.assertEqual(len(self.alpha.last.body), 1000)

    def test_leaves(self) -> None:
        self.upload(self.slow)
        self.slow.leave()
        self.pass_time(1.0)
        self.assertEqual(self.alpha.streams, {})
        self.assertEqual([exchange.outcome for exchange in self.hub.finished], ["left"])

    def test_too_large(self) -> None:
        """It is refused, and never let in."""
        self.rebuild(Wanted(WANTED.channel, replace(POOL, exchange=ExchangePolicy(max_body=10, replay_body=10))))
        alpha, app = self.hub.agent("alpha"), self.application()
        self.upload(app)
        app.send(b"b\r\n" + b"x" * 11 + b"\r\n")
        self.assertEqual((app.response().status, alpha.streams), (413, {}))

    def test_breaks(self) -> None:
        self.upload(self.slow)
        self.slow.send(b"nonsense\r\n")
        self.pass_time(1.0)
        self.assertEqual((self.slow.response().status, self.alpha.streams), (400, {}))

    def test_makes_room(self) -> None:
        """For one who did not ask to wait, and for one who did."""
        for fields in ((), (b"Slime-Block: 1",)):
            slow = self.application()
            self.upload(slow)
            self.pass_time(0.5)
            self.alpha.started()
            late = self.other(*fields)
            self.assertEqual(slow.response().field(b"slime-error"), b"too-slow")
            self.assertEqual(late.responses(), [])
            self.alpha.confirm()
            self.alpha.answer()
            self.assertEqual(late.response().status, 200)

    def test_room_for_one(self) -> None:
        """A slot that becomes free is for one; the next one hears at once that there is none."""
        self.upload(self.slow)
        self.pass_time(0.5)
        self.alpha.started()
        self.other()
        self.assertEqual(self.other().response().field(b"slime-error"), b"all-busy")

    def test_agent_does_not_let_go(self) -> None:
        """Who did not ask to wait does not wait long."""
        self.upload(self.slow)
        self.pass_time(0.5)
        self.alpha.started()
        late = self.other()
        self.pass_time(2.3)
        self.assertEqual(late.response().field(b"slime-error"), b"all-busy")

    def test_one_who_waits_already(self) -> None:
        """As soon as it is behind."""
        self.upload(self.slow)
        self.slow.send(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        self.alpha.started()
        self.other(b"Slime-Block: 1")
        self.assertEqual(self.slow.responses(), [])
        self.pass_time(0.6)
        self.assertEqual(self.slow.response().field(b"slime-error"), b"too-slow")

    def test_one_who_was_sent_ahead(self) -> None:
        """It waits at the agent."""
        self.hub.pool.leave(self.alpha)
        self.hub.pool._limits = replace(POOL, prefetch=1)
        self.alpha.prefetch = 1
        self.hub.pool.join(self.alpha, Rights(), 1)
        self.upload(self.slow)
        self.pass_time(0.5)
        self.alpha.started()
        self.hub.pool.laggards._next_look = self.hub.clock.seconds() + 0.05
        self.other(b"Slime-Block: 1")
        self.assertTrue(self.alpha.last.ahead)
        self.pass_time(0.6)
        self.assertEqual(self.slow.response().field(b"slime-error"), b"too-slow")

    def test_no_room_for_the_slow(self) -> None:
        """One slow request does not make room for another."""
        self.upload(self.slow)
        self.pass_time(0.5)
        self.alpha.started()
        another = self.application()
        self.upload(another)
        self.pass_time(0.5)
        self.assertEqual(another.response().field(b"slime-error"), b"all-busy")
        self.assertEqual(self.slow.responses(), [])

    def test_no_room_elsewhere(self) -> None:
        """Nobody is cut off whose slot is of no use."""
        self.upload(self.slow)
        self.pass_time(0.5)
        self.alpha.started()
        other = self.other(b"Slime-Scope: gpu")
        self.hub.agent("beta", Rights(frozenset({"gpu"})), slots=0)
        late = self.other(b"Slime-Scope: gpu", b"Slime-Block: 1")
        self.pass_time(1.0)
        self.assertEqual(other.response().status, 503)
        self.assertEqual((self.slow.responses(), late.responses()), ([], []))

    def test_quick_enough(self) -> None:
        self.upload(self.slow)
        self.slow.send(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        self.alpha.started()
        self.other(b"Slime-Block: 1")
        for _ in range(20):
            self.sends(self.slow, b"3e8\r\n" + b"x" * 1000 + b"\r\n")
            self.pass_time(0.5)
        self.assertEqual(self.slow.responses(), [])

    def test_bursts(self) -> None:
        """What came while it had no slot counts: who brings much at a time may pause for seconds."""
        self.slow.send(request(b"/slow", b"Content-Length: 1000000", method=b"POST"))
        self.sends(self.slow, b"x" * 64 * KIB)
        self.alpha.started()
        self.other(b"Slime-Block: 1")
        self.pass_time(5.0)
        self.assertEqual(self.slow.responses(), [])
        self.pass_time(2.0)
        self.assertEqual(self.slow.response().field(b"slime-error"), b"too-slow")

    def test_conversation(self) -> None:
        """Once the answer has begun nobody is late who says nothing."""
        self.upload(self.slow)
        self.pass_time(0.5)
        self.alpha.started()
        self.alpha.head(b"200 OK")
        late = self.other()
        waiting = self.other(b"Slime-Block: 1")
        self.pass_time(2.0)
        self.hub.wait(60)
        self.assertEqual((late.response().status, waiting.responses()), (503, []))
        self.assertFalse(self.slow.gone)

    def test_not_our_fault(self) -> None:
        """While the hub reads no more, its application need not send."""
        self.upload(self.slow)
        self.alpha.waiting_bytes = 10**6
        self.slow.send(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        self.alpha.started()
        self.assertTrue(self.slow.transport.paused)
        self.other(b"Slime-Block: 1")
        self.pass_time(2.0)
        self.hub.wait(60)
        self.assertEqual(self.slow.responses(), [])

    def test_expectation(self) -> None:
        """Who waits to be asked has a moment more."""
        self.slow.send(request(b"/", b"Content-Length: 5", b"Expect: 100-continue", method=b"POST"))
        self.alpha.started()
        waiting = self.other(b"Slime-Block: 1")
        self.pass_time(1.6)
        self.assertEqual((self.slow.responses(), waiting.responses()), ([], []))
        self.pass_time(0.6)
        self.assertEqual(self.slow.response().field(b"slime-error"), b"too-slow")

    def test_uncontended(self) -> None:
        """A slot that nobody wants is kept, until the sweep's patience is over."""
        self.upload(self.slow)
        self.hub.wait(19)
        self.assertEqual(self.slow.responses(), [])
        self.hub.wait(3)
        self.assertEqual(self.slow.response().field(b"slime-error"), b"too-slow")

    def test_known_length(self) -> None:
        """At the doorstep nobody stays for ever, either."""
        self.slow.send(request(b"/", b"Content-Length: 900", method=b"POST"))
        for _ in range(30):
            self.sends(self.slow, b"x")
            self.hub.wait(1)
        self.assertEqual(self.slow.response().field(b"slime-error"), b"too-slow")
        self.assertEqual(self.alpha.streams, {})

    def test_storm(self) -> None:
        """A storm of refused requests does not look at everybody each time."""
        self.upload(self.slow)
        self.slow.send(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        self.alpha.started()
        looks: list[int] = []
        self.patch(sockets, "passed", lambda descriptor: looks.append(descriptor) or (0, 0))  # type: ignore[func-returns-value]
        for _ in range(20):
            self.assertEqual(self.other().response().status, 503)
        self.assertEqual(len(looks), 1)


class PatientTests(SlowTestCase):
    """A hub that leaves slots to those who have them."""

    wanted = Wanted(WANTED.channel, replace(POOL, patience=Patience()))

    def test_body(self) -> None:
        self.upload(self.slow)
        self.alpha.started()
        self.other(b"Slime-Block: 1")
        self.pass_time(5.0)
        self.assertEqual(self.slow.responses(), [])


class ReaderTests(SlowTestCase):
    """Answers that are read slowly."""

    def begin(self, app: Application, size: int | None = None) -> None:
        """An application that reads nothing of an answer that has begun; the transport holds 64 KiB of it."""
        app.transport.reading = False
        app.get(b"/slow")
        self.alpha.started()
        self.alpha.head(b"200 OK", size)
        self.alpha.data(b"x" * (64 * KIB + 1))

    def answer(self, size: int) -> None:
        """More of it, in pieces as a link has them."""
        for _ in range(size // (16 * KIB)):
            self.alpha.data(b"x" * 16 * KIB)

    def test_frees_the_slot(self) -> None:
        """What is here needs no slot."""
        self.begin(self.slow)
        self.answer(160 * KIB)
        self.assertEqual(self.alpha.last.consumed, 224 * KIB + 1)
        self.alpha.end_answer()
        late = self.other()
        self.alpha.answer()
        self.assertEqual(late.response().status, 200)
        self.assertGreater(self.hub.site.spool.used, 160 * KIB)
        self.slow.transport.reading = True
        self.slow.transport.take()
        for _ in range(9):
            self.hub.clock.advance(0)
        self.assertEqual(len(self.slow.response().body), 224 * KIB + 1)
        self.assertEqual(self.hub.site.spool.used, 0)

    def test_room_comes_back_bit_by_bit(self) -> None:
        self.begin(self.slow)
        self.answer(192 * KIB)
        used = self.hub.site.spool.used
        self.slow.transport.take()
        self.hub.clock.advance(0)
        self.assertTrue(0 < self.hub.site.spool.used < used)

    def test_left(self) -> None:
        self.begin(self.slow)
        self.answer(192 * KIB)
        self.slow.leave()
        self.assertEqual(self.hub.site.spool.used, 0)

    def test_share(self) -> None:
        """The rest stays with the agent, under its window."""
        self.begin(self.slow)
        self.answer(320 * KIB)
        self.assertEqual(self.alpha.last.consumed, 64 * KIB + 1 + 176 * KIB)

    def test_total(self) -> None:
        """What all have together is bounded, too."""
        self.begin(self.slow)
        self.answer(256 * KIB)
        another = self.application()
        self.alpha = self.hub.agent("gamma")
        self.begin(another)
        self.answer(256 * KIB)
        self.assertLessEqual(self.hub.site.spool.used, 384 * KIB)
        self.assertGreater(self.hub.site.spool.used, 352 * KIB)

    def test_makes_room(self) -> None:
        """Who holds a slot and reads nothing, while others wait."""
        self.begin(self.slow)
        self.answer(320 * KIB)
        self.pass_time(0.3)
        late = self.other()
        self.assertEqual(self.slow.transport.ended, "abort")
        self.alpha.confirm()
        self.alpha.answer()
        self.assertEqual(late.response().status, 200)
        self.assertEqual(self.hub.finished[0].outcome, "too-slow")

    def test_one_who_waits_already(self) -> None:
        self.begin(self.slow)
        waiting = self.other(b"Slime-Block: 1")
        self.answer(320 * KIB)
        self.pass_time(0.6)
        self.assertEqual(self.slow.transport.ended, "abort")
        self.alpha.confirm()
        self.alpha.answer()
        self.assertEqual(waiting.response().status, 200)

    def test_quick_enough(self) -> None:
        """Slower than its upstream, but not too slow."""
        self.begin(self.slow)
        self.other(b"Slime-Block: 1")
        self.answer(320 * KIB)
        for _ in range(60):
            self.reads(self.slow, 200)
            self.pass_time(0.2)
        self.assertEqual(self.slow.transport.ended, "")

    def test_reads_again(self) -> None:
        """Who has read everything is behind with nothing, and is watched anew later."""
        self.begin(self.slow)
        self.answer(320 * KIB)
        self.slow.transport.reading = True
        self.slow.transport.take()
        self.pass_time(1.0)
        self.slow.transport.reading = False
        waiting = self.other(b"Slime-Block: 1")
        self.pass_time(1.0)
        self.assertEqual((self.slow.transport.ended, waiting.responses()), ("", []))
        self.answer(400 * KIB)
        self.pass_time(0.6)
        self.assertEqual(self.slow.transport.ended, "abort")

    def test_uncontended(self) -> None:
        """Found by the sweep; what reads nothing ties up memory, if no slot."""
        for whole in (False, True):
            app = self.application()
            self.begin(app)
            if whole:
                self.alpha.end_answer()
            self.hub.wait(20)
            self.assertEqual(app.transport.ended, "")
            self.hub.wait(3)
            self.assertEqual(app.transport.ended, "abort")
            if not whole:
                self.alpha.confirm()

    def test_after_the_last_answer(self) -> None:
        """An answer that ends the connection is not waited for longer."""
        self.slow.transport.reading = False
        self.slow.get(b"/slow", version=b"1.0")
        self.alpha.started()
        self.alpha.head(b"200 OK", 100 * KIB)
        self.alpha.data(b"x" * 100 * KIB)
        self.alpha.end_answer()
        self.hub.wait(23)
        self.assertEqual(self.slow.transport.ended, "abort")

    def test_last_bytes(self) -> None:
        """Not even a small answer can be taken byte by byte for ever."""
        numbers = count(1)
        self.patch(sockets, "unsent", lambda descriptor: next(numbers))
        self.slow.transport.reading = False
        self.slow.get(b"/slow", version=b"1.0")
        self.alpha.answer(body=b"hello")
        self.hub.wait(20)
        self.assertEqual(self.slow.transport.ended, "close")
        self.hub.wait(3)
        self.assertTrue(self.slow.transport.lost)
        self.assertEqual(self.slow.transport.taken, b"")

    def test_nobody_counts(self) -> None:
        """A socket that is not of TCP is a proxy's."""
        self.patch(sockets, "passed", lambda descriptor: None)
        self.begin(self.slow)
        self.answer(320 * KIB)
        self.other(b"Slime-Block: 1")
        self.hub.wait(60)
        self.assertEqual(self.slow.transport.ended, "")
