"""A hub that is asked in the same words again: it answers, and passes on, as it did the first time."""

from __future__ import annotations

from itertools import cycle
from typing import Any, NoReturn

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.web.resource import Resource
from twisted.web.static import Data

from slime.http import known
from slime.http.head import Fields, HeadLimits, RequestHead, read_request_head
from slime.http.route import TrustedProxies
from slime.hub.gateway import GatewayPolicy, GatewayResource
from tests.hub_fixture import Application, HubTestCase, Wanted, request

TIMES = 4
UPGRADE = (
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)

#: Requests of every kind that the hub treats in a way of its own, and the status of the answer.
ASKED: dict[str, tuple[bytes, int]] = {
    "plain": (request(b"/api/x?y", b"Accept: */*"), 200),
    "head": (request(b"/api/x", method=b"HEAD"), 200),
    "old": (request(b"/api/x", b"Connection: keep-alive", version=b"1.0"), 200),
    "hop by hop": (request(b"/api/x", b"Connection: x-a", b"X-A: 1", b"TE: trailers"), 200),
    "way": (request(b"/api/x", b"Forwarded: for=1.2.3.4", b"X-Forwarded-For: 1.2.3.4"), 200),
    "body": (request(b"/api/x", method=b"POST", body=b"hello"), 200),
    "expectation": (request(b"/api/x", b"Expect: 100-continue", method=b"POST", body=b"hello"), 200),
    "upgrade": (request(b"/api/x", *UPGRADE), 200),
    "wishes": (request(b"/api/x", b"Slime-Block: 1", b"Slime-Timeout: 5s"), 200),
    "no wish": (request(b"/api/x", b"Slime-Timeout: soon"), 400),
    "counted": (request(b"/api/x", b"Max-Forwards: 3", method=b"TRACE"), 200),
    "last hop": (request(b"/api/x", b"Max-Forwards: 0", b"X-A: 1", method=b"TRACE"), 200),
    "absolute": (request(b"http://hub.example/api/x"), 200),
    "resource": (request(b"/page", b"Cookie: c=1", b"X-A: 1"), 200),
    "form": (request(b"/page", b"Content-Type: application/x-www-form-urlencoded", method=b"POST", body=b"a=1"), 405),
    "nowhere": (request(b"/nowhere", b"Accept: application/json"), 404),
}  # fmt: skip


class Frozen(list[Any]):
    """Fields that nobody may change."""

    def refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("somebody changes a head that is remembered")

    append = extend = insert = remove = pop = clear = sort = reverse = refuse  # type: ignore[assignment]
    __setitem__ = __delitem__ = __iadd__ = __imul__ = refuse  # type: ignore[assignment]


def read_frozen(block: bytes, limits: HeadLimits) -> tuple[RequestHead, int | None]:
    """As the strict reader, but what it returns stays as it is."""
    head, length = read_request_head(block, limits)
    return RequestHead(head.method, head.target, head.version, Frozen(head.fields)), length


