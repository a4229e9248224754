"""How each client asks; all of them say what they got without looking into it."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.interop.cases import Ask

__all__ = ["DRIVERS", "Answer"]

Fields = list[tuple[str, str]]
CONTINUES = "HTTP/1.1 1"


@dataclass(frozen=True)
class Answer:
    """Status, fields as the client tells them, and the bytes of the body."""

    status: int
    fields: Fields
    body: bytes


def with_requests(base: str, asks: Sequence[Ask]) -> list[Answer]:
    """PyPI's requests."""
    import requests

    answers = []
    with requests.Session() as session:
        for ask in asks:
            url = base + ask.path
            given = session.request(
                ask.method, url, headers=ask.fields, data=ask.body, allow_redirects=False, stream=True, cookies={}
            )
            session.cookies.clear()
            body = given.raw.read(decode_content=False)
            answers.append(Answer(given.status_code, list(given.raw.headers.items()), body))
    return answers


def with_httpx(base: str, asks: Sequence[Ask]) -> list[Answer]:
    """PyPI's httpx."""
    import httpx

    answers = []
    with httpx.Client(timeout=30, trust_env=False) as client:
        for ask in asks:
            with client.stream(ask.method, base + ask.path, headers=ask.fields, content=ask.body) as given:
                body = b"".join(given.iter_raw())
            client.cookies.clear()
            fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in given.headers.raw]
            answers.append(Answer(given.status_code, fields, body))
    return answers


def with_aiohttp(base: str, asks: Sequence[Ask]) -> list[Answer]:
    """PyPI's aiohttp."""
    return asyncio.run(_with_aiohttp(base, asks))


async def _with_aiohttp(base: str, asks: Sequence[Ask]) -> list[Answer]:
    import aiohttp
    from yarl import URL

    answers = []
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(auto_decompress=False, cookie_jar=jar) as session:
        for ask in asks:
            url = URL(base + ask.path, encoded=True)
            asking = session.request(ask.method, url, headers=ask.fields, data=ask.body, allow_redirects=False)
            async with asking as given:
                fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in given.raw_headers]
                answers.append(Answer(given.status, fields, await given.read()))
    return answers


def with_fetch(base: str, asks: Sequence[Ask]) -> list[Answer]:
    """Node's fetch; it decodes what is compressed."""
    plain = [{"path": ask.path, "method": ask.method, "fields": ask.fields, "body": _text(ask.body)} for ask in asks]
    command = ["node", str(Path(__file__).with_name("fetch.mjs"))]
    said = subprocess.run(
        command, input=json.dumps({"base": base, "asks": plain}), capture_output=True, text=True, check=True
    )
    return [
        Answer(status, [(name, value) for name, value in fields], base64.b64decode(body))
        for status, fields, body in json.loads(said.stdout)
    ]


def _text(body: bytes | None) -> str | None:
    return None if body is None else base64.b64encode(body).decode("ascii")


def with_curl(base: str, asks: Sequence[Ask]) -> list[Answer]:
    """curl, a new connection for each."""
    with tempfile.TemporaryDirectory() as directory:
        return [_curl(base, ask, Path(directory)) for ask in asks]


def _curl(base: str, ask: Ask, room: Path) -> Answer:
    options = ["-sS", "-m", "60", "-D", str(room / "head"), "-o", str(room / "body"), *ask.options]
    options += [part for name, value in ask.fields.items() for part in ("-H", f"{name}: {value}")]
    for left in ("head", "body"):
        (room / left).write_bytes(b"")
    if ask.method == "HEAD":
        options.append("-I")
    elif ask.method == "PUT" and ask.body:
        (room / "sent").write_bytes(ask.body)
        options += ["-T", str(room / "sent")]
    else:
        options += ["-X", ask.method] if "-L" not in ask.options else []
        if ask.body is not None:
            (room / "sent").write_bytes(ask.body)
            options += ["--data-binary", f"@{room / 'sent'}"]
    subprocess.run(["curl", *options, base + ask.path], check=True)
    heads = (room / "head").read_bytes().decode("latin-1").split("\r\n\r\n")
    last = [head for head in heads if head and not head.startswith(CONTINUES)][-1]
    line, *lines = last.split("\r\n")
    fields = [(name, value.strip()) for name, _, value in (each.partition(":") for each in lines)]
    body = b"" if ask.method == "HEAD" else (room / "body").read_bytes()
    return Answer(int(line.split()[1]), fields, body)


DRIVERS: dict[str, Callable[[str, Sequence[Ask]], list[Answer]]] = {
    "requests": with_requests, "httpx": with_httpx, "aiohttp": with_aiohttp, "node fetch": with_fetch,
    "curl": with_curl,
}  # fmt: skip
