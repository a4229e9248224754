"""An agent inside another program, which says by itself what its machine has.

    python agent_with_catalogue.py --hub 127.0.0.1:8080 --token-file desk.token --upstream 127.0.0.1:8000

It takes the options of ``slime agent run``.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.internet import reactor
from twisted.logger import globalLogBeginner, textFileLogObserver

from slime.agent.hardware import hardware
from slime.agent.service import build_agent
from slime.sources import SettingError, load_agent


def catalogue() -> dict[str, Any]:
    """What slime finds out by itself, and what only this program knows."""
    return {**hardware(), "rack": "b7", "models": ["toy", "toy-large"]}


try:
    config = load_agent(sys.argv[1:], os.environ)
except SettingError as error:
    sys.exit(str(error))
globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stderr)])
agent = build_agent(reactor, config, catalogue)
agent.startService()
reactor.addSystemEventTrigger("before", "shutdown", agent.stopService)
reactor.run()
