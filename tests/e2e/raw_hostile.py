"""More requests byte for byte: what a careful attacker and a careless client send (RFC 9112, RFC 9110).

As in :mod:`tests.e2e.raw_cases`, whose words are used here: refused, cut or passed on, never two of them. A second
request, ``SMUGGLED``, stands behind or inside most of those that lie about their length; it may never arrive.
"""

from __future__ import annotations

from tests.e2e.raw_cases import HELLO, ONE, Cut, Passed, Refused, chunked, get, post

__all__ = ["MORE_CUT", "MORE_PASSED", "MORE_REFUSED"]

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
LAST = b"0\r\n\r\n"
NONE = ((b"POST", b"/x", b""),)
Y = (b"GET", b"/y", b"")
GET_Y = get(start=b"GET /y HTTP/1.1")
CHUNKED = b"Transfer-Encoding: chunked"


def length(value: bytes, *lines: bytes) -> bytes:
    """A request whose Content-Length has this value, with another behind it."""
    return post(b"Content-Length: " + value, *lines, body=b"hello" + SMUGGLED)


def coding(*lines: bytes) -> bytes:
    """A request that has these framing fields, a chunked body, and another behind it."""
    return post(*lines, body=LAST + SMUGGLED)


# Smuggling: what says where a body ends (RFC 9112 section 6) ------------------------------------------------------

_LENGTHS = {
    "octal": b"0o5", "binary": b"0b101", "minus_zero": b"-0", "plus_zero": b"+0", "double_sign": b"++5", "dot": b".5",
    "comma_only": b",", "list_leading": b",5", "list_trailing": b"5,", "list_zero": b"5, 0", "list_many": b"5,5,5,5",
    "semicolon": b"5;", "quoted": b'"5"', "nan": b"NaN", "infinity": b"Infinity", "percent": b"%35",
    "thousands": b"1,000",
    "tab_inside": b"5\t5", "form_feed": b"5\x0c", "no_break_space": b"\xa05", "full_width_digit": b"\xef\xbc\x95",
    "arabic_digit": b"\xd9\xa5", "nul_behind": b"5\x00", "nul_before": b"\x005",
    "beyond_int64": b"9223372036854775808",
    "beyond_uint64": b"18446744073709551616", "wraps_to_five": b"18446744073709551621", "zeros_then_more": b"0" * 30,
    "wraps_32_bits": b"4294967301L", "unit": b"5 bytes", "exponent_upper": b"5E0", "trailing_letter": b"5a",
    "colon": b": 5", "equals": b"=5", "delete": b"5\x7f", "escape": b"\x1b5", "byte_order_mark": b"\xef\xbb\xbf5",
}

_CODINGS = {
    "trailing_comma": b"chunked,", "leading_comma": b",chunked", "only_comma": b",",
    "upper_and_junk": b"CHUNKED junk",
    "chunk": b"chunk", "chunkedd": b"chunkedd", "cow": b"cow", "deflate_first": b"deflate, chunked",
    "compress": b"compress", "chunked_thrice": b"chunked,chunked,chunked", "trailers": b"trailers",
    "br": b"br, chunked",
    "identity_chunked": b"identity, chunked", "chunked_semicolon": b"chunked;", "chunked_parameter": b"chunked; a=b",
    "percent": b"%63hunked", "bell": b"\x07chunked", "backspace": b"chunked\x08", "delete": b"chunked\x7f",
    "no_break_space": b"\xa0chunked", "next_line": b"chunked\x85", "tab_inside": b"chun\tked",
    "quoted_half": b'"chunked',
    "single_quoted": b"'chunked'", "newline_escape": b"\\nchunked", "kelvin": b"chun\xe2\x84\xaaed",
    "chunked_dot": b"chunked.",
    "q_value": b"chunked;q=0", "gzip_chunked_gzip": b"gzip, chunked, gzip", "x_chunked_list": b"x, chunked, x",
    "chunked_identity_comma": b"chunked,identity",
}

