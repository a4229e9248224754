"""Agents of the earlier program at a hub: a model of one, written from the facts of its wire."""

from __future__ import annotations

import json
import time

from twisted.internet.address import IPv4Address
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from slime.errors import LocalProtocolError
from slime.hub import seedagents, seedstream
from slime.hub.gateway import GatewayPolicy, GatewayResource
from slime.hub.refusing import COMPLAINTS
from slime.hub.seedagents import REFLECTION, SeedDoor, ShutDoor
from slime.hub.seedlink import ABSENCE, FORSAKEN, SeedLink
from slime.hub.seedstream import WINDOW
from slime.seed.hardware import MAX_REPORT
from slime.seed.tokens import mint_seed
from slime.tokens import AgentClaims
from tests.hub_fixture import Application, Hub, HubTestCase

SECRET = b"abc"


class Worker:
    """One worker of an agent: each call is a connection of its own, as an idle one may be gone.

    :ivar waiting: the connection of its accept.
    """

    def __init__(self, hub: Hub, number: int = 7, agent_id: bytes = b"1000", paths: tuple[str, ...] = (),
                 expires: float | None = None) -> None:  # fmt: skip
        self.hub = hub
        claims = AgentClaims("", "desk", expires, paths)
        self.fields = [
            b"slime-agent-token: " + mint_seed(SECRET, number, claims, bytes(12)).encode(),
            b"slime-agent-id: " + agent_id,
        ]
        self.waiting = self.call(b"join", b'{"CPUCores": 8}')

    def call(self, name: bytes, body: bytes = b"", *more: bytes) -> Application:
        """Make a call."""
        connection = self.hub.application()
        length = b"content-length: %d" % len(body)
        lines = [b"POST /v1/agent/%b HTTP/1.1" % name, b"host: hub", *self.fields, *more, length, b"", body]
        connection.send(b"\r\n".join(lines))
        return connection

    def accept(self) -> Application:
        """Ask for work."""
        self.waiting = self.call(b"accept")
        return self.waiting

    @property
    def connection_id(self) -> bytes:
        """What the hub calls the request that the last accept brought."""
        number = self.waiting.response().field(b"slime-connection-id")
        assert number is not None
        return number

    def submit(self, *pieces: bytes, end: bool = True) -> Application:
        """Bring an answer, in chunks."""
        connection = self.hub.application()
        lines = [b"POST /v1/agent/submit HTTP/1.1", b"host: hub", *self.fields,
                 b"slime-connection-id: " + self.connection_id, b"transfer-encoding: chunked", b"", b""]  # fmt: skip
        connection.send(b"\r\n".join(lines), *(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces))
        if end:
            connection.send(b"0\r\n\r\n")
        return connection


class Case(HubTestCase):
    """A hub that lets agents of the earlier program in, and a worker that waits for work."""

    def setUp(self) -> None:
        super().setUp()
        self.revoked: set[str] = set()
        self.door = SeedDoor(self.hub.clock, self.hub.pool, SECRET, self.revoked)
        policy = GatewayPolicy(app_password=b"open")
        self.hub.site.resource = GatewayResource(self.hub.pool, self.hub.door, policy, self.door)
        self.worker = Worker(self.hub)
        self.worker.accept()

    def ask(self, path: bytes = b"/x", *fields: bytes, method: bytes = b"GET") -> Application:
        """An application's request."""
        application = self.hub.application()
        application.get(path, b"Slime-App-Password: open", *fields, method=method)
        return application

    def link(self) -> SeedLink:
        """The worker, as the pool sees it."""
        (link,) = self.hub.pool.links
        assert isinstance(link, SeedLink)
        return link


