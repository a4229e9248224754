"""Who is turned away: connections beyond a limit, and what the log says of them and of agents without a good token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import Protocol

from slime.errors import ErrorCode
from slime.http.head import serialise_response_head
from slime.hub.answers import Trouble, closing_answer
from slime.hub.info import address_text
from slime.rate import TokenBucket

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress, IReactorTime, ITransport
    from twisted.logger import Logger

    from slime.hub.channel import ChannelLimits

__all__ = ["Complaints", "Refused", "TurnedAway"]

#: Lines a second about agents that were refused.
COMPLAINTS = 10

#: Addresses that one line of the log names.
SHOWN = 3


def _farewell() -> bytes:
    answer = closing_answer(Trouble(ErrorCode.TOO_MANY_CONNECTIONS), [])
    return serialise_response_head(answer.head) + answer.body


class TurnedAway(Protocol):
    """One connection too many: it has an answer before it has asked, and is closed at once.

    (TLS knows no way of having no protocol at all; its handshake would cost more than the answer is worth.)
    """

    ANSWER = _farewell()

    def makeConnection(self, transport: ITransport) -> None:
        """Close it."""
        if not ISSLTransport.providedBy(transport):
            transport.write(self.ANSWER)
        transport.loseConnection()


class Refused:
    """Counts them, for a line a second at most, whatever comes.

    :ivar total: those beyond ``--max-connections``.
    """

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self.total = self._of_one = 0
        self._hosts: dict[str, None] = {}

    def of(self, address: IAddress | None) -> None:
        """One beyond ``--max-connections-per-address``."""
        self._of_one += 1
        if len(self._hosts) < SHOWN:
            self._hosts[str(getattr(address, "host", address))] = None

    def report(self, log: Logger, limits: ChannelLimits) -> None:
        """Say how many there have been since the last time, if there have been any."""
        if self.total:
            log.warn(
                "turned away {count} connections: {limit} are open, which is the limit (--max-connections)",
                count=self.total,
                limit=limits.max_connections,
            )
        if self._of_one:
            log.warn(
                "turned away {count} connections, of {hosts} for example: from one address no more than {limit} may be"
                " open that have asked for nothing permitted yet (--max-connections-per-address)",
                count=self._of_one,
                hosts=", ".join(self._hosts),
                limit=limits.max_strangers,
            )
        self._forget()


class Complaints:
    """Agents that were refused, for the log: a few lines a second, as anybody can try any number of times."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._rate = TokenBucket(COMPLAINTS, clock.seconds())
        self._untold = 0

    def about(self, log: Logger, peer: IAddress, reason: str) -> None:
        """One was refused."""
        if not self._rate.take(self._clock.seconds()):
            self._untold += 1
            return
        untold, self._untold = self._untold, 0
        if untold:
            log.warn("{count} more agents were refused before, and are not in the log", count=untold)
        log.warn("an agent at {peer} was refused: {reason}", peer=address_text(peer), reason=reason)
