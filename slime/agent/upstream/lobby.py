"""Where a call waits for its connection."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DialTimeout
from twisted.internet.error import ConnectingCancelledError, DNSLookupError
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.logger import Logger
from twisted.python.failure import Failure

from slime.agent.egress import explained
from slime.agent.upstream.call import UpstreamCall
from slime.agent.upstream.connection import UpstreamConnection
from slime.errors import ErrorCode
from slime.http.trace import in_brackets

__all__ = ["HIGH_WATER", "Lobby"]

#: Bytes of a request that wait here before its sender is paused; what a Twisted socket's buffer takes.
HIGH_WATER = 65536

_REASONS: dict[type[BaseException] | None, str] = {
    Refused: "it refuses connections",
    DNSLookupError: "its name has no address",
    # Who is the first to lose patience tells which of the three it is.
    ConnectTimeout: "it accepts no connection in time",
    ConnectingCancelledError: "it accepts no connection in time",
    DialTimeout: "it accepts no connection in time",
}


class Lobby:
    """Carries a call while it is dialled for, and keeps what its caller sends meanwhile.

    :param dial: fires with the connection; cancelled when the caller gives up.
    """

    _log = Logger()

    def __init__(self, call: UpstreamCall, dial: Deferred[UpstreamConnection]) -> None:
        self._call: UpstreamCall | None = call
        self._dial = dial
        self._pieces: list[bytes] = []
        self._size = 0
        call.carry(self)
        dial.addCallbacks(self._connected, self._failed, (call,))
        dial.addErrback(self._log_bug)

    def send(self, pieces: Sequence[bytes]) -> None:
        self._pieces.extend(pieces)
        self._size += sum(map(len, pieces))
        if self._size > HIGH_WATER and self._call is not None:
            self._call.hold()

    def request_ended(self) -> None:
        """What was sent tells."""

    def pause_answer(self) -> None:
        """The call remembers."""

    def resume_answer(self) -> None:
        """The call remembers."""

    def drop(self) -> None:
        self._call = None
        self._dial.cancel()

    def _connected(self, connection: UpstreamConnection, call: UpstreamCall) -> None:
        connection.begin(call, self._pieces)

    def _failed(self, reason: Failure) -> None:
        if self._call is None:
            return
        detail = _REASONS.get(reason.type)
        if detail is None:
            self._log.warn(
                "cannot connect to the upstream: {reason}{which}",
                reason=explained(reason).getErrorMessage(), which=in_brackets(self._call.request.fields),
            )  # fmt: skip
        self._call.fail(ErrorCode.UPSTREAM_UNREACHABLE, detail or "no connection to it can be made")

    def _log_bug(self, reason: Failure) -> None:
        self._log.failure("a call's sink failed", reason)
