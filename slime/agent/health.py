"""Is the upstream fit to work? Probes ask it (:mod:`slime.agent.probe`); and one that fails whatever it is given rests.

Both decide how many slots the agent offers (:attr:`Health.capacity`): an agent whose upstream is down would otherwise
be the one that is always free, and eat the queue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from slime.errors import ErrorCode

__all__ = ["Health", "Precautions"]

#: Requests in a row that must fail before the upstream rests: one that is back is not to be missed over a few.
STRIKES = 5

#: Seconds of the first rest and of the longest; each is twice as long as the one before.
FIRST_REST, LONGEST_REST = 0.5, 30.0

#: Seconds within which an answer that says "server error" counts as one that was not worked on.
IMMEDIATE = 0.5


@dataclass(frozen=True, slots=True)
class Precautions:
    """Settings of the agent.

    :ivar path: what to ask the upstream for to learn whether it is ready; ``None`` asks for nothing.
    :ivar interval: seconds between two such questions, and the longest wait for an answer.
    :ivar by_status: whether server errors (5xx) that come at once count as failures.
    """

    path: str | None = None
    interval: float = 5.0
    by_status: bool = False


class Health:
    """What is known of an upstream, and how many slots it is good for.

    :param slots: what it can do when it is well.
    :ivar capacity: slots to offer now.
    :ivar changed: called when ``capacity`` has changed.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, slots: int, precautions: Precautions, label: str) -> None:
        self.capacity = slots if precautions.path is None else 0
        self.changed: Callable[[], None] = _nobody_cares
        self._clock = clock
        self._slots = slots
        self._by_status = precautions.by_status
        self._label = label
        self._ready = precautions.path is None
        self._failures = 0
        self._rest = 0.0
        self._waking: IDelayedCall | None = None

    def now(self) -> float:
        """The moment at which a request begins."""
        return self._clock.seconds()

    # -- what requests show ---------------------------------------------------------------------------------------

    def answered(self, status: int, began: float) -> None:
        """The upstream answered a request that began at ``began``."""
        if self._by_status and status >= 500 and self._clock.seconds() - began < IMMEDIATE:
            self._strike(f"it answers {status} at once")
        elif self._failures:
            self._recover()

    def failed(self, code: ErrorCode, detail: str) -> None:
        """The upstream gave no answer."""
        if code is ErrorCode.UPSTREAM_UNREACHABLE:
            self._strike(detail)

    def _strike(self, reason: str) -> None:
        self._failures += 1
        if self._failures < STRIKES or self._waking is not None:
            return
        self._rest = min(LONGEST_REST, 2 * self._rest or FIRST_REST)
        self._log.warn(
            "upstream {upstream} rests for {rest} s: {reason}", upstream=self._label, rest=self._rest, reason=reason
        )
        self._waking = self._clock.callLater(self._rest, self._wake)
        self._settle()

    def _wake(self) -> None:
        """One request shows whether it is better."""
        self._waking = None
        self._settle()

    def _recover(self) -> None:
        if self._rest:
            self._log.info("upstream {upstream} works again", upstream=self._label)
        self._failures = 0
        self._rest = 0.0
        self.stop()
        self._settle()

    def stop(self) -> None:
        """Forget about waking."""
        if self._waking is not None:
            self._waking.cancel()
            self._waking = None

    # -- what probes show -----------------------------------------------------------------------------------------

    def probed(self, ready: bool, reason: str) -> None:
        """A probe came back."""
        if ready is not self._ready:
            self._ready = ready
            self._log.info("upstream {upstream}: {reason}", upstream=self._label, reason=reason)
            self._settle()

    def _settle(self) -> None:
        capacity = self._slots
        if not self._ready or self._waking is not None:
            capacity = 0
        elif self._rest:
            capacity = 1
        if capacity != self.capacity:
            self.capacity = capacity
            self.changed()


def _nobody_cares() -> None:
    pass
