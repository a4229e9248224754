"""What becomes of an application's connection that leaves HTTP: a link of an agent's, or a passage."""

from __future__ import annotations

from typing import Any, Protocol, cast

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol, ISSLTransport, ITransport
from twisted.python.failure import Failure
from zope.interface import alsoProvides

from slime.http.parser import RequestParser
from slime.hub.inlet import ANYTHING, Inlet, Wait
from slime.hub.outlet import Outlet

__all__ = ["Successor", "Switchable"]


class Listener(Protocol):
    """Who hears what a connection brings once it has left HTTP."""

    def dataReceived(self, data: bytes) -> None:
        """Bytes from the application."""

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone."""


class Successor(Listener, Protocol):
    """Who has a connection that the channel goes on looking after; :class:`slime.hub.passage.Passage`."""

    def readConnectionLost(self) -> None:
        """The application has ended its half."""

    def check(self, now: float) -> None:
        """Called once a second."""


class Switchable:
    """The part of a channel that lets go of HTTP."""

    transport: Any
    site: Any
    inlet: Inlet
    outlet: Outlet
    _request: Any
    _parser: RequestParser
    _closing: bool
    _listener: Listener | None = None
    _successor: Successor | None = None
    _more_to_come = False

    def detach(self, protocol: IProtocol) -> bytes:
        """Hand the connection over: ``protocol`` gets every byte after the head in progress, and the transport.

        :returns: the bytes that were read behind the head; the caller feeds them.
        """
        request, self._request = self._request, None
        request.finished = 1
        self.inlet.wait = Wait.NOTHING
        self.outlet.release()
        self.site.lost(self)
        self._hand_to(cast(Listener, protocol))
        protocol.makeConnection(cast(ITransport, self.transport))
        self.inlet.resume(ANYTHING)
        return self._parser.detach()

    def switch(self, successor: Successor) -> bytes:
        """From here on the connection carries bytes for ``successor``, who writes by way of the request in progress.

        Backpressure, time limits and the connection's end stay the channel's affair. Only now may the application
        close its half and go on listening: for a request that would mean that it has left.

        :returns: the bytes that were read behind the head; the caller feeds them.
        """
        self._successor = successor
        self._hand_to(successor)
        self._more_to_come = True
        self.inlet.outlives_goodbye = True
        alsoProvides(self, IHalfCloseableProtocol)
        self.inlet.resume(ANYTHING)
        return self._parser.detach()

    @property
    def is_switched(self) -> bool:
        """Does the connection carry bytes for a successor?"""
        return self._successor is not None

    def _hand_to(self, listener: Listener) -> None:
        self._listener = listener
        # The transport calls it there at once.
        self.dataReceived = listener.dataReceived

    def end_half(self) -> None:
        """Close our half after what has been written; the application's goes on, unless TLS is in the way."""
        if ISSLTransport.providedBy(self.transport):
            self.outlet.end(linger=False)
        else:
            self.outlet.end_half()

    def readConnectionLost(self) -> None:
        """The transport says: the application has closed its half."""
        self._more_to_come = False
        if not self._closing:
            cast(Successor, self._successor).readConnectionLost()
        elif not self.outlet.to_be_cut:
            self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """The transport says: our half is closed."""
