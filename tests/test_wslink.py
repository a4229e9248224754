"""Both ends of a link over an in-memory wire: packing, backpressure, liveness, and every way to end."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

from autobahn.twisted.websocket import (
    WebSocketClientFactory,
    WebSocketClientProtocol,
    WebSocketServerFactory,
    WebSocketServerProtocol,
)
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.test.iosim import FakeTransport, IOPump
from twisted.trial.unittest import SynchronousTestCase

from slime.errors import RemoteProtocolError
from slime.sender import BURST, GATHER, LEISURE
from slime.tunnel import Capacity, Data, Drain, Frame, Ping, Pong, Started, decode, encode
from slime.websocket import CLOSE_TIMEOUT, PING_ALLOWANCE
from slime.wsframe import mask, message_start
from slime.wslink import SMALL, SUBPROTOCOL, CloseCode, TunnelProtocolMixin, harden

URL = "ws://hub.example:80/v1/agent/tunnel"


class ScriptedTunnel:
    """Stands in for a TunnelConnection: everything is allowed, everything may be looked at."""

    def __init__(self) -> None:
        self.controls: list[bytes] = []
        self.bodies: list[bytes] = []
        self.short: list[int] = []
        self.used: list[tuple[int, int]] = []
        self.chatter = 0
        self.error: Exception | None = None

    def receive(self, message: bytes) -> list[Frame]:
        frames = decode(message)
        for frame in frames:
            self.chatter += isinstance(frame, Ping | Pong)
            if isinstance(frame, Ping):
                self.send(Pong(frame.token))
        return [frame for frame in frames if not isinstance(frame, Ping)]

    def send(self, frame: Frame) -> None:
        (self.bodies if isinstance(frame, Data) else self.controls).append(encode(frame))

    def consumed(self, stream_id: int, amount: int) -> None:
        self.used.append((stream_id, amount))

    def next_message(self, data: bool = True) -> bytes | None:
        if self.error is not None:
            raise self.error
        message = b"".join(self.controls) + (self.bodies.pop(0) if data and self.bodies else b"")
        self.controls.clear()
        return message or None

    @property
    def pending(self) -> bool:
        return bool(self.controls or self.bodies)

    def drained(self) -> list[int]:
        short, self.short = self.short, []
        return short


class Recording(TunnelProtocolMixin):
    """Writes down what it is told; ``trouble`` raises from the hook of that name."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(ScriptedTunnel(), clock, handshake_timeout=10.0)  # type: ignore[arg-type]
        self.told: list[Any] = []
        self.trouble: dict[str, Exception] = {}

    def _tell(self, name: str, *what: Any) -> None:
        self.told.append((name, *what))
        if name in self.trouble:
            raise self.trouble[name]

    def tunnel_opened(self) -> None:
        self._tell("opened")

    def frame_received(self, frame: Frame) -> None:
        self._tell("frame", frame)

    def resume(self, stream_id: int) -> None:
        self._tell("resume", stream_id)

    def tunnel_closed(self, reason: str, clean: bool) -> None:
        self._tell("closed", reason, clean)


class RecordingServer(Recording, WebSocketServerProtocol):  # type: ignore[misc]
    pass


class RecordingClient(Recording, WebSocketClientProtocol):  # type: ignore[misc]
    pass


