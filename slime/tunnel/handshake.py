"""HELLO and WELCOME: until both have passed, nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slime.errors import RemoteProtocolError
from slime.tunnel.flow import Terms
from slime.tunnel.frames import Frame, Hello, Welcome
from slime.tunnel.greeting import VERSION
from slime.tunnel.states import Role

__all__ = ["Handshake"]


class Handshake:
    """The first two frames of a link, at either end.

    :ivar terms: what the greetings have agreed on.
    :ivar remote: the other end's greeting, once it has come.
    :ivar senders: what sends a greeting, as long as it is this end's turn; the link's own when it is done.
    :ivar receivers: what takes one, likewise.
    """

    __slots__ = ("_done", "_put", "receivers", "remote", "senders", "terms")

    def __init__(self, role: Role, put: Callable[[Frame], None], done: Callable[[], None]) -> None:
        self.terms = Terms()
        self.remote: Hello | Welcome | None = None
        self.senders: dict[type, Callable[[Any], None]] = {}
        self.receivers: dict[type, Callable[[Any], Frame | None]] = {}
        self._put = put
        self._done = done
        if role is Role.HUB:
            self.receivers[Hello] = self._receive_hello
        else:
            self.senders[Hello] = self._send_hello

    def _send_hello(self, frame: Hello) -> None:
        self._put(frame)
        self.terms.window, self.terms.prefetch_window = frame.window, frame.prefetch_window
        del self.senders[Hello]
        self.receivers[Welcome] = self._receive_welcome

    def _receive_hello(self, frame: Hello) -> Frame:
        if VERSION not in frame.versions:
            raise RemoteProtocolError(f"no version in common: version {VERSION} is spoken here")
        self.remote = frame
        self.terms.credit, self.terms.prefetch_credit = frame.window, frame.prefetch_window
        del self.receivers[Hello]
        self.senders[Welcome] = self._send_welcome
        return frame

    def _send_welcome(self, frame: Welcome) -> None:
        self._put(frame)
        self.terms.window = frame.window
        del self.senders[Welcome]
        self._done()

    def _receive_welcome(self, frame: Welcome) -> Frame:
        if frame.version != VERSION:
            raise RemoteProtocolError("a version that was not offered")
        self.remote = frame
        self.terms.credit = frame.window
        del self.receivers[Welcome]
        self._done()
        return frame
