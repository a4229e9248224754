"""Connections of one address that nobody is known by: so many and no more."""

from __future__ import annotations

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.protocols.haproxy._wrapper import HAProxyWrappingFactory
from twisted.trial.unittest import SynchronousTestCase

from slime.http.route import TrustedProxies
from slime.hub.channel import ChannelLimits
from slime.hub.gateway import GatewayPolicy
from slime.hub.listening import Unaddressed
from slime.hub.refusing import Refused
from slime.hub.strangers import Strangers, household
from tests.hub_fixture import HubTestCase, Wanted, request

LIMIT = 2


def at(host: str) -> IAddress:
    """A connection's other end."""
    return (IPv6Address if ":" in host else IPv4Address)("TCP", host, 40000)


class CountTests(SynchronousTestCase):
    def test_household(self) -> None:
        for host, whose in (
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::", "2001:db8:1:2::/64"),
            ("fe80::1%eth0", "fe80::/64"),
            ("nonsense", ""),
        ):
            self.assertEqual(household(host), whose)

    def test_limit(self) -> None:
        strangers = Strangers(LIMIT, TrustedProxies())
        names = [strangers.come(at(host)) for host in ("192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2")]
        self.assertEqual(names, ["192.0.2.1", "192.0.2.1", None, "192.0.2.2"])
        strangers.gone("192.0.2.1")
        self.assertEqual([strangers.come(at("192.0.2.1")) for _ in range(2)], ["192.0.2.1", None])

    def test_network(self) -> None:
        """Who has an IPv6 address has 2**64 of them."""
        strangers = Strangers(LIMIT, TrustedProxies())
        names = [strangers.come(at(f"2001:db8::{number}")) for number in range(1, 4)]
        self.assertEqual(names, ["2001:db8::/64", "2001:db8::/64", None])
        self.assertEqual(strangers.come(at("2001:db8:0:1::1")), "2001:db8:0:1::/64")

    def test_exempt(self) -> None:
        strangers = Strangers(LIMIT, TrustedProxies(["192.0.2.0/24"]))
        for address in (at("192.0.2.9"), UNIXAddress("/run/hub"), None):
            self.assertEqual([strangers.come(address) for _ in range(9)], [""] * 9)
        self.assertEqual([strangers.come(at("198.51.100.1")) for _ in range(3)], ["198.51.100.1"] * 2 + [None])

    def test_no_limit(self) -> None:
        self.assertEqual(Strangers(0, TrustedProxies()).come(at("192.0.2.1")), "")


class SiteTests(HubTestCase):
    """All applications of the tests come from one address."""

    wanted = Wanted(ChannelLimits(max_strangers=LIMIT), gateway=GatewayPolicy(app_password=b"xyzzy"))

    def test_turned_away(self) -> None:
        """It is told why, and everybody else is served."""
        first, second, third = (self.application() for _ in range(3))
        self.hub.clock.advance(0)
        self.assertEqual((first.gone, second.gone, third.gone), (False, False, True))
        told = third.responses(b"GET")[0]
        self.assertEqual((told.status, told.field(b"slime-error")), (503, b"too-many-connections"))
        first.leave()
        self.assertFalse(self.application().gone)

    def test_known(self) -> None:
        """With the right password it is no stranger, though it says nothing more; with a wrong one it still is."""
        for _ in range(3):
            self.application().send(request(b"/", b"Slime-App-Password: xyzzy"))
        first, second, third = (self.application() for _ in range(3))
        first.send(request(b"/", b"Slime-App-Password: wrong"))
        self.hub.clock.advance(0)
        self.assertEqual((first.gone, second.gone, third.gone), (False, False, True))

    def test_log_names_few(self) -> None:
        """However many addresses there are."""
        told: list[str] = []
        refused = Refused()
        for number in range(9):
            refused.of(at(f"192.0.2.{number}"))
        refused.report(Said(told), ChannelLimits())  # type: ignore[arg-type]
        self.assertEqual(told, ["9 of 192.0.2.0, 192.0.2.1, 192.0.2.2"])

    def test_log(self) -> None:
        """One line a second, however many come."""
        told: list[str] = []
        self.patch(self.hub.site, "_log", Said(told))
        for _ in range(50):
            self.application()
        self.hub.site.sweep()
        self.hub.site.sweep()
        self.assertEqual(told, ["48 of 192.0.2.7"])

    def test_said_by_proxy(self) -> None:
        """What HAProxy's protocol is spoken on comes from a proxy, whose address says nothing."""
        factory = Unaddressed(HAProxyWrappingFactory(self.hub.site).wrappedFactory)
        built = [factory.buildProtocol(at("192.0.2.7")).wrappedProtocol for _ in range(5)]
        self.assertEqual([channel.stranger for channel in built], [""] * 5)


class Said:
    """A logger."""

    def __init__(self, told: list[str]) -> None:
        self._told = told

    def warn(self, text: str, *, count: int, hosts: str, limit: int) -> None:
        """Write down what matters."""
        self._told.append(f"{count} of {hosts}")
