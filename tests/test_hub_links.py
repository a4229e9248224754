"""Agents at the hub's door and on their links: what they may do, and what becomes of those that do not."""

from __future__ import annotations

import time

from twisted.trial.unittest import SynchronousTestCase

import slime
from slime.errors import ErrorCode
from slime.hub import links
from slime.hub.links import LinkPolicy
from slime.tunnel import (
    Capacity,
    Credit,
    Data,
    Drain,
    End,
    Frame,
    Head,
    Open,
    Ping,
    Pong,
    Refused,
    Reset,
    Revoke,
    Revoked,
    Started,
    Welcome,
    encode,
)
from tests.link_fixture import SECRET, AgentPeer, AppPeer, MemoryHub, token

OK_HEAD = b"HTTP/1.1 200 OK\r\nX-Up: yes\r\n\r\n"


class DoorTests(SynchronousTestCase):
    """Who gets in."""

    def setUp(self) -> None:
        self.hub = MemoryHub()

    def refusal(self, agent: AgentPeer) -> tuple[int, bytes]:
        status, _, rest = agent.answer.partition(b"\r\n")
        slug = rest.partition(b"Slime-Error: ")[2].partition(b"\r\n")[0]
        return int(status.split(b" ")[1]), slug

    def test_welcome(self) -> None:
        agent = AgentPeer(self.hub)
        self.assertTrue(agent.answer.startswith(b"HTTP/1.1 101 "))
        self.assertIn(b"Sec-WebSocket-Protocol: slime.v1\r\n", agent.answer)
        (welcome,) = agent.hello(slots=3)
        assert isinstance(welcome, Welcome)
        self.assertEqual(len(self.hub.pool.links), 1)

    def test_tokens(self) -> None:
        """Whatever is wrong with a token, outside it is one 401; the log knows more."""
        for bearer in ("nonsense", token() + "x", token()[:-4], token(expires=time.time() - 1), ""):
            self.assertEqual(self.refusal(AgentPeer(self.hub, bearer)), (401, b"unauthorized"), bearer)
        self.assertIn(b'WWW-Authenticate: Bearer realm="slime"\r\n', AgentPeer(self.hub, "nonsense").answer)
        other = MemoryHub(LinkPolicy(b"another secret"))
        self.assertEqual(self.refusal(AgentPeer(other)), (401, b"unauthorized"))

    def test_no_token_or_two(self) -> None:
        second = b"Authorization: Bearer %b\r\n" % token().encode()
        self.assertEqual(self.refusal(AgentPeer(self.hub, extra=second)), (401, b"unauthorized"))

    def test_web_pages_are_no_agents(self) -> None:
        agent = AgentPeer(self.hub, extra=b"Origin: https://page.example\r\n")
        self.assertEqual(self.refusal(agent), (400, b"bad-request"))

    def test_other_protocol(self) -> None:
        self.assertEqual(self.refusal(AgentPeer(self.hub, protocol=b"slime.v2")), (400, b"bad-request"))

    def test_certificate(self) -> None:
        """Where agents must have one, a token alone is not asked about; how it is shown is TLS's affair."""
        hub = MemoryHub(LinkPolicy(SECRET, certified=True))
        agent = AgentPeer(hub)
        self.assertEqual(self.refusal(agent), (401, b"unauthorized"))
        self.assertIn(b'WWW-Authenticate: Certificate realm="slime"\r\n', agent.answer)
        self.patch(links, "shows_certificate", lambda transport: True)
        self.assertEqual(self.refusal(AgentPeer(hub, "nonsense")), (401, b"unauthorized"))
        self.assertTrue(AgentPeer(hub).answer.startswith(b"HTTP/1.1 101 "))

    def test_draining_hub(self) -> None:
        self.hub.pool.drain()
        self.assertEqual(self.refusal(AgentPeer(self.hub)), (503, b"draining"))

    def test_frames_behind_the_handshake(self) -> None:
        """What arrives in one segment with the handshake is not lost."""
        agent = AgentPeer(self.hub)
        self.assertEqual(self.hub.pool.links, [])
        agent.hello()
        self.assertEqual([link.agent_name for link in self.hub.pool.links], ["worker"])


