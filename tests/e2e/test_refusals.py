"""What bad input and bad luck get, from outside."""

from __future__ import annotations

import os
import signal
import struct
from functools import cache
from time import monotonic

from slime.demo.children import Child, ChildError, leashed
from slime.demo.fleet import PROGRAM, AgentProcess, HubProcess
from tests.e2e.harness import Application, SlimeTestCase
from tests.e2e.messages import BrokenError, Message

AT_ONCE = 1.0
"""Seconds in which a refusal must be there."""


class HubAloneTests(SlimeTestCase):
    """A hub that no agent has joined."""

    def setUp(self) -> None:
        self.alone = lonely_hub()

    def answer_to(self, data: bytes) -> tuple[Application, Message]:
        """Send raw bytes; the connection and the answer."""
        application = self.application(self.alone)
        application.send(data)
        return application, application.response()

    def test_no_agent(self) -> None:
        """Without an agent: 503 ``no-agent``, and when to come again."""
        answer = self.asking(self.alone, b"GET /").response()
        self.assertEqual((answer.status, answer.one(b"slime-error")), (503, b"no-agent"))
        self.assertTrue(int(answer.one(b"retry-after")) > 0)

    def test_problem_document(self) -> None:
        """Who accepts a problem document gets one."""
        answer = self.asking(self.alone, b"GET /", b"Accept: application/problem+json").response()
        self.assertEqual(answer.one(b"content-type"), b"application/problem+json")
        self.assertIn(b'"code": "no-agent"', answer.body)

    def test_garbage(self) -> None:
        """Garbage gets 400, and the connection is closed."""
        for garbage in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"hello\r\n\r\n", b"GET\r\n\r\n",
                        b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"\x00" * 100 + b"\r\n\r\n"):
            application, answer = self.answer_to(garbage)
            self.assertEqual((answer.status, answer.one(b"slime-error")), (400, b"bad-request"), garbage)
            self.assertTrue(application.closed_within(AT_ONCE), garbage)

    def test_wrong_agent_token(self) -> None:
        """An agent's token that this hub did not make is refused before the WebSocket handshake, with 401."""
        for credentials in (b"Bearer x", b"Basic eDp5", b"Bearer " + self.foreign_token()):
            answer = self.asking(self.alone, b"GET /v1/agent/tunnel", *UPGRADE,
                                 b"Authorization: " + credentials).response()
            self.assertEqual((answer.status, answer.one(b"slime-error")), (401, b"unauthorized"), credentials)

    def test_no_agent_token(self) -> None:
        """No token: 401 too."""
        answer = self.asking(self.alone, b"GET /v1/agent/tunnel", *UPGRADE).response()
        self.assertEqual(answer.status, 401)

    def test_browser_at_the_tunnel(self) -> None:
        """Whoever is not a WebSocket is told so."""
        self.assertEqual(self.asking(self.alone, b"GET /v1/agent/tunnel").response().status, 426)

    def foreign_token(self) -> bytes:
        """A token of a hub with another secret."""
        register = Child("register", leashed(PROGRAM, "hub", "register"), {"SLIME_SECRET": "another secret" * 3})
        self.assertEqual(register.result(), 0)
        return register.lines[-1].encode()


@cache
def lonely_hub() -> HubProcess:
    """One hub for all of these tests: none of them leaves a trace. Its leash ends it."""
    return HubProcess(SlimeTestCase.SECRET)


UPGRADE = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13",
           b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", b"Sec-WebSocket-Protocol: slime.v1")


class PasswordTests(SlimeTestCase):
    """A hub with an application password."""

    def test_password(self) -> None:
        """Without it, or with a wrong one, 401; with it the request goes on, and the password does not."""
        upstream, hub = self.upstream(), self.hub("--app-password", "open sesame")
        self.agent(hub, upstream.address)
        for lines in ((), (b"Slime-App-Password: wrong",), (b"Slime-App-Password: open sesame",) * 2):
            answer = self.asking(hub, b"GET /", *lines).response()
            self.assertEqual((answer.status, answer.one(b"slime-error")), (401, b"unauthorized"))
        right = self.asking(hub, b"GET /right", b"Slime-App-Password: open sesame")
        request = upstream.serve().request
        self.assertEqual((right.response().status, request.target), (200, b"/right"))
        self.assertEqual([name for name, _ in request.fields if b"assword" in name], [])


