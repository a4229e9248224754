"""TLS, proxies on the way out, and proxies in front: whole programs, with certificates made for the day."""

from __future__ import annotations

import contextlib
import os
import ssl
from functools import cache
from http.server import BaseHTTPRequestHandler
from itertools import count
from pathlib import Path
from socketserver import UnixStreamServer
from tempfile import mkdtemp
from threading import Thread

from slime.demo.fleet import AgentProcess, HubProcess
from slime.tokens import NONCE_BYTES, AgentClaims, mint
from tests.certificates import Authority
from tests.e2e.harness import Application, Served, SlimeTestCase, Upstream
from tests.e2e.messages import DEADLINE, Message
from tests.e2e.scripted_proxy import OPEN, ConnectProxy

NUMBERS = count(1)
LISTENING = r"listening on .*port=(\d+)"


class Certificates:
    """The files of one authority."""

    def __init__(self) -> None:
        self.folder = Path(mkdtemp())
        authority = Authority()
        self.ca, _ = authority.issued.write(self.folder, "ca")
        self.certificate, self.key = authority.issue("localhost", "127.0.0.1").write(self.folder, "server")
        self.shown, self.shown_key = authority.issue("an agent").write(self.folder, "agent")

    def endpoint(self, kind: str = "ssl") -> tuple[str, str]:
        """Options of a hub that listens with TLS."""
        return "--listen", f"{kind}:0:privateKey={self.key}:certKey={self.certificate}:interface=127.0.0.1"

    def server(self, asking: bool = False) -> ssl.SSLContext:
        """For a server; it may ask for a certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.ca)
        context.load_cert_chain(self.certificate, self.key)
        context.verify_mode = ssl.CERT_REQUIRED if asking else ssl.CERT_NONE
        return context


@cache
def certificates() -> Certificates:
    """The same for all tests."""
    return Certificates()


@cache
def shared_hub() -> HubProcess:
    """A hub that listens in every way, for tests that leave no trace in it."""
    files = certificates()
    told = ("--listen", "haproxy:tcp:0:interface=127.0.0.1", *files.endpoint("haproxy:ssl"))
    return HubProcess(SlimeTestCase.SECRET, *files.endpoint(), *told, "--trusted-proxies", "203.0.113.0/24")


class SecureApplication(Application):
    """A connection by TLS, which may be passed on by HAProxy."""

    def __init__(self, port: int, told: bytes = b"") -> None:
        super().__init__(port)
        context = ssl.create_default_context(cafile=certificates().ca)
        context.set_alpn_protocols(["h2", "http/1.1"])
        self.socket.sendall(told)
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")


class SecureUpstream(Upstream):
    """An upstream that speaks TLS.

    :ivar shown: the certificates that agents have shown.
    """

    def __init__(self, asking: bool = False) -> None:
        super().__init__()
        self._context = certificates().server(asking)
        self.shown: list[object] = []

    def _accept(self) -> Served:
        connection, _ = self._listener.accept()
        connection.settimeout(DEADLINE)
        secure = self._context.wrap_socket(connection, server_side=True)
        self.shown.append(secure.getpeercert())
        served = Served(secure)
        self._all.append(served)
        self._idle.append(served)
        return served


class WaysCase(SlimeTestCase):
    """The shared hub, and agents for a moment."""

    def setUp(self) -> None:
        self.files = certificates()
        self.shared = shared_hub()
        self.ports = [int(self.shared.child.wait_for(LISTENING, times=nth)[1]) for nth in (1, 2, 3, 4)]
        self.ca = ("--ca", str(self.files.ca))

    def dialling(self, address: str, *options: str, upstream: str = "127.0.0.1:1") -> AgentProcess:
        """An agent that may join or not, for requests of a scope of the test's own."""
        self.scope = f"scope-{next(NUMBERS)}"
        claims = AgentClaims(self.scope, self.scope, None, (), (self.scope,))
        token = mint(self.SECRET.encode(), claims, os.urandom(NONCE_BYTES))
        agent = AgentProcess(self.scope, address, token, "--upstream", upstream, *options)
        self.addCleanup(agent.child.end)
        return agent

    def joined(self, address: str, *options: str, upstream: Upstream | None = None) -> AgentProcess:
        """An agent that has joined; what its hub is asked comes to ``self.provider``."""
        self.provider = upstream or self.upstream()
        host = self.provider.address
        if isinstance(self.provider, SecureUpstream):
            self.addCleanup(self.provider.close)
            host = f"https://{host}"
        agent = self.dialling(address, *options, upstream=host)
        self.shared.wait_for_agent(self.scope)
        return agent

    def exchange(self, application: Application, *lines: bytes) -> Message:
        """Ask for something, have it answered, and return the request as it arrived."""
        self.addCleanup(application.close)
        application.ask(b"GET /x", b"Slime-Scope: " + self.scope.encode(), *lines)
        request = self.provider.serve(b"served").request
        self.assertEqual(application.response().body, b"served")
        return request

    def proxy(self, answer: bytes = OPEN, tls: ssl.SSLContext | None = None) -> ConnectProxy:
        """A proxy of the test's own."""
        proxy = ConnectProxy(answer, tls)
        self.addCleanup(proxy.close)
        return proxy


