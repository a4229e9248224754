"""More answers byte for byte: what broken and hostile upstreams say, as in :mod:`tests.e2e.raw_cases`.

None of them may ever reach another request: every test ends with one that must get its own answer. ``EVIL`` is an
answer that nobody asked for.
"""

from __future__ import annotations

from tests.e2e.raw_cases import OK, Answered

__all__ = ["MORE_ANSWERS"]

EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
BODY = b"Content-Length: 2\r\n\r\nab"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_STATUS_LINES = {
    "empty": b"", "no_version": b"200 OK", "only_version": b"HTTP/1.1", "status_two_digits": b"HTTP/1.1 20 OK",
    "status_letter": b"HTTP/1.1 2x0 OK",
    "status_000": b"HTTP/1.1 000 X", "status_600": b"HTTP/1.1 600 X", "status_999": b"HTTP/1.1 999 X",
    "status_sign": b"HTTP/1.1 +200 OK",
    "status_minus": b"HTTP/1.1 -200 OK", "status_dot": b"HTTP/1.1 200.1 OK", "two_spaces": b"HTTP/1.1  200 OK",
    "tab": b"HTTP/1.1\t200 OK",
    "leading_space": b" HTTP/1.1 200 OK", "lower_case": b"http/1.1 200 OK",
    "version_0_9": b"HTTP/0.9 200 OK",
    "version_3": b"HTTP/3 200 OK", "version_long": b"HTTP/1.10 200 OK", "version_letter": b"HTTP/1.x 200 OK",
    "other_protocol": b"ICY 200 OK",
    "shoutcast": b"RTSP/1.0 200 OK", "reason_null": b"HTTP/1.1 200 O\x00K", "reason_cr": b"HTTP/1.1 200 O\rK",
    "reason_escape": b"HTTP/1.1 200 O\x1bK",
    "reason_delete": b"HTTP/1.1 200 \x7f", "reason_lf": b"HTTP/1.1 200 O\nK",
    "full_width": b"HTTP/1.1 \xef\xbc\x92\xef\xbc\x90\xef\xbc\x90 OK",
    "request_line": b"GET / HTTP/1.1", "html": b"<html>", "ssh": b"SSH-2.0-OpenSSH_9.2", "smtp": b"220 mail ESMTP",
    "tls": b"\x15\x03\x01\x00\x02\x02\x50",
}  # fmt: skip

_LENGTHS = {
    "minus": b"-2", "hex": b"0x2", "empty": b"", "word": b"two", "list_differing": b"2, 3", "list_comma": b"2,",
    "float": b"2.0", "exponent": b"2e0", "space": b"2 2",
    "underscore": b"0_2", "semicolon": b"2;", "huge": b"9" * 20, "very_huge": b"9" * 5000,
    "full_width": b"\xef\xbc\x92", "null": b"2\x00", "quoted": b'"2"',
}

_CODINGS = {
    "identity": b"identity", "gzip": b"gzip", "twice": b"chunked, chunked", "gzip_last": b"chunked, gzip",
    "parameter": b"chunked;q=1", "empty": b"", "prefix": b"xchunked",
    "comma": b"chunked,", "quoted": b'"chunked"', "vertical_tab": b"\x0bchunked", "null": b"chunked\x00",
}

_FIELDS = {
    **{f"name_with_{byte:02x}": b"A%cB: c" % byte for byte in b'"(),/;<=>?@[\\]{}\x01\x0b\x1b\x7f\x80\xff'},
    **{f"value_with_{byte:02x}": b"A: b%cc" % byte for byte in b"\x00\x01\x08\x0b\x0c\x1f\x7f"},
    "no_colon": b"Abc", "no_name": b": b", "fold_tab": b"A: b\r\n\tc", "fold_first": b" A: b", "cr": b"A: b\r",
    "lf": b"A: b\nSet-Cookie: evil=1", "two_cr": b"\r\rA: b",
}