_FRAMINGS = {
    "length_zero_and_coding": (b"Content-Length: 0", CHUNKED),
    "coding_and_length_zero": (CHUNKED, b"Content-Length: 0"),
    "coding_between_lengths": (b"Content-Length: 5", CHUNKED, b"Content-Length: 5"),
    "length_between_codings": (CHUNKED, b"Content-Length: 5", CHUNKED),
    "coding_lower_and_length": (b"transfer-encoding: chunked", b"content-length: 5"),
    "coding_upper_and_length": (b"TRANSFER-ENCODING: CHUNKED", b"CONTENT-LENGTH: 5"),
    "coding_and_bad_length": (CHUNKED, b"Content-Length: abc"),
    "bad_coding_and_length": (b"Transfer-Encoding: xchunked", b"Content-Length: 5"),
    "identity_and_length": (b"Transfer-Encoding: identity", b"Content-Length: 5"),
    "empty_coding_and_length": (b"Transfer-Encoding:", b"Content-Length: 5"),
    "two_codings_gzip": (b"Transfer-Encoding: gzip", CHUNKED),
    "two_codings_last_identity": (CHUNKED, b"Transfer-Encoding: identity"),
    "two_codings_empty": (CHUNKED, b"Transfer-Encoding:"),
    "coding_folded": (b"Transfer-Encoding:", b" chunked", b"Content-Length: 5"),
    "coding_folded_by_tab": (b"Transfer-Encoding:", b"\tchunked"),
    "coding_after_fold": (b"A: b", b" Transfer-Encoding: chunked", b"Content-Length: 5"),
    "length_folded": (b"Content-Length:", b" 5"),
    "coding_name_null": (b"Transfer-Encoding\x00: chunked", b"Content-Length: 5"),
    "coding_name_space": (b"Transfer-Encoding : chunked", b"Content-Length: 5"),
    "coding_name_inner_space": (b"Transfer Encoding: chunked", b"Content-Length: 5"),
    "coding_name_before_space": (b" Transfer-Encoding: chunked", b"Content-Length: 5"),
    "coding_name_bell": (b"\x07Transfer-Encoding: chunked", b"Content-Length: 5"),
    "coding_name_quoted": (b'"Transfer-Encoding": chunked', b"Content-Length: 5"),
    "coding_name_latin": (b"Transfer-Encod\xc4\xb1ng: chunked", b"Content-Length: 5"),
    "coding_without_colon": (b"Transfer-Encoding chunked", b"Content-Length: 5"),
    "coding_behind_cr": (b"A: b\rTransfer-Encoding: chunked", b"Content-Length: 5"),
    "coding_behind_lf": (b"A: b\nTransfer-Encoding: chunked", b"Content-Length: 5"),
    "coding_behind_lf_cr": (b"A: b\n\rTransfer-Encoding: chunked", b"Content-Length: 5"),
    "coding_behind_null": (b"A: b\x00Transfer-Encoding: chunked", b"Content-Length: 5"),
    "length_thrice": (b"Content-Length: 5",) * 3,
    "length_twice_by_case": (b"Content-Length: 5", b"CONTENT-LENGTH: 5"),
    "length_and_empty": (b"Content-Length: 5", b"Content-Length:"),
    "length_named_by_connection_and_coding": (b"Connection: content-length", b"Content-Length: 5", CHUNKED),
    "coding_named_by_connection": (b"Connection: transfer-encoding", b"Content-Length: 5", CHUNKED),
}

# Request line (RFC 9112 section 3) --------------------------------------------------------------------------------

_LINES = {
    "empty": b"", "only_space": b" ", "only_version": b"HTTP/1.1", "only_method": b"GET",
    "method_and_version": b"GET HTTP/1.1",
    "leading_tab": b"\tGET /x HTTP/1.1", "space_behind_by_two": b"GET /x  HTTP/1.1",
    "tab_before_version": b"GET /x\tHTTP/1.1",
    "tab_at_end": b"GET /x HTTP/1.1\t", "word_at_end": b"GET /x HTTP/1.1 x", "vertical_tab": b"GET\x0b/x HTTP/1.1",
    "form_feed": b"GET /x\x0cHTTP/1.1", "no_break_space": b"GET\xa0/x HTTP/1.1",
    "null_in_target": b"GET /x\x00y HTTP/1.1",
    "null_in_method": b"GE\x00T /x HTTP/1.1", "delete_in_target": b"GET /x\x7f HTTP/1.1",
    "latin_in_target": b"GET /\xe9 HTTP/1.1",
    "overlong_in_target": b"GET /\xc0\xaf HTTP/1.1", "cr_in_target": b"GET /x\ry HTTP/1.1",
    "cr_before_version": b"GET /x\rHTTP/1.1",
    "cr_at_end": b"GET /x HTTP/1.1\r", "lf_in_target": b"GET /x\nHTTP/1.1", "comma_method": b"GET,POST /x HTTP/1.1",
    "colon_method": b"GET: /x HTTP/1.1", "slash_method": b"G/T /x HTTP/1.1", "brace_method": b"{GET} /x HTTP/1.1",
    "quoted_method": b'"GET" /x HTTP/1.1', "latin_method": b"G\xc9T /x HTTP/1.1", "fragment_alone": b"GET # HTTP/1.1",
    "fragment_absolute": b"GET http://h/x#y HTTP/1.1", "version_zeros": b"GET /x HTTP/01.1",
    "version_zeros_behind": b"GET /x HTTP/1.01",
    "version_space": b"GET /x HTTP/1 .1", "version_space_slash": b"GET /x HTTP /1.1",
    "version_comma": b"GET /x HTTP/1,1",
    "version_minus": b"GET /x HTTP/-1.1", "version_plus": b"GET /x HTTP/1.+1", "version_name": b"GET /x HTTPS/1.1",
    "version_icap": b"GET /x ICAP/1.0", "version_no_dot": b"GET /x HTTP/11", "version_no_slash": b"GET /x HTTP1.1",
    "version_letter": b"GET /x HTTP/1.x", "version_empty": b"GET /x HTTP/", "version_dot": b"GET /x HTTP/1.",
    "version_mixed": b"GET /x Http/1.1",
    "version_semicolon": b"GET /x HTTP/1.1;a", "version_latin": b"GET /x HTTP/1.\xb9",
    "backslash": b"GET \\x HTTP/1.1",
    "dots": b"GET ../x HTTP/1.1", "question": b"GET ?x HTTP/1.1", "host_alone": b"GET h HTTP/1.1",
    "host_port": b"GET h:80 HTTP/1.1",
    "scheme_only": b"GET http: HTTP/1.1", "scheme_one_slash": b"GET http:/x HTTP/1.1",
    "scheme_no_host": b"GET http:///x HTTP/1.1",
    "scheme_file": b"GET file:///etc/passwd HTTP/1.1", "scheme_ws": b"GET ws://h/x HTTP/1.1",
    "scheme_space": b"GET http://h /x HTTP/1.1",
    "absolute_bad_port": b"GET http://h:x/ HTTP/1.1", "absolute_port_range": b"GET http://h:65536/ HTTP/1.1",
    "absolute_empty_user": b"GET http://@h/x HTTP/1.1", "absolute_password": b"GET http://h:p@h/x HTTP/1.1",
    "absolute_two_hosts": b"GET http://h,other/x HTTP/1.1", "absolute_backslash": b"GET http://h\\x HTTP/1.1",
    "asterisk_post": b"POST * HTTP/1.1", "asterisk_more": b"OPTIONS ** HTTP/1.1",
    "asterisk_path": b"OPTIONS *x HTTP/1.1",
    "asterisk_query": b"OPTIONS *?x HTTP/1.1",
}  # fmt: skip

