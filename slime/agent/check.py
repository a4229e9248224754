"""``slime agent check``: says in plain words what keeps an agent from working, or that nothing does."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from treq.client import HTTPClient
from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.error import TimeoutError as ConnectTimeoutError
from twisted.internet.protocol import Protocol
from twisted.internet.task import react
from twisted.logger import LogEvent, capturedLogs

from slime.agent import tap
from slime.agent.egress.ways import Ways, warnings_about, ways_out
from slime.agent.findings import Finding, Grade, answered, hub_findings, token_finding, unanswered, unreached
from slime.agent.probe import ask, url_of
from slime.agent.service import greeting, hub_at, upstream
from slime.agent.upstream.client import UpstreamClient
from slime.agent.upstream.target import UpstreamTarget
from slime.agent.upstream.web import UpstreamAgent
from slime.agent.visit import visit
from slime.commands import AGENT_CHECK
from slime.settings import AgentConfig
from slime.values import show_duration

__all__ = ["examine", "main"]

#: Seconds for an upstream to answer, a connection made.
PATIENCE = 10.0


class Options(tap.Options):
    """The settings of an agent, to be looked at only."""

    row = AGENT_CHECK


def main(arguments: Sequence[str]) -> None:
    """Carry the command out.

    :raises SystemExit: with status 0 if an agent with these settings would work, and with 1 if not.
    """
    options = Options()
    options.parseOptions(arguments)
    tap.check_certificates(options)
    react(lambda reactor: Deferred.fromCoroutine(_print(reactor, options.config)))


def _say(finding: Finding) -> None:
    try:
        sys.stdout.write(f"{finding}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody reads on (``| head``), so nothing is left to be flushed when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


async def _print(reactor: Any, config: AgentConfig) -> None:
    grades = set()
    async for finding in examine(reactor, config):
        _say(finding)
        grades.add(finding.grade)
    raise SystemExit(1 if Grade.BAD in grades else 0)


async def examine(reactor: Any, config: AgentConfig) -> AsyncIterator[Finding]:
    """Look at everything an agent needs, one after the other."""
    ways = ways_out(config)
    targets = [upstream(text, config, ways.upstreams) for text in config.upstreams]
    yield token_finding(config.token)
    async for finding in _hub(reactor, config, ways, targets[0]):
        yield finding
    for target in targets:
        yield await _upstream(reactor, config, target)
    for words in warnings_about(ways.upstreams, [(target.label, target.place) for target in targets]):
        yield Finding(Grade.DOUBTFUL, "upstream", words)


async def _hub(reactor: Any, config: AgentConfig, ways: Ways, target: UpstreamTarget) -> AsyncIterator[Finding]:
    hub = hub_at(reactor, config.hub, config.handshake_timeout, ways.hub)
    try:
        visited = await visit(reactor, hub, config, greeting(config, target, "check", None))
    except Exception as error:
        # A name that is not known, a proxy that refuses, a port without anybody: each has an error of its own.
        yield unreached(hub.label, _words(error, hub.timeout))
        return
    for finding in hub_findings(hub.label, visited, time.time()):
        yield finding


async def _upstream(reactor: Any, config: AgentConfig, target: UpstreamTarget) -> Finding:
    client = UpstreamClient(reactor, target, config)
    treq, path = HTTPClient(UpstreamAgent(client)), config.health_path or "/"
    began = reactor.seconds()
    with capturedLogs() as events:
        try:
            # treq's own timeout would end as if somebody had cancelled the request.
            asking = Deferred.fromCoroutine(ask(reactor, treq, url_of(target, path), 2 * PATIENCE))
            answer = await asking.addTimeout(PATIENCE, reactor)
        except Exception as error:
            # Whatever keeps it from answering is what is to be told.
            return unanswered(target.label, _reason(error, events))
        finally:
            client.close()
    took = reactor.seconds() - began
    answer.deliverBody(_Uninterested())
    return answered(target.label, path, int(answer.code), took, config.health_path is not None)


def _reason(error: Exception, events: Sequence[LogEvent]) -> str:
    """Why an upstream does not answer: the agent's log may say more than applications are told."""
    for event in events:
        if "reason" in event:
            return str(event["reason"]).rstrip(".")
    return _words(error, PATIENCE)


def _words(error: Exception, patience: float) -> str:
    if isinstance(error, defer.TimeoutError | ConnectTimeoutError):
        return f"nothing comes within {show_duration(patience)}"
    return (getattr(error, "detail", "") or str(error)).rstrip(".") or type(error).__name__


class _Uninterested(Protocol):
    """Takes no body, however long it is."""

    def connectionMade(self) -> None:
        """The head was all."""
        transport: Any = self.transport
        transport.abortConnection()
