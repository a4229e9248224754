"""What stands between a TunnelConnection and a transport: packing, and backpressure."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IConsumer, IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

if TYPE_CHECKING:
    from slime.tunnel import TunnelConnection

__all__ = ["Sender"]

#: Seconds that something may wait for company, if it is in no hurry.
LEISURE = 0.002
#: Seconds for each message that holds nothing but small pieces of bodies, in the long run.
GATHER = 0.002
#: As many of them may leave before their time.
BURST = 8


@implementer(IPushProducer)
class Sender:
    """Hands a TunnelConnection's messages to the transport: once a reactor turn, and no more than it wants.

    :param write: takes one message.
    :param resume: told of each stream whose queue became short.
    :param due: called when it is time to :meth:`flush`; deals with what that raises.
    """

    def __init__(
        self,
        tunnel: TunnelConnection,
        clock: IReactorTime,
        write: Callable[[bytes], None],
        resume: Callable[[int], None],
        due: Callable[[], None],
    ) -> None:
        self._tunnel = tunnel
        self._clock = clock
        self._write = write
        self._resume = resume
        self._due = due
        self._call: IDelayedCall | None = None
        self._at_leisure = False
        self._next_gathered = -inf
        self._transport: IConsumer | None = None
        self._full_since: float | None = None

    def schedule(self) -> None:
        """Flush when this turn ends, however often this is asked for in it."""
        if self._call is None:
            self._call = self._clock.callLater(0, self._turn_ended)
        elif self._at_leisure:
            self._at_leisure = False
            self._call.reset(0)

    def schedule_at_leisure(self) -> None:
        """Flush soon, or earlier with something that is in a hurry: a message of its own would cost more."""
        if self._call is None:
            self._at_leisure = True
            self._call = self._clock.callLater(LEISURE, self._turn_ended)

    def schedule_gathered(self) -> None:
        """As :meth:`schedule`; but if there are very many such messages, wait for what else may come.

        :data:`GATHER` bounds their number in the long run, and each wait.
        """
        call = self._call
        if call is not None and not self._at_leisure:
            return
        now = self._clock.seconds()
        # What else was sent may have taken earlier ones along, whose time has not come yet.
        due = min(max(self._next_gathered, now - BURST * GATHER), now + GATHER)
        if call is None:
            self._call = self._clock.callLater(max(0.0, due - now), self._turn_ended)
        elif call.getTime() > due:
            call.reset(max(0.0, due - now))
        else:
            return
        self._next_gathered = due + GATHER
        self._at_leisure = due > now

    def flush(self) -> None:
        """Write what may go now, and resume the streams whose queues that made short."""
        next_message = self._tunnel.next_message
        while (message := next_message(self._full_since is None)) is not None:
            self._write(message)
        for stream_id in self._tunnel.drained():
            self._resume(stream_id)

    def start(self, transport: IConsumer) -> None:
        """The transport is ready: let it say when it holds enough."""
        self._transport = transport
        transport.registerProducer(self, True)

    def stop(self) -> None:
        """The link is over: forget the flush asked for, and let the transport go."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if self._transport is not None:
            self._transport.unregisterProducer()

    def stalled(self, now: float, patience: float) -> bool:
        """Whether the transport has taken nothing for ``patience`` seconds."""
        return self._full_since is not None and now - self._full_since >= patience

    def pauseProducing(self) -> None:
        """The transport holds enough. It says so again with every control frame that it is given."""
        if self._full_since is None:
            self._full_since = self._clock.seconds()

    def resumeProducing(self) -> None:
        """The transport is empty; a turn's wait would leave it so."""
        self._full_since = None
        self._due()

    def stopProducing(self) -> None:
        """The connection is lost, which the protocol hears as well."""

    def _turn_ended(self) -> None:
        self._call = None
        self._at_leisure = False
        self._due()
