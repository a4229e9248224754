"""A program of Gradio's: a generator, files both ways, an error, and the page for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from time import sleep

__all__ = ["serve"]

WORD = 0.05
"""Seconds for a word."""

#: Nothing that asks anybody outside.
QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}


def tell(text: str) -> Iterator[str]:
    """The text, a word more each time."""
    words = text.split()
    for count in range(1, len(words) + 1):
        yield " ".join(words[:count])
        sleep(WORD)


def turn(name: str) -> str:
    """A file that is another one backwards."""
    turned = Path(f"{name}.turned")
    turned.write_bytes(Path(name).read_bytes()[::-1])
    return str(turned)


def serve(port: int) -> None:
    """Serve on this port, in threads of its own."""
    os.environ.update(QUIET)
    import gradio

    def refuse(text: str) -> str:
        raise gradio.Error(f"no: {text}")

    with gradio.Blocks(title="interop") as page:
        asked, told = gradio.Textbox(label="asked", elem_id="asked"), gradio.Textbox(label="told", elem_id="told")
        given, turned = gradio.File(label="given"), gradio.File(label="turned")
        gradio.Button("tell", elem_id="tell").click(tell, asked, told, api_name="tell")
        gradio.Button("turn").click(turn, given, turned, api_name="turn")
        gradio.Button("refuse").click(refuse, asked, told, api_name="refuse")
    page.launch(server_name="127.0.0.1", server_port=port, quiet=True, prevent_thread_lock=True, ssr_mode=False)
