"""Both ends of a link in conversation; then one end alone with a peer that keeps no rule."""

import contextlib
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from slime.errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from slime.testing import HELLO, WELCOME, TunnelPair
from slime.tunnel import (
    HEAD_LIMIT,
    LOW_WATER,
    MESSAGE_LIMIT,
    TRAILERS_LIMIT,
    Capacity,
    Credit,
    Data,
    Drain,
    End,
    Frame,
    Head,
    Hello,
    Open,
    Phase,
    Ping,
    Pong,
    Refused,
    Reset,
    Revoke,
    Revoked,
    Role,
    Started,
    TunnelConnection,
    TunnelLimits,
    Welcome,
    decode,
    encode,
)
from slime.tunnel.outbox import FILL, PIECE
from slime.tunnel.states import DEAF, NEXT, Step
from tests.tunnel_strategies import frames

GET = b"GET / HTTP/1.1\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n\r\n"
NO_ERROR, CANCELLED, BUSY = ErrorCode.NO_ERROR, ErrorCode.CANCELLED, ErrorCode.ALL_BUSY


def each(*frames: Frame) -> tuple[Frame, ...]:
    """Frames of several kinds."""
    return frames


def bodies(events: Iterable[Frame]) -> bytes:
    """The bytes of all DATA."""
    return b"".join(event.data for event in events if isinstance(event, Data))


def messages(end: TunnelConnection) -> list[list[Frame]]:
    """All that an end has to send."""
    sent = []
    while (message := end.next_message()) is not None:
        sent.append(decode(message))
    return sent


class ConversationCase(SynchronousTestCase):
    """Two ends that have greeted each other."""

    def setUp(self) -> None:
        self.pair = TunnelPair()
        self.hub, self.agent = self.pair.hub, self.pair.agent

    def send(self, end: TunnelConnection, *frames: Frame) -> None:
        """Send several frames."""
        for frame in frames:
            end.send(frame)

    def assert_over(self, stream_id: int) -> None:
        """Both ends have forgotten the stream, and nothing is under way."""
        self.assertEqual(self.pair.pump(), ([], []))
        self.assertFalse(self.hub.is_live(stream_id))
        self.assertFalse(self.agent.is_live(stream_id))


class GreetingTests(SynchronousTestCase):
    """The first two frames."""

    def test_greetings(self) -> None:
        """Each end learns what the other said."""
        pair = TunnelPair()
        self.assertEqual((pair.hub.remote, pair.agent.remote), (HELLO, WELCOME))
        self.assertEqual((pair.hub.role, pair.agent.role), (Role.HUB, Role.AGENT))

    def test_silence_before(self) -> None:
        """Nothing can be sent before the greetings, nor a second greeting after."""
        hub, agent = TunnelConnection(Role.HUB), TunnelConnection(Role.AGENT)
        for end, frame in ((hub, WELCOME), (hub, Ping(1)), (agent, Ping(1)), (agent, WELCOME), (agent, Capacity(1))):
            self.assertRaises(LocalProtocolError, end.send, frame)
        self.assertRaises(LocalProtocolError, hub.open, GET, 0)
        agent.send(HELLO)
        self.assertRaises(LocalProtocolError, agent.send, HELLO)
        self.assertRaises(LocalProtocolError, agent.send, Ping(1))
        hub.receive(agent.next_message() or b"")
        self.assertRaises(LocalProtocolError, hub.open, GET, 0)
        hub.send(WELCOME)
        self.assertRaises(LocalProtocolError, hub.send, WELCOME)
        self.assertEqual(hub.open(GET, 0), 1)

    def test_wrong_first_frame(self) -> None:
        """Anything but the greeting is a violation, until both have greeted."""
        for frame in each(WELCOME, Ping(1), Drain(), Open(1, GET, 0), Capacity(1), Started(1)):
            hub = TunnelConnection(Role.HUB)
            self.assertRaises(RemoteProtocolError, hub.receive, encode(frame))
            hub = TunnelConnection(Role.HUB)
            self.assertRaises(RemoteProtocolError, hub.receive, encode(HELLO) + encode(frame))
        for frame in each(HELLO, WELCOME, Ping(1), Open(1, GET, 0)):
            agent = TunnelConnection(Role.AGENT)
            self.assertRaises(RemoteProtocolError, agent.receive, encode(frame))

    def test_second_greeting(self) -> None:
        """A greeting is given once."""
        pair = TunnelPair()
        self.assertRaises(RemoteProtocolError, pair.hub.receive, encode(HELLO))
        self.assertRaises(RemoteProtocolError, pair.agent.receive, encode(WELCOME))

    def test_no_common_version(self) -> None:
        """Versions must meet."""
        hub, agent = TunnelConnection(Role.HUB), TunnelConnection(Role.AGENT)
        later = Hello(agent_id="a", name="n", slots=1, versions=(2, 3))
        self.assertRaises(RemoteProtocolError, hub.receive, encode(later))
        agent.send(HELLO)
        self.assertRaises(RemoteProtocolError, agent.receive, encode(Welcome(session="s", version=2)))


