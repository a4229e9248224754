"""The wire between hub and agent."""

from slime.tunnel.codec import DATA_LIMIT, HEAD_LIMIT, MESSAGE_LIMIT, TRAILERS_LIMIT, decode, encode
from slime.tunnel.connection import DEFAULT_LIMITS, TunnelConnection, TunnelLimits
from slime.tunnel.flow import LOW_WATER, Sending, Window
from slime.tunnel.frames import (
    Capacity,
    Credit,
    Data,
    Drain,
    End,
    Frame,
    Head,
    Hello,
    Open,
    Ping,
    Pong,
    Refused,
    Reset,
    Revoke,
    Revoked,
    Started,
    StreamFrame,
    Welcome,
)
from slime.tunnel.states import Phase, Role

__all__ = [
    "DATA_LIMIT", "DEFAULT_LIMITS", "HEAD_LIMIT", "LOW_WATER", "MESSAGE_LIMIT", "TRAILERS_LIMIT",
    "Capacity", "Credit", "Data", "Drain", "End", "Frame", "Head", "Hello", "Open", "Phase", "Ping",
    "Pong", "Refused", "Reset", "Revoke", "Revoked", "Role", "Sending", "Started", "StreamFrame",
    "TunnelConnection", "TunnelLimits", "Welcome", "Window", "decode", "encode",
]  # fmt: skip
