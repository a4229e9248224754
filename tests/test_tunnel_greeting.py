"""HELLO and WELCOME: what a greeting must hold, and what it must not."""

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from slime.errors import RemoteProtocolError
from slime.tunnel import Hello, Welcome
from slime.tunnel.greeting import dump_greeting, load_hello, load_welcome

HELLO: dict[str, Any] = {
    "versions": [1, 2],
    "agent_id": "a-1",
    "name": "quiet otter",
    "slots": 1,
    "prefetch": 4,
    "window": 65536,
    "prefetch_window": 1024,
    "hardware": {"cores": 2},
    "software": "slime 1",
    "upstream": "http://localhost:8000",
}
WELCOME: dict[str, Any] = {
    "version": 1,
    "session": "s-1",
    "window": 65536,
    "max_window": 65536,
    "ping_interval": 10,
    "max_message": 98304,
    "prefetch": 0,
}
INTEGER = [-1, 2**31, True, 1.0, "1", None, [], {}]
TEXT = ["x" * 257, "a\nb", "a\x7f", "\ud800", b"".decode() + "\u2028", 1, None, ["x"]]
IDENTIFIER = ["", "x" * 129, "a b", "é", "a\n", 1, None]

#: Wrong values of each member.
WRONG_HELLO: dict[str, list[Any]] = {
    "versions": [[], [1] * 65, [-1], ["1"], [True], 1, None, {}],
    "agent_id": IDENTIFIER,
    "name": TEXT,
    "slots": INTEGER,
    "prefetch": INTEGER,
    "window": [0, *INTEGER],
    "prefetch_window": [0, *INTEGER],
    "hardware": [[], 1, "x", True],
    "software": TEXT,
    "upstream": TEXT,
}
WRONG_WELCOME: dict[str, list[Any]] = {
    "version": INTEGER,
    "session": IDENTIFIER,
    "window": [0, *INTEGER],
    "max_window": [0, *INTEGER],
    "ping_interval": [-1, 86401, True, "1", None],
    "max_message": [98303, *INTEGER],
    "prefetch": INTEGER,
}
#: Texts that are no JSON object.
NO_OBJECT = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"1",
    b'"x"',
    b"{'a': 1}",
    b"\xff\xfe{}",
    b'{"x": NaN}',
    b'{"x": -Infinity}',
    b'{"x": "\\ud800"}',
    b'{"x": ' + b"9" * 5000 + b"}",
    b"[" * 60000,
    b'{"x":' * 10000 + b"1" + b"}" * 10000,
]


class GreetingTests(SynchronousTestCase):
    """Reading greetings."""

    def test_hello(self) -> None:
        """A complete HELLO is read; members of later versions are ignored."""
        read = load_hello(json.dumps({**HELLO, "later": [1]}).encode())
        self.assertEqual(read, Hello(**{**HELLO, "versions": (1, 2)}))

    def test_welcome(self) -> None:
        """A complete WELCOME is read; members of later versions are ignored."""
        read = load_welcome(json.dumps({**WELCOME, "later": None}).encode())
        self.assertEqual(read, Welcome(**WELCOME))

    def test_optional(self) -> None:
        """A check and its answer may be there, and then must be right; where they say nothing they are left out."""
        check = Hello(**{**HELLO, "versions": (1, 2)}, check=True)
        self.assertEqual(load_hello(dump_greeting(check)), check)
        told = Welcome(**WELCOME, about={"name": "desk"})
        self.assertEqual(load_welcome(dump_greeting(told)), told)
        self.assertNotIn(b"check", dump_greeting(Hello(**{**HELLO, "versions": (1, 2)})))
        self.assertNotIn(b"about", dump_greeting(Welcome(**WELCOME)))
        self.assertIsNone(load_welcome(json.dumps({**WELCOME, "about": None}).encode()).about)
        for load, whole, name, values in (
            (load_hello, HELLO, "check", [0, 1, "true", None, [], {}]),
            (load_welcome, WELCOME, "about", [[], 1, "x", True]),
        ):
            for value in values:
                with self.assertRaises(RemoteProtocolError, msg=f"{name} = {value!r}"):
                    load(json.dumps({**whole, name: value}).encode())

    def test_no_hardware(self) -> None:
        """Hardware may be null."""
        self.assertIsNone(load_hello(json.dumps({**HELLO, "hardware": None}).encode()).hardware)

    def test_missing(self) -> None:
        """Every member must be there."""
        for load, whole in ((load_hello, HELLO), (load_welcome, WELCOME)):
            for name in whole:
                rest = {key: value for key, value in whole.items() if key != name}
                with self.assertRaises(RemoteProtocolError) as caught:
                    load(json.dumps(rest).encode())
                self.assertIn(f" {name} ", str(caught.exception))

    def test_wrong(self) -> None:
        """Every member must have its type and range."""
        self.assert_refused(load_hello, HELLO, WRONG_HELLO)
        self.assert_refused(load_welcome, WELCOME, WRONG_WELCOME)

    def assert_refused(self, load: Any, whole: dict[str, Any], wrong: dict[str, list[Any]]) -> None:
        """None of the wrong values is taken."""
        self.assertEqual(set(wrong), set(whole))
        for name, values in wrong.items():
            for value in values:
                with self.assertRaises(RemoteProtocolError, msg=f"{name} = {value!r}"):
                    load(json.dumps({**whole, name: value}).encode())

    def test_no_object(self) -> None:
        """What is not a JSON object in UTF-8 is refused, however deep or large."""
        for text in NO_OBJECT:
            with self.assertRaises(RemoteProtocolError, msg=text[:20]):
                load_hello(text)