class ExchangeTests(ConversationCase):
    """Requests and responses that go well."""

    def test_small(self) -> None:
        """One message each way carries a whole small exchange."""
        stream = self.hub.open(GET, 0)
        self.assertEqual(self.pair.agent_receives(), [Open(stream, GET, 0)])
        answer: list[Frame] = [Started(stream), Head(stream, OK, 2), Data(stream, b"hi"), End(stream)]
        self.send(self.agent, *answer)
        self.pair.flush_agent()
        self.assertEqual(len(self.pair.to_hub), 1)
        self.assertEqual(self.pair.hub_receives(), answer)
        self.assert_over(stream)

    def test_no_body(self) -> None:
        """A head that announces nothing ends the answer."""
        stream = self.hub.open(GET, 0)
        self.pair.pump()
        answer: list[Frame] = [Started(stream), Head(stream, OK, 0)]
        self.send(self.agent, *answer)
        self.assertEqual(self.pair.hub_receives(), answer)
        self.assert_over(stream)

    def test_both_bodies(self) -> None:
        """Both bodies run at once, with trailers."""
        stream = self.hub.open(GET, None)
        request: list[Frame] = [Data(stream, b"a"), End(stream, [(b"x", b"1")])]
        self.send(self.hub, *request)
        self.assertEqual(self.pair.agent_receives(), [Open(stream, GET, None), *request])
        answer: list[Frame] = [
            Started(stream),
            Head(stream, b"103", None, interim=True),
            Head(stream, OK, None),
            Data(stream, b"b"),
            End(stream, [(b"y", b"2")]),
        ]
        self.send(self.agent, *answer)
        self.assertEqual(self.pair.hub_receives(), answer)
        self.assert_over(stream)

    def test_early_answer(self) -> None:
        """An answer may come during the upload, and the upload goes on until the answer is complete."""
        stream = self.hub.open(GET, 6)
        self.hub.send(Data(stream, b"abc"))
        self.send(self.agent_started(stream), Head(stream, OK, None), Data(stream, b"x"))
        self.pair.pump()
        self.hub.send(Data(stream, b"d"))
        self.assertEqual(self.pair.agent_receives(), [Data(stream, b"d")])
        self.agent.send(End(stream))
        self.hub.send(Data(stream, b"e"))
        self.assertEqual(self.pair.pump(), ([End(stream)], []))
        self.assert_over(stream)

    def test_upload_complete_when_answer_ends(self) -> None:
        """Where END and the answer's end cross, nobody resets."""
        stream = self.hub.open(GET, 1)
        self.agent_started(stream).send(Head(stream, OK, 0))
        self.send(self.hub, Data(stream, b"a"), End(stream))
        self.assertEqual(self.pair.pump(), ([Started(stream), Head(stream, OK, 0)], []))
        self.assert_over(stream)

    def test_empty_data(self) -> None:
        """No bytes make no frame."""
        stream = self.hub.open(GET, None)
        self.hub.send(Data(stream, b""))
        self.assertEqual(self.pair.agent_receives(), [Open(stream, GET, None)])

    def test_ids(self) -> None:
        """Streams are numbered in order and live by themselves."""
        self.assertEqual([self.hub.open(GET, 0) for _ in range(3)], [1, 2, 3])
        self.assertEqual(self.hub.live, 3)
        self.pair.pump()
        self.assertEqual(self.agent.live, 3)
        self.agent.send(Refused(2, BUSY))
        self.assertEqual(self.pair.hub_receives(), [Refused(2, BUSY)])
        self.assertEqual([self.hub.is_live(n) for n in range(5)], [False, True, False, True, False])

    def agent_started(self, stream: int) -> TunnelConnection:
        """The agent, having started the stream."""
        self.pair.agent_receives()
        self.agent.send(Started(stream))
        return self.agent