class Wire:
    """A client and a server that talk through memory."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.server = self._end(RecordingServer, WebSocketServerFactory, True, protocols=[SUBPROTOCOL])
        self.client = self._end(RecordingClient, WebSocketClientFactory, False, protocols=[SUBPROTOCOL])
        self.pump = IOPump(self.client, self.server, self.client.transport, self.server.transport, False)

    def _end(self, protocol: Any, factory_class: Any, is_server: bool, **options: Any) -> Any:
        factory = factory_class(URL, reactor=self.clock, **options)
        harden(factory)
        end = protocol(self.clock)
        end.factory = factory
        end.makeConnection(FakeTransport(end, is_server))
        return end

    def settle(self) -> Wire:
        """End turns and move bytes until nothing moves."""
        self.clock.advance(0)
        while self.pump.flush():
            self.clock.advance(0)
        return self

    def established(self, interval: float = 10.0) -> Wire:
        self.settle()
        for end in (self.client, self.server):
            end.established(interval)
        self.settle()
        for end in (self.client, self.server):
            end.told.clear()
        return self


def frame_bytes(first: int, payload: bytes, masked: bool) -> bytes:
    """A raw WebSocket frame with a mask of zeros."""
    start = bytes((first, len(payload) | (0x80 if masked else 0)))
    return start + (bytes(4) if masked else b"") + payload


class OpeningTests(SynchronousTestCase):
    """From the connection to HELLO and WELCOME."""

    def test_both_ends_open(self) -> None:
        wire = Wire().settle()
        self.assertEqual((wire.client.told, wire.server.told), ([("opened",)], [("opened",)]))
        self.assertTrue(wire.client.alive and wire.server.alive)
        self.assertIsNone(wire.client.rtt)

    def test_late_handshake(self) -> None:
        """Both ends give up on a peer that opens the WebSocket and then says nothing."""
        wire = Wire().settle()
        wire.clock.advance(10)
        self.assertIn(("closed", "the handshake is late", False), wire.client.told)
        wire.clock.advance(CLOSE_TIMEOUT)
        wire.settle()
        self.assertTrue(wire.server.transport.disconnected)

    def test_late_websocket(self) -> None:
        """The deadline covers the WebSocket's own handshake."""
        wire = Wire()
        wire.clock.advance(10)
        self.assertEqual(wire.server.told, [("closed", "the handshake is late", False)])

    def test_lost_before_open(self) -> None:
        wire = Wire()
        wire.client.connectionLost(Failure(ConnectionLost("reset")))
        self.assertEqual([name for name, *_ in wire.client.told], ["closed"])

    def test_refused_by_autobahn(self) -> None:
        """A handshake that autobahn refuses ends the link, with the peer's bytes made fit for a log."""
        wire = Wire()
        wire.server.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: \x1b[31m\r\n\r\n")
        ((name, reason, clean),) = wire.server.told
        self.assertEqual((name, clean), ("closed", False))
        self.assertTrue(reason.isprintable())

    def test_peer_of_another_protocol(self) -> None:
        """A server that takes the WebSocket but not the protocol is no hub."""
        wire = Wire()
        wire.server.onConnect = lambda handshake: None
        wire.settle()
        self.assertEqual(wire.client.told, [("closed", "the peer does not speak slime.v1", False)])

    def test_close_before_open(self) -> None:
        """There is nobody to say a word to yet."""
        wire = Wire()
        wire.client.close("stopping")
        wire.settle()
        self.assertEqual(wire.client.told, [("closed", "stopping", True)])
        self.assertTrue(wire.client.transport.disconnected)

    def test_error_in_opening_hook(self) -> None:
        wire = Wire()
        wire.server.trouble["opened"] = ValueError("broken")
        wire.settle()
        self.assertEqual(wire.server.told[-1], ("closed", "internal error", False))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)


