"""autobahn's WebSocket, made safe to leave alone with a stranger: the base of both ends of a link.

* Only whole binary messages come in: fragments, text, oversize and floods of pings end the connection.
* It ends once, and whatever ends it, :meth:`HardenedWebSocket.websocket_over` says so at once.
* Every wait is on the clock given. autobahn's own timers, which know only the global reactor, stay off.

This module, :mod:`slime.wsframe`, ``slime/hub/links.py`` and ``slime/agent/link.py`` alone know autobahn.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any

from autobahn.twisted.websocket import WebSocketAdapterProtocol
from autobahn.websocket.protocol import WebSocketClientFactory, WebSocketProtocol, WebSocketServerFactory
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IReactorTime, ISystemHandle, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from slime.direct import DirectWriter
from slime.errors import RemoteProtocolError
from slime.tunnel import MESSAGE_LIMIT
from slime.wsframe import mask, message_start, plain_message

if TYPE_CHECKING:

    class _Base(WebSocketAdapterProtocol, WebSocketProtocol):  # type: ignore[misc]
        """What of autobahn's protocols is used here; a test holds it against the real ones."""

        transport: Any
        factory: Any
        data: bytes
        current_frame: Any
        state: int
        wasClean: bool
        wasNotCleanReason: Any
        remoteCloseReason: str | None

else:
    _Base = object

__all__ = ["SUBPROTOCOL", "CloseCode", "HardenedWebSocket", "Phase", "harden", "printable"]

SUBPROTOCOL = "slime.v1"

#: Seconds the peer has to close its end once we have closed ours; then the connection is aborted.
CLOSE_TIMEOUT = 1.0

#: Pings and pongs taken until :meth:`HardenedWebSocket.allow_pings` is called again. slime itself sends none.
PING_ALLOWANCE = 64

#: Bytes of a link that wait in the kernel beyond those on their way, at most.
UNSENT = 128 * 1024

#: Opcodes from here on are control frames (RFC 6455 5.2).
_CONTROL = 8


class CloseCode(IntEnum):
    """Why a link was closed, as its WebSocket close code says it (RFC 6455 7.4.2: 4000-4999 are ours)."""

    DONE = 1000
    PROTOCOL = 4400
    UNAUTHORIZED = 4401
    TIMEOUT = 4408
    REPLACED = 4409
    FLOOD = 4429
    INTERNAL = 4500


class Phase(Enum):
    """Where a connection is in its life: ``websocket_opened`` not told yet, told, ``websocket_over`` told."""

    OPENING = "opening"
    OPEN = "open"
    OVER = "over"


# A member of an enumeration is looked up slowly, and these for every read.
_OPENING, _OPEN, _OVER = Phase


def harden(factory: WebSocketClientFactory | WebSocketServerFactory) -> None:
    """Set what both ends need on an autobahn factory: bounds on, everything else off."""
    factory.setProtocolOptions(
        maxFramePayloadSize=MESSAGE_LIMIT,
        maxMessagePayloadSize=MESSAGE_LIMIT,
        autoFragmentSize=0,
        openHandshakeTimeout=0,
        closeHandshakeTimeout=0,
        failByDrop=True,
        tcpNoDelay=True,
    )


