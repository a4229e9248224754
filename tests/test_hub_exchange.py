"""An exchange: what becomes of a request when its agent answers, refuses, breaks the rules or is lost."""

from __future__ import annotations

from slime.errors import ErrorCode, RemoteProtocolError
from slime.hub.exchange import UNSTARTED_BODY, ExchangePolicy, scope_path
from slime.hub.pool import PoolLimits
from slime.hub.seats import Rights
from slime.tunnel.frames import Head
from tests.hub_fixture import Application, FakeLink, HubTestCase, Wanted, request

BLOCK = b"Slime-Block: 1"
CHUNKED = b"Transfer-Encoding: chunked"
RETRY = b"Slime-Retry: 1"


class ExchangeTestCase(HubTestCase):
    """Two agents, of which ``alpha`` gets the request."""

    def setUp(self) -> None:
        super().setUp()
        self.alpha: FakeLink = self.hub.agent("alpha")
        self.beta: FakeLink = self.hub.agent("beta")
        self.app: Application = self.application()

    def problem(self) -> tuple[int, bytes | None, bytes | None]:
        response = self.app.response()
        return response.status, response.field(b"slime-error"), response.field(b"slime-started")


class AnswerTests(ExchangeTestCase):
    """Answers that come as they should."""

    def test_who_answered(self) -> None:
        self.app.get()
        self.alpha.answer(b"200 OK\r\nSlime-Agent-Id: forged\r\nX-Up: 1")
        response = self.app.response()
        self.assertEqual(response.all(b"slime-agent-id"), [b"alpha-id"])
        self.assertEqual(response.all(b"slime-agent-name"), [b"alpha"])
        self.assertEqual((response.field(b"via"), response.field(b"x-up")), (b"1.1 slime", b"1"))

    def test_any_name(self) -> None:
        """Agents are called as their owners like."""
        self.alpha.agent_name = "Zo\u00eb's GPU"
        self.app.get()
        self.alpha.answer()
        self.assertEqual(self.app.response().field(b"slime-agent-name"), "Zo\u00eb's GPU".encode())

    def test_head_as_large_as_they_come(self) -> None:
        """An agent took it for good, and it grew a little on the way: the link was lost for that."""
        lines = (b"A: " + b"x" * 65_500, b"\r\n".join([b"A: b"] * 9_000))
        for agent, line in zip((self.alpha, self.beta), lines, strict=True):
            app = self.application()
            app.get()
            agent.answer(b"200 OK\r\n" + line)
            self.assertTrue(line in app.received)

    def test_what_is_noted(self) -> None:
        self.app.send(request(method=b"POST", body=b"hello"))
        self.hub.clock.advance(2)
        self.alpha.started()
        self.hub.clock.advance(1)
        self.alpha.head(b"201 Created", 2)
        self.hub.clock.advance(1)
        self.alpha.data(b"ok")
        self.alpha.end_answer()
        [exchange] = self.hub.finished
        self.assertEqual((exchange.outcome, exchange.status, exchange.agent_name), ("ok", 201, "alpha"))
        self.assertEqual((exchange.bytes_in, exchange.request.answer_bytes, exchange.requeues), (5, 2, 0))
        self.assertEqual(exchange.finished_at - exchange.assigned_at, 4)

    def test_before_the_request_is_complete(self) -> None:
        """Both sides go on; the answer's end is the end."""
        self.app.send(request(b"/", CHUNKED, method=b"POST"), b"1\r\na\r\n")
        self.alpha.head(b"200 OK")
        self.app.send(b"1\r\nb\r\n")
        self.alpha.data(b"so far")
        self.assertEqual(self.alpha.last.body, b"ab")
        self.alpha.end_answer()
        self.app.send(b"1\r\nc\r\n0\r\n\r\n")
        self.assertEqual((self.alpha.last.body, self.alpha.last.trailers), (b"ab", None))
        self.assertEqual(self.app.response().body, b"so far")