class EndingTests(ConversationCase):
    """Streams that end otherwise."""

    def open(self, length: int | None = 0) -> int:
        """A stream that both ends know."""
        stream = self.hub.open(GET, length)
        self.pair.pump()
        return stream

    def answering(self, length: int | None = 0) -> int:
        """A stream whose answer has begun."""
        stream = self.open(length)
        self.send(self.agent, Started(stream), Head(stream, OK, None), Data(stream, b"a"))
        self.pair.pump()
        return stream

    def test_refused(self) -> None:
        """The agent has no slot; bytes of the body under way are discarded."""
        stream = self.open(None)
        self.agent.send(Refused(stream, BUSY))
        self.hub.send(Data(stream, b"abc"))
        self.assertEqual(self.pair.pump(), ([Refused(stream, BUSY)], []))
        self.assert_over(stream)

    def test_revoked(self) -> None:
        """A stream not started is given back."""
        stream = self.open()
        self.hub.send(Revoke(stream))
        self.assertEqual(self.pair.agent_receives(), [Revoke(stream)])
        self.agent.send(Revoked(stream))
        self.assertEqual(self.pair.hub_receives(), [Revoked(stream)])
        self.assert_over(stream)

    def test_revoke_too_late(self) -> None:
        """STARTED has crossed with REVOKE and wins."""
        stream = self.open()
        self.agent.send(Started(stream))
        self.hub.send(Revoke(stream))
        self.assertEqual(self.pair.pump(), ([Started(stream)], []))
        self.send(self.agent, Head(stream, OK, 0))
        self.assertEqual(self.pair.hub_receives(), [Head(stream, OK, 0)])
        self.assert_over(stream)

    def test_revoke_after_the_end(self) -> None:
        """So has the end."""
        stream = self.open()
        self.agent.send(Refused(stream, BUSY))
        self.hub.send(Revoke(stream))
        self.assertEqual(self.pair.pump(), ([Refused(stream, BUSY)], []))

    def test_revoke_asked_but_started(self) -> None:
        """The agent may start a stream all the same."""
        stream = self.open()
        self.hub.send(Revoke(stream))
        self.pair.pump()
        self.send(self.agent, Started(stream), Head(stream, OK, 0))
        self.assertEqual(self.pair.hub_receives(), [Started(stream), Head(stream, OK, 0)])
        self.assert_over(stream)

    def test_hub_resets(self) -> None:
        """The application left: the agent confirms, and what it sent meanwhile is discarded."""
        stream = self.answering()
        self.hub.send(Reset(stream, CANCELLED, "gone"))
        self.agent.send(Data(stream, b"b"))
        self.assertEqual(self.pair.agent_receives(), [Reset(stream, CANCELLED, "gone")])
        self.assertTrue(self.hub.is_live(stream))
        self.assertEqual(self.pair.hub_receives(), [Reset(stream, NO_ERROR)])
        self.assert_over(stream)

    def test_hub_resets_unopened(self) -> None:
        """OPEN and RESET may stand in one message."""
        stream = self.hub.open(GET, None)
        self.send(self.hub, Data(stream, b"x" * 10), Reset(stream, CANCELLED))
        hub_events, agent_events = self.pair.pump()
        self.assertEqual(agent_events, [Open(stream, GET, None), Reset(stream, CANCELLED)])
        self.assertEqual(hub_events, [Reset(stream, NO_ERROR)])
        self.assert_over(stream)

    def test_hub_resets_an_answer_that_ends(self) -> None:
        """The answer's end crosses with RESET and confirms it."""
        stream = self.answering(None)
        self.hub.send(Reset(stream, CANCELLED))
        self.send(self.agent, Data(stream, b"b"), End(stream))
        self.assertEqual(self.pair.pump(), ([End(stream)], []))
        self.assert_over(stream)

    def test_hub_resets_what_is_starting(self) -> None:
        """Everything up to the end is discarded, whatever it is."""
        stream = self.open()
        self.hub.send(Reset(stream, CANCELLED))
        self.send(self.agent, Started(stream), Head(stream, b"103", None, interim=True), Head(stream, OK, 0))
        self.assertEqual(self.pair.pump(), ([Head(stream, OK, 0)], []))
        self.assert_over(stream)

    def test_agent_resets(self) -> None:
        """The upstream broke: the hub hears of it once, the upload is discarded."""
        stream = self.answering(None)
        self.agent.send(Reset(stream, ErrorCode.UPSTREAM_BROKE, "cut"))
        self.hub.send(Data(stream, b"b"))
        self.assertEqual(self.pair.pump(), ([Reset(stream, ErrorCode.UPSTREAM_BROKE, "cut")], []))
        self.assert_over(stream)

    def test_agent_resets_a_whole_request(self) -> None:
        """Nothing is left that the hub could confirm."""
        stream = self.answering()
        self.agent.send(Reset(stream, ErrorCode.UPSTREAM_BROKE))
        self.assertEqual(self.pair.pump(), ([Reset(stream, ErrorCode.UPSTREAM_BROKE)], []))
        self.assert_over(stream)

    def test_agent_resets_while_the_upload_ends(self) -> None:
        """END has crossed with RESET and confirms it."""
        stream = self.answering(None)
        self.agent.send(Reset(stream, ErrorCode.UPSTREAM_BROKE))
        self.send(self.hub, Data(stream, b"b"), End(stream))
        self.assertEqual(self.pair.pump(), ([Reset(stream, ErrorCode.UPSTREAM_BROKE)], []))
        self.assert_over(stream)

    def test_both_reset(self) -> None:
        """Each RESET confirms the other."""
        stream = self.answering(None)
        self.agent.send(Reset(stream, ErrorCode.UPSTREAM_BROKE))
        self.hub.send(Reset(stream, CANCELLED))
        self.assertEqual(self.pair.pump(), ([Reset(stream, ErrorCode.UPSTREAM_BROKE)], []))
        self.assert_over(stream)

    def test_reset_drops_what_waits(self) -> None:
        """Bytes without credit, and the END behind them, are not sent any more."""
        stream = self.answering()
        self.send(self.agent, Data(stream, b"x" * 2 * WELCOME.window), End(stream))
        self.pair.pump()
        self.agent.send(Reset(stream, CANCELLED))
        self.assertEqual(self.agent.queued(stream), 0)
        self.assertEqual(self.pair.pump(), ([Reset(stream, CANCELLED)], []))
        self.assert_over(stream)

    def test_agent_breaks_off(self) -> None:
        """What came before goes first, as the hub gives credit, and the upload does not matter meanwhile."""
        stream = self.answering(None)
        self.agent.send(Data(stream, b"x" * WELCOME.window))
        self.agent.break_off(Reset(stream, ErrorCode.UPSTREAM_BROKE))
        self.hub.send(Data(stream, b"b"))
        hub, agent = self.pair.pump()
        self.assertEqual((bodies(hub), agent), (b"x" * (WELCOME.window - 1), [Data(stream, b"b")]))
        self.assertRaises(LocalProtocolError, self.agent.send, Data(stream, b"more"))
        self.hub.consumed(stream, WELCOME.window)
        self.assertEqual(self.pair.pump(), ([Data(stream, b"x"), Reset(stream, ErrorCode.UPSTREAM_BROKE)], []))
        self.assert_over(stream)

    def test_agent_breaks_off_a_whole_request(self) -> None:
        """The last byte and RESET may stand in one message; where nothing waits, RESET is all."""
        for data in ([b"x"], []):
            stream = self.answering()
            self.send(self.agent, *(Data(stream, piece) for piece in data))
            self.agent.break_off(Reset(stream, ErrorCode.UPSTREAM_BROKE))
            (message,) = messages(self.agent)
            expected = [*(Data(stream, piece) for piece in data), Reset(stream, ErrorCode.UPSTREAM_BROKE)]
            self.assertEqual((message, self.hub.receive(b"".join(map(encode, message)))), (expected, expected))
            self.assert_over(stream)

    def test_hub_resets_what_breaks_off(self) -> None:
        """Nobody wants what waits any more."""
        stream = self.answering()
        self.agent.send(Data(stream, b"x" * (WELCOME.window + 1)))
        self.pair.pump()
        self.agent.break_off(Reset(stream, ErrorCode.UPSTREAM_BROKE))
        self.hub.send(Reset(stream, CANCELLED))
        self.assertEqual(self.pair.pump(), ([Reset(stream, NO_ERROR)], [Reset(stream, CANCELLED)]))
        self.assert_over(stream)

    def test_breaking_off_behind_an_end(self) -> None:
        """An END that waits says more than has become true: RESET is all that goes."""
        stream = self.answering()
        self.send(self.agent, Data(stream, b"x" * (WELCOME.window + 1)), End(stream))
        self.pair.pump()
        self.agent.break_off(Reset(stream, ErrorCode.UPSTREAM_BROKE))
        self.assertEqual(self.pair.pump(), ([Reset(stream, ErrorCode.UPSTREAM_BROKE)], []))
        self.assert_over(stream)

    def test_answer_ends_before_a_waiting_end(self) -> None:
        """An END that waits for credit has not ended the hub's half: RESET does."""
        stream = self.open(None)
        self.send(self.hub, Data(stream, b"x" * 2 * HELLO.window), End(stream))
        self.send(self.agent, Started(stream), Head(stream, OK, 0))
        self.assertEqual(self.pair.pump(), ([Started(stream), Head(stream, OK, 0)], []))
        self.assert_over(stream)

    def test_late_frames_are_dropped(self) -> None:
        """What an end sends for a stream that has just ended goes nowhere."""
        stream = self.answering(None)
        self.hub.send(Reset(stream, CANCELLED))
        self.send(self.hub, Data(stream, b"x"), End(stream), Reset(stream, CANCELLED), Revoke(stream))
        self.pair.agent_receives()
        late: list[Frame] = [Started(stream), Head(stream, OK, 0), Data(stream, b"x"), End(stream)]
        self.send(self.agent, *late, Reset(stream, CANCELLED))
        self.assertEqual(self.pair.hub_receives(), [Reset(stream, NO_ERROR)])
        self.send(self.hub, Data(stream, b"x"), End(stream), Reset(stream, CANCELLED))
        self.hub.consumed(stream, 5)
        self.hub.resize(stream, 5)
        self.assertEqual(self.hub.queued(stream), 0)
        self.assert_over(stream)

    def test_no_credit_after_the_own_end(self) -> None:
        """An agent that has answered takes nothing more of the upload."""
        stream = self.open(None)
        self.hub.send(Data(stream, b"x" * HELLO.window))
        self.pair.pump()
        self.send(self.agent, Started(stream), Head(stream, OK, 0))
        self.agent.consumed(stream, HELLO.window)
        self.agent.resize(stream, 2**20)
        self.assertEqual(messages(self.agent), [[Started(stream), Head(stream, OK, 0)]])


