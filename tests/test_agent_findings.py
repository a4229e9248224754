"""What ``slime agent check`` says of what it sees."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from slime.agent.findings import Finding, Grade, admitted, answered, hub_findings, token_finding, unanswered, unreached
from slime.agent.link import LinkEnd
from slime.agent.visit import Visit
from slime.seed.tokens import mint_seed
from slime.tokens import NONCE_BYTES, AgentClaims, mint

NOW = 1_700_000_000.0
TOKEN = mint(b"secret", AgentClaims("t1", "desk"), b"n" * NONCE_BYTES)
SEED = mint_seed(b"secret", 1, AgentClaims("", "desk"), b"n" * NONCE_BYTES)


class FindingTests(SynchronousTestCase):
    """One line each."""

    def test_line(self) -> None:
        """What comes from elsewhere cannot begin another line, nor move a cursor."""
        self.assertEqual(str(Finding(Grade.BAD, "hub", "a\n\x1b[Hb")), "FAIL  hub       a??[Hb")

    def test_token(self) -> None:
        for token, grade, part in (
            (TOKEN, Grade.GOOD, "it is whole"),
            (TOKEN[:-1], Grade.BAD, "its end is missing"),
            (TOKEN[:9], Grade.BAD, "its end is missing"),
            (TOKEN + "a", Grade.BAD, "this is none"),
            ("ABCDEFG1" * 8, Grade.BAD, "this is none"),
            (SEED, Grade.BAD, "it looks like one of the seed's"),
        ):
            finding = token_finding(token)
            self.assertEqual((finding.grade, part in finding.text), (grade, True), finding)
            self.assertNotIn(token, finding.text)

    def test_unreached(self) -> None:
        self.assertEqual(unreached("http://h", "no").text, "cannot connect to http://h: no")

    def test_hub(self) -> None:
        """What a visit shows, from the door to the round trip."""
        until = datetime(2027, 1, 2, tzinfo=timezone.utc)
        for visited, lines in (
            (Visit(LinkEnd("connection lost: TLS")), ["FAIL hub http://h cannot be talked to: connection lost: TLS"]),
            (
                Visit(LinkEnd("the hub answers 401 unauthorized", status=401)),
                ["ok hub http://h is reached", "FAIL let in the hub does not accept the token: it has expired"],
            ),
            (
                Visit(LinkEnd("... 401 ...: it wants a client certificate", status=401), certified_until=until),
                ["ok hub http://h is reached by TLS; its certificate is good until 2027-01-02", "FAIL let in ... 401"],
            ),
            (
                Visit(LinkEnd("the hub answers 503 draining", status=503)),
                ["ok hub http://h is reached", "FAIL let in the hub answers 503 draining: it lets nobody in just now"],
            ),
            (
                Visit(LinkEnd("the hub answers 404 Not Found", status=404)),
                ["ok hub http://h is reached", "FAIL let in what is there is no hub, or something on the way"],
            ),
            (
                Visit(about={"name": "desk", "expires": None, "software": "slime/9"}, version=1, rtt=0.0123),
                ["ok hub", "ok let in the hub accepts the token of desk; it does not expire",
                 "ok link slime/9, protocol 1, round trip 12.3 ms"],
            ),
            (
                Visit(version=1, rtt=1.25),
                ["ok hub", "ok let in the hub accepts the token",
                 "ok link a hub that does not say what it is, protocol 1, round trip 1.2 s"],
            ),
            (Visit(about={}, version=1), ["ok hub", "ok let in", "ok link a hub that does not say what it is"]),
        ):  # fmt: skip
            found = [" ".join(str(finding).split()) for finding in hub_findings("http://h", visited, NOW)]
            self.assertEqual(len(found), len(lines), found)
            for line, beginning in zip(found, lines, strict=True):
                self.assertEqual(line[: len(beginning)], beginning)

    def test_admitted(self) -> None:
        """Tokens that end soon are pointed out; nothing that a hub says can break this."""
        good, doubtful = Grade.GOOD, Grade.DOUBTFUL
        cases: tuple[tuple[dict[str, Any], Grade, str], ...] = (
            ({"expires": NOW + 30 * 86400}, good, "valid until 2023-12-14 22:13 UTC, for 30 days more"),
            ({"expires": NOW + 86400}, doubtful, "for 24 hours more"),
            ({"expires": NOW + 600.0}, doubtful, "for 10 minutes more"),
            ({"expires": NOW + 7}, doubtful, "for 7 seconds more"),
            ({"expires": NOW - 7}, doubtful, "for 0 seconds more"),
            ({"expires": 1e300}, good, "it is valid until 6325-04-08"),
            ({"expires": -5}, doubtful, "it is valid until 1970-01-01"),
            ({"expires": "soon", "scopes": 7, "scope_paths": {}}, good, "does not expire"),
            ({"name": "a", "scopes": ["x", 1]}, good, "of a, with the scopes x, 1"),
            ({"scope_paths": ["/b"]}, good, "the token, for the paths /b"),
        )
        for about, grade, part in cases:
            finding = admitted(about, NOW)
            self.assertEqual((finding.grade, part in finding.text), (grade, True), finding)

    def test_upstream(self) -> None:
        for status, health, grade, part in (
            (200, False, Grade.GOOD, "u answers / with 200 in 20 ms"),
            (404, False, Grade.GOOD, "with 404"),
            (401, False, Grade.DOUBTFUL, "it wants credentials"),
            (503, False, Grade.DOUBTFUL, "but not well"),
            (204, True, Grade.GOOD, "with 204"),
            (404, True, Grade.BAD, "it is not ready, and gets no requests"),
        ):
            finding = answered("u", "/", status, 0.02, health)
            self.assertEqual((finding.grade, part in finding.text), (grade, True), finding)
        self.assertIn("u does not answer: why; is it running", unanswered("u", "why").text)
