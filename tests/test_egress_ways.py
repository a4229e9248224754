"""Which way out leads where, and how settings decide it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from slime.agent.egress import DIRECT, Egress, Place
from slime.agent.egress.connect import ConnectEndpoint
from slime.agent.egress.dial import NamedEndpoint
from slime.agent.egress.proxy import ProxyAddress
from slime.agent.egress.ways import Ways, warnings_about, ways_out
from slime.settings import AgentConfig
from tests.certificates import Authority

PROXY = ProxyAddress("192.0.2.1", 3128)


class EgressTests(SynchronousTestCase):
    """The endpoint for a place."""

    def test_directly(self) -> None:
        kinds = {"127.0.0.1": TCP4ClientEndpoint, "::1": TCP6ClientEndpoint, "localhost": NamedEndpoint}
        for host, kind in kinds.items():
            self.assertIsInstance(DIRECT.to(Place(host, 1))(MemoryReactorClock(), 1.0), kind)

    def test_through_a_proxy(self) -> None:
        egress = Egress(plain_proxy=PROXY, no_proxy=("b",))
        self.assertIsInstance(egress.to(Place("a", 1))(MemoryReactorClock(), 1.0), ConnectEndpoint)
        self.assertIsInstance(egress.to(Place("b", 1))(MemoryReactorClock(), 1.0), NamedEndpoint)

    def test_dialled(self) -> None:
        """The proxy is what is connected to, by TLS or not, whatever the place."""
        for proxy in (PROXY, ProxyAddress("192.0.2.1", 3128, True)):
            reactor = MemoryReactorClock()
            Egress(proxy=proxy).to(Place("a", 443, True))(reactor, 1.0).connect(Any)  # type: ignore[arg-type]
            self.assertEqual(reactor.tcpClients[0][:2], ("192.0.2.1", 3128))

    def test_by_scheme(self) -> None:
        egress = Egress(proxy=PROXY)
        self.assertEqual(egress.proxy_to(Place("a", 443, True)), PROXY)
        self.assertIsNone(egress.proxy_to(Place("a", 80)))


class SettingsTests(SynchronousTestCase):
    """What an agent's settings ask for."""

    def ways(self, **settings: Any) -> Ways:
        return ways_out(AgentConfig(token="t", hub="ws://hub/", upstreams=("u:1",), **settings))

    def proxied(self, ways: Ways) -> list[bool]:
        """Whether a proxy stands before a secure hub, a plain hub, a secure upstream, a plain one."""
        places = (Place("x", 443, True), Place("x", 80))
        return [egress.proxy_to(place) is not None for egress in (ways.hub, ways.upstreams) for place in places]

    def test_nothing(self) -> None:
        ways = self.ways()
        self.assertEqual((ways.hub, ways.upstreams), (DIRECT, DIRECT))

    def test_proxy(self) -> None:
        ways = self.ways(proxy="http://proxy:1", https_proxy="http://other:2")
        self.assertEqual(self.proxied(ways), [True, True, True, False])
        self.assertEqual(ways.hub.proxy, ProxyAddress("proxy", 1))

    def test_https_proxy(self) -> None:
        ways = self.ways(https_proxy="http://proxy:1")
        self.assertEqual(self.proxied(ways), [True, False, True, False])

    def test_no_proxy(self) -> None:
        self.assertEqual(self.proxied(self.ways(proxy="http://proxy:1", no_proxy=("x",))), [False] * 4)

    def test_certificates(self) -> None:
        """Hub and upstreams see each their own; a proxy sees none."""
        folder = Path(self.mktemp())
        authority = Authority()
        files = {name: authority.issue(name).write(folder, name) for name in ("for-hub", "for-upstream")}
        ca, _ = authority.issued.write(folder, "ca")
        ways = self.ways(
            ca=ca, client_cert=files["for-hub"][0], client_key=files["for-hub"][1],
            upstream_client_cert=files["for-upstream"][0], upstream_client_key=files["for-upstream"][1],
        )  # fmt: skip
        options = [tls for way in (ways.hub, ways.upstreams) for tls in (way.tls, way.proxy_tls)]
        shown = [tls.identity and tls.identity.certificate.to_cryptography() for tls in options]
        names = [certificate and certificate.subject.rfc4514_string() for certificate in shown]
        self.assertEqual(names, ["CN=for-hub", None, "CN=for-upstream", None])
        self.assertTrue(all(tls.trust_root for tls in options))

    def test_insecure(self) -> None:
        """Upstreams alone are believed unproved."""
        ways = self.ways(insecure_upstream=True)
        options = (ways.upstreams.tls, ways.upstreams.proxy_tls, ways.hub.tls, ways.hub.proxy_tls)
        self.assertEqual([tls.verified for tls in options], [False, True, True, True])

    def test_bad_files(self) -> None:
        """The setting is named."""
        gone = Path(self.mktemp())
        for setting in ("ca", "client_cert", "upstream_client_cert"):
            error = self.assertRaises(ValueError, self.ways, **{setting: gone})
            self.assertEqual(str(error), f"{setting.replace('_', '-')}: cannot read {gone}: No such file or directory")

    def test_key_alone(self) -> None:
        for setting in ("client", "upstream_client"):
            error = self.assertRaises(ValueError, self.ways, **{f"{setting}_key": Path("key")})
            self.assertRegex(str(error), f"^{setting.replace('_', '-')}-cert: missing")


class WarningTests(SynchronousTestCase):
    """What has to be said."""

    PLACES = (("https://a", Place("a", 443, True)), ("http://b", Place("b", 80)), ("unix:/c", None),
              ("https://d", Place("d", 443, True)))  # fmt: skip

    def warnings(self, insecure: bool, *places: tuple[str, Place | None]) -> list[str]:
        config = AgentConfig(token="t", hub="ws://hub/", upstreams=("u:1",), insecure_upstream=insecure)
        return list(warnings_about(ways_out(config).upstreams, places))

    def test_secure(self) -> None:
        self.assertEqual(self.warnings(False, *self.PLACES), [])

    def test_insecure(self) -> None:
        """Each upstream is named that nobody checks."""
        first, second = self.warnings(True, *self.PLACES)
        self.assertRegex(first, "^INSECURE: .* upstream https://a .*--ca")
        self.assertRegex(second, "^INSECURE: .* upstream https://d ")

    def test_in_vain(self) -> None:
        self.assertRegex(self.warnings(True, *self.PLACES[1:3])[0], "for nothing")