class SendingTests(SynchronousTestCase):
    """Frames out."""

    def setUp(self) -> None:
        self.wire = Wire().established()

    def test_one_message_a_turn(self) -> None:
        client, server = self.wire.client, self.wire.server
        messages: list[list[Frame]] = []
        server.frames_received = messages.append
        client.send(Capacity(1))
        client.send(Drain())
        self.wire.settle()
        client.send(Capacity(2))
        self.wire.settle()
        self.assertEqual(messages, [[Capacity(1), Drain()], [Capacity(2)]])

    def test_at_leisure(self) -> None:
        """What is in no hurry goes with what is, or by itself after a short while."""
        client, server = self.wire.client, self.wire.server
        messages: list[list[Frame]] = []
        server.frames_received = messages.append
        client.send_at_leisure(Started(1))
        client.send_at_leisure(Started(2))
        self.wire.settle()
        self.assertEqual(messages, [])
        client.send(Drain())
        self.wire.settle()
        self.assertEqual(messages, [[Started(1), Started(2), Drain()]])
        client.send_at_leisure(Started(3))
        self.wire.clock.advance(LEISURE)
        self.wire.settle()
        self.assertEqual(messages[1:], [[Started(3)]])
        client.close("bye")
        client.send_at_leisure(Started(4))
        self.wire.settle()
        self.assertEqual(messages[2:], [])

    def test_very_many_small_pieces(self) -> None:
        """Each leaves in its turn, until there are more messages than is good: then some go together."""
        client, server, clock = self.wire.client, self.wire.server, self.wire.clock
        messages: list[list[Frame]] = []
        server.frames_received = messages.append

        def heard() -> list[list[Frame]]:
            self.wire.settle()
            taken = messages[:]
            messages.clear()
            return taken

        one, other = Data(1, b"one"), Data(2, b"other")
        for _ in range(BURST + 1):
            client.send(one)
            self.assertEqual(heard(), [[one]])
        client.send(one)
        client.send(other)
        self.assertEqual(heard(), [])
        clock.advance(GATHER)
        self.assertEqual(heard(), [[one], [other]])
        client.send(one)
        self.assertEqual(heard(), [])
        client.send(Drain())
        self.assertEqual(heard(), [[Drain(), one]], "what is in a hurry takes along what waits")
        client.send(Data(1, bytes(SMALL)))
        self.assertEqual(heard(), [[Data(1, bytes(SMALL))]], "nor does a large piece wait")
        clock.advance((BURST + 2) * GATHER)
        client.send(one)
        self.assertEqual(heard(), [[one]])

    def test_taken_along(self) -> None:
        """However many were taken along before their time, the next one waits no longer than the first."""
        client, server, clock = self.wire.client, self.wire.server, self.wire.clock
        pieces: list[Frame] = []
        server.frames_received = lambda frames: pieces.extend(frame for frame in frames if type(frame) is Data)
        for _ in range(100 * BURST):
            client.send(Data(1, b"one"))
            client.send(Drain())
            self.wire.settle()
        pieces.clear()
        client.send(Data(1, b"last"))
        clock.advance(GATHER)
        self.wire.settle()
        self.assertEqual(pieces, [Data(1, b"last")])

    def test_leisure_does_not_hold_pieces(self) -> None:
        """What is in no hurry at all leaves with a small piece, not the piece with it."""
        client, server = self.wire.client, self.wire.server
        messages: list[list[Frame]] = []
        server.frames_received = messages.append
        client.send_at_leisure(Started(1))
        client.send(Data(2, b"word"))
        self.wire.settle()
        self.assertEqual(messages, [[Started(1), Data(2, b"word")]])

    def test_both_directions_and_sizes(self) -> None:
        for size in (1, 113, 114, 200, 5000, 65536):
            for sender, receiver in (
                (self.wire.client, self.wire.server), (self.wire.server, self.wire.client),
            ):
                sender.send(Data(1, bytes(range(256)) * 256 if size == 65536 else b"a" * size))
                self.wire.settle()
                self.assertEqual(len(receiver.told.pop()[1].data), size)

    def test_pieces_of_a_message(self) -> None:
        """A message may arrive a byte at a time."""
        for size in (1, 200, 70000):
            self.wire.client.transport.stream.clear()
            self.wire.client.send(Data(1, b"a" * min(size, 65536)))
            self.wire.client.send(Data(2, b"b"))
            self.wire.clock.advance(0)
            raw = b"".join(self.wire.client.transport.stream)
            self.wire.client.transport.stream.clear()
            for start in range(20):
                self.wire.server.dataReceived(raw[start : start + 1])
            self.wire.server.dataReceived(raw[20:])
            frames = [frame for _, frame in self.wire.server.told]
            self.assertEqual([frame.stream_id for frame in frames], [1, 2])
            self.wire.server.told.clear()

    def test_consumed(self) -> None:
        self.wire.client.consumed(7, 1000)
        self.assertEqual(self.wire.client.tunnel.used, [(7, 1000)])
        self.wire.client.close("bye")
        self.wire.client.consumed(7, 1000)
        self.assertEqual(self.wire.client.tunnel.used, [(7, 1000)])

    def test_nothing_after_the_end(self) -> None:
        self.wire.client.close("bye")
        self.wire.client.send(Drain())
        self.wire.client.schedule_flush()
        self.assertEqual(self.wire.client.tunnel.controls, [])

    def test_full_socket_takes_control_frames_only(self) -> None:
        client = self.wire.client
        client._sender.pauseProducing()
        client._sender.pauseProducing()
        client.send(Data(1, b"body"))
        client.send(Drain())
        self.wire.settle()
        self.assertEqual(self.wire.server.told, [("frame", Drain())])
        client._sender.resumeProducing()
        self.wire.settle()
        self.assertEqual(self.wire.server.told[1:], [("frame", Data(1, b"body"))])

    def test_transport_pauses_and_resumes(self) -> None:
        """The transport's own buffer decides, over the producer interface that it knows."""
        client = self.wire.client
        self.assertIs(client.transport.producer, client._sender)
        client._sender.stopProducing()

    def test_streams_resume(self) -> None:
        client = self.wire.client
        client.tunnel.short = [3, 5]
        client.schedule_flush()
        self.wire.settle()
        self.assertEqual(client.told, [("resume", 3), ("resume", 5)])

    def test_no_resume_after_the_end(self) -> None:
        client = self.wire.client
        client.tunnel.short = [3, 5]
        client.trouble["resume"] = RemoteProtocolError("no")
        client.schedule_flush()
        self.wire.settle()
        self.assertEqual(client.told, [("resume", 3), ("closed", "no", False)])

    def test_resume_may_end_the_link(self) -> None:
        client = self.wire.client
        client.tunnel.short = [3, 5]
        client.resume = lambda stream_id: client.fail(CloseCode.INTERNAL, f"stream {stream_id}")
        client.schedule_flush()
        self.wire.settle()
        self.assertEqual(client.told, [("closed", "stream 3", False)])

    def test_sender_trouble_ends_the_link(self) -> None:
        """A peer that does not read is found out while sending."""
        client = self.wire.client
        client.tunnel.error = RemoteProtocolError("the peer does not read")
        client.send(Drain())
        self.wire.settle()
        self.assertEqual(client.told, [("closed", "the peer does not read", False)])


