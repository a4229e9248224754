"""What applications may ask of the hub, and what it bears: what exchanges and their pool have to know. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from slime.hub.seats import Balance
from slime.record import record

__all__ = ["ExchangePolicy", "Patience", "PoolLimits", "Wishes"]


@record
class Wishes:
    """What the application asked of the hub by ``Slime-*`` fields.

    :ivar block: wait for a slot instead of being refused.
    :ivar patience: longest wait for a slot, in seconds.
    :ivar retry: may be run again if its agent is lost after it began.
    :ivar scope: the scope it needs.
    """

    block: bool = False
    patience: float = 600.0
    retry: bool = False
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class ExchangePolicy:
    """Bounds of an exchange, settings of the hub; sizes in bytes, 0 meaning no limit.

    :ivar max_body: largest request body.
    :ivar replay_body: how much of a request's body is kept until the answer begins.
    :ivar max_requeues: how often a request may be given to another agent.
    :ivar upgrade_idle: seconds that nothing may pass through an upgraded connection.
    """

    max_body: int = 0
    replay_body: int = 64 * 1024
    max_requeues: int = 2
    upgrade_idle: float = 0.0


@dataclass(frozen=True, slots=True)
class Patience:
    """With an application that is waited for while others wait for the slot that it holds; in seconds, 0 for no end.

    :ivar body: how long its request may take to arrive without any slot, if nobody knows its length; and how far it may
        be behind the least rate later.
    :ivar reader: how far it may be behind the least rate with reading its answer.
    """

    body: float = 0.0
    reader: float = 0.0


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Settings of the hub.

    :ivar concurrent: exchanges in the hub at a time; 0 is no limit.
    :ivar max_queue: exchanges that may wait, for admission and for a slot together.
    :ivar prefetch: exchanges sent ahead to an agent for each of its slots, at most.
    :ivar balance: which free slot serves next.
    :ivar patience: with applications that are slow while others wait.
    :ivar arrival: seconds from the start in which agents are on their way: requests wait so long, asked to or not.
    """

    concurrent: int = 0
    max_queue: int = 10_000
    prefetch: int = 4
    balance: Balance = Balance.LONGEST_IDLE
    arrival: float = 0.0
    patience: Patience = Patience()
    exchange: ExchangePolicy = field(default_factory=ExchangePolicy)
