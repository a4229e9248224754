"""Where a hub listens: TLS with ALPN, with certificates of clients, and behind HAProxy."""

from __future__ import annotations

import socket
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.testing import MemoryReactorClock
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.resource import Resource
from twisted.web.server import Request

from slime.hub.channel import ChannelLimits
from slime.hub.links import shows_certificate
from slime.hub.listening import certificate_file, has_tls, hub_endpoint
from slime.hub.site import GatewaySite
from tests.certificates import Authority, Issued

AUTHORITY = Authority()
OTHER = Authority("another authority")
TOLD = b"PROXY TCP4 203.0.113.7 192.0.2.7 4711 80\r\n"
ASKED = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Mirror(Resource):
    """Tells who asks, over what, and whether they have shown a certificate."""

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        shown = shows_certificate(request.transport)
        return f"{request.getClientAddress().host} {request.isSecure()} {shown}".encode()


class PlainTests(SynchronousTestCase):
    """Endpoints without TLS are what Twisted makes them."""

    def test_plain(self) -> None:
        clock = MemoryReactorClock()
        factory: Any = object()
        hub_endpoint(clock, "tcp:80:interface=127.0.0.1:backlog=7", [AUTHORITY.issued.certificate]).listen(factory)
        self.assertEqual(clock.tcpServers, [(80, factory, 7, "127.0.0.1")])
        hub_endpoint(clock, "unix:/run/x").listen(factory)
        self.assertEqual(clock.unixServers[0][:2], ("/run/x", factory))

    def test_nonsense(self) -> None:
        self.assertRaises(ValueError, hub_endpoint, reactor, "nonsense:1")

    def test_certificate_file(self) -> None:
        for description, path in (
            ("ssl:443:privateKey=a.key:certKey=/x/a.crt:interface=::1", "/x/a.crt"),
            (r"haproxy:ssl:443:privateKey=a\:b\\c:interface=::1", r"a:b\c"),
            ("ssl:443:a.key:a.crt", "a.crt"),
            (r"ssl:443:a.pem:interface=\:\:1", "a.pem"),
            ("ssl:443", "server.pem"),
            ("tcp:80", None),
            (r"unix:/run/a\:certKey=b", None),
        ):
            self.assertEqual(certificate_file(description), path and Path(path))

    def test_has_tls(self) -> None:
        self.assertTrue(has_tls("ssl:443") and has_tls("haproxy:ssl:443"))
        self.assertFalse(has_tls("tcp:443") or has_tls("haproxy:tcp:443") or has_tls("unix:/ssl:"))


class TLSTests(TestCase):
    """Conversations over the loopback, with a client of another make."""

    timeout = 20

    async def listen(
        self, kind: str = "ssl", agents: bool = False, issued: Issued | None = None, more: str = ""
    ) -> None:
        folder = Path(self.mktemp())
        certificate, key = (issued or AUTHORITY.issue("localhost")).write(folder, "hub")
        self.ca, _ = AUTHORITY.issued.write(folder, "ca")
        self.identities = {name: authority.issue("agent").write(folder, name)
                           for name, authority in (("good", AUTHORITY), ("bad", OTHER))}  # fmt: skip
        description = f"{kind}:0:privateKey={key}:certKey={certificate}:interface=127.0.0.1{more}"
        authorities = [AUTHORITY.issued.certificate] if agents else []
        site = GatewaySite(Mirror(), reactor, ChannelLimits())  # type: ignore[arg-type]
        port = await hub_endpoint(reactor, description, authorities).listen(site)
        self.addCleanup(port.stopListening)
        self.addCleanup(site.when_idle)
        self.port = port.getHost().port  # type: ignore[attr-defined]

    def client(self, *protocols: str) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.ca))
        if protocols:
            context.set_alpn_protocols(protocols)
        return context

    async def meet(self, context: ssl.SSLContext, told: bytes = b"") -> tuple[str | None, bytes]:
        """The protocol that was agreed upon, and the answer to a request."""

        def talk() -> tuple[str | None, bytes]:
            with socket.create_connection(("127.0.0.1", self.port), 10) as plain:
                plain.sendall(told)
                with context.wrap_socket(plain, server_hostname="localhost") as secure:
                    secure.sendall(ASKED)
                    answer = b"".join(iter(lambda: secure.recv(65536), b""))
                    return secure.selected_alpn_protocol(), answer.partition(b"\r\n\r\n")[2]

        return await deferToThread(talk)

    async def refused(self, context: ssl.SSLContext) -> str:
        """Why there was no answer; nothing, if there was one."""
        try:
            await self.meet(context)
        except ssl.SSLError as error:
            return str(error)
        return ""

    async def test_protocols(self) -> None:
        """HTTP/1.1 for who offers it among others, and for who offers nothing; nothing for who wants another."""
        await self.listen()
        for protocols, agreed in ((("h2", "http/1.1"), "http/1.1"), (("http/1.1",), "http/1.1"), ((), None)):
            self.assertEqual(await self.meet(self.client(*protocols)), (agreed, b"127.0.0.1 True False"))
        self.assertIn("alert", await self.refused(self.client("h2")))

    async def test_chain(self) -> None:
        """What leads from the certificate to its authority is shown with it, from one file or from two."""
        below = Authority("below", AUTHORITY)
        issued = below.issue("localhost")
        await self.listen(issued=issued)
        self.assertEqual(await self.meet(self.client()), (None, b"127.0.0.1 True False"))
        chain = Path(self.mktemp())
        chain.write_bytes(below.issued.pem)
        await self.listen(issued=replace(issued, chain=()), more=f":extraCertChain={chain}")
        self.assertEqual(await self.meet(self.client()), (None, b"127.0.0.1 True False"))

    async def test_told(self) -> None:
        """HAProxy passes TLS through, and tells before it begins who has come."""
        await self.listen("haproxy:ssl")
        for protocols, agreed in ((("h2", "http/1.1"), "http/1.1"), ((), None)):
            self.assertEqual(await self.meet(self.client(*protocols), TOLD), (agreed, b"203.0.113.7 True False"))
        with self.assertRaises(OSError):
            await self.meet(self.client())

    async def test_certificates(self) -> None:
        """Who comes without one is let in all the same; who comes with a bad one is not."""
        await self.listen(agents=True)
        context = self.client()
        self.assertEqual(await self.meet(context), (None, b"127.0.0.1 True False"))
        context.load_cert_chain(*self.identities["good"])
        self.assertEqual(await self.meet(context), (None, b"127.0.0.1 True True"))
        context = self.client()
        context.load_cert_chain(*self.identities["bad"])
        self.assertIn("unknown ca", (await self.refused(context)).lower())
