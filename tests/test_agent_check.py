"""``slime agent check`` in this process, against a hub and upstreams of its own; as people run it: tests/e2e."""

from __future__ import annotations

import contextlib
import io
import os
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from slime.agent import check
from slime.agent.check import examine, main
from slime.agent.findings import Grade
from slime.hub.service import HubService, build_hub
from slime.settings import AgentConfig, HubConfig
from slime.testing_upstream import ScriptedUpstream
from slime.tokens import NONCE_BYTES, AgentClaims, mint

SECRET = b"a secret of thirty-two bytes, say"
TOKEN = mint(SECRET, AgentClaims("t1", "desk"), b"n" * NONCE_BYTES)
LARGE = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nand so on"


class CheckTests(TestCase):
    """Real sockets, and the whole of what is said."""

    timeout = 20

    async def hub(self) -> tuple[HubService, str]:
        """A hub that listens, and where."""
        config = HubConfig(secret=SECRET, listen=("tcp:0:interface=127.0.0.1",), admin=None, access_log="off")
        hub = build_hub(reactor, config)
        hub.privilegedStartService()
        hub.startService()
        self.addCleanup(hub.stopService)
        (listener,) = (service for service in hub if hasattr(service, "port"))
        return hub, f"ws://127.0.0.1:{listener.port.getHost().port}/v1/agent/tunnel"

    async def upstream(self, answer: bytes) -> str:
        """An upstream that always says the same, and its address."""
        upstream = ScriptedUpstream(lambda asked: answer)
        port = await upstream.listen(reactor, None)
        self.addCleanup(self.ended, upstream)
        self.addCleanup(port.stopListening)
        return f"127.0.0.1:{port.getHost().port}"

    async def ended(self, upstream: ScriptedUpstream) -> None:
        """Wait until nothing is open."""
        await upstream.when(lambda: all(connection.lost for connection in upstream.connections))
        await deferLater(reactor, 0)

    async def said(self, **settings: Any) -> list[str]:
        """What the check says."""
        config = AgentConfig(**{"token": TOKEN, "hub": "ws://127.0.0.1:9/", "upstreams": ("127.0.0.1:9",), **settings})
        return [" ".join(str(finding).split()) async for finding in examine(reactor, config)]

    async def test_well(self) -> None:
        """All of it in order, and nobody was counted."""
        hub, address = await self.hub()
        joined: list[object] = []
        self.patch(hub.pool, "join", lambda *arguments: joined.append(arguments))
        upstream = await self.upstream(LARGE)
        token, reached, admitted, link, answers = await self.said(hub=address, upstreams=(upstream,))
        self.assertEqual(token, "ok token it is whole")
        self.assertEqual(reached, f"ok hub http://{address[5:].partition('/')[0]} is reached")
        self.assertEqual(admitted, "ok let in the hub accepts the token of desk; it does not expire")
        self.assertRegex(link, r"^ok link slime/\S+, protocol 1, round trip [\d.e-]+ ms$")
        self.assertRegex(answers, rf"^ok upstream http://{upstream} answers / with 200 in [\d.]+ ms$")
        self.assertEqual(joined, [])

    async def test_refused(self) -> None:
        """A token of another hub, and an upstream that is not ready."""
        _, address = await self.hub()
        upstream = await self.upstream(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        token = mint(b"another", AgentClaims("t1", "desk"), b"n" * NONCE_BYTES)
        said = await self.said(hub=address, token=token, upstreams=(upstream,), health_path="/ready")
        self.assertIn("FAIL let in the hub does not accept the token", said[2])
        self.assertIn("answers /ready with 503", said[3])
        self.assertIn("FAIL upstream", said[3])

    async def test_nobody(self) -> None:
        """Neither hub nor upstream."""
        said = await self.said(insecure_upstream=True)
        self.assertEqual([line[:8] for line in said], ["ok token", "FAIL hub", "FAIL ups", "warn ups"])

    async def test_silence(self) -> None:
        """Something listens and says nothing, whether it is asked as hub or as upstream."""
        self.patch(check, "PATIENCE", 0.1)
        port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(Silent())
        self.addCleanup(port.stopListening)
        self.addCleanup(port.factory.gone)
        there = f"127.0.0.1:{port.getHost().port}"
        said = await self.said(hub=f"ws://{there}/", upstreams=(there,), handshake_timeout=0.1)
        self.assertIn("cannot be talked to: the handshake is late", said[1])
        self.assertIn("does not answer: nothing comes within 100ms", said[2])


class Silent(Factory):
    """Takes connections, and that is all.

    :ivar open: how many there are.
    """

    noisy = False
    open = 0

    def __init__(self) -> None:
        self._waiting: list[Deferred[None]] = []

    def buildProtocol(self, addr: object) -> Protocol:
        self.open += 1
        protocol = Listener()
        protocol.factory = self
        return protocol

    def lost(self) -> None:
        self.open -= 1
        for waiting in self._waiting if not self.open else ():
            waiting.callback(None)

    async def gone(self) -> None:
        """Wait until all of them are closed."""
        if self.open:
            self._waiting.append(Deferred())
            await self._waiting[-1]


class Listener(Protocol):
    """One connection."""

    factory: Silent

    def connectionLost(self, reason: object = None) -> None:
        self.factory.lost()


class CommandTests(TestCase):
    """The command, with everything that it looks at made up."""

    def run_command(self, *grades: Grade) -> tuple[int, str]:
        """Its status, and what it says."""

        async def examine(*arguments: object) -> Any:
            for grade in grades:
                yield check.Finding(grade, "x", "y")

        def react(run: Any) -> None:
            raise self.failureResultOf(run(reactor), SystemExit).value

        self.patch(check, "examine", examine)
        self.patch(check, "react", react)
        self.patch(os, "environ", {"HOME": self.mktemp(), "SLIME_TOKEN": "t"})
        said = io.StringIO()
        with contextlib.redirect_stdout(said), self.assertRaises(SystemExit) as end:
            main(["--hub", "h", "--upstream", "u:1"])
        return int(end.exception.code or 0), said.getvalue()

    def test_status(self) -> None:
        """It is 1 as soon as anything is bad."""
        good, doubtful, bad = Grade.GOOD, Grade.DOUBTFUL, Grade.BAD
        self.assertEqual(self.run_command(good, doubtful), (0, "ok    x         y\nwarn  x         y\n"))
        self.assertEqual(self.run_command(bad, good)[0], 1)
