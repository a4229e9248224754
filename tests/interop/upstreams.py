"""What answers: httpbin under waitress, a server that speaks as OpenAI's does, and a program of Gradio's.

``python -m tests.interop.upstreams KIND`` prints its port and serves until its standard input ends.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from benchmarks.machine import free_port
from tests.interop.app import serve

ERRORS = {
    "400": (400, {}, "invalid_request_error"), "401": (401, {}, "authentication_error"),
    "404": (404, {}, "invalid_request_error"), "429": (429, {"Retry-After": "1"}, "rate_limit_error"),
    "500": (500, {}, "server_error"), "503": (503, {"Retry-After": "1"}, "overloaded_error"),
}  # fmt: skip


class OpenAI(BaseHTTPRequestHandler):
    """Answers by what the request calls its model: a status for an error, ``again`` for one error and then none."""

    protocol_version = "HTTP/1.1"
    seen: Counter[str] = Counter()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """The list of models."""
        model = {"id": "ok", "object": "model", "created": 0, "owned_by": "x"}
        self.reply(200, {}, {"object": "list", "data": [model]})

    def do_POST(self) -> None:
        """A completion."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        model = asked["model"]
        if model.startswith("again"):
            self.seen[model] += 1
            model = "429" if self.seen[model] % 2 else "ok"
        if model in ERRORS:
            status, fields, kind = ERRORS[model]
            error = {"message": f"no: {status}", "type": kind, "param": None, "code": None}
            self.reply(status, fields, {"error": error})
        elif asked.get("stream"):
            self.stream(asked)
        else:
            self.reply(200, {"x-request-id": "r1", "openai-processing-ms": "5"}, completion())

    def reply(self, status: int, fields: dict[str, str], value: object) -> None:
        """Send JSON."""
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", "Content-Length": str(len(body)), **fields}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def stream(self, asked: dict[str, object]) -> None:
        """Send events, each in a chunk of its own."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in events(cut=asked["model"] == "cut"):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
        if asked["model"] == "cut":
            self.close_connection = True
            return
        self.wfile.write(b"0\r\n\r\n")


def completion() -> dict[str, object]:
    """A whole answer."""
    message = {"role": "assistant", "content": "Grüße, \N{SNOWMAN}"}
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "c1", "object": "chat.completion", "created": 0, "model": "ok", "choices": [choice], "usage": usage}


def events(cut: bool) -> Iterator[bytes]:
    """The same, word by word; perhaps without its end."""
    for number in range(50):
        delta = {"index": 0, "delta": {"content": f"w{number} "}, "finish_reason": None}
        chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 0, "model": "ok", "choices": [delta]}
        yield b"data: %b\n\n" % json.dumps(chunk).encode()
    if not cut:
        yield b"data: [DONE]\n\n"


def serve_openai() -> int:
    """Serve; the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), OpenAI)
    Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def serve_httpbin() -> int:
    """Serve; the port."""
    import httpbin
    import waitress

    server = waitress.create_server(httpbin.app, host="127.0.0.1", port=0, threads=8)
    Thread(target=server.run, daemon=True).start()
    return int(server.effective_port)


def serve_gradio() -> int:
    """Serve; the port."""
    port = free_port()
    serve(port)
    return port


SERVE = {"openai": serve_openai, "httpbin": serve_httpbin, "gradio": serve_gradio}


def main(kind: str) -> None:
    """Serve."""
    print(f"port={SERVE[kind]()}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