class HubTests(WaysCase):
    """By TLS to the hub."""

    def test_both_sides(self) -> None:
        """Agent and application; neither is offered HTTP/2."""
        self.joined(f"https://localhost:{self.ports[1]}", *self.ca)
        request = self.exchange(SecureApplication(self.ports[1]))
        self.assertEqual(request.one(b"x-forwarded-proto"), b"https")

    def test_unknown_authority(self) -> None:
        """A hub that cannot prove itself never sees the token."""
        agent = self.dialling(f"wss://localhost:{self.ports[1]}")
        agent.child.wait_for(r"no link to the hub at https://localhost:\d+: .*TLS: its certificate is out of date, or")

    def test_certificate_of_the_agent(self) -> None:
        """Agents need one, by TLS; applications need none, and either port will do."""
        self.shared = self.hub(*self.files.endpoint(), "--agent-ca", str(self.files.ca))
        secure = int(self.shared.child.wait_for(LISTENING, times=2)[1])
        shown = ("--client-cert", str(self.files.shown), "--client-key", str(self.files.shown_key))
        for address, options in ((f"https://127.0.0.1:{secure}", ()), (f"127.0.0.1:{self.shared.port}", shown)):
            agent = self.dialling(address, *self.ca, *options)
            agent.child.wait_for("the hub answers 401 unauthorized: it wants a client certificate")
        self.joined(f"https://127.0.0.1:{secure}", *self.ca, *shown)
        for application in (SecureApplication(secure), Application(self.shared.port)):
            self.exchange(application)


class ProxyTests(WaysCase):
    """An HTTP proxy on the way."""

    def test_credentials(self) -> None:
        """They reach the proxy, and nobody else."""
        proxy = self.proxy()
        url = f"http://user:s3cret%21@127.0.0.1:{proxy.port}"
        agent = self.joined(f"https://localhost:{self.ports[1]}", *self.ca, "--proxy", url)
        self.exchange(Application(self.ports[0]))
        (asked,) = proxy.asked
        self.assertEqual(asked.start, b"CONNECT localhost:%d HTTP/1.1" % self.ports[1])
        self.assertEqual(asked.one(b"proxy-authorization"), b"Basic dXNlcjpzM2NyZXQh")
        self.assertEqual([line for line in agent.child.lines if "s3cret" in line or "dXNlcj" in line], [])

    def test_refusal(self) -> None:
        """One line says which proxy, and why; it is not asked again at once."""
        proxy = self.proxy(b"HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
        agent = self.dialling("hub.example:8080", "--proxy", f"127.0.0.1:{proxy.port}")
        said = agent.child.wait_for(
            rf"no link to the hub at http://hub.example:8080: cannot connect: the proxy 127.0.0.1:{proxy.port}: "
            r"it wants a user and a password, or others than it was given \(status 407\); dialling in (\d+)"
        )
        self.assertGreaterEqual(int(said[1]), 15)

    def test_silence(self) -> None:
        proxy = self.proxy(b"")
        agent = self.dialling("hub.example", "--proxy", f"127.0.0.1:{proxy.port}", "--handshake-timeout", "300ms")
        agent.child.wait_for(rf"cannot connect: the proxy 127.0.0.1:{proxy.port}: it does not answer")

    def test_environment(self) -> None:
        """The usual variables mean what they mean elsewhere: a way to what has https, but for some hosts."""
        proxy = self.proxy()
        variables = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}", "no_proxy": "example.org,127.0.0.1"}
        self.patch(os, "environ", {**os.environ, **variables})
        for address in (f"127.0.0.1:{self.ports[0]}", f"https://127.0.0.1:{self.ports[1]}"):
            self.joined(address, *self.ca).child.end()
        self.assertEqual(proxy.asked, [])
        self.joined(f"https://localhost:{self.ports[1]}", *self.ca, upstream=SecureUpstream())
        self.exchange(Application(self.ports[0]))
        self.assertEqual([asked.target for asked in proxy.asked], [b"localhost:%d" % self.ports[1]])

    def test_upstream(self) -> None:
        """An upstream with https is beyond it as well, and it may itself be spoken to by TLS."""
        proxy = self.proxy(OPEN, self.files.server())
        upstream = SecureUpstream()
        options = ("--proxy", f"https://localhost:{proxy.port}", "--no-proxy", f"127.0.0.1:{self.ports[0]}")
        self.joined(f"127.0.0.1:{self.ports[0]}", *self.ca, *options, upstream=upstream)
        self.exchange(Application(self.ports[0]))
        self.assertEqual([asked.target for asked in proxy.asked], [upstream.address.encode()])


