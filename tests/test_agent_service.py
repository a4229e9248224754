"""Agents as a service, over loopback sockets: a hub's end of the link on one side, an upstream on the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from twisted.application.service import Service
from twisted.internet import reactor, ssl
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, wrapClientTLS
from twisted.internet.interfaces import IListeningPort
from twisted.internet.ssl import PrivateCertificate
from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import TestCase

from slime.agent import hardware, reconnect, service
from slime.agent.reconnect import Hub
from slime.agent.service import build_agent
from slime.errors import ErrorCode
from slime.settings import AgentConfig
from slime.testing_upstream import ScriptedUpstream
from slime.tunnel import Capacity, Data, Drain, End, Frame, Head, Hello, Refused, Started
from slime.wslink import CloseCode
from tests.agent_fakes import HubEnd, HubFactory
from tests.certificates import self_signed

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class ServiceCase(TestCase):
    async def setUp(self) -> None:  # type: ignore[override]
        self.hub = HubFactory(reactor)
        self.upstream = ScriptedUpstream()
        self.hub_port = await self._listening(self.hub)
        self.upstream_port = await self._listening(self.upstream)
        self.addCleanup(self.end_connections)

    async def end_connections(self) -> None:
        """Leave nothing open at the upstream: whose client has left, its end stays until it is closed as well."""
        for connection in self.upstream.connections:
            if connection.lost is None:
                connection.reset()
        await self.upstream.when(lambda: all(connection.lost for connection in self.upstream.connections))

    async def _listening(self, factory: Any) -> int:
        port: IListeningPort = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory)
        self.addCleanup(port.stopListening)
        return cast(int, cast(Any, port.getHost()).port)

    def config(self, **settings: Any) -> AgentConfig:
        upstream = f"http://user:secret@127.0.0.1:{self.upstream_port}/base"
        given = {
            "token": "token",
            "hub": f"ws://127.0.0.1:{self.hub_port}/v1/agent/tunnel",
            "upstreams": (upstream,),
            "state_dir": Path(self.mktemp()),
            **settings,
        }
        return AgentConfig(**given)

    async def linked(self, agents: int = 1, **settings: Any) -> Service:
        """A running service whose links have been welcomed."""
        agent = cast(Service, build_agent(reactor, self.config(**settings)))
        agent.startService()
        self.addCleanup(self._stop, agent)
        await self.hub.when(lambda: [end.rtt is not None for end in self.hub.ends] == [True] * agents)
        return agent

    def _stop(self, agent: Service) -> Deferred[None] | None:
        return cast("Deferred[None]", agent.stopService()) if agent.running else None

    def hellos(self) -> list[Hello]:
        return [frame for end in self.hub.ends for frame in end.frames if isinstance(frame, Hello)]

    @property
    def end(self) -> HubEnd:
        return self.hub.ends[-1]

    async def said(self, kind: type[Frame]) -> None:
        """Until the agent has sent such a frame."""
        await self.hub.when(lambda: any(isinstance(frame, kind) for frame in self.end.frames))


class ServiceTests(ServiceCase):
    async def test_greeting(self) -> None:
        await self.linked(num_worker=3, agent_id="gpu", window=65536)
        (hello,) = self.hellos()
        self.assertEqual((hello.agent_id, hello.slots, hello.prefetch), ("gpu", 3, 12))
        self.assertEqual((hello.window, hello.prefetch_window), (65536, 65536))
        self.assertEqual(hello.upstream, f"http://127.0.0.1:{self.upstream_port}/base")
        self.assertIn("cores", hello.hardware or {})

    async def test_hardware_is_nobodys_business(self) -> None:
        await self.linked(report_hardware=False)
        self.assertIsNone(self.hellos()[0].hardware)

    async def test_addresses_of_network_cards(self) -> None:
        """They are nobody's business unless somebody says so."""
        self.patch(hardware, "mac_addresses", lambda: ["02:00:00:00:00:01"])
        for asked in (False, True):
            agent = await self.linked(1 + asked, report_mac=asked)
            self.assertEqual("macs" in (self.hellos()[-1].hardware or {}), asked)
            await agent.stopService()

    async def test_catalogue(self) -> None:
        """A program that embeds an agent has the say."""
        agent = cast(Service, build_agent(reactor, self.config(), lambda: {"rack": "b7"}))
        agent.startService()
        self.addCleanup(self._stop, agent)
        await self.hub.when(lambda: self.hellos())
        self.assertEqual(self.hellos()[0].hardware, {"rack": "b7"})
        self.assertRaises(ValueError, build_agent, reactor, self.config(), lambda: {"rack": object()})

    async def test_agent_for_each_upstream(self) -> None:
        addresses = f"127.0.0.1:{self.upstream_port}", f"127.0.0.1:{self.upstream_port}/v2"
        await self.linked(2, upstreams=tuple(f"http://{address}" for address in addresses))
        self.assertEqual(len({hello.agent_id for hello in self.hellos()}), 2)
        self.assertEqual({hello.upstream for hello in self.hellos()}, {f"http://{text}" for text in addresses})

    async def test_bad_upstream(self) -> None:
        self.assertRaises(ValueError, build_agent, reactor, self.config(upstreams=("http://",)))

    async def test_request(self) -> None:
        await self.linked()
        stream_id = self.end.open()
        await self.upstream.when(lambda: self.upstream.connections and self.upstream.last.received)
        self.assertTrue(self.upstream.last.received.startswith(b"GET /base/v1/models HTTP/1.1\r\n"))
        self.upstream.last.send(ANSWER)
        await self.said(End)
        frames = self.end.frames[1:]
        self.assertEqual([type(frame) for frame in frames], [Started, Head, Data, End])
        self.assertEqual(frames[2], Data(stream_id, b"hello"))

    async def test_link_that_is_lost_comes_back(self) -> None:
        self.patch(reconnect, "BASE", 0.01)
        await self.linked()
        self.end.fail(CloseCode.INTERNAL, "the hub broke")
        await self.hub.when(lambda: len(self.hellos()) == 2)
        self.assertEqual(len({hello.agent_id for hello in self.hellos()}), 1)

    async def test_stop_when_idle(self) -> None:
        agent = await self.linked()
        await agent.stopService()
        self.assertEqual(self.end.frames[1:], [Capacity(0), Drain()])
        self.assertEqual(self.end.reason, "closed by the peer: 1000 the agent stops")

    async def test_stop_finishes_what_runs(self) -> None:
        agent = await self.linked()
        self.end.open()
        await self.said(Started)
        stopped = agent.stopService()
        await self.said(Drain)
        self.assertFalse(cast("Deferred[None]", stopped).called)
        self.upstream.last.send(ANSWER)
        await stopped
        self.assertIsInstance(self.end.frames[-1], End)

    async def test_stop_gives_back_what_waits(self) -> None:
        """After the hub has been told to send nothing more, or it might send it here again."""
        agent = await self.linked()
        self.end.open()
        waiting = self.end.open(prefetch=True)
        await self.said(Started)
        stopped = agent.stopService()
        await self.said(Refused)
        self.assertEqual(self.end.frames[2:], [Capacity(0), Drain(), Refused(waiting, ErrorCode.DRAINING)])
        self.upstream.last.send(ANSWER)
        await stopped

    async def test_stop_without_grace(self) -> None:
        agent = await self.linked(grace=0.0)
        self.end.open()
        await self.said(Started)
        await agent.stopService()
        await self.upstream.when(lambda: self.upstream.last.ended)
        self.assertIn("the agent stops", self.end.reason)

    async def test_warnings(self) -> None:
        """What leaves a door open is said at each start."""
        settings = {"upstreams": ("https://127.0.0.1:1",), "insecure_upstream": True}
        agent = cast(Service, build_agent(reactor, self.config(hub="ws://127.0.0.1:1/", **settings)))
        for _ in range(2):
            with capturedLogs() as events:
                agent.startService()
            await agent.stopService()
            said = [event["words"] for event in events if event["log_level"] is LogLevel.error]
            self.assertIn("INSECURE: nobody checks who answers for the upstream https://127.0.0.1:1 ", said[0])

    async def test_certificates_that_cannot_be_read(self) -> None:
        self.assertRaises(ValueError, build_agent, reactor, self.config(ca=Path("/gone")))

    async def test_stop_of_an_agent_without_a_hub(self) -> None:
        agent = cast(Service, build_agent(reactor, self.config(hub="ws://127.0.0.1:1/v1/agent/tunnel")))
        agent.startService()
        await agent.stopService()


