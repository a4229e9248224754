"""Where the admin site listens, and what happens when it cannot."""

from __future__ import annotations

import contextlib
import errno
import io
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import globalLogPublisher

from slime.hub.admin.service import site_address
from slime.hub.service import build_hub
from slime.hub.tap import check_admin
from slime.settings import DEFAULT_ADMIN, HubConfig
from tests.admin_fixture import AdminCase
from tests.link_fixture import SECRET


class _Taken(MemoryReactorClock):
    """A machine whose port 8081 belongs to somebody else."""

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        if port == 8081:
            raise CannotListenError(interface, port, OSError(errno.EADDRINUSE, "Address already in use"))
        return super().listenTCP(port, factory, backlog, interface)


class ListeningTests(AdminCase):
    """A hub begins."""

    def setUp(self) -> None:
        super().setUp()
        self.events: list[Any] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    def hub(self, reactor: Any = None, **settings: Any) -> Any:
        """A hub that has been told to start."""
        self.reactor = reactor or MemoryReactorClock()
        hub = build_hub(self.reactor, HubConfig(secret=SECRET, state_dir=self.state, **settings))
        hub.startService()
        return hub

    def said(self, text: str) -> list[str]:
        """The lines of the log with this in them."""
        lines = [event["log_format"].format(**event) for event in self.events if event.get("log_format")]
        return [line for line in lines if text in line]

    def test_usual(self) -> None:
        self.hub()
        self.assertEqual([server[0] for server in self.reactor.tcpServers], [8080, 8081])
        self.assertEqual(self.reactor.tcpServers[1][3], "127.0.0.1")
        self.assertEqual(len(self.said("the admin site is at http://")), 1)

    def test_off(self) -> None:
        self.hub(admin=None)
        self.assertEqual(len(self.reactor.tcpServers), 1)

    def test_usual_port_is_taken(self) -> None:
        """A second hub on the machine runs without, and says so in one line."""
        hub = self.hub(_Taken())
        (line,) = self.said("admin site")
        self.assertIn("port 8081 is taken", line)
        self.assertEqual(len(self.reactor.tcpServers), 1)
        hub.stopService()
        self.reactor.pump([1.0] * 10)

    def test_wanted_port_is_taken(self) -> None:
        """What was asked for must be."""
        error = self.assertRaises(CannotListenError, self.hub, _Taken(), admin=f"{DEFAULT_ADMIN}:backlog=5")
        self.assertEqual(error.setting, "--admin")

    def test_broken_endpoint(self) -> None:
        """Whatever else goes wrong is not the port's being taken."""

        class Broken(MemoryReactorClock):
            def listenTCP(self, port: int, *arguments: Any, **more: Any) -> Any:
                if port == 8081:
                    raise ZeroDivisionError
                return super().listenTCP(port, *arguments, **more)

        self.assertRaises(ZeroDivisionError, self.hub, Broken())

    def test_open_to_all_without_a_token(self) -> None:
        """That is refused, whoever builds the hub."""
        self.assertRaises(ValueError, self.hub, admin="tcp:8081")
        self.hub(admin="tcp:8081", admin_token=b"s3cret")
        self.assertEqual(len(self.reactor.tcpServers), 2)

    def test_addresses(self) -> None:
        """What is logged can be typed into a browser, where it is such a thing."""
        for host, endpoint, address in (
            (IPv4Address("TCP", "127.0.0.1", 81), "tcp:81:interface=127.0.0.1", "http://127.0.0.1:81/"),
            (IPv6Address("TCP", "::1", 82), "tcp6:82", "http://[::1]:82/"),
            (IPv4Address("TCP", "192.0.2.1", 443), "ssl:443", "https://192.0.2.1:443/"),
            (UNIXAddress("/run/slime"), "unix:/run/slime", "UNIXAddress('/run/slime')"),
        ):
            self.assertEqual(site_address(host, endpoint), address)

    def test_privileged_first(self) -> None:
        """Under twistd listening comes before the process gives its rights up; it listens once."""
        self.reactor = MemoryReactorClock()
        hub = build_hub(self.reactor, HubConfig(secret=SECRET, state_dir=self.state))
        hub.privilegedStartService()
        hub.startService()
        self.assertEqual([server[0] for server in self.reactor.tcpServers], [8080, 8081])

class CommandTests(AdminCase):
    """``slime hub run`` looks at the endpoint before anything is built."""

    def refusal(self, admin: str | None, token: bytes | None = None) -> str:
        """The line with which the process would end; empty when it would go on."""
        said = io.StringIO()
        config = HubConfig(secret=SECRET, state_dir=self.state, admin=admin, admin_token=token)
        with contextlib.redirect_stderr(said), contextlib.suppress(SystemExit):
            check_admin(MemoryReactorClock(), config)
        return said.getvalue()

    def test_good(self) -> None:
        for admin, token in ((None, None), (DEFAULT_ADMIN, None), ("tcp:8081", b"s3cret")):
            self.assertEqual(self.refusal(admin, token), "")

    def test_open_to_all(self) -> None:
        self.assertIn("admin: 'tcp:8081' may be reached from elsewhere, so it needs a token", self.refusal("tcp:8081"))

    def test_no_endpoint(self) -> None:
        self.assertIn("admin: 'tcp:x' makes no endpoint: ", self.refusal("tcp:x", b"s3cret"))
