"""The parties of an end-to-end test: an application, an upstream that the test plays, a hub and agents."""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from time import monotonic

from twisted.trial.unittest import SynchronousTestCase

from slime.demo.fleet import AgentProcess, HubProcess
from tests.e2e.messages import DEADLINE, BrokenError, Message, Wire

__all__ = ["Application", "Fleet", "Served", "SharedFleetTestCase", "SlimeTestCase", "Upstream", "until_true"]


class Application(Wire):
    """One connection of an application to a hub."""

    def __init__(self, port: int) -> None:
        super().__init__(socket.create_connection(("127.0.0.1", port), DEADLINE))

    def ask(self, start: bytes, *lines: bytes, body: bytes | None = None) -> None:
        """Send a request; ``start`` is like ``b"GET /"``, ``body`` is framed by its length."""
        length = () if body is None else (b"Content-Length: %d" % len(body),)
        block = b"\r\n".join([start + b" HTTP/1.1", b"Host: hub.example", *lines, *length])
        self.send(block + b"\r\n\r\n" + (body or b""))


class Served(Wire):
    """A connection of an agent to the upstream, with the request that came last."""

    request: Message

    def receive(self) -> Message:
        """Read a request's head; its body with :meth:`Wire.body`."""
        self.request = self.head()
        return self.request

    def answer(self, body: bytes, status: bytes = b"200 OK", *lines: bytes) -> None:
        """Send a whole response."""
        head = b"\r\n".join([b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *lines])
        self.send(head + b"\r\n\r\n" + body)


class Upstream:
    """An upstream whose lines the test speaks.

    :ivar port: where it listens.
    """

    def __init__(self, port: int = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._idle: list[Served] = []
        self._all: list[Served] = []

    @property
    def address(self) -> str:
        """For ``--upstream``."""
        return f"127.0.0.1:{self.port}"

    def next(self, deadline: float = DEADLINE) -> Served:
        """Wait for a request, on a new connection or on one that has been answered before.

        :raises BrokenError: none came.
        """
        end = monotonic() + deadline
        while (left := end - monotonic()) > 0:
            for ready in self._readable(left):
                served = self._accept() if ready is None else ready
                if self._alive(served):
                    served.receive()
                    return served
        raise BrokenError("no request arrived at the upstream")

    def again(self, served: Served) -> None:
        """A request of this connection has been answered: another may come on it."""
        self._idle.append(served)

    def serve(self, body: bytes = b"ok", *lines: bytes) -> Served:
        """Wait for a request, read it whole, and answer it."""
        served = self.next()
        served.body(served.request)
        served.answer(body, b"200 OK", *lines)
        self.again(served)
        return served

    def silent_for(self, seconds: float) -> bool:
        """Whether no request comes within this time."""
        try:
            self.next(seconds)
        except BrokenError:
            return True
        return False

    def _readable(self, seconds: float) -> list[Served | None]:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ, None)
            for served in self._idle:
                selector.register(served.socket, selectors.EVENT_READ, served)
            return [key.data for key, _ in selector.select(seconds)]

    def _accept(self) -> Served:
        connection, _ = self._listener.accept()
        served = Served(connection)
        self._all.append(served)
        self._idle.append(served)
        return served

    def _alive(self, served: Served) -> bool:
        """Whether something was said; a connection that ended unused is forgotten."""
        self._idle.remove(served)
        try:
            served.more()
        except BrokenError:
            served.close()
            return False
        return True

    def close(self) -> None:
        """Stop listening and end every connection."""
        self._listener.close()
        self.hang_up()

    def hang_up(self) -> None:
        """End every connection, and go on listening."""
        for served in self._all:
            served.close()
        self._all, self._idle = [], []


@dataclass(frozen=True)
class Fleet:
    """A hub, an agent with one slot, and the upstream behind it."""

    hub: HubProcess
    agent: AgentProcess
    upstream: Upstream


class SlimeTestCase(SynchronousTestCase):
    """Starts programs and surely ends them."""

    SECRET = "an e2e secret, thirty-two bytes long"

    def hub(self, *options: str) -> HubProcess:
        """A hub of this test's own."""
        hub = HubProcess(self.SECRET, *options)
        self.addCleanup(hub.child.end)
        return hub

    def upstream(self, port: int = 0) -> Upstream:
        """An upstream that the test plays."""
        upstream = Upstream(port)
        self.addCleanup(upstream.close)
        return upstream

    def agent(self, hub: HubProcess, upstream: str, *options: str, name: str = "alpha",
              scopes: Sequence[str] = ()) -> AgentProcess:
        """An agent that has joined ``hub``.

        :param scopes: options of ``slime hub register``.
        """
        token = hub.token(name, *scopes)
        agent = AgentProcess(name, f"127.0.0.1:{hub.port}", token, "--upstream", upstream, *options)
        self.addCleanup(agent.child.end)
        hub.wait_for_agent(name)
        return agent

    def fleet(self, *agent_options: str) -> Fleet:
        """Programs of this test's own, to be treated badly."""
        hub, upstream = self.hub(), self.upstream()
        return Fleet(hub, self.agent(hub, upstream.address, *agent_options), upstream)

    def application(self, hub: HubProcess) -> Application:
        """A connection to the hub."""
        application = Application(hub.port)
        self.addCleanup(application.close)
        return application

    def asking(self, hub: HubProcess, start: bytes, *lines: bytes, body: bytes | None = None) -> Application:
        """A new connection on which a request has been sent."""
        application = self.application(hub)
        application.ask(start, *lines, body=body)
        return application


@cache
def shared_fleet() -> Fleet:
    """One fleet for all tests that leave no trace in it. Leashes end its processes when the tests are over."""
    hub, upstream = HubProcess(SlimeTestCase.SECRET), Upstream()
    agent = AgentProcess("shared", f"127.0.0.1:{hub.port}", hub.token("shared"), "--upstream", upstream.address)
    hub.wait_for_agent("shared")
    return Fleet(hub, agent, upstream)


class SharedFleetTestCase(SlimeTestCase):
    """Tests that share a fleet. After each, its one slot must be free and its answers must be right.

    :ivar port: the hub's.
    """

    def setUp(self) -> None:
        fleet = shared_fleet()
        self.shared, self.provider = fleet.hub, fleet.upstream

    def tearDown(self) -> None:
        self.provider.hang_up()
        with closing(self.ask(b"GET /afterwards", b"Slime-Block: 1")) as after:  # cleanups have been run by now
            # Hanging up on a request before the agent has heard that its application left may make the agent repeat
            # it. It is left alone: the agent ends it when it has heard.
            while (served := self.provider.next()).request.target != b"/afterwards":
                continue
            served.answer(b"free")
            self.assertEqual(after.response().body, b"free")
        self.provider.hang_up()

    def ask(self, start: bytes, *lines: bytes, body: bytes | None = None) -> Application:
        """A new connection to the shared hub, on which a request has been sent."""
        return self.asking(self.shared, start, *lines, body=body)

    def settle(self) -> None:
        """Return once the hub has read everything that was sent to it before: it answers in order of arrival."""
        self.assertEqual(self.ask(b"GET /v1/agent/tunnel").response().status, 426)


async def until_true(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Go on when it is true: looked at again and again, while all else in the loop goes on.

    :raises TimeoutError: it has not become true in time.
    """
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