class LinkLifeTests(SynchronousTestCase):
    """How links end."""

    def setUp(self) -> None:
        self.hub = MemoryHub()

    def test_token_runs_out(self) -> None:
        """A link lives no longer than its token."""
        agent = self.hub.agent(bearer=token(expires=time.time() + 60))
        self.hub.clock.advance(30)
        agent.say(Capacity(2))
        self.assertEqual(len(self.hub.pool.links), 1)
        self.hub.clock.advance(29.5)
        agent.say(Capacity(1))
        agent.taken()
        self.hub.clock.advance(1)
        self.assertEqual((agent.close_code, self.hub.pool.links), (4401, []))

    def test_newer_link_fences_older(self) -> None:
        old = self.hub.agent()
        new = self.hub.agent()
        self.assertEqual(old.close_code, 4409)
        self.assertEqual(len(self.hub.pool.links), 1)
        app = self.hub.app()
        app.ask()
        self.assertIsInstance(new.frames()[0], Open)

    def test_other_token_fences_nobody(self) -> None:
        """An agent's id is its own only among agents of its token."""
        first = self.hub.agent()
        self.hub.agent(bearer=token("other"))
        self.assertIsNone(first.close_code)
        self.assertEqual(len(self.hub.pool.links), 2)

    def test_silence(self) -> None:
        """An agent that gives no sign of life for three intervals is gone."""
        agent = self.hub.agent()
        app = self.hub.app()
        app.ask(fields=b"Content-Length: 0\r\n", method=b"POST")
        agent.frames()
        agent.say(Started(1))
        for _ in range(40):
            self.hub.clock.advance(1)
        self.assertTrue(agent.transport.aborted)
        self.assertEqual(self.hub.pool.links, [])
        self.assertIn(b"Slime-Error: agent-lost", app.taken())

    def test_no_hello(self) -> None:
        agent = AgentPeer(self.hub)
        self.hub.clock.advance(10.1)
        self.assertEqual(agent.close_code, 4408)

    def test_unknown_version(self) -> None:
        agent = AgentPeer(self.hub)
        agent.hello(versions=(2, 3))
        self.assertEqual(self.hub.pool.links, [])

    def test_check(self) -> None:
        """Whoever only asks is told what its token allows; the agent of the same id stays, and nobody is counted."""
        old = self.hub.agent()
        asker = AgentPeer(self.hub, token(expires=2e9, scopes=("gpu",), scope_paths=("/v1/*",)))
        (welcome,) = asker.hello(check=True)
        assert isinstance(welcome, Welcome)
        self.assertEqual(
            welcome.about,
            {"name": "worker", "expires": 2e9, "scopes": ["gpu"], "scope_paths": ["/v1/*"],
             "software": f"slime/{slime.__version__}"},
        )  # fmt: skip
        asker.say(Capacity(7), Ping(5), Drain())
        self.assertEqual(asker.heard(), [Pong(5)])
        self.assertIsNone(old.close_code)
        self.assertEqual(len(self.hub.pool.links), 1)
        self.hub.clock.advance(10.1)
        self.assertEqual((asker.close_code, old.close_code), (4408, None))

    def test_hub_drains(self) -> None:
        agent = self.hub.agent()
        self.hub.pool.drain()
        self.assertEqual(agent.frames(), [Drain()])
        self.hub.pool.links[0].end()
        self.assertEqual(agent.close_code, 1000)


