"""Distance on one machine: a TCP relay that holds back every byte for half a round trip, both ways.

::

    python -m benchmarks.relay TARGET_PORT ROUND_TRIP_MS

However many bytes are on their way, each is delayed by the same time, so bandwidth is not touched. It writes its
port on standard output. What is on its way is kept in memory, without a bound of its own: what is measured here has
windows that bound it. No privilege is needed.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

__all__ = ["Relay"]


class Lane:
    """One direction of one connection: what arrives waits here until its time has come."""

    def __init__(self, clock: Any, delay: float) -> None:
        self._clock, self._delay = clock, delay
        self._waiting: deque[tuple[float, bytes]] = deque()
        self.exit: Any = None

    def put(self, data: bytes) -> None:
        """Bytes arrived; empty: the end did."""
        self._waiting.append((self._clock.seconds() + self._delay, data))
        if len(self._waiting) == 1:
            self._clock.callLater(self._delay, self._deliver)

    def _deliver(self) -> None:
        now = self._clock.seconds()
        while self._waiting and self._waiting[0][0] <= now:
            _, data = self._waiting.popleft()
            if data:
                self.exit.write(data)
            else:
                self.exit.loseConnection()
        if self._waiting:
            self._clock.callLater(self._waiting[0][0] - now, self._deliver)


class End(Protocol):
    """One end of a connection: what it receives goes into its lane."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:
        self._lane.put(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._lane.put(b"")


class Relay(Factory):
    """Listens for the near side and connects it to the far one, ``delay`` seconds away each way."""

    noisy = False

    def __init__(self, clock: Any, target: int, delay: float) -> None:
        self._clock, self._target, self._delay = clock, target, delay

    def buildProtocol(self, addr: Any) -> Protocol:
        """Connect onwards; what comes meanwhile waits in its lane for longer than connecting takes here."""
        there, back = Lane(self._clock, self._delay), Lane(self._clock, self._delay)
        near, far = End(there), End(back)
        connected = connectProtocol(TCP4ClientEndpoint(self._clock, "127.0.0.1", self._target), far)
        connected.addCallback(self._join, near, there, back)
        return near

    def _join(self, far: End, near: End, there: Lane, back: Lane) -> None:
        there.exit, back.exit = far.transport, near.transport


def main(target: int, round_trip: float) -> None:
    """Relay to a port of the loopback interface until ended; ``round_trip`` in seconds."""
    from twisted.internet import reactor

    clock: Any = reactor
    port = clock.listenTCP(0, Relay(clock, target, round_trip / 2), interface="127.0.0.1", backlog=1024)
    sys.stdout.write(f"port {port.getHost().port}\n")
    sys.stdout.flush()
    clock.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]) / 1e3)
