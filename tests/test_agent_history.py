"""Any history of a link: whatever hub, upstream and network do, in any order, the ends never disagree."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from twisted.internet.task import Clock
from twisted.test.iosim import FakeTransport, IOPump
from twisted.trial.unittest import SynchronousTestCase

from slime.agent.link import LinkFactory, LinkPolicy
from slime.errors import ErrorCode
from slime.tunnel import Data, End, Frame, Head, Hello, Refused, Reset, Revoke, Revoked, Started
from tests.agent_fakes import ANSWER, HEAD, HubFactory, ScriptedCall, scripted_shop

SLOTS = 2
WINDOW = 65536
SIZES = st.sampled_from([1, 1000, 100_000])


class Request:
    """A stream as the hub knows it."""

    def __init__(self, whole: bool) -> None:
        self.whole = whole
        self.frames: list[Frame] = []
        self.revoked = self.over = False


class History(RuleBasedStateMachine):
    """A hub, an agent with two slots, and an upstream, each of which does what it may do at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.shop, self.client = scripted_shop(SLOTS, 3)
        policy = LinkPolicy(Hello(agent_id="a1", name="host", slots=SLOTS, window=WINDOW))
        link = LinkFactory(self.clock, "ws://hub:80/v1/agent/tunnel", "token", self.shop, policy).buildProtocol(None)
        hub = HubFactory(self.clock).buildProtocol(None)
        link.makeConnection(FakeTransport(link, False))
        hub.makeConnection(FakeTransport(hub, True))
        self.link, self.hub = link, hub
        self.pump = IOPump(link, hub, link.transport, hub.transport, False)
        self.requests: dict[int, Request] = {}
        self.said: dict[ScriptedCall, str] = {}
        self.deliver()

    # The network.

    @rule()
    def deliver(self) -> None:
        """Turns end, and everything under way arrives."""
        self.clock.advance(0)
        while self.pump.flush():
            self.clock.advance(0)
        self._read()

    def _read(self) -> None:
        for frame in self.hub.frames:
            self._arrived(frame)
        self.hub.messages.clear()

    def _arrived(self, frame: Any) -> None:
        request = self.requests.get(getattr(frame, "stream_id", 0))
        if request is None:
            return
        request.frames.append(frame)
        whole = isinstance(frame, Head) and frame.length == 0
        request.over = request.over or whole or isinstance(frame, (End, Reset, Refused, Revoked))
        if isinstance(frame, Data):
            self.hub.consumed(frame.stream_id, len(frame.data))

    @rule()
    def turn(self) -> None:
        """One turn ends at each side, and what has left arrives on one of them only."""
        self.clock.advance(0)
        self.pump.pump()
        self._read()

    @rule(end=st.booleans())
    def socket_fills(self, end: bool) -> None:
        """And empties at some later time."""
        (self.link if end else self.hub)._sender.pauseProducing()

    @rule(end=st.booleans())
    def socket_empties(self, end: bool) -> None:
        (self.link if end else self.hub)._sender.resumeProducing()

    # The hub.

    @rule(length=st.sampled_from([0, 0, None]), ahead=st.booleans())
    def open(self, length: int | None, ahead: bool) -> None:
        head = HEAD.replace(b"/v1/models", b"/%d" % (len(self.requests) + 1))
        self.requests[self.hub.open(head, length, ahead)] = Request(length == 0)

    def _uploading(self) -> list[int]:
        return [n for n, request in self.requests.items() if not request.whole and not request.over]

    @precondition(lambda self: bool(self._uploading()))
    @rule(which=st.integers(0, 9), size=SIZES)
    def upload(self, which: int, size: int) -> None:
        uploading = self._uploading()
        self.hub.send(Data(uploading[which % len(uploading)], b"u" * size))

    @precondition(lambda self: bool(self._uploading()))
    @rule(which=st.integers(0, 9))
    def finish_upload(self, which: int) -> None:
        uploading = self._uploading()
        stream_id = uploading[which % len(uploading)]
        self.requests[stream_id].whole = True
        self.hub.send(End(stream_id))

    def _open(self) -> list[int]:
        return [n for n, request in self.requests.items() if not request.over]

    @precondition(lambda self: bool(self._open()))
    @rule(which=st.integers(0, 9))
    def leave(self, which: int) -> None:
        """The application does."""
        opened = self._open()
        stream_id = opened[which % len(opened)]
        self.requests[stream_id].over = True
        self.hub.send(Reset(stream_id, ErrorCode.CANCELLED))

    @precondition(lambda self: bool(self._open()))
    @rule(which=st.integers(0, 9))
    def revoke(self, which: int) -> None:
        opened = self._open()
        stream_id = opened[which % len(opened)]
        if not self.requests[stream_id].frames and not self.requests[stream_id].revoked:
            self.requests[stream_id].revoked = True
            self.hub.send(Revoke(stream_id))

    # The upstream.

    def _calls(self) -> list[ScriptedCall]:
        return [call for call in self.client.calls if "abort" not in call.done and self.said.get(call) != "over"]

    def _call(self, which: int) -> ScriptedCall:
        calls = self._calls()
        return calls[which % len(calls)]

    @precondition(lambda self: bool(self._calls()))
    @rule(which=st.integers(0, 9), size=SIZES)
    def answer(self, which: int, size: int) -> None:
        """Some more of an answer."""
        call = self._call(which)
        if call not in self.said:
            call.start()
            call.sink.head(ANSWER, None)
            self.said[call] = "answering"
        if "pause" not in call.done[-1:]:
            call.sink.data(b"d" * size)

    @precondition(lambda self: bool(self._calls()))
    @rule(which=st.integers(0, 9))
    def finish_answer(self, which: int) -> None:
        call = self._call(which)
        if call not in self.said:
            call.start()
            call.sink.head(ANSWER, 0)
        self.said[call] = "over"
        call.sink.end([])

    @precondition(lambda self: bool(self._calls()))
    @rule(which=st.integers(0, 9))
    def fail(self, which: int) -> None:
        call = self._call(which)
        self.said[call] = "over"
        call.sink.failed(ErrorCode.UPSTREAM_BROKE, "cut off")

    @precondition(lambda self: bool(self._calls()))
    @rule(which=st.integers(0, 9), full=st.booleans())
    def upstream_socket(self, which: int, full: bool) -> None:
        sink = self._call(which).sink
        if full:
            sink.pause_request()
        else:
            sink.resume_request()

    # What must hold.

    @invariant()
    def links_live(self) -> None:
        """Neither end has found the other to break the protocol, nor itself."""
        hold(self.link.alive and self.hub.alive, f"hub says {self.hub.reason!r}")

    @invariant()
    def slots_hold(self) -> None:
        running = len(self._calls())
        hold(running <= SLOTS, f"{running} calls at once")
        hold(running == self.shop._slots.running, f"{self.shop._slots.running} slots in use by {running} calls")

    def teardown(self) -> None:
        """Everything comes to an end, and nothing is left."""
        self.socket_empties(True)
        self.socket_empties(False)
        self.deliver()
        for stream_id in self._uploading():
            self.hub.send(End(stream_id))
        self.deliver()
        hold(not any(call.done[-1:] == ["pause"] for call in self._calls()), "an upstream is paused for ever")
        while self._calls():
            self.finish_answer(0)
            self.deliver()
        hold(all(request.over for request in self.requests.values()), "a request without an end")
        live = self.link.tunnel.live, self.hub.tunnel.live, len(self.link._workers)
        hold(live == (0, 0, 0), f"{live} streams are left")
        asked = [int(call.head.target.removeprefix(b"/base/")) for call in self.client.calls]
        hold(len(asked) == len(set(asked)), f"a request was made twice: {asked}")
        begun = [number for number, call in zip(asked, self.client.calls, strict=True) if call.has_begun]
        for stream_id, request in self.requests.items():
            hold(_in_order(request.frames), f"{request.frames}")
            given_back = any(isinstance(frame, (Refused, Revoked)) for frame in request.frames)
            hold(not given_back or stream_id not in begun, f"{stream_id} was given back and made")


def _in_order(frames: list[Any]) -> bool:
    """Whether an application could make sense of it."""
    kinds = [type(frame) for frame in frames]
    if Started in kinds[1:] or any(kind in kinds[:-1] for kind in (End, Reset, Refused, Revoked)):
        return False
    return Data not in kinds or kinds.index(Head) < kinds.index(Data)


def hold(condition: object, otherwise: str) -> None:
    if not condition:
        raise AssertionError(otherwise)


class HistoryTests(SynchronousTestCase):
    def test_any_history(self) -> None:
        run_state_machine_as_test(History, settings=settings(max_examples=60, stateful_step_count=40))
