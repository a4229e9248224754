"""The hub's own answers: one shape for every error."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from slime.errors import ErrorCode
from slime.http.head import RequestHead, field_values, parse_response_head, serialise_response_head
from slime.hub.answers import Trouble, answer_for, closing_answer


def asking(*accepts: bytes) -> RequestHead:
    return RequestHead(b"GET", b"/", b"1.1", [(b"Accept", accept) for accept in accepts])


class AnswerTests(SynchronousTestCase):
    def test_every_error(self) -> None:
        """Status, code, a reason, and a body in either shape; all of it fit to be sent."""
        for code in ErrorCode:
            plain = answer_for(Trouble(code), None)
            self.assertEqual(plain.head.status, code.status)
            self.assertEqual(field_values(plain.head.fields, b"slime-error"), [code.slug.encode()])
            self.assertEqual(plain.body, f"{code.title}.\n".encode())
            sent = serialise_response_head(plain.head)
            self.assertEqual(parse_response_head(sent[:-4]), plain.head)
            document = json.loads(answer_for(Trouble(code), asking(b"application/problem+json")).body)
            self.assertEqual((document["status"], document["code"]), (code.status, code.slug))

    def test_reason(self) -> None:
        self.assertEqual(answer_for(Trouble(ErrorCode.NO_AGENT), None).head.reason, b"Service Unavailable")

    def test_detail(self) -> None:
        trouble = Trouble(ErrorCode.BAD_REQUEST, "there is no \u201chost\u201d")
        self.assertEqual(
            answer_for(trouble, None).body.decode(),
            "The request is not valid HTTP/1.1: there is no \u201chost\u201d.\n",
        )
        document = json.loads(answer_for(trouble, asking(b"application/json")).body)
        self.assertEqual(document["detail"], "there is no \u201chost\u201d")

    def test_who_gets_a_document(self) -> None:
        for accepts, shape in (
            ([], b"text/plain; charset=utf-8"),
            ([b"*/*"], b"text/plain; charset=utf-8"),
            ([b"text/html", b"Application/JSON;q=0.5"], b"application/problem+json"),
            ([b"application/problem+json"], b"application/problem+json"),
        ):
            answer = answer_for(Trouble(ErrorCode.NO_AGENT), asking(*accepts))
            self.assertEqual(field_values(answer.head.fields, b"content-type"), [shape])

    def test_request_id(self) -> None:
        answer = answer_for(Trouble(ErrorCode.NO_AGENT), None, b"abc-1")
        self.assertEqual(field_values(answer.head.fields, b"slime-request-id"), [b"abc-1"])
        answer = answer_for(Trouble(ErrorCode.NO_AGENT), None)
        self.assertEqual(field_values(answer.head.fields, b"slime-request-id"), [])

    def test_last_one(self) -> None:
        """It says where it ends, and that its connection does."""
        trouble = Trouble(ErrorCode.BAD_REQUEST, "no", [(b"X", b"y")])
        answer, plain = closing_answer(trouble, [(b"Date", b"now")]), answer_for(trouble, None)
        framing = [(b"Content-Length", b"%d" % len(plain.body)), (b"Connection", b"close")]
        self.assertEqual(answer.head.fields, [*plain.head.fields, (b"Date", b"now"), *framing])
        self.assertEqual((answer.head.status, answer.head.reason, answer.body), (400, b"Bad Request", plain.body))

    def test_what_comes_with_a_status(self) -> None:
        """RFC 9110 sections 7.8, 10.2.3 and 11.6.1."""
        for code, name, values in (
            (ErrorCode.ALL_BUSY, b"retry-after", [b"1"]),
            (ErrorCode.QUEUE_TIMEOUT, b"retry-after", []),
            (ErrorCode.UNAUTHORIZED, b"www-authenticate", [b'Slime realm="slime"']),
            (ErrorCode.UPGRADE_REQUIRED, b"connection", [b"Upgrade"]),
            (ErrorCode.UPGRADE_REQUIRED, b"upgrade", [b"websocket"]),
        ):
            self.assertEqual(field_values(answer_for(Trouble(code), None).head.fields, name), values)

    def test_further_fields(self) -> None:
        trouble = Trouble(ErrorCode.UNAUTHORIZED, "", [(b"WWW-Authenticate", b"Bearer"), (b"X", b"1")])
        fields = answer_for(trouble, None).head.fields
        self.assertEqual(fields[-2:], trouble.fields)
        self.assertEqual(field_values(fields, b"www-authenticate"), [b"Bearer"])
