"""The access log of whole programs: in a file, moved away, on a full disk; and SIGHUP."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import sys
from pathlib import Path

from slime.demo.children import Child
from tests.e2e.harness import Application, SlimeTestCase

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01".encode()
OPENED = "from now on the access log is written to"
NO_FILE = "SIGHUP: there is no file to open anew"
LISTENING = r"listening on .*port=(\d+)"
TWISTD = [str(Path(sys.executable).with_name("twistd")), "--nodaemon", "--pidfile="]


class AccessLogTests(SlimeTestCase):
    """One line for each request, wherever it goes."""

    def setUp(self) -> None:
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        self.path = folder / "access.log"

    def lines(self, path: Path | None = None) -> list[str]:
        """What is in the file."""
        return (path or self.path).read_text().splitlines()

    def test_rotation(self) -> None:
        """What was asked before SIGHUP is in the old file, what comes after it in the new one; nobody is cut off."""
        hub = self.hub("--access-log", "json", "--access-log-file", str(self.path))
        upstream = self.upstream()
        agent = self.agent(hub, upstream.address)
        application = self.application(hub)
        application.ask(b"GET /one?secret=hush", b"traceparent: " + TRACEPARENT, b"tracestate: a=1,b=2")
        request = upstream.serve(b"hello").request
        self.assertEqual((request.one(b"traceparent"), request.one(b"tracestate")), (TRACEPARENT, b"a=1,b=2"))
        request_id = application.response().one(b"slime-request-id")
        old = self.path.rename(self.path.with_suffix(".1"))
        for child in (hub.child, agent.child):
            child.signal(signal.SIGHUP)
        hub.child.wait_for(OPENED, times=2)
        agent.child.wait_for(NO_FILE)
        application.ask(b"GET /two")
        upstream.serve(b"hello")
        application.response()
        hub.child.signal(signal.SIGTERM)
        hub.child.wait()
        one, two = map(json.loads, (*self.lines(old), *self.lines()))
        self.assertEqual((one["path"], one["trace"], one["id"].encode()), ("/one", TRACE, request_id))
        self.assertEqual((one["agent"], one["status"], one["out"], one["outcome"]), ("alpha", 200, 5, "ok"))
        self.assertEqual(two["path"], "/two")
        self.assertNotIn("hush", "".join(self.lines(old)))

    def test_twistd(self) -> None:
        """The same under twistd, for hub and agent."""
        hub = Child("hub", [*TWISTD, "slime-hub", "--secret", self.SECRET, "--admin", "off", "--access-log=combined",
                            "--access-log-file", str(self.path), "--listen", "tcp:0:interface=127.0.0.1"])
        self.addCleanup(hub.end)
        port = int(hub.wait_for(LISTENING)[1])
        agent = Child("agent", [*TWISTD, "slime-agent", "--hub", f"127.0.0.1:{port}", "--upstream", "127.0.0.1:9",
                                "--token", "t", "--state-dir", str(self.path.parent)])
        self.addCleanup(agent.end)
        agent.wait_for("no link to the hub")
        application = Application(port)
        self.addCleanup(application.close)
        application.ask(b"GET /one", b"User-Agent: test/1", b"Referer: https://u:hush@page.example/?hush")
        application.response()
        old = self.path.rename(self.path.with_suffix(".1"))
        for child, words, times in ((hub, OPENED, 2), (agent, NO_FILE, 1)):
            child.signal(signal.SIGHUP)
            child.wait_for(words, times=times)
        last = self.lines(old)[-1]
        request = r'"GET /one HTTP/1\.1" 503 \d+ "https://page\.example/" "test/1"'
        self.assertRegex(last, rf"^127\.0\.0\.1 - - \[.{{26}}\] {request}$")
        self.assertEqual(self.lines(), [])
        self.assertEqual((hub.status, agent.status), (None, None))

    def test_full_disk(self) -> None:
        """A disk that is full ends neither requests nor the hub; the log says so, once."""
        hub = self.hub("--access-log-file", "/dev/full")
        upstream = self.upstream()
        self.agent(hub, upstream.address)
        application = self.application(hub)
        for _ in range(2):
            for _ in range(300):  # more than are written at a time
                application.ask(b"GET /")
                upstream.serve(b"hello")
                self.assertEqual(application.response().body, b"hello")
            hub.child.signal(signal.SIGHUP)
        hub.child.wait_for(OPENED, times=3)
        complaints = [line for line in hub.child.lines if "cannot be written to /dev/full" in line]
        self.assertEqual(len(complaints), 1)
        self.assertIn("No space left on device", complaints[0])

    def test_no_folder(self) -> None:
        """A file that cannot be opened is no reason not to serve; when it can be, it is."""
        folder = self.path.parent / "later"
        hub = self.hub("--access-log", "text", "--access-log-file", str(folder / "access.log"))
        hub.child.wait_for(f"cannot be written to {folder}/access.log: No such file or directory")
        folder.mkdir()
        self.asking(hub, b"GET /").response()
        hub.child.signal(signal.SIGHUP)
        hub.child.wait_for(f"is written to {folder}/access.log again; lines lost: 0")
        self.assertIn("outcome=no-agent", self.lines(folder / "access.log")[0])


class TerminalTests(SlimeTestCase):
    """A process and its terminal."""

    def test_terminal_closed(self) -> None:
        """Whoever closes the terminal does not leave a hub behind; a signal alone does not end it."""
        process, terminal = pty.fork()
        if not process:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may have ignored it
            environ = {**os.environ, "SLIME_SECRET": self.SECRET, "SLIME_ADMIN": "off"}
            os.execve(sys.executable, [sys.executable, "-m", "slime", "hub", "run", "--listen",
                                       "tcp:0:interface=127.0.0.1"], environ)
        watched = os.pidfd_open(process)
        self.addCleanup(os.close, watched)
        said = b""
        for awaited in (b"listening on", NO_FILE.encode()):
            while awaited not in said:
                self.assertTrue(select.select([terminal], [], [], 20)[0], said)
                said += os.read(terminal, 4096)
            if awaited == b"listening on":
                os.kill(process, signal.SIGHUP)
        os.close(terminal)
        ended = select.select([watched], [], [], 20)[0]
        if not ended:
            os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        self.assertTrue(ended)
        self.assertEqual(os.waitstatus_to_exitcode(status), 0)


