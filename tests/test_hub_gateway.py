"""The gateway: what becomes of a request before it is an exchange, and what the agent is told of it."""

from __future__ import annotations

from twisted.internet.address import UNIXAddress
from twisted.logger import capturedLogs
from twisted.web.test.requesthelper import DummyRequest

from slime.http.route import TrustedProxies
from slime.hub.exchange import Wishes
from slime.hub.gateway import GatewayPolicy
from slime.hub.seats import Rights
from tests.hub_fixture import Application, HubTestCase, Response, Wanted, request

PASSWORD = b"Slime-App-Password: xyzzy"
UPGRADE = (b"Connection: keep-alive, Upgrade", b"Upgrade: WebSocket")


class ForwardingTests(HubTestCase):
    """The head that the agent gets."""

    def setUp(self) -> None:
        super().setUp()
        self.agent = self.hub.agent()
        self.app = self.application()

    def forwarded(self, *fields: bytes, method: bytes = b"GET", version: bytes = b"1.1") -> list[tuple[bytes, bytes]]:
        self.app.get(b"/x", *fields, method=method, version=version)
        stream = self.agent.last
        self.agent.answer()
        return stream.head.fields

    def test_hop_by_hop(self) -> None:
        fields = self.forwarded(b"X-One: 1", b"Connection: x-hop", b"X-Hop: 1", b"TE: trailers", b"x-one: 2")
        names = [name.lower() for name, _ in fields]
        self.assertEqual(names[:3], [b"host", b"x-one", b"x-one"])
        self.assertNotIn(b"connection", names)
        self.assertNotIn(b"x-hop", names)

    def test_added(self) -> None:
        fields = dict(self.forwarded(b"X-Forwarded-Proto: https", b"X-Forwarded-Host: evil"))
        self.assertEqual(fields[b"X-Forwarded-For"], b"192.0.2.7")
        self.assertEqual(fields[b"X-Forwarded-Proto"], b"http")
        self.assertEqual(fields[b"X-Forwarded-Host"], b"hub.example")
        self.assertEqual(fields[b"Via"], b"1.1 slime")

    def test_slime_fields_stay_here(self) -> None:
        fields = self.forwarded(b"Slime-Block: 1", b"Slime-App-Password: hush", b"slime-anything: 1")
        self.assertEqual([name for name, _ in fields if name.lower().startswith(b"slime-")], [b"Slime-Request-Id"])

    def test_request_ids(self) -> None:
        """Unique, and the application is told."""
        first, second = (dict(self.forwarded())[b"Slime-Request-Id"] for _ in range(2))
        self.assertNotEqual(first, second)
        self.assertEqual([one.field(b"slime-request-id") for one in self.app.responses()], [first, second])

    def test_any_method(self) -> None:
        for method in (b"PATCH", b"PROPFIND", b"x-odd", b"OPTIONS", b"TRACE"):
            self.app.get(b"/x", method=method)
            self.assertEqual(self.agent.last.head.method, method)
            self.agent.answer()

    def test_old_version(self) -> None:
        self.assertIn((b"Via", b"1.0 slime"), self.forwarded(version=b"1.0"))

    def test_absolute_form(self) -> None:
        self.app.get(b"http://hub.example/y?z")
        self.assertEqual(self.agent.last.head.target, b"/y?z")

    def test_unix_socket(self) -> None:
        """There is no address to tell."""
        self.patch(self.app.transport, "getPeer", lambda: UNIXAddress(None))
        self.assertIn((b"X-Forwarded-For", b"unknown"), self.forwarded())


class LongWayTests(HubTestCase):
    """A request that has come a long way, by proxies that are believed."""

    wanted = Wanted(gateway=GatewayPolicy(proxies=TrustedProxies(["192.0.2.0/24"])))

    def test_told_twice(self) -> None:
        """What ``Forwarded`` says is told in the other manner as well; if that is too much, the slot is free yet."""
        agent = self.hub.agent()
        hops = b"Forwarded: " + b", ".join([b"for=192.0.2.1"] * 4000)
        app = self.application()
        app.get(b"/x", hops)
        response = app.response()
        self.assertEqual((response.status, response.field(b"slime-error")), (431, b"head-too-large"))
        self.assertEqual(agent.streams, {})
        self.application().get(b"/x", hops[:20000].rpartition(b", ")[0])
        self.assertEqual(len(agent.streams), 1)


