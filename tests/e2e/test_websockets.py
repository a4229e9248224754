"""WebSocket by other makers: ``websockets`` and ``wsproto``, each as client and as server, through hub and agent."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from threading import Thread
from typing import Any

from websockets import frames
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import Request, Response, Server, ServerConnection, serve
from websockets.typing import Subprotocol
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    TextMessage,
)
from wsproto.events import Request as Asked
from wsproto.extensions import PerMessageDeflate

from slime.demo.fleet import AgentProcess, HubProcess
from tests.e2e.harness import SharedFleetTestCase, SlimeTestCase
from tests.e2e.messages import Wire

LARGE = 16 * 1024 * 1024
ROOM = 2 * LARGE


def talk(connection: ServerConnection) -> None:
    """The server's side of every conversation below, chosen by the request's path."""
    request = connection.request
    assert request is not None
    path = request.path
    if path == "/close":
        connection.close(4002, "that was all")
    elif path == "/gone":
        connection.socket.close()
    elif path == "/pieces":
        connection.send([f"piece {number} " for number in range(100)])
        connection.send([bytes([number]) * 1000 for number in range(100)])
    elif path == "/ping":
        connection.ping(b"are you there?").wait()
        connection.send("you are")
        echo(connection)
    else:
        echo(connection)


def echo(connection: ServerConnection) -> None:
    """Send back what comes until the client closes; pings are answered meanwhile."""
    with contextlib.suppress(ConnectionClosedError):
        for message in connection:
            connection.send(message)


def admit(connection: ServerConnection, request: Request) -> Response | None:
    """Whom the server turns away."""
    return connection.respond(403, "not for you\n") if request.path == "/forbidden" else None


def choose(connection: ServerConnection, offered: Sequence[Any]) -> Any:
    """The server's favourite among what it is offered."""
    return next((protocol for protocol in ("superchat", "chat") if protocol in offered), None)


@cache
def server() -> Server:
    """A server of ``websockets``, which runs in a thread until the tests are over."""
    made = serve(talk, "127.0.0.1", 0, process_request=admit, select_subprotocol=choose, max_size=ROOM)
    Thread(target=made.serve_forever, daemon=True).start()
    return made


@cache
def hub() -> HubProcess:
    """A hub with an agent that has several slots, before the server."""
    made = HubProcess(SlimeTestCase.SECRET)
    port = server().socket.getsockname()[1]
    options = ("--upstream", f"127.0.0.1:{port}", "--num-worker", "4")
    kept.append(AgentProcess("sockets", f"127.0.0.1:{made.port}", made.token("sockets"), *options))
    made.wait_for_agent("sockets")
    return made


kept: list[AgentProcess] = []


