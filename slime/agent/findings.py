"""What ``slime agent check`` finds, in plain words. Pure."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from slime.agent.visit import Visit
from slime.seed.tokens import is_like_seeds
from slime.tokens import TokenError, Truncated, check_whole
from slime.values import TUNNEL_PATH
from slime.websocket import printable

__all__ = ["Finding", "Grade", "admitted", "answered", "hub_findings", "token_finding", "unanswered", "unreached"]


class Grade(Enum):
    """How something is."""

    GOOD = "ok"
    DOUBTFUL = "warn"
    BAD = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the diagnosis.

    :ivar subject: what was looked at, in a word.
    :ivar text: how it is, and where it is bad, what to do.
    """

    grade: Grade
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.grade.value:<5} {self.subject:<9} {printable(self.text)}"


def _bad(subject: str, text: str) -> Finding:
    return Finding(Grade.BAD, subject, text)


# -- the token ------------------------------------------------------------------------------------------------------


def token_finding(token: str) -> Finding:
    """What can be said of a token without the hub, which alone can read it."""
    try:
        check_whole(token)
    except Truncated:
        return _bad("token", "its end is missing; copy it whole, as `slime hub register` printed it")
    except TokenError:
        if is_like_seeds(token):
            return _bad("token", "it looks like one of the seed's, for its agents; make one by `slime hub register`")
        return _bad("token", "this is none; those of `slime hub register` begin with slime1_")
    return Finding(Grade.GOOD, "token", "it is whole")


# -- the hub --------------------------------------------------------------------------------------------------------


def unreached(label: str, reason: str) -> Finding:
    """Nothing answers where the hub should be."""
    return _bad("hub", f"cannot connect to {label}: {reason}")


def hub_findings(label: str, visited: Visit, now: float) -> list[Finding]:
    """What a visit shows.

    :param label: where the hub is.
    :param now: seconds since the epoch.
    """
    end = visited.end
    if end is not None and not end.status:
        return [_bad("hub", f"{label} cannot be talked to: {end.reason}")]
    reached = f"{label} is reached"
    if visited.certified_until is not None:
        reached += f" by TLS; its certificate is good until {visited.certified_until:%Y-%m-%d}"
    findings = [Finding(Grade.GOOD, "hub", reached)]
    if end is not None:
        return [*findings, _refused(end.status, end.reason)]
    findings.append(admitted(visited.about or {}, now))
    distance = "" if visited.rtt is None else f", round trip {_brief(visited.rtt)}"
    software = (visited.about or {}).get("software", "a hub that does not say what it is")
    findings.append(Finding(Grade.GOOD, "link", f"{software}, protocol {visited.version}{distance}"))
    return findings


def _refused(status: int, reason: str) -> Finding:
    if status == 401 and "certificate" in reason:
        return _bad("let in", reason)
    if status == 401:
        return _bad(
            "let in",
            "the hub does not accept the token: it has expired, was revoked, or was made with another secret; the "
            "hub's log says which",
        )
    if status == 503:
        return _bad("let in", f"{reason}: it lets nobody in just now; try again in a moment")
    return _bad(
        "let in",
        f"what is there is no hub, or something on the way passes no WebSocket on to {TUNNEL_PATH}: {reason}",
    )


def admitted(about: Mapping[str, Any], now: float) -> Finding:
    """The hub accepts the token; what it says of it is looked at, as everything that comes from elsewhere."""
    name, expires = about.get("name"), about.get("expires")
    text = "the hub accepts the token" + (f" of {name}" if name else "")
    for member, words in (("scopes", "with the scopes"), ("scope_paths", "for the paths")):
        values = about.get(member)
        if isinstance(values, list) and values:
            text += f", {words} {', '.join(map(str, values))}"
    if not isinstance(expires, int | float):
        return Finding(Grade.GOOD, "let in", text + ("; it does not expire" if "expires" in about else ""))
    left = expires - now
    until = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(min(max(expires, 0), 2**37)))
    grade = Grade.GOOD if left > 86400 else Grade.DOUBTFUL
    return Finding(grade, "let in", f"{text}; it is valid until {until}, for {_lasting(left)} more")


def _lasting(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} seconds"


def _brief(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.1f} s"


# -- an upstream ----------------------------------------------------------------------------------------------------


def unanswered(label: str, reason: str) -> Finding:
    """An upstream that gives no answer."""
    return _bad("upstream", f"{label} does not answer: {reason}; is it running, and its address right?")


def answered(label: str, path: str, status: int, seconds: float, health: bool) -> Finding:
    """An upstream that answers.

    :param health: whether the path was given to learn from whether it is ready.
    """
    text = f"{label} answers {path} with {status} in {_brief(seconds)}"
    if health and status >= 400:
        return _bad("upstream", f"{text}: it is not ready, and gets no requests (--health-path)")
    if status >= 500:
        return Finding(Grade.DOUBTFUL, "upstream", f"{text}: it is there, but not well")
    if status == 401:
        return Finding(Grade.DOUBTFUL, "upstream", f"{text}: it wants credentials; they can stand in its address")
    return Finding(Grade.GOOD, "upstream", text)
