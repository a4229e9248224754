"""Frames as bytes: the layouts of the specification, and everything that breaks them."""

import struct

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from slime.errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from slime.tunnel import (
    DATA_LIMIT,
    HEAD_LIMIT,
    MESSAGE_LIMIT,
    TRAILERS_LIMIT,
    Capacity,
    Credit,
    Data,
    Drain,
    End,
    Frame,
    Head,
    Hello,
    Open,
    Ping,
    Pong,
    Refused,
    Reset,
    Revoke,
    Revoked,
    Started,
    Welcome,
    decode,
    encode,
)
from tests.tunnel_strategies import frames


def raw(kind: int, stream_id: int, payload: bytes) -> bytes:
    """A frame made by hand."""
    return struct.pack("!BBHQ", kind, len(payload) >> 16, len(payload) & 0xFFFF, stream_id) + payload


UNKNOWN = b"\xff" * 8

#: Each frame and its bytes, as the specification lays them out.
LAYOUTS: list[tuple[Frame, bytes]] = [
    (Open(7, b"GET", 5), raw(3, 7, b"\x00" + struct.pack("!Q", 5) + b"GET")),
    (Open(7, b"GET", None, prefetch=True), raw(3, 7, b"\x01" + UNKNOWN + b"GET")),
    (Open(7, b"GET", 0, upgrade=True), raw(3, 7, b"\x02" + bytes(8) + b"GET")),
    (Open(7, b"GET", 0, prefetch=True, upgrade=True), raw(3, 7, b"\x03" + bytes(8) + b"GET")),
    (Started(7), raw(4, 7, b"")),
    (Head(7, b"200", 0), raw(5, 7, bytes(9) + b"200")),
    (Head(7, b"200", None), raw(5, 7, b"\x00" + UNKNOWN + b"200")),
    (Head(7, b"101", None, upgrade=True), raw(5, 7, b"\x02" + UNKNOWN + b"101")),
    (Head(7, b"103", None, interim=True), raw(5, 7, b"\x04" + UNKNOWN + b"103")),
    (Data(7, b"x" * 70), raw(6, 7, b"x" * 70)),
    (Data(2**64 - 1, b"x" * DATA_LIMIT), raw(6, 2**64 - 1, b"x" * DATA_LIMIT)),
    (End(7), raw(7, 7, b"")),
    (End(7, [(b"a", b"bc"), (b"", b"")]), raw(7, 7, b"\0\x01\0\0\0\x02abc" + bytes(6))),
    (Reset(7, ErrorCode.CANCELLED, "é"), raw(8, 7, b"\x01\xc3\xa9")),
    (Credit(7, 65536), raw(9, 7, b"\0\x01\0\0")),
    (Revoke(7), raw(10, 7, b"")),
    (Revoked(7), raw(11, 7, b"")),
    (Refused(7, ErrorCode.DRAINING), raw(12, 7, b"\x13")),
    (Capacity(3), raw(13, 0, b"\0\0\0\x03")),
    (Ping(1), raw(14, 0, bytes(7) + b"\x01")),
    (Pong(2), raw(15, 0, bytes(7) + b"\x02")),
    (Drain(), raw(16, 0, b"")),
]

#: What no decoder takes, by what is wrong with it.
BROKEN: dict[str, bytes] = {
    "an empty message": b"",
    "half a header": raw(6, 7, b"x")[:11],
    "half a payload": raw(6, 7, b"xyz")[:-1],
    "a size of 16 MiB": b"\x06\xff\xff\xff" + bytes(8) + b"x" * 50,
    "an unknown frame that is cut off": raw(99, 7, b"xyz")[:-1],
    "a second frame that is cut off": raw(4, 7, b"") + b"\x04",
    "HELLO on a stream": raw(1, 7, b"{}"),
    "WELCOME on a stream": raw(2, 7, b"{}"),
    "CAPACITY on a stream": raw(13, 7, bytes(4)),
    "PING on a stream": raw(14, 7, bytes(8)),
    "PONG on a stream": raw(15, 7, bytes(8)),
    "DRAIN on a stream": raw(16, 7, b""),
    "OPEN too short": raw(3, 7, bytes(8)),
    "OPEN too short, with a frame behind it": raw(3, 7, bytes(8)) + raw(4, 7, b""),
    "OPEN with a head too long": raw(3, 7, bytes(9 + HEAD_LIMIT + 1)),
    "OPEN with an unknown flag": raw(3, 7, b"\x04" + bytes(8)),
    "OPEN with upgrade and a body": raw(3, 7, b"\x02" + bytes(7) + b"\x01"),
    "OPEN with upgrade and an unknown length": raw(3, 7, b"\x02" + UNKNOWN),
    "HEAD too short": raw(5, 7, bytes(8)),
    "HEAD with a head too long": raw(5, 7, bytes(9 + HEAD_LIMIT + 1)),
    "HEAD with an unknown flag": raw(5, 7, b"\x01" + UNKNOWN),
    "HEAD interim and upgrade": raw(5, 7, b"\x06" + UNKNOWN),
    "HEAD interim with a length": raw(5, 7, b"\x04" + bytes(8)),
    "HEAD upgrade with a length": raw(5, 7, b"\x02" + bytes(8)),
    "STARTED with a payload": raw(4, 7, b"x"),
    "DATA of nothing": raw(6, 7, b""),
    "DATA too long": raw(6, 7, b"x" * (DATA_LIMIT + 1)),
    "END with half a field header": raw(7, 7, bytes(5)),
    "END with half a field": raw(7, 7, b"\0\x01\0\0\0\x02ab"),
    "END with a huge field": raw(7, 7, b"\xff\xff\xff\xff\xff\xffab"),
    "END too long": raw(7, 7, bytes(TRAILERS_LIMIT + 6)),
    "RESET without a code": raw(8, 7, b""),
    "RESET with a detail too long": raw(8, 7, bytes(1) + b"x" * 1025),
    "RESET with bytes that are no UTF-8": raw(8, 7, b"\x00\xff"),
    "RESET with a line break": raw(8, 7, b"\x00a\nb"),
    "CREDIT of nothing": raw(9, 7, bytes(4)),
    "CREDIT too short": raw(9, 7, bytes(3)),
    "CREDIT too long": raw(9, 7, bytes(5)),
    "REVOKE with a payload": raw(10, 7, b"x"),
    "REVOKED with a payload": raw(11, 7, b"x"),
    "REFUSED without a code": raw(12, 7, b""),
    "CAPACITY too short": raw(13, 0, bytes(3)),
    "PING too long": raw(14, 0, bytes(9)),
    "PONG too short": raw(15, 0, bytes(7)),
    "DRAIN with a payload": raw(16, 0, b"x"),
    "HELLO of nothing": raw(1, 0, b""),
    "WELCOME of nothing": raw(2, 0, b""),
}


