"""The hub as a service: put together, listening, and going home in good order."""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorTime, IStreamServerEndpoint
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from slime.hub.access import NoAccessLog
from slime.hub.service import HubService, Listener, build_hub, channel_limits
from slime.settings import HubConfig
from slime.sources import load_hub
from tests.hub_fixture import Application, FakeLink, request

LARGE = 300_000


class ServiceTestCase(SynchronousTestCase):
    """A hub with everything but sockets.

    :ivar embedding: what an embedding program passes to :func:`build_hub`, by name.
    """

    embedding: Mapping[str, Any] = {}

    def setUp(self) -> None:
        self.written: list[str] = []
        self.applications: list[Application] = []
        self.addCleanup(self.close)
        self.patch(__import__("slime.hub.service", fromlist=["raw_sink"]), "raw_sink", lambda: self.written.append)

    def close(self) -> None:
        for app in self.applications:
            app.transport.close_sockets()

    def build(self, **settings: Any) -> HubService:
        self.reactor: Any = MemoryReactorClock()
        config = HubConfig(secret=b"a secret", **{"admin": None, **settings})
        self.hub = build_hub(self.reactor, config, **self.embedding)
        self.hub.privilegedStartService()
        self.hub.startService()
        return self.hub

    def application(self) -> Application:
        self.applications.append(Application(self.reactor, self.hub.site, len(self.applications) + 1))
        return self.applications[-1]

    def agent(self, name: str = "alpha") -> FakeLink:
        return FakeLink(self.hub.pool, name)

    def turn(self, seconds: float = 0.0) -> None:
        for _ in range(5):
            self.reactor.advance(0)
        if seconds:
            self.reactor.pump([1.0] * int(seconds))


class BuildTests(ServiceTestCase):
    """From settings to a hub."""

    def test_limits(self) -> None:
        config = HubConfig(secret=b"s", idle_timeout=1.0, head_timeout=2.0, body_timeout=3.0, send_timeout=4.0,
                           linger_timeout=5.0, max_connections=6, max_head=7, max_fields=8, max_target=9)  # fmt: skip
        limits = channel_limits(config)
        self.assertEqual(
            (limits.idle_timeout, limits.head_timeout, limits.body_timeout, limits.send_timeout), (1.0, 2.0, 3.0, 4.0)
        )
        self.assertEqual((limits.linger_timeout, limits.max_connections), (5.0, 6))
        self.assertEqual((limits.head.head_bytes, limits.head.fields, limits.head.target_bytes), (7, 8, 9))

    def test_requests_pass(self) -> None:
        self.build(app_password=b"xyzzy", max_body=5)
        agent, app = self.agent(), self.application()
        good = b"Slime-App-Password: xyzzy"
        app.send(
            request(b"/", good, method=b"POST", body=b"hello") + request(b"/", good, method=b"PUT", body=b"123456")
        )
        agent.answer()
        app.get()
        self.assertEqual([response.status for response in app.responses()], [200, 413, 401])

    def test_access_log(self) -> None:
        self.build()
        app = self.application()
        app.send(request(b"/path") + b"garbage\r\n\r\n")
        self.turn(1)
        lines = "".join(self.written).splitlines()
        self.assertEqual([" path=" in line for line in lines], [True, True])
        self.assertIn("outcome=no-agent", lines[0])

    def test_access_log_for_machines(self) -> None:
        self.build(log_format="json")
        self.application().get(b"/path")
        self.turn(1)
        self.assertEqual(json.loads(self.written[0])["path"], "/path")

    def test_no_access_log(self) -> None:
        self.build(access_log="off")
        self.application().get(b"/path")
        self.turn(1)
        self.assertEqual(self.written, [])
        self.assertIsInstance(self.hub._access, NoAccessLog)

    def test_access_log_of_its_own(self) -> None:
        """In a file, opened anew when somebody says so, in a format of its own."""
        path = Path(self.mktemp())
        self.build(access_log="combined", access_log_file=path, log_format="json")
        self.application().get(b"/one?secret=1")
        old = path.rename(path.with_suffix(".1"))
        self.assertTrue(self.hub.reopen())
        self.application().get(b"/two")
        self.turn(1)
        self.assertRegex(old.read_text(), r'\A192\.0\.2\.7 - - \[.*\] "GET /one HTTP/1\.1" 503 [^\n]*\n\Z')
        self.assertIn('"GET /two HTTP/1.1"', path.read_text())
        self.assertEqual(self.written, [])
        self.hub._access.close()

    def test_nothing_to_reopen(self) -> None:
        """The log itself is not the hub's to open."""
        for kind in ("on", "off"):
            self.assertFalse(self.build(access_log=kind).reopen())

    def test_swept(self) -> None:
        """Once a second, by the reactor that was given."""
        self.build(idle_timeout=2.0, head_timeout=2.0)
        app = self.application()
        self.turn(4)
        self.assertTrue(app.transport.lost)

    def test_wrong_endpoint(self) -> None:
        self.assertRaises(ValueError, self.build, listen=("nonsense:1",))


