"""What only the kernel knows of a connection: has the peer hung up, and what has passed?"""

from __future__ import annotations

import os
import select
import socket
import struct

__all__ = ["broken", "hung_up", "notice_death", "passed"]

#: A peer that has been silent for so many seconds is asked whether it lives, so many times at such intervals.
_SILENCE, _INTERVAL, _QUESTIONS = 10, 5, 3

#: ``tcpi_bytes_acked`` and ``tcpi_bytes_received`` in Linux's ``struct tcp_info``, and all before them.
_COUNTS = struct.Struct("@120x2Q")
_BROKEN = select.POLLERR | select.POLLNVAL
_GONE = select.POLLRDHUP | select.POLLHUP | _BROKEN


def hung_up(descriptor: int) -> bool:
    """Has the peer closed its end, read or not what it sent before?

    The reactor does not watch a socket that is neither read nor written to: not even a reset is noticed then.

    :param descriptor: of a socket; a negative one belongs to no socket any more.
    """
    return descriptor < 0 or _state(descriptor) & _GONE != 0


def broken(descriptor: int) -> bool:
    """Has the connection been reset, or failed otherwise? As :func:`hung_up`, but a peer may have closed its end."""
    return descriptor < 0 or _state(descriptor) & _BROKEN != 0


def notice_death(descriptor: int) -> None:
    """Have the kernel end a connection whose peer has vanished within half a minute, rather than in hours.

    For connections on which nothing is said for a long time. Those by UNIX sockets need no such thing.
    """
    if descriptor < 0:
        return
    with socket.socket(fileno=os.dup(descriptor)) as peer:
        if peer.family in (socket.AF_INET, socket.AF_INET6):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _SILENCE)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _INTERVAL)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _QUESTIONS)


def _state(descriptor: int) -> int:
    poll = select.poll()
    poll.register(descriptor, select.POLLRDHUP)
    return sum(events for _, events in poll.poll(0))


def passed(descriptor: int) -> tuple[int, int] | None:
    """Bytes that the peer's kernel has acknowledged, and that ours has received, since the connection began.

    ``None`` where nobody counts: there is no socket any more, or it is not one of TCP.
    """
    if descriptor < 0:
        return None
    borrowed = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=descriptor)
    try:
        known = borrowed.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _COUNTS.size)
    except OSError:
        return None
    finally:
        borrowed.detach()
    acknowledged, received = _COUNTS.unpack(known.ljust(_COUNTS.size, b"\0"))
    return acknowledged, received
