"""Public stand-ins for what stands outside a unit under test."""

from __future__ import annotations

from collections import deque

from slime.tunnel import DEFAULT_LIMITS, Frame, Hello, Role, TunnelConnection, TunnelLimits, Welcome

__all__ = ["HELLO", "WELCOME", "TunnelPair"]

#: A greeting of an agent with four slots.
HELLO = Hello(agent_id="a1", name="quiet otter", slots=4)
#: A hub's answer.
WELCOME = Welcome(session="s1")


class TunnelPair:
    """Both ends of a link, in memory: messages travel when the test says so.

    :ivar hub: the hub's end.
    :ivar agent: the agent's end.
    :ivar to_hub: messages on their way to the hub.
    :ivar to_agent: messages on their way to the agent.
    """

    def __init__(
        self,
        hello: Hello = HELLO,
        welcome: Welcome = WELCOME,
        limits: TunnelLimits = DEFAULT_LIMITS,
    ) -> None:
        self.hub = TunnelConnection(Role.HUB, limits)
        self.agent = TunnelConnection(Role.AGENT, limits)
        self.to_hub: deque[bytes] = deque()
        self.to_agent: deque[bytes] = deque()
        self.agent.send(hello)
        self.pump()
        self.hub.send(welcome)
        self.pump()

    def flush_hub(self, data: bool = True) -> None:
        """Put everything the hub may send on its way."""
        _flush(self.hub, self.to_agent, data)

    def flush_agent(self, data: bool = True) -> None:
        """Put everything the agent may send on its way."""
        _flush(self.agent, self.to_hub, data)

    def hub_receives(self) -> list[Frame]:
        """Deliver what the agent has sent until now; the hub's events."""
        self.flush_agent()
        return _deliver(self.to_hub, self.hub)

    def agent_receives(self) -> list[Frame]:
        """Deliver what the hub has sent until now; the agent's events."""
        self.flush_hub()
        return _deliver(self.to_agent, self.agent)

    def pump(self) -> tuple[list[Frame], list[Frame]]:
        """Deliver both ways until nothing moves; the hub's events and the agent's."""
        hub: list[Frame] = []
        agent: list[Frame] = []
        while True:
            self.flush_hub()
            self.flush_agent()
            if not self.to_hub and not self.to_agent:
                return hub, agent
            agent += _deliver(self.to_agent, self.agent)
            hub += _deliver(self.to_hub, self.hub)


def _flush(end: TunnelConnection, way: deque[bytes], data: bool) -> None:
    while (message := end.next_message(data)) is not None:
        way.append(message)


def _deliver(way: deque[bytes], end: TunnelConnection) -> list[Frame]:
    events: list[Frame] = []
    while way:
        events += end.receive(way.popleft())
    return events