@implementer(IStreamServerEndpoint)
class Endpoint:
    """Listens when a test says so."""

    def __init__(self, *results: Deferred[Any]) -> None:
        self.results = list(results)

    def listen(self, protocolFactory: Any) -> Deferred[Any]:
        return self.results.pop(0)


class ListenerTests(ServiceTestCase):
    """Ports."""

    def test_listens(self) -> None:
        self.build(listen=("tcp:8080:interface=127.0.0.1", "tcp:8081:interface=127.0.0.1"))
        self.assertEqual([server[0] for server in self.reactor.tcpServers], [8080, 8081])

    def test_once(self) -> None:
        """Whether or not somebody asked for it while the process was privileged."""
        for privileged in (True, False):
            port = mock.Mock()
            listener = Listener(Endpoint(succeed(port)), mock.Mock())
            if privileged:
                listener.privilegedStartService()
            listener.startService()
            self.assertIs(listener.port, port)
            self.assertIs(listener.stopService(), port.stopListening.return_value)
            self.assertIsNone(listener.stopService())

    def test_taken(self) -> None:
        """Whoever asked for the port is told how he did."""

        class Taken(MemoryReactorClock):
            def listenTCP(self, port: int, *arguments: Any, **more: Any) -> Any:
                raise CannotListenError("", port, OSError())

        for arguments, setting in (
            ((), "--host, --port"),
            (("--host", "::1"), "--host, --port"),
            (("--port", "80"), "--host, --port"),
            (("--listen", "tcp:80"), "--listen"),
        ):
            config = load_hub(["--secret", "s", "--admin", "off", "--state-dir", self.mktemp(), *arguments], {})
            hub = build_hub(Taken(), config)
            error = self.assertRaises(CannotListenError, hub.privilegedStartService)
            self.assertEqual(error.setting, setting)

    def test_no_place_for_a_socket(self) -> None:
        """Twisted says so of the lock beside it, and in words of its own of everything else."""
        gone = FileNotFoundError(errno.ENOENT, "No such file or directory", "77", None, b"/gone/socket.lock")
        listener = Listener(Endpoint(fail(gone)), mock.Mock())
        error = self.assertRaises(CannotListenError, listener.privilegedStartService)
        self.assertEqual((error.interface, error.port, error.socketError), (None, "/gone/socket", gone))
        self.assertEqual(error.setting, "--listen")
        listener = Listener(Endpoint(fail(ZeroDivisionError())), mock.Mock())
        self.assertRaises(ZeroDivisionError, listener.privilegedStartService)

    def test_fails_later(self) -> None:
        """Nobody waits for the answer: the log has it."""
        later: Deferred[Any] = Deferred()
        listener = Listener(Endpoint(later), mock.Mock())
        listener.startService()
        later.errback(CannotListenError("127.0.0.1", 80, OSError()))
        self.assertEqual(len(self.flushLoggedErrors(CannotListenError)), 1)

    def test_clock(self) -> None:
        self.build()
        verifyObject(IReactorTime, self.reactor)