class AgentRefusesTests(ExchangeTestCase):
    """The agent gave the request back untouched: nobody has to know."""

    def test_another_takes_it(self) -> None:
        self.app.send(request(method=b"POST", body=b"hello"))
        self.alpha.refuse()
        self.assertEqual((self.beta.last.body, self.beta.last.complete), (b"hello", True))
        self.beta.answer()
        self.assertEqual((self.app.response().status, self.hub.finished[-1].requeues), (200, 1))

    def test_in_the_middle_of_the_upload(self) -> None:
        self.app.send(request(b"/", CHUNKED, method=b"POST"), b"2\r\nhe\r\n")
        self.alpha.refuse()
        self.app.send(b"3\r\nllo\r\n0\r\n\r\n")
        self.assertEqual((self.beta.last.body, self.beta.last.complete), (b"hello", True))
        self.assertEqual(self.alpha.last.body, b"he")

    def test_nobody_else_could(self) -> None:
        self.beta.lose()
        self.alpha.lose()
        agent = self.hub.agent("gamma", Rights(scopes=frozenset({"chat"})))
        self.app.get(b"/", b"Slime-Scope: chat", BLOCK)
        self.hub.agent("delta")
        self.hub.pool.resize(agent, 0)
        self.hub.pool.leave(agent)
        agent.refuse()
        self.assertEqual(self.problem(), (503, b"all-busy", b"no"))

    def test_would_have_to_wait(self) -> None:
        """Which it did not ask for."""
        self.application().get()
        self.app.get()
        self.hub.pool.resize(self.beta, 0)
        self.beta.refuse()
        self.assertEqual((self.problem(), self.hub.pool.waiting), ((503, b"all-busy", b"no"), 0))

    def upload(self, target: FakeLink) -> None:
        """An application sends for as long as the hub reads, to an agent that takes all it gets."""
        self.app.send(request(b"/", CHUNKED, method=b"PUT"))
        while not self.app.transport.paused and len(target.last.body) < 1_000_000:
            self.app.send(b"4000\r\n" + b"x" * 16384 + b"\r\n")

    def test_too_long_to_keep(self) -> None:
        """So the rest waits, however large the agent's window is; as it has not begun, another one gets it all."""
        self.upload(self.alpha)
        self.alpha.last.exchange.writable()
        self.assertEqual((len(self.alpha.last.body), self.app.transport.paused), (UNSTARTED_BODY, True))
        self.alpha.refuse()
        self.assertEqual((self.beta.last.body, self.app.transport.paused), (self.alpha.last.body, True))
        self.beta.started()
        self.assertFalse(self.app.transport.paused)
        self.app.send(b"1\r\ny\r\n0\r\n\r\n")
        self.assertEqual((self.beta.last.body[-2:], self.beta.last.complete), (b"xy", True))

    def test_too_long_once_it_has_begun(self) -> None:
        """What was sent on is not here any more."""
        self.upload(self.alpha)
        self.alpha.started()
        self.alpha.lose()
        self.assertEqual(self.problem(), (502, b"agent-lost", b"yes"))
        self.assertEqual(self.beta.streams, {})

    def test_much_to_replay(self) -> None:
        """A hub that keeps more takes more."""
        self.rebuild(Wanted(pool=PoolLimits(exchange=ExchangePolicy(replay_body=700_000))))
        self.app, agent = self.application(), self.hub.agent()
        self.upload(agent)
        self.assertEqual(len(agent.last.body), 700_000 // 16384 * 16384 + 16384)

    def test_again_and_again(self) -> None:
        self.app.get(b"/", BLOCK)
        for _ in range(3):
            agent = self.alpha if self.alpha.streams and not self.alpha.last.exchange.over else self.beta
            agent = agent if agent.streams and agent.last.exchange.link is agent else self.beta
            agent.refuse()
        self.assertEqual(self.problem(), (503, b"all-busy", b"no"))

    def test_after_the_application_left(self) -> None:
        self.app.get()
        self.app.leave()
        self.alpha.refuse()
        self.assertEqual(self.beta.streams, {})

    def test_given_back_on_demand(self) -> None:
        """That it was asked for is no mark against the request."""
        self.app.get(b"/", BLOCK)
        exchange = self.alpha.last.exchange
        exchange.revoke()
        self.assertTrue(self.alpha.last.revoked)
        self.alpha.give_back()
        self.assertEqual((exchange.requeues, exchange.returns, len(self.beta.streams)), (0, 1, 1))
        self.beta.answer()
        self.assertEqual(self.app.response().status, 200)

    def test_given_back_however_often(self) -> None:
        """Those times are no part of how often agents may lose or refuse it."""
        self.rebuild(Wanted(pool=PoolLimits(exchange=ExchangePolicy(max_requeues=0))))
        agents = [self.hub.agent("alpha"), self.hub.agent("beta")]
        self.app = self.application()
        self.app.get(b"/", BLOCK)
        exchange = agents[0].last.exchange
        for turn in range(3):
            exchange.revoke()
            agents[turn % 2].give_back()
            self.assertEqual((exchange.requeues, exchange.returns, exchange.over), (0, turn + 1, False))
        agents[1].refuse()
        self.assertEqual((self.problem(), exchange.requeues), ((503, b"all-busy", b"no"), 0))

    def test_given_back_without_its_body(self) -> None:
        """Nothing can be given elsewhere then, nor is it counted as if it had been."""
        self.app.send(request(method=b"POST", body=b"hello"))
        exchange = self.alpha.last.exchange
        self.alpha.head(b"200 OK")
        self.alpha.give_back()
        self.assertEqual((exchange.requeues, exchange.outcome, self.beta.streams), (0, "agent-lost", {}))

    def test_given_back_after_the_application_left(self) -> None:
        self.app.get()
        exchange = self.alpha.last.exchange
        self.app.leave()
        self.alpha.give_back()
        exchange.revoke()
        self.assertEqual(self.beta.streams, {})


class AgentFailsTests(ExchangeTestCase):
    """The agent gives the request up."""

    def test_before_the_answer(self) -> None:
        for code, started, expected in (
            (ErrorCode.UPSTREAM_UNREACHABLE, False, (502, b"upstream-unreachable", b"no")),
            (ErrorCode.UPSTREAM_BROKE, True, (502, b"upstream-broke", b"yes")),
            (ErrorCode.UPSTREAM_TIMEOUT, True, (504, b"upstream-timeout", b"yes")),
            (ErrorCode.CANCELLED, True, (502, b"upstream-broke", b"yes")),
            (ErrorCode.UNAUTHORIZED, True, (502, b"upstream-broke", b"yes")),
        ):
            self.app = self.application()
            self.app.get(b"/", BLOCK)
            agent = self.alpha if self.alpha.streams and not self.alpha.last.exchange.over else self.beta
            if started:
                agent.started()
            agent.confirm(code=code, detail="because")
            self.assertEqual(self.problem(), expected)
            self.assertIn(b"because", self.app.response().body)

    def test_in_the_answer(self) -> None:
        """The application must see that it is not whole."""
        self.app.get()
        self.alpha.head(b"200 OK")
        self.alpha.data(b"some")
        self.assertFalse(self.app.response().complete)
        self.alpha.confirm(code=ErrorCode.UPSTREAM_BROKE)
        self.hub.clock.advance(0)
        self.assertEqual((self.app.transport.ended, self.app.response().complete), ("half-closed", False))
        [exchange] = self.hub.finished
        self.assertEqual((exchange.status, exchange.outcome), (200, "upstream-broke"))

    def test_confirms_what_was_asked_for(self) -> None:
        self.app.get()
        self.app.leave()
        self.alpha.confirm()
        self.assertEqual([exchange.outcome for exchange in self.hub.finished], ["left"])


class AgentLostTests(ExchangeTestCase):
    """The link breaks: a request runs twice only if that does no harm."""

    def lose(self, *fields: bytes, method: bytes = b"POST", flushed: bool = True, started: bool = False) -> None:
        self.app.send(request(b"/", *fields, method=method, body=b"hello"))
        if started:
            self.alpha.started()
        self.alpha.flushed = flushed
        self.alpha.lose()

    def test_never_sent(self) -> None:
        self.lose(flushed=False)
        self.assertTrue(self.beta.last.complete)
        self.beta.answer()
        self.assertEqual((self.app.response().status, self.hub.finished[-1].requeues), (200, 1))

    def test_perhaps_begun(self) -> None:
        self.lose()
        self.assertEqual((self.problem(), self.beta.streams), ((502, b"agent-lost", b"unknown"), {}))

    def test_begun(self) -> None:
        self.lose(started=True)
        self.assertEqual((self.problem(), self.beta.streams), ((502, b"agent-lost", b"yes"), {}))

    def test_safe_to_repeat(self) -> None:
        for method in (b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS"):
            with self.subTest(method=method):
                self.setUp()
                self.lose(method=method, started=True)
                self.assertEqual(self.beta.last.body, b"hello")

    def test_asked_to_repeat(self) -> None:
        self.lose(RETRY, started=True)
        self.assertEqual(self.beta.last.body, b"hello")

    def test_too_long_to_repeat(self) -> None:
        self.app.send(request(method=b"PUT", body=b"x" * 100_000))
        self.alpha.lose()
        self.assertEqual(self.problem(), (502, b"agent-lost", b"unknown"))

    def test_nobody_else(self) -> None:
        self.beta.lose()
        self.lose(method=b"GET")
        self.assertEqual(self.problem(), (502, b"agent-lost", b"unknown"))

    def test_twice(self) -> None:
        self.lose(method=b"GET")
        self.beta.lose()
        gamma = self.hub.agent("gamma")
        self.assertEqual(gamma.streams, {})
        self.assertEqual(self.problem(), (502, b"agent-lost", b"unknown"))

    def test_too_often(self) -> None:
        agents = [self.alpha, self.beta, self.hub.agent("gamma"), self.hub.agent("delta")]
        self.app.get()
        for agent in agents[:3]:
            agent.lose()
        self.assertEqual((self.problem(), agents[3].streams), ((502, b"agent-lost", b"unknown"), {}))

    def test_waits_before_all_others(self) -> None:
        """It was here first."""
        self.beta.lose()
        gamma = self.hub.agent("gamma")
        self.app.get(b"/1", BLOCK)
        busy, other = self.application(), self.application()
        busy.get(b"/2", BLOCK)
        other.get(b"/3", BLOCK)
        self.alpha.lose()
        gamma.answer()
        self.assertEqual(gamma.last.head.target, b"/1")
        gamma.answer()
        self.assertEqual(gamma.last.head.target, b"/3")

    def test_in_the_answer(self) -> None:
        self.app.get()
        self.alpha.head(b"200 OK", 100)
        self.alpha.data(b"some")
        self.alpha.lose()
        self.assertEqual((self.app.transport.ended, self.beta.streams), ("abort", {}))
        self.assertEqual(self.hub.finished[-1].outcome, "agent-lost")

    def test_behind_an_interim_answer(self) -> None:
        """That was no answer yet."""
        self.app.get()
        self.alpha.head(b"103 Early Hints")
        self.alpha.lose()
        self.beta.answer()
        self.assertEqual([response.status for response in self.app.responses()], [103, 200])

    def test_after_the_application_left(self) -> None:
        self.app.get()
        exchange = self.alpha.last.exchange
        self.app.leave()
        self.alpha.lose()
        exchange.link_lost()
        self.assertEqual(self.beta.streams, {})


class HostileAgentTests(ExchangeTestCase):
    """Heads that no honest agent sends end its link, before anything of them reaches an application."""

    def refused(self, head: bytes, length: int | None = None, interim: bool = False) -> str:
        exchange = self.alpha.last.exchange
        error = self.assertRaises(RemoteProtocolError, exchange.response_head, Head(1, head, length, interim=interim))
        self.assertEqual(self.app.received, b"")
        return str(error)

    def test_heads(self) -> None:
        self.app.get()
        for head in (
            b"",
            b"HTTP/1.1 200 OK",
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 200 OK\r\nX: y\r\n",
            b"HTTP/1.1 200 O\rK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: y\nZ: z\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: \x00\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 999 OK\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
            b"HTTP/1.1 103 Early Hints\r\n\r\n",
            b"ICY 200 OK\r\n\r\n",
        ):
            self.refused(head)

    def test_interim(self) -> None:
        self.app.get()
        for head in (b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n"):
            self.refused(head, interim=True)

    def test_bodies(self) -> None:
        self.app.get(method=b"HEAD")
        self.refused(b"HTTP/1.1 200 OK\r\n\r\n")
        self.refused(b"HTTP/1.1 200 OK\r\n\r\n", 5)
        self.app = self.application()
        self.alpha = self.beta
        self.app.get()
        self.refused(b"HTTP/1.1 204 No Content\r\n\r\n")
        self.refused(b"HTTP/1.1 304 Not Modified\r\n\r\n", 5)

    def test_framing_is_the_hubs(self) -> None:
        self.app.get()
        self.alpha.head(b"200 OK\r\nContent-Length: 7\r\nConnection: x-hop\r\nX-Hop: 1", 2)
        self.alpha.data(b"ok")
        self.alpha.end_answer()
        response = self.app.response()
        self.assertEqual(response.all(b"content-length"), [b"2"])
        self.assertEqual((response.body, response.field(b"x-hop")), (b"ok", None))

    def test_still_checked_when_nobody_listens(self) -> None:
        self.app.get()
        self.app.leave()
        self.assertRaises(RemoteProtocolError, self.alpha.head, b"101 Switching Protocols")


class ReplayBodyTests(HubTestCase):
    """``--replay-body 0``: nothing is kept, and a waiting request's body waits outside."""

    wanted = Wanted(pool=PoolLimits(exchange=ExchangePolicy(replay_body=0)))

    def test_nothing_kept(self) -> None:
        app = self.application()
        alpha, beta = self.hub.agent("alpha"), self.hub.agent("beta")
        app.send(request(b"/", CHUNKED, method=b"PUT"), b"1\r\nx\r\n")
        alpha.lose()
        self.assertEqual((app.response().status, beta.streams), (502, {}))

    def test_waits_outside(self) -> None:
        app = self.application()
        alpha = self.hub.agent("alpha")
        self.application().get()
        app.send(request(b"/", BLOCK, b"Content-Length: 2", method=b"PUT"), b"x")
        self.assertTrue(app.transport.paused)
        alpha.answer()
        self.assertFalse(app.transport.paused)
        app.send(b"y")
        self.assertEqual((alpha.last.body, alpha.last.complete), (b"xy", True))


class ScopePathTests(HubTestCase):
    """An upstream may resolve dot segments; so scope rules are not asked about such paths."""

    def test_paths(self) -> None:
        for path, asked in (
            (b"/v1/models", "/v1/models"),
            (b"/v1.2/x.json", "/v1.2/x.json"),
            (b"/a%20b", "/a%20b"),
            (b"/public/../secret", ""),
            (b"/public/%2E%2e/secret", ""),
            (b"/public/.%2e%2Fsecret", ""),
            (b"/public\\..\\secret", ""),
            (b"/./x", ""),
            (b"/x/..", ""),
            (b"/...", "/..."),
        ):
            self.assertEqual(scope_path(path), asked, path)

    def test_only_who_may_serve_everything(self) -> None:
        limited = self.hub.agent("alpha", Rights(paths=frozenset({"/public/*"})))
        app = self.application()
        app.get(b"/public/../secret")
        self.assertEqual((app.response().status, limited.streams), (503, {}))
