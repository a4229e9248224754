"""Whole binary WebSocket messages, against autobahn's own making of them."""

from __future__ import annotations

from autobahn.websocket.protocol import PreparedMessage
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from slime import wsframe
from slime.wsframe import mask, message_start, plain_message

LIMIT = 96 * 1024
SIZES = (0, 1, 125, 126, 127, 2047, 2048, 65535, 65536, LIMIT)


class PlainMessageTests(SynchronousTestCase):
    def test_autobahn_reads_alike(self) -> None:
        for size in SIZES:
            payload = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
            for masked in (False, True):
                raw = PreparedMessage(payload, True, masked, True).payloadHybi
                self.assertEqual(plain_message(raw + b"more", masked, LIMIT), (payload, len(raw)))

    def test_autobahn_writes_alike(self) -> None:
        for size in SIZES:
            raw = PreparedMessage(b"x" * size, True, False, True).payloadHybi
            self.assertEqual(message_start(size, b""), raw[: len(raw) - size])

    def test_other_side(self) -> None:
        raw = PreparedMessage(b"abc", True, True, True).payloadHybi
        self.assertIsNone(plain_message(raw, False, LIMIT))

    def test_too_long(self) -> None:
        self.assertIsNone(plain_message(message_start(LIMIT + 1, b""), False, LIMIT))

    def test_not_minimal(self) -> None:
        self.assertIsNone(plain_message(b"\x82\x7e\x00\x7d" + bytes(125), False, LIMIT))
        self.assertIsNone(plain_message(b"\x82\x7f" + (65535).to_bytes(8, "big"), False, LIMIT))

    def test_something_else(self) -> None:
        for first in (0x00, 0x02, 0x80, 0x81, 0x88, 0x89, 0xC2):
            self.assertIsNone(plain_message(bytes((first, 0)), False, LIMIT))

    def test_parts(self) -> None:
        """Every true beginning of a message means "wait", unless autobahn must say."""
        for size in (0, 1, 126, 66000):
            raw = PreparedMessage(b"x" * size, True, True, True).payloadHybi
            for cut in range(min(len(raw), 20)):
                self.assertEqual(plain_message(raw[:cut], True, LIMIT), (b"", 0))

    @given(st.binary(max_size=5000), st.binary(min_size=4, max_size=4))
    def test_masked_round_trip(self, payload: bytes, key: bytes) -> None:
        raw = message_start(len(payload), key) + mask(payload, key)
        self.assertEqual(plain_message(raw, True, LIMIT), (payload, len(raw)))

    def test_mask_without_native_code(self) -> None:
        payload, key = bytes(range(256)) * 20, b"k3y!"
        native = mask(payload, key)
        self.patch(wsframe, "USES_NVX", False)
        self.assertEqual(mask(payload, key), native)
