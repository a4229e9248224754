"""The door for agents of the earlier program: their four calls, made by HTTP on the hub's own port.

======================== ==============================================================================================
``POST /v1/agent/...``   what the hub does
======================== ==============================================================================================
``join``                 answers 200, and remembers what the machine has, if the body says so
``accept``               holds it until there is work, then answers 200 with ``Slime-Connection-Id`` and, as the body,
                         the application's request, streamed
``submit``               takes the upstream's answer as the body, streamed, and answers 200 when it has it; 500 when
                         nothing of this token is known under its ``Slime-Connection-Id``
``leave``                forgets the worker, and answers 200
======================== ==============================================================================================

Each names its token and the worker (``Slime-Agent-Token``, ``Slime-Agent-Id``); a call without a token is an
application's request. Agents ask again at once after any status but 200, and after a tenth of a second when they are
cut off: so they are refused slowly, and cut off where nothing is wrong with them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Container, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from slime.http.head import field_values
from slime.hub.ordinary import ask_for_body
from slime.hub.refusing import Complaints
from slime.hub.seedlink import SeedLink, Worker
from slime.hub.seedstream import SeedStream, Silent, reply
from slime.seed.hardware import MAX_REPORT, hardware_in
from slime.seed.tokens import verify_seed
from slime.tokens import AgentClaims, RevokedToken, TokenError

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from slime.http.head import Fields
    from slime.hub.pool import AgentPool
    from slime.hub.request import StreamedRequest

__all__ = ["SeedDoor", "ShutDoor"]

#: Seconds before an agent hears no.
REFLECTION = 1.0

#: Ids are of 63 bits.
_ID_LIMIT = 2**63
_NUMBER = re.compile(rb"[+-]?[0-9]{1,19}")

#: Workers of one agent, whose report counts for all of them; they have consecutive ids.
WORKERS = 256

#: Reports that are remembered, the latest.
REPORTS = 4096


class SeedDoor:
    """Lets agents of the earlier program in.

    :param secret: what their tokens are made with.
    :param revoked: ids of tokens that are not accepted any more.
    """

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, pool: AgentPool, secret: bytes, revoked: Container[str] = frozenset()
    ) -> None:
        self._clock = clock
        self._pool = pool
        self._secret = secret
        self._revoked = revoked
        self._complaints = Complaints(clock)
        self._links: dict[str, SeedLink] = {}
        self._streams: dict[int, SeedStream] = {}
        self._reports: dict[tuple[str, int], dict[str, Any]] = {}

    def takes(self, request: StreamedRequest) -> bool:
        """Deal with a request, if it is an agent's call."""
        call = call_of(request)
        if call is None:
            return False
        try:
            claims, agent_id = self._authorize(request)
        except TokenError as error:
            self._complaints.about(self._log, request.getClientAddress(), f"its token is {error.reason}")
            refuse(self._clock, request)
            return True
        if request.channel.stranger:
            request.site.recognise(request.channel)
        ask_for_body(request)
        call(self, request, claims, agent_id)
        return True

    def _authorize(self, request: StreamedRequest) -> tuple[AgentClaims, int]:
        fields = request.head.fields
        tokens, ids = (field_values(fields, name) for name in (b"slime-agent-token", b"slime-agent-id"))
        claims = verify_seed(self._secret, b", ".join(tokens).decode("latin-1"), time.time())
        if claims.token_id in self._revoked:
            raise RevokedToken
        agent_id = number_in(ids)
        if agent_id is None:
            raise TokenError("no id")
        return claims, agent_id

    # -- the calls --------------------------------------------------------------------------------------------------

    def _join(self, request: StreamedRequest, claims: AgentClaims, agent_id: int) -> None:
        request.receiver = Whole(request, partial(self._note, (claims.token_id, agent_id)))

    def _note(self, who: tuple[str, int], body: bytes) -> None:
        """An agent has said what its machine has."""
        self._reports.pop(who, None)
        self._reports[who] = hardware_in(body)
        if len(self._reports) > REPORTS:
            del self._reports[next(iter(self._reports))]

    def _report(self, token_id: str, agent_id: int) -> dict[str, Any]:
        """What the agent that a worker is of has said."""
        near = range(agent_id, agent_id - WORKERS, -1)
        return next((self._reports[token_id, one] for one in near if (token_id, one) in self._reports), {})

    def _accept(self, request: StreamedRequest, claims: AgentClaims, agent_id: int) -> None:
        if self._pool.leaving:
            Later(self._clock, request, request.answer_abort)
            return
        link = self._links.get(f"{claims.token_id}/{agent_id}")
        if link is None:
            worker = Worker(claims, agent_id, self._report(claims.token_id, agent_id))
            link = SeedLink(self._clock, self._pool, worker, self._streams, self._gone)
            self._links[link.key] = link
        link.accept(request)

    def _submit(self, request: StreamedRequest, claims: AgentClaims, agent_id: int) -> None:
        number = number_in(field_values(request.head.fields, b"slime-connection-id"))
        stream = None if number is None else self._streams.get(number)
        if stream is None or stream.link.claims.token_id != claims.token_id or not stream.submit(request):
            reply(request, 500, b"nothing is known under this connection id\n")

    def _leave(self, request: StreamedRequest, claims: AgentClaims, agent_id: int) -> None:
        link = self._links.get(f"{claims.token_id}/{agent_id}")
        if link is not None:
            link.end("it said so")
        request.receiver = Whole(request, lambda body: None)

    def _gone(self, link: SeedLink) -> None:
        del self._links[link.key]