class ReceivingTests(SynchronousTestCase):
    """Frames in, and what must not come in."""

    def setUp(self) -> None:
        self.wire = Wire().established()

    def _closed_for(self, raw: bytes, end: Any = None, code: CloseCode = CloseCode.PROTOCOL) -> str:
        """Why the server (or ``end``) closes the link when it reads ``raw``; the peer must be told ``code``."""
        end = end or self.wire.server
        peer = self.wire.client if end is self.wire.server else self.wire.server
        end.dataReceived(raw)
        self.assertFalse(end.alive)
        told = [what for what in end.told if what[0] == "closed"]
        self.wire.settle()
        self.assertEqual(peer.told[-1][0], "closed")
        self.assertIn(str(code.value), peer.told[-1][1])
        self.assertEqual(len(told), 1)
        return str(told[0][1])

    def test_hooks_stop_when_the_link_ends(self) -> None:
        self.wire.server.trouble["frame"] = RemoteProtocolError("capacity of nobody")
        self.wire.client.send(Capacity(1))
        self.wire.client.send(Drain())
        self.wire.settle()
        self.assertEqual(
            self.wire.server.told, [("frame", Capacity(1)), ("closed", "capacity of nobody", False)]
        )

    @given(
        st.lists(st.one_of(st.sampled_from([b"ping", b"pong"]), st.sampled_from([1, 100, 117, 60_000])), max_size=8),
        st.lists(st.integers(0, 200_000), max_size=12),
        st.binary(min_size=4, max_size=4),
    )
    def test_cut_anywhere(self, units: list[bytes | int], cuts: list[int], key: bytes) -> None:
        """Whatever reads the bytes come in, every message is told, whole and in order, and nothing else."""
        for end in (self.wire.server, self.wire.client):
            masked = end is self.wire.server
            wanted = [Data(at + 1, bytes(size)) for at, size in enumerate(units) if isinstance(size, int)]
            texts = iter([encode(frame) for frame in wanted])
            raw = b"".join(
                message_start(len(text := next(texts)), key if masked else b"") + (mask(text, key) if masked else text)
                if isinstance(unit, int) else frame_bytes(0x89 if unit == b"ping" else 0x8A, unit, masked)
                for unit in units
            )  # fmt: skip
            end.told.clear()
            for start, stop in pairwise([0, *sorted(cut for cut in cuts if cut < len(raw)), len(raw)]):
                end.dataReceived(raw[start:stop])
            end.allow_pings()
            self.assertEqual(end.told, [("frame", frame) for frame in wanted])

    def test_rest_of_message_is_not_told_after_close(self) -> None:
        server = self.wire.server
        server.frame_received = lambda frame: server.close("enough")
        self.wire.client.send(Capacity(1))
        self.wire.client.send(Drain())
        self.wire.settle()
        self.assertEqual(server.told, [("closed", "enough", True)])

    def test_error_in_hook(self) -> None:
        self.wire.server.trouble["frame"] = KeyError("bug")
        self.wire.client.send(Drain())
        self.wire.settle()
        self.assertEqual(self.wire.server.told[-1], ("closed", "internal error", False))
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_error_in_closing_hook(self) -> None:
        self.wire.server.trouble["closed"] = KeyError("bug")
        self.wire.server.close("bye")
        self.wire.settle()
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_pongs_are_kept_back(self) -> None:
        self.wire.client.send(Pong(99))
        self.wire.client.send(Drain())
        self.wire.settle()
        self.assertEqual(self.wire.server.told, [("frame", Drain())])

    def test_pong_before_established(self) -> None:
        wire = Wire().settle()
        wire.client.send(Pong(1))
        wire.settle()
        self.assertIsNone(wire.server.rtt)

    def test_cut_frame(self) -> None:
        self.assertIn("cut off", self._closed_for(frame_bytes(0x82, b"x", True)))

    def test_fragment(self) -> None:
        self.assertIn("whole binary", self._closed_for(frame_bytes(0x02, b"abc", True)))

    def test_continuation(self) -> None:
        self.assertIn("continuation", self._closed_for(frame_bytes(0x80, b"abc", True)))

    def test_text(self) -> None:
        self.assertIn("whole binary", self._closed_for(frame_bytes(0x81, b"abc", True)))

    def test_unmasked_from_client(self) -> None:
        self.assertIn("unmasked", self._closed_for(frame_bytes(0x82, encode(Drain()), False)))

    def test_masked_from_server(self) -> None:
        raw = frame_bytes(0x82, encode(Drain()), True)
        self.assertIn("masked", self._closed_for(raw, self.wire.client))

    def test_reserved_bits(self) -> None:
        self.assertIn("RSV", self._closed_for(frame_bytes(0xC2, b"abc", True)))

    def test_unknown_control_frame(self) -> None:
        self.assertIn("reserved opcode", self._closed_for(frame_bytes(0x8B, b"", True)))

    def test_oversize(self) -> None:
        raw = struct.pack("!BBQ", 0x82, 0x80 | 127, 1 << 40) + bytes(4)
        self.assertIn("whole binary", self._closed_for(raw))

    def test_size_not_minimal(self) -> None:
        raw = struct.pack("!BBH", 0x82, 0x80 | 126, 5) + bytes(9)
        self.assertIn("minimal", self._closed_for(raw))

    def test_deaf_after_violation(self) -> None:
        """What comes behind a violation is not looked at, in the same read or later."""
        good = frame_bytes(0x82, encode(Drain()), True)
        self._closed_for(frame_bytes(0x81, b"abc", True) + good)
        self.wire.server.dataReceived(good)
        self.assertEqual([name for name, *_ in self.wire.server.told], ["closed"])

    def test_pings_of_a_turn_get_one_answer(self) -> None:
        for payload in (b"1", b"2", b"3"):
            self.wire.server.dataReceived(frame_bytes(0x89, payload, True))
        self.wire.clock.advance(0)
        self.assertEqual(b"".join(self.wire.server.transport.stream), b"\x8a\x013")

    def test_flood_of_pings(self) -> None:
        raw = frame_bytes(0x89, b"", True) * (PING_ALLOWANCE + 1)
        self.assertIn("pings", self._closed_for(raw, code=CloseCode.FLOOD))

    def test_flood_of_pongs(self) -> None:
        """Nobody asks for any."""
        raw = frame_bytes(0x8A, b"", True) * (PING_ALLOWANCE + 1)
        self.assertIn("pongs", self._closed_for(raw, code=CloseCode.FLOOD))

    def test_control_frame_in_pieces(self) -> None:
        raw = frame_bytes(0x89, b"abc", True)
        for byte in raw:
            self.wire.server.dataReceived(bytes((byte,)))
        self.wire.clock.advance(0)
        self.assertEqual(b"".join(self.wire.server.transport.stream), b"\x8a\x03abc")

    def test_websocket_pong_is_ignored(self) -> None:
        self.wire.server.dataReceived(frame_bytes(0x8A, b"abc", True))
        self.assertTrue(self.wire.server.alive)