_UNSUPPORTED_LINES = {
    "connect_port_empty": b"CONNECT h: HTTP/1.1", "connect_origin": b"CONNECT /x HTTP/1.1",
    "connect_absolute": b"CONNECT http://h/ HTTP/1.1",
    "connect_no_port": b"CONNECT h HTTP/1.1", "version_3": b"GET /x HTTP/3.0",
    "version_0_0": b"GET /x HTTP/0.0", "version_9_9": b"GET /x HTTP/9.9", "version_2_1": b"GET /x HTTP/2.1",
    "method_of_100": b"M" * 100 + b" /x HTTP/1.1", "method_of_20000": b"M" * 20000 + b" /x HTTP/1.1",
}

# Host (RFC 9112 section 3.2, RFC 9110 section 7.2) ----------------------------------------------------------------

_HOSTS = {
    "empty": b"", "only_port": b":80", "port_range": b"h:65536", "port_sign": b"h:+80", "port_hex": b"h:0x50",
    "two_ports": b"h:80:80",
    "port_space": b"h: 80", "query": b"h?x", "fragment": b"h#x", "backslash": b"h\\x", "scheme": b"http://h",
    "at": b"@h", "at_port": b"h:80@x",
    "tab_inside": b"a\tb", "semicolon_list": b"a;b, c", "comma": b"a,b", "comma_end": b"a,", "latin": b"\xe9",
    "null": b"h\x00", "null_port": b"h:8\x000",
    "quote": b'"h"', "angle": b"<h>", "brace": b"{h}", "pipe": b"a|b", "caret": b"a^b", "percent": b"a%zz",
    "percent_end": b"a%4",
    "bracket_empty": b"[]", "bracket_text": b"[h]", "bracket_inside": b"a[::1]", "bracket_behind": b"[::1]a",
    "bracket_twice": b"[[::1]]",
    "ipv6_bare": b"::1", "ipv6_zone": b"[fe80::1%25eth0]", "ipv6_long": b"[1:2:3:4:5:6:7:8:9]", "cr": b"h\rx",
    "delete": b"h\x7f", "tilde_slash": b"h/..",
    "long": b"h" * 2000,
}

# Field syntax (RFC 9112 section 5) --------------------------------------------------------------------------------

