"""``python -m tests.interop``: everything direct, everything through a hub and an agent, and where they differ.

The exit status is 1 if they do anywhere.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version

from slime.demo.children import Child
from slime.demo.fleet import AgentProcess, HubProcess
from tests.interop.cases import ASKS, ONLY_CURL, Ask
from tests.interop.drivers import DRIVERS, Answer
from tests.interop.page import with_gradio
from tests.interop.sdk import Seen, with_openai

SECRET = "an interop secret, thirty-two bytes"
#: Fields that may differ: those of one hop, the time, and what slime adds.
APART = frozenset(
    "connection keep-alive proxy-connection te trailer transfer-encoding upgrade content-length date via".split()
)
LIBRARIES = ("requests", "httpx", "aiohttp", "openai", "httpbin", "gradio")
ADDED = frozenset("Via Host X-Forwarded-For X-Forwarded-Proto X-Forwarded-Host Slime-Request-Id Connection".split())


@contextmanager
def through(upstream: int, *options: str) -> Iterator[int]:
    """A hub with one agent, which has these options, in front of an upstream; the hub's port."""
    with ExitStack() as stack:
        hub = HubProcess(SECRET)
        stack.callback(hub.child.end)
        address, asks = f"127.0.0.1:{hub.port}", ("--upstream", f"127.0.0.1:{upstream}", *options)
        agent = AgentProcess("interop", address, hub.token("interop"), *asks)
        stack.callback(agent.child.end)
        hub.wait_for_agent("interop")
        yield hub.port


@contextmanager
def serving(kind: str) -> Iterator[int]:
    """A running upstream; its port."""
    child = Child(kind, [sys.executable, "-m", "tests.interop.upstreams", kind])
    try:
        yield int(child.wait_for(r"port=(\d+)", 60)[1])
    finally:
        child.end()


def essence(ask: Ask, answer: Answer) -> object:
    """What must be equal."""
    apart = APART - {"content-length"} if ask.method == "HEAD" else APART
    fields = [(name.lower(), value) for name, value in answer.fields if name.lower() not in apart]
    fields = [(name, value) for name, value in fields if not name.startswith("slime-")]
    if ask.echo:
        return answer.status, sorted(fields), [_less(line) for line in _lines(answer)]
    return answer.status, sorted(fields), len(answer.body), hashlib.sha256(answer.body).hexdigest()


def _lines(answer: Answer) -> list[bytes]:
    """The JSON texts of a body, decoded."""
    import zlib

    codings = [value for name, value in answer.fields if name.lower() == "content-encoding"]
    body = answer.body
    if codings and not body.startswith(b"{"):
        body = zlib.decompress(body, 47 if codings == ["gzip"] else 15)
    return [body] if b"\n " in body else body.splitlines()


def _less(text: bytes) -> object:
    """An echo less what slime adds to requests and what tells of the address."""
    told = json.loads(text)
    told["headers"] = {name: value for name, value in told.get("headers", {}).items() if name not in ADDED}
    return {name: value for name, value in told.items() if name not in ("origin", "url")}


def compare(name: str, asks: Sequence[Ask], direct: int, proxied: int) -> list[str]:
    """Ask both ways; what differs."""
    ask_all = DRIVERS[name]
    ways = [ask_all(f"http://127.0.0.1:{port}", asks) for port in (direct, proxied)]
    pairs = [(ask, essence(ask, one), essence(ask, other)) for ask, one, other in zip(asks, *ways, strict=True)]
    return [f"{ask.name}: {one} is not {other}" for ask, one, other in pairs if one != other]


def compare_seen(ask: Callable[[str, str], Seen], direct: int, proxied: int) -> tuple[int, list[str]]:
    """A library both ways: how much was asked, and what differs."""
    one, other = (ask(f"http://127.0.0.1:{port}", str(port)) for port in (direct, proxied))
    return len(one), [f"{name}: {one[name]} is not {other[name]}" for name in one if one[name] != other[name]]


def report(name: str, asked: int, different: Sequence[str]) -> bool:
    """Say how it went; whether anything differs."""
    print(f"{name:12} {asked:3} asked, {len(different)} different", *different, sep="\n    ", flush=True)
    return bool(different)


def main(names: Sequence[str]) -> int:
    """Run everything, or some clients."""
    print(", ".join(f"{name} {version(name)}" for name in LIBRARIES))
    wrong = False
    with serving("httpbin") as direct, through(direct) as proxied:
        for name in names or DRIVERS:
            asks = [*ASKS, *ONLY_CURL] if name == "curl" else ASKS
            wrong |= report(name, len(asks), compare(name, asks, direct, proxied))
    with serving("openai") as direct, through(direct) as proxied:
        wrong |= report("openai", *compare_seen(with_openai, direct, proxied))
    with serving("gradio") as direct, through(direct, "--num-worker", "8") as proxied:
        wrong |= report("gradio", *compare_seen(with_gradio, direct, proxied))
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
