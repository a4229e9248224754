"""A hub inside another program: one site with pages of the program's own, which knows what the hub does.

    python hub_in_a_site.py --port 8080 --secret-file hub.secret

It takes the options of ``slime hub run``. What is below ``/v1`` is passed on to agents; ``/agents`` says in JSON which
of them are linked, and ``/latest`` what happened.
"""

from __future__ import annotations

import json
import os
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import asdict

from twisted.internet import reactor
from twisted.logger import globalLogBeginner, textFileLogObserver
from twisted.web.resource import Resource
from twisted.web.server import Request

from slime.hub.events import AgentJoined, AgentLeft, ExchangeEnded, HubEvent
from slime.hub.gateway import GatewayResource
from slime.hub.service import build_hub
from slime.sources import SettingError, load_hub

latest: deque[str] = deque(maxlen=100)


def on_event(event: HubEvent) -> None:
    """The hub tells what happens."""
    match event:
        case AgentJoined(agent):
            latest.append(f"{agent.name} joined from {agent.address} with {agent.slots} slots")
        case AgentLeft(agent, reason):
            latest.append(f"{agent.name} left: {reason}")
        case ExchangeEnded(exchange):
            latest.append(f"{exchange.method} {exchange.path}: {exchange.status} {exchange.outcome}")


class Facts(Resource):
    """A page of JSON, made anew for whoever asks."""

    isLeaf = True

    def __init__(self, look: Callable[[], object]) -> None:
        super().__init__()
        self._look = look

    def render_GET(self, request: Request) -> bytes:
        """What there is to say now."""
        request.setHeader(b"Content-Type", b"application/json")
        return json.dumps(self._look()).encode() + b"\n"


def tree(gateway: GatewayResource) -> Resource:
    """The site: the gateway for agents and for the API that they serve, and this program's own pages."""
    root = Resource()
    root.putChild(b"v1", gateway)
    root.putChild(b"agents", Facts(lambda: [asdict(agent) for agent in hub.agents]))
    root.putChild(b"latest", Facts(lambda: list(latest)))
    return root


try:
    config = load_hub(sys.argv[1:], os.environ)
except SettingError as error:
    sys.exit(str(error))
globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stderr)])
hub = build_hub(reactor, config, tree, on_event)
hub.privilegedStartService()
hub.startService()
reactor.addSystemEventTrigger("before", "shutdown", hub.stopService)
reactor.run()
