"""Connections that wait for a next request."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

__all__ = ["IdlePool", "Poolable"]


class Poolable(Protocol):
    """A connection as the pool sees it."""

    def is_fresh(self) -> bool:
        """Whether it is open and nothing has come by it, as far as can be known."""

    def close(self) -> None:
        """Close it in an orderly way."""


_Connection = TypeVar("_Connection", bound=Poolable)


class IdlePool(Generic[_Connection]):
    """Idle connections, the one used last taken first, so that the rest grow old and go.

    It needs no cap of its own: there are never more connections than there were calls at one time.

    :param patience: seconds a connection may wait. Shorter than upstreams wait (5 s with many), since a
        request that meets a closing connection is lost unless it may be repeated.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._since: dict[_Connection, float] = {}

    def put(self, connection: _Connection, now: float) -> None:
        """Keep a connection that waits from ``now`` on, or close it if none is kept."""
        if self._patience > 0:
            self._since[connection] = now
        else:
            connection.close()

    def take(self, now: float) -> _Connection | None:
        """A connection fit for use, or ``None``; those found unfit are closed."""
        while self._since:
            connection, since = self._since.popitem()
            if now - since < self._patience and connection.is_fresh():
                return connection
            connection.close()
        return None

    def discard(self, connection: _Connection) -> None:
        """Forget a connection, which need not be there."""
        self._since.pop(connection, None)

    def close_old(self, now: float) -> None:
        """Close what has waited long enough."""
        for connection, since in list(self._since.items()):
            if now - since < self._patience:
                return
            del self._since[connection]
            connection.close()

    def shut(self) -> None:
        """Close all, and keep none from now on."""
        self._patience = 0.0
        while self._since:
            self._since.popitem()[0].close()
