"""A stream's phases, and which frame leads from one to the next.

One table serves both ends: rows name who *sends* the frame, and each end reads it once for what it sends and
once for what it receives. A missing row is a violation. What the phases mean is specified in
:mod:`slime.tunnel`.
"""

from __future__ import annotations

from enum import Enum, IntEnum, auto
from functools import cache

__all__ = ["ANSWERED_BY_RESET", "DEAF", "NEXT", "Phase", "Role", "Step", "steps"]


class Role(Enum):
    """Which end of the link this is."""

    HUB = "hub"
    AGENT = "agent"

    @property
    def other(self) -> Role:
        """The end that this one talks to."""
        return Role.AGENT if self is Role.HUB else Role.HUB


class Phase(IntEnum):
    """How far a stream has come, as far as one end knows."""

    IDLE = 0
    #: The request body follows (``UP_``) …
    UP_OFFERED = auto()
    UP_RECALLED = auto()
    UP_RUNNING = auto()
    UP_ANSWERING = auto()
    #: … or is complete, or there is none …
    OFFERED = auto()
    RECALLED = auto()
    RUNNING = auto()
    ANSWERING = auto()
    #: … or there is none and the application asks to switch protocols.
    ASKED = auto()
    ASKED_RECALLED = auto()
    ASKED_RUNNING = auto()
    #: The protocol was switched: both halves run, then only the hub's.
    SWITCHED = auto()
    TAIL = auto()
    #: The agent's half is over, the request body is not: the hub answers with END or RESET.
    LINGER = auto()
    #: One end has sent RESET and waits for the other's last frame.
    HUB_RESET = auto()
    AGENT_RESET = auto()
    OVER = auto()


class Step(IntEnum):
    """What a frame does to its stream; CREDIT does nothing to it."""

    OPEN = 0
    OPEN_WHOLE = auto()
    OPEN_UPGRADE = auto()
    STARTED = auto()
    INTERIM = auto()
    HEAD = auto()
    HEAD_WHOLE = auto()
    SWITCH = auto()
    DATA = auto()
    END = auto()
    RESET = auto()
    REVOKE = auto()
    REVOKED = auto()
    REFUSED = auto()


_H, _A, _P, _S = Role.HUB, Role.AGENT, Phase, Step

NEXT: dict[tuple[Phase, Step, Role], Phase] = {
    (_P.IDLE, _S.OPEN, _H): _P.UP_OFFERED,
    (_P.IDLE, _S.OPEN_WHOLE, _H): _P.OFFERED,
    (_P.IDLE, _S.OPEN_UPGRADE, _H): _P.ASKED,
    # not started
    (_P.UP_OFFERED, _S.DATA, _H): _P.UP_OFFERED,
    (_P.UP_OFFERED, _S.END, _H): _P.OFFERED,
    (_P.UP_OFFERED, _S.REVOKE, _H): _P.UP_RECALLED,
    (_P.UP_OFFERED, _S.STARTED, _A): _P.UP_RUNNING,
    (_P.UP_OFFERED, _S.REFUSED, _A): _P.LINGER,
    (_P.OFFERED, _S.REVOKE, _H): _P.RECALLED,
    (_P.OFFERED, _S.STARTED, _A): _P.RUNNING,
    (_P.OFFERED, _S.REFUSED, _A): _P.OVER,
    (_P.ASKED, _S.REVOKE, _H): _P.ASKED_RECALLED,
    (_P.ASKED, _S.STARTED, _A): _P.ASKED_RUNNING,
    (_P.ASKED, _S.REFUSED, _A): _P.OVER,
    # not started, asked to give it back
    (_P.UP_RECALLED, _S.DATA, _H): _P.UP_RECALLED,
    (_P.UP_RECALLED, _S.END, _H): _P.RECALLED,
    (_P.UP_RECALLED, _S.STARTED, _A): _P.UP_RUNNING,
    (_P.UP_RECALLED, _S.REFUSED, _A): _P.LINGER,
    (_P.UP_RECALLED, _S.REVOKED, _A): _P.LINGER,
    (_P.RECALLED, _S.STARTED, _A): _P.RUNNING,
    (_P.RECALLED, _S.REFUSED, _A): _P.OVER,
    (_P.RECALLED, _S.REVOKED, _A): _P.OVER,
    (_P.ASKED_RECALLED, _S.STARTED, _A): _P.ASKED_RUNNING,
    (_P.ASKED_RECALLED, _S.REFUSED, _A): _P.OVER,
    (_P.ASKED_RECALLED, _S.REVOKED, _A): _P.OVER,
    # started
    (_P.UP_RUNNING, _S.DATA, _H): _P.UP_RUNNING,
    (_P.UP_RUNNING, _S.END, _H): _P.RUNNING,
    (_P.UP_RUNNING, _S.INTERIM, _A): _P.UP_RUNNING,
    (_P.UP_RUNNING, _S.HEAD, _A): _P.UP_ANSWERING,
    (_P.UP_RUNNING, _S.HEAD_WHOLE, _A): _P.LINGER,
    (_P.RUNNING, _S.INTERIM, _A): _P.RUNNING,
    (_P.RUNNING, _S.HEAD, _A): _P.ANSWERING,
    (_P.RUNNING, _S.HEAD_WHOLE, _A): _P.OVER,
    (_P.ASKED_RUNNING, _S.INTERIM, _A): _P.ASKED_RUNNING,
    (_P.ASKED_RUNNING, _S.SWITCH, _A): _P.SWITCHED,
    (_P.ASKED_RUNNING, _S.HEAD, _A): _P.ANSWERING,
    (_P.ASKED_RUNNING, _S.HEAD_WHOLE, _A): _P.OVER,
    # answered
    (_P.UP_ANSWERING, _S.DATA, _H): _P.UP_ANSWERING,
    (_P.UP_ANSWERING, _S.END, _H): _P.ANSWERING,
    (_P.UP_ANSWERING, _S.DATA, _A): _P.UP_ANSWERING,
    (_P.UP_ANSWERING, _S.END, _A): _P.LINGER,
    (_P.ANSWERING, _S.DATA, _A): _P.ANSWERING,
    (_P.ANSWERING, _S.END, _A): _P.OVER,
    (_P.LINGER, _S.DATA, _H): _P.LINGER,
    (_P.LINGER, _S.END, _H): _P.OVER,
    # switched
    (_P.SWITCHED, _S.DATA, _H): _P.SWITCHED,
    (_P.SWITCHED, _S.END, _H): _P.ANSWERING,
    (_P.SWITCHED, _S.DATA, _A): _P.SWITCHED,
    (_P.SWITCHED, _S.END, _A): _P.TAIL,
    (_P.TAIL, _S.DATA, _H): _P.TAIL,
    (_P.TAIL, _S.END, _H): _P.OVER,
    # given up
    (_P.AGENT_RESET, _S.DATA, _H): _P.AGENT_RESET,
    (_P.AGENT_RESET, _S.END, _H): _P.OVER,
    (_P.HUB_RESET, _S.STARTED, _A): _P.HUB_RESET,
    (_P.HUB_RESET, _S.INTERIM, _A): _P.HUB_RESET,
    (_P.HUB_RESET, _S.HEAD, _A): _P.HUB_RESET,
    (_P.HUB_RESET, _S.SWITCH, _A): _P.HUB_RESET,
    (_P.HUB_RESET, _S.DATA, _A): _P.HUB_RESET,
    (_P.HUB_RESET, _S.HEAD_WHOLE, _A): _P.OVER,
    (_P.HUB_RESET, _S.END, _A): _P.OVER,
    (_P.HUB_RESET, _S.REVOKED, _A): _P.OVER,
    (_P.HUB_RESET, _S.REFUSED, _A): _P.OVER,
}

