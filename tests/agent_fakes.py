"""Stand-ins for what surrounds an agent: its upstream's client, a link, and the hub's end of one."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from slime.agent.health import Health, Precautions
from slime.agent.upstream.call import ResponseSink
from slime.agent.upstream.client import UpstreamClient
from slime.agent.worker import Bounds, Workshop
from slime.direct import Corks
from slime.errors import ErrorCode
from slime.http.fields import Fields
from slime.http.forwarding import UpstreamAddress
from slime.http.head import HeadLimits, RequestHead, ResponseHead
from slime.testing_upstream import Watched
from slime.tunnel import Frame, Hello, Reset, Role, TunnelConnection, Welcome
from slime.wslink import SUBPROTOCOL, TunnelProtocolMixin, harden

HEAD = b"GET /v1/models HTTP/1.1\r\nHost: app.example\r\nAccept: */*\r\n\r\n"
ANSWER = ResponseHead(b"1.1", 200, b"OK", [(b"Content-Type", b"text/plain"), (b"Connection", b"close")])
ANSWER_BLOCK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
UPGRADE = (
    b"GET /chat HTTP/1.1\r\nHost: app.example\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
)
ACCEPT = (b"Sec-WebSocket-Accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
SWITCH = ResponseHead(
    b"1.1", 101, b"Switching Protocols", [(b"Connection", b"upgrade"), (b"Upgrade", b"websocket"), ACCEPT]
)


@dataclass(eq=False)
class ScriptedCall:
    """A call: writes down what the worker does, and is what the test makes the upstream say."""

    head: RequestHead
    length: int | None
    sink: ResponseSink
    done: list[Any] = field(default_factory=list)
    has_begun: bool = False

    @property
    def request(self) -> RequestHead:
        return self.head

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def end(self, trailers: Fields | None = None) -> None:
        self.done.append(("end", trailers))

    def abort(self) -> None:
        self.done.append("abort")

    def pause(self) -> None:
        self.done.append("pause")

    def resume(self) -> None:
        self.done.append("resume")

    def start(self) -> None:
        """The upstream is connected, and has the request's opening."""
        self.has_begun = True
        self.sink.started()

    def answer(self, body: bytes = b"hello") -> None:
        """Everything in one turn, as most small answers are."""
        self.start()
        self.sink.head(ANSWER, len(body))
        if body:
            self.sink.data(body)
        self.sink.end([])


class ScriptedClient:
    """An upstream's client that connects to nothing."""

    def __init__(self) -> None:
        address = UpstreamAddress(b"upstream:80", b"/base")
        self.target = SimpleNamespace(address=address, label="http://upstream/base")
        self.corks = Corks()
        self.calls: list[ScriptedCall] = []
        self.unreachable = False
        self.closed = False

    def start(self, head: RequestHead, body_length: int | None, sink: ResponseSink) -> ScriptedCall:
        call = ScriptedCall(head, body_length, sink)
        self.calls.append(call)
        if self.unreachable:
            sink.failed(ErrorCode.UPSTREAM_UNREACHABLE, "it refuses connections")
        return call

    def close(self) -> None:
        self.closed = True


def scripted_shop(slots: int = 1, ahead: int = 4) -> tuple[Workshop, ScriptedClient]:
    """A workshop, and the client it uses."""
    client = ScriptedClient()
    health = Health(Clock(), slots, Precautions(), "upstream")
    return Workshop(cast(UpstreamClient, client), Bounds(slots, ahead, HeadLimits()), health), client


class LinkStub:
    """A link to nobody."""

    def __init__(self) -> None:
        self.sent: list[Frame] = []
        self.used: list[tuple[int, int]] = []
        self.forgotten: list[int] = []
        self.waiting = 0

    def send(self, frame: Frame) -> None:
        self.sent.append(frame)

    def send_at_leisure(self, frame: Frame) -> None:
        self.sent.append(frame)

    def break_off(self, frame: Reset) -> None:
        self.sent.append(frame)

    def consumed(self, stream_id: int, amount: int) -> None:
        self.used.append((stream_id, amount))

    def queued(self, stream_id: int) -> int:
        return self.waiting

    def forget(self, stream_id: int) -> None:
        self.forgotten.append(stream_id)


class WorkerCase(SynchronousTestCase):
    """A workshop with one slot, and a link that brings it requests."""

    def setUp(self) -> None:
        self.link = LinkStub()
        self.shop, self.client = scripted_shop()

    def sent(self) -> list[Frame]:
        """What has been sent since this was asked last."""
        sent, self.link.sent = self.link.sent, []
        return sent

    @property
    def call(self) -> ScriptedCall:
        return self.client.calls[-1]


class HubEnd(TunnelProtocolMixin, WebSocketServerProtocol):  # type: ignore[misc]
    """The hub's end of a link: welcomes the agent, and writes down what it says."""

    def __init__(self, clock: Any) -> None:
        super().__init__(TunnelConnection(Role.HUB), clock, 10.0)
        self.messages: list[list[Frame]] = []
        self.reason = ""

    def frames_received(self, frames: Any) -> None:
        self.messages.append(list(frames))
        if isinstance(frames[0], Hello):
            self.send(Welcome(session="s1", window=65536))
            self.established(10.0)

    def message_received(self, payload: bytes) -> None:
        super().message_received(payload)
        self.factory.happened()

    def tunnel_closed(self, reason: str, clean: bool) -> None:
        self.reason = reason
        self.factory.happened()

    @property
    def frames(self) -> list[Frame]:
        """Everything the agent has said."""
        return [frame for message in self.messages for frame in message]

    def open(self, head: bytes = HEAD, length: int | None = 0, prefetch: bool = False) -> int:
        """Give the agent a request; its stream's id."""
        self.schedule_flush()
        return self.tunnel.open(head, length, prefetch)


class HubFactory(WebSocketServerFactory, Watched):  # type: ignore[misc]
    """Makes hub's ends."""

    noisy = False

    def __init__(self, clock: Any) -> None:
        WebSocketServerFactory.__init__(self, protocols=[SUBPROTOCOL], reactor=clock)
        Watched.__init__(self)
        harden(self)
        self.ends: list[HubEnd] = []

    def buildProtocol(self, addr: Any) -> HubEnd:
        end = HubEnd(self.reactor)
        end.factory = self
        self.ends.append(end)
        return end
