"""Whatever upstream and caller do, in whatever order: the sink hears a story that makes sense, and all is freed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from slime.agent.upstream import UpstreamCall, UpstreamLimits
from slime.errors import LocalProtocolError
from slime.testing_upstream import Door
from tests.test_agent_upstream import CallCase, request

LETTERS = {"started": "s", "interim": "i", "head": "h", "data": "d", "end": "e", "failed": "f"}
WHOLE = re.compile(r"(s(i*(hd*e?)?)?)?f?")

FRAGMENTS = (
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 Early\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\n\r\n",
    b"HTTP/1.1 204 None\r\n",
    b"Content-Length: 2\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"\r\n",
    b"2\r\nhi\r\n",
    b"0\r\n\r\n",
    b"hi",
    b"\x00",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
)

ACTIONS = ("close", "reset", "half_close", "stop_reading", "read_on")
CALLS = ("abort", "pause", "resume", "write", "end", "big write")
QUESTIONS = ("GET", "POST 2", "POST ?", "GET upgrade")

steps = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.sampled_from(FRAGMENTS)),
        st.tuples(st.just("say"), st.binary(max_size=4)),
        st.tuples(st.just("upstream"), st.sampled_from(ACTIONS)),
        st.tuples(st.just("call"), st.sampled_from(CALLS)),
        st.tuples(st.just("ask"), st.sampled_from(QUESTIONS)),
        st.tuples(st.just("wait"), st.sampled_from([0.0, 0.1, 1.0, 5.0])),
        st.tuples(st.just("door"), st.sampled_from(Door)),
    ),
    max_size=20,
)


class Story(CallCase):
    """One run; not a test by itself."""

    limits = UpstreamLimits(connect_timeout=3.0, first_byte_timeout=2.0, stall_timeout=2.0)

    def runTest(self) -> None:
        """Only its steps are run."""

    def play(self, script: list[tuple[str, Any]]) -> None:
        """Run a script, and end it."""
        self.setUp()
        self.calls: list[tuple[UpstreamCall, Any]] = []
        perform: dict[str, Callable[[Any], None]] = {
            "say": self.speak,
            "upstream": self.act,
            "call": self.do,
            "ask": self.question,
            "wait": self.clock.advance,
            "door": self.set_door,
        }
        self.question("GET")
        for kind, what in script:
            perform[kind](what)
            self.check()
        self.finish()

    def speak(self, data: bytes) -> None:
        """The upstream says something, if it can."""
        if self.upstream.connections and self.upstream.last.lost is None:
            self.say(data)

    def act(self, what: str) -> None:
        """The upstream does something, if it can."""
        if self.upstream.connections and self.upstream.last.lost is None:
            getattr(self.upstream.last, what)()

    def do(self, what: str) -> None:
        """The caller does something."""
        call = self.calls[-1][0]
        try:
            if what == "write":
                call.write(b"a")
            elif what == "big write":
                call.write(b"a" * 70000)
            else:
                getattr(call, what)()
        except LocalProtocolError:
            call.abort()

    def question(self, what: str) -> None:
        """The caller asks something."""
        method, _, more = what.partition(" ")
        length = {"2": 2, "?": None}.get(more, 0)
        fields = [(b"Upgrade", b"x")] if more == "upgrade" else []
        call = self.ask(request(method.encode(), *fields), length)
        self.calls.append((call, self.sink))

    def set_door(self, door: Door) -> None:
        """Connections are met in another way."""
        if door is Door.OPEN:
            self.upstream.open()
        self.upstream.door = door

    def check(self) -> None:
        """Every sink has heard a sensible story, so far."""
        for _, sink in self.calls:
            story = "".join(LETTERS.get(name, "") for name in sink.names)
            assert WHOLE.fullmatch(story), story
            assert "f" not in story or "e" not in story, story
            over = [index for index, name in enumerate(sink.names) if name in ("end", "failed")]
            assert not over or over == [len(sink.names) - 1], sink.names

    def finish(self) -> None:
        """Give up whatever runs: no connection and no timer is left."""
        for call, _ in self.calls:
            call.abort()
        self.client.close()
        for connection in self.upstream.connections:
            connection.read_on()
        for _ in range(20):
            self.clock.advance(0.5)
        assert all(connection.lost for connection in self.upstream.connections)
        assert not self.clock.getDelayedCalls(), self.clock.getDelayedCalls()


class AnyTests(SynchronousTestCase):
    """Every order of events."""

    @given(steps)
    def test_any(self, script: list[tuple[str, Any]]) -> None:
        """Nothing is told after the end, and nothing is kept."""
        Story().play(script)