class LimitTests(SlimeTestCase):
    """A hub with a largest body, and an agent that serves only one scope."""

    def setUp(self) -> None:
        self.provider, self.small = self.upstream(), self.hub("--max-body", "100KiB")

    def test_body_too_large(self) -> None:
        """413, whether the length is told beforehand or shows on the way; just as much as allowed passes."""
        self.agent(self.small, self.provider.address)
        told = self.application(self.small)
        told.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 102401\r\n\r\n")
        self.assertEqual(told.response().one(b"slime-error"), b"body-too-large")
        grown = self.application(self.small)
        grown.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        grown.send(b"19000\r\n" + b"x" * 0x19000 + b"\r\n1\r\nx\r\n")
        self.assertEqual(grown.response().status, 413)
        allowed = self.asking(self.small, b"POST /", b"Slime-Block: 1", body=b"x" * 102400)
        whole = self.first_whole()
        self.assertEqual((allowed.response().status, len(whole.body)), (200, 102400))

    def first_whole(self) -> Message:
        """The first request that arrives whole; a part of the one that was cut off may have come before."""
        while True:
            served = self.provider.next()
            try:
                request = served.body(served.request)
            except BrokenError:
                continue
            served.answer(b"ok")
            return request

    def test_no_match(self) -> None:
        """A scope or path that no agent serves: 503 ``no-match``."""
        self.agent(self.small, self.provider.address, scopes=("--scopes", "chat", "--scopePaths", "/v1/*"))
        for lines in ((b"GET /v1/x", b"Slime-Scope: other"), (b"GET /v2", b"Slime-Scope: chat")):
            answer = self.asking(self.small, *lines).response()
            self.assertEqual((answer.status, answer.one(b"slime-error")), (503, b"no-match"), lines)
        fits = self.asking(self.small, b"GET /v1/x", b"Slime-Scope: chat")
        self.provider.serve()
        self.assertEqual(fits.response().status, 200)


class UpstreamDownTests(SlimeTestCase):
    """An agent whose upstream does not listen."""

    def test_down_and_up(self) -> None:
        """502 at once, again and again, and the first request after its return succeeds: no slot is lost."""
        hub, upstream = self.hub(), self.upstream()
        agent = self.agent(hub, upstream.address)
        upstream.close()
        for _ in range(3):
            began = monotonic()
            answer = self.asking(hub, b"GET /").response()
            self.assertEqual((answer.status, answer.one(b"slime-error")), (502, b"upstream-unreachable"))
            self.assertTrue(monotonic() - began < AT_ONCE)
        again = self.upstream(upstream.port)
        asked = self.asking(hub, b"GET /")
        again.serve()
        self.assertEqual((asked.response().status, agent.child.status), (200, None))


class BrokenLinkTests(SlimeTestCase):
    """An agent that breaks the protocol of the link."""

    def test_only_that_link(self) -> None:
        """It is closed with a code of ours and a logged reason; a request that runs elsewhere goes on."""
        hub, upstream = self.hub(), self.upstream()
        self.agent(hub, upstream.address)
        running = self.asking(hub, b"GET /running")
        served = upstream.next()
        hostile = self.asking(hub, b"GET /v1/agent/tunnel", *UPGRADE,
                              b"Authorization: Bearer " + hub.token("hostile").encode())
        self.assertEqual(hostile.head().status, 101)
        hostile.send(websocket_message(b"\xff" * 40))
        self.assertIn(self.close_code(hostile), range(4000, 5000))
        hub.child.wait_for("link to .* (failed|aborted)")
        served.answer(b"still here")
        self.assertEqual(running.response().body, b"still here")

    def close_code(self, link: Application) -> int:
        """The code with which the hub closes the WebSocket."""
        first, length = link.exactly(2)
        payload = link.exactly(length)
        self.assertEqual(first, 0x88, payload)
        return int.from_bytes(payload[:2], "big")


