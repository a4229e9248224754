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
from slime.state import state_dir

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

    check_files(options)
    return supervised(reactor, build_agent(reactor, options.config), options.config.grace, options.foreground)


def check_files(options: Options) -> None:
    """End the process, with one line, over a file of certificates or a state directory that cannot be used."""
    check_certificates(options)
    try:
        check_state(options.config)
    except ValueError as problem:
        refuse(options.row.name, problem)


def check_certificates(options: Options) -> None:
    """The same, over a file of certificates alone."""
    try:
        ways_out(options.config)
    except ValueError as problem:
        refuse(options.row.name, problem)


def check_state(config: AgentConfig) -> None:
    """See that there is a place for the agent's identity, unless it is given.

    :raises ValueError: there is none; with words that begin with the setting's name.
    """
    if config.agent_id is None:
        try:
            state_dir(config.state_dir)
        except ValueError as error:
            raise ValueError(f"state-dir: {error}") from None
