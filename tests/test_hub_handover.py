"""One hub takes over from another: newcomers are steered, and whoever is here already is served to the end."""

from __future__ import annotations

import socket
from typing import Any
from unittest import mock

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.tcp import makeBinding
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from slime.hub.handover import LAST_CALL, SO_ATTACH_REUSEPORT_CBPF, Newcomers, steer
from slime.hub.listening import Ports, hub_endpoint
from slime.hub.service import Listener
from tests.test_hub_service import Endpoint, ServiceTestCase


class SharedPort:
    """A port of Twisted's, as far as it is steered, with a socket that is one or seems to be."""

    def __init__(self, its_socket: Any = None) -> None:
        self.socket = mock.Mock() if its_socket is None else its_socket
        self.stopped: Deferred[None] | None = None

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "127.0.0.1", 8080)

    def stopListening(self) -> Deferred[None]:
        self.stopped = succeed(None)
        return self.stopped

    @property
    def options(self) -> list[int]:
        """Which options of its socket were set."""
        return [call.args[1] for call in self.socket.setsockopt.call_args_list]


class SteerTests(SynchronousTestCase):
    """The kernel does as it is told."""

    def listen(self, port: int = 0) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port), reuse_port=True)
        listener.setblocking(False)
        self.addCleanup(listener.close)
        return listener

    def connect(self, port: int) -> None:
        self.addCleanup(socket.create_connection(("127.0.0.1", port)).close)

    def accepted(self, listener: socket.socket) -> int:
        """How many connections wait at a socket; none afterwards."""
        count = 0
        while True:
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                return count
            connection.close()
            count += 1

    def test_newcomers(self) -> None:
        """All of them, not their share."""
        elder = self.listen()
        port = elder.getsockname()[1]
        younger = self.listen(port)
        for newcomers, shares in ((Newcomers.TO_ELDER, (20, 0)), (Newcomers.TO_YOUNGER, (0, 20))):
            steer(SharedPort(younger), newcomers)
            for _ in range(20):
                self.connect(port)
            self.assertEqual((self.accepted(elder), self.accepted(younger)), shares)

    def test_not_steered(self) -> None:
        """A system that cannot do it has connections lost, which is worth a word."""
        gone = self.listen()
        gone.close()
        with capturedLogs() as events:
            steer(SharedPort(gone), Newcomers.TO_ELDER)
        self.assertIn("does not steer", events[0]["log_format"])


class PortTests(SynchronousTestCase):
    """Ports that may be shared."""

    def test_shared(self) -> None:
        """The system is asked to let another socket listen there, and newcomers go to the elder."""
        port, reactor = SharedPort(), mock.Mock()
        reactor.listenTCP.return_value = port
        self.assertIs(Ports(reactor, (), shared=True).listenTCP(8080, mock.sentinel.site, 7, "127.0.0.1"), port)
        binding = makeBinding("127.0.0.1", 8080, reuseAddress=True, reusePort=True)
        reactor.listenTCP.assert_called_once_with(binding, mock.sentinel.site, 7)
        self.assertEqual(port.options, [SO_ATTACH_REUSEPORT_CBPF])

    def test_alone(self) -> None:
        """Without that wish a port that is taken stays an error."""
        reactor = MemoryReactorClock()
        hub_endpoint(reactor, "tcp:80:interface=127.0.0.1", shared=False).listen(mock.Mock())
        self.assertEqual(reactor.tcpServers[0][0], 80)


class HandOverTests(ServiceTestCase):
    """SIGTERM to a hub that shares its port."""

    def setUp(self) -> None:
        super().setUp()
        self.port = SharedPort()
        self.build()
        Listener(Endpoint(succeed(self.port)), self.hub.site, shared=True).setServiceParent(self.hub)

    def test_order(self) -> None:
        """Newcomers are sent away first, agents are told, and only then does the port close."""
        agent, app = self.agent(), self.application()
        done = self.hub.stopService()
        self.assertEqual((self.port.options, self.port.stopped), ([SO_ATTACH_REUSEPORT_CBPF], None))
        self.assertEqual((agent.said, self.hub.pool.leaving), (["drain"], True))
        self.assertEqual((self.hub.site.draining, self.hub.site.closing), (True, False))
        app.get()
        agent.answer()
        self.assertEqual(app.response().status, 200)
        self.assertIsNone(self.port.stopped)
        self.reactor.advance(LAST_CALL)
        self.assertIsNotNone(self.port.stopped)
        self.turn(1)
        self.successResultOf(done)

    def test_running(self) -> None:
        """What runs has its time, as ever."""
        agent, app = self.agent(), self.application()
        app.get()
        done = self.hub.stopService()
        self.turn(20)
        self.assertNoResult(done)
        agent.answer()
        self.turn(1)
        self.assertEqual(app.response().status, 200)
        self.successResultOf(done)

    def test_out_of_time(self) -> None:
        """And no more than that."""
        self.agent()
        app = self.application()
        app.get()
        done = self.hub.stopService()
        self.turn(31)
        self.assertEqual(app.response().status, 502)
        self.turn(5)
        self.successResultOf(done)

    def test_status(self) -> None:
        """The service manager is told who is here."""
        self.agent()
        self.application().get()
        self.application().get(b"/", b"Slime-Block: 1")
        self.assertEqual(self.hub.status(), "1 agents are linked; 1 requests run, 1 wait")
        self.successResultOf(self.hub.when_ready())

    def test_not_yet_listening(self) -> None:
        """A port that is not there yet cannot be steered, nor need it be."""
        listener = Listener(Endpoint(Deferred()), self.hub.site, shared=True)
        listener.startService()
        listener.step_aside()
        self.assertIsNone(listener.stopService())
