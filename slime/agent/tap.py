"""The agents of a process as a Twisted service: ``twistd slime-agent``, and what ``slime agent run`` runs."""

from __future__ import annotations

from functools import partial

from twisted.application.service import IService

from slime.agent.egress.ways import ways_out
from slime.agent.upstream.target import UpstreamTarget
from slime.commands import AGENT_RUN
from slime.log import log_through_twistd
from slime.options import SettingsOptions, refuse
from slime.process import supervised
from slime.settings import AgentConfig
from slime.sources import load_agent

__all__ = ["Options", "makeService"]


class Options(SettingsOptions):
    """The settings of an agent."""

    row = AGENT_RUN
    config: AgentConfig
    read = staticmethod(partial(load_agent, check_upstream=UpstreamTarget.parse))

    def postOptions(self) -> None:
        log_through_twistd(self, self.config.log_format, self.config.log_level)


def makeService(options: Options) -> IService:
    """The service that runs an agent for each upstream, on the reactor of this process."""
    from twisted.internet import reactor

    from slime.agent.service import build_agent

    check_certificates(options)
    return supervised(reactor, build_agent(reactor, options.config), options.config.grace, options.foreground)


def check_certificates(options: Options) -> None:
    """End the process, with one line, over a file of certificates that cannot be used."""
    try:
        ways_out(options.config)
    except ValueError as problem:
        refuse(options.row.name, problem)
