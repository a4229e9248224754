"""TLS on the way out: what is trusted, what is shown, and what is said when it fails."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from OpenSSL import SSL, crypto
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import SSL4ServerEndpoint, TCP4ServerEndpoint
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import CertificateOptions
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from slime.agent.egress import Egress, Place, TLSOptions, TLSTrouble, explained
from slime.agent.egress.tls import Authorities, read_authorities, read_identity
from tests.certificates import Authority

AUTHORITY = Authority()
OTHER = Authority("another authority")


def subject(certificate: crypto.X509) -> str:
    """Whom it is for."""
    return certificate.to_cryptography().subject.rfc4514_string()


class Client(Protocol):
    """Says hello, and remembers how it ended."""

    def __init__(self) -> None:
        self.over: Deferred[object] = Deferred()

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(b"hello")

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.over.callback(explained(reason).value)


class Server(Protocol):
    """Hangs up when it has heard something, and remembers what TLS told it of the client."""

    factory: Any

    def dataReceived(self, data: bytes) -> None:
        transport: Any = self.transport
        self.factory.names.append(transport.getHandle().get_servername())
        self.factory.shown.append(transport.getPeerCertificate())
        transport.loseConnection()


class TLSCase(TestCase):
    """A server on the loopback."""

    timeout = 10

    async def serve(self, options: CertificateOptions | None) -> None:
        """Listen, without TLS when there are no options."""
        self.factory: Any = Factory.forProtocol(Server)
        self.factory.names, self.factory.shown = [], []
        if options is None:
            endpoint: Any = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
            self.patch(Server, "dataReceived", lambda server, _: server.transport.loseConnection())
        else:
            endpoint = SSL4ServerEndpoint(reactor, 0, options, interface="127.0.0.1")
        port = await endpoint.listen(self.factory)
        self.addCleanup(port.stopListening)
        self.port = port.getHost().port

    async def meet(self, tls: TLSOptions, host: str = "127.0.0.1") -> Any:
        """How a connection ended."""
        endpoint = Egress(tls).to(Place(host, self.port, True))(reactor, 5.0)
        client = await endpoint.connect(Factory.forProtocol(Client))
        assert isinstance(client, Client)
        return await client.over


class ServerTests(TLSCase):
    """Who is believed to be the server."""

    async def trouble(self, tls: TLSOptions, host: str = "127.0.0.1") -> str:
        """What is said of a connection that failed."""
        error = await self.meet(tls, host)
        self.assertIsInstance(error, TLSTrouble)
        return str(error)

    async def test_trusted(self) -> None:
        """By name, with the name in the handshake; by address, without."""
        await self.serve(AUTHORITY.issue("localhost", "127.0.0.1").options())
        for host in ("localhost", "127.0.0.1"):
            self.assertIsInstance(await self.meet(TLSOptions(AUTHORITY.trusted), host), ConnectionDone)
        self.assertEqual(self.factory.names, [b"localhost", None])

    async def test_by_way_of_another(self) -> None:
        """Between a certificate and its authority there may be others, if the server shows them."""
        below = Authority("below", AUTHORITY)
        lowest = Authority("lowest", below)
        await self.serve(lowest.issue("127.0.0.1").options())
        self.assertIsInstance(await self.meet(TLSOptions(AUTHORITY.trusted)), ConnectionDone)

    async def test_unknown_authority(self) -> None:
        await self.serve(AUTHORITY.issue("127.0.0.1").options())
        for tls in (TLSOptions(), TLSOptions(OTHER.trusted)):
            self.assertIn("not signed by an authority that is trusted here", await self.trouble(tls))
        self.assertEqual(self.factory.names, [])

    async def test_other_name(self) -> None:
        await self.serve(AUTHORITY.issue("elsewhere.example", "192.0.2.1").options())
        for host in ("localhost", "127.0.0.1"):
            words = await self.trouble(TLSOptions(AUTHORITY.trusted), host)
            self.assertEqual(words, "TLS: its certificate is for another name")
        self.assertEqual(self.factory.names, [])

    async def test_out_of_date(self) -> None:
        await self.serve(AUTHORITY.issue("127.0.0.1", days=timedelta(-1)).options())
        self.assertIn("its certificate is out of date", await self.trouble(TLSOptions(AUTHORITY.trusted)))

    async def test_no_tls(self) -> None:
        """A server that closes, or answers in some other language."""
        await self.serve(None)
        self.assertIsInstance(await self.meet(TLSOptions()), ConnectionLost)
        self.patch(Server, "dataReceived", lambda server, _: server.transport.write(b"HTTP/1.1 400 What?\r\n\r\n"))
        self.assertEqual(await self.trouble(TLSOptions()), "TLS: it does not speak TLS")

    async def test_unverified(self) -> None:
        """Everything goes, when it is asked for; the name is still told."""
        await self.serve(OTHER.issue("elsewhere.example", days=timedelta(-1)).options())
        for host in ("localhost", "127.0.0.1"):
            self.assertIsInstance(await self.meet(TLSOptions(verified=False), host), ConnectionDone)
        self.assertEqual(self.factory.names, [b"localhost", None])


class ClientTests(TLSCase):
    """What the server gets to see."""

    async def serve_asking(self) -> None:
        """Ask clients for a certificate of the authority's."""
        issued = AUTHORITY.issue("127.0.0.1").options()
        certificate, key = issued.certificate, issued.privateKey
        await self.serve(CertificateOptions(privateKey=key, certificate=certificate, trustRoot=AUTHORITY.trusted))

    async def test_shown(self) -> None:
        """A certificate and what leads to its authority, also to a server that is not verified."""
        await self.serve_asking()
        paths = Authority("below", AUTHORITY).issue("agent").write(Path(self.mktemp()), "agent")
        identity = read_identity(*paths)
        for tls in (TLSOptions(AUTHORITY.trusted, identity), TLSOptions(None, identity, verified=False)):
            self.assertIsInstance(await self.meet(tls), ConnectionDone)
            self.assertEqual(subject(self.factory.shown[-1]), "CN=agent")

    async def test_missing(self) -> None:
        await self.serve_asking()
        error = await self.meet(TLSOptions(AUTHORITY.trusted))
        self.assertEqual(str(error), "TLS: it wants a client certificate")

    async def test_unknown(self) -> None:
        await self.serve_asking()
        identity = read_identity(*OTHER.issue("agent").write(Path(self.mktemp()), "agent"))
        error = await self.meet(TLSOptions(AUTHORITY.trusted, identity))
        self.assertEqual(str(error), "TLS: it does not know the authority of our client certificate")


