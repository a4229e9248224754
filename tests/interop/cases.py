"""What every client asks of httpbin."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["ASKS", "ONLY_CURL", "Ask"]


@dataclass(frozen=True)
class Ask:
    """A request.

    :ivar echo: the answer tells of the request's fields, which slime adds to.
    :ivar options: for curl.
    """

    name: str
    path: str
    method: str = "GET"
    fields: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    echo: bool = False
    options: tuple[str, ...] = ()


JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}
PARTS = b'--b\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\nhello\r\n--b--\r\n'
LARGE = bytes(range(256)) * 8192

ASKS = [
    Ask("get", "/get?a=1&a=2&b=%20%2F", echo=True),
    Ask("fields", "/headers", fields={"X-One": "1", "X-Two": "a, b", "Cookie": "a=b; c=d"}, echo=True),
    Ask("head", "/html", "HEAD"),
    Ask("options", "/get", "OPTIONS"),
    Ask("post json", "/post", "POST", JSON, b'{"a": [1, 2]}', echo=True),
    Ask("post form", "/post", "POST", FORM, b"a=1&b=%20", echo=True),
    Ask("post multipart", "/post", "POST", MULTIPART, PARTS, echo=True),
    Ask("post nothing", "/post", "POST", {}, b"", echo=True),
    Ask("put 2 MB", "/put", "PUT", {"Content-Type": "application/octet-stream"}, LARGE, echo=True),
    Ask("patch", "/patch", "PATCH", JSON, b"{}", echo=True),
    Ask("delete", "/delete", "DELETE", JSON, b"{}", echo=True),
    *(Ask(f"status {status}", f"/status/{status}") for status in (200, 201, 204, 304, 400, 404, 418, 429, 500, 503)),
    Ask("redirect", "/redirect/2"),
    Ask("absolute redirect", "/redirect-to?url=http%3A%2F%2Fexample.invalid%2F&status_code=307"),
    Ask("set cookies", "/cookies/set?a=1&b=2"),
    Ask("cookies", "/cookies", fields={"Cookie": "a=1; b=2"}),
    Ask("gzip", "/gzip", fields={"Accept-Encoding": "gzip"}, echo=True),
    Ask("deflate", "/deflate", fields={"Accept-Encoding": "deflate"}, echo=True),
    Ask("bytes", "/bytes/100000?seed=1"),
    Ask("streamed bytes", "/stream-bytes/100000?seed=1&chunk_size=999"),
    Ask("streamed lines", "/stream/20", echo=True),
    Ask("drip", "/drip?duration=1&numbytes=10&delay=0"),
    Ask("delay", "/delay/1", echo=True),
    Ask("range", "/range/1000", fields={"Range": "bytes=10-19"}),
    Ask("bad range", "/range/1000", fields={"Range": "bytes=2000-"}),
    Ask("etag", "/etag/abc", fields={"If-None-Match": '"abc"'}),
    Ask("etag fails", "/etag/abc", fields={"If-Match": '"other"'}),
    Ask("not modified", "/cache", fields={"If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"}),
    Ask("chosen fields", "/response-headers?X-A=1&X-A=2&X-B=%C3%A4"),
    Ask("authorized", "/basic-auth/u/p", fields={"Authorization": "Basic dTpw"}),
    Ask("unauthorized", "/basic-auth/u/p"),
    Ask("bearer", "/bearer", fields={"Authorization": "Bearer abc"}),
    Ask("image", "/image/png"),
    Ask("utf-8", "/encoding/utf8"),
    Ask("html", "/html"),
    Ask("json", "/json"),
    Ask("xml", "/xml"),
    Ask("no such path", "/nothing/here"),
    Ask("not allowed", "/get", "POST", {}, b""),
    Ask("unknown method", "/get", "PURGE"),
]

ONLY_CURL = [
    Ask("HTTP/1.0", "/get", echo=True, options=("--http1.0",)),
    Ask("HTTP/1.0 streamed", "/stream-bytes/100000?seed=1", options=("--http1.0",)),
    Ask("HTTP/1.0 post", "/post", "POST", FORM, b"a=1", echo=True, options=("--http1.0",)),
    Ask("upload with Expect", "/put", "PUT", {"Expect": "100-continue"}, LARGE, echo=True),
    Ask("chunked upload", "/put", "PUT", {"Transfer-Encoding": "chunked"}, LARGE, echo=True),
    Ask("chunked with Expect", "/put", "PUT", {"Transfer-Encoding": "chunked", "Expect": "100-continue"}, LARGE,
        echo=True),
    Ask("slow download", "/bytes/100000?seed=1", options=("--limit-rate", "100k")),
    Ask("slow upload", "/put", "PUT", {}, LARGE[:200_000], echo=True, options=("--limit-rate", "100k")),
    Ask("unbuffered", "/stream/5", echo=True, options=("-N",)),
    Ask("follow", "/redirect/3", echo=True, options=("-L",)),
    Ask("compressed", "/gzip", echo=True, options=("--compressed",)),
    Ask("absolute target", "/get", echo=True,
        options=("--request-target", "http://127.0.0.1/get", "-H", "Host: 127.0.0.1")),
    Ask("no keep-alive", "/get", fields={"Connection": "close"}, echo=True),
]
