"""Two hubs on one port for a while (``--reuse-port``), so that none of the connections to it is lost.

Linux spreads new connections over all sockets of a port, and resets those that wait in a socket which is closed. So
newcomers are steered, by a program of one instruction that the kernel runs for each: to the elder hub as long as it
serves, and to the younger one when the elder is about to go. A little later, when whoever was on the way to the elder
has arrived and been accepted, its socket is closed without harm.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from enum import IntEnum
from typing import Any

from twisted.logger import Logger

__all__ = ["LAST_CALL", "Newcomers", "steer"]

#: Seconds for connections that are on their way to a hub which newcomers are steered away from.
LAST_CALL = 1.0

#: ``asm-generic/socket.h``; the module ``socket`` does not name it.
SO_ATTACH_REUSEPORT_CBPF = 51

#: ``linux/bpf_common.h``: return the constant that follows.
BPF_RET_K = 0x06

_log = Logger()


class Newcomers(IntEnum):
    """Which of a port's sockets gets new connections; they are numbered in the order in which they began to listen.

    A number that no socket has means any of them.
    """

    TO_ELDER = 0
    TO_YOUNGER = 1


def steer(port: Any, newcomers: Newcomers) -> None:
    """Tell the kernel to whom new connections of a port go, until this is called again for it, by whichever hub.

    :param port: a listening TCP port of Twisted's.
    """
    program = ctypes.create_string_buffer(struct.pack("HBBI", BPF_RET_K, 0, 0, newcomers))
    described = struct.pack("HP", 1, ctypes.addressof(program))
    try:
        port.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, described)
    except OSError as error:
        _log.warn("the system does not steer connections between hubs: {error}", error=error)
