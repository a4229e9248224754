"""``slime agent check``, against whole programs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from subprocess import PIPE, Popen

from slime.demo.children import Child, leashed
from slime.demo.fleet import PROGRAM
from tests.certificates import Authority
from tests.e2e.harness import Application, Fleet, Served, SlimeTestCase


class CheckTests(SlimeTestCase):
    """A diagnosis in plain words."""

    def check(self, *options: str, **environment: str) -> tuple[int, list[str]]:
        """Its status, and what it says; no secret is in it."""
        child = Child("check", leashed(PROGRAM, "agent", "check", *options), environment)
        status = child.result(40)
        self.assertNotIn(environment.get("SLIME_TOKEN", "slime1_"), "\n".join(child.lines))
        return status, [" ".join(line.split()) for line in child.lines]

    def assertLines(self, said: list[str], *beginnings: str) -> None:
        """One line each, in order."""
        self.assertEqual(len(said), len(beginnings), said)
        for line, beginning in zip(said, beginnings, strict=True):
            self.assertEqual(line[: len(beginning)], beginning)

    def test_all_is_well(self) -> None:
        """The agent itself goes on undisturbed, and the hub counts nobody."""
        fleet = self.fleet()
        served, asked = self.running(fleet)
        place = Path(self.mktemp())
        place.mkdir()
        token = fleet.hub.token("alpha", "--age", "90d", "--scopes", "gpu")
        (place / "token").write_text(token + "\n")
        (place / "agent.yaml").write_text(
            f"hub: 127.0.0.1:{fleet.hub.port}\nupstream: {fleet.upstream.address}\n"
            f"token-file: {place}/token\nagent-id: alpha\n"
        )
        child = Child("check", leashed(PROGRAM, "agent", "check", "--config", str(place / "agent.yaml")))
        probe = fleet.upstream.next()
        self.assertEqual(probe.request.target, b"/")
        probe.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nit is not waited for")
        self.assertEqual(child.result(40), 0, child.lines)
        self.assertLines(
            [" ".join(line.split()) for line in child.lines],
            "ok token it is whole",
            f"ok hub http://127.0.0.1:{fleet.hub.port} is reached",
            "ok let in the hub accepts the token of alpha, with the scopes gpu; it is valid until ",
            "ok link slime/",
            f"ok upstream http://{fleet.upstream.address} answers / with 200 in ",
        )
        served.answer(b"still here")
        self.assertEqual(asked.response().body, b"still here")
        self.assertEqual(sum("joined" in line or "left" in line for line in fleet.hub.child.lines), 1)

    def running(self, fleet: Fleet) -> tuple[Served, Application]:
        """A request that the agent works on."""
        asked = self.asking(fleet.hub, b"GET /running")
        return fleet.upstream.next(), asked

    def test_nothing_is_well(self) -> None:
        """Each thing that is amiss has its line, and the status says so."""
        hub = self.hub()
        foreign = Child("register", leashed(PROGRAM, "hub", "register", "--secret", "another"))
        self.assertEqual(foreign.result(), 0)
        upstreams = "http://me:hush@127.0.0.1:9,unix:/nowhere.sock"
        status, said = self.check("--hub", f"127.0.0.1:{hub.port}", "--upstream", upstreams,
                                  SLIME_TOKEN=foreign.lines[0])
        self.assertEqual(status, 1)
        self.assertNotIn("hush", "".join(said))
        self.assertLines(
            said, "ok token", "ok hub", "FAIL let in the hub does not accept the token",
            "FAIL upstream http://127.0.0.1:9 does not answer: it refuses connections",
            "FAIL upstream unix:/nowhere.sock does not answer: ",
        )
        hub.child.wait_for("was refused: its token is foreign")

    def test_no_hub(self) -> None:
        """Nobody there, and something else there."""
        hub, upstream = self.hub(), self.upstream()
        token = hub.token("alpha")
        status, said = self.check("--hub", "127.0.0.1:9", "--upstream", "127.0.0.1:9", SLIME_TOKEN=token[:30])
        self.assertEqual(status, 1)
        self.assertLines(said, "FAIL token its end is missing", "FAIL hub cannot connect to http://127.0.0.1:9", "FAIL")
        elsewhere = ("--hub", upstream.address, "--upstream", "127.0.0.1:9")
        child = Child("check", leashed(PROGRAM, "agent", "check", *elsewhere), {"SLIME_TOKEN": token})
        upstream.next().answer(b"", b"404 Not Found")
        self.assertEqual(child.result(40), 1)
        self.assertIn("FAIL let in", " ".join(child.lines[2].split()))
        self.assertIn("what is there is no hub", child.lines[2])

    def test_nobody_reads_on(self) -> None:
        """Behind ``| head -1``: it ends without a word more."""
        words = [sys.executable, "-m", "slime", "agent", "check", "--hub", "127.0.0.1:9", "--upstream", "127.0.0.1:9"]
        with Popen(words, stdout=PIPE, stderr=PIPE, env={**os.environ, "SLIME_TOKEN": "none"}) as check:
            assert check.stdout is not None
            assert check.stderr is not None
            check.stdout.readline()
            check.stdout.close()
            said = check.stderr.read()
        self.assertEqual((said, check.returncode), (b"", 1))

    def test_tls(self) -> None:
        """Whose certificate it is, until when it is good, and why it is not believed."""
        authority, place = Authority(), Path(self.mktemp()).absolute()
        ca, _ = authority.issued.write(place, "ca")
        certificate, key = authority.issue("localhost").write(place, "hub")
        hub = self.hub("--listen", f"ssl:0:privateKey={key}:certKey={certificate}:interface=127.0.0.1")
        secure = hub.child.wait_for(r"listening on .*port=(\d+)", times=2)[1]
        there = f"https://localhost:{secure}"
        for option, expected in (
            (["--ca", str(ca)], f"ok hub {there} is reached by TLS; its certificate is good until "),
            ([], f"FAIL hub {there} cannot be talked to: connection lost: TLS: "),
        ):
            _, said = self.check("--hub", there, "--upstream", there, *option, SLIME_TOKEN=hub.token("alpha"))
            self.assertEqual(said[1][: len(expected)], expected, said)
        self.assertIn("does not answer: TLS: ", said[-1])

    def test_no_proxy(self) -> None:
        """A proxy on the way that is not there; its password is no part of the complaint."""
        _, said = self.check("--hub", "hub.invalid", "--upstream", "127.0.0.1:9", "--proxy", "http://me:hush@127.0.0.1:9",
                             SLIME_TOKEN="xyzzy")  # fmt: skip
        self.assertIn("FAIL hub cannot connect to http://hub.invalid: ", said[1])
        self.assertIn("proxy", said[1])
        self.assertNotIn("hush", "".join(said))

    def test_silence(self) -> None:
        """Where something listens and says nothing, the check says so and ends."""
        silent = self.upstream()
        status, said = self.check("--hub", silent.address, "--upstream", silent.address, "--handshake-timeout", "0.5s",
                                  "--first-byte-timeout", "0.5s", SLIME_TOKEN=self.hub().token("alpha"))
        self.assertEqual(status, 1)
        self.assertLines(
            said, "ok token", f"FAIL hub http://{silent.address} cannot be talked to: the handshake is late",
            f"FAIL upstream http://{silent.address} does not answer: ",
        )

    def test_mistakes(self) -> None:
        """Settings that cannot be are what they are for ``agent run``."""
        status, said = self.check("--token", "t", "--hub", "h")
        self.assertEqual(status, 2)
        self.assertLines(said, "slime agent check: upstream: missing; give")
        status, said = self.check("--token", "t", "--hub", "h", "--upstream", "u:1", "--ca", "/gone")
        self.assertEqual((status, said), (2, ["slime agent check: ca: cannot read /gone: No such file or directory"]))