class ClosingTests(SynchronousTestCase):
    """Every way to end, told once at both ends."""

    def setUp(self) -> None:
        self.wire = Wire().established()

    def test_close_by_either_end(self) -> None:
        for which in (0, 1):
            wire = Wire().established()
            ends = wire.client, wire.server
            closer, other = ends[which], ends[1 - which]
            closer.send(Drain())
            closer.close("bye")
            wire.settle()
            self.assertEqual(closer.told, [("closed", "bye", True)])
            self.assertEqual(other.told, [("frame", Drain()), ("closed", "closed by the peer: 1000 bye", True)])
            self.assertTrue(closer.transport.disconnected and other.transport.disconnected)
            self.assertEqual(wire.clock.getDelayedCalls(), [])

    def test_close_twice(self) -> None:
        self.wire.client.close("bye")
        self.wire.client.close("bye again")
        self.wire.client.fail(CloseCode.INTERNAL, "too late")
        self.wire.client.abort("too late")
        self.wire.settle()
        self.assertEqual(self.wire.client.told, [("closed", "bye", True)])

    def test_fail(self) -> None:
        self.wire.server.fail(CloseCode.REPLACED, "a newer link of this agent")
        self.wire.settle()
        self.assertEqual(self.wire.server.told, [("closed", "a newer link of this agent", False)])
        said = "closed by the peer: 4409 a newer link of this agent"
        self.assertEqual(self.wire.client.told, [("closed", said, False)])

    def test_close_frame_without_code(self) -> None:
        self.wire.server.dataReceived(frame_bytes(0x88, b"", True))
        self.assertEqual(self.wire.server.told, [("closed", "closed by the peer: None", False)])

    def test_close_frame_with_bad_code(self) -> None:
        self.wire.server.dataReceived(frame_bytes(0x88, b"\x00\x01", True))
        self.assertEqual(self.wire.server.told, [("closed", "invalid close code 1", False)])

    def test_peer_that_does_not_close_is_aborted(self) -> None:
        server = self.wire.server
        aborted: list[bool] = []
        server.transport.abortConnection = lambda: aborted.append(True)
        server.close("bye")
        gone = server.when_gone()
        self.wire.clock.advance(CLOSE_TIMEOUT)
        self.assertEqual(aborted, [True])
        self.assertNoResult(gone)
        server.connectionLost(Failure(ConnectionAborted()))
        self.assertIsNone(self.successResultOf(gone))
        self.assertIsNone(self.successResultOf(server.when_gone()))

    def test_connection_lost(self) -> None:
        self.wire.client.connectionLost(Failure(ConnectionLost("reset")))
        ((name, reason, clean),) = self.wire.client.told
        self.assertEqual((name, clean), ("closed", False))
        self.assertRegex(reason, r"^connection lost: .*: reset\.$")
        self.wire.server.connectionLost(Failure(ConnectionDone()))
        ((_, reason, clean),) = self.wire.server.told
        self.assertEqual((reason, clean), ("connection lost: the other end is gone", False))

    def test_abort(self) -> None:
        self.wire.client.abort("no use")
        self.wire.settle()
        self.assertEqual(self.wire.client.told, [("closed", "no use", False)])
        self.assertEqual([name for name, *_ in self.wire.server.told], ["closed"])


