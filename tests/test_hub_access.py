"""The access log."""

from __future__ import annotations

import json
from typing import cast

from twisted.internet.address import UNIXAddress
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher

from slime.hub.access import ANSWERED_SHOWN, AccessLog, NoAccessLog
from slime.hub.accessfile import TheLog
from slime.hub.accessline import FORMATS
from slime.hub.answers import Answered
from slime.hub.gateway import GatewayPolicy
from tests.hub_fixture import HubTestCase, Wanted, request

WHEN = 1_700_000_000.1239
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"traceparent: 00-{TRACE}-00f067aa0ba902b7-01".encode()


class AccessLogTests(HubTestCase):
    wanted = Wanted(gateway=GatewayPolicy(app_password=b"xyzzy"))

    def setUp(self) -> None:
        super().setUp()
        self.written: list[str] = []
        self.now = WHEN
        self.clock = Clock()
        self.log = self.opened("text")

    def opened(self, line_format: str) -> AccessLog:
        return AccessLog(self.clock, TheLog(self.written.append), FORMATS[line_format], lambda: self.now)

    def exchange(self, path: bytes = b"/path", *fields: bytes, agent: bool = True) -> None:
        """Have a request, and note how it went."""
        app = self.application()
        link = self.hub.agent() if agent else None
        app.send(request(path, b"Slime-App-Password: xyzzy", *fields, method=b"POST", body=b"hello"))
        self.hub.clock.advance(0.25)
        if link is not None:
            link.answer(body=b"hello!!")
            link.lose()
        self.log.finished(self.hub.finished[-1])

    def test_exchange(self) -> None:
        self.exchange(b"/path%20x?secret=1")
        self.assertEqual(self.written, [])
        self.clock.advance(0.5)
        [line] = self.written
        start, _, rest = line.partition(" id=")
        self.assertEqual(start, "2023-11-14T22:13:20.123Z access")
        self.assertEqual(
            rest.partition(" ")[2],
            'app=192.0.2.7:40001 agent=alpha method=POST path="/path%20x" status=200 outcome=ok'
            " queued=0.000000 ran=0.250000 in=5 out=7 requeues=0\n",
        )

    def test_no_secrets(self) -> None:
        """Neither password nor query, in no way of answering."""
        self.exchange(b"/x?token=hush")
        self.exchange(b"/x?token=hush", agent=False)
        app = self.application()
        app.get(b"/x?token=hush", b"Slime-App-Password: hush")
        app.get(b"/x?token=hush HTTP/1.1\r\nhush")
        for answered in self.hub.answered:
            self.log.answered(answered)
        self.log.flush()
        self.assertEqual(len("".join(self.written).splitlines()), 4)
        self.assertNotIn("hush", "".join(self.written))
        self.assertNotIn("xyzzy", "".join(self.written))

    def test_error(self) -> None:
        self.exchange(agent=False)
        self.log.flush()
        self.assertIn(' agent=- method=POST path="/path" status=503 outcome=no-agent queued=0.0', self.written[0])

    def test_any_name(self) -> None:
        """Agents are called as their owners like."""
        for name, shown in (("alpha-1", " agent=alpha-1 "), ("Zo\u00eb's GPU", ' agent="Zo\\u00eb\'s GPU" ')):
            app = self.application()
            link = self.hub.agent()
            link.agent_name = name
            app.get(b"/", b"Slime-App-Password: xyzzy")
            link.answer()
            link.lose()
            self.log.finished(self.hub.finished[-1])
            self.log.flush()
            self.assertIn(shown, self.written[-1])

    def test_json(self) -> None:
        self.log = self.opened("json")
        self.exchange()
        self.log.flush()
        entry = json.loads(self.written[0])
        self.assertEqual((entry["time"], entry["log"], entry["ran"]), ("2023-11-14T22:13:20.123Z", "access", 0.25))

    def test_json_is_json(self) -> None:
        """Whatever is in it; with the trace and the reason where there are any."""
        self.log = self.opened("json")
        self.exchange(b'/"\\x', TRACEPARENT)
        self.exchange(b"/")
        self.log.answered(Answered(UNIXAddress(None), 400, "bad-request", 'no "Host"\n'))
        self.log.flush()
        told, plain, refused = map(json.loads, self.written[0].splitlines())
        self.assertEqual((told["path"], told["trace"]), ('/"\\x', TRACE))
        self.assertNotIn("trace", plain)
        self.assertEqual((refused["detail"], refused["app"], refused["id"]), ('no "Host"\n', "-:-", "-"))

    def test_trace(self) -> None:
        self.exchange(b"/", TRACEPARENT)
        self.exchange(b"/", TRACEPARENT, TRACEPARENT)
        self.log.flush()
        told, twice = self.written[0].splitlines()
        self.assertTrue(told.endswith(f" requeues=0 trace={TRACE}"), told)
        self.assertTrue(twice.endswith(" requeues=0"), twice)

    def test_combined(self) -> None:
        """Apache's format, and nothing that was sent can break out of it."""
        for fields, told in (
            ((), '"-" "-"'),
            ((b"User-Agent: curl/8", b"Referer: https://page.example/a"), '"https://page.example/a" "curl/8"'),
            ((b'User-Agent: a"\\b',), r'"-" "a\"\\b"'),
            ((b"User-Agent: \xe9\ttab",), r'"-" "\xe9\x09tab"'),
            ((b"Referer: https://u:hush@page.example/a?hush#hush",), '"https://page.example/a" "-"'),
            ((b"User-Agent: a", b"User-Agent: b"), '"-" "-"'),
            ((b"User-Agent: " + b"x" * 9000,), f'"-" "{"x" * 512}"'),
        ):
            self.log = self.opened("combined")
            self.exchange(b"/path%20x?secret=1", *fields)
            self.log.flush()
            start = '192.0.2.7 - - [14/Nov/2023:22:13:20 +0000] "POST /path%20x HTTP/1.1" 200 7 '
            self.assertEqual(self.written.pop(), f"{start}{told}\n")

    def test_combined_without_an_answer(self) -> None:
        """Whoever left has a status that others use for it; what could not be read is a dash."""
        self.log = self.opened("combined")
        app = self.application()
        self.hub.agent()
        app.send(request(b"/", b"Slime-App-Password: xyzzy"))
        app.leave()
        self.log.finished(self.hub.finished[-1])
        self.log.answered(Answered(UNIXAddress(None), 400, "bad-request", "why"))
        self.log.flush()
        left, unread = self.written[0].splitlines()
        self.assertIn('] "GET / HTTP/1.1" 499 - "-"', left)
        self.assertEqual(unread, '- - - [14/Nov/2023:22:13:20 +0000] "-" 400 - "-" "-"')

    def test_before_an_exchange(self) -> None:
        """What never became one is there too, with the reason."""
        app = self.application()
        app.send(request(b"/private") + b"GET / HTTP/1.1\r\n\r\n")
        for answered in self.hub.answered:
            self.log.answered(answered)
        self.log.flush()
        refused, malformed = "".join(self.written).splitlines()
        self.assertIn(' path="/private" status=401 outcome=unauthorized ', refused)
        self.assertIn(' detail="one Slime-App-Password field is needed"', refused)
        self.assertNotIn(" id=- ", refused)
        self.assertIn(' id=- app=192.0.2.7:40001 agent=- method=- path="-" status=400 outcome=bad-request', malformed)
        self.assertIn(' detail="there is no Host field"', malformed)

    def test_bytes_of_refusals(self) -> None:
        """As many as were sent, of any answer: what an access log adds up is traffic."""
        sent = []
        for raw in (request(b"/"), request(b"/", method=b"HEAD"), b"nonsense\r\n\r\n"):
            app = self.application()
            app.send(raw)
            sent.append(len(app.received.partition(b"\r\n\r\n")[2]))
        self.assertEqual([answered.sent for answered in self.hub.answered], sent)
        self.assertEqual([bool(count) for count in sent], [True, False, True])
        self.log.answered(self.hub.answered[0])
        self.clock.advance(1)
        self.assertIn(f" out={sent[0]} ", self.written[0])

    def test_not_any_number_of_them(self) -> None:
        """Anybody can cause them; so they are counted when they are many."""
        counts: list[int] = []

        def observe(event: LogEvent) -> None:
            counts.extend([event["count"]] if "count" in event else [])

        observer = cast(ILogObserver, observe)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        refused = Answered(UNIXAddress(None), 400, "bad-request", "why")
        for _ in range(ANSWERED_SHOWN + 5):
            self.log.answered(refused)
        self.clock.advance(0.5)
        self.assertEqual(len("".join(self.written).splitlines()), ANSWERED_SHOWN)
        self.assertEqual(counts, [5])
        self.log.answered(refused)
        self.clock.advance(0.5)
        self.assertEqual(len("".join(self.written).splitlines()), ANSWERED_SHOWN + 1)

    def test_long_path(self) -> None:
        self.exchange(b"/" + b"x" * 10000)
        self.log.flush()
        self.assertLess(len(self.written[0]), 1500)

    def test_many(self) -> None:
        """Lines are written together, and no buffer grows."""
        self.exchange()
        for _ in range(299):
            self.log.finished(self.hub.finished[-1])
        self.assertEqual([text.count("\n") for text in self.written], [256])
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.now += 1
        self.clock.advance(0.5)
        self.assertEqual([text.count("\n") for text in self.written], [256, 44])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_flush_at_the_end(self) -> None:
        """Nothing is left to be called."""
        self.exchange()
        self.log.flush()
        self.log.flush()
        self.assertEqual((len(self.written), self.clock.getDelayedCalls()), (1, []))

    def test_none(self) -> None:
        log = NoAccessLog()
        self.exchange()
        log.finished(self.hub.finished[-1])
        log.answered(Answered(UNIXAddress(None), 400, "bad-request"))
        log.reopen()
        log.close()