_FIELDS = {
    **{f"name_with_{byte:02x}": b"A%cB: c" % byte for byte in b'"(),/;<=>?@[\\]{}\x01\x0b\x0c\x1b\x7f\x80\xff'},
    **{f"value_with_{byte:02x}": b"A: b%cc" % byte for byte in b"\x00\x01\x07\x08\x0b\x0c\x0e\x1f\x7f"},
    "colon_alone": b":", "two_colons": b"::", "space_line": b" ", "tab_line": b"\t", "space_name": b" : b",
    "dangling_cr": b"A: b\r\r",
    "cr_before_name": b"\rA: b", "null_line": b"\x00", "equals_line": b"A=b",
    "request_line_again": b"GET /smuggled HTTP/1.1",
    "form_feed_before_colon": b"A\x0c: b", "null_before_colon": b"A\x00: b", "two_spaces_before_colon": b"A  : b",
}

MORE_REFUSED = [
    *(Refused(f"length_{name}", length(value)) for name, value in _LENGTHS.items()),
    *(Refused(f"coding_{name}", coding(b"Transfer-Encoding: " + value), (400, 501))
      for name, value in _CODINGS.items()),
    *(Refused(f"coding_{name}_and_length", coding(b"Transfer-Encoding: " + value, b"Content-Length: 5"), (400, 501))
      for name, value in _CODINGS.items()),
    *(Refused(f"framing_{name}", coding(*lines), (400, 501)) for name, lines in _FRAMINGS.items()),
    *(Refused(f"line_{name}", get(start=line) + SMUGGLED) for name, line in _LINES.items() if line),
    *(Refused(f"line_{name}", get(start=line, host=b"Host: h\r\n") + SMUGGLED, (400, 414, 501, 505))
      for name, line in _UNSUPPORTED_LINES.items()),
    *(Refused(f"host_{name}", get(host=b"Host: " + value + b"\r\n") + SMUGGLED) for name, value in _HOSTS.items()),
    *(Refused(f"field_{name}", get(line) + SMUGGLED) for name, line in _FIELDS.items()),
    *(Refused(f"field_first_{name}", get(line, b"Host: h", host=b"") + SMUGGLED) for name, line in _FIELDS.items()),
    Refused("coding_on_1_0_and_length", post(CHUNKED, b"Content-Length: 5", body=LAST + SMUGGLED, version=b"1.0")),
    Refused("coding_on_1_0_keep_alive", post(CHUNKED, b"Connection: keep-alive", body=LAST + SMUGGLED,
            version=b"1.0")),
    Refused("length_on_1_0_twice", post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!", version=b"1.0")),
    Refused("length_on_get", get(b"Content-Length: 5, 5") + SMUGGLED),
    Refused("coding_on_get", get(b"Transfer-Encoding: gzip") + SMUGGLED, (400, 501)),
    Refused("coding_on_head", get(b"Transfer-Encoding: identity", start=b"HEAD /x HTTP/1.1") + SMUGGLED, (400, 501)),
    Refused("length_on_trace", get(b"Content-Length: 5", start=b"TRACE /x HTTP/1.1") + b"hello" + SMUGGLED),
    Refused("coding_on_trace", get(CHUNKED, start=b"TRACE /x HTTP/1.1") + LAST + SMUGGLED),
    Refused("body_on_connect", get(b"Content-Length: 5", start=b"CONNECT h:80 HTTP/1.1") + b"hello" + SMUGGLED,
            (501,)),
    Refused("head_of_nobody", get(start=b"HEAD /x HTTP/1.1", host=b"")),
    Refused("head_asterisk", get(start=b"HEAD * HTTP/1.1")),
    Refused("head_with_both_framings", get(CHUNKED, b"Content-Length: 5", start=b"HEAD /x HTTP/1.1") + LAST + SMUGGLED),
    Refused("host_missing_on_1_1_post", post(b"Content-Length: 0", body=SMUGGLED).replace(b"Host: h\r\n", b"", 1)),
    Refused("host_twice_on_1_0", get(b"Host: h", start=b"GET /x HTTP/1.0")),
    Refused("host_bad_on_1_0", get(start=b"GET /x HTTP/1.0", host=b"Host: a b\r\n")),
    Refused("host_behind_space", get(host=b"Host : h\r\n")),
    Refused("host_folded", get(host=b"Host:\r\n h\r\n")),
    Refused("host_by_case_twice", get(b"hOsT: h")),
    Refused("host_differs_from_absolute_port", get(start=b"GET http://h:81/x HTTP/1.1")),
    Refused("host_differs_from_absolute_scheme", get(start=b"GET https://h:80/x HTTP/1.1")),
    Refused("host_missing_in_absolute", get(start=b"GET http://h/x HTTP/1.1", host=b"")),
    Refused("lf_only", b"GET /x HTTP/1.1\nHost: h\n\n"),
    Refused("lf_first", b"\n" + get()),
    Refused("cr_first", b"\r" + get()),
    Refused("cr_only", b"GET /x HTTP/1.1\rHost: h\r\r"),
    Refused("lf_cr", b"GET /x HTTP/1.1\n\rHost: h\n\r\n\r"),
    Refused("lf_ends_head", b"GET /x HTTP/1.1\r\nHost: h\r\n\n" + SMUGGLED),
    Refused("cr_ends_head", b"GET /x HTTP/1.1\r\nHost: h\r\n\r" + SMUGGLED),
    Refused("many_empty_lines", b"\r\n" * 50 + get()),
    Refused("spaces_before", b"   \r\n" + get()),
    Refused("null_before", b"\x00" + get()),
    Refused("byte_order_mark", b"\xef\xbb\xbf" + get()),
    Refused("tls_hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(32)) + b"\r\n\r\n"),
    Refused("binary", bytes(range(256)) * 4),
    Refused("redis", b"*1\r\n$4\r\nINFO\r\n\r\n"),
    Refused("ssh", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    Refused("ends_of_line_only", b"\r\n\r\n\r\n\r\n\r\n"),
    Refused("name_of_70000", get(b"n" * 70000 + b": b"), (431,)),
    Refused("name_unending", b"GET /x HTTP/1.1\r\n" + b"n" * 70000, (400, 431)),
    Refused("target_unending", b"GET /" + b"x" * 100_000, (414,)),
    Refused("target_of_100000", get(start=b"GET /" + b"x" * 100_000 + b" HTTP/1.1"), (414,)),
    Refused("absolute_of_20000", get(start=b"GET http://h/" + b"x" * 20_000 + b" HTTP/1.1"), (414,)),
    Refused("fields_of_10000", get(*[b"A: b"] * 10_000), (431,)),
    Refused("values_of_60000", get(*[b"A: " + b"x" * 60_000] * 2), (431,)),
]

# Chunked coding (RFC 9112 section 7.1) ----------------------------------------------------------------------------

_SIZES = {
    "semicolon": b"5;", "semicolon_space": b"5; ", "two_semicolons": b"5;;a", "extension_no_value": b"5;a=",
    "extension_no_name": b"5;=a",
    "extension_space_value": b"5;a=b c", "extension_open_quote": b'5;a="b', "extension_control": b"5;a=\x01",
    "extension_latin": b"5;a=\xe9",
    "extension_cr": b"5;a\r", "extension_delete": b"5;\x7f", "extension_long": b"5;a=" + b"b" * 1000,
    "extension_bracket": b"5;a[b]", "extension_comma": b"5;a,b",
    "comma": b"5,5", "dot": b"5.0", "percent": b"%35", "hex_upper_prefix": b"0X5", "hash": b"#5", "dollar": b"$5",
    "h_suffix": b"5h", "tab_before": b"\t5",
    "tab_behind": b"5\t", "vertical_tab": b"5\x0b", "form_feed": b"\x0c5", "no_break_space": b"\xa05",
    "full_width": b"\xef\xbc\x95", "double": b"5 5",
    "minus_zero": b"-0", "plus_zero": b"+0", "seventeen_digits": b"0" * 16 + b"5", "max": b"f" * 16,
    "sign_bit": b"8000000000000000",
    "int64_max": b"7fffffffffffffff", "wraps": b"1" + b"0" * 15 + b"5" * 2, "word": b"five", "quoted": b'"5"',
    "null_before": b"\x005", "lf_before": b"\n5",
    "empty_line_before": b"\r\n5", "comment": b"5 (hi)", "colon": b"5:", "equals": b"5=", "trailing_cr": b"5\r",
    "two_cr": b"5\r\r", "space_semicolon_space": b"5 ; ",
}  # fmt: skip

_ENDS = {
    "no_line_break": b"5\r\nhello0\r\n\r\n", "lf": b"5\r\nhello\n0\r\n\r\n", "cr": b"5\r\nhello\r0\r\n\r\n",
    "lf_cr": b"5\r\nhello\n\r0\r\n\r\n",
    "space": b"5\r\nhello \r\n0\r\n\r\n", "two_line_breaks": b"5\r\nhello\r\n\r\n0\r\n\r\n",
    "surplus": b"5\r\nhelloXX0\r\n\r\n", "last_lf": b"5\r\nhello\r\n0\n\n",
    "last_lf_in_middle": b"5\r\nhello\r\n0\n\r\n", "last_then_lf": b"5\r\nhello\r\n0\r\n\n",
    "last_then_cr": b"5\r\nhello\r\n0\r\n\rX", "last_space": b"5\r\nhello\r\n0 \r\n\r\n",
    "last_semicolon": b"5\r\nhello\r\n0;\r\n\r\n", "sixteen_zeros_more": b"5\r\nhello\r\n" + b"0" * 17 + b"\r\n\r\n",
    "null_between": b"5\r\nhello\r\n\x000\r\n\r\n",
    "smaller_than_data": b"4\r\nhello\r\n0\r\n\r\n", "larger_than_data": b"6\r\nhello\r\n0\r\n\r\n",
}  # fmt: skip

_TRAILERS = {
    "no_name": b": b", "space_before_colon": b"A : b", "control": b"A: \x01", "null": b"A: b\x00", "cr": b"A: b\rc",
    "lf": b"A: b\nC: d", "fold_first": b" A: b",
    "latin_name": b"\xe9: b", "request_line": b"GET /smuggled HTTP/1.1", "length_by_case": b"cONTENT-lENGTH: 5",
    "authorization": b"Authorization: x", "cookie": b"Cookie: x",
    "content_type": b"Content-Type: x", "connection": b"Connection: close", "expect": b"Expect: 100-continue",
    "upgrade": b"Upgrade: x", "te": b"TE: x",
    "slime": b"Slime-Agent-Id: x", "slime_underscore": b"Slime_Scope: x",
    "forwarded_for": b"X-Forwarded-For: x", "long": b"A: " + b"b" * 20_000,
}  # fmt: skip

MORE_CUT = [
    *(Cut(f"size_{name}", chunked(line + b"\r\nhello\r\n" + LAST + SMUGGLED)) for name, line in _SIZES.items()),
    *(Cut(f"size_second_{name}", chunked(b"3\r\nabc\r\n" + line + b"\r\nhello\r\n" + LAST + SMUGGLED))
      for name, line in _SIZES.items()),
    *(Cut(f"end_{name}", chunked(body + SMUGGLED)) for name, body in _ENDS.items()),
    *(Cut(f"trailer_{name}", chunked(b"5\r\nhello\r\n0\r\n" + line + b"\r\n\r\n" + SMUGGLED))
      for name, line in _TRAILERS.items()),
    Cut("extensions_everywhere", chunked((b"1;" + b"a" * 250 + b"\r\nx\r\n") * 100 + LAST)),
    Cut("get_bad_chunk", get(CHUNKED) + b"zz\r\n" + SMUGGLED),
]

# Passed on --------------------------------------------------------------------------------------------------------

_FINE = {
    "null": b"GET /%00 HTTP/1.1", "crlf": b"GET /a%0d%0aB:%20c HTTP/1.1", "dots": b"GET /../../x HTTP/1.1",
    "encoded_dots": b"GET /%2e%2e/x HTTP/1.1",
    "slashes": b"GET ///x HTTP/1.1", "backslash": b"GET /a\\b HTTP/1.1", "empty_query": b"GET /x? HTTP/1.1",
    "two_questions": b"GET /x??y?z HTTP/1.1",
    "bad_percent": b"GET /%zz%1 HTTP/1.1", "colon": b"GET /x:80 HTTP/1.1", "at": b"GET /u@h HTTP/1.1",
    "scheme_in_path": b"GET /http://other/x HTTP/1.1",
    "two_slashes_host": b"GET //other/x HTTP/1.1", "asterisk": b"GET /* HTTP/1.1",
    "semicolon": b"GET /x;a=b;c HTTP/1.1", "overlong": b"GET /%c0%af HTTP/1.1",
    "long": b"GET /" + b"x" * 8000 + b" HTTP/1.1", "method_of_symbols": b"!#$%&'*+-.^_`|~ /x HTTP/1.1",
    "method_digit": b"1 /x HTTP/1.1", "propfind": b"PROPFIND /x HTTP/1.1",
    "query": b"QUERY /x HTTP/1.1", "purge": b"PURGE /x HTTP/1.1", "pri": b"PRI /x HTTP/1.1",
    "mixed_case": b"gEt /x HTTP/1.1", "trace": b"TRACE /x HTTP/1.1",
}  # fmt: skip

_SAME_HOSTS = {
    "percent": b"%68", "underscore": b"a_b", "dot_end": b"h.", "numbers": b"127.1", "port_zeros": b"h:00080",
    "port_empty": b"h:", "upper": b"H", "sub_delims": b"a!$&'()*+;=",
    "ipv6_v4": b"[::ffff:1.2.3.4]", "ip_future": b"[v1.x]", "dash": b"-h-",
}


def _fine(line: bytes) -> tuple[tuple[bytes, bytes, bytes], ...]:
    method, target, _ = line.split(b" ")
    return ((method, target, b""),)


MORE_PASSED = [
    *(Passed(f"line_{name}", get(start=line), _fine(line)) for name, line in _FINE.items()),
    *(Passed(f"host_{name}", get(host=b"Host: " + value + b"\r\n"), ONE, has=(b"x-forwarded-host:" + value,))
      for name, value in _SAME_HOSTS.items()),
    Passed("absolute_case", get(start=b"GET HTTP://H/x HTTP/1.1"), ONE),
    Passed("absolute_own_port", get(start=b"GET http://h:80/x HTTP/1.1"), ONE),
    Passed("absolute_query_only", get(start=b"GET http://h?x HTTP/1.1"), ((b"GET", b"/?x", b""),)),
    Passed("absolute_two_slashes", get(start=b"GET http://h//x HTTP/1.1"), ((b"GET", b"//x", b""),)),
    Passed("absolute_options", get(start=b"OPTIONS http://h HTTP/1.1"), ((b"OPTIONS", b"*", b""),)),
    Passed("absolute_1_0", get(start=b"GET http://h/x HTTP/1.0", host=b""), ONE),
    Passed("length_tab", post(b"Content-Length:\t5", body=b"hello"), HELLO),
    Passed("length_spaces", post(b"Content-Length:   5   ", body=b"hello"), HELLO),
    Passed("length_case", post(b"cOnTeNt-LeNgTh:5", body=b"hello"), HELLO),
    Passed("length_nineteen_digits", post(b"Content-Length: 0000000000000000005", body=b"hello"), HELLO),
    Passed("length_named_by_connection", post(b"Connection: content-length, close", b"Content-Length: 5",
           body=b"hello" + SMUGGLED), HELLO),
    Passed("host_named_by_connection", get(b"Connection: host"), ONE),
    Passed("coding_tab", post(b"Transfer-Encoding:\tchunked\t", body=b"5\r\nhello\r\n" + LAST), HELLO),
    Passed("coding_case", post(b"tRANSFER-eNCODING:ChUnKeD", body=b"5\r\nhello\r\n" + LAST), HELLO),
    Passed("coding_named_by_connection", post(b"Connection: transfer-encoding", CHUNKED,
           body=b"5\r\nhello\r\n" + LAST), HELLO),
    Passed("coding_on_get", get(CHUNKED) + b"5\r\nhello\r\n" + LAST, ((b"GET", b"/x", b"hello"),)),
    Passed("coding_on_delete", get(CHUNKED, start=b"DELETE /x HTTP/1.1") + b"5\r\nhello\r\n" + LAST, ((b"DELETE",
           b"/x", b"hello"),)),
    Passed("coding_empty_body", chunked(LAST), NONE),
    Passed("underscore_is_another_field", post(b"Transfer_Encoding: chunked", b"Content_Length: 3",
           b"Content-Length: 5", body=b"hello"), HELLO,
           has=(b"transfer_encoding:chunked", b"content_length:3")),
    Passed("x_coding_is_another_field", post(b"X-Transfer-Encoding: chunked", b"Content-Length: 5", body=b"hello"),
           HELLO),
    Passed("content_encoding_is_content", post(b"Content-Encoding: chunked", b"Content-Length: 5", body=b"hello"),
           HELLO, has=(b"content-encoding:chunked",)),
    Passed("chunk_size_upper", chunked(b"A\r\n0123456789\r\n" + LAST), ((b"POST", b"/x", b"0123456789"),)),
    Passed("chunk_size_lower", chunked(b"a\r\n0123456789\r\n" + LAST), ((b"POST", b"/x", b"0123456789"),)),
    Passed("chunk_sixteen_digits", chunked(b"0" * 15 + b"5\r\nhello\r\n" + LAST), HELLO),
    Passed("chunk_extension_spaces", chunked(b"5 ; a = b\r\nhello\r\n" + LAST), HELLO),
    Passed("chunk_extension_on_last", chunked(b"5\r\nhello\r\n0;a=b\r\n\r\n"), HELLO),
    Passed("chunk_extension_quoted_crlf_words", chunked(b'5;a="\\r\\n0"\r\nhello\r\n' + LAST), HELLO),
    Passed("chunk_data_of_line_breaks", chunked(b"4\r\n\r\n\r\n\r\n" + LAST), ((b"POST", b"/x", b"\r\n\r\n"),)),
    Passed("chunk_data_like_the_end", chunked(b"5\r\n0\r\n\r\n\r\n" + LAST), ((b"POST", b"/x", LAST),)),
    Passed("chunk_data_like_a_request", chunked(b"%x\r\n%b\r\n" % (len(SMUGGLED), SMUGGLED) + LAST), ((b"POST", b"/x",
           SMUGGLED),)),
    Passed("trailers_two", chunked(b"5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n"), HELLO),
    Passed("trailer_then_pipelined", chunked(b"5\r\nhello\r\n0\r\nA: b\r\n\r\n") + GET_Y, (*HELLO, Y), (200, 200)),
    Passed("one_hundred_pipelined", b"".join(get(start=b"GET /%d HTTP/1.1" % n) for n in range(100)),
           tuple((b"GET", b"/%d" % n, b"") for n in range(100)), (200,) * 100),
    Passed("pipelined_kinds", post(b"Content-Length: 5", body=b"hello") + chunked(b"5\r\nhello\r\n" + LAST) + GET_Y,
           (*HELLO, *HELLO, Y), (200,) * 3),
    Passed("pipelined_empty_line_between", get() + b"\r\n" + GET_Y, (*ONE, Y), (200, 200)),
    Passed("pipelined_three_empty_lines", get() + b"\r\n" * 3 + SMUGGLED, ONE, (200, 400)),
    Passed("pipelined_bad_line", get() + b"GARBAGE\r\n\r\n" + SMUGGLED, ONE, (200, 400)),
    Passed("pipelined_bad_length", get() + length(b"5, 5"), ONE, (200, 400)),
    Passed("pipelined_bad_coding", get() + coding(CHUNKED, b"Content-Length: 5"), ONE, (200, 400)),
    Passed("pipelined_connect", get() + get(start=b"CONNECT h:80 HTTP/1.1"), ONE, (200, 501)),
    Passed("pipelined_no_host", get() + get(host=b"") + SMUGGLED, ONE, (200, 400)),
    Passed("pipelined_version", get() + get(start=b"GET /x HTTP/2.0") + SMUGGLED, ONE, (200, 505)),
    Passed("pipelined_long_target", get() + get(start=b"GET /" + b"x" * 17000 + b" HTTP/1.1"), ONE, (200, 414)),
    Passed("close_then_more", get(b"Connection: close") + SMUGGLED, ONE),
    Passed("close_in_a_list", get(b"Connection: x, CLOSE") + SMUGGLED, ONE),
    Passed("close_twice", get(b"Connection: keep-alive", b"Connection: close") + SMUGGLED, ONE),
    Passed("close_behind_body", post(b"Connection: close", b"Content-Length: 5", body=b"hello" + SMUGGLED), HELLO),
    Passed("old_then_more", get(start=b"GET /x HTTP/1.0") + SMUGGLED, ONE),
    Passed("old_keeps_alive", get(b"Connection: keep-alive", start=b"GET /x HTTP/1.0") + GET_Y, (*ONE, Y), (200,
           200)),
    Passed("old_body", post(b"Content-Length: 5", body=b"hello", version=b"1.0"), HELLO),
    Passed("old_no_body", post(version=b"1.0"), NONE),
    Passed("old_host_empty_field", get(start=b"GET /x HTTP/1.0", host=b""), ONE, has=(b"via:1.0 slime",)),
    Passed("old_expect_is_dropped", post(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello",
           version=b"1.0"), HELLO, lacks=(b"expect",)),
    Passed("expect_unknown_passed", post(b"Expect: tea", b"Content-Length: 5", body=b"hello"), HELLO,
           has=(b"expect:tea",)),
    Passed("expect_without_body", get(b"Expect: 100-continue"), ONE),
    Passed("expect_body_at_once", post(b"Expect: 100-Continue", b"Content-Length: 5", body=b"hello"), HELLO),
    Passed("upgrade_unlisted", get(b"Connection: upgrade, http2-settings", b"Upgrade: h2c",
           b"HTTP2-Settings: AAMAAABk"), ONE,
           lacks=(b"upgrade", b"http2-settings", b"connection")),
    Passed("connection_nonsense", get(b"Connection: , ,,x-a , \t", b"X-A: 1", b"X-B: 2"), ONE, has=(b"x-b:2",),
           lacks=(b"x-a",)),
    Passed("connection_names_forwarding", get(b"Connection: x-forwarded-for, via, x-forwarded-proto"), ONE,
           has=(b"x-forwarded-proto:http",)),
    Passed("keep_alive_numbers", get(b"Keep-Alive: timeout=5, max=1000"), ONE, lacks=(b"keep-alive",)),
    Passed("te_trailers", get(b"Connection: TE", b"TE: trailers, gzip;q=0.5"), ONE, has=(b"te:trailers",)),
    Passed("underscores_of_ours", get(b"Slime_App_Password: x", b"SLIME_Request-Id: x", b"X_Forwarded_For: 192.0.2.1",
           b"X-Forwarded_Proto: https"), ONE,
           lacks=(b"slime_app_password", b"slime_request-id", b"x_forwarded_for", b"x-forwarded_proto")),
    Passed("host_last", get(b"A: b", b"Host: h", host=b""), ONE),
    Passed("value_colons", get(b"A: b: c:: d"), ONE, has=(b"a:b: c:: d",)),
    Passed("value_bytes", get(b"A: " + bytes(range(0x80, 0x100))), ONE, has=(b"a:" + bytes(range(0x80, 0x100)),)),
    Passed("values_empty_twice", get(b"A:", b"A: "), ONE, has=(b"a:",)),
    Passed("fields_150", get(*[b"A%d: b" % n for n in range(150)]), ONE),
    Passed("value_of_16000", get(b"A: " + b"x" * 16_000), ONE, has=(b"a:" + b"x" * 16_000,)),
    Passed("name_of_1000", get(b"n" * 1000 + b": b"), ONE, has=(b"n" * 1000 + b":b",)),
]  # fmt: skip