class UpgradeTests(ConversationCase):
    """Streams that become a connection of bytes."""

    def switched(self) -> int:
        """A stream of a switched protocol."""
        stream = self.hub.open(GET, 0, upgrade=True)
        self.assertEqual(self.pair.agent_receives(), [Open(stream, GET, 0, upgrade=True)])
        head = Head(stream, b"101", None, upgrade=True)
        self.send(self.agent, Started(stream), head, Data(stream, b"hello"))
        self.assertEqual(self.pair.hub_receives(), [Started(stream), head, Data(stream, b"hello")])
        return stream

    def test_both_ways(self) -> None:
        """Bytes go both ways."""
        stream = self.switched()
        self.hub.send(Data(stream, b"a"))
        self.agent.send(Data(stream, b"b"))
        self.assertEqual(self.pair.pump(), ([Data(stream, b"b")], [Data(stream, b"a")]))

    def test_hub_ends_first(self) -> None:
        """The application's half ends, the upstream's goes on."""
        stream = self.switched()
        self.hub.send(End(stream))
        self.assertEqual(self.pair.pump(), ([], [End(stream)]))
        self.send(self.agent, Data(stream, b"b"), End(stream))
        self.assertEqual(self.pair.pump(), ([Data(stream, b"b"), End(stream)], []))
        self.assert_over(stream)

    def test_agent_ends_first(self) -> None:
        """The upstream's half ends, the application's goes on."""
        stream = self.switched()
        self.agent.send(End(stream))
        self.assertEqual(self.pair.pump(), ([End(stream)], []))
        self.send(self.hub, Data(stream, b"b"), End(stream))
        self.assertEqual(self.pair.pump(), ([], [Data(stream, b"b"), End(stream)]))
        self.assert_over(stream)

    def test_agent_ends_then_resets(self) -> None:
        """The half that is still open can be given up by either end."""
        stream = self.switched()
        self.send(self.agent, End(stream), Reset(stream, ErrorCode.UPSTREAM_BROKE))
        self.assertEqual(self.pair.pump(), ([End(stream), Reset(stream, ErrorCode.UPSTREAM_BROKE)], []))
        self.assert_over(stream)

    def ended_with_bytes_waiting(self) -> int:
        """A stream whose agent has said more than the hub takes yet, and that it was all."""
        stream = self.switched()
        self.send(self.agent, Data(stream, b"x" * WELCOME.window), End(stream))
        self.pair.pump()
        return stream

    def test_agent_breaks_off_behind_its_end(self) -> None:
        """What it said goes first, as the hub gives credit, and that it was all; what the hub says is discarded."""
        stream = self.ended_with_bytes_waiting()
        self.agent.break_off(Reset(stream, ErrorCode.UPSTREAM_BROKE))
        self.hub.send(Data(stream, b"b"))
        self.assertEqual(self.pair.pump(), ([], [Data(stream, b"b")]))
        self.hub.consumed(stream, WELCOME.window)
        end = [Data(stream, b"x" * 5), End(stream), Reset(stream, ErrorCode.UPSTREAM_BROKE)]
        self.assertEqual(self.pair.pump(), (end, []))
        self.assert_over(stream)

    def test_both_end_before_the_agent_breaks_off(self) -> None:
        """Then there is nothing left to break off."""
        stream = self.ended_with_bytes_waiting()
        self.agent.break_off(Reset(stream, NO_ERROR))
        self.hub.send(End(stream))
        self.assertEqual(self.pair.pump(), ([], [End(stream)]))
        self.hub.consumed(stream, WELCOME.window)
        self.assertEqual(self.pair.pump(), ([Data(stream, b"x" * 5), End(stream)], []))
        self.assert_over(stream)

    def test_hub_resets_what_breaks_off(self) -> None:
        """Nobody wants what waits any more."""
        stream = self.ended_with_bytes_waiting()
        self.agent.break_off(Reset(stream, NO_ERROR))
        self.hub.send(Reset(stream, CANCELLED))
        self.assertEqual(self.pair.pump(), ([Reset(stream, NO_ERROR)], [Reset(stream, CANCELLED)]))
        self.assert_over(stream)

    def test_hub_resets_the_rest(self) -> None:
        """Nothing is left to confirm."""
        stream = self.switched()
        self.agent.send(End(stream))
        self.pair.pump()
        self.hub.send(Reset(stream, CANCELLED))
        self.assertEqual(self.pair.pump(), ([], [Reset(stream, CANCELLED)]))
        self.assert_over(stream)

    def test_refused(self) -> None:
        """An ordinary answer ends the hub's half before it began."""
        stream = self.hub.open(GET, 0, upgrade=True)
        self.pair.pump()
        self.assertRaises(LocalProtocolError, self.hub.send, Data(stream, b"a"))
        self.assertRaises(LocalProtocolError, self.hub.send, End(stream))
        self.send(self.agent, Started(stream), Head(stream, OK, 2), Data(stream, b"no"), End(stream))
        self.assertEqual(len(self.pair.hub_receives()), 4)
        self.assert_over(stream)

    def test_not_asked_for(self) -> None:
        """Only an upgrade that was asked for can be granted."""
        stream = self.hub.open(GET, 0)
        self.pair.pump()
        self.agent.send(Started(stream))
        head = Head(stream, b"101", None, upgrade=True)
        self.assertRaises(LocalProtocolError, self.agent.send, head)
        self.pair.pump()
        self.assertRaises(RemoteProtocolError, self.hub.receive, encode(head))

    def test_no_body(self) -> None:
        """A request to upgrade has no body."""
        for length in (None, 1):
            self.assertRaises(LocalProtocolError, self.hub.open, GET, length, False, True)


