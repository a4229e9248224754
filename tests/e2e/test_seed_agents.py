"""An agent of the earlier program at a hub: a model of one as a thread, written from the facts of its wire."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from threading import Thread
from time import sleep

from tests.e2e.harness import Served, SlimeTestCase, Upstream


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

    def stop(self) -> None:
        """Ask for no more."""
        self._stopped = True
        if self._link.sock is not None:
            self._link.sock.shutdown(socket.SHUT_RDWR)
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
            call = http.client.HTTPConnection("127.0.0.1", self._hub)
            call.request("POST", "/v1/agent/submit", self._answer(upstream), fields, encode_chunked=True)
            call.getresponse().read()
            call.close()

    def _answer(self, upstream: socket.socket) -> Iterator[bytes]:
        """Until the upstream closes; it is asked to."""
        while piece := upstream.recv(65536):
            yield piece


class SeedAgentTests(SlimeTestCase):
    """Real processes but for the agent."""

    def test_works(self) -> None:
        """It joins with a token of the earlier kind, and its upstream's answers stream through."""
        hub, upstream = self.hub(), self.upstream()
        agent = SeedAgent(hub.port, hub.token("desk", "--format", "seed"), upstream.port)
        self.addCleanup(agent.stop)
        agent.start()
        hub.wait_for_agent("desk")
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

    def streams(self, upstream: Upstream, expected: bytes) -> Served:
        """Take a request whole, and begin an answer that ends with its connection."""
        served = upstream.next()
        self.assertEqual(served.body(served.request).body, expected)
        served.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\none")
        return served