class PlainSiteTests(HubTestCase):
    """Where it cannot work."""

    def test_plain_site(self) -> None:
        """In Twisted's own site it answers with an error, and the log says why."""
        request = DummyRequest([b""])
        with capturedLogs() as said:
            body = self.hub.gateway.render(request)
        self.assertEqual((request.responseCode, b"the log says more" in body), (500, True))
        self.assertIn("GatewaySite", said[0]["log_format"])


class PasswordTests(HubTestCase):
    """``--app-password``."""

    wanted = Wanted(gateway=GatewayPolicy(app_password=b"xyzzy"))

    def ask(self, *fields: bytes) -> Response:
        app = self.application()
        app.get(b"/", *fields)
        return app.response()

    def test_right(self) -> None:
        self.assertEqual(self.ask(PASSWORD).status, 503)

    def test_wrong(self) -> None:
        for fields in ((), (b"Slime-App-Password: XYZZY",), (b"Slime-App-Password:",), (PASSWORD, PASSWORD)):
            response = self.ask(*fields)
            self.assertEqual((response.status, response.field(b"slime-error")), (401, b"unauthorized"))
            self.assertEqual(response.all(b"www-authenticate"), [b'Slime realm="slime"'])
        self.assertEqual([(one.status, one.outcome) for one in self.hub.answered], [(401, "unauthorized")] * 4)
        self.assertEqual(self.hub.finished, [])

    def test_connection_lives(self) -> None:
        app = self.application()
        app.send(request(b"/", method=b"POST", body=b"hello") + request(b"/", PASSWORD))
        self.assertEqual([response.status for response in app.responses()], [401, 503])


class WishTests(HubTestCase):
    """``Slime-*`` fields."""

    def wishes(self, *fields: bytes) -> Wishes:
        self.rebuild()
        agent = self.hub.agent(rights=Rights(scopes=frozenset({"chat"})))
        self.app = self.application()
        self.app.get(b"/", *fields)
        return agent.last.exchange.wishes if agent.streams else Wishes(patience=-1)

    def test_none(self) -> None:
        self.assertEqual(self.wishes(), Wishes(False, 600.0, False, None))

    def test_block(self) -> None:
        for value, block in (
            (b"1", True),
            (b"yes", True),
            (b"TRUE", True),
            (b"0", False),
            (b"No", False),
            (b"", False),
        ):
            self.assertEqual(self.wishes(b"Slime-Block: " + value).block, block, value)

    def test_retry(self) -> None:
        self.assertTrue(self.wishes(b"slime-RETRY: 1").retry)

    def test_scope(self) -> None:
        self.assertEqual(self.wishes(b"Slime-Scope: chat").scope, "chat")
        self.assertIsNone(self.wishes(b"Slime-Scope:").scope)
        self.wishes(b"Slime-Scope: other")
        self.assertEqual(self.app.response().field(b"slime-error"), b"no-match")

    def test_timeout(self) -> None:
        """It may shorten the hub's own limit, not lengthen it."""
        for value, seconds in ((b"5", 5.0), (b"1m", 60.0), (b"250ms", 0.25), (b"0", 0.0), (b"9999h", 600.0)):
            self.assertEqual(self.wishes(b"Slime-Timeout: " + value).patience, seconds, value)

    def test_bad_timeout(self) -> None:
        for value in (b"", b"-1", b"soon", b"nan", b"inf", b"1e3x", b"5 m", b"\xff"):
            self.wishes(b"Slime-Timeout: " + value)
            self.assertEqual(self.app.response().status, 400, value)
            self.assertEqual(self.hub.answered[-1].outcome, "bad-request")

    def test_unknown(self) -> None:
        self.assertEqual(self.wishes(b"Slime-New: 1"), Wishes())