def websocket_message(payload: bytes) -> bytes:
    """A masked binary message of up to 125 bytes (RFC 6455 5.2); a mask of zeros leaves the bytes as they are."""
    return struct.pack("!BBI", 0x82, 0x80 | len(payload), 0) + payload


class OneLineTests(SlimeTestCase):
    """What cannot work is said in one line."""

    def said(self, *arguments: str, environment: dict[str, str] | None = None) -> tuple[int, list[str]]:
        """Exit status and output of a ``slime`` command."""
        child = Child("slime", leashed(PROGRAM, *arguments), environment)
        return child.result(), child.lines

    def test_port_taken(self) -> None:
        """The port is named, and how to mend it; no traceback."""
        taken = self.upstream()
        status, lines = self.said("hub", "run", "--host", "127.0.0.1", "--port", str(taken.port),
                                  environment={"SLIME_SECRET": self.SECRET, "SLIME_ADMIN": "off"})
        self.assertNotEqual(status, 0)
        self.assertIn(str(taken.port), lines[-1])
        self.assertNotIn("Traceback", "\n".join(lines))

    def test_secret_missing(self) -> None:
        """One line that names the setting; status 2."""
        for command in (("hub", "run"), ("hub", "register")):
            status, lines = self.said(*command, environment={"HOME": self.mktemp()})
            self.assertEqual((status, len(lines)), (2, 1), lines)
            self.assertIn("secret", lines[0])

    def test_wrong_values(self) -> None:
        """Unknown flags, wrong values, unknown commands: one line, status 2."""
        for arguments in (("hub", "run", "--porte", "1"), ("hub", "run", "--port", "many"), ("hub", "walk"),
                          ("agent", "run", "--num-worker", "none"), ("demo", "--twice")):
            status, lines = self.said(*arguments, environment={"SLIME_SECRET": self.SECRET})
            self.assertEqual(status, 2, lines)
            self.assertNotIn("Traceback", "\n".join(lines))


class LonelyAgentTests(SlimeTestCase):
    """An agent that cannot join."""

    def start(self, hub: str, token: str) -> Child:
        """Start an agent, whatever comes of it."""
        agent = AgentProcess("lonely", hub, token, "--upstream", "127.0.0.1:9").child
        self.addCleanup(agent.end)
        return agent

    def test_hub_unreachable(self) -> None:
        """It says so in a line, and when it tries again; and it stays."""
        nobody = self.upstream()
        nobody.close()
        agent = self.start(f"127.0.0.1:{nobody.port}", self.hub().token("lonely"))
        line = agent.wait_for(r"(?i)refused|unreachable|cannot").string
        self.assertIn(str(nobody.port), line)
        agent.wait_for(r"dialling in \d", times=3)
        self.assertIsNone(agent.status)
        self.assertNotIn("Traceback", "\n".join(agent.lines))

    def test_wrong_token(self) -> None:
        """It says that its token was refused, and backs off for long; the hub says why in its log."""
        hub = self.hub()
        other = Child("register", leashed(PROGRAM, "hub", "register"), {"SLIME_SECRET": "another secret" * 3})
        other.result()
        agent = self.start(f"127.0.0.1:{hub.port}", other.lines[-1])
        line = agent.wait_for(r"no link .*401.*dialling in (\d+\.\d+) s")
        self.assertGreaterEqual(float(line[1]), 10)
        hub.child.wait_for(r"refused: its token is \w+")
        self.assertIsNone(agent.status)


class EndTests(SlimeTestCase):
    """The leash that this suite and the demonstration use."""

    def test_no_orphans(self) -> None:
        """A hub whose parent lets go of it ends."""
        hub = self.hub()
        hub.child.release()
        self.assertIn(hub.child.wait(), (0, -signal.SIGTERM))

    def test_silent(self) -> None:
        """Who waits for words that never come is told what was said instead."""
        child = Child("quiet", leashed("this"))
        with self.assertRaises(ChildError) as caught:
            child.wait_for("no such line", timeout=10)
        child.result()
        self.assertIn("Namespaces are one honking great idea", str(caught.exception))
        self.assertFalse(os.path.exists(f"/proc/{child.pid}"))
