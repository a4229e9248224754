"""What an operator does to agents and tokens, and who may."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import MagicMock, Mock, patch

from slime.seed.tokens import mint_seed
from slime.tokens import AgentClaims
from slime.tunnel.frames import Open, Revoke, Revoked
from tests.admin_fixture import AdminCase, AdminHub
from tests.link_fixture import SECRET, AgentPeer, AppPeer, token

KEY = "worker-token/id"


class DrainTests(AdminCase):
    """An agent gets nothing new, until it may again."""

    def setUp(self) -> None:
        super().setUp()
        self.hub = self.start()
        self.agent = self.hub.agent(slots=2)

    def condition(self, hub: AdminHub | None = None) -> str:
        """What the site says of the one agent."""
        (agent,) = (hub or self.hub).get("agents")["agents"]
        return str(agent["state"])

    def test_drain(self) -> None:
        """What runs runs on; what comes waits."""
        self.hub.app()
        (stream,) = self.agent.begin()
        self.assertEqual(self.condition(), "working")
        self.assertEqual(self.hub.act(f"agents/{KEY}/drain").data, {"done": "drained worker"})
        self.hub.app()
        self.assertEqual((self.agent.begin(), self.condition()), ([], "draining"))
        self.agent.finish(stream)
        self.assertEqual((self.agent.begin(), self.condition()), ([], "drained"))
        slots = self.hub.get("status")["slots"]
        self.assertEqual(slots, {"free": 0, "busy": 0, "drained": 2, "held": 0})

    def test_undrain(self) -> None:
        """Who waited is served at once, with the slots that the agent has by then."""
        self.hub.act(f"agents/{KEY}/drain")
        for _ in range(4):
            self.hub.app()
        self.agent.offer(3)
        self.assertEqual((self.agent.begin(), self.condition()), ([], "drained"))
        self.assertEqual(self.hub.act(f"agents/{KEY}/undrain").status, 200)
        self.assertEqual((len(self.agent.begin()), self.condition()), (3, "busy"))

    def test_held_ones_come_back(self) -> None:
        """What the agent holds ahead of its slots is asked back, and goes elsewhere."""
        agent = self.hub.agent(token("second"), slots=1, prefetch=4)
        self.hub.act(f"agents/{KEY}/drain")
        for number in range(2):
            self.hub.app(b"/%d" % number)
        first, held = [frame.stream_id for frame in agent.frames() if isinstance(frame, Open)]
        self.hub.act("agents/second-token/id/drain")
        self.assertEqual([frame for frame in agent.frames() if isinstance(frame, Revoke)], [Revoke(held)])
        agent.say(Revoked(held))
        self.assertEqual(self.hub.get("status")["queue"]["length"], 1)
        self.hub.act(f"agents/{KEY}/undrain")
        self.assertEqual((len(self.agent.begin()), first < held), (1, True))

    def test_survives_a_new_link(self) -> None:
        """An agent that was drained is drained when it comes back."""
        self.hub.act(f"agents/{KEY}/drain")
        self.agent.leave()
        self.hub.app()
        again = self.hub.agent(slots=2)
        self.assertEqual((again.begin(), self.condition()), ([], "drained"))
        self.hub.act(f"agents/{KEY}/undrain")
        self.assertEqual(len(again.begin()), 1)

    def test_undrained_while_away(self) -> None:
        self.hub.act(f"agents/{KEY}/drain")
        self.agent.leave()
        self.assertEqual(self.hub.act(f"agents/{KEY}/undrain").data, {"done": f"undrained {KEY}"})
        self.hub.agent()
        self.assertEqual(self.condition(), "idle")

    def test_nobody(self) -> None:
        for action in ("drain", "undrain", "disconnect"):
            answer = self.hub.act(f"agents/worker-token/nobody/{action}")
            self.assertEqual((answer.status, answer.data["detail"]), (404, "there is no such agent"))

    def test_undrain_an_undrained_one(self) -> None:
        self.assertEqual(self.hub.act(f"agents/{KEY}/undrain").status, 200)
        self.assertEqual(self.condition(), "idle")

    def test_paused(self) -> None:
        """An agent without slots is not drained: nobody said so."""
        self.agent.offer(0)
        self.assertEqual(self.condition(), "paused")

    def test_disconnect(self) -> None:
        """The link is closed in good order; what had not begun waits for the agent to come back, or another."""
        self.hub.app()
        self.hub.act(f"agents/{KEY}/disconnect")
        self.assertEqual((self.agent.close_code, self.hub.get("agents")["agents"]), (1000, []))
        kinds = [(one["kind"], one["agent"]) for one in self.hub.get("journal")["happenings"]]
        self.assertEqual(kinds, [("left", "worker"), ("disconnected", "worker"), ("joined", "worker")])


class RevocationTests(AdminCase):
    """A token is accepted no more."""

    def knock(self, hub: AdminHub, bearer: str) -> bytes:
        """The status line that an agent with this token gets."""
        return AgentPeer(hub, bearer).answer.partition(b"\r\n")[0]  # type: ignore[arg-type]

    def test_at_once(self) -> None:
        """Links with the token end; its agents are not let in again; other tokens are as good as before."""
        hub = self.start()
        agents = [hub.agent(agent_id="a"), hub.agent(agent_id="b"), hub.agent(token("other"))]
        answer = hub.act("revocations", token_id="worker-token")
        self.assertEqual(answer.data, {"done": "revoked worker-token, and ended 2 links"})
        self.assertEqual([agent.close_code for agent in agents], [4401, 4401, None])
        self.assertEqual(self.knock(hub, token()), b"HTTP/1.1 401 Unauthorized")
        self.assertEqual(self.knock(hub, token("other")), b"HTTP/1.1 101 Switching Protocols")
        self.assertEqual(hub.get("revocations"), {"token_ids": ["worker-token"]})

    def test_by_token(self) -> None:
        """The token itself does as well as its id, one of the earlier program's too."""
        hub = self.start()
        self.assertEqual(hub.act("revocations", token=token()).status, 200)
        self.assertEqual(hub.get("revocations"), {"token_ids": ["worker-token"]})
        seed = mint_seed(SECRET, 77, AgentClaims("77", "old", None), b"n" * 12)
        self.assertEqual(hub.act("revocations", token=seed).status, 200)
        self.assertEqual(hub.get("revocations"), {"token_ids": ["worker-token", "seed-77"]})
        answer = hub.act("revocations", token="slime1_abc")
        self.assertEqual((answer.status, "truncated" in answer.data["detail"]), (400, True))

    def test_agents_of_the_earlier_program(self) -> None:
        """They are seen and sent away like all others."""
        hub = self.start()
        seed = mint_seed(SECRET, 77, AgentClaims("77", "old", None), b"n" * 12)
        worker = AppPeer(hub)  # type: ignore[arg-type]
        fields = b"Slime-Agent-Token: %b\r\nSlime-Agent-Id: 5\r\nContent-Length: 0\r\n" % seed.encode()
        worker.ask(b"/v1/agent/accept", fields, b"POST")
        (agent,) = hub.get("agents")["agents"]
        self.assertEqual((agent["key"], agent["state"], agent["hardware"]), ("seed-77/5", "idle", {}))
        self.assertIn("ended 1 link", hub.act("revocations", token_id="seed-77").data["done"])
        self.assertEqual((hub.get("agents")["agents"], worker.transport.aborted), ([], True))

    def test_survives_a_restart(self) -> None:
        self.start().act("revocations", token_id="worker-token")
        self.assertEqual(self.knock(self.start(), token()), b"HTTP/1.1 401 Unauthorized")

    def test_restore(self) -> None:
        hub = self.start()
        for name in ("worker-token", "second"):
            hub.act("revocations", token_id=name)
        self.assertEqual(hub.act("revocations/worker-token", "DELETE").data, {"done": "restored worker-token"})
        self.assertEqual(hub.act("revocations/worker-token", "DELETE").status, 404)
        self.assertEqual(self.start().get("revocations"), {"token_ids": ["second"]})
        self.assertEqual(self.knock(hub, token()), b"HTTP/1.1 101 Switching Protocols")

    def test_restore_without_its_file(self) -> None:
        """Whoever removed the file meant the same."""
        hub = self.start()
        hub.act("revocations", token_id="one")
        (self.state / "revoked").unlink()
        self.assertEqual(hub.act("revocations/one", "DELETE").status, 200)

    def test_comments_and_order_stay(self) -> None:
        hub = self.start()
        for name in ("one", "two", "one"):
            hub.act("revocations", token_id=name)
        file = self.state / "revoked"
        file.write_text("# lost with the laptop\n\n one \ntwo\n")
        self.assertEqual(self.start().get("revocations"), {"token_ids": ["one", "two"]})
        hub.act("revocations/two", "DELETE")
        self.assertEqual(file.read_text(), "# lost with the laptop\n\n one \n")

    def test_last_line_open(self) -> None:
        """Whoever edits the file may leave off its last line break; no id may stick to another."""
        self.state.mkdir(parents=True)
        Path(self.state, "revoked").write_text("one\ntwo")
        self.start().act("revocations", token_id="three")
        self.assertEqual(self.start().get("revocations"), {"token_ids": ["one", "two", "three"]})

    def nearly_full(self, descriptor: int, mode: str, buffering: int) -> MagicMock:
        """A file on a disk with room for two bytes."""
        file = MagicMock()
        file.__enter__.return_value.write = lambda data: os.write(descriptor, data[:2])
        file.__exit__ = Mock(side_effect=lambda *_: os.close(descriptor))
        return file

    def test_disk_is_full(self) -> None:
        """A part of a line is not kept; the next id is, once there is room."""
        hub = self.start()
        hub.act("revocations", token_id="one")
        with patch.object(os, "fdopen", self.nearly_full):
            answer = hub.act("revocations", token_id="three")
        self.assertEqual((answer.status, "void until the hub ends" in answer.data["detail"]), (500, True))
        self.assertEqual(hub.act("revocations", token_id="three").status, 200)
        self.assertLessEqual({"one", "three"}, set(self.start().get("revocations")["token_ids"]))

    def test_file_is_private(self) -> None:
        self.start().act("revocations", token_id="one")
        modes = [path.stat().st_mode & 0o077 for path in (self.state, self.state / "revoked")]
        self.assertEqual(modes, [0, 0])

    def test_what_is_no_id(self) -> None:
        hub = self.start()
        for text in ("", " ", "a b", "a\nb", "é", "#a", "a" * 129):
            self.assertEqual(hub.act("revocations", token_id=text).status, 400, text)
        self.assertEqual(hub.get("revocations"), {"token_ids": []})

    def test_cannot_be_kept(self) -> None:
        """It is void all the same, and the operator hears that a restart would forget that."""
        self.state.parent.mkdir(parents=True, exist_ok=True)
        self.state.write_text("a file where a directory should be")
        hub = self.start()
        agent = hub.agent()
        answer = hub.act("revocations", token_id="worker-token")
        self.assertEqual((answer.status, agent.close_code), (500, 4401))
        self.assertIn("void until the hub ends", answer.data["detail"])
        self.assertEqual(self.knock(hub, token()), b"HTTP/1.1 401 Unauthorized")
        self.assertEqual(hub.act("revocations", token_id="worker-token").status, 500)
        self.state.unlink()
        self.assertEqual(hub.act("revocations", token_id="worker-token").status, 200)
        self.assertEqual(self.start().get("revocations"), {"token_ids": ["worker-token"]})

    def test_cannot_be_taken_back(self) -> None:
        hub = self.start()
        hub.act("revocations", token_id="one")
        (self.state / "revoked.new").mkdir()
        answer = hub.act("revocations/one", "DELETE")
        self.assertEqual((answer.status, "stays void" in answer.data["detail"]), (500, True))
        self.assertEqual(hub.get("revocations"), {"token_ids": ["one"]})

    def test_remark_that_is_no_utf8(self) -> None:
        """A token is taken out from under it, and the remark stays."""
        self.state.mkdir(parents=True)
        Path(self.state, "revoked").write_bytes(b"# Andr\xe9\none\ntwo\n")
        hub = self.start()
        self.assertEqual(hub.act("revocations/one", "DELETE").status, 200)
        self.assertEqual(Path(self.state, "revoked").read_bytes(), b"# Andr\xe9\ntwo\n")

    def test_strange_file(self) -> None:
        """Better no hub than one that lets in who is to stay out."""
        self.state.mkdir(parents=True)
        for content, trouble in ((b"fine\nnot an id\n", ValueError), (b"\xff\n", ValueError)):
            Path(self.state, "revoked").write_bytes(content)
            self.assertRaises(trouble, self.start)
        Path(self.state, "revoked").unlink()
        Path(self.state, "revoked").mkdir()
        self.assertRaises(ValueError, self.start)


class JournalTests(AdminCase):
    """The journal tells who came and went."""

    def test_fenced(self) -> None:
        """A new link of the same agent takes the old one's place; both are told of."""
        hub = self.start()
        hub.agent()
        hub.agent()
        told = [(one["kind"], one["key"], one["detail"]) for one in hub.get("journal")["happenings"]]
        self.assertEqual([one[:2] for one in told], [("joined", KEY), ("left", KEY), ("joined", KEY)])
        self.assertIn("linked anew", told[1][2])
        self.assertEqual(len(hub.get("agents")["agents"]), 1)

