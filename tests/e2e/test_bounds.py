"""Every bound of a hub and an agent that is a setting, set small and met from outside."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from threading import Thread
from time import monotonic

from websockets import Subprotocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

from slime.demo.fleet import AgentProcess, HubProcess
from slime.tunnel import Capacity, Hello, Ping, Welcome, encode
from tests.e2e.harness import SlimeTestCase
from tests.e2e.messages import DEADLINE, Message, Wire

SOON = 10.0
"""Seconds within which a hub's sweep, once a second, has found what is over."""


SLIME = Subprotocol("slime.v1")


def close_code(closed: ConnectionClosed) -> int | None:
    """The code that the other side closed a link with."""
    return None if closed.rcvd is None else closed.rcvd.code


def outcome(answer: Message) -> tuple[int, bytes]:
    """Status and code of an answer of the hub's own."""
    return answer.status, answer.one(b"slime-error")


class ConnectionTests(SlimeTestCase):
    """Before anybody has been served."""

    def test_number(self) -> None:
        """``--max-connections``: one too many is answered and closed, and a place becomes free again."""
        hub = self.hub("--max-connections", "3")
        first, _, _ = (self.application(hub) for _ in range(3))
        late = self.application(hub)
        self.assertEqual(outcome(late.response()), (503, b"too-many-connections"))
        self.assertTrue(late.closed_within(SOON))
        hub.child.wait_for(r"turned away 1 connections: 3 are open")
        first.ask(b"GET /")
        self.assertEqual(first.response().status, 503)
        first.close()
        again = self.asking(hub, b"GET /")
        self.assertEqual(again.response().one(b"slime-error"), b"no-agent")

    def test_number_of_one_address(self) -> None:
        """``--max-connections-per-address``, for those who have not authenticated; others come as ever."""
        hub = self.hub("--max-connections-per-address", "3", "--app-password", "xyzzy")
        known = self.asking(hub, b"GET /", b"Slime-App-Password: xyzzy")
        self.assertEqual(known.response().status, 503)
        strangers = [self.application(hub) for _ in range(3)]
        strangers[0].ask(b"GET /", b"Slime-App-Password: wrong")
        self.assertEqual(strangers[0].response().status, 401)
        for _ in range(20):
            self.assertEqual(outcome(self.application(hub).response()), (503, b"too-many-connections"))
        hub.child.wait_for(r"turned away \d+ connections, of 127.0.0.1 for example.*--max-connections-per-address")
        self.assertLessEqual(sum("turned away" in line for line in hub.child.lines), 3)
        elsewhere = Wire(socket.create_connection(("127.0.0.1", hub.port), DEADLINE, ("127.0.0.2", 0)))
        self.addCleanup(elsewhere.close)
        elsewhere.send(b"GET / HTTP/1.1\r\nHost: x\r\nSlime-App-Password: xyzzy\r\n\r\n")
        known.ask(b"GET /", b"Slime-App-Password: xyzzy")
        self.assertEqual((elsewhere.response().status, known.response().status), (503, 503))

    def test_agents_do_not_count(self) -> None:
        """A whole fleet may be behind one address; trusted proxies bring everybody."""
        hub, upstream = self.hub("--max-connections-per-address", "1"), self.upstream()
        for number in range(2):
            self.agent(hub, upstream.address, name=f"agent-{number}")
        trusting = self.hub("--max-connections-per-address", "1", "--trusted-proxies", "127.0.0.0/8")
        for one in [self.application(trusting) for _ in range(3)]:
            one.ask(b"GET /")
            self.assertEqual(one.response().one(b"slime-error"), b"no-agent")

    def test_heads(self) -> None:
        """``--max-head``, ``--max-fields``, ``--max-target``; what is just small enough passes."""
        hub = self.hub("--max-head", "1KiB", "--max-fields", "5", "--max-target", "64")
        for start, lines, expected in (
            (b"GET /" + b"x" * 64, (), (414, b"target-too-long")),
            (b"GET /", (b"A: b",) * 5, (431, b"head-too-large")),
            (b"GET /", (b"A: " + b"b" * 1024,), (431, b"head-too-large")),
            (b"GET /" + b"x" * 63, (b"A: b",) * 3 + (b"A: " + b"b" * 800,), (503, b"no-agent")),
        ):
            self.assertEqual(outcome(self.asking(hub, start, *lines).response()), expected)

    def test_times(self) -> None:
        """``--head-timeout``, ``--idle-timeout``, ``--body-timeout``."""
        upstream = self.upstream()
        hub = self.hub("--head-timeout", "1s", "--idle-timeout", "1s", "--body-timeout", "1s")
        self.agent(hub, upstream.address)
        began = monotonic()
        slow, idle, still = (self.application(hub) for _ in range(3))
        slow.send(b"GET / HTTP/1.1\r\nHost:")
        idle.ask(b"GET /")
        upstream.serve(b"done")
        still.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
        self.assertEqual(idle.response().body, b"done")
        self.assertEqual([outcome(one.response()) for one in (slow, still)], [(408, b"request-timeout")] * 2)
        self.assertTrue(idle.closed_within(SOON) and slow.closed_within(SOON))
        self.assertLess(monotonic() - began, 2 * SOON)


