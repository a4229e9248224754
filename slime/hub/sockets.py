"""What only the kernel knows of a connection: has the peer hung up, and does it take what we send?"""

from __future__ import annotations

import fcntl
import select
import struct
import termios

__all__ = ["hung_up", "unsent"]

_NUMBER = struct.Struct("@i")
_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR | select.POLLNVAL


def hung_up(descriptor: int) -> bool:
    """Has the peer closed its end, read or not what it sent before?

    The reactor does not watch a socket that is neither read nor written to: not even a reset is noticed then.

    :param descriptor: of a socket; a negative one belongs to no socket any more.
    """
    if descriptor < 0:
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLRDHUP)
    return any(events & _GONE for _, events in poll.poll(0))


def unsent(descriptor: int) -> int:
    """Bytes that the kernel holds because the peer's has not acknowledged them; 0 when there is no socket."""
    if descriptor < 0:
        return 0
    answer = fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(_NUMBER.size))
    return int(_NUMBER.unpack(answer)[0])