class AgainTests(HubTestCase):
    """Every request several times, by one connection and by another."""

    def setUp(self) -> None:
        super().setUp()
        root = Resource()
        root.putChild(b"page", Data(b"welcome", "text/plain"))
        self.hub = self.rebuild(root=root)
        root.putChild(b"api", self.hub.gateway)
        self.agent = self.hub.agent()
        self.patch(known, "read_request_head", read_frozen)

    def ask(self, app: Application, asked: bytes) -> tuple[int, Fields, bytes]:
        """The status of the answer, and what the agent was given, without its number, with the body."""
        given = len(self.agent.streams)
        method = asked.split(b" ")[0]
        before = len(app.responses(*[method] * 99))
        app.send(asked)
        passed: tuple[Fields, bytes] = ([], b"")
        if len(self.agent.streams) > given:
            stream = self.agent.last
            passed = [field for field in stream.head.fields if field[0] != b"Slime-Request-Id"], bytes(stream.body)
            self.agent.answer()
        status = app.responses(*[method] * 99)[before:][-1].status
        return status, *passed

    def test_all(self) -> None:
        for name, (asked, status) in ASKED.items():
            heard = [self.ask(self.application(), asked) for _ in range(TIMES)]
            self.assertEqual(heard, heard[:1] * TIMES, name)
            self.assertEqual(heard[0][0], status, name)

    def test_it_is_remembered(self) -> None:
        """What the other tests are about does happen."""
        app = self.application()
        for _ in range(TIMES):
            self.ask(app, request(b"/api/x"))
        heads = [exchange.request.head for exchange in self.hub.finished]
        self.assertIs(heads[1], heads[-1])
        self.assertIs(self.hub.finished[1].wishes, self.hub.finished[-1].wishes)
        self.assertEqual(len({exchange.forward_head for exchange in self.hub.finished}), TIMES)

    def test_bodies_of_their_own(self) -> None:
        """The same head but for the length: each body is read to its end, and not beyond it."""
        bodies = [b"x" * size for size in (5, 6, 7, 99, 1)]
        app = self.application()
        for body in bodies:
            self.assertEqual(self.ask(app, request(b"/api/x", method=b"POST", body=body))[2], body)
        self.assertEqual([exchange.length for exchange in self.hub.finished], list(map(len, bodies)))
        self.assertEqual(
            [dict(exchange.request.head.fields)[b"Content-Length"] for exchange in self.hub.finished],
            [b"%d" % len(body) for body in bodies],
        )

    def test_senders_of_their_own(self) -> None:
        """The same words from others: each request says who sent it."""
        addresses = ["192.0.2.1", "2001:db8::7", "198.51.100.9"] * 2
        for address in addresses:
            app = self.application()
            kind = IPv6Address if ":" in address else IPv4Address
            app.transport._peer = kind("TCP", address, 4000)  # type: ignore[assignment]
            _, fields, _ = self.ask(app, request(b"/api/x"))
            self.assertEqual(dict(fields)[b"X-Forwarded-For"], address.encode())


class ProxyTests(HubTestCase):
    """Behind proxies whose word is taken."""

    wanted = Wanted(gateway=GatewayPolicy(proxies=TrustedProxies(["192.0.2.0/24"])))

    def test_way(self) -> None:
        """The same words of a proxy mean the same application, and of anybody else they mean nothing."""
        agent = self.hub.agent()
        app, stranger = self.application(), self.application()
        stranger.transport._peer = IPv4Address("TCP", "203.0.113.9", 4000)
        for _ in range(TIMES):
            for one, client, nodes in (
                (app, "198.51.100.1", b"198.51.100.1, 192.0.2.7"),
                (app, "198.51.100.2", b"198.51.100.2, 192.0.2.7"),
                (stranger, "198.51.100.1", b"203.0.113.9"),
            ):
                one.get(b"/", b"X-Forwarded-For: " + client.encode(), b"X-Forwarded-Proto: https")
                way = dict(agent.last.head.fields)
                agent.answer()
                self.assertEqual(way[b"X-Forwarded-For"], nodes)
                self.assertEqual(way[b"X-Forwarded-Proto"], b"http" if one is stranger else b"https")
                came_from = "203.0.113.9" if one is stranger else client
                self.assertEqual(self.hub.finished[-1].request.client.host, came_from)


class PasswordTests(HubTestCase):
    """Who may ask is decided each time."""

    wanted = Wanted(gateway=GatewayPolicy(app_password=b"xyzzy"))

    def test_right_and_wrong(self) -> None:
        agent = self.hub.agent()
        for given, status in ((b"xyzzy", 200), (b"wrong", 401), (b"", 401)) * TIMES:
            app = self.application()
            app.get(b"/", b"Slime-App-Password: " + given)
            if status == 200:
                agent.answer()
            self.assertEqual(app.response().status, status)

    def test_another_gateway(self) -> None:
        """What one concludes from a head is nothing to another in the same tree."""
        root = Resource()
        hub = self.rebuild(root=root)
        agent = hub.agent()
        other = GatewayResource(hub.pool, hub.door, GatewayPolicy(patience=5.0))
        turns = cycle([hub.gateway, other])
        root.getChild = lambda path, request: next(turns)  # type: ignore[method-assign]
        app = self.application()
        for _ in range(2 * TIMES):
            app.get(b"/", b"Slime-Block: 1")
            agent.answer()
        patience = [exchange.wishes.patience for exchange in hub.finished]
        self.assertEqual(patience, [600.0, 5.0] * TIMES)
