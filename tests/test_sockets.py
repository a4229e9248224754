"""What the hub asks the kernel for."""

from __future__ import annotations

import socket

from twisted.trial.unittest import SynchronousTestCase

from slime.sockets import notice_death


class DeathTests(SynchronousTestCase):
    """Peers that vanish without a word."""

    def test_asked(self) -> None:
        """A silent peer is asked whether it lives, and given up within half a minute; the socket stays open."""
        listener = socket.create_server(("127.0.0.1", 0))
        with listener, socket.create_connection(listener.getsockname()) as one:
            notice_death(one.fileno())
            self.assertEqual(one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), 1)
            names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            silence, interval, questions = (one.getsockopt(socket.IPPROTO_TCP, name) for name in names)
            self.assertLessEqual(silence + interval * questions, 30)

    def test_not_asked(self) -> None:
        """Where there is no TCP, or no socket any more, nothing is done."""
        left, right = socket.socketpair()
        with left, right:
            notice_death(left.fileno())
            self.assertEqual(left.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), 0)
        notice_death(-1)
