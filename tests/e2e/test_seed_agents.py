"""An agent of the earlier program at a hub: a model of one as a thread, written from the facts of its wire."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Iterator
from contextlib import closing
from threading import Thread
from time import sleep

from slime.demo.fleet import HubProcess
from tests.e2e.harness import Served, SlimeTestCase, Upstream
from tests.e2e.messages import BrokenError


class SeedAgent(Thread):
    """One worker: asks for work, takes it to the upstream, and brings the answer as it comes.

    :ivar served: requests taken to the upstream.
    """

    def __init__(self, hub: int, token: str, upstream: int, number: int = 123) -> None:
        super().__init__(daemon=True)
        self.served = 0
        self._hub, self._upstream = hub, upstream
        self._fields = {"slime-agent-token": token, "slime-agent-id": str(number)}
        self._link = http.client.HTTPConnection("127.0.0.1", hub)
        self._stopped = False

    def run(self) -> None:
        """Work until stopped."""
        self._link.request("POST", "/v1/agent/join", b"{}", self._fields)
        self._link.getresponse().read()
        while not self._stopped:
            try:
                self._serve_one()
            except (OSError, http.client.HTTPException):
                self._link.close()
                sleep(0.1)  # as the real one does
        self._link.close()

    def stop(self) -> None:
        """Ask for no more."""
        self._stopped = True
        waiting = self._link.sock
        if waiting is not None:
            with contextlib.suppress(OSError):  # the thread has just closed it of itself
                waiting.shutdown(socket.SHUT_RDWR)
        self.join(5)

    def _serve_one(self) -> None:
        self._link.request("POST", "/v1/agent/accept", None, self._fields)
        accepted = self._link.getresponse()
        if accepted.status != 200:
            accepted.read()
            return
        with socket.create_connection(("127.0.0.1", self._upstream)) as upstream:
            while piece := accepted.read1(65536):
                upstream.sendall(piece)
            self.served += 1
            fields = {**self._fields, "slime-connection-id": accepted.headers["slime-connection-id"]}
            with closing(http.client.HTTPConnection("127.0.0.1", self._hub)) as call:
                call.request("POST", "/v1/agent/submit", self._answer(upstream), fields, encode_chunked=True)
                call.getresponse().read()

    def _answer(self, upstream: socket.socket) -> Iterator[bytes]:
        """Until the upstream closes; it is asked to."""
        while piece := upstream.recv(65536):
            yield piece


class SeedAgentTests(SlimeTestCase):
    """Real processes but for the agent."""

    def test_works(self) -> None:
        """It joins with a token of the earlier kind, and its upstream's answers stream through."""
        hub, upstream = self.hub(), self.upstream()
        agent = self.worker(hub, upstream)
        application = self.asking(hub, b"POST /ask", b"Slime-Block: 1", body=b"x" * 300_000)
        served = self.streams(upstream, b"x" * 300_000)
        head = application.head()
        self.assertEqual(head.status, 200)
        served.send(b"two")
        served.close()
        self.assertEqual(application.body(head).body, b"onetwo")
        again = self.asking(hub, b"GET /again", b"Slime-Block: 1")
        served = self.streams(upstream, b"")
        served.close()
        self.assertEqual(again.response().body, b"one")
        self.assertEqual(agent.served, 2)

    def worker(self, hub: HubProcess, upstream: Upstream, *options: str) -> SeedAgent:
        """One worker that has joined."""
        agent = SeedAgent(hub.port, hub.token("desk", "--format", "seed", *options), upstream.port)
        self.addCleanup(agent.stop)
        agent.start()
        hub.wait_for_agent("desk")
        return agent

    def test_application_leaves(self) -> None:
        """In the middle of an answer: the worker is cut off, and works again."""
        hub, upstream = self.hub(), self.upstream()
        self.worker(hub, upstream)
        leaver = self.asking(hub, b"GET /leaves")
        served = self.streams(upstream, b"")
        self.assertEqual(leaver.head().status, 200)
        leaver.close()
        # A worker hears of it when it has more to bring.
        self.assertTrue(any(self.cut_after_more(served) for _ in range(100)))
        again = self.asking(hub, b"GET /again", b"Slime-Block: 1")
        self.streams(upstream, b"").close()
        self.assertEqual(again.response().body, b"one")

    def cut_after_more(self, served: Served) -> bool:
        """Whether a worker's connection to its upstream ends when more of the answer comes."""
        try:
            served.send(b"more")
        except OSError:
            return True
        return served.closed_within(0.1)

    def test_token_ends(self) -> None:
        """With its token's end a worker is gone, and its request is lost rather than waiting for ever."""
        hub, upstream = self.hub(), self.upstream()
        self.worker(hub, upstream, "--age", "3s")
        application = self.asking(hub, b"POST /late", body=b"")
        upstream.next()
        answer = application.response()
        self.assertEqual((answer.status, answer.one(b"slime-error")), (502, b"agent-lost"))
        hub.child.wait_for("agent desk left: its token has expired")

    def test_replaced(self) -> None:
        """A second accept under the same id cuts the first, which gets nothing; the second gets the request."""
        hub = self.hub()
        token = hub.token("desk", "--format", "seed").encode()
        first, second = (self.asking(hub, b"POST /v1/agent/accept", b"slime-agent-token: " + token,
                                     b"slime-agent-id: 7", body=b"") for _ in range(2))  # fmt: skip
        self.assertRaises(BrokenError, first.head)
        self.asking(hub, b"GET /work")
        head = second.head()
        self.assertTrue(head.one(b"slime-connection-id").isdigit())
        self.assertTrue(second.body(head).body.startswith(b"GET /work HTTP/1.1\r\n"))

    def test_wrong_calls(self) -> None:
        """An answer to nothing is an error, and a token that is none is refused, slowly."""
        hub = self.hub()
        token = hub.token("desk", "--format", "seed").encode()
        for given, status, text in ((token, 500, b"nothing is known"), (b"x", 401, b"Unauthorized")):
            call = self.asking(hub, b"POST /v1/agent/submit", b"slime-agent-token: " + given, b"slime-agent-id: 7",
                               b"slime-connection-id: 5", body=b"")  # fmt: skip
            answer = call.response()
            self.assertEqual((answer.status, answer.body[: len(text)]), (status, text))

    def streams(self, upstream: Upstream, expected: bytes) -> Served:
        """Take a request whole, and begin an answer that ends with its connection."""
        served = upstream.next()
        self.assertEqual(served.body(served.request).body, expected)
        served.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\none")
        return served
