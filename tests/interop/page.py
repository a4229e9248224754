"""A program of Gradio's as its own client sees it, as any client sees its files, and as a person does in Chromium."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.interop.sdk import Seen

__all__ = ["with_gradio"]

TEXT = "alpha beta gamma delta"
SIZE = 1_000_000
TOLD = "return document.querySelector('#told textarea, #told input').value"


def with_gradio(base: str, side: str) -> Seen:
    """Everything asked, by name, and what came."""
    from gradio_client import Client

    with tempfile.TemporaryDirectory() as room:
        client = Client(base, verbose=False, download_files=room)
        asks: dict[str, Callable[[], object]] = {
            "page": lambda: _page(base),
            "scripts and styles": lambda: _files(base),
            "whole": lambda: client.predict(TEXT, api_name="/tell"),
            "in pieces": lambda: list(client.submit(TEXT, api_name="/tell")),
            "two at once": lambda: _two(client),
            "a file there and back": lambda: _turned(client, Path(room) / "given"),
            "an error": lambda: _refused(client),
            "in a browser": lambda: _seen(base),
        }
        return {name: ask() for name, ask in asks.items()}


def _get(url: str) -> Any:
    import httpx

    return httpx.get(url, timeout=30, trust_env=False)


def _page(base: str) -> object:
    """Its text tells where it is."""
    given = _get(base)
    return given.status_code, given.headers["content-type"], given.text.replace(base, "BASE")


def _files(base: str) -> object:
    names = sorted(set(re.findall(r'(?:src|href)="\.?/([^"]+\.(?:js|css))"', _page_text(base))))
    if not names:
        raise ValueError("the page needs no files, which cannot be")
    given = {name: _get(f"{base}/{name}") for name in names}
    return {name: (one.status_code, hashlib.sha256(one.content).hexdigest()) for name, one in given.items()}


def _page_text(base: str) -> str:
    return str(_get(base).text)


def _two(client: Any) -> object:
    jobs = [client.submit(f"{number} {TEXT}", api_name="/tell") for number in range(2)]
    return [job.result(timeout=30) for job in jobs]


def _turned(client: Any, given: Path) -> object:
    from gradio_client import handle_file

    content = os.urandom(SIZE)
    given.write_bytes(content)
    turned = client.predict(handle_file(str(given)), api_name="/turn")
    return Path(turned).read_bytes() == content[::-1]


def _refused(client: Any) -> object:
    from gradio_client.exceptions import AppError

    try:
        return client.predict(TEXT, api_name="/refuse")
    except AppError as error:
        return [str(error)]


def _seen(base: str) -> object:
    """What stands on the page when somebody has asked, and what the browser complains of."""
    from tests.browser.chromium import Browser

    browser = Browser()
    try:
        browser.open(base)
        browser.wait(lambda: bool(browser.run("return document.querySelector('#asked textarea, #asked input')")))
        browser.find("#asked textarea, #asked input").send_keys(TEXT)
        browser.find("#tell").click()
        browser.wait(lambda: browser.run(TOLD) == TEXT)
        return browser.run(TOLD), [text.replace(base, "BASE") for text in browser.complaints()]
    finally:
        browser.close()