class MaxForwardsTests(HubTestCase):
    """How far OPTIONS and TRACE may go: RFC 9110 section 7.6.2."""

    def setUp(self) -> None:
        super().setUp()
        self.agent = self.hub.agent()
        self.app = self.application()

    def left(self, value: bytes, method: bytes = b"OPTIONS") -> bytes:
        self.app.get(b"/x", b"max-forwards: " + value, method=method)
        fields = dict(self.agent.last.head.fields)
        self.agent.answer()
        return fields[b"max-forwards"]

    def test_counted_down(self) -> None:
        for value, left in ((b"1", b"0"), (b"10", b"9"), (b"007", b"6"), (b"255", b"254"), (b"256", b"255")):
            self.assertEqual(self.left(value), left)
        self.assertEqual(self.left(b"9" * 5000), b"255")
        self.assertEqual(self.left(b"2", b"TRACE"), b"1")

    def test_other_methods_are_not_counted(self) -> None:
        self.assertEqual(self.left(b"0", b"GET"), b"0")

    def test_options_stops_here(self) -> None:
        self.app.get(b"*", b"Max-Forwards: 0", method=b"OPTIONS")
        response = self.app.response(b"OPTIONS")
        self.assertEqual((response.status, response.all(b"content-length")), (200, [b"0"]))
        self.assertEqual(self.agent.streams, {})
        self.assertEqual([(one.status, one.outcome) for one in self.hub.answered], [(200, "ok")])

    def test_options_of_the_upstream(self) -> None:
        self.app.get(b"*", method=b"OPTIONS")
        self.assertEqual(self.agent.last.head.target, b"*")

    def test_trace_stops_here(self) -> None:
        """It shows what came, less what a script must not see."""
        self.app.get(
            b"/x?y",
            b"Max-Forwards: 00",
            b"X-A: 1",
            b"Authorization: hush",
            b"cookie: hush",
            b"Slime-Scope: hush",
            method=b"TRACE",
        )
        response = self.app.response()
        self.assertEqual(response.all(b"content-type"), [b"message/http"])
        self.assertEqual(
            response.body, b"TRACE /x?y HTTP/1.1\r\nHost: hub.example\r\nMax-Forwards: 00\r\nX-A: 1\r\n\r\n"
        )
        self.assertEqual(self.agent.streams, {})

    def test_not_a_number(self) -> None:
        for fields in ((b"Max-Forwards: -1",), (b"Max-Forwards:",), (b"Max-Forwards: 1", b"Max-Forwards: 1")):
            app = self.application()
            app.get(b"/x", *fields, method=b"OPTIONS")
            self.assertEqual(app.response().status, 400)
        self.assertEqual(self.agent.streams, {})


class TunnelTests(HubTestCase):
    """The agents' door."""

    def knock(self, *fields: bytes, **more: bytes) -> Application:
        app = self.application()
        app.send(request(b"/v1/agent/tunnel?x=1", *fields, **more))
        return app

    def test_websocket(self) -> None:
        self.knock(*UPGRADE)
        self.assertEqual(len(self.hub.door.knocks), 1)

    def test_anything_else(self) -> None:
        """Says how to come in (RFC 9110 section 15.5.22); never goes to an agent."""
        self.hub.agent()
        for app in (
            self.knock(),
            self.knock(b"Upgrade: websocket"),
            self.knock(b"Connection: Upgrade", b"Upgrade: h2c"),
            self.knock(b"Connection: Upgrade", b"Upgrade: websocket, h2c"),
            self.knock(*UPGRADE, method=b"POST"),
            self.knock(*UPGRADE, version=b"1.0"),
            self.knock(*UPGRADE, body=b"x"),
        ):
            response = app.response()
            self.assertEqual((response.status, response.field(b"upgrade")), (426, b"websocket"))
            self.assertEqual(response.all(b"connection")[0], b"Upgrade")
        self.assertEqual(self.hub.door.knocks, [])
        self.assertEqual({one.outcome for one in self.hub.answered}, {"upgrade-required"})
        self.assertEqual(self.hub.finished, [])
