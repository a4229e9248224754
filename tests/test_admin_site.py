"""The admin site over HTTP: who is let in, what is answered, and how."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from slime.errors import ErrorCode
from slime.hub.admin.events import MAX_WATCHERS
from slime.hub.admin.guard import Guard, is_local_endpoint
from slime.hub.admin.replies import Refused
from slime.hub.admin.site import MAX_BODY, MAX_CONNECTIONS
from slime.hub.admin.view import PIECE, View
from slime.tunnel.frames import Head, Reset
from tests.admin_fixture import AdminCase, Caller
from tests.link_fixture import token


class EndpointTests(SynchronousTestCase):
    """Which endpoints only this machine can reach."""

    def test_local(self) -> None:
        for description in (
            "tcp:8081:interface=127.0.0.1", "tcp:port=0:interface=127.8.0.1", "tcp6:1:interface=\\:\\:1", "unix:/run/a",
            "tcp:interface=localhost:port=1", "ssl:1:interface=127.0.0.1:privateKey=a", "unix:address=/run/a:mode=600",
        ):  # fmt: skip
            self.assertTrue(is_local_endpoint(description), description)

    def test_open_or_unknown(self) -> None:
        for description in (
            "tcp:8081", "tcp:8081:interface=0.0.0.0", "tcp6:1:interface=\\:\\:", "tcp:1:interface=192.0.2.1",
            "systemd:domain=INET:index=0", "tcp:1:interface=127.0.0.1.example.org", "fd:3", "",
            "tcp:1:interface=127.0.0.1:interface=0.0.0.0", "haproxy:tcp:1:interface=127.0.0.1",
        ):  # fmt: skip
            self.assertFalse(is_local_endpoint(description), description)


class GuardTests(SynchronousTestCase):
    """Who is let in."""

    def status(self, guard: Guard, verb: str = "GET", **fields: str) -> int:
        """200, or the status of the refusal."""
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        try:
            guard.admit(SimpleNamespace(verb=verb, field=named.get))
        except Refused as refused:
            return refused.reply.status
        return 200

    def test_names_of_this_machine(self) -> None:
        """A page whose owner pointed its name to this machine asks for that name."""
        ours = ("localhost", "127.0.0.1:8081", "[::1]:8081", "LOCALHOST:1", "hub.localhost", "localhost.", "127.1.2.3")
        others = ("", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "192.0.2.1", "[::2]", "a:b:c")
        for host in ours:
            self.assertEqual(self.status(Guard(), host=host), 200, host)
        for host in (*others, "[::1"):
            self.assertEqual(self.status(Guard(), host=host), 403, host)

    def test_changes_need_a_field(self) -> None:
        """One that a page of another origin cannot send."""
        for verb in ("POST", "DELETE", "PATCH"):
            self.assertEqual(self.status(Guard(), verb, host="localhost"), 403)
            self.assertEqual(self.status(Guard(), verb, host="localhost", slime_admin="1"), 200)

    def test_other_sites(self) -> None:
        for site in ("cross-site", "same-site"):
            self.assertEqual(self.status(Guard(), host="localhost", sec_fetch_site=site, slime_admin="1"), 403)
        for site in ("same-origin", "none"):
            self.assertEqual(self.status(Guard(), host="localhost", sec_fetch_site=site), 200)

    def test_token(self) -> None:
        """With a token that alone counts."""
        guard = Guard(b"s3cret")
        for given in ("Bearer s3cret", "bearer  s3cret", "BEARER s3cret"):
            self.assertEqual(self.status(guard, "POST", authorization=given), 200, given)
        for given in ("", "s3cret", "Basic s3cret", "Bearer", "Bearer s3cret2", "Bearer \u20ac", "Bearer s3cre"):
            self.assertEqual(self.status(guard, authorization=given, host="localhost", slime_admin="1"), 401, given)


class SiteTests(AdminCase):
    """Paths and methods."""

    def test_open_paths(self) -> None:
        """Health and the page itself need no token, as there is nothing in them."""
        hub = self.start(admin_token=b"s3cret")
        for path in ("/", "/page/page.js", "/page/style.css", "/healthz", "/readyz", "/api/v1/openapi.yaml"):
            self.assertEqual(hub.ask("GET", path, {"Host": "elsewhere.example"}).status, 200, path)

    def test_guarded_paths(self) -> None:
        hub = self.start(admin_token=b"s3cret")
        data = ("status", "agents", "events", "journal", "revocations")
        for name in ("metrics", *(f"api/v1/{name}" for name in data)):
            refused = hub.ask("GET", f"/{name}")
            self.assertEqual(refused.status, 401, name)
            self.assertEqual(refused.fields["www-authenticate"], 'bearer realm="slime admin"')
        self.assertEqual(hub.ask("POST", "/api/v1/agents/a/b/drain", {"Slime-Admin": "1"}).status, 401)
        bearer = {"Authorization": "Bearer s3cret", "Host": "hub.example"}
        self.assertEqual(hub.ask("GET", "/metrics", bearer).status, 200)
        self.assertEqual(hub.ask("POST", "/api/v1/agents/a/b/drain", bearer).status, 404)

    def test_fields(self) -> None:
        """Every answer, a refusal too, forbids what could be done with it elsewhere; and allows other sites nothing."""
        hub = self.start()
        for path in ("/", "/api/v1/status", "/nowhere", "/metrics"):
            fields = hub.ask("GET", path, {"Origin": "http://evil.example"}).fields
            self.assertIn("default-src 'none'", fields["content-security-policy"])
            self.assertNotIn("unsafe", fields["content-security-policy"])
            self.assertEqual(fields["x-content-type-options"], "nosniff")
            self.assertEqual([name for name in fields if name.startswith("access-control")], [])

    def test_page_is_strict(self) -> None:
        """Nothing inline, nothing from elsewhere, no markup made of text."""
        hub = self.start()
        page = hub.ask("GET", "/").body.decode()
        for forbidden in ("<style", "style=", "onclick", "javascript:", "//cdn", "https://", "<script>"):
            self.assertNotIn(forbidden, page)
        for name in ("page", "rows", "charts", "live", "sheet", "dom", "format"):
            script = hub.ask("GET", f"/page/{name}.js").body.decode()
            for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "https://"):
                self.assertNotIn(forbidden, script, name)

    def test_contrast(self) -> None:
        """What is written can be read by those who see less well (WCAG 2.2, 1.4.3), in light and in dark."""
        style = self.start().ask("GET", "/page/style.css").body.decode()
        colours = dict(re.findall(r"--([\w-]+): light-dark\((#\w{6}, #\w{6})\)", style))
        for name in ("ink", "quiet", "good-ink", "wait-ink", "bad"):
            for ground in ("panel", "ground", "sunk"):
                pairs = zip(colours[name].split(", "), colours[ground].split(", "), strict=True)
                for ink, paper in pairs:
                    self.assertGreaterEqual(_contrast(ink, paper), 4.5, f"{name} on {ground}: {ink} on {paper}")

    def test_unchanged_file(self) -> None:
        hub = self.start()
        first = hub.ask("GET", "/page/page.js")
        again = hub.ask("GET", "/page/page.js", {"If-None-Match": first.fields["etag"]})
        self.assertEqual((again.status, again.body, again.fields["etag"]), (304, b"", first.fields["etag"]))

    def test_nothing_else_of_the_folder(self) -> None:
        hub = self.start()
        files = ("/page/", "/page/../site.py", "/page/..%2fsite.py", "/site.py", "//", "/page/page.js/")
        for path in (*files, "/api", "/api/v1"):
            self.assertEqual(hub.ask("GET", path).status, 404, path)

    def test_methods(self) -> None:
        hub = self.start()
        answer = hub.ask("PUT", "/api/v1/status")
        self.assertEqual((answer.status, answer.fields["allow"]), (405, "get"))
        self.assertEqual(hub.ask("GET", "/api/v1/agents/a/b/drain").status, 405)
        self.assertEqual(hub.ask("DELETE", "/api/v1/revocations", {"Slime-Admin": "1"}).fields["allow"], "get, post")
        self.assertEqual(hub.ask("OPTIONS", "/api/v1/revocations").status, 405)

    def test_head(self) -> None:
        hub = self.start()
        head, whole = hub.ask("HEAD", "/page/page.js"), hub.ask("GET", "/page/page.js")
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(head.fields["content-length"], str(len(whole.body)))

    def test_limit(self) -> None:
        hub = self.start()
        for number in range(3):
            hub.app(b"/%d" % number)
        queue = hub.get("queue?limit=2")
        self.assertEqual((queue["length"], [one["path"] for one in queue["waiting"]]), (3, ["/0", "/1"]))
        self.assertEqual(hub.get("exchanges?limit=1")["total"], 3)
        for limit in ("0", "1001", "-1", "", "x", "99999", "1.5", "%D9%A3"):
            self.assertEqual(hub.ask("GET", f"/api/v1/queue?limit={limit}").status, 400, limit)

    def test_bodies(self) -> None:
        hub = self.start()
        fields = {"Slime-Admin": "1", "Content-Type": "application/json"}
        several = b'{"token": "a", "token_id": "b"}'
        for body in (b"", b"{", b"[]", b"[" * 9000, b'{"token_id": 1}', b'{"a": "b"}', b"{}", several, b"\xff"):
            self.assertEqual(hub.ask("POST", "/api/v1/revocations", fields, body).status, 400, body)
        self.assertEqual(hub.ask("POST", "/api/v1/revocations", {"Slime-Admin": "1"}, b"{}").status, 415)

    def test_long_body(self) -> None:
        """It is not kept, but cut off."""
        hub = self.start()
        caller = Caller(hub)
        caller.send("POST", "/api/v1/revocations", {"Content-Length": "10000000000", "Slime-Admin": "1"})
        caller.protocol.dataReceived(b"x" * MAX_BODY)
        self.assertFalse(caller.transport.aborted)
        caller.protocol.dataReceived(b"x")
        self.assertTrue(caller.transport.aborted)

    def test_connections_are_bounded(self) -> None:
        hub = self.start()
        for _ in range(MAX_CONNECTIONS):
            Caller(hub)
        self.assertIsNone(hub.admin_factory.buildProtocol(None))

    def test_failure(self) -> None:
        """What should not happen is logged, and tells nothing."""
        hub = self.start()
        with patch.object(View, "agents", side_effect=ZeroDivisionError("secret")):
            answer = hub.ask("GET", "/api/v1/agents")
        self.assertEqual((answer.status, b"secret" in answer.body), (500, False))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_readiness(self) -> None:
        """A hub that stops is not ready, but healthy; its site is the last to go."""
        hub = self.start()
        agent = hub.agent()
        hub.app()
        agent.begin()
        hub.service.stopService()
        self.assertEqual(hub.ask("GET", "/readyz").status, 503)
        self.assertEqual(hub.ask("GET", "/healthz").status, 200)
        self.assertEqual(hub.get("status")["state"], "draining")


class ViewTests(AdminCase):
    """The hub as data."""

    def test_exchanges(self) -> None:
        """Each phase has its name, and each moment is told when it has come."""
        hub = self.start()
        agent = hub.agent(slots=1)
        apps = [hub.app(b"/%d?secret=1" % number) for number in range(2)]
        told = hub.get("exchanges")["exchanges"]
        seen = [(one["path"], one["phase"], one["agent"]) for one in told]
        self.assertEqual(seen, [("/0", "sent", "worker"), ("/1", "waiting", None)])
        (stream,) = agent.begin()
        hub.seconds(3)
        agent.say(Head(stream, b"HTTP/1.1 200 OK\r\n\r\n", None))
        first = hub.get("exchanges")["exchanges"][0]
        self.assertEqual((first["phase"], round(first["age"]), first["agent_key"]), ("answering", 3, "worker-token/id"))
        self.assertEqual(round(first["answered_at"] - first["started_at"]), 3)
        apps[0].leave()
        (work,) = hub.get("agents")["agents"][0]["work"]
        self.assertEqual(work["phase"], "ending")
        queue = hub.get("queue")
        self.assertEqual((queue["length"], round(queue["head_age"])), (1, 3))
        agent.say(Reset(stream, ErrorCode.CANCELLED))

    def test_admission_counts_as_waiting(self) -> None:
        """Who waits to be admitted (--concurrent) waits, and may be the oldest."""
        hub = self.start(concurrent=1)
        hub.app(b"/first")
        hub.seconds(1)
        hub.app(b"/second")
        queue = hub.get("queue")
        self.assertEqual([one["path"] for one in queue["waiting"]], ["/first", "/second"])
        self.assertEqual(round(queue["head_age"]), 1)

    def test_agent(self) -> None:
        """What an agent says of itself, and what its token says of it."""
        hub = self.start()
        hub.agent(
            token("ann", scopes=("gpu",), scope_paths=("/v1/*",)),
            slots=3, software="slime/1", upstream="http://127.0.0.1:1", hardware={"cores": 4, "gpus": ["A", "B"]},
        )  # fmt: skip
        (agent,) = hub.get("agents")["agents"]
        self.assertEqual(agent["hardware"], {"cores": 4, "gpus": ["A", "B"]})
        self.assertEqual((agent["scopes"], agent["scope_paths"]), (["gpu"], ["/v1/*"]))
        self.assertEqual((agent["state"], agent["slots"]), ("idle", {"offered": 3, "busy": 0, "held": 0}))
        self.assertEqual((agent["rtt"], agent["service_time"], agent["token_expires_at"]), (None, None, None))
        self.assertEqual(agent["address"].count(":"), 1)

    def test_hostile_hardware(self) -> None:
        """Any JSON may come; what is shown is small and flat."""
        hub = self.start()
        hardware: dict[str, Any] = {
            "long": "x" * 9999, "deep": {"a": {}}, "none": None, "huge": 10**40, "float": 1.5, "yes": True,
            "list": [1, "a", ["b"], *["c"] * 99], "k" * 500: 1, **{f"n{number}": 1 for number in range(99)},
        }  # fmt: skip
        hub.agent(hardware=hardware)
        (agent,) = hub.get("agents")["agents"]
        shown = agent["hardware"]
        self.assertEqual((shown["long"], shown["yes"], shown["list"]), ("x" * 256, True, ["a"] + ["c"] * 13))
        self.assertFalse({"deep", "none", "huge", "float"} & set(shown))
        self.assertLessEqual(len(shown), 16)
        self.assertIn("k" * 64, shown)

    def test_service_time(self) -> None:
        hub = self.start()
        agent = hub.agent()
        hub.app()
        (stream,) = agent.begin()
        hub.seconds(2)
        agent.finish(stream)
        (told,) = hub.get("agents")["agents"]
        self.assertEqual((told["service_time"], told["served"]), (2.0, 1))


class EventTests(AdminCase):
    """The stream of events."""

    def watch(self, hub: Any) -> Caller:
        """Somebody who watches from now on."""
        caller = Caller(hub)
        caller.send("GET", "/api/v1/events")
        hub.turn()
        return caller

    def events(self, caller: Caller) -> list[tuple[str, Any]]:
        """What has come: names and data."""
        pieces = b"".join(_chunks(caller.taken())).decode().split("\n\n")
        read = [dict(line.split(": ", 1) for line in piece.splitlines()) for piece in pieces if "data: " in piece]
        return [(event["event"], json.loads(event["data"])) for event in read]

    def test_changes(self) -> None:
        """Everything first, then what has changed, once a second."""
        hub = self.start()
        hub.agent()
        watcher = self.watch(hub)
        ((name, snapshot),) = self.events(watcher)
        self.assertEqual((name, len(snapshot["agents"])), ("snapshot", 1))
        hub.seconds(1)
        ((name, update),) = self.events(watcher)
        self.assertEqual((name, update["agents"], update["gone"]), ("update", [], []))
        agent = hub.agent(token("second"))
        hub.app()
        hub.seconds(1)
        ((_, update),) = self.events(watcher)
        self.assertEqual({one["name"] for one in update["agents"]}, {"second", "worker"})
        agent.leave()
        hub.seconds(10)
        updates = self.events(watcher)
        self.assertEqual(updates[0][1]["gone"], ["second-token/id"])
        self.assertEqual(sum(len(update["points"]["at"]) for _, update in updates), 1)

    def test_slow_watcher(self) -> None:
        """Whoever does not read gets nothing more, and everything anew when it does; nobody else notices."""
        hub = self.start()
        slow, quick = self.watch(hub), self.watch(hub)
        self.events(slow)
        self.events(quick)
        slow.transport.producer.pauseProducing()
        hub.seconds(3)
        self.assertEqual((self.events(slow), len(self.events(quick))), ([], 3))
        slow.transport.producer.resumeProducing()
        hub.seconds(2)
        self.assertEqual([name for name, _ in self.events(slow)], ["snapshot", "update"])
        self.assertEqual([name for name, _ in self.events(quick)], ["update", "update"])

    def test_many_agents(self) -> None:
        """They are looked at some in each turn of the reactor; whoever comes meanwhile gets what is known."""
        hub = self.start()
        for number in range(PIECE + 1):
            hub.agent(agent_id=str(number))
        watcher = self.watch(hub)
        self.assertEqual([len(data["agents"]) for _, data in self.events(watcher)], [PIECE + 1])
        late = Caller(hub)
        late.send("GET", "/api/v1/events")
        self.assertEqual([len(data["agents"]) for _, data in self.events(late)], [PIECE + 1])

    def test_nobody_watches(self) -> None:
        """Then nothing is made."""
        hub = self.start()
        watcher = self.watch(hub)
        watcher.transport.producer.stopProducing()
        hub.seconds(1)
        watcher.leave()
        with patch.object(View, "agents", side_effect=ZeroDivisionError):
            hub.seconds(3)
        again = self.watch(hub)
        self.assertEqual([name for name, _ in self.events(again)], ["snapshot"])

    def test_head(self) -> None:
        """Whoever asks for the head alone does not watch, and can ask for more."""
        hub = self.start()
        answer = hub.ask("HEAD", "/api/v1/events")
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertTrue(answer.fields["content-type"].startswith("text/event-stream"))
        caller = Caller(hub)
        for path in ("/api/v1/events", "/healthz"):
            caller.send("HEAD", path)
            self.assertTrue(caller.taken().startswith(b"HTTP/1.1 200 OK"), path)

    def test_bounded(self) -> None:
        hub = self.start()
        for _ in range(MAX_WATCHERS):
            self.watch(hub)
        self.assertEqual(hub.ask("GET", "/api/v1/events").status, 503)

    def test_failure(self) -> None:
        """When the view cannot be made the streams end, so that whoever watches asks again."""
        hub = self.start()
        watcher = self.watch(hub)
        watcher.taken()
        with patch.object(View, "status", side_effect=ZeroDivisionError):
            hub.seconds(1)
        self.assertTrue(watcher.taken().endswith(b"0\r\n\r\n"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual([name for name, _ in self.events(self.watch(hub))], ["snapshot"])

    def test_end_of_the_hub(self) -> None:
        """The stream ends with the hub, and does not hold it up."""
        hub = self.start()
        watcher = self.watch(hub)
        done = hub.service.stopService()
        hub.seconds(10)
        self.successResultOf(done)
        self.assertTrue(watcher.taken().endswith(b"0\r\n\r\n"))


def _contrast(one: str, other: str) -> float:
    """How much lighter one colour is than the other."""
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    """The relative luminance of an sRGB colour."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _chunks(data: bytes) -> list[bytes]:
    """The chunks of a chunked body, with or without its head."""
    data = data.partition(b"\r\n\r\n")[2] if data.startswith(b"HTTP/") else data
    chunks = []
    while data:
        size, _, rest = data.partition(b"\r\n")
        chunks.append(rest[: int(size, 16)])
        data = rest[int(size, 16) + 2 :]
    return chunks