class StopTests(ServiceTestCase):
    """SIGTERM."""

    def stop(self) -> Deferred[None]:
        done = self.hub.stopService()
        self.turn()
        return done

    def test_idle(self) -> None:
        self.build()
        agent, app = self.agent(), self.application()
        app.get()
        agent.answer()
        done = self.stop()
        self.successResultOf(done)
        self.assertTrue(app.transport.lost)
        self.assertEqual(agent.said, ["drain", "end"])
        self.assertEqual(self.hub.running, 0)
        self.assertEqual("".join(self.written).count("\n"), 1)

    def test_running(self) -> None:
        """What runs gets its time; its application gets the whole answer before anything is closed."""
        self.build()
        agent, app = self.agent(), self.application()
        app.get(b"/", b"Slime-Block: 1")
        waiting = self.application()
        waiting.get(b"/", b"Slime-Block: 1")
        done = self.stop()
        self.assertEqual(waiting.response().status, 503)
        self.assertNoResult(done)
        self.turn(20)
        agent.answer(body=b"x" * LARGE)
        self.turn()
        self.assertEqual((len(app.response().body), app.response().complete), (LARGE, True))
        self.turn()
        self.successResultOf(done)
        self.assertEqual("".join(self.written).count("outcome=ok"), 1)

    def test_slow_reader(self) -> None:
        """An answer that the hub has is not yet one that the application has."""
        self.build()
        agent, app = self.agent(), self.application()
        app.transport.reading = False
        app.get()
        agent.answer(body=b"x" * LARGE)
        done = self.stop()
        self.turn(10)
        self.assertNoResult(done)
        app.transport.reading = True
        app.transport.take()
        self.turn()
        self.assertEqual(len(app.response().body), LARGE)
        self.successResultOf(done)

    def test_out_of_time(self) -> None:
        """What has begun is cut off, what hasn't gets an error, and nobody takes one for the other."""
        self.build(grace=5.0)
        begun, silent, agents = self.application(), self.application(), [self.agent("alpha"), self.agent("beta")]
        begun.get(version=b"1.0")
        agents[0].head(b"200 OK")
        agents[0].data(b"some")
        silent.get()
        done = self.stop()
        self.turn(4)
        self.assertNoResult(done)
        self.turn(2)
        self.turn()
        self.assertEqual(begun.transport.ended, "abort")
        self.assertEqual(silent.response().status, 502)
        self.successResultOf(done)
        self.assertEqual("".join(self.written).count("outcome=agent-lost"), 2)

    def test_reader_out_of_time(self) -> None:
        self.build(grace=5.0)
        agent, app = self.agent(), self.application()
        app.transport.reading = False
        app.get()
        agent.answer(body=b"x" * LARGE)
        done = self.stop()
        self.turn(8)
        self.turn()
        self.assertTrue(app.transport.lost)
        self.successResultOf(done)

    def test_no_grace(self) -> None:
        self.build(grace=0.0)
        self.agent()
        app = self.application()
        app.get()
        done = self.stop()
        self.turn(1)
        self.assertEqual(app.response().status, 502)
        self.successResultOf(done)

    def test_waits_when_time_is_over(self) -> None:
        """Somebody who waits for another agent, while all agents are told to go."""
        self.build(grace=2.0)
        first, second, app = self.agent("alpha"), self.agent("beta"), self.application()
        self.application().get()
        app.get(b"/", b"Slime-Block: 1")
        done = self.stop()
        second.lose()
        self.turn(5)
        self.turn()
        self.assertEqual((app.response().status, first.said), (503, ["drain", "end"]))
        self.successResultOf(done)

    def test_agent_says_no_goodbye(self) -> None:
        self.build()
        agent = self.agent()
        with mock.patch.object(agent, "when_gone", Deferred):
            done = self.stop()
        self.assertNoResult(done)
        self.turn(3)
        self.successResultOf(done)

    def test_nothing_new(self) -> None:
        self.build()
        agent, app = self.agent(), self.application()
        app.get()
        self.stop()
        agent.head(b"200 OK", 2)
        agent.data(b"ok")
        self.assertEqual(self.reactor.tcpServers[0][1].draining, True)
        agent.end_answer()
        self.turn()
        self.assertTrue(app.transport.lost)