class LivenessTests(SynchronousTestCase):
    """Signs of life."""

    def setUp(self) -> None:
        self.wire = Wire().established()

    def test_idle_link_lives(self) -> None:
        for _ in range(20):
            self.wire.clock.advance(10)
            self.wire.settle()
        self.assertTrue(self.wire.client.alive and self.wire.server.alive)

    def test_silence_is_counted_anew_after_a_sleep(self) -> None:
        """What came last came before this process slept, which says nothing of the peer."""
        self.wire.clock.advance(100)
        self.wire.clock.advance(10)
        self.assertTrue(self.wire.client.alive and self.wire.server.alive)
        self.wire.clock.pump([10, 10])
        self.assertFalse(self.wire.client.alive or self.wire.server.alive)

    def test_round_trip(self) -> None:
        wire = Wire().settle()
        wire.client.established(10)
        wire.clock.advance(0)
        wire.clock.advance(0.25)
        wire.settle()
        self.assertAlmostEqual(wire.client.rtt, 0.25)

    def test_silent_peer(self) -> None:
        """Found dead three intervals after its last byte."""
        for _ in range(2):
            self.wire.clock.advance(10)
            self.assertTrue(self.wire.server.alive)
        self.wire.clock.advance(10)
        self.assertEqual(self.wire.server.told, [("closed", "the peer gave no sign of life", False)])

    def test_peer_that_takes_nothing(self) -> None:
        server = self.wire.server
        server._sender.pauseProducing()
        for _ in range(6):
            server.dataReceived(frame_bytes(0x82, encode(Drain()), True))
            self.wire.clock.advance(10)
        self.assertEqual(server.told[-1], ("closed", "the peer takes nothing of what is sent", False))

    def test_interval_has_a_floor(self) -> None:
        """A hub that asks for a sign of life every no seconds does not get that."""
        wire = Wire().settle()
        wire.client.established(0)
        wire.clock.advance(0.05)
        self.assertEqual(wire.client._liveness.interval, 0.1)

    def test_pings_allowed_again(self) -> None:
        server = self.wire.server
        for _ in range(3):
            server.dataReceived(frame_bytes(0x89, b"", True) * PING_ALLOWANCE)
            self.wire.clock.advance(10)
        self.assertTrue(server.alive)


