"""Open-loop load: each request is sent when it is due, whether those before it have been answered or not.

A closed loop asks again when it is answered, so a server that stalls is simply asked less, and the stall counts once.
Here whatever was due meanwhile has waited as well: latency runs from the moment at which a request was due, not from
the one at which it could be sent.
"""

from __future__ import annotations

import gc
import selectors
import socket
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from time import monotonic, sleep

from benchmarks.arrivals import Arrival
from benchmarks.provider import answer_to, path_of

__all__ = ["OddAnswerError", "Sent", "send"]

#: Seconds before the first request is due, and after the last one until all have to be answered.
LEAD, PATIENCE = 0.1, 30.0
#: Seconds after which the reader looks whether there is anything left to wait for.
GLANCE = 1.0


class OddAnswerError(Exception):
    """An answer was not the right one, or did not come."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of it.

    :ivar began: the monotonic time from which arrivals count.
    :ivar latencies: seconds from each request's being due to its answer's last byte.
    """

    began: float
    latencies: list[float]


class Line:
    """One connection, and the request that is on it."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = 0
        self._answer = b""

    def ask(self, number: int, arrival: Arrival) -> None:
        """Send request ``number``."""
        self.number, self._answer = number, b""
        path = path_of(arrival.service, str(number))
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: b\r\nSlime-Block: 1\r\n\r\n".encode())

    def read(self) -> bool:
        """Read what is there; says whether the answer is complete.

        :raises OddAnswerError: it is not the right one.
        """
        data = self.socket.recv(65536)
        self._answer += data
        head, _, body = self._answer.partition(b"\r\n\r\n")
        right = answer_to(str(self.number)).encode()
        if not data or not head.startswith(b"HTTP/1.1 200 "[: len(head)]) or not right.startswith(body):
            raise OddAnswerError(f"request {self.number} was answered with {self._answer[:300]!r}")
        return body == right


class OpenLoop:
    """One run: this thread sends, another one reads."""

    def __init__(self, port: int, arrivals: Sequence[Arrival]) -> None:
        self._port = port
        self._arrivals = arrivals
        self._resting: deque[Line] = deque()
        self._selector = selectors.DefaultSelector()
        self._reader = Thread(target=self._read, daemon=True)
        self._lines: list[Line] = []
        self._trouble: OddAnswerError | None = None
        self.began = 0.0
        self.latencies = [0.0] * len(arrivals)
        self._left = len(arrivals)

    def run(self) -> None:
        """Send all, and wait for all answers.

        :raises OddAnswerError: not all were right.
        """
        self.began = monotonic() + LEAD
        self._reader.start()
        try:
            self._send_all()
        except OSError as error:
            self._trouble = self._trouble or OddAnswerError(f"a request could not be sent: {error}")
        self._reader.join(PATIENCE)
        if self._left and not self._trouble:
            self._trouble = OddAnswerError(f"{self._left} requests were never answered")
        self._reader.join(2 * GLANCE)
        self._close()
        if self._trouble:
            raise self._trouble

    def _send_all(self) -> None:
        for number, arrival in enumerate(self._arrivals):
            sleep(max(0.0, self.began + arrival.due - monotonic()))
            if self._trouble:
                return
            self._line().ask(number, arrival)

    def _line(self) -> Line:
        """One that rests, or a new one."""
        with suppress(IndexError):
            return self._resting.pop()
        line = Line(self._port)
        self._lines.append(line)
        self._selector.register(line.socket, selectors.EVENT_READ, line)
        return line

    def _read(self) -> None:
        try:
            while self._left and not self._trouble:
                for key, _ in self._selector.select(GLANCE):
                    self._read_some(key.data)
        except OddAnswerError as error:
            self._trouble = error
        except OSError as error:
            self._trouble = OddAnswerError(f"a connection broke: {error}")

    def _read_some(self, line: Line) -> None:
        if line.read():
            self.latencies[line.number] = monotonic() - self.began - self._arrivals[line.number].due
            self._left -= 1
            self._resting.append(line)

    def _close(self) -> None:
        for line in self._lines:
            line.socket.close()
        self._selector.close()


def send(port: int, arrivals: Sequence[Arrival]) -> Sent:
    """Send the requests to a server on the loopback interface.

    :raises OddAnswerError: an answer was wrong, or none came.
    """
    loop = OpenLoop(port, arrivals)
    gc.disable()  # a pause here would be counted as one of the server's
    try:
        loop.run()
    finally:
        gc.enable()
    return Sent(loop.began, loop.latencies)
