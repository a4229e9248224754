"""Requests that must be refused, by name: the classes of RFC 9112 that intermediaries have been fooled by."""

from twisted.trial.unittest import SynchronousTestCase

from slime.errors import ErrorCode
from tests.http_cases import bytewise, each_case, read_requests

HOST = b"Host: h.example\r\n"
LINE = b"POST /p HTTP/1.1\r\n"
CHUNKED = LINE + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"

BAD = ErrorCode.BAD_REQUEST
TOO_LARGE = ErrorCode.HEAD_TOO_LARGE
TOO_LONG = ErrorCode.TARGET_TOO_LONG
UNSUPPORTED = ErrorCode.UNSUPPORTED
VERSION = ErrorCode.VERSION


def head(*lines: bytes, line: bytes = LINE) -> bytes:
    """A whole head with a Host and ``lines``, and a request behind it that nobody may ever see."""
    return line + HOST + b"".join(each + b"\r\n" for each in lines) + b"\r\n" + SMUGGLED


def request_line(line: bytes) -> bytes:
    return line + b"\r\n" + HOST + b"\r\n" + SMUGGLED


def with_host(*lines: bytes, target: bytes = b"/p", version: bytes = b"1.1") -> bytes:
    fields = b"".join(each + b"\r\n" for each in lines)
    return b"GET " + target + b" HTTP/" + version + b"\r\n" + fields + b"\r\n" + SMUGGLED