class AutobahnContractTests(SynchronousTestCase):
    """What is used of autobahn beyond its documented interface is still there."""

    def test_attributes(self) -> None:
        end = Wire().settle().server
        for name in ("data", "current_frame", "state", "wasClean", "wasNotCleanReason", "remoteCloseReason"):
            self.assertTrue(hasattr(end, name), name)

    def test_methods(self) -> None:
        for name in (
            "consumeData", "processData", "onFrameBegin", "onCloseFrame", "dropConnection", "_fail_connection",
        ):  # fmt: skip
            self.assertTrue(callable(getattr(WebSocketServerProtocol, name)), name)


class Windows:
    """Stands in for what decides about windows."""

    def __init__(self) -> None:
        self.verdicts = {1: 0, 2: 131072}
        self.asked: list[tuple[int, int, float, float | None]] = []

    def judge(self, stream_id: int, used: int, now: float, rtt: float | None) -> int:
        self.asked.append((stream_id, used, now, rtt))
        return self.verdicts[stream_id]

    def forget(self, before: float) -> dict[int, int]:
        self.asked.append((0, 0, before, None))
        return {2: 65536}


class WindowTests(SynchronousTestCase):
    """Windows that grow and shrink."""

    def setUp(self) -> None:
        self.wire = Wire().established()
        self.windows = Windows()
        self.resized: list[tuple[int, int]] = []
        self.client = self.wire.client
        self.client._growth = self.windows
        self.client.tunnel.resize = lambda stream_id, window: self.resized.append((stream_id, window))

    def test_grow(self) -> None:
        """Whoever used enough for a piece of credit is judged, and has another window if the verdict says so."""
        self.client.tunnel.consumed = lambda stream_id, amount: amount if amount > 1000 else 0
        now, rtt = self.wire.clock.seconds(), self.client.rtt
        for stream_id, amount in ((1, 5000), (2, 6000), (3, 1000)):
            self.client.consumed(stream_id, amount)
        self.assertEqual(self.windows.asked, [(1, 5000, now, rtt), (2, 6000, now, rtt)])
        self.assertEqual(self.resized, [(2, 131072)])

    def test_shrink(self) -> None:
        """What nobody has used for an interval goes back."""
        self.wire.clock.advance(10.0)
        self.assertEqual((self.windows.asked, self.resized), ([(0, 0, 0.0, None)], [(2, 65536)]))