class TLSTests(ServiceCase):
    """``wss://``: the same over TLS, its certificate verified."""

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.certificate = self_signed("localhost")
        port = reactor.listenSSL(0, self.hub, self.certificate.options(), interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        self.tls_port = port.getHost().port

    def trust(self, root: PrivateCertificate) -> None:
        """Dial by TLS, and trust what ``root`` signed."""
        plain = service.hub_at(reactor, f"ws://127.0.0.1:{self.tls_port}/", 5.0).endpoint
        endpoint = wrapClientTLS(ssl.optionsForClientTLS("localhost", trustRoot=root), plain)
        self.patch(service, "hub_at", lambda *_: Hub("https://localhost", endpoint, 5.0))

    async def test_link(self) -> None:
        self.trust(self.certificate)
        await self.linked()
        stream_id = self.end.open()
        await self.said(Started)
        self.upstream.last.send(ANSWER)
        await self.said(End)
        self.assertIn(Data(stream_id, b"hello"), self.end.frames)

    async def test_certificate_is_verified(self) -> None:
        """A hub that cannot prove its name gets nothing, least of all the token."""
        self.trust(self_signed("localhost"))
        agent = cast(Service, build_agent(reactor, self.config()))
        agent.startService()
        await self.hub.when(lambda: self.hub.ends and self.end.reason)
        self.assertEqual((self.hellos(), self.end.data), ([], b""))
        await agent.stopService()