class UpstreamTests(WaysCase):
    """Upstreams elsewhere than at a TCP port."""

    def test_certificate(self) -> None:
        """Both prove who they are."""
        shown = ("--upstream-client-cert", str(self.files.shown), "--upstream-client-key", str(self.files.shown_key))
        upstream = SecureUpstream(asking=True)
        agent = self.joined(f"127.0.0.1:{self.ports[0]}", *self.ca, *shown, upstream=upstream)
        self.exchange(Application(self.ports[0]))
        self.assertIn("an agent", str(upstream.shown))
        self.assertEqual([line for line in agent.child.lines if "INSECURE" in line], [])

    def test_unverified(self) -> None:
        """Whoever answers is believed, if that is wanted; it is said loudly."""
        agent = self.joined(f"127.0.0.1:{self.ports[0]}", "--insecure-upstream", upstream=SecureUpstream())
        agent.child.wait_for(rf"INSECURE: nobody checks who answers for the upstream https://{self.provider.address} ")
        self.exchange(Application(self.ports[0]))

    def test_unknown_authority(self) -> None:
        """Otherwise the application hears that there is no connection, and the agent's log why."""
        upstream = Upstream()
        self.addCleanup(upstream.close)
        context = self.files.server()

        def shake_hands() -> None:
            connection, _ = upstream._listener.accept()
            with connection, contextlib.suppress(OSError):
                context.wrap_socket(connection, server_side=True)

        Thread(target=shake_hands, daemon=True).start()
        agent = self.dialling(f"127.0.0.1:{self.ports[0]}", upstream=f"https://{upstream.address}")
        self.shared.wait_for_agent(self.scope)
        application = self.asking(self.shared, b"GET /", b"Slime-Scope: " + self.scope.encode())
        response = application.response()
        self.assertEqual((response.status, response.one(b"slime-error")), (502, b"upstream-unreachable"))
        agent.child.wait_for("cannot connect to the upstream: TLS: its certificate is out of date, or not signed")

    def test_unix(self) -> None:
        """An upstream at a UNIX socket."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "4")
                self.end_headers()
                self.wfile.write(b"unix")

            def log_message(self, *args: object) -> None:
                """Say nothing."""

            def address_string(self) -> str:
                return "unix"

        path = self.files.folder / "upstream.sock"
        server = UnixStreamServer(str(path), Handler)
        Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.dialling(f"127.0.0.1:{self.ports[0]}", upstream=f"unix:{path}")
        self.shared.wait_for_agent(self.scope)
        application = self.asking(self.shared, b"GET /", b"Slime-Scope: " + self.scope.encode())
        self.assertEqual(application.response().body, b"unix")


class FrontTests(WaysCase):
    """Proxies in front of the hub."""

    TOLD = b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n"

    def test_told(self) -> None:
        """HAProxy tells who the application is, with TLS behind it or not; upstream and log know."""
        self.joined(f"127.0.0.1:{self.ports[0]}")
        plain = Application(self.ports[2])
        plain.send(self.TOLD)
        for application in (plain, SecureApplication(self.ports[3], self.TOLD)):
            request = self.exchange(application)
            self.assertEqual(request.one(b"x-forwarded-for"), b"203.0.113.7")
        self.shared.child.wait_for(r"access .*app=203\.0\.113\.7:4711 ", times=2)

    def test_trusted(self) -> None:
        """Who is a proxy that is trusted is believed; who is not is replaced."""
        self.joined(f"127.0.0.1:{self.ports[0]}")
        way = (
            b"X-Forwarded-For: 198.51.100.1, 198.51.100.2",
            b"X-Forwarded-Proto: https",
            b"Forwarded: for=198.51.100.2",
        )
        application = Application(self.ports[2])
        application.send(self.TOLD)
        request = self.exchange(application, *way)
        self.assertEqual(request.one(b"x-forwarded-for"), b"198.51.100.1, 198.51.100.2, 203.0.113.7")
        self.assertEqual(request.one(b"x-forwarded-proto"), b"https")
        self.assertTrue(request.one(b"forwarded").startswith(b"for=198.51.100.2, for=203.0.113.7;proto=http;"))
        self.shared.child.wait_for(r"access .*app=198\.51\.100\.2:0 ")
        request = self.exchange(Application(self.ports[0]), *way)
        self.assertEqual(request.one(b"x-forwarded-for"), b"127.0.0.1")
        self.assertEqual(request.one(b"x-forwarded-proto"), b"http")
        self.assertEqual(request.one(b"forwarded"), b"for=127.0.0.1;proto=http;host=hub.example")
