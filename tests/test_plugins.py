"""What twistd finds, and that it can be run as found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.application.reactors import IReactorInstaller
from twisted.application.service import IService, IServiceMaker
from twisted.application.twist._options import TwistOptions
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import LogLevel, globalLogPublisher
from twisted.plugin import getPlugins
from twisted.scripts.twistd import ServerOptions
from twisted.trial.unittest import SynchronousTestCase

import slime.reactor
from slime.agent.tap import Options as AgentOptions
from slime.hub.tap import Advice
from slime.hub.tap import Options as HubOptions
from tests.certificates import Authority


class PluginTests(SynchronousTestCase):
    """The two services."""

    def setUp(self) -> None:
        home = Path(self.mktemp())
        home.mkdir()
        self.patch(os, "environ", {"HOME": str(home)})

    def maker(self, name: str) -> Any:
        """The one plugin with this name."""
        (maker,) = (plugin for plugin in getPlugins(IServiceMaker) if plugin.tapname == name)
        return maker

    def test_hub(self) -> None:
        """The hub's plugin makes a service of its options."""
        maker = self.maker("slime-hub")
        options = maker.options()
        self.assertIsInstance(options, HubOptions)
        options.parseOptions(["--secret", "s"])
        self.assertTrue(IService.providedBy(maker.makeService(options)))

    def test_certificates_of_agents(self) -> None:
        """They are asked for where there is TLS."""
        authority, folder = Authority(), Path(self.mktemp())
        ca, _ = authority.issued.write(folder, "ca")
        certificate, key = authority.issue("localhost").write(folder, "hub")
        maker = self.maker("slime-hub")
        options = maker.options()
        endpoint = f"ssl:0:privateKey={key}:certKey={certificate}"
        options.parseOptions(["--secret", "s", "--agent-ca", str(ca), "--listen", endpoint])
        self.assertTrue(IService.providedBy(maker.makeService(options)))

    def test_advice(self) -> None:
        """A hub that leaves doors open says so once it runs; one that does not is silent."""
        for arguments, count in ((["--secret=s"], 2), (["--secret", "x" * 16, "--app-password=y"], 0)):
            log = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
            options = HubOptions()
            options.parseOptions(arguments)
            Advice(options.config).startService()
            self.assertEqual([event["log_level"] for event in log], [LogLevel.warn] * count)

    def test_agent(self) -> None:
        """The agent's plugin makes a service of its options."""
        maker = self.maker("slime-agent")
        options = maker.options()
        self.assertIsInstance(options, AgentOptions)
        state = self.mktemp()
        for own in (["--state-dir", state], ["--agent-id", "desk"]):
            options.parseOptions(["--token", "t", "--hub", "h", "--upstream", "u:1", *own])
            self.assertTrue(IService.providedBy(maker.makeService(options)))

    def test_under_twistd(self) -> None:
        """twistd hands its arguments on, and takes our log format, in the foreground and as a daemon."""
        for arguments, foreground in ((["-n"], True), ([], False)):
            twistd = ServerOptions()
            twistd.parseOptions([*arguments, "slime-hub", "--secret=s", "--port=1", "--log-format=json"])
            options = twistd.subOptions
            self.assertEqual((options.config.port, options.foreground), (1, foreground))
            self.assertEqual(twistd["logger"].__qualname__, "_Log.twistd_observer")

    def test_reactor(self) -> None:
        """twistd's option --reactor knows the reactor that the command installs."""
        (found,) = (plugin for plugin in getPlugins(IReactorInstaller) if plugin.shortName == "slime")
        self.assertEqual(found.moduleName, slime.reactor.__name__)

    def test_under_twist(self) -> None:
        """Twisted's newer program, which has no daemons and its own log formats, runs the services too."""
        twist = TwistOptions()
        twist.parseOptions(["slime-hub", "--secret=s", "--port=1"])
        options = twist.subOptions
        self.assertTrue(options.foreground)
        self.assertNotIn("logger", twist)
        self.assertTrue(IService.providedBy(self.maker("slime-hub").makeService(options)))