class WorkTests(Case):
    """What goes well."""

    def test_join(self) -> None:
        """Joining is answered with nothing."""
        response = Worker(self.hub).waiting.response()
        self.assertEqual((response.status, response.body), (200, b""))

    def test_hardware(self) -> None:
        """What an agent says when it joins holds for all its workers, and for those of nobody else."""
        report = {"CPUCores": 4, "GPUNames": ["A"], "MacAddresses": ["00:11:22:33:44:55"]}
        Worker(self.hub, agent_id=b"2000").call(b"join", json.dumps(report).encode())
        for agent_id, told in ((b"2000", True), (b"2003", True), (b"1999", False), (b"2256", False)):
            worker = Worker(self.hub)
            worker.fields[1] = b"slime-agent-id: " + agent_id
            worker.accept()
            link = self.hub.pool.links[-1]
            assert isinstance(link, SeedLink)
            self.assertEqual(link.agent_id, agent_id.decode())
            self.assertEqual(link.hello.hardware, {"cores": 4, "gpus": ["A"]} if told else {})

    def test_hardware_beyond_bounds(self) -> None:
        """A report that is too long is not read; of very many the first are forgotten."""
        self.patch(seedagents, "REPORTS", 2)
        known = self.door._reports
        for agent_id in (b"5", b"6", b"7"):
            worker = Worker(self.hub, agent_id=agent_id)
            answer = worker.call(b"join", b'{"CPUCores": 8' + b" " * MAX_REPORT + b"}").response()
            self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertEqual(known, {("seed-7", 6): {}, ("seed-7", 7): {}})

    def test_request(self) -> None:
        """A request goes out as the answer to an accept; the answer comes as a submit."""
        self.assertEqual(self.worker.waiting.received, b"")
        application = self.ask(b"/x?y=1", b"Accept: a")
        accepted = self.worker.waiting.response()
        self.assertEqual((accepted.status, accepted.complete), (200, True))
        self.assertTrue(accepted.body.startswith(b"GET /x?y=1 HTTP/1.1\r\nHost: hub.example\r\nAccept: a\r\n"))
        self.assertTrue(accepted.body.endswith(b"\r\n\r\n"))
        self.assertNotIn(b"open", accepted.body)
        self.assertEqual(application.received, b"")
        submit = self.worker.submit(b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\nX: y\r\n\r\n", b"done")
        answer = application.response()
        self.assertEqual((answer.status, answer.body, answer.field(b"x")), (201, b"done", b"y"))
        self.assertEqual(answer.field(b"slime-agent-name"), b"desk")
        self.assertEqual((submit.response().status, submit.response().body), (200, b""))

    def test_again(self) -> None:
        """The slot is free when the worker asks for work, and not before; who waits gets it then."""
        first, second = self.ask(), self.ask(b"/second", b"Slime-Block: 1")
        self.worker.submit(b"HTTP/1.1 204 No Content\r\n\r\n")
        self.assertEqual(first.response().status, 204)
        self.assertEqual(self.ask().response().status, 503)
        self.assertIn(b"GET /second ", self.worker.accept().response().body)
        self.worker.submit(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(second.response().status, 200)

    def test_stream_down(self) -> None:
        """Every piece of an answer is passed on when it comes, whatever its framing, and with pauses of any length."""
        application = self.ask()
        submit = self.worker.submit(b"HTTP/1.1 200 OK\r\n\r\n", b"one ", end=False)
        self.assertEqual(application.response().body, b"one ")
        self.hub.wait(300)
        submit.send(b"3\r\ntwo\r\n")
        self.assertEqual(application.response().body, b"one two")
        self.assertFalse(application.response().complete)
        submit.send(b"0\r\n\r\n")
        self.assertTrue(application.response().complete)
        self.assertEqual(submit.response().status, 200)

    def test_waits_to_be_asked(self) -> None:
        """A call that expects to be asked for its body is, as a proxy on the way may have it."""
        application = self.ask()
        fields = [b"slime-connection-id: " + self.worker.connection_id, b"expect: 100-continue", b"content-length: 40"]
        submit = self.hub.application()
        lines = [b"POST /v1/agent/submit HTTP/1.1", b"host: hub", *self.worker.fields, *fields, b"", b""]
        submit.send(b"\r\n".join(lines))
        self.assertEqual(submit.received, b"HTTP/1.1 100 Continue\r\n\r\n")
        submit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        self.assertEqual(application.response().body, b"ok")

    def test_chunked_answer(self) -> None:
        """An answer of chunks, with interim ones before it."""
        application = self.ask()
        self.worker.submit(
            b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"3\r\nabc\r\n0\r\n\r\nsurplus",
        )  # fmt: skip
        self.assertEqual([one.status for one in application.responses()], [103, 200])
        self.assertEqual(application.response().body, b"abc")

    def test_stream_up(self) -> None:
        """A request's body is streamed to the worker, chunked or not."""
        for framing, pieces, wire in (
            (b"Content-Length: 100000", [b"a" * 65536, b"b" * 34464], b"a" * 65536 + b"b" * 34464),
            (b"Transfer-Encoding: chunked", [b"3\r\nabc\r\n", b"0\r\n\r\n"], b"3\r\nabc\r\n0\r\n\r\n"),
        ):
            application = self.ask(b"/up", framing, method=b"POST")
            application.send(pieces[0])
            self.assertIn(framing, self.worker.waiting.response().body)
            self.assertFalse(self.worker.waiting.response().complete)
            application.send(*pieces[1:])
            accepted = self.worker.waiting.response()
            self.assertTrue(accepted.complete)
            self.assertEqual(accepted.body.partition(b"\r\n\r\n")[2], wire)
            self.worker.submit(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            self.assertEqual(application.response().status, 200)
            self.worker.accept()

    def test_large_body(self) -> None:
        """A body of which much is here before anybody asks for work is complete."""
        self.worker.waiting.leave()
        application = self.ask(b"/up", b"Slime-Block: 1", b"Content-Length: 300000", method=b"POST")
        body = b"".join(b"%09d " % number for number in range(30000))
        application.send(body[:150_000], body[150_000:])
        self.worker.accept()
        self.assertEqual(self.worker.waiting.response().body.partition(b"\r\n\r\n")[2], body)
        application.leave()

    def test_scope_paths(self) -> None:
        """The token's paths count."""
        self.worker.call(b"leave")
        self.assertEqual(self.hub.pool.links, [])
        Worker(self.hub, paths=("/only/*",)).accept()
        self.assertEqual(self.ask(b"/other").response().field(b"slime-error"), b"no-match")

    def test_application(self) -> None:
        """Without the token's field these paths are an application's."""
        application = self.ask(b"/v1/agent/accept", b"Content-Length: 0", method=b"POST")
        self.assertIn(b"POST /v1/agent/accept HTTP/1.1", self.worker.waiting.response().body)
        application.leave()

    def test_shut_and_asked_often(self) -> None:
        """The log names where they call from, a few times."""
        self.hub.site.resource = GatewayResource(
            self.hub.pool, self.hub.door, GatewayPolicy(), ShutDoor(self.hub.clock)
        )
        seen: list[LogEvent] = []
        globalLogPublisher.addObserver(seen.append)
        self.addCleanup(globalLogPublisher.removeObserver, seen.append)
        calls = [self.worker.call(b"accept") for _ in range(COMPLAINTS + 5)]
        told = [text for event in seen if "refused" in (text := formatEvent(event))]
        self.assertEqual(len(told), COMPLAINTS)
        peer = calls[0].transport.getPeer()
        assert isinstance(peer, IPv4Address)
        self.assertIn(f"an agent at {peer.host}:{peer.port} was refused: those of the seed may not join", told[0])

    def test_workers(self) -> None:
        """Each worker is a slot."""
        other = Worker(self.hub, agent_id=b"1001")
        other.accept()
        self.ask()
        self.ask()
        self.assertNotEqual(self.worker.connection_id, other.connection_id)

    def test_head(self) -> None:
        """An answer to HEAD has a length and no body."""
        application = self.ask(method=b"HEAD")
        self.worker.submit(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        self.assertEqual(application.response(b"HEAD").field(b"content-length"), b"5")


class FlowTests(Case):
    """Who is slower than the other is waited for."""

    def test_slow_application(self) -> None:
        """A worker is not read while its application does not read."""
        application = self.ask()
        application.transport.reading = False
        submit = self.worker.submit(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 65536] * 6, end=False)
        self.assertTrue(submit.transport.paused)
        application.transport.reading = True
        application.transport.take()
        self.hub.clock.advance(0)
        self.assertFalse(submit.transport.paused)
        submit.send(b"0\r\n\r\n")
        self.assertEqual(len(application.response().body), 6 * 65536)
        self.assertGreater(6 * 65536, WINDOW)

    def test_slow_worker(self) -> None:
        """An application is not read while its worker does not read."""
        self.worker.waiting.transport.reading = False
        application = self.ask(b"/up", b"Content-Length: 655360", method=b"POST")
        application.send(*[b"x" * 65536] * 6)
        self.assertTrue(application.transport.paused)
        self.worker.waiting.transport.reading = True
        self.worker.waiting.transport.take()
        self.hub.clock.advance(0)
        self.assertFalse(application.transport.paused)

    def test_slow_upstream(self) -> None:
        """A worker reads as slowly as its upstream does, and is not taken for an application that has gone astray."""
        for length in (655360, 200_000):  # one is not all on its way, the other is
            self.worker.waiting.transport.reading = False
            application = self.ask(b"/up", b"Content-Length: %d" % length, method=b"POST")
            body = b"x" * length
            application.send(*(body[start : start + 65536] for start in range(0, min(length, 393216), 65536)))
            self.hub.wait(300)
            self.assertFalse(self.worker.waiting.gone)
            self.worker.waiting.transport.reading = True
            self.worker.waiting.transport.take()
            self.hub.clock.advance(0)
            application.send(body[393216:])
            self.assertTrue(self.worker.waiting.response().body.endswith(body))
            self.worker.submit(b"HTTP/1.1 204 No Content\r\n\r\n")
            self.assertEqual(application.response().status, 204)
            self.worker.accept()


class LossTests(Case):
    """What goes wrong."""

    def test_application_leaves_before_answer(self) -> None:
        """The worker hears of it when it brings the answer; until then it is busy."""
        self.ask().leave()
        submit = self.worker.submit(b"HTTP/1.1 200 OK\r\n\r\n", end=False)
        self.assertTrue(submit.gone)
        self.assertEqual(submit.received, b"")
        self.worker.accept()
        self.ask(b"/next")
        self.assertIn(b"/next", self.worker.waiting.response().body)

    def test_application_leaves_in_upload(self) -> None:
        """The worker's accept is cut, so that nothing looks complete."""
        application = self.ask(b"/up", b"Transfer-Encoding: chunked", method=b"POST")
        application.send(b"3\r\nabc\r\n")
        application.leave()
        self.assertTrue(self.worker.waiting.gone)
        self.assertFalse(self.worker.waiting.response().complete)

    def test_application_leaves_in_answer(self) -> None:
        """The worker's submit is cut."""
        application = self.ask()
        submit = self.worker.submit(b"HTTP/1.1 200 OK\r\n\r\n", b"one", end=False)
        application.leave()
        self.hub.clock.advance(0)
        self.assertTrue(submit.gone)

    def test_forsaken_and_gone(self) -> None:
        """A worker that never comes back from a request that nobody wants is not busy for ever."""
        self.ask().leave()
        self.hub.wait(FORSAKEN - 1)
        self.assertEqual(len(self.hub.pool.links), 1)
        self.hub.wait(2)
        self.assertEqual((self.hub.pool.links, self.door._streams), ([], {}))
        self.worker.accept()
        self.ask(b"/next")
        self.assertIn(b"/next", self.worker.waiting.response().body)

    def test_forsaken_in_upload_and_gone(self) -> None:
        """So it is with one whose accept was cut, or that was answering already."""
        for answers in (False, True):
            application = self.ask(b"/up", b"Transfer-Encoding: chunked", method=b"POST")
            application.send(b"3\r\nabc\r\n")
            submit = self.worker.submit(b"HTTP/1.1 200 OK\r\n\r\n", b"one", end=False) if answers else None
            application.leave()
            self.hub.clock.advance(0)
            self.assertTrue(self.worker.waiting.gone)
            self.assertTrue(submit is None or submit.gone)
            self.hub.wait(FORSAKEN + 1)
            self.assertEqual((self.hub.pool.links, self.door._streams), ([], {}))
            self.worker.accept()

    def test_forsaken_and_back(self) -> None:
        """A worker that comes in time has joined once."""
        self.ask().leave()
        self.worker.accept()
        (link,) = self.hub.pool.links
        self.hub.wait(FORSAKEN + 1)
        self.assertEqual(self.hub.pool.links, [link])

    def test_machine_vanishes(self) -> None:
        """The kernel watches over every connection on which a worker may be silent, whichever it takes."""
        watched: list[int] = []
        self.patch(seedstream, "notice_death", watched.append)
        self.worker.accept()
        self.ask()
        self.worker.submit(b"HTTP/1.1 200 OK\r\n\r\n", end=False)
        self.assertEqual(len(watched), 2)

    def test_answer_breaks(self) -> None:
        """An answer that is cut off, or is none, is not ended cleanly."""
        application = self.ask()
        submit = self.worker.submit(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"one", end=False)
        submit.leave()
        self.assertTrue(application.gone)
        self.assertFalse(application.response().complete)
        self.worker.accept()
        application = self.ask()
        self.worker.submit(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"one")
        self.assertFalse(application.response().complete)
        for wrong in (b"nonsense\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n"):
            self.worker.accept()
            application = self.ask()
            submit = self.worker.submit(wrong)
            self.assertEqual(application.response().field(b"slime-error"), b"upstream-broke")
            self.assertTrue(submit.gone)

    def test_broken_framing(self) -> None:
        """A submit whose own chunks are wrong is an answer cut off."""
        application = self.ask()
        submit = self.worker.submit(b"HTTP/1.1 200 OK\r\n\r\n", b"one", end=False)
        submit.send(b"nonsense\r\n")
        self.assertFalse(application.response().complete)
        self.assertTrue(application.gone)

    def test_given_up(self) -> None:
        """A worker that asks for work instead of answering has lost the request, which may have run."""
        application = self.ask(b"/x", method=b"DELETE")
        other = self.hub.agent("other")
        self.worker.accept()
        self.assertIn(b"DELETE", other.last.exchange.forward_head)
        other.answer()
        self.assertEqual(application.response().status, 200)
        application = self.ask(b"/x", b"Content-Length: 0", method=b"POST")
        self.worker.accept()
        answer = application.response()
        self.assertEqual((answer.status, answer.field(b"slime-error")), (502, b"agent-lost"))
        self.assertEqual(answer.field(b"slime-started"), b"yes")

    def test_worker_leaves_while_waiting(self) -> None:
        """It gets nothing, and is gone after a while; back in time it never was."""
        self.worker.waiting.leave()
        self.assertEqual(self.ask().response().field(b"slime-error"), b"all-busy")
        self.hub.wait(ABSENCE - 1)
        self.worker.accept()
        self.hub.wait(ABSENCE + 1)
        self.assertEqual(len(self.hub.pool.links), 1)
        self.worker.waiting.leave()
        self.hub.wait(ABSENCE + 1)
        self.assertEqual(self.ask().response().field(b"slime-error"), b"no-agent")

    def test_worker_leaves_in_upload(self) -> None:
        """The request is lost at once."""
        application = self.ask(b"/up", b"Transfer-Encoding: chunked", method=b"POST")
        self.worker.waiting.leave()
        self.assertEqual(application.response().field(b"slime-error"), b"agent-lost")

    def test_second_accept(self) -> None:
        """The second replaces the first."""
        first = self.worker.waiting
        second = self.worker.accept()
        self.assertTrue(first.gone)
        self.assertEqual(first.received, b"")
        self.ask()
        self.assertEqual(second.response().status, 200)

    def test_early_answer(self) -> None:
        """An answer may come before the request is complete; the rest of that is nobody's then."""
        application = self.ask(b"/up", b"Transfer-Encoding: chunked", method=b"POST")
        application.send(b"3\r\nabc\r\n")
        self.worker.submit(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(application.response().status, 403)
        self.assertTrue(self.worker.waiting.gone)

    def test_late_bytes(self) -> None:
        """What is still told of a stream that was cut counts for nothing."""
        application = self.ask(b"/up", b"Transfer-Encoding: chunked", method=b"POST")
        stream = self.link().stream
        assert stream is not None
        application.leave()
        self.assertEqual(stream.send_body(b"late"), 0)
        stream.end_body([])
        stream.cancel()
        stream.abandoned()
        stream.accept_lost()
        stream.left()

    def test_left_before_handed_over(self) -> None:
        """An application that leaves while its answer ends has left for nothing."""
        self.ask()
        stream = self.link().stream
        assert stream is not None
        self.worker.submit(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        stream.cancel()
        stream.started()
        self.assertIsNone(self.link().stream)

    def test_reads_while_it_waits(self) -> None:
        """That a worker reads says nothing as long as there is nothing for it."""
        accept = self.worker.waiting.channel
        accept.drained()
        self.ask()
        self.assertEqual(self.worker.waiting.response().status, 200)

    def test_leaves_before_it_came(self) -> None:
        """A worker may leave that never asked for work."""
        self.assertEqual(Worker(self.hub, agent_id=b"5").call(b"leave").response().status, 200)


class DoorTests(Case):
    """Who is let in."""

    def refused(self, call: Application) -> bool:
        """Whether a call is refused, and slowly."""
        early = call.received
        self.hub.wait(REFLECTION + 1)
        response = call.response()
        return (early, response.status, response.body) == (b"", 401, b"Unauthorized\n")

    def test_bad_credentials(self) -> None:
        """A bad token, a revoked one and an id that is no number are refused."""
        worker = Worker(self.hub)
        good = list(worker.fields)
        worker.fields[0] = b"slime-agent-token: AAAA"
        self.assertTrue(self.refused(worker.call(b"accept")))
        for number in (b"x", b"1x", b"", b"- 1", b"0x10", b"1_0", b"9" * 30, b"%d" % 2**63):
            worker.fields = [good[0], b"slime-agent-id: " + number]
            self.assertTrue(self.refused(worker.call(b"join", b"{}")))
        self.revoked.add("seed-7")
        worker.fields = good
        self.assertTrue(self.refused(worker.call(b"accept")))

    def test_any_number(self) -> None:
        """An id is any integer of 64 bits."""
        for number, key in ((b"-1", "-1"), (b"+2", "2"), (b"007", "7"), (b"%d" % (2**63 - 1), "9223372036854775807")):
            worker = Worker(self.hub, agent_id=number)
            self.assertEqual(worker.waiting.response().status, 200)
            worker.accept()
            self.assertEqual(self.hub.pool.links[-1].key, f"seed-7/{key}")

    def test_end_of_token(self) -> None:
        """A worker does not outlive its token: not while it waits, nor with a request that it could never answer."""
        for busy in (False, True):
            worker = Worker(self.hub, agent_id=b"50", expires=time.time() + 100)
            worker.accept()
            application = self.ask(b"/x", b"Content-Length: 0", method=b"POST") if busy else None
            self.assertEqual(len(self.hub.pool.links), 2)
            self.hub.wait(102)
            self.assertEqual(len(self.hub.pool.links), 1)
            if application is None:
                self.assertTrue(worker.waiting.gone)
                self.ask()  # keeps the other one busy from here on
            else:
                self.assertEqual(application.response().field(b"slime-error"), b"agent-lost")

    def test_leaves_before_the_end_of_its_token(self) -> None:
        """Nothing is left that could end it again."""
        worker = Worker(self.hub, agent_id=b"50", expires=time.time() + 100)
        worker.accept()
        worker.call(b"leave")
        self.assertEqual(len(self.hub.clock.getDelayedCalls()), 0)

    def test_shut(self) -> None:
        """Where they may not join, their calls are refused slowly, and are still no application's."""
        shut = ShutDoor(self.hub.clock)
        self.hub.site.resource = GatewayResource(self.hub.pool, self.hub.door, GatewayPolicy(), shut)
        for name in (b"join", b"accept", b"submit", b"leave"):
            self.assertTrue(self.refused(self.worker.call(name)))
        application = self.ask(b"/v1/agent/accept", b"Content-Length: 0", method=b"POST")
        self.assertIn(b"POST /v1/agent/accept HTTP/1.1", self.worker.waiting.response().body)
        application.leave()

    def test_impatient(self) -> None:
        """Who does not wait for a refusal gets none."""
        self.worker.fields[0] = b"slime-agent-token: AAAA"
        self.worker.call(b"accept").leave()
        self.hub.wait(REFLECTION + 1)

    def test_submit_of_others(self) -> None:
        """An answer to nothing, to what another token has, or a second one, is an error."""
        self.ask()
        known = self.worker.connection_id
        other = Worker(self.hub, number=8)
        for who, number in ((self.worker, b"1"), (self.worker, b"x"), (other, known)):
            refused = who.call(b"submit", b"", b"slime-connection-id: " + number).response()
            self.assertEqual(refused.status, 500)
            self.assertTrue(refused.body)
        self.worker.submit(b"HTTP/1.1 200 OK\r\n", end=False)
        second = self.worker.call(b"submit", b"", b"slime-connection-id: " + known)
        self.assertEqual(second.response().status, 500)

    def test_other_methods(self) -> None:
        """A call is a POST."""
        asked = self.ask(b"/v1/agent/accept", *self.worker.fields)
        self.assertIn(b"GET /v1/agent/accept", self.worker.waiting.response().body)
        self.assertNotIn(b"slime-agent-token", self.worker.waiting.response().body.lower())
        asked.leave()

    def test_expelled(self) -> None:
        """A token that is revoked ends its workers, and what they had."""
        application = self.ask(b"/x", b"Content-Length: 0", method=b"POST")
        link = self.link()
        link.expel()
        self.assertEqual(application.response().field(b"slime-error"), b"agent-lost")
        self.assertEqual((self.hub.pool.links, link.ended), ([], "its token has been revoked"))
        link.fence()
        self.assertEqual(link.ended, "its token has been revoked")

    def test_hub_stops(self) -> None:
        """Who waits is cut off, who answers may go on, and who asks is cut off, slowly."""
        other = Worker(self.hub, agent_id=b"1001")
        application = self.ask()
        other.accept()
        submit = self.worker.submit(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"he", end=False)
        drained = self.hub.pool.drain()
        self.assertTrue(other.waiting.gone)
        self.assertNoResult(drained)
        submit.send(b"3\r\nllo\r\n0\r\n\r\n")
        self.assertEqual(application.response().body, b"hello")
        self.successResultOf(drained)
        late = self.worker.accept()
        self.assertFalse(late.gone)
        self.hub.wait(REFLECTION + 1)
        self.assertTrue(late.gone)
        for link in self.hub.pool.links:
            self.successResultOf(link.when_gone())
            link.end()
        self.assertEqual(self.hub.pool.links, [])

    def test_hub_stops_before_the_answer(self) -> None:
        """It could not come any more, as nobody can connect; the application is told at once."""
        application = self.ask(b"/x", b"Content-Length: 0", method=b"POST")
        drained = self.hub.pool.drain()
        answer = application.response()
        self.assertEqual((answer.status, answer.field(b"slime-error")), (502, b"agent-lost"))
        self.successResultOf(drained)

    def test_for_the_admin_site(self) -> None:
        """What the admin site wants to know of an agent."""
        link = self.link()
        peer = self.worker.waiting.transport.getPeer()
        assert isinstance(peer, IPv4Address)
        self.assertEqual(link.address, f"{peer.host}:{peer.port}")
        self.assertEqual((link.key, link.agent_id, link.claims.token_id), ("seed-7/1000", "1000", "seed-7"))
        self.assertTrue(link.was_flushed(1))
        link.revoke(1)
        self.ask()
        stream = link.stream
        assert stream is not None
        self.assertRaises(LocalProtocolError, link.open, stream.exchange, False)