REQUEST_LINES = {
    "nothing_but_text": (b"hello world\r\n", BAD),
    "http_0_9": (b"GET /p\r\n", BAD),
    "http_0_9_with_fields": (request_line(b"GET /p"), BAD),
    "no_target": (request_line(b"GET HTTP/1.1"), BAD),
    "empty_target": (request_line(b"GET  HTTP/1.1"), BAD),
    "no_method": (request_line(b" /p HTTP/1.1"), BAD),
    "two_spaces_before_target": (request_line(b"GET  /p HTTP/1.1"), BAD),
    "two_spaces_after_target": (request_line(b"GET /p  HTTP/1.1"), BAD),
    "tab_for_space": (request_line(b"GET\t/p HTTP/1.1"), BAD),
    "tab_before_version": (request_line(b"GET /p\tHTTP/1.1"), BAD),
    "space_in_front": (request_line(b" GET /p HTTP/1.1"), BAD),
    "space_at_the_end": (request_line(b"GET /p HTTP/1.1 "), BAD),
    "space_in_target": (request_line(b"GET /p q HTTP/1.1"), BAD),
    "word_at_the_end": (request_line(b"GET /p HTTP/1.1 x"), BAD),
    "vertical_tab": (request_line(b"GET\x0b/p HTTP/1.1"), BAD),
    "bare_lf": (b"GET /p HTTP/1.1\n" + HOST + b"\r\n", BAD),
    "bare_lf_throughout": (b"GET /p HTTP/1.1\nHost: h\n\n", BAD),
    "bare_cr": (b"GET /p HTTP/1.1\rHost: h\r\r", BAD),
    "cr_in_target": (request_line(b"GET /p\rq HTTP/1.1"), BAD),
    "nul_in_target": (request_line(b"GET /p\x00q HTTP/1.1"), BAD),
    "control_byte_in_target": (request_line(b"GET /p\x01 HTTP/1.1"), BAD),
    "del_in_target": (request_line(b"GET /p\x7f HTTP/1.1"), BAD),
    "raw_utf8_in_target": (request_line(b"GET /caf\xc3\xa9 HTTP/1.1"), BAD),
    "overlong_utf8_in_target": (request_line(b"GET /\xc0\xaf HTTP/1.1"), BAD),
    "fragment": (request_line(b"GET /p#f HTTP/1.1"), BAD),
    "method_with_colon": (request_line(b"GE:T /p HTTP/1.1"), BAD),
    "method_in_brackets": (request_line(b"(GET) /p HTTP/1.1"), BAD),
    "method_with_nul": (request_line(b"G\x00T /p HTTP/1.1"), BAD),
    "method_not_ascii": (request_line(b"G\xc9T /p HTTP/1.1"), BAD),
    "method_too_long": (request_line(b"A" * 65 + b" /p HTTP/1.1"), UNSUPPORTED),
    "method_endless": (b"A" * 20000, TOO_LONG),
    "target_too_long": (request_line(b"GET /" + b"a" * 16384 + b" HTTP/1.1"), TOO_LONG),
    "target_endless": (b"GET /" + b"a" * 20000, TOO_LONG),
    "relative_target": (request_line(b"GET p HTTP/1.1"), BAD),
    "query_alone": (request_line(b"GET ?q HTTP/1.1"), BAD),
    "backslash_for_slash": (request_line(b"GET \\p HTTP/1.1"), BAD),
    "asterisk_with_get": (request_line(b"GET * HTTP/1.1"), BAD),
    "asterisk_with_options_in_lower_case": (request_line(b"options * HTTP/1.1"), BAD),
    "asterisk_and_more": (request_line(b"OPTIONS *x HTTP/1.1"), BAD),
    "connect": (request_line(b"CONNECT h.example:443 HTTP/1.1"), UNSUPPORTED),
    "connect_origin_form": (request_line(b"CONNECT /p HTTP/1.1"), UNSUPPORTED),
    "connect_empty_port": (request_line(b"CONNECT h.example: HTTP/1.1"), UNSUPPORTED),
    "authority_form_with_get": (request_line(b"GET h.example:80 HTTP/1.1"), BAD),
    "version_lower_case": (request_line(b"GET /p http/1.1"), BAD),
    "version_mixed_case": (request_line(b"GET /p Http/1.1"), BAD),
    "version_without_minor": (request_line(b"GET /p HTTP/1"), BAD),
    "version_with_comma": (request_line(b"GET /p HTTP/1,1"), BAD),
    "version_leading_zero": (request_line(b"GET /p HTTP/01.1"), BAD),
    "version_trailing_zero": (request_line(b"GET /p HTTP/1.10"), BAD),
    "version_signed": (request_line(b"GET /p HTTP/+1.1"), BAD),
    "version_with_space": (request_line(b"GET /p HTTP/ 1.1"), BAD),
    "version_of_another_protocol": (request_line(b"GET /p ICY/1.1"), BAD),
    "version_not_ascii_digits": (request_line("GET /p HTTP/1.\u0661".encode()), BAD),
    "version_0_9": (request_line(b"GET /p HTTP/0.9"), VERSION),
    "version_2_0": (request_line(b"GET /p HTTP/2.0"), VERSION),
    "http_2_preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", VERSION),
    "tls_hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", BAD),
    "proxy_protocol": (b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", BAD),
    "three_empty_lines_in_front": (b"\r\n\r\n\r\n" + head(), BAD),
    "bare_lf_in_front": (b"\n" + head(), BAD),
    "bare_cr_in_front": (b"\r" + head(), BAD),
}

