"""Two ends, many streams, arbitrary interleaving: what must hold whatever both adapters and the network do."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from slime.errors import ErrorCode, LocalProtocolError
from slime.testing import TunnelPair
from slime.tunnel import (
    Credit,
    Data,
    End,
    Frame,
    Head,
    Hello,
    Open,
    Refused,
    Reset,
    Revoke,
    Revoked,
    Role,
    Started,
    TunnelConnection,
    Welcome,
    decode,
)

WINDOWS = {Role.HUB: 30, Role.AGENT: 40}
PREFETCH_WINDOW = 7
HELLO = Hello(agent_id="a", name="n", slots=1, window=WINDOWS[Role.AGENT], prefetch_window=PREFETCH_WINDOW)
WELCOME = Welcome(session="s", window=WINDOWS[Role.HUB])
TERMINAL = (End, Reset, Refused, Revoked)


@dataclass
class Half:
    """One direction of one stream, as the adapters and the wire have seen it."""

    credit: int
    sent: bytes = b""
    received: bytes = b""
    unused: int = 0
    on_wire: int = 0
    complete: bool = False


@dataclass
class Model:
    """One stream."""

    halves: dict[Role, Half]
    terminal: list[Frame] = field(default_factory=list)
    switched: bool = False
    broken: bool = False
    reset: set[Role] = field(default_factory=set)


def pattern(start: int, size: int) -> bytes:
    """Bytes that tell where they stand."""
    return bytes((start + n) % 251 for n in range(size))


picks = st.integers(0, 3)
roles = st.sampled_from(Role)

GIVING_UP: dict[str, Callable[[int], Frame]] = {
    "reset": lambda stream_id: Reset(stream_id, ErrorCode.CANCELLED),
    "revoke": Revoke,
    "revoked": Revoked,
    "refused": lambda stream_id: Refused(stream_id, ErrorCode.DRAINING),
}


class LinkMachine(RuleBasedStateMachine):
    """Adapters that do as they please, within what their own end lets them, on a link that delays as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = TunnelPair(HELLO, WELCOME)
        self.end = {Role.HUB: self.pair.hub, Role.AGENT: self.pair.agent}
        self.ways: dict[Role, deque[bytes]] = {Role.HUB: self.pair.to_agent, Role.AGENT: self.pair.to_hub}
        self.models: dict[int, Model] = {}
        self.known: dict[Role, list[int]] = {Role.HUB: [], Role.AGENT: []}

    # What adapters do

    @precondition(lambda self: self.pair.hub.live < 4)
    @rule(kind=st.sampled_from(["body", "body", "upgrade", "known", "whole"]), prefetch=st.booleans())
    def opens(self, kind: str, prefetch: bool) -> None:
        """The hub begins a stream."""
        length = {"body": None, "known": 60}.get(kind, 0)
        stream_id = self.pair.hub.open(b"head", length, prefetch, upgrade=kind == "upgrade")
        window = PREFETCH_WINDOW if prefetch else WINDOWS[Role.AGENT]
        self.models[stream_id] = Model({Role.HUB: Half(window), Role.AGENT: Half(WINDOWS[Role.HUB])})
        self.known[Role.HUB].append(stream_id)

    @rule(role=roles, pick=picks, size=st.integers(1, 50))
    def sends_data(self, role: Role, pick: int, size: int) -> None:
        """Some body."""
        for stream_id in self.choose(role, pick):
            half = self.models[stream_id].halves[role]
            data = pattern(len(half.sent), size)
            before = self.end[role].queued(stream_id)
            if self.attempt(role, Data(stream_id, data)) and self.end[role].queued(stream_id) > before:
                half.sent += data

    @rule(role=roles, pick=picks)
    def sends_end(self, role: Role, pick: int) -> None:
        """The end of a half."""
        for stream_id in self.choose(role, pick):
            self.attempt(role, End(stream_id, [(b"a", b"b")]))

    @rule(role=roles, pick=picks, how=st.sampled_from(["reset", "revoke", "revoked", "refused"]))
    def gives_up(self, role: Role, pick: int, how: str) -> None:
        """An end wants no more of a stream, or none of it."""
        for stream_id in self.choose(role, pick):
            if self.attempt(role, GIVING_UP[how](stream_id)) and how == "reset":
                self.models[stream_id].reset.add(role)

    @rule(pick=picks)
    def breaks_off(self, pick: int) -> None:
        """The agent gives a stream up, but for what it has sent."""
        for stream_id in self.choose(Role.AGENT, pick):
            model = self.models[stream_id]
            reset = Reset(stream_id, ErrorCode.UPSTREAM_BROKE)
            if self.attempt(Role.AGENT, reset, self.pair.agent.break_off):
                waits = self.pair.agent.queued(stream_id) > 0
                model.broken |= waits
                model.reset |= set() if waits else {Role.AGENT}

    @rule(pick=picks, kind=st.sampled_from(["started", "interim", "upgrade", "known", "whole", "body", "body"]))
    def answers(self, pick: int, kind: str) -> None:
        """The agent starts and mostly answers."""
        for stream_id in self.choose(Role.AGENT, pick):
            self.attempt(Role.AGENT, Started(stream_id))
            length = {"known": 20, "whole": 0}.get(kind)
            head = Head(stream_id, b"head", length, interim=kind == "interim", upgrade=kind == "upgrade")
            if kind != "started" and self.attempt(Role.AGENT, head) and kind == "upgrade":
                self.models[stream_id].switched = True

    @rule(role=roles, pick=picks, share=st.sampled_from([0.1, 0.5, 1.0]))
    def uses(self, role: Role, pick: int, share: float) -> None:
        """An adapter gets rid of bytes it received."""
        for stream_id in self.choose(role, pick):
            half = self.models[stream_id].halves[role.other]
            size = round(half.unused * share)
            half.unused -= size
            self.end[role].consumed(stream_id, size)

    @rule(role=roles, pick=picks, window=st.integers(1, 100))
    def resizes(self, role: Role, pick: int, window: int) -> None:
        """An adapter changes a window."""
        for stream_id in self.choose(role, pick):
            self.end[role].resize(stream_id, window)

    def choose(self, role: Role, pick: int) -> list[int]:
        """One of the newest streams that an adapter knows, if it knows any."""
        known = self.known[role]
        return [known[-1 - pick % len(known)]] if known else []

    def attempt(self, role: Role, frame: Frame, send: Callable[[Any], None] | None = None) -> bool:
        """Send a frame, unless our own end forbids it, which must change nothing."""
        end = self.end[role]
        before = (end.live, end.queued(frame.stream_id))  # type: ignore[union-attr]
        try:
            (send or end.send)(frame)
        except LocalProtocolError:
            assert before == (end.live, end.queued(frame.stream_id))  # type: ignore[union-attr]
            return False
        return True

    # What the network does

    @rule(role=roles, data=st.booleans())
    def flushes(self, role: Role, data: bool) -> None:
        """An end hands its messages to the network; the wire is watched."""
        while (message := self.end[role].next_message(data)) is not None:
            for frame in decode(message):
                self.watch(role, frame)
            self.ways[role].append(message)

    def watch(self, sender: Role, frame: Frame) -> None:
        """Nobody sends bytes without credit, which counts from when it has arrived."""
        if isinstance(frame, Data):
            half = self.models[frame.stream_id].halves[sender]
            half.on_wire += len(frame.data)
            assert half.on_wire <= half.credit

    @rule(role=roles)
    def delivers(self, role: Role) -> None:
        """The oldest message of an end arrives."""
        if self.ways[role]:
            message = self.ways[role].popleft()
            for frame in decode(message):
                if isinstance(frame, Credit):
                    self.models[frame.stream_id].halves[role.other].credit += frame.amount
            self.take_events(role.other, self.end[role.other].receive(message))

    @rule()
    def moves(self) -> None:
        """Everything sent so far arrives."""
        for role in Role:
            self.flushes(role, True)
            while self.ways[role]:
                self.delivers(role)

    def take_events(self, receiver: Role, events: Iterable[Frame]) -> None:
        """An adapter takes what its end delivers."""
        for event in events:
            stream_id = event.stream_id  # type: ignore[union-attr]
            model = self.models[stream_id]
            half = model.halves[receiver.other]
            assert not half.complete or isinstance(event, (Reset, Revoke)), event
            if isinstance(event, Open):
                self.known[Role.AGENT].append(stream_id)
            elif isinstance(event, Data):
                half.received += event.data
                half.unused += len(event.data)
                assert half.sent.startswith(half.received)
            elif isinstance(event, End):
                half.complete = True
                assert half.received == half.sent or receiver in model.reset
            elif isinstance(event, Reset) and receiver is Role.HUB and model.broken and not model.reset:
                assert half.received == half.sent
            if receiver is Role.HUB:
                self.count_terminal(model, event)

    def count_terminal(self, model: Model, event: Frame) -> None:
        """The slot is freed once; a switched stream may be given up after the agent's half."""
        assert not model.terminal or (model.switched and isinstance(event, Reset)), (model.terminal, event)
        if isinstance(event, TERMINAL) or (isinstance(event, Head) and event.length == 0):
            model.terminal.append(event)

    # What must hold

    @invariant()
    def a_stream_without_terminal_is_live(self) -> None:
        """The hub forgets no stream before its slot is free."""
        for stream_id, model in self.models.items():
            assert model.terminal or self.pair.hub.is_live(stream_id)

    def teardown(self) -> None:
        """The hub gives everything up: at once both ends have done with everything."""
        for stream_id, model in self.models.items():
            self.pair.hub.send(Reset(stream_id, ErrorCode.CANCELLED))
            model.reset.add(Role.HUB)
        self.moves()
        self.moves()
        assert_idle(self.pair.hub)
        assert_idle(self.pair.agent)
        for model in self.models.values():
            assert model.terminal


