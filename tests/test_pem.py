"""Files of certificates and keys: what is said of those that cannot be used."""

from __future__ import annotations

import base64
from pathlib import Path

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from twisted.trial.unittest import SynchronousTestCase

from slime.hub.listening import check_files
from slime.pem import KeyFileError, PEMFileError, certificates_in, pair_in, private_key_in
from tests.certificates import Authority
from tests.test_cli import Case

AUTHORITY = Authority()
ISSUED = AUTHORITY.issue("localhost")
OTHER = AUTHORITY.issue("localhost")

DER, PKCS8 = Encoding.DER, PrivateFormat.PKCS8
KEY_DER = ISSUED.key.private_bytes(DER, PKCS8, NoEncryption())
LOCKED = ISSUED.key.private_bytes(Encoding.PEM, PKCS8, BestAvailableEncryption(b"word"))
OPENSSH = ISSUED.key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())

NAME_CERTIFICATES = "name a file with -----BEGIN CERTIFICATE----- in it"
NAME_KEY = "name a file with -----BEGIN PRIVATE KEY----- in it"
DAMAGED = "damaged, cut short, or of a kind that is not known here; copy it again, or have another made"


def pem(label: str, der: bytes) -> bytes:
    """Binary data in PEM form."""
    return f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n".encode()