_CHUNKS = {
    "negative": b"-2\r\nab\r\n", "prefix": b"0x2\r\nab\r\n", "space": b"2 \r\nab\r\n", "lf": b"2\nab\r\n",
    "no_line_break": b"2\r\nab0\r\n\r\n", "shorter": b"1\r\nab\r\n",
    "longer": b"3\r\nab\r\n", "empty_size": b"\r\nab\r\n", "overflow": b"1" + b"0" * 16 + b"\r\nab\r\n",
    "huge": b"f" * 16 + b"\r\nab\r\n", "word": b"two\r\nab\r\n",
    "null": b"2\x00\r\nab\r\n", "extension_endless": b"2;" + b"a" * 100_000 + b"\r\nab\r\n",
    "lf_behind_data": b"2\r\nab\n", "semicolon": b"2;\r\nab\r\n",
}


def _whole(name: str, raw: bytes) -> Answered:
    return Answered(name, raw, 502, closes=False)


MORE_ANSWERS = [
    *(_whole(f"status_line_{name}", line + b"\r\n" + BODY) for name, line in _STATUS_LINES.items()),
    *(_whole(f"length_{name}", OK + b"Content-Length: " + value + b"\r\n\r\nab" + EVIL)
      for name, value in _LENGTHS.items()),
    *(_whole(f"coding_{name}", OK + b"Transfer-Encoding: " + value + b"\r\n\r\n0\r\n\r\n" + EVIL)
      for name, value in _CODINGS.items()),
    *(_whole(f"field_{name}", OK + line + b"\r\n" + BODY) for name, line in _FIELDS.items()),
    *(Answered(f"chunk_{name}", OK + CHUNKED + b"3\r\nabc\r\n" + data + b"0\r\n\r\n" + EVIL, None, closes=False)
      for name, data in _CHUNKS.items()),
    _whole("coding_and_length", OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n"),
    _whole("coding_two_fields", OK + b"Transfer-Encoding: chunked\r\n" + CHUNKED + b"0\r\n\r\n"),
    _whole("coding_gzip_and_chunked_fields", OK + b"Transfer-Encoding: gzip\r\n" + CHUNKED + b"0\r\n\r\n"),
    _whole("coding_and_length_by_case", OK + b"TRANSFER-ENCODING: chunked\r\ncontent-length: 0\r\n\r\n0\r\n\r\n"),
    _whole("lf_only", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nab\r\n\r\n"),
    _whole("lf_ends_head", OK + b"Content-Length: 2\r\n\nab\r\n\r\n"),
    _whole("cr_only", b"HTTP/1.1 200 OK\rContent-Length: 2\r\rab\r\n\r\n"),
    _whole("line_break_first", b"\r\n" + OK + BODY),
    _whole("space_first", b" \r\n" + OK + BODY),
    _whole("binary", bytes(range(256)) + b"\r\n\r\n"),
    _whole("line_endless", b"HTTP/1.1 200 " + b"x" * 100_000),
    _whole("name_endless", OK + b"n" * 100_000),
    _whole("fields_endless", OK + b"A: b\r\n" * 20_000),
    _whole("fields_of_300", OK + b"A: b\r\n" * 300 + BODY),
    _whole("interim_endless", CONTINUE * 5000),
    _whole("early_hints_endless", b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" * 5000),
    _whole("interim_broken", b"HTTP/1.1 103 Early Hints\r\nA : b\nc\r\n\r\n" + OK + BODY),
    _whole("switch_unasked_then_answer",
           b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" + EVIL),
    Answered("interim_then_nothing", b"HTTP/1.1 103 Early Hints\r\n\r\n", 502),
    Answered("status_line_and_end", OK, 502),
    Answered("one_byte", b"H", 502),
    Answered("no_last_line_break", OK + b"Content-Length: 2\r\n", 502),
    Answered("short_by_one", OK + b"Content-Length: 3\r\n\r\nab", None),
    Answered("no_body_at_all", OK + b"Content-Length: 3\r\n\r\n", None),
    Answered("chunk_size_only", OK + CHUNKED + b"5\r\n", None),
    Answered("chunks_not_begun", OK + CHUNKED, None),
    Answered("last_chunk_unended", OK + CHUNKED + b"2\r\nab\r\n0\r\n", None),
    Answered("trailer_unended", OK + CHUNKED + b"2\r\nab\r\n0\r\nA: b\r\n", None),
    Answered("trailer_broken", OK + CHUNKED + b"2\r\nab\r\n0\r\nA b\r\n\r\n", None, closes=False),
    Answered("trailers_endless", OK + CHUNKED + b"2\r\nab\r\n0\r\n" + b"A: b\r\n" * 20_000, None, closes=False),
    Answered("trailers", OK + CHUNKED + b"2\r\nab\r\n0\r\nA: b\r\n\r\n", 200, b"ab", closes=False),
    Answered("trailer_length_dropped", OK + CHUNKED + b"2\r\nab\r\n0\r\nContent-Length: 9\r\nSet-Cookie: a\r\n\r\n",
             200, b"ab", closes=False),
    Answered("chunked_surplus", OK + CHUNKED + b"2\r\nab\r\n0\r\n\r\n" + EVIL, 200, b"ab", closes=False),
    Answered("length_surplus_byte", OK + BODY + b"x", 200, b"ab", closes=False),
    Answered("length_surplus_line_break", OK + BODY + b"\r\n", 200, b"ab", closes=False),
    Answered("length_surplus_100", OK + BODY + CONTINUE, 200, b"ab", closes=False),
    Answered("length_nought_surplus", OK + b"Content-Length: 0\r\n\r\n" + EVIL, 200, b"", closes=False),
    Answered("204_surplus", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n" + EVIL, 204, b"", closes=False),
    Answered("204_with_length", b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil", 204, b"", closes=False),
    Answered("204_chunked", b"HTTP/1.1 204 No Content\r\n" + CHUNKED + b"4\r\nevil\r\n0\r\n\r\n", 204, b"",
             closes=False),
    Answered("205_with_body", b"HTTP/1.1 205 Reset Content\r\n" + BODY, 205, b"ab", closes=False),
    Answered("304_chunked", b"HTTP/1.1 304 Not Modified\r\n" + CHUNKED + b"4\r\nevil\r\n0\r\n\r\n", 304, b"",
             closes=False),
    Answered("304_plain", b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n", 304, b"", closes=False),
    Answered("head_chunked", OK + CHUNKED + b"4\r\nevil\r\n0\r\n\r\n", 200, b"", closes=False, method=b"HEAD"),
    Answered("head_until_close", OK + b"\r\nevil", 200, b"", method=b"HEAD"),
    Answered("head_without_framing", OK + b"\r\n", 200, b"", closes=False, method=b"HEAD"),
    Answered("head_of_404", b"HTTP/1.1 404 No\r\nContent-Length: 9\r\n\r\n", 404, b"", closes=False, method=b"HEAD"),
    Answered("unasked_100", CONTINUE + OK + BODY, 200, b"ab", closes=False),
    Answered("unasked_100_thrice", CONTINUE * 3 + OK + BODY, 200, b"ab", closes=False),
    Answered("102_then_answer", b"HTTP/1.1 102 Processing\r\n\r\n" * 5 + OK + BODY, 200, b"ab", closes=False),
    Answered("102_for_a_long_time", b"HTTP/1.1 102 Processing\r\n\r\n" * 900 + OK + BODY, 200, b"ab", closes=False),
    Answered("199_then_answer", b"HTTP/1.1 199 Odd\r\nA: b\r\n\r\n" + OK + BODY, 200, b"ab", closes=False),
    Answered("100_with_length", b"HTTP/1.1 100 Continue\r\nContent-Length: 9\r\n\r\n" + OK + BODY, 200, b"ab",
             closes=False),
    Answered("103_with_coding", b"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n" + OK + BODY, 200,
             b"ab", closes=False),
    Answered("lengths_same_in_list", OK + b"Content-Length: 2, 2\r\n\r\nab", 200, b"ab", closes=False),
    Answered("length_zeros", OK + b"Content-Length: 0002\r\n\r\nab", 200, b"ab", closes=False),
    Answered("length_tab", OK + b"Content-Length:\t2\t\r\n\r\nab", 200, b"ab", closes=False),
    Answered("coding_case", OK + b"tRANSFER-eNCODING: ChunkeD\r\n\r\n2\r\nab\r\n0\r\n\r\n", 200, b"ab", closes=False),
    Answered("chunk_extension", OK + CHUNKED + b"2;a=\"b\"\r\nab\r\n0;c\r\n\r\n", 200, b"ab", closes=False),
    Answered("coding_space_before_colon", OK + b"Transfer-Encoding : chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", 200, b"ab",
             closes=False),
    Answered("length_space_before_colon", OK + b"Content-Length : 2\r\n\r\nab" + EVIL, 200, b"ab", closes=False),
    Answered("reason_missing_with_its_space", b"HTTP/1.1 200\r\n" + BODY, 200, b"ab", closes=False),
    Answered("reason_tab", b"HTTP/1.1 200 O\tK\r\n" + BODY, 200, b"ab", closes=False),
    Answered("status_599", b"HTTP/1.1 599 Odd\r\n" + BODY, 599, b"ab", closes=False),
    Answered("status_299", b"HTTP/1.1 299 Odd\r\n" + BODY, 299, b"ab", closes=False),
    Answered("newer_version", b"HTTP/1.9 200 OK\r\n" + BODY, 200, b"ab", closes=False),  # RFC 9110 2.5
    Answered("old_until_close", b"HTTP/1.0 200 OK\r\nA: b\r\n\r\nab", 200, b"ab"),
    Answered("old_empty", b"HTTP/1.0 200 OK\r\n\r\n", 200, b""),
    Answered("old_keep_alive_no_length", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nab", 200, b"ab"),
    Answered("close_and_length", OK + b"Connection: close\r\n" + BODY, 200, b"ab"),
    Answered("close_but_open", OK + b"Connection: close\r\n" + BODY + EVIL, 200, b"ab", closes=False),
    Answered("connection_names_length", OK + b"Connection: content-length\r\n" + BODY, 200, b"ab", closes=False),
    Answered("connection_names_coding", OK + b"Connection: transfer-encoding\r\n" + CHUNKED + b"2\r\nab\r\n0\r\n\r\n",
             200, b"ab", closes=False),
    Answered("body_like_a_head", OK + b"Content-Length: %d\r\n\r\n" % len(EVIL) + EVIL, 200, EVIL, closes=False),
    Answered("chunks_like_an_end", OK + CHUNKED + b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", 200, b"0\r\n\r\n", closes=False),
    Answered("value_bytes", OK + b"A: " + bytes(range(0x80, 0x100)) + b"\r\n" + BODY, 200, b"ab", closes=False),
    Answered("value_empty", OK + b"A:\r\n" + BODY, 200, b"ab", closes=False),
    Answered("forged_own_fields", OK + b"Slime-Error: no-agent\r\nSlime-Agent-Id: evil\r\n" + BODY, 200, b"ab",
             closes=False),
    Answered("upgrade_offered", OK + b"Connection: upgrade\r\nUpgrade: h2c\r\n" + BODY, 200, b"ab", closes=False),
    Answered("426", b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: h2c\r\nConnection: upgrade\r\n" + BODY, 426, b"ab",
             closes=False),
    Answered("402", b"HTTP/1.1 402 Pay\r\n" + BODY, 402, b"ab", closes=False),
    Answered("chunk_of_one_thousand", OK + CHUNKED + b"1\r\na\r\n" * 1000 + b"0\r\n\r\n", 200, b"a" * 1000,
             closes=False),
]  # fmt: skip