class FileTests(SynchronousTestCase):
    """Certificates and keys in files."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.issued = AUTHORITY.issue("agent")
        self.certificate, self.key = self.issued.write(self.folder, "agent")

    def file(self, content: bytes) -> Path:
        """A file of something else."""
        path = self.folder / "other"
        path.write_bytes(content)
        return path

    def refusal(self, certificate: Path, key: Path | None) -> str:
        """Why a client certificate cannot be used."""
        return str(self.assertRaises(ValueError, read_identity, certificate, key))

    def test_one_file(self) -> None:
        """Key and certificate may share a file, in any order."""
        for content in (self.issued.pem + self.issued.key_pem, self.issued.key_pem + self.issued.pem):
            self.assertEqual(subject(read_identity(self.file(content), None).certificate), "CN=agent")

    def test_key_is_not_shown(self) -> None:
        self.assertNotIn("privateKey", repr(read_identity(self.certificate, self.key)))

    def test_missing(self) -> None:
        gone = self.folder / "gone"
        self.assertEqual(self.refusal(gone, self.key), f"cannot read {gone}: No such file or directory")
        self.assertEqual(self.refusal(self.certificate, gone), f"cannot read {gone}: No such file or directory")

    def test_nonsense(self) -> None:
        other = self.file(b"no PEM")
        self.assertIn(f"{other} holds no certificates in PEM form", self.refusal(other, self.key))
        self.assertIn(f"{other} holds no private key in PEM form", self.refusal(self.certificate, other))
        self.assertIn("holds no certificates", str(self.assertRaises(ValueError, read_authorities, other)))

    def test_key_of_another(self) -> None:
        _, other = OTHER.issue("agent").write(self.folder, "other")
        words = f"{other} holds a private key that does not belong to the first certificate in {self.certificate}"
        self.assertIn(words, self.refusal(self.certificate, other))

    def test_encrypted_key(self) -> None:
        locked = self.issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word"))
        self.assertIn("an encrypted private key", self.refusal(self.certificate, self.file(locked)))

    def test_authorities(self) -> None:
        """All that are in the file, and the system's."""
        path = self.file(AUTHORITY.issued.pem + OTHER.issued.pem)
        context = Context()
        read_authorities(path)._addCACertsToContext(context)  # type: ignore[arg-type]
        self.assertEqual(context.trusted, ["the system", "CN=an authority", "CN=another authority"])

    def test_trust_root(self) -> None:
        """Twisted asks a trust root for nothing but what ours has."""
        options = CertificateOptions(trustRoot=Authorities([AUTHORITY.issued.certificate]))
        self.assertIsInstance(options.getContext(), SSL.Context)


class Context:
    """What of a context makes it trust."""

    def __init__(self) -> None:
        self.trusted: list[str] = []

    def set_default_verify_paths(self) -> None:
        self.trusted.append("the system")

    def get_cert_store(self) -> Context:
        return self

    def add_cert(self, certificate: Any) -> None:
        self.trusted.append(subject(certificate))


class WordsTests(SynchronousTestCase):
    """What is said of failures."""

    def words(self, *args: object) -> str:
        return explained(Failure(SSL.Error(*args))).getErrorMessage()

    def test_known(self) -> None:
        alert = ("SSL routines", "", "tlsv13 alert certificate required")
        self.assertEqual(self.words([("x", "", "something"), alert]), "TLS: it wants a client certificate")

    def test_unknown(self) -> None:
        self.assertEqual(self.words([("x", "", "this"), ("y", "", "that")]), "TLS: this, that")
        self.assertEqual([self.words([]), self.words()], ["TLS: the connection was cut"] * 2)

    def test_others(self) -> None:
        failure = Failure(ConnectionDone())
        self.assertIs(explained(failure), failure)