class HardenedWebSocket(_Base):
    """Goes in front of autobahn's client or server protocol.

    Subclasses fill in :meth:`websocket_opened`, :meth:`message_received` and :meth:`websocket_over`. What these
    raise ends this connection and no other: a :exc:`~slime.errors.RemoteProtocolError` with
    ``CloseCode.PROTOCOL``, anything else with ``CloseCode.INTERNAL``.

    :param clock: times the handshake and the closing.
    :param handshake_timeout: seconds from the connection to :meth:`shaken_hands`.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, handshake_timeout: float) -> None:
        super().__init__()
        self._clock = clock
        self._handshake_timeout = handshake_timeout
        self._phase = Phase.OPENING
        self._read_at = clock.seconds()
        self._timer: IDelayedCall | None = None
        self._ping_payload: bytes | None = None
        self._pings_left = PING_ALLOWANCE
        self._waiting: list[Deferred[None]] | None = []

    # -- what subclasses fill in -----------------------------------------------------------------------------

    def websocket_opened(self) -> None:
        """Messages may be sent and will come."""

    def message_received(self, payload: bytes) -> None:
        """One binary message."""

    def websocket_over(self, reason: str, clean: bool) -> None:
        """The connection is over or never came to be. Told exactly once, at once; nothing is told after it.

        :param reason: why, fit for a log.
        :param clean: whether either end closed it on purpose with nothing amiss.
        """

    # -- what subclasses and their owners call ---------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Whether messages can be sent."""
        return self._phase is Phase.OPEN

    def shaken_hands(self) -> None:
        """All that has to be exchanged first has been: the deadline is off."""
        self._stop_timer()

    def allow_pings(self) -> None:
        """Some time has passed: the peer may ping again."""
        self._pings_left = PING_ALLOWANCE

    def fail(self, code: int, reason: str) -> None:
        """End the connection because something is amiss. ``reason`` is logged and told to the peer."""
        if self._phase is not Phase.OVER:
            self._log.warn("link to {peer} failed: {code} {reason}", peer=self.peer, code=code, reason=reason)
            self._close(code, reason, clean=False)

    def close(self, reason: str) -> None:
        """End the connection on purpose."""
        if self._phase is not Phase.OVER:
            self._close(CloseCode.DONE, reason, clean=True)

    def abort(self, reason: str) -> None:
        """End the link without a word to a peer that would not read it."""
        if self._phase is not Phase.OVER:
            self._log.warn("link to {peer} aborted: {reason}", peer=self.peer, reason=reason)
            self._over(reason, clean=False)
            self.transport.abortConnection()

    def when_gone(self) -> Deferred[None]:
        """Fires when the connection itself is gone, which is later than :meth:`websocket_over`."""
        if self._waiting is None:
            return succeed(None)
        self._waiting.append(Deferred())
        return self._waiting[-1]

    # -- what the transport calls ----------------------------------------------------------------------------

    def connectionMade(self) -> None:
        """The transport is there, the WebSocket's handshake comes next."""
        self._timer = self._clock.callLater(self._handshake_timeout, self._late)
        super().connectionMade()
        self._is_server = bool(self.factory.isServer)
        self._direct = DirectWriter(self.transport)
        if ITCPTransport.providedBy(self.transport):
            # autobahn means to do this as well, but reads its option before it has set it.
            self.transport.setTcpNoDelay(True)
            self.transport.setTcpKeepAlive(True)
            keep_little_unsent(self.transport)

    def dataReceived(self, data: bytes) -> None:
        """Bytes of the peer's; once the link is over only their end means something."""
        if self._phase is _OVER:
            return
        self._read_at = self._clock.seconds()
        self.data += data
        try:
            self.consumeData()
        except Exception as error:
            self._failed(error)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        super().connectionLost(reason)
        # A peer that dies is closed by its system, and Twisted calls that clean; nobody has said goodbye, though.
        why = "the other end is gone" if reason.check(ConnectionDone) else reason.getErrorMessage()
        self._over(f"connection lost: {why}", clean=False)
        self._stop_timer()
        waiting, self._waiting = self._waiting or [], None
        for gone in waiting:
            gone.callback(None)

    # -- what autobahn calls ---------------------------------------------------------------------------------

    def consumeData(self) -> None:
        """Read whole messages, and let autobahn read what is none."""
        while self._phase is _OPEN:
            read = plain_message(self.data, self._is_server, MESSAGE_LIMIT) if self.current_frame is None else None
            if read is not None:
                payload, size = read
                if size:
                    self.data = self.data[size:]
                    self.message_received(payload)
                if not (size and self.data):
                    return
            elif not self.processData():
                return
        if self._phase is _OPENING:
            super().consumeData()

    def onFrameBegin(self) -> None:
        """No plain message. Pieces of one are refused: autobahn would keep them without end."""
        if self.current_frame.opcode < _CONTROL:
            self.fail(CloseCode.PROTOCOL, "a data frame that is not one whole binary message")
        else:
            super().onFrameBegin()

    def onConnect(self, handshake: Any) -> str | None:
        """The WebSocket's handshake is good; the server names the protocol, the client wants to hear it."""
        if self.factory.isServer:
            return SUBPROTOCOL
        if handshake.protocol != SUBPROTOCOL:
            self.abort(f"the peer does not speak {SUBPROTOCOL}")
        return None

    def onOpen(self) -> None:
        """The WebSocket's handshake is done."""
        if self._phase is Phase.OVER:
            return
        self._phase = Phase.OPEN
        self._guarded(self.websocket_opened)

    def onPing(self, payload: bytes) -> None:
        """Answer the last of a turn's pings (RFC 6455 5.5.3 allows that), and not any number of them."""
        if self._allowed():
            if self._ping_payload is None:
                self._clock.callLater(0, self._answer_ping)
            self._ping_payload = payload

    def onPong(self, payload: bytes) -> None:
        """Nobody asked for it (RFC 6455 5.5.3 allows that too)."""
        self._allowed()

    def _allowed(self) -> bool:
        self._pings_left -= 1
        if self._pings_left < 0:
            self.fail(CloseCode.FLOOD, "too many WebSocket pings or pongs")
        return self._pings_left >= 0

    def onCloseFrame(self, code: Any, reasonRaw: Any) -> bool:
        """The peer closed the link. autobahn answers; then the connection goes."""
        violation = bool(super().onCloseFrame(code, reasonRaw))
        if not violation:
            said = f"{code} {self.remoteCloseReason or ''}".strip()
            self._over(f"closed by the peer: {said}", clean=code == CloseCode.DONE)
            self.transport.loseConnection()
        return violation

    def dropConnection(self, abort: bool = False) -> None:
        """autobahn gives the connection up: the handshake failed, or the closing handshake is done."""
        if not self.wasClean:
            self._over(f"the handshake failed: {self.wasNotCleanReason}", clean=False)
        super().dropConnection(abort)

    def _fail_connection(self, code: int = CloseCode.PROTOCOL, reason: str = "") -> None:
        """autobahn found a violation. Its own codes (1002, 1009, ...) cannot be sent by its own rules."""
        self.fail(CloseCode.PROTOCOL, reason)

    # -- inside ----------------------------------------------------------------------------------------------

    def _late(self) -> None:
        self.fail(CloseCode.TIMEOUT, "the handshake is late")

    def _transmit(self, message: bytes) -> None:
        """Send one message; only while :attr:`alive`."""
        key = b"" if self._is_server else os.urandom(4)
        start = message_start(len(message), key)
        self._direct.write(start + mask(message, key) if key else start + message)

    def _answer_ping(self) -> None:
        self.sendPong(self._ping_payload)
        self._ping_payload = None

    def _close(self, code: int, reason: str, clean: bool) -> None:
        if self.state == WebSocketProtocol.STATE_OPEN:
            self.sendClose(int(code), reason)
            self._over(reason, clean)
        else:
            self._over(reason, clean)
            self.transport.abortConnection()

    def _over(self, reason: str, clean: bool) -> None:
        """Tell that it is over, once, and leave the connection a short while to end."""
        if self._phase is Phase.OVER:
            return
        self._phase = Phase.OVER
        self._stop_timer()
        self._timer = self._clock.callLater(CLOSE_TIMEOUT, self.transport.abortConnection)
        self._guarded(self.websocket_over, printable(reason), clean)

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _guarded(self, callback: Callable[..., object], *args: Any) -> None:
        try:
            callback(*args)
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        if isinstance(error, RemoteProtocolError):
            self.fail(CloseCode.PROTOCOL, str(error))
        else:
            self._log.failure("link to {peer} failed", Failure(error), peer=self.peer)
            self.fail(CloseCode.INTERNAL, "internal error")


def keep_little_unsent(transport: Any) -> None:
    """Let the kernel hold no more than :data:`UNSENT` bytes that it has not sent yet, where it can be told.

    What waits in the kernel is past all ordering: a frame of any stream waits for all of it on a slow line.
    """
    below = getattr(transport, "transport", transport)
    handle = below.getHandle() if ISystemHandle.providedBy(below) else None
    if isinstance(handle, socket.socket) and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)


def printable(text: str) -> str:
    """``text`` fit for one line of a log, whoever wrote it."""
    return "".join([char if char.isprintable() else "?" for char in text])