#: The hub's half may still carry frames.
_HUB_OPEN = (_P.UP_OFFERED, _P.UP_RECALLED, _P.UP_RUNNING, _P.UP_ANSWERING, _P.SWITCHED, _P.TAIL)
#: The hub's half carries nothing more, or nothing yet.
_HUB_SHUT = (
    _P.OFFERED, _P.RECALLED, _P.RUNNING, _P.ANSWERING, _P.ASKED, _P.ASKED_RECALLED, _P.ASKED_RUNNING,
)  # fmt: skip
_RUNNING = (_P.UP_RUNNING, _P.UP_ANSWERING, _P.RUNNING, _P.ANSWERING, _P.ASKED_RUNNING, _P.SWITCHED)
_AFTER = (_P.TAIL, _P.LINGER, _P.AGENT_RESET)

# RESET waits for the other end's last frame, unless that has been seen already.
NEXT |= {(phase, _S.RESET, _H): _P.HUB_RESET for phase in (*_HUB_OPEN, *_HUB_SHUT)}
NEXT |= {(phase, _S.RESET, _H): _P.OVER for phase in _AFTER}
NEXT |= {(phase, _S.RESET, _A): _P.AGENT_RESET for phase in _HUB_OPEN}
NEXT |= {(phase, _S.RESET, _A): _P.OVER for phase in (*_HUB_SHUT, _P.HUB_RESET)}
# A REVOKE that crossed with STARTED, or with the end, has lost.
NEXT |= {(phase, _S.REVOKE, _H): phase for phase in (*_RUNNING, *_AFTER)}

#: Phases that an end leaves at once, with RESET, when a frame it received has led there.
ANSWERED_BY_RESET = {
    Role.HUB: frozenset({Phase.LINGER, Phase.AGENT_RESET}),
    Role.AGENT: frozenset({Phase.HUB_RESET}),
}
#: Phases in which an end has done with a stream and only waits: what it sends is dropped, what arrives is checked
#: but not delivered; only the hub still hears what ends the stream, because that frees the slot.
DEAF = {
    Role.HUB: frozenset({Phase.HUB_RESET}),
    Role.AGENT: frozenset({Phase.LINGER, Phase.AGENT_RESET}),
}


@cache
def steps(sender: Role) -> tuple[dict[Step, Phase], ...]:
    """The rows of one sender, by phase; all links share them."""
    return tuple({s: after for (p, s, r), after in NEXT.items() if p is phase and r is sender} for phase in Phase)
