"""Requests and answers byte for byte, and what must become of each at the public port.

The rule is RFC 9112 (framing, grammar) and RFC 9110 (fields), read strictly: what is not clearly right is refused,
and nothing of it is passed on. Sections are given where a case is not obvious.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ANSWERS", "CUT", "PASSED", "REFUSED", "Answered", "Cut", "Passed", "Refused"]


@dataclass(frozen=True)
class Passed:
    """A message that is passed on.

    :ivar arrives: ``(method, target, body)`` of each request as the upstream sees it.
    :ivar statuses: of the answers; the upstream says 200 to everything.
    :ivar has: field lines that the first request must have upstream, lower-cased names.
    :ivar lacks: fields that it must not have there.
    """

    name: str
    sent: bytes
    arrives: tuple[tuple[bytes, bytes, bytes], ...]
    statuses: tuple[int, ...] = (200,)
    has: tuple[bytes, ...] = ()
    lacks: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Refused:
    """A message of which nothing may arrive; the answer has one of ``statuses``, and the connection ends."""

    name: str
    sent: bytes
    statuses: tuple[int, ...] = (400,)


@dataclass(frozen=True)
class Cut:
    """A message whose head is good and whose body is not: what arrives of it is never complete."""

    name: str
    sent: bytes


@dataclass(frozen=True)
class Answered:
    """An upstream's answer to a GET and what the application gets for it.

    :ivar status: what the application sees; None: the transfer breaks after a status of 200.
    :ivar closes: whether the upstream closes its connection behind it.
    """

    name: str
    raw: bytes
    status: int | None
    body: bytes | None = None
    closes: bool = True
    method: bytes = b"GET"


def get(*lines: bytes, start: bytes = b"GET /x HTTP/1.1", host: bytes = b"Host: h\r\n") -> bytes:
    """A request without a body."""
    return b"".join([start, b"\r\n", host, *(line + b"\r\n" for line in lines), b"\r\n"])


def post(*lines: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    """A request with a body, however framed."""
    return get(*lines, start=b"POST /x HTTP/" + version) + body


def chunked(body: bytes) -> bytes:
    """A request with a chunked body."""
    return post(b"Transfer-Encoding: chunked", body=body)


ONE = ((b"GET", b"/x", b""),)
HELLO = ((b"POST", b"/x", b"hello"),)

# RFC 9112 6: message body and its length ------------------------------------------------------------------------

_LENGTHS = {
    "plus": b"+5", "minus": b"-5", "hex": b"0x5", "hexdigits": b"5a", "list_same": b"5, 5", "list_differing": b"5, 6",
    "inner_space": b"5 5", "empty": b"", "word": b"five", "float": b"5.0", "exponent": b"5e0", "parameter": b"5;a",
    "huge": b"5" * 20, "very_huge": b"5" * 5000, "superscript": b"\xb2", "vertical_tab": b"\x0b5",
    "underscore": b"1_0",
}
_CODINGS = {
    "twice_in_list": b"chunked, chunked", "gzip": b"gzip", "gzip_first": b"gzip, chunked",
    "gzip_last": b"chunked, gzip",
    "identity": b"identity", "identity_list": b"chunked, identity", "prefix": b"xchunked", "parameter": b"chunked;q=1",
    "empty": b"", "quoted": b'"chunked"', "vertical_tab": b"\x0bchunked", "trailing_tab_control": b"chunked\x0c",
    "null": b"chunked\x00", "inner_space": b"chun ked", "fullwidth": b"\xefchunked",
}
_CHUNKS = {
    "plus": b"+5\r\nhello", "minus": b"-5\r\nhello", "prefix": b"0x5\r\nhello", "trailing_space": b"5 \r\nhello",
    "leading_space": b" 5\r\nhello", "underscore": b"0_5\r\nhello", "empty": b"\r\nhello", "letter": b"g\r\nhello",
    "overflow": b"10000000000000005\r\nhello", "bare_lf_after_size": b"5\nhello",
    "bare_cr_after_size": b"5\rhello", "null": b"5\x00\r\nhello", "null_in_extension": b"5;a=\x00\r\nhello",
    "lf_in_extension": b"5;a\n\r\nhello", "cr_in_extension": b"5;a\rb\r\nhello", "semicolon_only": b";\r\nhello",
    "endless_size": b"0" * 4000 + b"5\r\nhello",
}

REFUSED = [
    *(Refused(f"length_{name}", post(b"Content-Length: " + value, body=b"hello")) for name, value in _LENGTHS.items()),
    Refused("length_twice_same", post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello")),
    Refused("length_twice_differing", post(b"Content-Length: 5", b"Content-Length: 0", body=b"hello")),
    *(Refused(f"coding_{name}", post(b"Transfer-Encoding: " + value, body=b"0\r\n\r\n"), (400, 501))
      for name, value in _CODINGS.items()),
    Refused("coding_two_fields", post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"), (400, 501)),
    Refused("coding_two_fields_same", post(*[b"Transfer-Encoding: chunked"] * 2, body=b"0\r\n\r\n")),
    Refused("coding_and_length", post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n")),
    Refused("length_and_coding", post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n")),
    Refused("coding_on_1_0", post(b"Transfer-Encoding: chunked", body=b"0\r\n\r\n", version=b"1.0")),
    # RFC 9112 2.2, 5: line ends, field syntax
    Refused("cr_in_value", get(b"A: b\rc")),
    Refused("cr_at_end_of_value", get(b"A: b\r")),
    Refused("null_in_value", get(b"A: b\x00c")),
    Refused("delete_in_value", get(b"A: b\x7fc")),
    Refused("escape_in_value", get(b"A: b\x1bc")),
    Refused("null_in_name", get(b"A\x00: b")),
    Refused("fold", get(b"A: b", b" c")),
    Refused("fold_by_tab", get(b"A: b", b"\tc")),
    Refused("fold_first", get(host=b" Host: h\r\n")),
    Refused("space_before_colon", get(b"A : b")),
    Refused("tab_before_colon", get(b"A\t: b")),
    Refused("length_space_before_colon", post(b"Content-Length : 5", body=b"hello")),
    Refused("coding_space_before_colon", post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n")),
    Refused("empty_name", get(b": b")),
    Refused("no_colon", get(b"Abc")),
    Refused("space_in_name", get(b"A b: c")),
    Refused("at_in_name", get(b"A@b: c")),
    Refused("non_ascii_name", get(b"\xc3\xa4: c")),
    Refused("bare_lf_everywhere", b"GET /x HTTP/1.1\nHost: h\n\n\r\n\r\n"),
    Refused("bare_lf_after_line", b"GET /x HTTP/1.1\nHost: h\r\n\r\n"),
    Refused("bare_lf_between_fields", b"GET /x HTTP/1.1\r\nHost: h\nA: b\r\n\r\n"),
    Refused("lf_hides_length", b"POST /x HTTP/1.1\r\nHost: h\r\nA: b\nContent-Length: 5\r\n\r\nhello"),
    # RFC 9112 3.2, RFC 9110 7.2: Host
    Refused("host_missing", get(host=b"")),
    Refused("host_twice", get(b"Host: h")),
    Refused("host_twice_differing", get(b"Host: other")),
    Refused("host_list", get(host=b"Host: a, b\r\n")),
    Refused("host_user", get(host=b"Host: user@h\r\n")),
    Refused("host_space", get(host=b"Host: a b\r\n")),
    Refused("host_path", get(host=b"Host: h/x\r\n")),
    Refused("host_port", get(host=b"Host: h:eighty\r\n")),
    Refused("host_bracket", get(host=b"Host: [::1\r\n")),
    # RFC 9112 3: request line
    Refused("absolute_mismatch", get(start=b"GET http://other/x HTTP/1.1")),
    Refused("absolute_user", get(start=b"GET http://u@h/x HTTP/1.1")),
    Refused("absolute_scheme", get(start=b"GET ftp://h/x HTTP/1.1")),
    Refused("asterisk", get(start=b"GET * HTTP/1.1")),
    Refused("fragment", get(start=b"GET /x#y HTTP/1.1")),
    Refused("relative", get(start=b"GET x HTTP/1.1")),
    Refused("non_ascii_target", get(start=b"GET /\xc3\xa4 HTTP/1.1")),
    Refused("control_in_target", get(start=b"GET /\x01 HTTP/1.1")),
    Refused("two_spaces", get(start=b"GET  /x HTTP/1.1")),
    Refused("tab", get(start=b"GET\t/x HTTP/1.1")),
    Refused("space_in_target", get(start=b"GET /x y HTTP/1.1")),
    Refused("space_before_method", get(start=b" GET /x HTTP/1.1")),
    Refused("space_at_end", get(start=b"GET /x HTTP/1.1 ")),
    Refused("method_syntax", get(start=b"GE(T /x HTTP/1.1")),
    Refused("no_method", get(start=b"/x HTTP/1.1")),
    Refused("no_version", b"GET /x\r\n\r\n"),
    Refused("version_case", get(start=b"GET /x http/1.1")),
    Refused("version_short", get(start=b"GET /x HTTP/1")),
    Refused("version_long", get(start=b"GET /x HTTP/1.10")),
    Refused("version_digits", get(start=b"GET /x HTTP/11.1")),
    Refused("version_2_0", get(start=b"GET /x HTTP/2.0"), (505,)),
    Refused("version_0_9", get(start=b"GET /x HTTP/0.9"), (400, 505)),
    Refused("connect", get(start=b"CONNECT h:80 HTTP/1.1"), (501,)),
    Refused("http2_preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 505)),
    # limits
    Refused("long_target", get(start=b"GET /" + b"x" * 16400 + b" HTTP/1.1"), (414,)),
    Refused("long_head", get(*[b"A: " + b"x" * 1000] * 70), (431,)),
    Refused("endless_field", b"GET /x HTTP/1.1\r\nHost: h\r\nA: " + b"x" * 70000, (431,)),
    Refused("many_fields", get(*[b"A: b"] * 220), (431,)),
]

CUT = [
    *(Cut(f"chunk_{name}", chunked(data + b"\r\n0\r\n\r\n")) for name, data in _CHUNKS.items()),
    Cut("chunk_without_crlf", chunked(b"5\r\nhelloo\r\n0\r\n\r\n")),
    Cut("chunk_with_lf", chunked(b"5\r\nhello\n0\r\n\r\n")),
    Cut("chunk_longer_than_said", chunked(b"3\r\nhello\r\n0\r\n\r\n")),
    Cut("trailer_without_colon", chunked(b"5\r\nhello\r\n0\r\nabc\r\n\r\n")),
    Cut("trailer_fold", chunked(b"5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n")),
    Cut("trailer_length", chunked(b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n")),
    Cut("trailer_coding", chunked(b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n")),
    Cut("trailer_host", chunked(b"5\r\nhello\r\n0\r\nHost: other\r\n\r\n")),
    Cut("trailers_endless", chunked(b"5\r\nhello\r\n0\r\n" + b"A: b\r\n" * 20000)),
]

PASSED = [
    Passed("plain", get(), ONE),
    Passed("empty_lines_before", b"\r\n" + get(), ONE),
    Passed("no_space_after_colon", get(b"A:b"), ONE, has=(b"a:b",)),
    Passed("spaces_around_value", get(b"A: \t b \t"), ONE, has=(b"a:b",)),
    Passed("tab_in_value", get(b"A: b\tc"), ONE, has=(b"a:b\tc",)),
    Passed("obs_text", get(b"A: \xe4\xf6"), ONE, has=(b"a:\xe4\xf6",)),
    Passed("empty_value", get(b"A:"), ONE, has=(b"a:",)),
    Passed("odd_token_name", get(b"!#$%&'*+-.^_`|~9: b"), ONE, has=(b"!#$%&'*+-.^_`|~9:b",)),
    Passed("odd_methods", get(start=b"M-SEARCH!~ /x HTTP/1.1"), ((b"M-SEARCH!~", b"/x", b""),)),
    Passed("lower_case_method", get(start=b"get /x HTTP/1.1"), ((b"get", b"/x", b""),)),
    Passed("odd_target", get(start=b"GET //a/../%2f?{}|^`\"<> HTTP/1.1"), ((b"GET", b"//a/../%2f?{}|^`\"<>", b""),)),
    Passed("absolute", get(start=b"GET http://h/x?y HTTP/1.1"), ((b"GET", b"/x?y", b""),)),
    Passed("absolute_no_path", get(start=b"GET http://h HTTP/1.1"), ((b"GET", b"/", b""),)),
    Passed("asterisk_options", get(start=b"OPTIONS * HTTP/1.1"), ((b"OPTIONS", b"*", b""),)),
    Passed("host_ipv6", get(host=b"Host: [::1]:80\r\n"), ONE),
    Passed("length_zeros", post(b"Content-Length: 0005", body=b"hello"), HELLO),
    Passed("length_nought", post(b"Content-Length: 0"), ((b"POST", b"/x", b""),)),
    Passed("get_with_body", get(b"Content-Length: 5") + b"hello", ((b"GET", b"/x", b"hello"),)),
    Passed("delete_with_body", get(b"Content-Length: 1", start=b"DELETE /x HTTP/1.1") + b"x",
           ((b"DELETE", b"/x", b"x"),)),
    Passed("chunked", chunked(b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), HELLO),
    Passed("chunked_upper", post(b"Transfer-Encoding: CHUNKED", body=b"5\r\nhello\r\n0\r\n\r\n"), HELLO),
    Passed("chunk_size_zeros", chunked(b"0005\r\nhello\r\n000\r\n\r\n"), HELLO),
    Passed("chunk_extension", chunked(b"5;a=b\r\nhello\r\n0\r\n\r\n"), HELLO),
    Passed("chunk_quoted_extension", chunked(b'5;a="b\\"; c"\r\nhello\r\n0\r\n\r\n'), HELLO),
    Passed("trailer", chunked(b"5\r\nhello\r\n0\r\nA: b\r\n\r\n"), HELLO),
    Passed("hop_by_hop", get(b"Connection: keep-alive, x-mine", b"X-Mine: 1", b"Keep-Alive: 5", b"Proxy-Connection: x",
                             b"TE: gzip", b"Upgrade: h2c", b"Proxy-Authorization: x"), ONE,
           lacks=(b"x-mine", b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"proxy-authorization")),
    Passed("connection_names_protected", get(b"Connection: host, authorization, cookie", b"Authorization: a",
                                             b"Cookie: c"), ONE, has=(b"authorization:a", b"cookie:c")),
    Passed("connection_names_length", post(b"Connection: content-length", b"Content-Length: 5", body=b"hello"), HELLO),
    Passed("own_fields_stay_here", get(b"Slime-Scope:", b"Slime-Anything: x"), ONE,
           lacks=(b"slime-scope", b"slime-anything")),
    Passed("forged_forwarding", get(b"X-Forwarded-Proto: https", b"Slime-Request-Id: mine"), ONE,
           has=(b"x-forwarded-proto:http", b"x-forwarded-host:h")),
    Passed("version_1_2", get(start=b"GET /x HTTP/1.2"), ONE),  # RFC 9110 2.5
    Passed("version_1_0", get(start=b"GET /x HTTP/1.0", host=b""), ONE),
    Passed("pipelined", get() + get(start=b"GET /y HTTP/1.1"), (*ONE, (b"GET", b"/y", b"")), (200, 200)),
    Passed("pipelined_body", post(b"Content-Length: 5", body=b"hello") + get(), (*HELLO, *ONE), (200, 200)),
    Passed("pipelined_chunks", chunked(b"5\r\nhello\r\n0\r\n\r\n") + get(), (*HELLO, *ONE), (200, 200)),
    Passed("pipelined_bad", get() + get(b"A : b"), ONE, (200, 400)),
    Passed("body_is_no_request", post(b"Content-Length: %d" % len(get()), body=get()), ((b"POST", b"/x", get()),)),
]

OK = b"HTTP/1.1 200 OK\r\n"

ANSWERS = [
    Answered("length_and_coding", OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502),
    Answered("lengths_differing", OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc", 502),
    Answered("length_sign", OK + b"Content-Length: +2\r\n\r\nab", 502),
    Answered("coding_on_1_0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502),
    Answered("coding_unknown", OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 502),
    Answered("fold", OK + b"A: b\r\n c\r\nContent-Length: 0\r\n\r\n", 502),
    Answered("null", OK + b"A: b\x00\r\nContent-Length: 0\r\n\r\n", 502),
    Answered("cr", OK + b"A: b\rc\r\nContent-Length: 0\r\n\r\n", 502),
    Answered("space_before_colon", OK + b"A : b\r\nContent-Length: 2\r\n\r\nab", 200, b"ab"),  # RFC 9112 5.1: mended
    Answered("garbage", b"hello\r\n\r\n", 502),
    Answered("status_low", b"HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n", 502),
    Answered("status_high", b"HTTP/1.1 1000 X\r\nContent-Length: 0\r\n\r\n", 502),
    Answered("status_word", b"HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n", 502),
    Answered("version_2", b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", 502),
    Answered("unasked_101", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", 502),
    Answered("endless_head", OK + b"A: " + b"x" * 100_000, 502),
    Answered("nothing", b"", 502),
    Answered("half_a_head", OK + b"Content-Len", 502),
    Answered("only_100", b"HTTP/1.1 100 Continue\r\n\r\n", 502),
    Answered("short_body", OK + b"Content-Length: 10\r\n\r\nhalf", None),
    Answered("half_a_chunk", OK + b"Transfer-Encoding: chunked\r\n\r\n8\r\nhalf", None),
    Answered("no_last_chunk", OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", None),
    Answered("bad_chunk", OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\nmore\r\n0\r\n\r\n", None,
             closes=False),
    Answered("lengths_same", OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab", 200, b"ab"),
    Answered("no_reason", b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nab", 200, b"ab"),
    Answered("odd_reason", b"HTTP/1.1 200 All \xe4 right\r\nContent-Length: 2\r\n\r\nab", 200, b"ab"),
    Answered("until_close", OK + b"\r\nall of it", 200, b"all of it"),
    Answered("old_version", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", 200, b"ab"),
    Answered("surplus", OK + b"Content-Length: 2\r\n\r\nabHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", 200, b"ab",
             closes=False),
    Answered("body_on_204", b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", 204,
             b"", closes=False),
    Answered("body_on_304", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil", 304, b"", closes=False),
    Answered("body_on_head", OK + b"Content-Length: 4\r\n\r\nevil", 200, b"", closes=False, method=b"HEAD"),
    Answered("early_hints", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nab",
             200, b"ab", closes=False),
]