HOSTS = {
    "missing": (b"GET /p HTTP/1.1\r\n\r\n" + SMUGGLED, BAD),
    "missing_with_absolute_form": (with_host(target=b"http://h.example/p"), BAD),
    "twice": (with_host(b"Host: a", b"Host: b"), BAD),
    "twice_the_same": (with_host(b"Host: a", b"Host: a"), BAD),
    "twice_in_other_case": (with_host(b"Host: a", b"hOST: a"), BAD),
    "twice_under_1_0": (with_host(b"Host: a", b"Host: a", version=b"1.0"), BAD),
    "empty": (with_host(b"Host:"), BAD),
    "only_whitespace": (with_host(b"Host: \t "), BAD),
    "empty_under_1_0": (with_host(b"Host:", version=b"1.0"), BAD),
    "list": (with_host(b"Host: a, b"), BAD),
    "list_without_space": (with_host(b"Host: a,b"), BAD),
    "userinfo": (with_host(b"Host: u@a"), BAD),
    "userinfo_and_password": (with_host(b"Host: u:p@a"), BAD),
    "path": (with_host(b"Host: a/p"), BAD),
    "query": (with_host(b"Host: a?q"), BAD),
    "fragment": (with_host(b"Host: a#f"), BAD),
    "url": (with_host(b"Host: http://a"), BAD),
    "space": (with_host(b"Host: a b"), BAD),
    "tab": (with_host(b"Host: a\tb"), BAD),
    "not_ascii": (with_host(b"Host: caf\xc3\xa9"), BAD),
    "backslash": (with_host(b"Host: a\\b"), BAD),
    "quotes": (with_host(b'Host: "a"'), BAD),
    "angle_brackets": (with_host(b"Host: <a>"), BAD),
    "bad_escape": (with_host(b"Host: a%2"), BAD),
    "port_alone": (with_host(b"Host: :80"), BAD),
    "port_signed": (with_host(b"Host: a:+80"), BAD),
    "port_not_a_number": (with_host(b"Host: a:http"), BAD),
    "port_too_large": (with_host(b"Host: a:65536"), BAD),
    "port_too_long": (with_host(b"Host: a:0000080"), BAD),
    "two_ports": (with_host(b"Host: a:80:80"), BAD),
    "address_without_brackets": (with_host(b"Host: ::1"), BAD),
    "bracket_open": (with_host(b"Host: [::1"), BAD),
    "bracket_empty": (with_host(b"Host: []"), BAD),
    "bracket_not_an_address": (with_host(b"Host: [1.2.3.4]"), BAD),
    "bracket_bad_address": (with_host(b"Host: [1::2::3]"), BAD),
    "bracket_and_name": (with_host(b"Host: [::1]a"), BAD),
    "too_long": (with_host(b"Host: " + b"a" * 1025), BAD),
    "mismatch": (with_host(b"Host: a", target=b"http://b/p"), BAD),
    "mismatch_of_ports": (with_host(b"Host: a:80", target=b"http://a:81/p"), BAD),
    "mismatch_by_the_other_scheme": (with_host(b"Host: a", target=b"http://a:443/p"), BAD),
    "mismatch_by_an_ending": (with_host(b"Host: a", target=b"http://a.b/p"), BAD),
    "absolute_form_other_scheme": (with_host(b"Host: a", target=b"ftp://a/p"), BAD),
    "absolute_form_no_scheme": (with_host(b"Host: a", target=b"://a/p"), BAD),
    "absolute_form_one_slash": (with_host(b"Host: a", target=b"http:/a/p"), BAD),
    "absolute_form_no_host": (with_host(b"Host: a", target=b"http:///p"), BAD),
    "absolute_form_userinfo": (with_host(b"Host: a", target=b"http://u@a/p"), BAD),
    "absolute_form_bad_port": (with_host(b"Host: a", target=b"http://a:x/p"), BAD),
    "absolute_form_backslash": (with_host(b"Host: a", target=b"http://a\\@b/p"), BAD),
}

