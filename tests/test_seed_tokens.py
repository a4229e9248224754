"""The earlier program's tokens, and the encoding that they take."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from slime.seed import protobuf
from slime.seed.tokens import MAX_TOKEN_CHARS, mint_seed, verify_seed
from slime.seed.wire import framed_head
from slime.tokens import AgentClaims, Expired, Forged, Malformed

NONCE = bytes(range(12))


def sealed(content: bytes, secret: bytes = b"abc") -> str:
    """A token with this content, as the facts say that it is made."""
    key = (secret + bytes(32))[:32]
    return base64.b32encode(NONCE + AESGCM(key).encrypt(NONCE, content, None)).decode().rstrip("=")


class ProtobufTests(SynchronousTestCase):
    """Protocol Buffers, as their documentation has them."""

    def test_documented_examples(self) -> None:
        """The examples of the encoding's documentation."""
        self.assertEqual(protobuf.encode([(1, 150)]), bytes.fromhex("089601"))
        self.assertEqual(protobuf.encode([(2, b"testing")]), bytes.fromhex("120774657374696e67"))
        self.assertEqual(protobuf.decode(bytes.fromhex("089601120774657374696e67")), [(1, 150), (2, b"testing")])

    def test_negative(self) -> None:
        """An int64 below 0 takes ten bytes."""
        self.assertEqual(protobuf.encode([(1, -2)]), b"\x08\xfe" + b"\xff" * 8 + b"\x01")
        self.assertEqual(protobuf.decode(b"\x08\xfe" + b"\xff" * 8 + b"\x01"), [(1, -2)])

    def test_fixed(self) -> None:
        """Numbers of fixed length are passed over as bytes."""
        self.assertEqual(protobuf.decode(b"\x0912345678\x151234"), [(1, b"12345678"), (2, b"1234")])

    def test_broken(self) -> None:
        """What is cut off, too long or of an unknown kind is no message."""
        for message in (b"\x08", b"\x12\x05ab", b"\x08" + b"\xff" * 11, b"\x0b", b"\x15123"):
            self.assertRaises(ValueError, protobuf.decode, message)

    @given(st.lists(st.tuples(st.integers(1, 2**29 - 1), st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=200))))
    def test_round_trip(self, fields: list[protobuf.Field]) -> None:
        """What is written is read."""
        self.assertEqual(protobuf.decode(protobuf.encode(fields)), fields)


class TokenTests(SynchronousTestCase):
    """Tokens."""

    def test_facts(self) -> None:
        """A token made by the letter is read, whatever the length of the secret."""
        content = bytes.fromhex("082a") + b"\x12\x04desk" + b"\x22\x05/v1/*\x22\x02/x" + b"\x2a\x03gpu"
        for secret in (b"abc", b"s" * 32, b"s" * 40):
            claims = verify_seed(secret, sealed(content, secret), 1000.0)
            self.assertEqual(claims, AgentClaims("seed-42", "desk", None, ("/v1/*", "/x"), ("gpu",)))

    def test_unprintable_name(self) -> None:
        """The earlier program took any name; here it must not end a line of the log, or a field of an answer."""
        token = mint_seed(b"abc", 7, AgentClaims("", "a\r\nb\x1b\x85", None), NONCE)
        self.assertEqual(verify_seed(b"abc", token, 0.0).name, "a??b??")

    def test_mint(self) -> None:
        """What is made here is made by the letter, too."""
        claims = AgentClaims("", "desk", 2000.7, ("/v1/*",), ("gpu", "big"))
        token = mint_seed(b"abc", 7, claims, NONCE)
        content = b"\x08\x07\x12\x04desk\x18\xd0\x0f\x22\x05/v1/*\x2a\x03gpu\x2a\x03big"
        self.assertEqual(token, sealed(content))
        self.assertEqual(
            verify_seed(b"abc", token, 1999.9), AgentClaims("seed-7", "desk", 2000.0, ("/v1/*",), ("gpu", "big"))
        )

    def test_end(self) -> None:
        """A token ends; one without an end, or with 0, does not."""
        token = mint_seed(b"abc", 7, AgentClaims("", "desk", 2000.0), NONCE)
        self.assertRaises(Expired, verify_seed, b"abc", token, 2000.0)
        for content in (b"", b"\x18\x00"):
            self.assertEqual(verify_seed(b"abc", sealed(content), 1e12), AgentClaims("seed-0", ""))

    def test_void(self) -> None:
        """Whatever else it is, it opens nothing."""
        token = mint_seed(b"abc", 7, AgentClaims("", "desk"), NONCE)
        changed = token[:-4] + ("A" if token[-4] != "A" else "B") + token[-3:]
        for what, text in ((Forged, changed), (Malformed, "?"), (Malformed, "ÄÖ"), (Malformed, "AAAA"), (Malformed, ""),
                           (Malformed, "A" * (MAX_TOKEN_CHARS + 1)), (Malformed, sealed(b"\xff"))):  # fmt: skip
            self.assertRaises(what, verify_seed, b"abc", text, 0.0)
        self.assertRaises(Forged, verify_seed, b"abcd", token, 0.0)
        self.assertRaises(Malformed, verify_seed, b"abc", sealed(b"\x12\x01\xff"), 0.0)


class WireTests(SynchronousTestCase):
    """Heads with their framing."""

    def test_framing(self) -> None:
        """A length, chunks, or nothing where nothing is meant; no wish to switch protocols."""
        for start, length, added in (
            (b"GET", 0, b""), (b"POST", 0, b"Content-Length: 0\r\n"), (b"GET", 5, b"Content-Length: 5\r\n"),
            (b"PUT", None, b"Transfer-Encoding: chunked\r\n"),
        ):  # fmt: skip
            line = start + b" /x HTTP/1.1\r\nHost: h\r\n"
            head = line + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            self.assertEqual(framed_head(head, length), line + added + b"\r\n")