class ExchangeOnLinkTests(SynchronousTestCase):
    """An application's request at an agent."""

    def setUp(self) -> None:
        self.hub = MemoryHub()
        self.agent = self.hub.agent(slots=1, prefetch=1)
        self.app = self.hub.app()

    def test_there_and_back(self) -> None:
        self.app.ask(b"/path?query", b"X-App: yes\r\nTE: trailers\r\nContent-Length: 5\r\n", b"POST", b"hello")
        opened, body, end = self.agent.frames()
        assert isinstance(opened, Open)
        self.assertEqual(opened.length, 5)
        self.assertTrue(opened.head.startswith(b"POST /path?query HTTP/1.1\r\nHost: hub\r\nX-App: yes\r\n"))
        self.assertEqual((body, end), (Data(1, b"hello"), End(1, [])))
        self.agent.say(Started(1), Head(1, OK_HEAD, None), Data(1, b"first "))
        self.assertTrue(self.app.taken().endswith(b"\r\n\r\n6\r\nfirst \r\n"))
        self.agent.say(Data(1, b"last"), End(1, [(b"X-Trailer", b"t")]))
        self.assertEqual(self.app.taken(), b"4\r\nlast\r\n0\r\nX-Trailer: t\r\n\r\n")
        (exchange,) = self.hub.finished
        self.assertEqual((exchange.outcome, exchange.status, exchange.agent_name), ("ok", 200, "worker"))

    def test_next_one_goes_ahead(self) -> None:
        """While the slot is taken the next request waits at the agent, and can be asked back."""
        self.app.ask()
        self.agent.frames()
        self.agent.say(Started(1))
        second = self.hub.app()
        second.ask(fields=b"Slime-Block: 1\r\n")
        (ahead,) = self.agent.frames()
        assert isinstance(ahead, Open)
        self.assertTrue(ahead.prefetch)
        self.hub.clock.advance(1)
        self.hub.pool._seats["worker-token/id"].service_time = 5.0
        self.hub.agent(agent_id="idle")
        self.assertEqual(self.agent.frames(), [Revoke(2)])
        self.agent.say(Revoked(2))
        self.assertEqual([link.agent_id for link in self.hub.pool.links], ["id", "idle"])
        self.assertEqual(second.channel._request.receiver.link.agent_id, "idle")  # type: ignore[union-attr]

    def test_large_body_comes_back_whole(self) -> None:
        """What was sent ahead and is asked back, or is refused, is given away again with all of its body."""
        self.app.ask()
        self.agent.frames()
        self.agent.say(Started(1))
        second = self.hub.app()
        body = bytes(range(256)) * 1000
        second.ask(fields=b"Slime-Block: 1\r\nContent-Length: 300000\r\n", method=b"POST", body=body)
        self.assertEqual(len(self.body_of(self.agent.frames())), 256000)
        self.agent.say(Capacity(0), Refused(2, ErrorCode.DRAINING))
        other = AgentPeer(self.hub)
        frames = other.hello(agent_id="other")
        other.tunnel.consumed(1, 256000)
        other.flush()
        second.deliver(b"x" * 44000)
        self.assertEqual(self.body_of(frames + other.frames()), body + b"x" * 44000)

    def body_of(self, frames: list[Frame]) -> bytes:
        return b"".join(frame.data for frame in frames if isinstance(frame, Data))

    def test_refused_goes_elsewhere(self) -> None:
        self.app.ask()
        self.agent.frames()
        other = self.hub.agent(agent_id="other")
        self.agent.say(Capacity(0), Refused(1, ErrorCode.DRAINING))
        self.assertIsInstance(other.frames()[0], Open)

    def test_refused_with_nobody_free(self) -> None:
        """Who did not ask to wait is not kept waiting; who did, waits before all others."""
        self.app.ask()
        self.agent.frames()
        self.agent.say(Capacity(0), Refused(1, ErrorCode.DRAINING))
        self.assertIn(b"Slime-Error: all-busy", self.app.taken())
        self.agent.say(Capacity(1))
        patient = self.hub.app()
        patient.ask(fields=b"Slime-Block: 1\r\n")
        self.agent.frames()
        self.agent.say(Capacity(0), Refused(2, ErrorCode.DRAINING))
        self.assertEqual(patient.taken(), b"")
        self.hub.agent(agent_id="other")
        self.assertEqual(patient.channel._request.receiver.link.agent_id, "other")  # type: ignore[attr-defined]

    def test_drain(self) -> None:
        """A draining agent gets nothing new; what runs, runs on."""
        self.app.ask()
        self.agent.frames()
        self.agent.say(Started(1), Drain())
        second = self.hub.app()
        second.ask()
        self.assertIn(b"Slime-Error: all-busy", second.taken())
        self.agent.say(Head(1, OK_HEAD, 0))
        self.assertTrue(self.app.taken().startswith(b"HTTP/1.1 200 OK\r\n"))

    def test_application_leaves(self) -> None:
        """The slot is free when the agent says so, and not before."""
        self.app.ask()
        self.agent.frames()
        self.agent.say(Started(1))
        self.app.leave()
        self.assertEqual(self.agent.frames(), [Reset(1, ErrorCode.CANCELLED)])
        second = self.hub.app()
        second.ask()
        self.assertIn(b"Slime-Error: all-busy", second.taken())
        self.agent.flush()
        third = self.hub.app()
        third.ask()
        self.assertIsInstance(self.agent.frames()[0], Open)

    def test_slow_application_holds_back_its_own_agent_only(self) -> None:
        """Credit comes back as the application reads."""
        self.app.ask()
        self.agent.frames()
        self.app.channel.outlet.pauseProducing()
        self.agent.say(Started(1), Head(1, OK_HEAD, None), *[Data(1, b"x" * 16384) for _ in range(12)])
        self.assertEqual(self.agent.frames(), [])
        self.app.channel.outlet.resumeProducing()
        self.assertEqual(self.agent.frames(), [Credit(1, 12 * 16384)])

    def test_upload_waits_for_credit(self) -> None:
        """The application is not read while the agent takes no more, and read again when it does."""
        self.app.ask(fields=b"Content-Length: 1000000\r\n", method=b"POST")
        self.app.deliver(b"x" * 500_000)
        self.assertEqual(self.app.transport.producerState, "paused")
        sent = [frame for frame in self.agent.frames() if isinstance(frame, Data)]
        self.assertEqual(sum(len(frame.data) for frame in sent), 256 * 1024)
        self.agent.tunnel.consumed(1, 256 * 1024)
        self.agent.flush()
        self.agent.frames()
        self.assertEqual(self.app.transport.producerState, "producing")

    def test_lost_before_open_left(self) -> None:
        """What never left this process certainly has not run: another agent gets it."""
        other = self.hub.agent(agent_id="other", slots=0)
        self.app.ask(fields=b"Content-Length: 0\r\nSlime-Block: 1\r\n", method=b"POST")
        self.hub.pool.links[0].abort("test")  # type: ignore[attr-defined]
        other.say(Capacity(1))
        self.assertIsInstance(other.frames()[0], Open)

    def test_lost_when_it_may_have_run(self) -> None:
        """It may have run: not again, unless that does no harm or is wished for."""
        for fields, method, started, elsewhere in [
            (b"Content-Length: 0\r\n", b"POST", b"unknown", False),
            (b"Content-Length: 0\r\n", b"PUT", b"", True),
            (b"Content-Length: 0\r\nSlime-Retry: 1\r\n", b"POST", b"", True),
        ]:
            self.setUp()
            self.app.ask(fields=fields, method=method)
            self.agent.frames()
            other = self.hub.agent(agent_id="other")
            self.agent.leave()
            self.assertEqual(any(isinstance(frame, Open) for frame in other.frames()), elsewhere)
            self.assertIn(b"Slime-Started: " + started if started else b"", self.app.taken())

    def test_lost_with_nobody_else(self) -> None:
        """Even what might be repeated is not kept waiting for an agent that may never come."""
        self.app.ask(fields=b"Slime-Block: 1\r\n")
        self.agent.frames()
        self.agent.leave()
        self.assertIn(b"Slime-Error: agent-lost", self.app.taken())

    def test_lost_in_the_middle_of_an_answer(self) -> None:
        """What has begun cannot be mended: the application must see that it is cut."""
        self.app.ask()
        self.agent.frames()
        self.agent.say(Started(1), Head(1, OK_HEAD, None), Data(1, b"half"))
        self.agent.leave()
        self.assertTrue(self.app.transport.half_closed)
        self.assertTrue(self.app.taken().endswith(b"\r\n\r\n4\r\nhalf\r\n"))