FIELDS = {
    "space_before_colon": (head(b"X : y"), BAD),
    "tab_before_colon": (head(b"X\t: y"), BAD),
    "space_before_colon_of_length": (head(b"Content-Length : 0"), BAD),
    "space_before_colon_of_coding": (head(b"Transfer-Encoding : chunked"), BAD),
    "folded": (head(b"X: y", b" z"), BAD),
    "folded_with_tab": (head(b"X: y", b"\tz"), BAD),
    "folded_empty": (head(b"X: y", b" "), BAD),
    "folded_coding": (head(b"Transfer-Encoding:", b" chunked"), BAD),
    "folded_first": (LINE + b" X: y\r\n" + HOST + b"\r\n" + SMUGGLED, BAD),
    "no_name": (head(b": y"), BAD),
    "no_colon": (head(b"X"), BAD),
    "no_colon_but_space": (head(b"X y"), BAD),
    "name_with_space": (head(b"X Y: z"), BAD),
    "name_with_tab": (head(b"X\tY: z"), BAD),
    "name_in_brackets": (head(b"[X]: y"), BAD),
    "name_quoted": (head(b'"X": y'), BAD),
    "name_with_slash": (head(b"X/Y: z"), BAD),
    "name_with_at": (head(b"X@Y: z"), BAD),
    "name_not_ascii": (head(b"caf\xc3\xa9: y"), BAD),
    "name_latin_1": (head(b"caf\xe9: y"), BAD),
    "name_with_nul": (head(b"X\x00: y"), BAD),
    "name_with_del": (head(b"X\x7f: y"), BAD),
    "value_with_nul": (head(b"X: a\x00b"), BAD),
    "value_with_bare_cr": (head(b"X: a\rb"), BAD),
    "value_with_bare_lf": (head(b"X: a\nb"), BAD),
    "value_with_lf_and_field": (head(b"X: a\nY: b"), BAD),
    "value_with_cr_and_field": (head(b"X: a\rTransfer-Encoding: chunked"), BAD),
    "value_ends_with_cr": (head(b"X: a\r"), BAD),
    "value_with_escape": (head(b"X: a\x1bb"), BAD),
    "value_with_backspace": (head(b"X: a\x08"), BAD),
    "value_with_form_feed": (head(b"X: a\x0cb"), BAD),
    "value_with_vertical_tab": (head(b"X: \x0bb"), BAD),
    "value_with_del": (head(b"X: a\x7f"), BAD),
    "end_with_lf_lf": (LINE + HOST + b"\n\n", BAD),
    "end_with_crlf_lf": (LINE + HOST + b"\n", BAD),
    "end_with_cr_cr": (LINE + HOST + b"\r\r", BAD),
    "too_many": (head(*[b"X: y"] * 200), TOO_LARGE),
    "one_too_large": (head(b"X: " + b"y" * 65536), TOO_LARGE),
    "one_name_too_large": (head(b"X" * 65536 + b": y"), TOO_LARGE),
    "endless": (LINE + HOST + b"X: " + b"y" * 65536, TOO_LARGE),
}

LENGTHS = {
    "twice": (head(b"Content-Length: 5", b"Content-Length: 5"), BAD),
    "twice_differing": (head(b"Content-Length: 5", b"Content-Length: 6"), BAD),
    "twice_in_other_case": (head(b"Content-Length: 5", b"content-length: 0"), BAD),
    "list": (head(b"Content-Length: 5, 5"), BAD),
    "list_differing": (head(b"Content-Length: 5, 6"), BAD),
    "list_with_empty_element": (head(b"Content-Length: 5,"), BAD),
    "list_with_semicolon": (head(b"Content-Length: 5;5"), BAD),
    "empty": (head(b"Content-Length:"), BAD),
    "plus": (head(b"Content-Length: +5"), BAD),
    "minus": (head(b"Content-Length: -5"), BAD),
    "minus_zero": (head(b"Content-Length: -0"), BAD),
    "hexadecimal": (head(b"Content-Length: 0x5"), BAD),
    "hexadecimal_digits": (head(b"Content-Length: a"), BAD),
    "octal": (head(b"Content-Length: 0o5"), BAD),
    "fraction": (head(b"Content-Length: 5.0"), BAD),
    "exponent": (head(b"Content-Length: 5e0"), BAD),
    "underscore": (head(b"Content-Length: 1_0"), BAD),
    "space_inside": (head(b"Content-Length: 1 0"), BAD),
    "tab_inside": (head(b"Content-Length: 1\t0"), BAD),
    "unit": (head(b"Content-Length: 5b"), BAD),
    "quoted": (head(b'Content-Length: "5"'), BAD),
    "arabic_digits": (head("Content-Length: \u0665".encode()), BAD),
    "superscript_digit": (head(b"Content-Length: \xb2"), BAD),
    "beyond_63_bits": (head(b"Content-Length: 9223372036854775808"), BAD),
    "beyond_64_bits": (head(b"Content-Length: 18446744073709551621"), BAD),
    "many_zeros": (head(b"Content-Length: " + b"0" * 20 + b"5"), BAD),
    "thousands_of_digits": (head(b"Content-Length: " + b"1" * 5000), BAD),
    "on_trace": (head(b"Content-Length: 5", line=b"TRACE /p HTTP/1.1\r\n"), BAD),
}