def on_another_curve(der: bytes) -> bytes:
    """The same with the number of a curve that hardly anybody knows."""
    return der.replace(bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d030105"))


CURVED = pem("CERTIFICATE", on_another_curve(ISSUED.certificate.public_bytes(DER)))


class PEMCase(SynchronousTestCase):
    """Files in a folder."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def file(self, content: bytes, name: str = "a.pem") -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path


class CertificateTests(PEMCase):
    def refusal(self, content: bytes) -> str:
        """What is said, without the file's name at its beginning."""
        path = self.file(content)
        words = str(self.assertRaises(PEMFileError, certificates_in, path))
        self.assertTrue(words.startswith(f"{path} holds "), words)
        return words.removeprefix(f"{path} holds ")

    def test_read(self) -> None:
        """Several, in whatever a text may have around them."""
        content = b"\xef\xbb\xbfLocalhost:\r\n" + ISSUED.pem.replace(b"\n", b"\r\n") + OTHER.pem
        self.assertEqual(certificates_in(self.file(content)), [ISSUED.certificate, OTHER.certificate])

    def test_something_else(self) -> None:
        none = "no certificates in PEM form"
        for content, instead in ((b"", ": it is empty"), (b" \n", ": it is empty"), (b"hello\n", ""),
                                 (b"\xff\xfe-\0-\0", ""), (ISSUED.key_pem, ", but PRIVATE KEY"),
                                 (OPENSSH + LOCKED * 2, ", but OPENSSH PRIVATE KEY and ENCRYPTED PRIVATE KEY"),
                                 (pem("TRUSTED CERTIFICATE", b"x"), ", but TRUSTED CERTIFICATE")):  # fmt: skip
            self.assertEqual(self.refusal(content), f"{none}{instead}; {NAME_CERTIFICATES}")
        binary = f"{none}, but binary data; if it is DER, openssl x509 -inform der makes PEM of it"
        self.assertEqual(self.refusal(ISSUED.certificate.public_bytes(DER)), binary)

    def test_damaged(self) -> None:
        """The only one, or the last."""
        for content in (ISSUED.pem[:200], ISSUED.pem + OTHER.pem[:200], ISSUED.pem.replace(b"\nMI", b"\n!!"),
                        pem("CERTIFICATE", b"nonsense")):  # fmt: skip
            self.assertEqual(self.refusal(content), f"a certificate that is {DAMAGED}")


class KeyTests(PEMCase):
    def refusal(self, content: bytes) -> str:
        """What is said, without the file's name at its beginning."""
        path = self.file(content)
        words = str(self.assertRaises(KeyFileError, private_key_in, path))
        self.assertTrue(words.startswith(f"{path} holds "), words)
        return words.removeprefix(f"{path} holds ")

    def test_something_else(self) -> None:
        none = "no private key in PEM form"
        for content, instead in ((b"", ": it is empty"), (b"hello\n", ""), (ISSUED.pem, ", but CERTIFICATE"),
                                 (OPENSSH, ", but OPENSSH PRIVATE KEY")):  # fmt: skip
            self.assertEqual(self.refusal(content), f"{none}{instead}; {NAME_KEY}")
        self.assertEqual(
            self.refusal(KEY_DER), f"{none}, but binary data; if it is DER, openssl pkey -inform der makes PEM of it"
        )

    def test_damaged(self) -> None:
        for content in (ISSUED.key_pem[:80], ISSUED.key_pem.replace(b"\nMI", b"\n!!"), pem("PRIVATE KEY", b"nonsense"),
                        pem("PRIVATE KEY", on_another_curve(KEY_DER))):  # fmt: skip
            self.assertEqual(self.refusal(content), f"a private key that is {DAMAGED}")

    def test_encrypted(self) -> None:
        self.assertEqual(
            self.refusal(LOCKED),
            "an encrypted private key, and there is nobody to ask for its password; openssl pkey takes it off",
        )

    def test_not_there(self) -> None:
        error = self.assertRaises(KeyFileError, private_key_in, self.folder / "gone")
        self.assertEqual(str(error), f"cannot read {self.folder / 'gone'}: No such file or directory")


class PairTests(PEMCase):
    """A certificate and its key."""

    def test_good(self) -> None:
        both = self.file(ISSUED.key_pem + ISSUED.pem + OTHER.pem)
        chain, key = pair_in(both, both)
        self.assertEqual(chain, [ISSUED.certificate, OTHER.certificate])
        self.assertEqual(key.public_key(), ISSUED.key.public_key())

    def test_key_of_another(self) -> None:
        certificate, key = self.file(ISSUED.pem), self.file(OTHER.key_pem, "b.pem")
        words = f"{key} holds a private key that does not belong to the first certificate in {certificate}"
        self.assertTrue(str(self.assertRaises(KeyFileError, pair_in, certificate, key)).startswith(words))

    def test_unknown_kind(self) -> None:
        """Certificates may be for keys that nobody here knows."""
        certificate, key = self.file(CURVED), self.file(ISSUED.key_pem, "b.pem")
        error = self.assertRaises(PEMFileError, pair_in, certificate, key)
        self.assertEqual(str(error), f"{certificate} holds a certificate that is {DAMAGED}")


class SettingTests(Case):
    """Each setting that names such a file says so in its own name, and nothing in that of a library."""

    def setUp(self) -> None:
        super().setUp()
        self.certificate, self.key = ISSUED.write(self.home / "tls", "good")
        self.bad = self.home / "bad.pem"

    def assert_refused(self, content: bytes, words: str, *lines: str) -> None:
        """Each of the lines begins with a setting, and says this of the file."""
        self.bad.write_bytes(content)
        for line in lines:
            setting, _, arguments = line.partition(": ")
            command = arguments.format(bad=self.bad, certificate=self.certificate, key=self.key).split()
            self.assertEqual(self.refused(*command), f"slime {' '.join(command[:2])}: {setting}: {words}")

    def test_certificates(self) -> None:
        agent = "agent run --token t --hub h --upstream u:1 --agent-id a"
        hub = "hub run --secret s --listen ssl:0:privateKey={key}:certKey={certificate}"
        self.assert_refused(
            b"", f"{self.bad} holds no certificates in PEM form: it is empty; {NAME_CERTIFICATES}",
            f"ca: {agent} --ca {{bad}}",
            f"client-cert: {agent} --client-cert {{bad}} --client-key {{key}}",
            f"upstream-client-cert: {agent} --upstream-client-cert {{bad}}",
            f"agent-ca: {hub} --agent-ca {{bad}}",
            "listen: hub run --secret s --listen ssl:0:privateKey={key}:certKey={bad}",
            "listen: hub run --secret s --listen haproxy:ssl:0:privateKey={key}:certKey={bad}",
            "listen: hub run --secret s --listen ssl:0:privateKey={bad}",
            f"listen: {hub}:extraCertChain={{bad}}",
            f"admin: {hub} --admin ssl:0:interface=127.0.0.1:privateKey={{key}}:certKey={{bad}}",
        )  # fmt: skip

    def test_keys(self) -> None:
        """Those that are encrypted, too: OpenSSL would ask at the terminal for a password."""
        agent = "agent run --token t --hub h --upstream u:1 --agent-id a"
        lines = (
            f"client-key: {agent} --client-cert {{certificate}} --client-key {{bad}}",
            f"upstream-client-key: {agent} --upstream-client-cert {{certificate}} --upstream-client-key {{bad}}",
            "listen: hub run --secret s --listen ssl:0:privateKey={bad}:certKey={certificate}",
        )
        self.assert_refused(b"", f"{self.bad} holds no private key in PEM form: it is empty; {NAME_KEY}", *lines)
        locked = "an encrypted private key, and there is nobody to ask for its password; openssl pkey takes it off"
        self.assert_refused(LOCKED, f"{self.bad} holds {locked}", *lines)
        lines = (
            f"client-cert: {agent} --client-cert {{bad}}",
            "listen: hub run --secret s --listen ssl:0:privateKey={bad}",
        )
        self.assert_refused(ISSUED.pem + LOCKED, f"{self.bad} holds {locked}", *lines)

    def test_chain(self) -> None:
        """What Twisted does not find in it is not its certificates' fault."""
        words = (
            f"{self.bad} has more than ASCII in it, or line ends of Windows, which a chain must not; "
            "rid it of these"
        )
        line = "listen: hub run --secret s --listen ssl:0:privateKey={key}:certKey={certificate}:extraCertChain={bad}"
        for content in (ISSUED.pem.replace(b"\n", b"\r\n"), "é\n".encode() + ISSUED.pem):
            self.assert_refused(content, words, line)
        check_files(f"ssl:0:privateKey={self.key}:certKey={self.certificate}:extraCertChain={self.certificate}")

    def test_without_names(self) -> None:
        """Files of an endpoint may be given by their places, and one of them is enough, or none."""
        locked = "an encrypted private key, and there is nobody to ask for its password; openssl pkey takes it off"
        lines = (
            f"listen: hub run --secret s --listen ssl:0:{{bad}}:{self.certificate}",
            "listen: hub run --secret s --listen ssl:0:certKey={certificate}:privateKey={bad}",
            "listen: hub run --secret s --listen haproxy:ssl:0:{bad}",
        )
        self.assert_refused(ISSUED.pem + LOCKED, f"{self.bad} holds {locked}", *lines)
        gone = "cannot read server.pem: No such file or directory"
        for endpoint in ("ssl:0", "ssl:0:interface=127.0.0.1"):
            self.assertIn(gone, self.refused("hub", "run", "--secret=s", "--listen", endpoint))
        check_files(f"ssl:0:{self.key}:{self.certificate}")

    def test_mark_before_it(self) -> None:
        """What other libraries read over, OpenSSL does not."""
        self.bad.write_bytes(b"\xef\xbb\xbf" + ISSUED.key_pem)
        line = self.refused("hub", "run", "--secret=s", "--listen", f"ssl:0:{self.bad}:{self.certificate}")
        words = "OpenSSL cannot use its certificate and key, though they are there: write both anew, in PEM form"
        self.assertIn(words, line)
