"""What the service manager is told: by a herald alone, and by whole processes with a passed socket."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from slime.demo.children import Child
from slime.demo.fleet import PROGRAM
from slime.notify import STATUS_INTERVAL, Herald
from tests.e2e.harness import Application, SlimeTestCase


class Manager:
    """A service manager's ear.

    :ivar address: for ``$NOTIFY_SOCKET``.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.settimeout(15)

    def hear(self) -> list[str]:
        """The lines of the next message; waits for it."""
        return self._socket.recv(4096).decode().splitlines()

    def hear_until(self, line: str) -> list[str]:
        """The message that has this line, and no matter what comes before."""
        while line not in (lines := self.hear()):
            pass
        return lines

    def silent(self) -> bool:
        """Whether nothing was said."""
        self._socket.setblocking(False)
        try:
            self._socket.recv(4096)
        except BlockingIOError:
            return True
        finally:
            self._socket.settimeout(15)
        return False

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


class Case(SlimeTestCase):
    """Has a manager."""

    def setUp(self) -> None:
        self.manager = Manager(f"@slime-test-{os.getpid()}-{id(self)}")
        self.addCleanup(self.manager.close)
        self.clock = Clock()

    def herald(self, **environ: str) -> Herald:
        """A herald who tells the manager."""
        told = {"NOTIFY_SOCKET": self.manager.address, **environ}
        return Herald(self.clock, told, lambda: f"at {self.clock.seconds():.1f} s")


class HeraldTests(Case):
    """A herald alone."""

    def test_life(self) -> None:
        """From the start to the end."""
        herald = self.herald(WATCHDOG_USEC="3000000", WATCHDOG_PID=str(os.getpid()))
        herald.waiting()
        self.assertEqual(self.manager.hear(), ["STATUS=at 0.0 s"])
        herald.ready()
        self.assertEqual(self.manager.hear(), ["READY=1"])
        self.assertEqual(self.manager.hear(), ["STATUS=at 0.0 s", "WATCHDOG=1"])
        self.clock.advance(1.5)
        self.assertEqual(self.manager.hear(), ["STATUS=at 1.5 s", "WATCHDOG=1"])
        herald.stopping()
        self.assertEqual(self.manager.hear(), ["STOPPING=1"])
        self.clock.advance(1.5)
        self.assertEqual(self.manager.hear(), ["STATUS=at 3.0 s", "WATCHDOG=1"])

    def test_ready_once(self) -> None:
        """Being ready twice is being ready."""
        herald = self.herald()
        herald.ready()
        herald.ready()
        self.assertEqual([self.manager.hear(), self.manager.hear()], [["READY=1"], ["STATUS=at 0.0 s"]])
        self.assertTrue(self.manager.silent())

    def test_no_watchdog(self) -> None:
        """Without a watchdog, or with one for another process, only the status is told, now and then."""
        for environ in ({}, {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "often"}):
            herald = self.herald(**environ)
            self.assertEqual(herald.interval, STATUS_INTERVAL)
            herald.ready()
            self.manager.hear()
            self.assertEqual(len(self.manager.hear()), 1)

    def test_patient_watchdog(self) -> None:
        """A watchdog that waits for minutes still gets a status."""
        self.assertEqual(self.herald(WATCHDOG_USEC="600000000").interval, STATUS_INTERVAL)

    def test_nobody_asks(self) -> None:
        """By hand nobody is told."""
        herald = self.herald(NOTIFY_SOCKET="")
        herald.waiting()
        herald.ready()
        herald.stopping()
        self.clock.advance(STATUS_INTERVAL)
        self.assertTrue(self.manager.silent())

    def test_manager_gone(self) -> None:
        """A manager that cannot be reached is no reason to end; a path is as good as an abstract name."""
        log: Any = EventLoggingObserver()
        globalLogPublisher.addObserver(log)
        self.addCleanup(globalLogPublisher.removeObserver, log)
        self.herald(NOTIFY_SOCKET=str(Path(self.mktemp()).absolute())).stopping()
        (event,) = log
        self.assertIn("cannot be told", event["log_format"])


#: What a service manager does with a socket unit: listens, and then becomes the service.
PASSING = """
import os, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
print("port", listener.getsockname()[1], flush=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="hub")
os.execv(sys.executable, [sys.executable, "-m", "slime", *sys.argv[1:]])
"""


class ProcessTests(Case):
    """Whole processes, as units start them."""

    def test_socket_activation(self) -> None:
        """A hub serves a socket that it was given, says so, and says when it goes."""
        hub = self.activated("hub", "run", "--listen", "systemd:domain=INET:name=hub", "--admin", "off")
        waiting = Application(int(hub.wait_for(r"port (\d+)")[1]))  # nobody is refused while the hub starts
        self.addCleanup(waiting.close)
        waiting.ask(b"GET /early")
        self.manager.hear_until("READY=1")
        self.assertEqual(self.manager.hear()[-1], "WATCHDOG=1")
        self.assertEqual(waiting.response().status, 503)
        hub.signal(signal.SIGTERM)
        self.manager.hear_until("STOPPING=1")
        self.assertEqual(hub.wait(), 0)

    def activated(self, *arguments: str) -> Child:
        """A process that gets its socket from the service manager, and its secret as a credential."""
        credentials = Path(self.mktemp()).absolute()
        credentials.mkdir()
        (credentials / "secret").write_text(self.SECRET)
        environ = {
            "NOTIFY_SOCKET": self.manager.address, "WATCHDOG_USEC": "30000000",
            "CREDENTIALS_DIRECTORY": str(credentials),
        }  # fmt: skip
        child = Child("hub", [sys.executable, "-c", PASSING, *arguments], environ)
        self.addCleanup(child.end)
        return child

    def test_agent(self) -> None:
        """An agent is ready when its hub has let it in, and not before."""
        place = socket.create_server(("127.0.0.1", 0))
        port = place.getsockname()[1]
        hub = self.hub()
        token = hub.token("alpha")
        place.close()
        environ = {"NOTIFY_SOCKET": self.manager.address, "SLIME_TOKEN": token}
        command = [sys.executable, "-c", f"from {PROGRAM.replace(':', ' import ')}; main()", "agent", "run",
                   "--hub", f"127.0.0.1:{hub.port}", "--upstream", f"127.0.0.1:{port}", "--agent-id", "a"]  # fmt: skip
        agent = Child("alpha", command, environ)
        self.addCleanup(agent.end)
        self.assertEqual(self.manager.hear(), ["STATUS=0 of 1 agents are linked to the hub"])
        self.assertEqual(self.manager.hear(), ["READY=1"])
        self.assertEqual(self.manager.hear(), ["STATUS=1 of 1 agents are linked to the hub"])
        hub.wait_for_agent("alpha")


class OrdinaryTests(SynchronousTestCase):
    """Nothing of this concerns those who run slime by hand."""

    def test_no_environment(self) -> None:
        """No address, no timer."""
        clock = Clock()
        Herald(clock, {}, str).ready()
        self.assertEqual(clock.getDelayedCalls(), [])
