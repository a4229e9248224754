"""A whole hub with its admin site, in memory, on a clock of its own; nothing is listened on."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from slime.hub.service import build_hub
from slime.settings import HubConfig
from slime.tunnel.frames import Capacity, Data, End, Head, Open, Started
from tests.link_fixture import SECRET, AgentPeer, AppPeer

__all__ = ["AdminCase", "AdminHub", "Answer", "Caller"]

LOCAL = "tcp:8081:interface=127.0.0.1"


@dataclass(frozen=True)
class Answer:
    """What the site said."""

    status: int
    fields: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        """The body's JSON."""
        return json.loads(self.body)


class _Transport(StringTransport):
    """Remembers how it ended."""

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True
        self.disconnecting = True


class Caller:
    """One connection to the admin site."""

    def __init__(self, hub: AdminHub) -> None:
        self.transport = _Transport()
        self.protocol = hub.admin_factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 40000))
        self.protocol.makeConnection(self.transport)

    def send(self, verb: str, path: str, fields: dict[str, str] | None = None, body: bytes = b"") -> None:
        """Ask; in ``fields`` an empty value leaves a usual field out."""
        usual = {"Host": "127.0.0.1:8081", **({"Content-Length": str(len(body))} if body else {})}
        lines = [f"{name}: {value}" for name, value in {**usual, **(fields or {})}.items() if value]
        self.protocol.dataReceived("\r\n".join([f"{verb} {path} HTTP/1.1", *lines, "", ""]).encode("latin-1") + body)

    def taken(self) -> bytes:
        """What has come since this was asked last."""
        data = self.transport.value()
        self.transport.clear()
        return data

    def leave(self) -> None:
        """The caller is gone."""
        self.protocol.connectionLost(Failure(ConnectionDone()))


class AdminHub:
    """A hub as :func:`~slime.hub.service.build_hub` puts it together.

    :ivar service: the hub.
    """

    def __init__(self, state_dir: Path, **settings: Any) -> None:
        self.clock = MemoryReactorClock()
        self.clock.advance(time.time())
        config: dict[str, Any] = {"secret": SECRET, "admin": LOCAL, "access_log": "off", "ping_interval": 3600.0}
        self.config = HubConfig(state_dir=state_dir, **{**config, **settings})
        self.service = build_hub(self.clock, self.config)
        self.service.privilegedStartService()
        self.service.startService()
        self.site, self.pool = self.service.site, self.service.pool
        self.admin_factory: Any = self.clock.tcpServers[-1][1]

    def turn(self) -> None:
        """End the reactor's turn."""
        self.clock.advance(0)

    def seconds(self, count: int) -> None:
        """Let time go by."""
        self.clock.pump([1.0] * count)

    def app(self, target: bytes = b"/", fields: bytes = b"Slime-Block: 1\r\n") -> AppPeer:
        """An application that has asked."""
        app = AppPeer(self)  # type: ignore[arg-type]
        app.ask(target, fields)
        self.clock.advance(0.001)
        return app

    def agent(self, bearer: str | None = None, **members: Any) -> Agent:
        """An agent that has joined."""
        agent = Agent(self, bearer)  # type: ignore[arg-type]
        agent.hello(**members)
        return agent

    def ask(self, verb: str, path: str, fields: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        """Ask the admin site, on a connection of its own."""
        caller = Caller(self)
        caller.send(verb, path, {"Connection": "close", **(fields or {})}, body)
        head, _, content = caller.taken().partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        return Answer(int(first.split()[1]), dict(line.lower().split(": ", 1) for line in lines), content)

    def get(self, path: str) -> Any:
        """The JSON at a path of the API."""
        return self.ask("GET", f"/api/v1/{path}").data

    def act(self, path: str, verb: str = "POST", **members: str) -> Answer:
        """Change something, as a page of the site itself does."""
        body = json.dumps(members).encode() if members else b""
        fields = {"Slime-Admin": "1", "Content-Type": "application/json" if members else ""}
        return self.ask(verb, f"/api/v1/{path}", fields, body)


class Agent(AgentPeer):
    """An agent that can be told to work."""

    def begin(self) -> list[int]:
        """Begin everything that has come; the streams."""
        streams = [frame.stream_id for frame in self.frames() if isinstance(frame, Open)]
        self.say(*map(Started, streams))
        return streams

    def finish(self, stream_id: int, body: bytes = b"done") -> None:
        """Answer a request whole."""
        self.say(Head(stream_id, b"HTTP/1.1 200 OK\r\n\r\n", None))
        self.tunnel.send(Data(stream_id, body))
        self.tunnel.send(End(stream_id, []))
        self.flush()

    def offer(self, slots: int) -> None:
        """Have so many slots from now on."""
        self.say(Capacity(slots))




class AdminCase(SynchronousTestCase):
    """A test with a hub.

    :ivar state: where its hubs keep their state.
    """

    def setUp(self) -> None:
        self.state = Path(self.mktemp()).absolute()

    def start(self, **settings: Any) -> AdminHub:
        """A hub."""
        return AdminHub(self.state, **settings)
