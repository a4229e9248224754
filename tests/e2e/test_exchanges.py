"""One request and its answer, from both ends: passed on, streamed, cancelled, broken."""

from __future__ import annotations

import signal
from itertools import product
from time import monotonic

from tests.e2e.harness import Application, Served, SharedFleetTestCase, SlimeTestCase
from tests.e2e.messages import BrokenError

AT_ONCE = 1.0
"""Seconds in which the other end must notice that someone left."""


class PassingOnTests(SharedFleetTestCase):
    """What arrives is what was sent."""

    def test_request(self) -> None:
        """Method, target, fields in order and case, and the body arrive; slime's own fields are added."""
        asked = self.ask(b"PATCH /a//b/%2e?q=1&q=%20", b"x-TWICE: 1", b"Cookie: a=b", b"X-Twice: 2", body=b"\x00\xff")
        served = self.provider.serve()
        request = served.request
        self.assertEqual((request.method, request.target), (b"PATCH", b"/a//b/%2e?q=1&q=%20"))
        kept = [field for field in request.fields if field[0].lower() in (b"x-twice", b"cookie")]
        self.assertEqual(kept, [(b"x-TWICE", b"1"), (b"Cookie", b"a=b"), (b"X-Twice", b"2")])
        self.assertEqual((request.body, request.one(b"host")), (b"\x00\xff", self.provider.address.encode()))
        self.assertEqual(request.one(b"x-forwarded-for"), b"127.0.0.1")
        self.assertIn(b"1.1 slime", request.one(b"via"))
        self.assertEqual(asked.response().status, 200)

    def test_response(self) -> None:
        """Status, reason, fields and body come back; who gave the answer is added."""
        asked = self.ask(b"GET /")
        request = self.provider.next()
        request.answer(b"\x00tea\xff", b"418 I'm a teapot", b"Set-Cookie: a=1", b"Set-Cookie: b=2")
        answer = asked.response()
        self.assertEqual((answer.start, answer.body), (b"HTTP/1.1 418 I'm a teapot", b"\x00tea\xff"))
        self.assertEqual(answer.all(b"set-cookie"), [b"a=1", b"b=2"])
        self.assertEqual((answer.one(b"slime-agent-id"), answer.one(b"slime-agent-name")), (b"shared", b"shared"))
        self.assertEqual(answer.one(b"slime-request-id"), request.request.one(b"slime-request-id"))

    def test_keep_alive(self) -> None:
        """Many requests on one connection, and the agent's connection to its upstream is used again."""
        application, connections = self.application(self.shared), set()
        for number in range(5):
            application.ask(b"GET /%d" % number)
            connections.add(id(self.provider.serve(b"%d" % number)))
            self.assertEqual(application.response().body, b"%d" % number)
        self.assertEqual(len(connections), 1)

    def test_head(self) -> None:
        """The length in an answer to HEAD is the upstream's, and no body follows."""
        application = self.ask(b"HEAD /")
        served = self.provider.next()
        served.send(b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n")
        self.provider.again(served)
        self.assertEqual(application.response(b"HEAD").one(b"content-length"), b"12345")
        application.ask(b"GET /")
        self.provider.serve(b"next")
        self.assertEqual(application.response().body, b"next")


class StreamTests(SharedFleetTestCase):
    """Bodies pass as they come."""

    def begin(self) -> tuple[Application, Served]:
        """An exchange whose answer has begun: application and upstream."""
        asked = self.ask(b"GET /stream")
        served = self.provider.next()
        served.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.assertEqual(asked.head().status, 200)
        return asked, served

    def test_answer_by_events(self) -> None:
        """The head is there before the first byte of the body, and each event before the next is sent."""
        asked, served = self.begin()
        for number in range(20):
            served.send(b"8\r\ndata: %d%d\r\n" % (number % 10, number % 10))
            self.assertEqual(asked.chunk(), b"data: %d%d" % (number % 10, number % 10))
        served.send(b"0\r\n\r\n")
        self.assertEqual(asked.chunk(), b"")

    def test_both_ways_at_once(self) -> None:
        """An upstream may answer what it has not read to the end yet."""
        asked = self.ask(b"POST /", b"Transfer-Encoding: chunked")
        served = self.provider.next()
        served.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.assertEqual(asked.head().status, 200)
        for word in (b"one", b"two", b"three"):
            asked.send(b"%x\r\n%s\r\n" % (len(word), word))
            self.assertEqual(served.chunk(), word)
            served.send(b"%x\r\n%s\r\n" % (len(word), word))
            self.assertEqual(asked.chunk(), word)
        asked.send(b"0\r\n\r\n")
        self.assertEqual(served.chunk(), b"")
        served.send(b"0\r\n\r\n")
        self.assertEqual(asked.chunk(), b"")

    def test_until_close(self) -> None:
        """An upstream that ends its answer by closing the connection gives a complete answer."""
        asked = self.ask(b"GET /")
        served = self.provider.next()
        served.send(b"HTTP/1.0 200 OK\r\n\r\nall there is")
        served.close()
        self.assertEqual(asked.response().body, b"all there is")

    def test_cut(self) -> None:
        """An upstream that dies in the middle: the application sees a broken transfer, never an end."""
        asked, served = self.begin()
        served.send(b"5\r\nhalf \r\n")
        served.reset()
        with self.assertRaises(BrokenError):
            while asked.chunk():
                continue

    def test_cut_behind_events(self) -> None:
        """An upstream says something, faster than messages leave, and breaks off: all of that is read, and no end."""
        events = [b"data: %3d\n\n" % number for number in range(200)]
        framings = (b"Transfer-Encoding: chunked", b"b\r\n%s\r\n"), (b"Content-Length: 9999", b"%s")
        for version, (framing, form), how in product((b"1.1", b"1.0"), framings, (Served.reset, Served.close)):
            asked = self.application(self.shared)
            asked.send(b"GET / HTTP/%s\r\nHost: h\r\n\r\n" % version)
            served = self.provider.next()
            served.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
            for event in events:
                served.send(form % event)
            how(served)
            self.assertEqual(self.until_cut(asked), b"".join(events), (version, framing, how))

    def until_cut(self, asked: Application) -> bytes:
        """What comes of an answer until it is cut: its framing says that there should be more, or a reset does."""
        answer, body = asked.head(), b""
        with self.assertRaises(BrokenError) as caught:
            while True:
                if answer.all(b"transfer-encoding"):
                    body += asked.chunk() or self.fail("the last chunk")
                else:
                    asked.more()
                    body, asked.rest = body + asked.rest, b""
        if not answer.all(b"transfer-encoding") and not answer.all(b"content-length"):
            self.assertIsInstance(caught.exception.__cause__, ConnectionResetError)
        return body + asked.rest

    def test_cut_before_the_head(self) -> None:
        """An upstream that dies before it answers: 502."""
        asked = self.ask(b"POST /", body=b"x")
        self.provider.next().reset()
        answer = asked.response()
        self.assertEqual((answer.status, answer.one(b"slime-error")), (502, b"upstream-broke"))


class LeavingTests(SharedFleetTestCase):
    """The application goes away."""

    def gone(self, served: Served) -> None:
        """The upstream's connection ends soon."""
        self.assertTrue(served.closed_within(AT_ONCE), "the upstream still works for nobody")

    def test_before_the_head(self) -> None:
        """While the upstream thinks."""
        asked = self.ask(b"GET /")
        served = self.provider.next()
        asked.close()
        self.gone(served)

    def test_reset_before_the_head(self) -> None:
        """The same, in the rude way."""
        asked = self.ask(b"POST /", body=b"x" * 100)
        served = self.provider.next()
        asked.reset()
        self.gone(served)

    def test_in_the_middle(self) -> None:
        """While the answer comes."""
        asked = self.ask(b"GET /")
        served = self.provider.next()
        served.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        asked.head()
        asked.close()
        self.gone(served)

    def test_in_its_own_body(self) -> None:
        """While the request comes: what arrived is never a whole request."""
        asked = self.ask(b"POST /", b"Transfer-Encoding: chunked")
        asked.send(b"4\r\nhalf\r\n")
        served = self.provider.next()
        self.assertEqual(served.exactly(9), b"4\r\nhalf\r\n")
        asked.close()
        self.gone(served)

    def test_in_the_queue(self) -> None:
        """While waiting for a slot: its place is free at once, and its request never arrives."""
        first = self.ask(b"GET /first")
        running = self.provider.next()
        leaver = self.ask(b"GET /leaver", b"Slime-Block: 1")
        self.settle()
        stayer = self.ask(b"GET /stayer", b"Slime-Block: 1")
        self.settle()
        leaver.close()
        self.settle()
        running.answer(b"1")
        self.provider.again(running)
        self.assertEqual(self.provider.serve(b"3").request.target, b"/stayer")
        self.assertEqual((first.response().body, stayer.response().body), (b"1", b"3"))


class QueueTests(SharedFleetTestCase):
    """More applications than slots."""

    def test_no_wait(self) -> None:
        """Without ``Slime-Block``, 503 ``all-busy`` at once."""
        running = self.ask(b"GET /")
        served = self.provider.next()
        refused = self.ask(b"GET /").response()
        self.assertEqual((refused.status, refused.one(b"slime-error")), (503, b"all-busy"))
        self.assertTrue(int(refused.one(b"retry-after")) > 0)
        served.answer(b"")
        self.assertEqual(running.response().status, 200)

    def test_wait_is_over(self) -> None:
        """With a ``Slime-Timeout``, 504 ``queue-timeout`` when it is over, not sooner."""
        self.ask(b"GET /")
        self.provider.next()
        began = monotonic()
        late = self.ask(b"GET /", b"Slime-Block: 1", b"Slime-Timeout: 0.3s").response()
        self.assertEqual((late.status, late.one(b"slime-error")), (504, b"queue-timeout"))
        self.assertTrue(0.3 <= monotonic() - began < 0.3 + AT_ONCE)

    def test_wait_is_over_at_the_agent(self) -> None:
        """One that was sent ahead, whose forerunner ends as its time does: answered, or it has never been seen."""
        fleet = self.fleet()
        running = self.asking(fleet.hub, b"GET /first")
        first = fleet.upstream.next()
        late = self.asking(fleet.hub, b"POST /late", b"Slime-Block: 1", b"Slime-Timeout: 0.3s", body=b"x")
        self.asking(fleet.hub, b"GET /v1/agent/tunnel").response()  # the hub has read what came before
        fleet.agent.child.signal(signal.SIGSTOP)
        first.answer(b"1")
        fleet.upstream.again(first)
        late.socket.settimeout(0.6)
        with self.assertRaises(TimeoutError):
            late.socket.recv(1)
        fleet.agent.child.signal(signal.SIGCONT)
        self.assertEqual(running.response().body, b"1")
        after = self.asking(fleet.hub, b"GET /after", b"Slime-Block: 1")
        has_begun = fleet.upstream.serve(b"2").request.target == b"/late"
        answer = late.response()
        if has_begun:
            self.assertEqual(answer.body, b"2")
            fleet.upstream.serve(b"2")
        else:
            self.assertEqual((answer.status, answer.one(b"slime-started")), (504, b"no"))
        self.assertEqual(after.response().body, b"2")

    def test_order_and_gap(self) -> None:
        """Waiting requests start in the order of their arrival, each within 5 ms of the end of the one before."""
        served = self.first()
        waiting = []
        for number in range(10):
            waiting.append(self.ask(b"GET /%d" % number, b"Slime-Block: 1"))
            self.settle()
        gaps = []
        for number in range(10):
            served.answer(b"")
            self.provider.again(served)
            ended = monotonic()
            served = self.provider.next()
            gaps.append(monotonic() - ended)
            self.assertEqual(served.request.target, b"/%d" % number)
            if number:
                self.assertEqual(waiting[number - 1].response().status, 200)
        served.answer(b"")
        self.assertEqual(waiting[-1].response().status, 200)
        self.assertTrue(sorted(gaps)[len(gaps) // 2] < 0.005, gaps)

    def first(self) -> Served:
        """A request that has the only slot."""
        self.ask(b"GET /first")
        return self.provider.next()


class SlotTests(SlimeTestCase):
    """Several slots."""

    def test_as_many_as_slots(self) -> None:
        """Three slots run three requests at once and no fourth; a slot that frees takes the next."""
        fleet = self.fleet("--num-worker", "3")
        asked = [self.asking(fleet.hub, b"GET /%d" % number, b"Slime-Block: 1") for number in range(4)]
        running = [fleet.upstream.next() for _ in range(3)]
        self.assertTrue(fleet.upstream.silent_for(0.2))
        running[1].answer(b"")
        fleet.upstream.again(running[1])
        fourth = fleet.upstream.next()
        for served in (running[0], running[2], fourth):
            served.answer(b"")
        self.assertEqual([application.response().status for application in asked], [200] * 4)


class LostAgentTests(SlimeTestCase):
    """The agent is killed."""

    def test_before_the_head(self) -> None:
        """502 ``agent-lost`` within a second, with what is known of the request's fate."""
        fleet = self.fleet("--num-worker", "2")
        asked = self.asking(fleet.hub, b"POST /", body=b"x")
        fleet.upstream.next()
        other = self.asking(fleet.hub, b"GET /other")
        fleet.upstream.serve()
        self.assertEqual(other.response().status, 200)  # so the hub has heard that the first was started
        killed = monotonic()
        fleet.agent.child.signal(signal.SIGKILL)
        answer = asked.response()
        self.assertEqual((answer.status, answer.one(b"slime-error")), (502, b"agent-lost"))
        self.assertEqual(answer.one(b"slime-started"), b"yes")
        self.assertTrue(monotonic() - killed < AT_ONCE)

    def test_in_the_middle(self) -> None:
        """The application sees a broken transfer; the next one that nobody can take is told so."""
        fleet = self.fleet()
        asked = self.asking(fleet.hub, b"GET /")
        fleet.upstream.next().send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        asked.head()
        self.assertEqual(asked.chunk(), b"half")
        fleet.agent.child.signal(signal.SIGKILL)
        with self.assertRaises(BrokenError):
            asked.chunk()
        fleet.hub.child.wait_for("agent alpha left")
        self.assertEqual(self.asking(fleet.hub, b"GET /").response().one(b"slime-error"), b"no-agent")


class ReturnTests(SlimeTestCase):
    """An agent loses its hub and finds it again."""

    def test_hub_restarts(self) -> None:
        """The agent joins the new hub on the old port by itself."""
        fleet = self.fleet("--reconnect-max", "1s")
        fleet.hub.child.signal(signal.SIGKILL)
        fleet.hub.child.wait()
        again = self.hub("--listen", f"tcp:{fleet.hub.port}:interface=127.0.0.1")
        again.wait_for_agent("alpha")
        asked = self.asking(again, b"GET /")
        fleet.upstream.serve(b"back")
        self.assertEqual(asked.response().body, b"back")