class WebsocketsTests(SlimeTestCase):
    """Client and server of ``websockets``."""

    def connect(self, path: str = "/", **options: Any) -> ClientConnection:
        """A connection through hub and agent; it is closed at the end."""
        options = {"compression": None, "max_size": ROOM, "proxy": None, **options}
        return self.enterContext(connect(f"ws://127.0.0.1:{hub().port}{path}", **options))

    def test_text_and_binary(self) -> None:
        """Messages of every size at which something changes, both kinds."""
        connection = self.connect()
        for size in (0, 1, 125, 126, 65535, 65536, 200_000):
            for message in ("ä" * (size // 2), os.urandom(size)):
                connection.send(message)
                self.assertEqual(connection.recv(10), message)

    def test_large_messages(self) -> None:
        """16 MB, there and back."""
        connection, message = self.connect(), os.urandom(LARGE)
        connection.send(message)
        self.assertEqual(connection.recv(30), message)

    def test_fragments(self) -> None:
        """In pieces, there and back."""
        connection = self.connect()
        connection.send([b"one ", b"", b"two ", b"three"])
        self.assertEqual(connection.recv(10), b"one two three")
        connection = self.connect("/pieces")
        self.assertEqual(list(connection.recv_streaming()), [f"piece {number} " for number in range(100)] + [""])
        self.assertEqual(len(b"".join(connection.recv_streaming(decode=False))), 100_000)

    def test_pings(self) -> None:
        """Both ways."""
        connection = self.connect("/ping")
        self.assertTrue(connection.ping(b"and you?").wait(10))
        self.assertEqual(connection.recv(10), "you are")

    def test_many_messages(self) -> None:
        """In order, whatever is under way at once."""
        connection = self.connect()
        sender = Thread(target=lambda: [connection.send(str(number)) for number in range(2000)])
        sender.start()
        self.assertEqual([connection.recv(10) for _ in range(2000)], [str(number) for number in range(2000)])
        sender.join()

    def test_client_closes(self) -> None:
        connection = self.connect()
        connection.close(3001, "enough")
        self.assertEqual(self.closing(connection), (3001, "enough"))
        hub().child.wait_for("path=\"/\" status=101 outcome=ok")

    def test_server_closes(self) -> None:
        connection = self.connect("/close")
        with self.assertRaises(ConnectionClosedError) as caught:
            connection.recv(10)
        self.assertEqual(caught.exception.rcvd, frames.Close(4002, "that was all"))

    def test_server_breaks_off(self) -> None:
        """Without a close frame: the client must not take it for a proper end."""
        connection = self.connect("/gone")
        with self.assertRaises(ConnectionClosedError) as caught:
            connection.recv(10)
        self.assertIsNone(caught.exception.rcvd)

    def closing(self, connection: ClientConnection) -> tuple[int | None, str | None]:
        """How it was closed."""
        with self.assertRaises((ConnectionClosedOK, ConnectionClosedError)):
            connection.recv(10)
        return connection.close_code, connection.close_reason

    def test_subprotocols(self) -> None:
        """The server chooses among what the client offers."""
        self.assertEqual(self.connect(subprotocols=["chat", "superchat"]).subprotocol, "superchat")
        self.assertEqual(self.connect(subprotocols=["chat"]).subprotocol, "chat")
        self.assertIsNone(self.connect().subprotocol)

    def test_extensions(self) -> None:
        """Compression is between the two; slime neither sees nor does any."""
        connection = self.connect(compression="deflate")
        self.assertEqual([extension.name for extension in connection.protocol.extensions], ["permessage-deflate"])
        connection.send("compress me " * 10_000)
        self.assertEqual(connection.recv(10), "compress me " * 10_000)
        self.assertEqual(self.connect().protocol.extensions, [])

    def test_refused(self) -> None:
        """A server that says no says why."""
        with self.assertRaises(InvalidStatus) as caught:
            self.connect("/forbidden")
        response = caught.exception.response
        self.assertEqual((response.status_code, response.body), (403, b"not for you\n"))

    def test_wsproto_as_client(self) -> None:
        """Another maker's client: text, binary in fragments, a ping, compression, and the close."""
        wire = self.application(hub())
        peer = Peer(wire, WSConnection(ConnectionType.CLIENT))
        peer.say(Asked(host="hub", target="/", subprotocols=["chat"], extensions=[PerMessageDeflate()]))
        accepted = peer.hear(AcceptConnection)
        self.assertEqual((accepted.subprotocol, len(accepted.extensions)), ("chat", 1))
        peer.say(TextMessage(data="hello " * 1000))
        self.assertEqual(peer.message(), "hello " * 1000)
        peer.say(BytesMessage(data=b"one", message_finished=False))
        peer.say(Ping(payload=b"?"))
        self.assertEqual(bytes(peer.hear(Pong).payload), b"?")
        peer.say(BytesMessage(data=b" two"))
        self.assertEqual(peer.message(), b"one two")
        peer.say(CloseConnection(code=1001, reason="away"))
        self.assertEqual(peer.hear(CloseConnection).code, 1001)
        self.assertEqual(wire.to_end(), b"")


class WsprotoServerTests(SharedFleetTestCase):
    """Another maker's server, and its client of ``websockets``, which runs in a thread."""

    @contextlib.contextmanager
    def accepted(self, client: Callable[[ClientConnection], None]) -> Iterator[Peer]:
        """Both ends of a connection: ours is the server's; the client's part is ``client``."""
        thread = Thread(target=self.run_client, args=(client,))
        thread.start()
        served = self.provider.next()
        peer = Peer(served, WSConnection(ConnectionType.SERVER))
        head = b"\r\n".join([served.request.start, *(b": ".join(field) for field in served.request.fields)])
        peer.socket.receive_data(head + b"\r\n\r\n")
        self.assertEqual(peer.hear(Asked).subprotocols, ["tea"])
        peer.say(AcceptConnection(subprotocol="tea"))
        try:
            yield peer
        finally:
            thread.join(10)
        self.assertEqual(self.failures, [])

    def run_client(self, client: Callable[[ClientConnection], None]) -> None:
        self.failures: list[BaseException] = []
        try:
            address, tea = f"ws://127.0.0.1:{self.shared.port}/chat", Subprotocol("tea")
            with connect(address, subprotocols=[tea], max_size=ROOM, proxy=None) as connection:
                client(connection)
        except BaseException as error:
            self.failures.append(error)

    def test_conversation(self) -> None:
        def client(connection: ClientConnection) -> None:
            connection.send("hello")
            assert connection.recv(10) == b"x" * LARGE
            assert connection.ping(b"?").wait(10)
            connection.close(1000, "thanks")

        with self.accepted(client) as peer:
            self.assertEqual(peer.message(), "hello")
            peer.say(BytesMessage(data=b"x" * LARGE))
            peer.say(Pong(payload=peer.hear(Ping).payload))
            closed = peer.hear(CloseConnection)
            self.assertEqual((closed.code, closed.reason), (1000, "thanks"))
            peer.say(closed.response())
            peer.wire.close()

    def test_server_closes(self) -> None:
        def client(connection: ClientConnection) -> None:
            with self.assertRaises(ConnectionClosedOK) as caught:
                connection.recv(10)
            self.assertEqual(caught.exception.rcvd, frames.Close(1001, "restart"))

        with self.accepted(client) as peer:
            peer.say(CloseConnection(code=1001, reason="restart"))
            self.assertEqual(peer.hear(CloseConnection).code, 1001)
            peer.wire.close()


class Peer:
    """One end of a WebSocket, of ``wsproto``, on a socket."""

    def __init__(self, wire: Wire, connection: WSConnection) -> None:
        self.wire = wire
        self.socket = connection

    def say(self, event: Event) -> None:
        """Send something."""
        self.wire.send(self.socket.send(event))

    def hear(self, kind: type[Any]) -> Any:
        """The next event, which is of this kind."""
        event = self._next()
        assert isinstance(event, kind), event
        return event

    def message(self) -> str | bytes:
        """A whole message."""
        parts = []
        while True:
            event = self._next()
            assert isinstance(event, TextMessage | BytesMessage), event
            parts.append(event.data)
            if event.message_finished:
                return type(parts[0])().join(parts) if isinstance(parts[0], str) else b"".join(map(bytes, parts))

    def _next(self) -> Event:
        while True:
            for event in self.socket.events():
                return event
            self.wire.more()
            data, self.wire.rest = self.wire.rest, b""
            self.socket.receive_data(data)