_CALLS: Mapping[bytes, Callable[[SeedDoor, StreamedRequest, AgentClaims, int], None]] = {
    b"/v1/agent/join": SeedDoor._join,
    b"/v1/agent/accept": SeedDoor._accept,
    b"/v1/agent/submit": SeedDoor._submit,
    b"/v1/agent/leave": SeedDoor._leave,
}


class ShutDoor:
    """Lets no agents of the earlier program in.

    Their calls are no application's, and what would be said to one at once they would ask for again at once.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._complaints = Complaints(clock)

    def takes(self, request: StreamedRequest) -> bool:
        """Refuse a request, if it is an agent's call."""
        if call_of(request) is None:
            return False
        reason = "those of the seed may not join (--seed-agents)"
        self._complaints.about(self._log, request.getClientAddress(), reason)
        refuse(self._clock, request)
        return True


def call_of(request: StreamedRequest) -> Callable[[SeedDoor, StreamedRequest, AgentClaims, int], None] | None:
    """What an agent's call asks for; ``None`` if the request is an application's."""
    if request.method != b"POST" or not field_values(request.head.fields, b"slime-agent-token"):
        return None
    return _CALLS.get(request.path)


def refuse(clock: IReactorTime, request: StreamedRequest) -> None:
    """Say no, when the agent has waited for it."""
    Later(clock, request, lambda: reply(request, 401, b"Unauthorized\n"))


def number_in(values: list[bytes]) -> int | None:
    """The number of 64 bits that a field has once; ``None`` if it is anything else."""
    if len(values) != 1 or _NUMBER.fullmatch(values[0]) is None:
        return None
    number = int(values[0])
    return number if -_ID_LIMIT <= number < _ID_LIMIT else None


class Whole(Silent):
    """Answers when a call has been read.

    :param read: gets what it said, or nothing if that was too much.
    """

    def __init__(self, request: StreamedRequest, read: Callable[[bytes], object]) -> None:
        self._request = request
        self._read = read
        self._body = b""

    def body_received(self, data: bytes) -> None:
        """Some of it; what is beyond the limit shows that there is too much."""
        self._body += data[: MAX_REPORT + 1 - len(self._body)]

    def body_finished(self, trailers: Fields) -> None:
        """All is well."""
        self._read(self._body if len(self._body) <= MAX_REPORT else b"")
        reply(self._request, 200)


class Later(Silent):
    """Keeps an agent waiting, who would ask again at once."""

    def __init__(self, clock: IReactorTime, request: StreamedRequest, answer: Callable[[], None]) -> None:
        request.receiver = self
        self._call = clock.callLater(REFLECTION, answer)

    def left(self) -> None:
        """It is gone by itself."""
        self._call.cancel()
