"""Requests whose body has hardly begun to arrive: they wait here, where it costs nobody a slot.

An application that sends a byte a minute would otherwise hold a provider for as long as it likes
(``slowhttptest -B``). A body whose length is known is let in when it is complete, or when as much of it is here as
the hub keeps of any. One of unknown length may be half of a conversation, and who waits for ``100 Continue`` sends
nothing before the upstream says so: both are let in at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from slime.errors import BadMessage
from slime.hub.exchange import Exchange

if TYPE_CHECKING:
    from slime.http.head import Fields
    from slime.hub.request import StreamedRequest

__all__ = ["Doorstep", "awaited"]


def awaited(request: StreamedRequest, enough: int) -> int:
    """Bytes of body that have to be here before the request may ask for a slot.

    :param enough: bytes after which no body has to be complete.
    """
    return 0 if request.expectant else min(request.body_length or 0, enough)


class Doorstep:
    """Receives a body in place of its exchange, until so many bytes are here; the exchange keeps them.

    :param size: see :func:`awaited`.
    :param enter: asks for a slot.
    """

    def __init__(self, exchange: Exchange, size: int, enter: Callable[[Exchange], None]) -> None:
        self._exchange = exchange
        self._size = size
        self._enter = enter

    def body_received(self, data: bytes) -> None:
        """Some of the body; perhaps it is enough now, though not all."""
        exchange = self._exchange
        exchange.body_received(data)
        if self._size <= exchange.bytes_in < (exchange.length or 0):
            self._let_in()

    def body_finished(self, trailers: Fields) -> None:
        """The body is complete."""
        self._exchange.body_finished(trailers)
        self._let_in()

    def _let_in(self) -> None:
        if not self._exchange.over:
            self._exchange.request.receiver = self._exchange
            self._enter(self._exchange)

    def body_failed(self, error: BadMessage) -> None:
        """The body broke off, or took too long."""
        self._exchange.body_failed(error)

    def left(self) -> None:
        """The application is gone."""
        self._exchange.left()

    def drained(self) -> None:
        """Nothing was written that anybody waits for."""
