"""What holds for any bytes that an application sends: they come out equal at an agent, or nothing of them does."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from slime.http.head import RequestHead, persists
from slime.hub.pool import PoolLimits
from slime.hub.terms import Patience
from tests.e2e.raw_cases import CUT, PASSED, REFUSED
from tests.e2e.raw_hostile import MORE_CUT, MORE_PASSED, MORE_REFUSED
from tests.http_cases import bytewise, cut, read_requests
from tests.http_strategies import REQUEST_STREAMS, Sent, cuts, damaged, requests
from tests.hub_fixture import Hub, Wanted

SOME, MANY = 40, 200
SHORT = 400
TABLES = (CUT, PASSED, REFUSED, MORE_CUT, MORE_PASSED, MORE_REFUSED)
STREAMS = [case.sent for table in TABLES for case in table if len(case.sent) < SHORT]
PAIRS = [stream + REQUEST_STREAMS[0] for stream in (*REQUEST_STREAMS, *STREAMS)]
WANTED = Wanted(pool=PoolLimits(patience=Patience(body=0.25)))
Arrived = tuple[bytes, bytes, bytes, tuple[tuple[bytes, bytes], ...]]


class Told:
    """A hub with an agent that answers whatever is complete, and what came of some pieces of bytes.

    :ivar arrived: the requests that an upstream would take for complete: method, target, body and trailers.
    :ivar begun: how many were begun.
    :ivar statuses: of the answers.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        hub = Hub(WANTED)
        try:
            self._agent, self._answered = hub.agent(), 0
            application = hub.application()
            for piece in pieces:
                if not application.gone:
                    application.send(piece)
                    self._answer()
            methods = tuple(stream.head.method for stream in self._agent.streams.values())
            self.begun = len(methods)
            self.statuses = [one.status for one in application.responses(*methods) if one.status >= 200]
            self.arrived = [self._request(number) for number in sorted(self._agent.streams) if self._whole(number)]
        finally:
            hub.close()

    def _answer(self) -> None:
        """One answer can be what the next request has waited for."""
        while self._answered < len(self._agent.streams) and self._whole(self._answered + 1):
            self._answered += 1
            self._agent.answer(number=self._answered)

    def _whole(self, number: int) -> bool:
        return self._agent.streams[number].complete

    def _request(self, number: int) -> Arrived:
        stream = self._agent.streams[number]
        return stream.head.method, stream.head.target, bytes(stream.body), tuple(stream.trailers or ())


def meant(stream: bytes) -> list[Arrived]:
    """The whole requests in a stream, up to one that ends the connection."""
    found: list[Arrived] = []
    for message in read_requests([stream]).messages:
        head = message.head
        if not message.complete or not isinstance(head, RequestHead):
            break
        found.append((head.method, head.target, message.body, tuple(message.trailers)))
        if not persists(head):
            break
    return found


class EqualOrNothingTests(SynchronousTestCase):
    """The hub in memory, in any segments."""

    @settings(max_examples=SOME)
    @given(st.lists(requests(), min_size=1, max_size=3), cuts)
    def test_good(self, sent: list[Sent], places: list[int]) -> None:
        """All arrive, in order, and all are answered."""
        stream = b"".join(each.stream for each in sent)
        told = Told(cut(stream, places))
        self.assertEqual(told.arrived, meant(stream))
        self.assertEqual(told.statuses, [200] * told.begun)

    @settings(max_examples=MANY)
    @given(damaged(PAIRS), cuts)
    def test_any(self, stream: bytes, places: list[int]) -> None:
        """Nothing arrives that was not meant, or in another order; and the segments make no difference."""
        told = Told([stream])
        for pieces in (cut(stream, places), bytewise(stream)):
            again = Told(pieces)
            self.assertEqual((again.arrived, again.statuses), (told.arrived, told.statuses))
        self.assert_meant(told, stream)

    def assert_meant(self, told: Told, stream: bytes) -> None:
        """What arrived is part of what was meant, in its order; the hub may have answered some of it itself."""
        rest = iter(meant(stream))
        self.assertTrue(all(any(arrived == each for each in rest) for arrived in told.arrived), stream)

    def test_known(self) -> None:
        """Every message of the tables, with a good one behind it."""
        for stream in PAIRS:
            told = Told([stream])
            self.assert_meant(told, stream)
            self.assertEqual(told.begun, len(told.arrived), stream)

    @settings(max_examples=SOME)
    @given(damaged(PAIRS))
    def test_at_once(self, stream: bytes) -> None:
        """What is refused in the segment that brings it is not even begun."""
        told = Told([stream])
        self.assertEqual(told.begun, len(told.arrived))
