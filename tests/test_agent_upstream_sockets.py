"""The upstream client on real sockets: what only a kernel can do to it."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from ipaddress import IPv4Address
from shutil import rmtree
from struct import pack
from tempfile import mkdtemp
from typing import Any
from unittest import mock

import treq
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.internet import reactor
from twisted.internet.endpoints import SSL4ServerEndpoint, UNIXServerEndpoint
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.internet.ssl import Certificate, PrivateCertificate
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from slime import direct, sockets
from slime.agent.egress import Egress, TLSOptions
from slime.agent.upstream import UpstreamAgent, UpstreamCall, UpstreamClient, UpstreamLimits, UpstreamTarget
from slime.direct import connection_below, is_delivered
from slime.errors import ErrorCode
from slime.testing_upstream import Answer, Asked, RecordingSink, ScriptedUpstream, Then
from tests.test_agent_upstream import HEARD_OK, OK, request

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"


def say_ok(asked: Asked) -> bytes:
    """An upstream of few words."""
    return OK


class SocketCase(TestCase):
    """An upstream on a loopback socket, and a client of it."""

    timeout = 10
    limits = UpstreamLimits(connect_timeout=5.0)

    async def serve(self, upstream: ScriptedUpstream, endpoint: IStreamServerEndpoint | None = None) -> Any:
        """Where it listens."""
        self.upstream = upstream
        port = await upstream.listen(reactor, endpoint)
        self.addCleanup(port.stopListening)
        self.addCleanup(self.end_connections)
        return port.getHost()

    async def end_connections(self) -> None:
        """Leave nothing open."""
        self.client.close()
        for connection in self.upstream.connections:
            if connection.lost is None:
                connection.reset()
        await self.upstream.when(lambda: all(connection.lost for connection in self.upstream.connections))
        while self.client._connections:
            await deferLater(reactor, 0, lambda: None)

    async def serve_tcp(self, upstream: ScriptedUpstream) -> None:
        """Serve, and make a client for it."""
        host = await self.serve(upstream)
        self.connect_to(f"127.0.0.1:{host.port}")

    async def serve_tls(self, upstream: ScriptedUpstream, address: str = "127.0.0.1", trusted: bool = True) -> None:
        """Serve with a certificate for ``address``."""
        certificate = make_certificate(address)
        host = await self.serve(upstream, SSL4ServerEndpoint(reactor, 0, certificate.options(), interface="127.0.0.1"))
        root = Certificate.loadPEM(certificate.dumpPEM()) if trusted else None
        self.connect_to(f"https://127.0.0.1:{host.port}", root)

    def connect_to(self, text: str, trusted: Certificate | None = None) -> None:
        """Make a client."""
        target = UpstreamTarget.parse(text, egress=Egress(TLSOptions(trusted)))
        self.client = UpstreamClient(reactor, target, self.limits)

    async def over(self) -> None:
        """Wait for the end of the call."""
        await self.sink.when(lambda: self.sink.over)

    async def exchange(self, times: int) -> None:
        """So many uploads, one after the other, and their answers."""
        for _ in range(times):
            call = self.ask(b"POST", 5)
            call.write(b"hello")
            call.end()
            await self.over()
            self.assertEqual(self.sink.events, HEARD_OK)

    async def asked(self) -> None:
        """Wait until the upstream has heard of the call."""
        await self.upstream.when(lambda: self.upstream.connections and self.upstream.last.received)

    def ask(self, method: bytes = b"GET", length: int | None = 0, *fields: tuple[bytes, bytes]) -> UpstreamCall:
        """Start a call."""
        self.sink = RecordingSink()
        return self.client.start(request(method, *fields), length, self.sink)


class LoopbackTests(SocketCase):
    """Plain TCP."""

    async def test_exchange(self) -> None:
        """Requests and answers, over one connection; head and body leave in one packet."""
        await self.serve_tcp(ScriptedUpstream(say_ok))
        await self.exchange(3)
        self.assertEqual((len(self.upstream.connections), self.upstream.last.reads), (1, 3))

    async def test_by_name(self) -> None:
        """``localhost`` has several addresses, of which one listens."""
        host = await self.serve(ScriptedUpstream(say_ok))
        self.connect_to(f"localhost:{host.port}")
        self.ask()
        await self.over()
        self.assertEqual(self.sink.events, HEARD_OK)

    async def test_nobody_listens(self) -> None:
        """That is known at once, by name too."""
        host = await self.serve(ScriptedUpstream())
        for name in ("127.0.0.1", "localhost"):
            with socket.socket() as unused:
                unused.bind(("127.0.0.1", 0))
                self.connect_to(f"{name}:{unused.getsockname()[1]}")
                self.ask()
                await self.over()
            self.assertEqual(self.sink.events, [("failed", ErrorCode.UPSTREAM_UNREACHABLE)])
            self.assertEqual(self.sink.detail, "it refuses connections")
        self.assertNotEqual(host.port, 0)

    async def test_reset(self) -> None:
        """A reset is no end."""
        answer = b"HTTP/1.1 200 OK\r\n\r\nhalf"
        await self.serve_tcp(ScriptedUpstream(lambda asked: [answer, 0.01, Then.RESET]))
        self.ask()
        await self.over()
        self.assertEqual(self.sink.names, ["started", "head", "data", "failed"])

    async def test_close(self) -> None:
        """A close is."""
        await self.serve_tcp(ScriptedUpstream(lambda asked: [b"HTTP/1.1 200 OK\r\n\r\nall", Then.CLOSE]))
        self.ask()
        await self.over()
        self.assertEqual((self.sink.names[-1], self.sink.body), ("end", b"all"))

    async def test_crossing(self) -> None:
        """A request that crossed with the connection's end, and was not taken in, is repeated."""
        self.patch(direct, "unsent", lambda descriptor: 1)
        answers: Iterator[Answer] = iter([OK, [Then.CLOSE], OK])
        await self.serve_tcp(ScriptedUpstream(lambda asked: next(answers)))
        self.ask()
        await self.over()
        self.ask()
        await self.upstream.when(lambda: len(self.upstream.connections) == 2)

    async def test_abort_reaches_the_upstream(self) -> None:
        """The upstream learns at once that nobody waits."""
        await self.serve_tcp(ScriptedUpstream(lambda asked: b"HTTP/1.1 200 OK\r\n\r\nendless"))
        call = self.ask()
        await self.sink.when(lambda: "head" in self.sink.names)
        call.abort()
        await self.upstream.when(lambda: self.upstream.last.lost)
        self.assertNotIn("failed", self.sink.names)

    async def test_closed_while_nobody_looked(self) -> None:
        """A connection that the upstream closed within this very turn is not given a POST."""
        await self.serve_tcp(ScriptedUpstream(say_ok))
        self.ask()
        await self.over()
        stale = self.upstream.last.transport.socket
        stale.shutdown(socket.SHUT_WR)
        self.ask(b"POST")
        await self.over()
        self.assertEqual(self.sink.events, HEARD_OK)
        self.assertEqual(len(self.upstream.connections), 2)

    async def test_said_while_nobody_looked(self) -> None:
        """What an upstream says unasked, such as that its patience is over, answers no request that comes after it."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(10)  # if it is to fail, then not by waiting for a second connection for ever
            self.connect_to(f"127.0.0.1:{server.getsockname()[1]}")
            self.upstream = ScriptedUpstream()
            self.ask()
            await self.sink.when(lambda: self.sink.events)
            with server.accept()[0] as stale:
                stale.send(OK)
                await self.over()
                stale.send(b"HTTP/1.1 408 Too Late\r\nContent-Length: 0\r\n\r\n")
                self.ask(b"GET")
                await self.sink.when(lambda: self.sink.events)
                with server.accept()[0] as fresh:
                    fresh.send(OK)
                    await self.over()
            self.assertEqual(self.sink.events, HEARD_OK)
            await self.end_connections()

    async def kept_connection(self, server: socket.socket) -> socket.socket:
        """The upstream's end of a connection that an exchange has left behind."""
        self.connect_to(f"127.0.0.1:{server.getsockname()[1]}")
        self.upstream = ScriptedUpstream()
        self.ask()
        await self.sink.when(lambda: self.sink.events)
        kept = server.accept()[0]
        kept.send(OK)
        await self.over()
        return kept

    async def test_reset_while_nobody_looked(self) -> None:
        """Nor is one that was reset."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            stale = await self.kept_connection(server)
            stale.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))
            stale.close()
            self.ask(b"POST")
            await self.sink.when(lambda: self.sink.events)
            with server.accept()[0] as fresh:
                fresh.send(OK)
                await self.over()
            self.assertEqual(self.sink.events, HEARD_OK)
            await self.end_connections()

    async def test_taken_and_closed(self) -> None:
        """A kept connection whose upstream took the request, and then closed, was not stale: it is asked once only."""
        answers: Iterator[Answer] = iter([OK, [Then.CLOSE]])
        await self.serve_tcp(ScriptedUpstream(lambda asked: next(answers)))
        self.ask()
        await self.over()
        self.ask()
        await self.over()
        self.assertEqual(self.sink.events, [("started",), ("failed", ErrorCode.UPSTREAM_BROKE)])
        self.assertEqual(len(self.upstream.connections), 1)

    async def test_closed_before_it_was_taken(self) -> None:
        """One that was closed before the request came takes nothing: a safe request is asked again."""
        await self.ask_over_closed(orderly=True)

    async def test_reset_before_it_was_taken(self) -> None:
        """Nor does one that was reset, which is what closing does while there is something to read."""
        await self.ask_over_closed(orderly=False)

    async def ask_over_closed(self, *, orderly: bool) -> None:
        """Ask over a kept connection that the upstream has closed in this very turn."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            stale = await self.kept_connection(server)
            if orderly:
                stale.recv(65536)
            first = set(self.client._connections)
            stale.close()
            self.ask()
            while not (self.client._connections - first or self.sink.over):
                await deferLater(reactor, 0, lambda: None)
            self.assertEqual(self.sink.events, [("started",)])
            with server.accept()[0] as fresh:
                fresh.send(OK)
                await self.over()
            self.assertEqual(self.sink.events, HEARD_OK)
            await self.end_connections()

    async def test_upload_backpressure(self) -> None:
        """An upstream that does not read stops the sender, and starts it again."""
        await self.serve_tcp(ScriptedUpstream())
        call = self.ask(b"POST", None)
        await self.upstream.when(lambda: self.upstream.connections)
        self.upstream.last.stop_reading()
        sent = 0
        while "pause" not in self.sink.names:
            call.write(b"x" * 65536)
            sent += 65536
        self.upstream.last.read_on()
        await self.sink.when(lambda: "resume" in self.sink.names)
        call.end()
        await self.upstream.when(lambda: self.upstream.last.received.endswith(b"\r\n0\r\n\r\n"))
        self.assertEqual(self.upstream.last.received.count(b"x"), sent)

    async def test_early_answer_and_close(self) -> None:
        """An upstream that refuses an upload and goes is heard, though the upload finds its socket reset."""
        await self.serve_tcp(ScriptedUpstream())
        call = self.ask(b"POST", 10_000_000)
        call.write(b"x" * 1_000_000)
        await self.asked()
        self.upstream.last.send(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
        self.upstream.last.close()
        await self.over()
        self.assertEqual((self.sink.names[-1], self.sink.body), ("end", b"no"))

    async def test_passage(self) -> None:
        """An upgraded connection, closed one half after the other."""
        await self.serve_tcp(ScriptedUpstream())
        call = self.ask(b"GET", 0, (b"Connection", b"upgrade"), (b"Upgrade", b"echo"))
        await self.asked()
        self.upstream.last.send(SWITCHING + b"first")
        await self.sink.when(lambda: "head" in self.sink.names)
        self.upstream.last.half_close()
        await self.over()
        call.write(b"last")
        call.end()
        await self.upstream.when(lambda: self.upstream.last.ended)
        self.assertTrue(self.upstream.last.received.endswith(b"\r\n\r\nlast"))
        self.assertEqual(self.sink.body, b"first")

    async def test_passage_closed_by_us(self) -> None:
        """The other way round."""
        await self.serve_tcp(ScriptedUpstream())
        call = self.ask(b"GET", 0, (b"Connection", b"upgrade"), (b"Upgrade", b"echo"))
        await self.asked()
        self.upstream.last.send(SWITCHING)
        await self.sink.when(lambda: "head" in self.sink.names)
        call.end()
        await self.upstream.when(lambda: self.upstream.last.ended)
        self.upstream.last.send(b"last")
        self.upstream.last.close()
        await self.over()
        self.assertEqual((self.sink.names[-1], self.sink.body), ("end", b"last"))

    async def test_treq(self) -> None:
        """treq on top of it."""
        await self.serve_tcp(ScriptedUpstream(lambda asked: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"))
        agent = UpstreamAgent(self.client)
        response = await treq.post(f"{self.client.target.origin}/a", json={"a": 1}, agent=agent)
        self.assertEqual(await response.json(), {})
        self.assertEqual(self.upstream.last.asked[0].body, b'{"a":1}')


class UnixTests(SocketCase):
    """UNIX sockets."""

    async def test_exchange(self) -> None:
        """The same, without a network."""
        directory = mkdtemp()  # trial's own can be too long for a socket's address
        self.addCleanup(rmtree, directory)
        path = f"{directory}/u"
        await self.serve(ScriptedUpstream(say_ok), UNIXServerEndpoint(reactor, path))
        self.connect_to("unix:" + path)
        for _ in range(2):
            self.ask(b"POST")
            await self.over()
            self.assertEqual(self.sink.events, HEARD_OK)
        self.assertEqual(len(self.upstream.connections), 1)


def make_certificate(address: str) -> PrivateCertificate:
    """A certificate that signs itself, for loopback."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(timezone.utc)
    subject = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    signed = builder.add_extension(subject, critical=False).sign(key, SHA256())
    pem = signed.public_bytes(Encoding.PEM)
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    certificate: PrivateCertificate = PrivateCertificate.loadPEM(pem + key_pem)
    return certificate


class TLSTests(SocketCase):
    """``https://`` upstreams, always verified."""

    async def test_exchange(self) -> None:
        """Two requests over one connection."""
        await self.serve_tls(ScriptedUpstream(say_ok))
        await self.exchange(2)
        self.assertEqual(len(self.upstream.connections), 1)

    async def test_orderly_close(self) -> None:
        """A body may end with the connection, if TLS says so."""
        await self.serve_tls(ScriptedUpstream(lambda asked: [b"HTTP/1.1 200 OK\r\n\r\nall", Then.CLOSE]))
        self.ask()
        await self.over()
        self.assertEqual((self.sink.names[-1], self.sink.body), ("end", b"all"))

    async def test_not_kept(self) -> None:
        """A connection is closed in an orderly way."""
        answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"
        await self.serve_tls(ScriptedUpstream(lambda asked: answer))
        self.ask()
        await self.over()
        await self.upstream.when(lambda: self.upstream.last.lost)
        self.assertEqual(self.sink.events, HEARD_OK)

    async def test_untrusted(self) -> None:
        """A certificate that nobody vouches for, or for another host: no request leaves."""
        for address, trusted in (("127.0.0.1", False), ("127.0.0.2", True)):
            await self.serve_tls(ScriptedUpstream(say_ok), address, trusted)
            self.ask()
            await self.over()
            self.assertEqual(self.sink.events, [("failed", ErrorCode.UPSTREAM_UNREACHABLE)])
            self.assertEqual(self.upstream.last.received, b"")
            await self.end_connections()

    async def test_not_tls(self) -> None:
        """An upstream that speaks something else."""
        await self.serve_tcp(ScriptedUpstream())
        self.connect_to("https://" + self.client.target.origin.partition("//")[2])
        self.ask()
        await self.upstream.when(lambda: self.upstream.connections)
        self.upstream.last.send(OK)
        await self.over()
        self.assertEqual(self.sink.events, [("failed", ErrorCode.UPSTREAM_UNREACHABLE)])

    async def test_handshake_stalls(self) -> None:
        """The handshake is part of connecting, and has its deadline."""
        self.limits = UpstreamLimits(connect_timeout=0.1)
        await self.serve_tcp(ScriptedUpstream())
        self.connect_to("https://" + self.client.target.origin.partition("//")[2])
        self.ask()
        await self.over()
        self.assertEqual(self.sink.events, [("failed", ErrorCode.UPSTREAM_UNREACHABLE)])
        self.assertEqual(self.sink.detail, "it accepts no connection in time")

    async def test_passage(self) -> None:
        """TLS closes both halves of a passage at once."""
        await self.serve_tls(ScriptedUpstream())
        call = self.ask(b"GET", 0, (b"Connection", b"upgrade"), (b"Upgrade", b"echo"))
        await self.asked()
        self.upstream.last.send(SWITCHING)
        await self.sink.when(lambda: "head" in self.sink.names)
        call.write(b"last")
        call.end()
        await self.over()
        self.assertEqual(self.sink.names, ["started", "head", "end"])
        self.assertTrue(self.upstream.last.received.endswith(b"\r\n\r\nlast"))


class LastWordsTests(SocketCase):
    """Upstreams of passages that close while they are still talked to, which resets the connection."""

    WORDS = b"last words" * 100

    async def passage(self) -> None:
        """An upgraded connection that nobody reads from, and when he does, a little at a time."""
        self.call = self.ask(b"GET", 0, (b"Connection", b"upgrade"), (b"Upgrade", b"echo"))
        await self.asked()
        self.upstream.last.send(SWITCHING)
        await self.sink.when(lambda: "head" in self.sink.names)
        self.call.pause()
        (connection,) = self.client._connections
        self.below: Any = connection_below(connection.transport)
        self.below.bufferSize = 10

    async def until(self, condition: Callable[[], bool]) -> None:
        """Go on when it is true."""
        while not condition():
            await deferLater(reactor, 0, lambda: None)

    async def says(self, words: bytes = WORDS) -> None:
        """The upstream says this, and the agent's kernel has it."""
        self.upstream.last.send(words)
        await deferLater(reactor, 0, lambda: None)
        await self.until(lambda: is_delivered(self.upstream.last.transport))

    async def closes(self) -> None:
        """The upstream closes, and what it is told is answered by a reset."""
        self.upstream.last.close()
        await self.until(lambda: sockets.hung_up(self.below.fileno()))
        self.call.write(b"crossing")
        await self.until(lambda: sockets.broken(self.below.fileno()))

    async def resets(self) -> None:
        """The upstream says nothing more, not even that."""
        connection_below(self.upstream.last.transport).abortConnection()  # type: ignore[union-attr]
        await self.until(lambda: sockets.broken(self.below.fileno()))

    async def hears(self, *end: tuple[Any, ...], words: bytes = WORDS) -> None:
        """All that was said is heard, and then this."""
        await self.sink.when(lambda: self.sink.events[-1] == end[-1])
        self.assertEqual(self.sink.body, words)
        self.assertEqual([event for event in self.sink.events if event[0] in ("end", "failed")], list(end))

    async def test_found_by_writing(self) -> None:
        """It has said goodbye, and takes nothing more."""
        await self.serve_tcp(ScriptedUpstream())
        await self.passage()
        await self.says()
        await self.closes()
        self.call.write(b"more")
        await self.hears(("end", []), ("failed", ErrorCode.UPSTREAM_BROKE))
        self.assertIn("still talked to", self.sink.detail)

    async def test_found_while_it_is_read(self) -> None:
        """The same when somebody reads."""
        await self.serve_tcp(ScriptedUpstream())
        await self.passage()
        await self.says()
        await self.closes()
        self.call.write(b"more")
        self.call.resume()
        await self.hears(("end", []), ("failed", ErrorCode.UPSTREAM_BROKE))

    async def serve_unix(self) -> None:
        """Serve on a UNIX socket."""
        folder = mkdtemp()
        self.addCleanup(rmtree, folder)
        await self.serve(ScriptedUpstream(), UNIXServerEndpoint(reactor, folder + "/socket"))
        self.connect_to(f"unix:{folder}/socket")

    async def test_unix(self) -> None:
        """A UNIX socket has no resets on the way: who closes is gone."""
        await self.serve_unix()
        await self.passage()
        self.upstream.last.send(self.WORDS)
        self.upstream.last.close()
        await self.until(lambda: sockets.hung_up(self.below.fileno()))
        self.call.write(b"more")
        await self.hears(("end", []), ("failed", ErrorCode.UPSTREAM_BROKE))

    async def test_unix_that_does_not_listen(self) -> None:
        """It goes on talking, and might for ever: what it says is not waited for."""
        await self.serve_unix()
        await self.passage()
        upstream, heard = self.upstream.last.transport.socket, self.sink.data

        def data(words: bytes) -> None:
            heard(words)
            self.assertLess(len(self.sink.body), 5000, "it is listened to for ever")
            upstream.send(words)

        self.sink.data = data  # type: ignore[method-assign]
        upstream.shutdown(socket.SHUT_RD)
        upstream.send(b"word")
        self.call.write(b"more")
        await self.sink.when(lambda: self.sink.events[-1] == ("failed", ErrorCode.UPSTREAM_BROKE))

    async def test_reset_while_it_is_read(self) -> None:
        """Nothing was said before it, and nothing written."""
        await self.serve_tcp(ScriptedUpstream())
        await self.passage()
        self.call.resume()
        await self.resets()
        await self.hears(("failed", ErrorCode.UPSTREAM_BROKE), words=b"")

    async def test_unix_that_left_words_of_ours(self) -> None:
        """Who closes without having read all has reset the connection, also by UNIX."""
        await self.serve_unix()
        await self.passage()
        self.call.resume()
        upstream = connection_below(self.upstream.last.transport)
        assert upstream is not None
        upstream.pauseProducing()
        self.call.write(b"unread")
        await deferLater(reactor, 0, lambda: None)
        upstream.abortConnection()
        await self.hears(("failed", ErrorCode.UPSTREAM_BROKE), words=b"")

    async def test_no_room(self) -> None:
        """What passes is no end."""
        await self.serve_tcp(ScriptedUpstream())
        await self.passage()
        for number in (errno.EAGAIN, errno.ENOBUFS):
            full = mock.Mock(side_effect=OSError(number, "full"))
            with mock.patch.object(self.below.socket, "_socket", mock.Mock(send=full)):
                self.assertRaises(OSError, self.below.socket.send, b"x")
        self.assertFalse(self.below.socket.saw_reset)
        self.call.abort()

    async def test_mistake(self) -> None:
        """Of ours, with what it said: the connection does not stay."""
        await self.serve_tcp(ScriptedUpstream())
        await self.passage()
        await self.says()
        self.upstream.last.half_close()
        await self.until(lambda: sockets.hung_up(self.below.fileno()))
        self.sink.data = mock.Mock(side_effect=KeyError)  # type: ignore[method-assign]
        self.below.readConnectionLost(Failure(ConnectionDone()))
        await self.until(lambda: not self.client._connections)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    async def test_nothing_is_kept(self) -> None:
        """What was put on the connection is off it when it is lost, so that both go at once."""
        await self.serve_tcp(ScriptedUpstream())
        await self.passage()
        await self.says()
        await self.closes()
        self.call.write(b"more")
        await self.until(lambda: not self.client._connections)
        self.assertFalse({"readConnectionLost", "connectionLost"} & vars(self.below).keys())

    async def test_reset(self) -> None:
        """What was said before it is heard, but was not all there was."""
        await self.serve_tcp(ScriptedUpstream())
        await self.passage()
        await self.says()
        await self.resets()
        self.call.write(b"more")
        await self.hears(("failed", ErrorCode.UPSTREAM_BROKE))

    async def test_reset_that_a_write_was_told_of(self) -> None:
        """To who reads next, the kernel says only that there is nothing more."""
        await self.serve_tcp(ScriptedUpstream())
        await self.passage()
        await self.resets()
        self.call.write(b"more")
        self.below.stopWriting()
        self.call.resume()
        await self.hears(("failed", ErrorCode.UPSTREAM_BROKE), words=b"")

    async def test_reset_that_looks_like_the_end(self) -> None:
        """The reactor polled it when nobody read, and takes it for that if somebody does by now."""
        await self.serve_tcp(ScriptedUpstream())
        await self.passage()
        await self.says()
        await self.closes()
        self.below.readConnectionLost(Failure(ConnectionDone()))
        await self.hears(("end", []))

    async def test_reset_after_the_end(self) -> None:
        """Found though nobody says anything, so that the slot is not kept for an upstream that has gone."""
        await self.serve_tcp(ScriptedUpstream())
        await self.passage()
        self.call.resume()
        self.upstream.last.half_close()
        await self.over()
        self.upstream.last.reset()
        await self.hears(("end", []), ("failed", ErrorCode.UPSTREAM_BROKE), words=b"")

    async def test_left_in_the_middle(self) -> None:
        """Who has heard enough hears no more."""
        await self.serve_tcp(ScriptedUpstream())
        await self.passage()
        await self.says()
        await self.closes()
        self.sink.data = lambda data: self.call.abort()  # type: ignore[method-assign]
        self.call.write(b"more")
        await self.until(lambda: not self.client._connections)
        self.assertEqual(self.sink.names, ["started", "head"])

    async def test_tls(self) -> None:
        """Its goodbye says that all has been said, whatever happened to the connection then."""
        await self.serve_tls(ScriptedUpstream())
        await self.passage()
        await self.says()
        self.upstream.last.close()
        await self.until(lambda: is_delivered(self.upstream.last.transport))
        await self.resets()
        self.call.write(b"more")
        await self.hears(("end", []), ("failed", ErrorCode.NO_ERROR))

    async def test_tls_without_a_goodbye(self) -> None:
        await self.serve_tls(ScriptedUpstream())
        await self.passage()
        await self.says()
        await self.resets()
        self.call.write(b"more")
        await self.hears(("failed", ErrorCode.UPSTREAM_BROKE))