class RequestTests(SlimeTestCase):
    """What is in the hub."""

    def test_queue(self) -> None:
        """``--max-queue``, ``--queue-timeout``."""
        hub, upstream = self.hub("--max-queue", "1", "--queue-timeout", "1s", "--prefetch", "0"), self.upstream()
        self.agent(hub, upstream.address)
        running = self.asking(hub, b"GET /running")
        served = upstream.next()
        waiting = self.asking(hub, b"GET /waiting", b"Slime-Block: 1")
        self.assertEqual(self.asking(hub, b"GET /v1/agent/tunnel").response().status, 426)
        full = self.asking(hub, b"GET /more", b"Slime-Block: 1")
        self.assertEqual(outcome(full.response()), (503, b"queue-full"))
        self.assertEqual(outcome(waiting.response()), (504, b"queue-timeout"))
        served.answer(b"done")
        self.assertEqual(running.response().body, b"done")

    def test_window(self) -> None:
        """``--window`` and ``--spool``: who reads nothing makes the hub hold so much and no more."""
        hub, upstream = self.hub("--window", "16KiB", "--spool", "64KiB", "--max-window", "16KiB"), self.upstream()
        self.agent(hub, upstream.address)
        asked = self.application(hub)
        asked.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        asked.ask(b"GET /")
        served = upstream.next()
        served.send(b"HTTP/1.1 200 OK\r\nContent-Length: 64000000\r\n\r\n")
        served.socket.settimeout(0.5)
        sent = 0
        with self.assertRaises(TimeoutError):
            while True:
                sent += served.socket.send(b"x" * 65536)
        self.assertLess(sent, 16_000_000)
        asked.close()
        self.assertTrue(served.closed_within(SOON))

    def test_reader(self) -> None:
        """``--send-timeout``: who reads nothing for so long is cut off."""
        hub, upstream = self.hub("--send-timeout", "1s", "--min-rate", "0"), self.upstream()
        self.agent(hub, upstream.address)
        asked = self.asking(hub, b"GET /")
        served = upstream.next()
        served.send(b"HTTP/1.1 200 OK\r\nContent-Length: 64000000\r\n\r\n" + b"x" * 1000)
        served.socket.settimeout(SOON)
        with self.assertRaises(ConnectionError):
            while True:
                served.socket.send(b"x" * 65536)
        asked.close()

    def test_least_rate(self) -> None:
        """``--min-rate`` and ``--slow-grace``, without anybody who waits: for a body, and for an answer."""
        hub, upstream = self.hub("--min-rate", "10KB", "--slow-grace", "1s"), self.upstream()
        self.agent(hub, upstream.address, "--num-worker", "2")
        slow = self.application(hub)
        slow.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        self.assertEqual(outcome(slow.response()), (408, b"too-slow"))
        reader = self.asking(hub, b"GET /reader")
        served = upstream.next()
        while served.request.target != b"/reader":
            served = upstream.next()
        served.socket.settimeout(2 * SOON)
        served.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 64000000\r\n\r\n")
        with self.assertRaises(ConnectionError):
            while True:
                served.socket.send(b"x" * 65536)
        reader.close()