class CreditTests(ConversationCase):
    """How bodies wait."""

    def upload(self, size: int, length: int | None = None, prefetch: bool = False) -> int:
        """A request with so many bytes of body, sent as far as credit goes."""
        stream = self.hub.open(GET, length, prefetch)
        self.hub.send(Data(stream, b"x" * size))
        return stream

    def test_waits(self) -> None:
        """Beyond the window nothing is sent until some is used."""
        stream = self.upload(HELLO.window + 10)
        self.hub.send(End(stream))
        self.assertEqual(len(bodies(self.pair.agent_receives())), HELLO.window)
        self.assertEqual(self.hub.queued(stream), 10)
        self.agent.consumed(stream, HELLO.window // 2)
        self.assertEqual(self.pair.pump(), ([], [Data(stream, b"x" * 10), End(stream)]))
        self.assertEqual(self.hub.queued(stream), 0)

    def test_few_grants(self) -> None:
        """Credit is granted by half windows."""
        stream = self.upload(HELLO.window)
        self.pair.agent_receives()
        for _ in range(HELLO.window // 1024):
            self.agent.consumed(stream, 1024)
        half = HELLO.window // 2
        self.assertEqual(messages(self.agent), [[Credit(stream, half), Credit(stream, half)]])

    def test_grows(self) -> None:
        """A window may be made larger while a body runs."""
        stream = self.upload(4 * HELLO.window)
        self.pair.pump()
        self.agent.resize(stream, 3 * HELLO.window)
        self.assertEqual(len(bodies(self.pair.pump()[1])), 2 * HELLO.window)

    def test_prefetch(self) -> None:
        """A prefetched body has a window of its own until the request is started."""
        self.pair = TunnelPair(Hello(agent_id="a", name="n", slots=1, window=1000, prefetch_window=100))
        self.hub, self.agent = self.pair.hub, self.pair.agent
        stream = self.upload(5000, prefetch=True)
        self.assertEqual(len(bodies(self.pair.pump()[1])), 100)
        self.agent.send(Started(stream))
        self.assertEqual(len(bodies(self.pair.pump()[1])), 900)

    def test_resume(self) -> None:
        """Who filled a queue is told once when it is short again."""
        stream = self.upload(HELLO.window + LOW_WATER + 1)
        self.assertEqual(self.hub.drained(), [])
        self.pair.pump()
        self.assertEqual(self.hub.drained(), [])
        self.agent.consumed(stream, HELLO.window)
        self.pair.pump()
        self.assertEqual((self.hub.drained(), self.hub.drained()), ([stream], []))

    def test_resume_at_the_mark(self) -> None:
        """Short means: no more than the mark."""
        self.pair = TunnelPair(Hello(agent_id="a", name="n", slots=1, window=1))
        self.hub = self.pair.hub
        stream = self.upload(LOW_WATER + 1)
        self.pair.flush_hub()
        self.assertEqual((self.hub.queued(stream), self.hub.drained()), (LOW_WATER, [stream]))

    def test_nobody_to_resume(self) -> None:
        """A queue that was dropped wakes nobody."""
        stream = self.upload(HELLO.window + LOW_WATER + 1)
        self.hub.send(Reset(stream, CANCELLED))
        self.pair.pump()
        self.assertEqual(self.hub.drained(), [])

    def test_other_streams_go_on(self) -> None:
        """One stream that waits for credit holds up nobody."""
        self.upload(10 * HELLO.window)
        self.pair.pump()
        other = self.upload(10)
        self.assertEqual(self.pair.agent_receives()[1:], [Data(other, b"x" * 10)])

    def test_more_used_than_received(self) -> None:
        """Our own mistake."""
        stream = self.upload(10)
        self.pair.pump()
        self.assertRaises(LocalProtocolError, self.agent.consumed, stream, 11)

    def test_declared_length(self) -> None:
        """More or less than was declared is not sent."""
        stream = self.upload(10, length=11)
        self.assertRaises(LocalProtocolError, self.hub.send, End(stream))
        self.assertRaises(LocalProtocolError, self.hub.send, Data(stream, b"xx"))
        self.send(self.hub, Data(stream, b"x"), End(stream))
        self.assertRaises(LocalProtocolError, self.hub.send, End(stream))
        self.assertRaises(LocalProtocolError, self.hub.send, Data(stream, b"x"))


class PackingTests(ConversationCase):
    """What one message holds."""

    def test_control_first(self) -> None:
        """Frames without body bytes go before bodies."""
        stream = self.hub.open(GET, None)
        self.send(self.hub, Data(stream, b"x"), Ping(1), Drain())
        self.assertEqual(messages(self.hub), [[Open(stream, GET, None), Ping(1), Drain(), Data(stream, b"x")]])

    def test_round_robin(self) -> None:
        """Bodies take turns by pieces."""
        streams = [self.hub.open(GET, None) for _ in range(3)]
        messages(self.hub)
        for stream in streams:
            self.hub.send(Data(stream, b"x" * 2 * PIECE))
        first, second = messages(self.hub)
        turns = [frame.stream_id for frame in first + second if isinstance(frame, Data)]
        self.assertEqual(turns, [1, 2, 3, 1, 2, 3])

    def test_full_message(self) -> None:
        """A message holds four pieces, and the trailers behind the last."""
        streams = [self.hub.open(GET, None) for _ in range(4)]
        messages(self.hub)
        for stream in streams:
            self.hub.send(Data(stream, b"x" * PIECE))
        self.hub.send(End(4, [(b"x", b"y" * (TRAILERS_LIMIT - 7))]))
        message = self.hub.next_message() or b""
        self.assertEqual(len(message), FILL + 12 + TRAILERS_LIMIT)
        self.assertLessEqual(len(message), MESSAGE_LIMIT)
        self.assertIsNone(self.hub.next_message())

    def test_full_with_control_frames(self) -> None:
        """What control frames take is not there for bodies."""
        stream = self.hub.open(GET, None)
        self.hub.send(Data(stream, b"x" * 6 * PIECE))
        self.assertEqual(len(self.hub.next_message() or b""), FILL)

    def test_pieces_are_joined(self) -> None:
        """Many small pieces of one stream leave as one."""
        stream = self.hub.open(GET, None)
        messages(self.hub)
        for _ in range(1000):
            self.hub.send(Data(stream, b"ab"))
        self.assertEqual(messages(self.hub), [[Data(stream, b"ab" * 1000)]])

    def test_many_control_frames(self) -> None:
        """Control frames that exceed a message fill several, in order, before any body."""
        head = b"x" * (FILL // 3)
        streams = [self.hub.open(head, None) for _ in range(5)]
        for stream in streams:
            self.hub.send(Data(stream, b"x"))
        sent = messages(self.hub)
        self.assertEqual([len(frames) for frames in sent], [2, 2, 6])
        opened = [frame.stream_id for frames in sent for frame in frames if isinstance(frame, Open)]
        self.assertEqual(opened, streams)

    def test_largest_head(self) -> None:
        """The largest head leaves in a message of its own."""
        for _ in range(2):
            self.hub.open(b"x" * HEAD_LIMIT, 0)
        sizes = [len(self.hub.next_message() or b"") for _ in range(2)]
        self.assertEqual(sizes, [12 + 9 + HEAD_LIMIT] * 2)
        self.assertLessEqual(sizes[0], MESSAGE_LIMIT)

    def test_too_large_head(self) -> None:
        """A head that fits no frame is refused, and no stream begun."""
        self.assertRaises(LocalProtocolError, self.hub.open, b"x" * (HEAD_LIMIT + 1), 0)
        self.assertEqual((self.hub.live, self.hub.next_message()), (0, None))

    def test_full_socket(self) -> None:
        """While the socket is full, bodies wait and control frames go."""
        stream = self.hub.open(GET, None)
        self.hub.send(Data(stream, b"x"))
        self.assertEqual(decode(self.hub.next_message(data=False) or b""), [Open(stream, GET, None)])
        self.assertIsNone(self.hub.next_message(data=False))
        self.assertEqual(messages(self.hub), [[Data(stream, b"x")]])

    def test_dropped_in_its_turn(self) -> None:
        """A body that was dropped while it stood in the queue is passed over."""
        streams = [self.hub.open(GET, None) for _ in range(2)]
        messages(self.hub)
        for stream in streams:
            self.hub.send(Data(stream, b"x"))
        self.hub.send(Reset(1, CANCELLED))
        self.assertEqual(messages(self.hub), [[Reset(1, CANCELLED), Data(2, b"x")]])


class LinkTests(ConversationCase):
    """Frames about the link."""

    def test_ping(self) -> None:
        """PING is answered and not delivered; PONG is."""
        self.hub.send(Ping(7))
        self.agent.send(Ping(8))
        self.assertEqual(self.pair.pump(), ([Pong(7)], [Pong(8)]))

    def test_capacity_and_drain(self) -> None:
        """Capacity is the agent's to say; either end may drain."""
        self.send(self.agent, Capacity(0), Drain())
        self.hub.send(Drain())
        self.assertEqual(self.pair.pump(), ([Capacity(0), Drain()], [Drain()]))

    def test_out_of_place(self) -> None:
        """Frames of the other end, and those that are sent by other means, cannot be sent."""
        stream = self.hub.open(GET, None)
        self.pair.pump()
        for frame in each(Started(stream), Head(stream, OK, 0), Revoked(stream), Refused(stream, BUSY), Capacity(1)):
            self.assertRaises(LocalProtocolError, self.hub.send, frame)
        for frame in each(Revoke(stream), Open(2, GET, 0)):
            self.assertRaises(LocalProtocolError, self.agent.send, frame)
        for end in (self.hub, self.agent):
            for frame in each(Pong(1), Credit(stream, 1), Open(9, GET, 0), HELLO, WELCOME):
                self.assertRaises(LocalProtocolError, end.send, frame)
        self.assertRaises(LocalProtocolError, self.agent.open, GET, 0)

    def test_unknown_stream(self) -> None:
        """A stream that never was is our own mistake."""
        for frame in each(Data(1, b"x"), End(1), Reset(1, CANCELLED), Revoke(1), Reset(0, CANCELLED)):
            self.assertRaises(LocalProtocolError, self.hub.send, frame)
        for frame in each(Started(1), Head(1, OK, 0)):
            self.assertRaises(LocalProtocolError, self.agent.send, frame)

    def test_stream_limit(self) -> None:
        """Neither end bears more live streams than its limit."""
        pair = TunnelPair(limits=TunnelLimits(max_streams=2))
        pair.hub.open(GET, 0)
        pair.hub.open(GET, 0)
        self.assertRaises(LocalProtocolError, pair.hub.open, GET, 0)
        pair.pump()
        self.assertRaises(RemoteProtocolError, pair.agent.receive, encode(Open(3, GET, 0)))


class HostileTests(SynchronousTestCase):
    """A peer that keeps no rule gets its link closed, and nothing else happens."""

    def assert_violation(self, end: Role, *frames: Frame) -> None:
        """An end, greeted, refuses the last of the frames and only that. The hub has opened stream 1."""
        pair = TunnelPair()
        connection = pair.agent
        if end is Role.HUB:
            connection = pair.hub
            pair.hub.open(GET, 0)
            pair.pump()
        for frame in frames[:-1]:
            connection.receive(encode(frame))
        self.assertRaises(RemoteProtocolError, connection.receive, encode(frames[-1]))

    def test_agent(self) -> None:
        """What a hostile agent may try with one live stream."""
        started, head, whole = Started(1), Head(1, OK, None), Head(1, OK, 0)
        tries: list[list[Frame]] = [
            [head],
            [Data(1, b"x")],
            [End(1)],
            [Revoked(1)],
            [started, started],
            [started, Data(1, b"x")],
            [started, End(1)],
            [started, Refused(1, BUSY)],
            [started, Revoked(1)],
            [started, head, head],
            [started, head, Head(1, b"103", None, interim=True)],
            [started, head, started],
            [started, Head(1, OK, 2), Data(1, b"xyz")],
            [started, Head(1, OK, 2), Data(1, b"x"), End(1)],
            [started, head, *[Data(1, b"x" * 65536)] * 4, Data(1, b"x")],
            [started, whole, Data(1, b"x")],
            [started, whole, End(1)],
            [started, whole, whole],
            [started, whole, started],
            [Refused(1, BUSY), started],
            [Refused(1, BUSY), Refused(1, BUSY)],
            [started, Head(1, b"101", None, upgrade=True)],
            [Revoke(1)],
            [Open(2, GET, 0)],
            [Open(1, GET, 0)],
            [HELLO],
            [WELCOME],
            *[
                [frame]
                for frame in each(Started(2), Head(2, OK, 0), Data(2, b"x"), End(2), Revoked(2), Refused(2, BUSY))
            ],
            *[[frame] for frame in each(Reset(2, CANCELLED), Credit(2, 1), Reset(0, CANCELLED), Credit(0, 1))],
            *[[frame] for frame in each(Started(0), Data(0, b"x"), Data(2**64 - 1, b"x"))],
            [Credit(1, 2**31 - 1)],
        ]
        for tried in tries:
            self.assert_violation(Role.HUB, *tried)

    def test_hub(self) -> None:
        """What a hostile hub may try."""
        upload, whole = Open(5, GET, None), Open(5, GET, 0)
        tries: list[list[Frame]] = [
            [Open(0, GET, 0)],
            [whole, whole],
            [whole, Open(4, GET, 0)],
            [whole, Data(5, b"x")],
            [whole, End(5)],
            [whole, Revoke(5), Revoke(5)],
            [upload, End(5), End(5)],
            [upload, End(5), Data(5, b"x")],
            [Open(5, GET, 1), Data(5, b"xy")],
            [Open(5, GET, 1), End(5)],
            [upload, *[Data(5, b"x" * 65536)] * 4, Data(5, b"x")],
            [upload, Credit(5, 2**31 - 1)],
            [upload, Reset(5, CANCELLED), Data(5, b"x")],
            [upload, Reset(5, CANCELLED), End(5)],
            [Open(5, GET, 0, upgrade=True), Data(5, b"x")],
            [Open(5, GET, 0, upgrade=True), End(5)],
            [Started(5)],
            [Capacity(1)],
            [HELLO],
            [WELCOME],
            *[
                [frame]
                for frame in each(Data(9, b"x"), End(9), Reset(9, CANCELLED), Credit(9, 1), Revoke(9), Revoke(0))
            ],
            *[[whole, frame] for frame in each(Started(5), Head(5, OK, 0), Revoked(5), Refused(5, BUSY))],
        ]
        for tried in tries:
            self.assert_violation(Role.AGENT, *tried)

    def test_credit_counts_in_what_is_discarded(self) -> None:
        """A stream given up has no more credit than any other."""
        pair = TunnelPair()
        pair.hub.open(GET, 0)
        pair.pump()
        pair.agent.send(Started(1))
        pair.pump()
        pair.hub.send(Reset(1, CANCELLED))
        data = encode(Data(1, b"x" * 65536))
        for _ in range(4):
            self.assertEqual(pair.hub.receive(data), [])
        self.assertRaises(RemoteProtocolError, pair.hub.receive, data)

    def test_crossing_frames_are_ignored(self) -> None:
        """RESET and CREDIT for a stream that is over may have crossed with its end, however often."""
        pair = TunnelPair()
        pair.hub.open(GET, 0)
        pair.pump()
        pair.agent.send(Refused(1, BUSY))
        pair.pump()
        for frame in each(Reset(1, CANCELLED), Credit(1, 5), Credit(1, 2**32 - 1)) * 2:
            self.assertEqual(pair.hub.receive(encode(frame)), [])
        for frame in each(Reset(1, CANCELLED), Credit(1, 5), Revoke(1)) * 2:
            self.assertEqual(pair.agent.receive(encode(frame)), [])

    def test_skipped_ids_are_over(self) -> None:
        """An id the hub skipped counts as over."""
        agent = TunnelPair().agent
        agent.receive(encode(Open(5, GET, 0)))
        self.assertEqual(agent.receive(encode(Reset(3, CANCELLED))), [])
        self.assertRaises(RemoteProtocolError, agent.receive, encode(Data(3, b"x")))

    def test_too_long(self) -> None:
        """A message beyond the limit is refused unread."""
        hub = TunnelPair(limits=TunnelLimits(chatter=10_000)).hub
        hub.receive(encode(Ping(1)) * (MESSAGE_LIMIT // 20))
        self.assertRaises(RemoteProtocolError, hub.receive, encode(Ping(1)) * (MESSAGE_LIMIT // 20 + 1))

    @given(st.lists(st.tuples(frames, st.integers(1, 4)), max_size=20))
    def test_any_frames(self, sent: list[tuple[Frame, int]]) -> None:
        """Whatever frames come, they are taken or refused; nothing else goes wrong, at either end."""
        for role in Role:
            pair = TunnelPair()
            for length in (0, None, 5):
                pair.hub.open(GET, length)
            pair.pump()
            end = pair.hub if role is Role.HUB else pair.agent
            with contextlib.suppress(RemoteProtocolError):
                for frame, stream_id in sent:
                    end.receive(encode(frame)[:4] + stream_id.to_bytes(8, "big") + encode(frame)[12:])
                    while end.next_message() is not None:
                        pass

    def test_flood_of_pings(self) -> None:
        """One message holds no more chatter than the limit, in all."""
        hub = TunnelPair(limits=TunnelLimits(chatter=10)).hub
        hub.receive(encode(Ping(1)) * 6 + encode(Pong(1)) * 4)
        self.assertEqual(hub.chatter, 10)
        self.assertRaises(RemoteProtocolError, hub.receive, encode(Ping(1)) * 6 + encode(Capacity(1)) * 5)

    def test_never_reads(self) -> None:
        """A peer that makes us answer and never reads loses the link."""
        hub = TunnelPair(limits=TunnelLimits(backlog=1000)).hub
        for _ in range(50):
            hub.receive(encode(Ping(1)))
            hub.next_message(data=False)
        self.assertIsNone(hub.next_message())
        hub.receive(encode(Ping(1)) * 50)
        self.assertIsNotNone(hub.next_message(data=False))
        hub.receive(encode(Ping(1)))
        self.assertRaises(RemoteProtocolError, hub.next_message, False)


#: A frame of stream 1 for each step, and who sends it.
FRAMES: dict[Step, Frame] = {
    Step.STARTED: Started(1),
    Step.INTERIM: Head(1, b"", None, interim=True),
    Step.HEAD: Head(1, b"", None),
    Step.HEAD_WHOLE: Head(1, b"", 0),
    Step.SWITCH: Head(1, b"", None, upgrade=True),
    Step.DATA: Data(1, b"x"),
    Step.END: End(1),
    Step.RESET: Reset(1, NO_ERROR),
    Step.REVOKE: Revoke(1),
    Step.REVOKED: Revoked(1),
    Step.REFUSED: Refused(1, BUSY),
}
OPENS: list[tuple[int | None, bool]] = [(None, False), (0, False), (0, True)]


class Led:
    """One end with one stream, led through the table by sending and receiving."""

    def __init__(self, role: Role, opened: tuple[int | None, bool], path: tuple[tuple[bool, Step], ...]) -> None:
        pair = TunnelPair()
        self.end = pair.hub if role is Role.HUB else pair.agent
        length, upgrade = opened
        pair.hub.open(b"", length, upgrade=upgrade)
        pair.pump()
        for sending, step in path:
            self.take(sending, step)

    def take(self, sending: bool, step: Step) -> list[Frame]:
        """Send or receive the step's frame."""
        if not sending:
            return self.end.receive(encode(FRAMES[step]))
        self.end.send(FRAMES[step])
        self.end.next_message()
        return []

    @property
    def phase(self) -> Phase:
        """The stream's phase."""
        stream = self.end._streams.live.get(1)
        return Phase.OVER if stream is None else stream.phase


class TableWalkTests(SynchronousTestCase):
    """Every phase that an end can be in, times every frame, times both directions."""

    def test_hub(self) -> None:
        """The hub keeps to the table."""
        self.assertEqual(self.walk(Role.HUB), set(Phase) - {Phase.IDLE, Phase.LINGER, Phase.AGENT_RESET})

    def test_agent(self) -> None:
        """The agent keeps to the table."""
        self.assertEqual(self.walk(Role.AGENT), set(Phase) - {Phase.IDLE, Phase.HUB_RESET})

    def walk(self, role: Role) -> set[Phase]:
        """Try every step from each phase, reached by a shortest path; gives the phases."""
        reached: set[Phase] = set()
        waiting: list[tuple[tuple[int | None, bool], tuple[tuple[bool, Step], ...]]] = [(o, ()) for o in OPENS]
        while waiting:
            opened, path = waiting.pop(0)
            before = Led(role, opened, path).phase
            if before in reached:
                continue
            reached.add(before)
            for sending in (True, False):
                for step in FRAMES:
                    end = Led(role, opened, path)
                    if self.tried(role, end, sending, step):
                        waiting.append((opened, (*path, (sending, step))))
        return reached

    def tried(self, role: Role, end: Led, sending: bool, step: Step) -> bool:
        """Whether the step was taken, after checking that the table says so."""
        before = end.phase
        sender = role if sending else role.other
        after = NEXT.get((before, step, sender))
        if after is not None:
            end.take(sending, step)
            answered = after in (Phase.LINGER, Phase.AGENT_RESET) if role is Role.HUB else after is Phase.HUB_RESET
            self.assertIs(end.phase, Phase.OVER if answered and not sending else after, (before, step, sender))
            return True
        self.check_refused(end, role, sending, step)
        self.assertIs(end.phase, before)
        return False

    def check_refused(self, end: Led, role: Role, sending: bool, step: Step) -> None:
        """A step that no row allows is refused; for a stream that is over, dropped or ignored where it crossed."""
        sendable = {s for _, s, r in NEXT if r is role and s in FRAMES}
        if sending and step in sendable and (end.phase is Phase.OVER or end.phase in DEAF[role]):
            end.take(sending, step)
        elif sending:
            self.assertRaises(LocalProtocolError, end.take, sending, step)
        elif end.phase is Phase.OVER and step in (Step.RESET, Step.REVOKE if role is Role.AGENT else Step.RESET):
            self.assertEqual(end.take(sending, step), [])
        else:
            self.assertRaises(RemoteProtocolError, end.take, sending, step)
