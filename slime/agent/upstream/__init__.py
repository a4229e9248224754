"""HTTP/1.1 towards an upstream, byte for byte.

:class:`UpstreamClient` does what a proxy needs and a browser-like client may not do: heads as raw field lists,
answers that begin before the request has ended, interim answers, trailers, upgrades, and a socket that is
closed the moment a call is aborted. ::

    client = UpstreamClient(reactor, UpstreamTarget.parse("localhost:8000"))
    call = client.start(head, None, sink)     # sink: a ResponseSink, told of everything as it happens
    call.write(b"...")
    call.end()

Read in the order in which a call goes through: ``target`` (where), ``client`` and ``pool`` (over
which connection), ``lobby`` (until it is there), ``call`` and ``framing`` (the request), ``connection`` and
``wire`` (the socket), ``answer`` (what comes back). :class:`UpstreamAgent` is the same client as an ``IAgent``.
"""

from slime.agent.upstream.call import ResponseSink, UpstreamCall
from slime.agent.upstream.client import UpstreamClient, UpstreamLimits, UpstreamSettings
from slime.agent.upstream.target import UpstreamTarget
from slime.agent.upstream.web import UpstreamAgent, UpstreamFailed

__all__ = [
    "ResponseSink",
    "UpstreamAgent",
    "UpstreamCall",
    "UpstreamClient",
    "UpstreamFailed",
    "UpstreamLimits",
    "UpstreamSettings",
    "UpstreamTarget",
]