CODINGS = {
    "and_length": (head(b"Transfer-Encoding: chunked", b"Content-Length: 5"), BAD),
    "and_length_before": (head(b"Content-Length: 5", b"Transfer-Encoding: chunked"), BAD),
    "and_length_0": (head(b"Content-Length: 0", b"Transfer-Encoding: chunked"), BAD),
    "and_bad_length": (head(b"Content-Length: +5", b"Transfer-Encoding: chunked"), BAD),
    "in_capitals_and_length": (head(b"TRANSFER-ENCODING: CHUNKED", b"Content-Length: 5"), BAD),
    "unknown_and_length": (head(b"Transfer-Encoding: xchunked", b"Content-Length: 5"), BAD),
    "identity_and_length": (head(b"Transfer-Encoding: identity", b"Content-Length: 5"), BAD),
    "under_1_0": (head(b"Transfer-Encoding: chunked", line=b"POST /p HTTP/1.0\r\n"), BAD),
    "empty": (head(b"Transfer-Encoding:"), BAD),
    "identity": (head(b"Transfer-Encoding: identity"), BAD),
    "gzip": (head(b"Transfer-Encoding: gzip"), BAD),
    "gzip_then_chunked": (head(b"Transfer-Encoding: gzip, chunked"), UNSUPPORTED),
    "identity_then_chunked": (head(b"Transfer-Encoding: identity, chunked"), UNSUPPORTED),
    "chunked_then_gzip": (head(b"Transfer-Encoding: chunked, gzip"), BAD),
    "chunked_then_identity": (head(b"Transfer-Encoding: chunked, identity"), BAD),
    "chunked_twice": (head(b"Transfer-Encoding: chunked, chunked"), BAD),
    "chunked_on_two_lines": (head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), BAD),
    "identity_on_another_line": (head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"), BAD),
    "gzip_on_another_line": (head(b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"), BAD),
    "leading_comma": (head(b"Transfer-Encoding: , chunked"), BAD),
    "trailing_comma": (head(b"Transfer-Encoding: chunked,"), BAD),
    "parameter": (head(b"Transfer-Encoding: chunked;q=1"), BAD),
    "quoted": (head(b'Transfer-Encoding: "chunked"'), BAD),
    "singular": (head(b"Transfer-Encoding: chunk"), BAD),
    "with_prefix": (head(b"Transfer-Encoding: xchunked"), BAD),
    "with_suffix": (head(b"Transfer-Encoding: chunkedx"), BAD),
    "space_inside": (head(b"Transfer-Encoding: chun ked"), BAD),
    "not_a_token_then_chunked": (head(b"Transfer-Encoding: (x), chunked"), BAD),
    "vertical_tab": (head(b"Transfer-Encoding: \x0bchunked"), BAD),
    "form_feed": (head(b"Transfer-Encoding: chunked\x0c"), BAD),
    "nul": (head(b"Transfer-Encoding: chunked\x00"), BAD),
    "no_break_space": (head(b"Transfer-Encoding: \xa0chunked"), BAD),
    "on_trace": (head(b"Transfer-Encoding: chunked", line=b"TRACE /p HTTP/1.1\r\n"), BAD),
}

CHUNKS = {
    "empty_size": (b"\r\nhello", BAD),
    "plus": (b"+5\r\nhello\r\n0\r\n\r\n", BAD),
    "plus_zero": (b"+0\r\n\r\n" + SMUGGLED, BAD),
    "minus": (b"-5\r\nhello\r\n", BAD),
    "hexadecimal_prefix": (b"0x5\r\nhello\r\n0\r\n\r\n", BAD),
    "underscore": (b"1_0\r\nhello", BAD),
    "space_in_front": (b" 5\r\nhello\r\n", BAD),
    "space_behind": (b"5 \r\nhello\r\n", BAD),
    "tab_behind": (b"5\t\r\nhello\r\n", BAD),
    "space_inside": (b"1 0\r\n", BAD),
    "not_hexadecimal": (b"g\r\nhello", BAD),
    "quoted": (b'"5"\r\nhello', BAD),
    "fraction": (b"5.0\r\nhello", BAD),
    "comma": (b"5,5\r\nhello", BAD),
    "not_ascii_digit": (b"\xb2\r\nhe", BAD),
    "nul": (b"5\x00\r\nhello", BAD),
    "overflow_of_64_bits": (b"10000000000000005\r\nhello\r\n0\r\n\r\n", BAD),
    "most_of_64_bits": (b"ffffffffffffffff\r\nhello", BAD),
    "most_of_63_bits": (b"7fffffffffffffff\r\nhello", BAD),
    "overflow_of_32_bits_by_zeros": (b"00000000000000005\r\nhello\r\n0\r\n\r\n", BAD),
    "endless_digits": (b"0" * 400, BAD),
    "bare_lf_behind_size": (b"5\nhello\r\n0\r\n\r\n", BAD),
    "bare_cr_behind_size": (b"5\rhello\r\n0\r\n\r\n", BAD),
    "bare_lf_behind_data": (b"5\r\nhello\n0\r\n\r\n", BAD),
    "bare_cr_behind_data": (b"5\r\nhello\r0\r\n\r\n", BAD),
    "nothing_behind_data": (b"5\r\nhello0\r\n\r\n", BAD),
    "data_too_long": (b"5\r\nhello!!\r\n0\r\n\r\n", BAD),
    "data_too_short": (b"5\r\nhell\r\n0\r\n\r\n", BAD),
    "bare_lf_behind_last_size": (b"0\n\r\n", BAD),
    "bare_lf_behind_last_chunk": (b"0\r\n\n", BAD),
    "bare_cr_behind_last_chunk": (b"0\r\n\rX", BAD),
    "extension_without_name": (b"5;\r\nhello\r\n", BAD),
    "extension_without_name_but_value": (b"5;=v\r\nhello\r\n", BAD),
    "extension_without_value": (b"5;a=\r\nhello\r\n", BAD),
    "extension_not_a_token": (b"5;a[]=1\r\nhello\r\n", BAD),
    "extension_with_space": (b"5;a b\r\nhello\r\n", BAD),
    "extension_with_bare_lf": (b"5;a\nhello\r\n", BAD),
    "extension_with_bare_lf_inside": (b"5;a\nb=c\r\nhello\r\n", BAD),
    "extension_with_bare_cr": (b"5;a\rb\r\nhello\r\n", BAD),
    "extension_with_nul": (b"5;a\x00\r\nhello\r\n", BAD),
    "extension_with_space_behind": (b"5;a \r\nhello\r\n", BAD),
    "extension_open_quotes": (b'5;a="b\r\nhello\r\n', BAD),
    "extension_lf_in_quotes": (b'5;a="\n"\r\nhello\r\n', BAD),
    "extension_escaped_lf_in_quotes": (b'5;a="\\\n"\r\nhello\r\n', BAD),
    "extension_too_long": (b"5;" + b"a" * 256 + b"\r\nhello\r\n", BAD),
    "extension_endless": (b"5;" + b"a" * 1000, BAD),
    "extensions_in_all": (b"1;" + b"a" * 200 + b"\r\nx\r\n", BAD, 100),
}

TRAILERS = {
    "space_before_colon": (b"X : y\r\n\r\n", BAD),
    "folded": (b"X: y\r\n z\r\n\r\n", BAD),
    "no_name": (b": y\r\n\r\n", BAD),
    "no_colon": (b"X\r\n\r\n", BAD),
    "a_request": (SMUGGLED, BAD),
    "nul": (b"X: \x00\r\n\r\n", BAD),
    "bare_lf": (b"X: y\n\r\n", BAD),
    "bare_lf_at_the_end": (b"X: y\r\n\n", BAD),
    "bare_cr": (b"X: y\rZ: z\r\n\r\n", BAD),
    "too_many": (b"X: y\r\n" * 201 + b"\r\n", TOO_LARGE),
    "too_large": (b"X: " + b"y" * 16384 + b"\r\n\r\n", TOO_LARGE),
    "endless": (b"X: " + b"y" * 17000, TOO_LARGE),
} | {
    name.decode().replace("-", "_").lower(): (name + b": 1\r\n\r\n", BAD)
    for name in (
        b"Content-Length",
        b"Transfer-Encoding",
        b"Host",
        b"Authorization",
        b"Content-Type",
        b"Content-Encoding",
        b"Connection",
        b"TE",
        b"Trailer",
        b"Cookie",
        b"X-Forwarded-For",
        b"Slime-App-Password",
    )
}


class Refusals(SynchronousTestCase):
    """The stream is refused for the same reason whole and byte by byte, at once, and for good."""

    def refuse(self, stream: bytes, code: ErrorCode, before: int) -> None:
        for pieces in ([stream], bytewise(stream)):
            reading = read_requests(pieces)
            self.assertIs(reading.refused, code)
            self.assertEqual(len([each for each in reading.messages if each.complete]), before)
            for each in reading.messages:
                self.assertNotIn(b"smuggled", repr(each.head).encode())

    def refuse_head(self, stream: bytes, code: ErrorCode) -> None:
        """Refused by its head alone: what is behind one that was let through may be refused for the same reason."""
        self.refuse(stream, code, 0)
        self.assertEqual(read_requests([stream]).messages, [])


@each_case(REQUEST_LINES)
class RequestLineTests(Refusals):
    """RFC 9112 sections 2.2, 2.3 and 3: one line, three words."""

    def check(self, stream: bytes, code: ErrorCode) -> None:
        self.refuse_head(stream, code)


@each_case(HOSTS)
class HostTests(Refusals):
    """RFC 9112 section 3.2: one host, and the same wherever it is named."""

    def check(self, stream: bytes, code: ErrorCode) -> None:
        self.refuse_head(stream, code)


@each_case(FIELDS)
class FieldTests(Refusals):
    """RFC 9112 section 5: names, colons, values and line ends."""

    def check(self, stream: bytes, code: ErrorCode) -> None:
        self.refuse_head(stream, code)


@each_case(LENGTHS)
class ContentLengthTests(Refusals):
    """RFC 9112 section 6.2: one decimal number."""

    def check(self, stream: bytes, code: ErrorCode) -> None:
        self.refuse_head(stream, code)


@each_case(CODINGS)
class TransferEncodingTests(Refusals):
    """RFC 9112 section 6.1: ``chunked`` or nothing."""

    def check(self, stream: bytes, code: ErrorCode) -> None:
        self.refuse_head(stream, code)


@each_case(CHUNKS)
class ChunkTests(Refusals):
    """RFC 9112 section 7.1: sizes, extensions and line ends."""

    def check(self, chunks: bytes, code: ErrorCode, times: int = 1) -> None:
        self.refuse(CHUNKED + chunks * times, code, 0)
        self.refuse(CHUNKED + b"0\r\n\r\n" + CHUNKED + chunks * times, code, 1)


@each_case(TRAILERS)
class TrailerTests(Refusals):
    """RFC 9112 section 7.1.2 and RFC 9110 section 6.5.1: fields that may stand behind a body."""

    def check(self, trailers: bytes, code: ErrorCode) -> None:
        self.refuse(CHUNKED + b"5\r\nhello\r\n0\r\n" + trailers, code, 0)


class BehindAGoodRequestTests(Refusals):
    """A bad request behind good ones takes nothing from them."""

    def test_behind_none_with_a_body(self) -> None:
        self.refuse(SMUGGLED.replace(b"smuggled", b"p") + head(b"X : y"), BAD, 1)

    def test_behind_a_body(self) -> None:
        good = LINE + HOST + b"Content-Length: 5\r\n\r\nhello"
        self.refuse(good + good + b"@" + good, BAD, 2)

    def test_body_longer_than_announced(self) -> None:
        self.refuse(LINE + HOST + b"Content-Length: 2\r\n\r\nhello\r\n", BAD, 1)
