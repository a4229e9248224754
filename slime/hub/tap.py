"""The hub as a Twisted service: ``twistd slime-hub``, and what ``slime hub run`` runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twisted.application.service import IService

from slime.log import log_through_twistd
from slime.options import SettingsOptions
from slime.process import supervised
from slime.settings import HubConfig
from slime.sources import load_hub

__all__ = ["Options", "makeService"]


class Options(SettingsOptions):
    """The settings of a hub."""

    command = "slime hub run"
    summary = (
        "Run a hub. It takes HTTP requests from applications and passes each to an agent that is free; agents "
        "connect to the same address."
    )
    config_class = HubConfig
    config: HubConfig

    def load(self, arguments: Sequence[str], environ: Mapping[str, str]) -> HubConfig:
        return load_hub(arguments, environ)

    def postOptions(self) -> None:
        log_through_twistd(self, self.config.log_format, self.config.log_level)


def makeService(options: Options) -> IService:
    """The service that runs a hub, on the reactor of this process."""
    from twisted.internet import reactor

    from slime.hub.service import build_hub

    return supervised(reactor, build_hub(reactor, options.config), options.config.grace)
