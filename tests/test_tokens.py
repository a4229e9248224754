"""Agent tokens: what is minted is what is verified, and everything else says why it is not."""

from __future__ import annotations

import base64
import string

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from slime import tokens
from slime.tokens import (
    AgentClaims,
    Expired,
    Foreign,
    Forged,
    Malformed,
    TokenError,
    Truncated,
    mint,
    verify,
)

NONCE = bytes(range(12))
CLAIMS = AgentClaims("0123456789abcdef", "sunny-otter", 1000.0, ("/v1/*", "/health"), ("gpu", "fast"))
TOKEN = mint(b"secret", CLAIMS, NONCE)
KNOWN = (
    "slime1_abwmwa2ymeaacaqdaqcqmbyibefaxudmu3fn7toefrmund7xm6gfgzoe2xzizimdffgvg2ezvpyconmukg2k"
    "spnaxlv5ysrmoeyqolwbp743nztpxywyt5zjoldpjxdcneqwvo7cskgvvq73mvokxzzrkajjdmjda74sr5oofof6nsgx"
)

claims = st.builds(
    AgentClaims,
    st.text(max_size=20),
    st.text(max_size=40),
    st.none() | st.floats(0, 1e12),
    st.lists(st.text(max_size=20), max_size=4).map(tuple),
    st.lists(st.text(max_size=20), max_size=4).map(tuple),
)


class MintTests(SynchronousTestCase):
    """Tokens that are good."""

    @given(st.binary(), claims, st.binary(min_size=12, max_size=12))
    def test_round_trip(self, secret: bytes, said: AgentClaims, nonce: bytes) -> None:
        """What was claimed is what is read, whatever the secret."""
        self.assertEqual(verify(secret, mint(secret, said, nonce), -1.0), said)

    def test_copy_safe(self) -> None:
        """A token is one word for every double click, terminal, shell, URL and header field."""
        self.assertTrue(TOKEN.startswith("slime1_"))
        self.assertLessEqual(set(TOKEN), set(string.ascii_lowercase + string.digits + "_"))

    def test_known(self) -> None:
        """The format is kept: a token made once is good for ever."""
        self.assertEqual(verify(b"secret", KNOWN, 999.0), CLAIMS)
        self.assertEqual(TOKEN, KNOWN)

    def test_expiry(self) -> None:
        """A token is good until the moment it expires."""
        self.assertEqual(verify(b"secret", TOKEN, 999.999), CLAIMS)
        self.assertRaises(Expired, verify, b"secret", TOKEN, 1000.0)

    def test_no_expiry(self) -> None:
        """A token that does not expire is good at any time."""
        token = mint(b"secret", AgentClaims("id", "name"), NONCE)
        self.assertEqual(verify(b"secret", token, 1e12).name, "name")

    def test_too_long(self) -> None:
        """Claims that make a token too long for a header field are refused where it is made."""
        self.assertRaises(ValueError, mint, b"secret", AgentClaims("id", "n" * 20000), NONCE)

    def test_nonce(self) -> None:
        """A nonce of the wrong length is refused."""
        self.assertRaises(ValueError, mint, b"secret", CLAIMS, b"short")


class VerifyTests(SynchronousTestCase):
    """Tokens that are not good, and which kind of not good."""

    def test_longer_than_any(self) -> None:
        """Nothing that long is even looked at."""
        text = base64.b32encode((10_998).to_bytes(2, "big") + bytes(10_998)).decode().rstrip("=").lower()
        self.assertRaises(Malformed, verify, b"secret", f"slime1_{text}", 0.0)

    def test_more_behind_it(self) -> None:
        """Two tokens pasted as one were not forged."""
        self.assertRaises(Malformed, verify, b"secret", TOKEN + "a" * 8, 0.0)

    def test_later_version(self) -> None:
        """What a later version has added to the claims is left alone."""
        self.patch(tokens, "_content", lambda claims: b'["id","name",null,[],["gpu"],{"later":1}]')
        self.assertEqual(verify(b"secret", mint(b"secret", CLAIMS, NONCE), 0.0).scopes, ("gpu",))

    def refused(self, token: str, secret: bytes = b"secret") -> type[TokenError]:
        """How a token is refused."""
        error = self.assertRaises(TokenError, verify, secret, token, 0.0)
        return type(error)

    def test_truncated(self) -> None:
        """A token that lost its end is told from a forged one, wherever it was cut."""
        for length in range(len("slime1_"), len(TOKEN)):
            self.assertIs(self.refused(TOKEN[:length]), Truncated)

    def test_foreign(self) -> None:
        """Another hub's token is told from a forged one."""
        self.assertIs(self.refused(TOKEN, b"another secret"), Foreign)

    def test_forged(self) -> None:
        """A changed token is refused; changes of the length and of the mark show as what they look like."""
        kinds = {Forged: 0, Foreign: 0, Truncated: 0, Malformed: 0}
        for index in range(len("slime1_"), len(TOKEN)):
            changed = "a" if TOKEN[index] != "a" else "b"
            kinds[self.refused(TOKEN[:index] + changed + TOKEN[index + 1 :])] += 1
        self.assertGreater(kinds[Forged], len(TOKEN) - 25)

    def test_malformed(self) -> None:
        """What never was a token is refused as such: other words, other versions, other alphabets, surplus."""
        others = ["", "slime", "Bearer", "slime2_abc", TOKEN.upper(), TOKEN + "a", TOKEN + "=", " " + TOKEN]
        others += [f"slime1_{'ä' * 50}", "slime1_" + "a" * 20000, TOKEN.replace("slime1_", "slime1-")]
        others.append("slime1_aaaa")  # whole, as far as its length says, but too short to hold anything
        for token in others:
            self.assertIs(self.refused(token), Malformed, token)

    def test_spare_bits(self) -> None:
        """The bits behind the last byte have to be zero, so that one token has one spelling."""
        token = mint(b"secret", AgentClaims("id", "name"), NONCE)
        self.assertNotEqual((len(token) - len("slime1_")) * 5 % 8, 0)
        self.assertIs(self.refused(token[:-1] + chr(ord(token[-1]) + 1)), Malformed)

    def test_reasons(self) -> None:
        """Each kind has its own reason for the log."""
        reasons = [kind.reason for kind in (Malformed, Truncated, Foreign, Forged, Expired)]
        self.assertEqual(reasons, ["malformed", "truncated", "foreign", "forged", "expired"])

    @given(st.text() | st.text("abcdefgh234567").map(lambda body: f"slime1_{body}"))
    def test_anything(self, token: str) -> None:
        """Whatever is sent as a token is refused with a reason."""
        self.assertTrue(issubclass(self.refused(token), TokenError))