class UpstreamTests(SlimeTestCase):
    """What an agent bears of its upstream."""

    def test_times(self) -> None:
        """``--first-byte-timeout`` and ``--stall-timeout``."""
        hub, upstream = self.hub(), self.upstream()
        self.agent(hub, upstream.address, "--first-byte-timeout", "300ms", "--stall-timeout", "300ms")
        silent = self.asking(hub, b"GET /silent")
        upstream.next()
        self.assertEqual(outcome(silent.response()), (504, b"upstream-timeout"))
        stalls = self.asking(hub, b"GET /stalls", b"Slime-Block: 1")
        upstream.next().send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        self.assertEqual(stalls.head().status, 200)
        self.assertTrue(stalls.closed_within(SOON))

    def test_connect(self) -> None:
        """``--connect-timeout``: an address where nobody answers, as its queue of connections is full."""
        with ExitStack() as stack:
            deaf = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            for _ in range(3):
                one = stack.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex(deaf.getsockname())
            hub = self.hub()
            self.agent(hub, f"127.0.0.1:{deaf.getsockname()[1]}", "--connect-timeout", "300ms")
            answer = self.asking(hub, b"GET /").response()
            self.assertIn(answer.one(b"slime-error"), (b"upstream-unreachable", b"upstream-timeout"))


class LinkTests(SlimeTestCase):
    """What one end of a link bears of the other."""

    def setUp(self) -> None:
        self.held = ExitStack()
        self.addCleanup(self.held.close)

    def link(self, hub: HubProcess, token: str) -> ClientConnection:
        """An agent that somebody else has written."""
        return self.held.enter_context(connect(
            f"ws://127.0.0.1:{hub.port}/v1/agent/tunnel",
            subprotocols=[SLIME],
            additional_headers={"Authorization": f"Bearer {token}"},
            compression=None,
            ping_interval=None,
            close_timeout=0.1,
        ))

    def test_control_rate(self) -> None:
        """``--control-rate``: a flood ends its link, says why, and is no concern of anybody else's."""
        hub, upstream = self.hub("--control-rate", "500"), self.upstream()
        self.agent(hub, upstream.address)
        for flood in (Ping(1), Capacity(0)):
            name = type(flood).__name__
            link = self.link(hub, hub.token(name))
            link.send(encode(Hello(agent_id=name, name=name, slots=0)))
            with self.assertRaises(ConnectionClosed) as closed:
                while True:
                    link.send(encode(flood) * 50)
            self.assertEqual(close_code(closed.exception), 4429)
            hub.child.wait_for(rf"agent {name} left: .*control frames")
            asked = self.asking(hub, b"GET /", b"Slime-Block: 1")
            upstream.serve(b"unharmed")
            self.assertEqual(asked.response().body, b"unharmed")

    def test_control_rate_of_a_hub(self) -> None:
        """An agent bears no more."""
        codes: list[int | None] = []

        def flood(connection: ServerConnection) -> None:
            connection.recv()
            connection.send(encode(Welcome(session="s")))
            try:
                while True:
                    connection.send(encode(Ping(1)) * 50)
            except ConnectionClosed as error:
                codes.append(close_code(error))

        with serve(flood, "127.0.0.1", 0, subprotocols=[SLIME], compression=None, ping_interval=None) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            address = f"127.0.0.1:{server.socket.getsockname()[1]}"
            more = "--upstream", "127.0.0.1:9", "--control-rate", "500"
            agent = AgentProcess("flooded", address, self.hub().token("flooded"), *more)
            self.addCleanup(agent.child.end)
            agent.child.wait_for(r"4429 too many control frames")
        self.assertEqual(codes[:1], [4429])

    def test_handshakes(self) -> None:
        """``--handshake-rate``, and ``--handshake-timeout`` for one who says nothing more."""
        hub = self.hub("--handshake-rate", "1", "--handshake-timeout", "500ms")
        token = hub.token("silent")
        link = self.link(hub, token)
        with self.assertRaises(InvalidStatus) as refused:
            for _ in range(5):
                self.link(hub, token)
        self.assertEqual(refused.exception.response.status_code, 503)
        with self.assertRaises(ConnectionClosed) as closed:
            link.recv(SOON)
        self.assertEqual(close_code(closed.exception), 4408)
