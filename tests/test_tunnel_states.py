"""The phase table: what it promises by itself, and that both ends can live by it whatever crosses."""

import re
from typing import NamedTuple

from twisted.trial.unittest import SynchronousTestCase

import slime.tunnel
from slime.tunnel.states import ANSWERED_BY_RESET, DEAF, NEXT, Phase, Role, Step, steps

HUB, AGENT = Role.HUB, Role.AGENT
TERMINAL = {Step.HEAD_WHOLE, Step.END, Step.RESET, Step.REVOKED, Step.REFUSED}


def documented() -> dict[tuple[Phase, Step, Role], Phase]:
    """The table as the specification writes it."""
    text = slime.tunnel.__doc__ or ""
    section = text.split("Phases\n------\n")[1].split("Credit\n------\n")[0]
    rows = {}
    for phase, block in re.findall(r"^([A-Z_]+)\n((?:    .*\n)+)", section, re.MULTILINE):
        for role, entries in re.findall(r"\* (hub|agent): ([^*]+)", block):
            for entry in entries.split(";"):
                step, _, after = entry.strip().partition(" to ")
                rows[Phase[phase], Step[step], Role(role)] = Phase[after or phase]
    return rows


class TableTests(SynchronousTestCase):
    """Properties of the rows."""

    def test_documented(self) -> None:
        """The specification's table is the code's."""
        self.assertEqual(documented(), NEXT)

    def test_steps(self) -> None:
        """Each end reads its rows, by phase."""
        for role in Role:
            read = {(phase, step, role): after for phase in Phase for step, after in steps(role)[phase].items()}
            self.assertEqual(read, {row: after for row, after in NEXT.items() if row[2] is role})
        self.assertIs(HUB.other, AGENT)
        self.assertIs(AGENT.other, HUB)

    def test_data_stays(self) -> None:
        """DATA changes no phase, and END may follow wherever DATA may; the code relies on both."""
        for (phase, step, role), after in NEXT.items():
            if step is Step.DATA:
                self.assertIs(after, phase)
                self.assertIn((phase, Step.END, role), NEXT)

    def test_over_is_the_end(self) -> None:
        """Nothing leads out of OVER, and OVER can be reached from everywhere."""
        self.assertEqual([row for row in NEXT if row[0] is Phase.OVER], [])
        good = {Phase.OVER}
        for _ in Phase:
            good |= {row[0] for row, after in NEXT.items() if after in good}
        self.assertEqual(good, set(Phase))

    def test_reset_any_time(self) -> None:
        """Each end may give a stream up in every phase in which it has not done with it."""
        for phase in set(Phase) - {Phase.IDLE, Phase.OVER}:
            for role in Role:
                if phase not in DEAF[role] and phase not in ANSWERED_BY_RESET[role]:
                    self.assertIn((phase, Step.RESET, role), NEXT)


class Link(NamedTuple):
    """One stream on a link: each end's phase, and what is under way."""

    hub: Phase = Phase.IDLE
    agent: Phase = Phase.IDLE
    to_agent: tuple[Step, ...] = ()
    to_hub: tuple[Step, ...] = ()
    ends: int = 0
    switched: bool = False

    def sent(self, role: Role, step: Step, after: Phase) -> "Link":
        """The link after one end has sent a frame."""
        if role is HUB:
            return self._replace(hub=after, to_agent=(*self.to_agent, step))
        return self._replace(agent=after, to_hub=(*self.to_hub, step), switched=self.switched or step is Step.SWITCH)


SENT = {role: steps(role) for role in Role}
# What a stream that is over ignores.
CROSSING = {Step.RESET, Step.REVOKE}


class CrossingTests(SynchronousTestCase):
    """Every interleaving of two ends that keep to the table, with up to four frames under way each way."""

    def test_every_interleaving(self) -> None:
        """No frame is ever a violation, no stream is left half over, and the slot is freed exactly once."""
        seen: set[Link] = set()
        waiting = [Link()]
        while waiting:
            link = waiting.pop()
            following = {*self.sends(link), *self.receives(link)} - seen
            seen |= following
            waiting += following
            if not link.to_agent and not link.to_hub:
                self.check_quiet(link)
        self.assertGreater(len(seen), 1000)
        ends = {(link.hub, link.agent) for link in seen}
        self.assertIn((Phase.OVER, Phase.OVER), ends)

    def sends(self, link: Link) -> set[Link]:
        """What either end may do next; an end never sends when it has done with the stream."""
        following = set()
        for role, phase, way in ((HUB, link.hub, link.to_agent), (AGENT, link.agent, link.to_hub)):
            if len(way) < 4 and phase not in DEAF[role]:
                following |= {link.sent(role, step, after) for step, after in SENT[role][phase].items()}
        return following

    def receives(self, link: Link) -> set[Link]:
        """What either end may receive next."""
        following = set()
        if link.to_agent:
            rest = link._replace(to_agent=link.to_agent[1:])
            following.add(self.received(rest, AGENT, link.agent, link.to_agent[0]))
        if link.to_hub:
            rest = link._replace(to_hub=link.to_hub[1:])
            following.add(self.received(rest, HUB, link.hub, link.to_hub[0]))
        return following

    def received(self, link: Link, role: Role, phase: Phase, step: Step) -> Link:
        """The link after one end has received a frame, and answered if it must."""
        if phase is Phase.OVER and step in CROSSING:
            return link
        after = SENT[role.other][phase].get(step)
        self.assertIsNotNone(after, f"{role} in {phase} received {step}: {link}")
        assert after is not None
        if role is HUB and step in TERMINAL:
            link = link._replace(ends=link.ends + 1)
            self.assertLessEqual(link.ends, 2 if link.switched else 1, link)
        if after is not phase and after in ANSWERED_BY_RESET[role]:
            link = link.sent(role, Step.RESET, Phase.OVER)
            after = Phase.OVER
        return link._replace(hub=after) if role is HUB else link._replace(agent=after)

    def check_quiet(self, link: Link) -> None:
        """With nothing under way, both ends agree, and neither waits for what never comes."""
        self.assertIs(link.hub, link.agent, link)
        self.assertNotIn(link.hub, DEAF[HUB])
        self.assertNotIn(link.agent, DEAF[AGENT])
        if link.hub is Phase.OVER:
            self.assertGreaterEqual(link.ends, 1)