class LayoutTests(SynchronousTestCase):
    """The bytes are those of the specification."""

    def test_encode(self) -> None:
        """Frames have the specified layout."""
        for frame, layout in LAYOUTS:
            self.assertEqual(encode(frame), layout, frame)

    def test_decode(self) -> None:
        """The specified layout reads as the frame."""
        for frame, layout in LAYOUTS:
            self.assertEqual(decode(layout), [frame])

    def test_greetings(self) -> None:
        """Greetings are JSON objects about the link."""
        hello = encode(Hello(agent_id="a", name="n", slots=1))
        self.assertEqual(hello[:1] + hello[4:13], b"\x01" + bytes(8) + b"{")
        self.assertEqual(encode(Welcome(session="s"))[:1], b"\x02")

    def test_unknown_types_are_skipped(self) -> None:
        """A frame of a later version is left out, whatever is in it."""
        message = raw(4, 7, b"") + raw(17, 3, b"later") + raw(0, 0, b"") + raw(255, 9, b"") + raw(16, 0, b"")
        self.assertEqual(decode(message), [Started(7), Drain()])

    def test_unknown_error(self) -> None:
        """An error code of a later version reads as INTERNAL."""
        self.assertEqual(decode(raw(12, 7, b"\xfe")), [Refused(7, ErrorCode.INTERNAL)])

    def test_largest_fit(self) -> None:
        """The largest head, alone, fits a message."""
        self.assertLessEqual(len(encode(Open(1, b"x" * HEAD_LIMIT, None))), MESSAGE_LIMIT)

    @given(st.lists(frames, min_size=1, max_size=8))
    def test_round_trip(self, sent: list[Frame]) -> None:
        """Any frames, packed into one message, come out equal."""
        self.assertEqual(decode(b"".join(map(encode, sent))), sent)


class BrokenTests(SynchronousTestCase):
    """Whatever breaks a layout is the peer's violation, and nothing else."""

    def test_refused(self) -> None:
        """Each broken message raises RemoteProtocolError."""
        for what, message in BROKEN.items():
            with self.assertRaises(RemoteProtocolError, msg=what):
                decode(message)

    @given(st.binary(max_size=300))
    def test_noise(self, message: bytes) -> None:
        """Noise is decoded or refused."""
        self.check(message)

    @given(frames, st.integers(0, 400), st.integers(0, 255))
    def test_one_byte_off(self, frame: Frame, position: int, byte: int) -> None:
        """A frame with one byte changed is decoded or refused."""
        message = bytearray(encode(frame))
        message[position % len(message)] = byte
        self.check(bytes(message))

    @given(frames, st.integers(1, 400))
    def test_cut(self, frame: Frame, cut: int) -> None:
        """A frame that was cut anywhere is refused."""
        message = encode(frame)
        with self.assertRaises(RemoteProtocolError):
            decode(message[: max(0, len(message) - cut)])

    def check(self, message: bytes) -> None:
        """Whatever is decoded can be encoded again and reads the same."""
        try:
            frames = decode(message)
        except RemoteProtocolError:
            return
        for frame in frames:
            self.assertEqual(decode(encode(frame)), [frame])


class LocalTests(SynchronousTestCase):
    """What this end would send wrongly."""

    def test_too_long(self) -> None:
        """What does not fit its frame is this end's mistake."""
        for frame in (
            Open(1, b"x" * (HEAD_LIMIT + 1), 0),
            Head(1, b"x" * (HEAD_LIMIT + 1), 0),
            End(1, [(b"x", b"x" * TRAILERS_LIMIT)]),
            Data(1, b"x" * (DATA_LIMIT + 1)),
            Hello(agent_id="a", name="n", slots=1, hardware={"x": "x" * HEAD_LIMIT}),
        ):
            with self.assertRaises(LocalProtocolError):
                encode(frame)

    def test_detail_is_made_fit(self) -> None:
        """A detail of any text leaves printable and short enough, cut between characters."""
        detail = "a\r\nb\x00\ud800" + "é" * 2000
        (frame,) = decode(encode(Reset(1, ErrorCode.INTERNAL, detail)))
        assert isinstance(frame, Reset)
        self.assertTrue(frame.detail.startswith("a??b??éé"))
        self.assertEqual(len(frame.detail.encode("utf-8")), 1024)

    def test_interim_has_no_length(self) -> None:
        """The length of an interim head means nothing and is not sent."""
        self.assertEqual(
            encode(Head(1, b"", 5, interim=True)),
            encode(Head(1, b"", None, interim=True)),
        )