class HostileAgentTests(SynchronousTestCase):
    """Whatever breaks the protocol ends that link, and that link only."""

    def setUp(self) -> None:
        self.hub = MemoryHub()
        self.agent = self.hub.agent()
        self.witness = self.hub.agent(agent_id="witness", bearer=token("witness"))
        self.app = self.hub.app()
        self.app.ask(fields=b"Content-Length: 0\r\n", method=b"POST")
        self.assertIsInstance(self.agent.frames()[0], Open)

    def ended_by(self, *frames: Frame) -> None:
        """The frames end the link; its application gets an error or is cut off, and a neighbour does not notice."""
        self.agent.blurt(*frames)
        self.assertEqual(self.agent.close_code, 4400)
        answer = self.app.taken()
        cut = self.app.transport.half_closed and not answer.endswith(b"0\r\n\r\n")
        self.assertTrue(self.app.transport.aborted or cut or answer.startswith(b"HTTP/1.1 502 "), answer)
        other = self.hub.app()
        other.ask()
        self.assertIsInstance(self.witness.frames()[0], Open)
        self.witness.say(Started(1), Head(1, OK_HEAD, 0))
        self.assertTrue(other.taken().startswith(b"HTTP/1.1 200 OK\r\n"))

    def test_head_before_started(self) -> None:
        self.ended_by(Data(1, b"x"))

    def test_unknown_stream(self) -> None:
        self.ended_by(Started(2))

    def test_second_hello(self) -> None:
        agent = AgentPeer(self.hub, token("third"))
        agent.hello()
        agent.message(b"")
        self.assertEqual(agent.close_code, 4400)

    def test_more_than_credit(self) -> None:
        self.ended_by(
            Started(1), Head(1, OK_HEAD, None), *[Data(1, b"x" * 16384) for _ in range(3)], *[Credit(1, 1)] * 5000
        )

    def test_splitting_reason(self) -> None:
        self.ended_by(Started(1), Head(1, b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 0))

    def test_bad_heads(self) -> None:
        """Every head that is not exactly one response head of the right kind."""
        for head, length, interim in [
            (b"HTTP/1.1 200 OK\r\nX: y", 0, False),
            (b"HTTP/1.1 200 O\x00K\r\n\r\n", 0, False),
            (b"HTTP/1.1 200 OK\r\nX : y\r\nX: \x01\r\n\r\n", 0, False),
            (b"HTTP/1.1 99 Low\r\n\r\n", 0, False),
            (b"HTTP/1.1 103 Early\r\n\r\n", 0, False),
            (b"HTTP/1.1 101 Switching\r\n\r\n", 0, False),
            (b"HTTP/1.1 200 OK\r\n\r\n", None, True),
            (b"HTTP/1.1 204 Nothing\r\n\r\n", 5, False),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, False),
        ]:
            self.setUp()
            self.ended_by(Started(1), Head(1, head, length, interim=interim))

    def test_bad_trailers(self) -> None:
        for trailers in (
            [(b"X\r\nY", b"z")],
            [(b"X", b"z\r\n\r\nHTTP/1.1")],
            [(b"Content-Length", b"3")],
            [(b"", b"")],
        ):
            self.setUp()
            self.ended_by(Started(1), Head(1, OK_HEAD, None), End(1, trailers))

    def test_cut_body(self) -> None:
        self.ended_by(Started(1), Head(1, OK_HEAD, 5), Data(1, b"1234"), End(1))

    def test_long_body(self) -> None:
        self.ended_by(Started(1), Head(1, OK_HEAD, 5), Data(1, b"123456"))

    def test_someone_elses_stream(self) -> None:
        """Streams are a link's own: a neighbour's number means nothing here."""
        other = self.hub.app()
        other.ask()
        self.assertIsInstance(self.witness.frames()[0], Open)
        self.agent.blurt(Started(1), Head(1, OK_HEAD, 5), Data(1, b"12345"), End(1))
        self.assertTrue(self.app.taken().endswith(b"12345"))
        self.assertEqual(other.taken(), b"")

    def test_text_message(self) -> None:
        self.agent.deliver(b"\x81\x81" + b"\x00" * 4 + b"x")
        self.assertEqual(self.agent.close_code, 4400)

    def test_fragments(self) -> None:
        self.agent.deliver(b"\x02\x80" + b"\x00" * 4)
        self.assertEqual(self.agent.close_code, 4400)

    def test_unmasked(self) -> None:
        self.agent.deliver(b"\x82\x01x")
        self.assertIsNotNone(self.agent.close_code)

    def test_pings_without_end(self) -> None:
        self.agent.message(b"".join([encode(Ping(number)) for number in range(5000)]))
        self.assertEqual(self.agent.close_code, 4400)


class DrainedTests(SynchronousTestCase):
    """The application's place in all this."""

    def test_pipelined_behind_a_running_request(self) -> None:
        """Answers in order, one agent at a time."""
        hub = MemoryHub()
        agent = hub.agent()
        app: AppPeer = hub.app()
        app.ask(b"/1")
        app.ask(b"/2")
        (first,) = agent.frames()
        assert isinstance(first, Open)
        agent.say(Started(1), Head(1, OK_HEAD, 1), Data(1, b"1"), End(1))
        (second,) = agent.frames()
        assert isinstance(second, Open)
        self.assertIn(b"GET /2 ", second.head)
        self.assertTrue(app.taken().endswith(b"\r\n\r\n1"))
