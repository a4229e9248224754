"""The hub as a Twisted service: ``twistd slime-hub``, and what ``slime hub run`` runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from OpenSSL import crypto
from twisted.application.service import IService, Service
from twisted.internet.endpoints import serverFromString
from twisted.logger import Logger

from slime.commands import HUB_RUN
from slime.log import log_through_twistd
from slime.options import SettingsOptions, refuse
from slime.pem import PEMFileError, certificates_in
from slime.process import supervised
from slime.settings import HubConfig
from slime.sources import load_hub, shown
from slime.state import state_dir

__all__ = ["Options", "makeService"]

#: A secret of fewer bytes may be guessed by trying; what is random and this long is not.
SAFE_SECRET_BYTES = 16

EXAMPLE = "tcp:8080:interface=127.0.0.1"
TLS_EXAMPLE = "ssl:443:privateKey=key.pem:certKey=chain.pem"


class Options(SettingsOptions):
    """The settings of a hub."""

    row = HUB_RUN
    config: HubConfig
    read = staticmethod(load_hub)

    def postOptions(self) -> None:
        log_through_twistd(self, self.config.log_format, self.config.log_level)


def makeService(options: Options) -> IService:
    """The service that runs a hub, on the reactor of this process."""
    from twisted.internet import reactor

    from slime.hub.service import build_hub

    check_endpoints(reactor, options.config.listen)
    check_admin(reactor, options.config)
    check_authorities(options.config)
    check_state(options.config)
    hub = build_hub(reactor, options.config)
    Advice(options.config).setServiceParent(hub)
    return supervised(reactor, hub, options.config.grace, options.foreground)


def check_endpoints(reactor: Any, descriptions: Sequence[str], setting: str = "listen") -> None:
    """End the process, with one line, over an endpoint that cannot be made."""
    from slime.hub.listening import check_files, check_port, has_tls

    for description in descriptions:
        try:
            check_port(description)
            check_files(description)
            serverFromString(reactor, description)
        except PEMFileError as problem:
            refuse(HUB_RUN.name, f"{setting}: {problem}")
        except Exception as problem:
            # Each kind of endpoint is a plugin with exceptions of its own, of a bad number for instance.
            example = TLS_EXAMPLE if has_tls(description) else EXAMPLE
            reason = f"{shown(description)} makes no endpoint: {_reason(problem)}"
            refuse(HUB_RUN.name, f"{setting}: {reason}; write one like {example}")


def _reason(problem: Exception) -> str:
    if isinstance(problem, crypto.Error):
        return "OpenSSL cannot use its certificate and key, though they are there: write both anew, in PEM form"
    return str(problem)


def check_admin(reactor: Any, config: HubConfig) -> None:
    """End the process, with one line, over an admin site that strangers could reach, or that cannot be made."""
    from slime.hub.admin.guard import is_local_endpoint

    if config.admin is None:
        return
    if config.admin_token is None and not is_local_endpoint(config.admin):
        refuse(
            HUB_RUN.name,
            f"admin: {config.admin!r} may be reached from elsewhere, so it needs a token (--admin-token-file FILE); "
            "without one, name an interface of this machine: interface=127.0.0.1",
        )
    check_endpoints(reactor, [config.admin], "admin")


def check_authorities(config: HubConfig) -> None:
    """End the process, with one line, over authorities that cannot be read, or that would keep every agent out."""
    from slime.hub.listening import has_tls

    if config.agent_ca is None:
        return
    try:
        certificates_in(config.agent_ca)
    except PEMFileError as problem:
        refuse(HUB_RUN.name, f"agent-ca: {problem}")
    if not any(map(has_tls, config.listen)):
        refuse(
            HUB_RUN.name,
            "agent-ca: agents show certificates over TLS alone, and no endpoint has it; "
            "add one: --listen ssl:8443:privateKey=hub.key:certKey=hub.crt",
        )


def check_state(config: HubConfig) -> None:
    """End the process, with one line, over a state directory that cannot be used."""
    from slime.hub.revocations import Revocations

    try:
        Revocations(state_dir(config.state_dir))
    except ValueError as problem:
        refuse(HUB_RUN.name, f"state-dir: {problem}")


class Advice(Service):
    """Says, once the hub listens, what works but leaves a door open."""

    _log = Logger()

    def __init__(self, config: HubConfig) -> None:
        self._config = config

    def startService(self) -> None:
        super().startService()
        if self._config.app_password is None:
            self._log.warn("no --app-password-file is given: whoever reaches this hub can use it")
        if len(self._config.secret) < SAFE_SECRET_BYTES:
            self._log.warn("the secret is short: whoever holds a token may guess it; take 32 random bytes")