class PatientMachine(LinkMachine):
    """The same, but at the end everything is brought to its natural end, so that nothing may be missing."""

    def teardown(self) -> None:
        """Both adapters end what they can: bodies arrive whole although windows are small."""
        self.settle_using()
        for stream_id in self.known[Role.AGENT]:
            for frame in (Started(stream_id), Head(stream_id, b"", None), End(stream_id)):
                self.attempt(Role.AGENT, frame)
        self.settle_using()
        super().teardown()

    def settle_using(self) -> None:
        """Deliver and use until nothing moves: what waits for credit gets it."""
        self.moves()
        while any(half.unused for model in self.models.values() for half in model.halves.values()):
            for role in Role:
                for pick in range(len(self.known[role])):
                    self.uses(role, pick, 1.0)
            # Credit goes one way, then bytes go the other.
            self.moves()
            self.moves()
        for role in Role:
            for stream_id in self.models:
                assert not self.end[role].queued(stream_id)


def assert_idle(end: TunnelConnection) -> None:
    """Nothing is left."""
    assert not end.live
    assert end.next_message() is None
    assert end._outbox._ready == deque()


SHORT = settings(max_examples=40, stateful_step_count=40)


def walk(machine: LinkMachine, dice: Random, steps: int) -> None:
    """Play rules at random."""
    plays: list[Callable[[Role, int], None]] = [
        lambda role, pick: machine.sends_data(role, pick, dice.randint(1, 50)),
        lambda role, pick: machine.uses(role, pick, dice.random()),
        lambda role, pick: machine.flushes(role, dice.random() < 0.8),
        lambda role, pick: machine.delivers(role),
        lambda role, pick: machine.answers(
            pick, dice.choice(["started", "interim", "upgrade", "known", "whole", "body"])
        ),
        lambda role, pick: machine.sends_end(role, pick),
        lambda role, pick: machine.resizes(role, pick, dice.randint(1, 100)),
        lambda role, pick: machine.breaks_off(pick),
        lambda role, pick: machine.gives_up(role, pick, dice.choice(list(GIVING_UP))),
    ]
    for _ in range(steps):
        if machine.pair.hub.live < 4 and dice.random() < 0.2:
            machine.opens(dice.choice(["body", "upgrade", "known", "whole"]), dice.random() < 0.3)
        (play,) = dice.choices(plays, (30, 15, 12, 15, 7, 5, 3, 1, 3))
        play(dice.choice(list(Role)), dice.randrange(4))
        machine.a_stream_without_terminal_is_live()
    machine.teardown()


class MachineTests(SynchronousTestCase):
    """Run the machines."""

    def test_given_up(self) -> None:
        """Whatever was going on, giving up leaves nothing behind."""
        run_state_machine_as_test(LinkMachine, settings=SHORT)

    def test_long_walks(self) -> None:
        """The same rules, for longer than hypothesis plays, on dice that always fall alike."""
        for seed in range(30):
            walk(PatientMachine() if seed % 2 else LinkMachine(), Random(seed), 300)

    def test_brought_to_an_end(self) -> None:
        """Whatever was going on, what is ended arrives whole."""
        run_state_machine_as_test(PatientMachine, settings=SHORT)
