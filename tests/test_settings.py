"""Every setting by every source, and what is said when one cannot be used."""

from __future__ import annotations

import os
import string
from collections.abc import Mapping, Sequence
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from slime import values
from slime.commands import Command
from slime.options import words_of
from slime.reference import errors_page, help_text, settings_page
from slime.settings import AdminConfig, AgentConfig, HubConfig, RegisterConfig, Setting, StatusConfig, settings_of
from slime.sources import (
    ALL_SETTINGS,
    SettingError,
    load_admin,
    load_agent,
    load_hub,
    load_register,
    load_status,
    with_files,
)
from slime.values import Kind, parse_duration, parse_size, show_duration, show_size

LOADERS: dict[type, Any] = {
    HubConfig: load_hub, AgentConfig: load_agent, RegisterConfig: load_register, AdminConfig: load_admin,
    StatusConfig: load_status,
}  # fmt: skip

#: What must be given, so that the setting under test is the only one that matters.
NEEDED = {
    HubConfig: {"SLIME_SECRET": "s"},
    AgentConfig: {"SLIME_TOKEN": "t", "SLIME_HUB": "hub", "SLIME_UPSTREAM": "localhost:1"},
    RegisterConfig: {"SLIME_SECRET": "s"},
    AdminConfig: {},
    StatusConfig: {},
}

#: For each kind of value, three texts and what they mean; kinds with bounds are told by their metavar.
SAMPLES: dict[Kind | str, list[tuple[str, Any]]] = {
    values.TEXT: [("ann", "ann"), ("ben", "ben"), ("cleo", "cleo")],
    values.HOST: [("127.0.0.1", "127.0.0.1"), ("localhost", "localhost"), ("::1", "::1")],
    values.BOOLEAN: [("true", True), ("false", False), ("on", True)],
    values.ACCESS_LOG: [("json", "json"), ("false", "off"), ("combined", "combined")],
    values.PATH: [("/a", Path("/a")), ("/b", Path("/b")), ("/c", Path("/c"))],
    values.TARGET: [("/health", "/health"), ("/", "/"), ("/v1/models?x=1", "/v1/models?x=1")],
    values.NAMES: [("a,b", ("a", "b")), ("c", ("c",)), ("d, e", ("d", "e"))],
    values.PROTOCOLS: [("tcp,h2c", ("tcp", "h2c")), ("foo/2", ("foo/2",)), ("Spdy/3.1, b", ("Spdy/3.1", "b"))],
    values.PROXY: [(f"http://{name}:3128", f"http://{name}:3128") for name in ("a", "b", "c")],
    values.NO_PROXY: [("a,.b", ("a", ".b")), ("*", ("*",)), ("::1 10.0.0.0/8", ("::1", "10.0.0.0/8"))],
    values.NETWORKS: [
        ("10.0.0.0/8, ::1", ("10.0.0.0/8", "::1/128")),
        ("unix", ("unix",)),
        ("192.0.2.7", ("192.0.2.7/32",)),
    ],
    values.SCOPE_PATHS: [("/a", ("/a",)), ("/b/*,/c", ("/b/*", "/c")), ("/*", ("/*",))],
    values.UPSTREAMS: [("h:1,h:2", ("h:1", "h:2")), ("h:3", ("h:3",)), ("h:4", ("h:4",))],
    values.ENDPOINT_OR_OFF: [("tcp:1", "tcp:1"), ("off", None), ("tcp:2:interface=::1", "tcp:2:interface=::1")],
    values.ENDPOINTS: [("tcp:1", ("tcp:1",)), ("tcp:2 tcp:3", ("tcp:2", "tcp:3")), ("tcp:4", ("tcp:4",))],
    values.ADMIN_ADDRESS: [("a:1", "http://a:1"), ("tcp:2:interface=b", "http://b:2"), ("unix:c", "unix:c")],
    values.AGENT_ID: [("1", "1"), ("a-2", "a-2"), ("c", "c")],
    values.HUB_ADDRESS: [(name, f"ws://{name}/v1/agent/tunnel") for name in ("a", "b", "c")],
    values.SECRET_BYTES: [("a", b"a"), ("b", b"b"), ("c", b"c")],
    values.SECRET_TEXT: [("a", "a"), ("b", "b"), ("c", "c")],
    "N": [("3", 3), ("4", 4), ("5", 5)],
    "DURATION": [("2s", 2.0), ("3s", 3.0), ("4s", 4.0)],
    "SIZE": [("16KiB", 16384), ("32KiB", 32768), ("64KiB", 65536)],
}


def samples(setting: Setting) -> list[tuple[str, Any]]:
    """Three texts for a setting, with their values."""
    words = setting.kind.metavar.split("|")
    if len(words) > 1:
        return [(words[0], words[0]), (words[1], words[1]), (words[0].upper(), words[0])]
    return SAMPLES.get(setting.kind) or SAMPLES[setting.kind.metavar]


def rows() -> list[tuple[type, Setting]]:
    """Every setting with the configuration it belongs to."""
    return [(config, setting) for config in LOADERS for setting in settings_of(config)]


class Case(SynchronousTestCase):
    """A home directory for a YAML file, and short forms."""

    def setUp(self) -> None:
        self.home = Path(self.mktemp())
        self.home.mkdir()

    def write(self, text: str, name: str = ".slime.yaml") -> Path:
        """Put a file into the home directory."""
        path = self.home / name
        path.write_text(text, "utf-8")
        return path

    def load(
        self, config: type, arguments: Sequence[str] = (), environ: Mapping[str, str] = {}, needed: bool = True
    ) -> Any:
        """Load a configuration with everything it needs but what is under test."""
        given = {"HOME": str(self.home), **(NEEDED[config] if needed else {}), **environ}
        return LOADERS[config](arguments, {name: value for name, value in given.items() if value})

    def complaint(
        self, config: type, arguments: Sequence[str] = (), environ: Mapping[str, str] = {}, needed: bool = True
    ) -> str:
        """The one line that loading ends with."""
        error = self.assertRaises(SettingError, self.load, config, arguments, environ, needed)
        self.assertNotIn("\n", str(error))
        return str(error)


class TableTests(Case):
    """What follows from the table does so for every row of it."""

    def test_flag(self) -> None:
        """Each setting is read from its flag, in both spellings, with a space or ``=`` before the value."""
        for config, setting in rows():
            for name in filter(None, (setting.key, setting.seed)):
                for text, value in samples(setting):
                    forms = [[f"--{name}={text}"]]
                    if setting.kind is not values.BOOLEAN:
                        forms.append([f"--{name}", text])
                    for arguments in forms:
                        loaded = self.load(config, arguments, needed_without(config, setting))
                        self.assertEqual(getattr(loaded, setting.attribute), value, arguments)

    def test_environment(self) -> None:
        """Each setting is read from each of its environment variables."""
        for config, setting in rows():
            for name in setting.variables:
                for text, value in samples(setting):
                    environ = {**needed_without(config, setting), name: text}
                    found = getattr(self.load(config, (), environ), setting.attribute)
                    self.assertEqual(found, value, name)

    def test_file(self) -> None:
        """Each setting is read from the YAML file, under its name or the seed's, whatever case and separators."""
        for config, setting in rows():
            for name in filter(None, (setting.key, setting.seed, setting.name, setting.key.upper())):
                for text, value in samples(setting):
                    self.write(f"{name}: '{text}'\n")
                    found = getattr(self.load(config, (), needed_without(config, setting)), setting.attribute)
                    self.assertEqual(found, value, name)

    def test_precedence(self) -> None:
        """The flag counts more than the environment, that more than the file, that more than the default."""
        for config, setting in rows():
            (flag, first), (variable, second), (key, third) = samples(setting)
            self.write(f"{setting.key}: '{key}'\n")
            environ = {**needed_without(config, setting), setting.variables[0]: variable}
            by_flag = self.load(config, [f"{setting.flag}={flag}"], environ)
            by_variable = self.load(config, (), environ)
            by_file = self.load(config, (), needed_without(config, setting))
            found = [getattr(loaded, setting.attribute) for loaded in (by_flag, by_variable, by_file)]
            self.assertEqual(found, [first, second, third], setting.name)

    def test_default(self) -> None:
        """Without any source each setting has its default, which is within its own bounds."""
        for config, setting in rows():
            if setting.default is MISSING:
                continue
            self.assertEqual(getattr(self.load(config), setting.attribute), setting.default)
            if setting.default not in (None, ()):
                shown = setting.kind.show(setting.default)
                parts = setting.kind.split(shown) if setting.kind.split else [shown]
                read = [setting.kind.parse(part) for part in parts]
                self.assertEqual(tuple(read) if setting.kind.split else read[0], setting.default)

    def test_missing(self) -> None:
        """A setting that must be given and is not is named, with the ways of giving it."""
        for config, setting in rows():
            if setting.default is MISSING:
                complaint = self.complaint(config, (), dict.fromkeys(setting.variables, ""))
                self.assertTrue(complaint.startswith(f"{setting.key}: missing; "), complaint)
                self.assertIn(setting.variables[0], complaint)
                self.assertIn(setting.key, complaint)

    def test_wrong(self) -> None:
        """A value that cannot be read is refused with setting, source and mend; secrets are not repeated."""
        for config, setting in rows():
            if setting.kind in (values.TEXT, values.NAMES, values.SECRET_BYTES):
                continue  # take any text that is not empty
            text = "*priv\xe4t*" + "\0" * (setting.kind is values.PATH)
            self.write(f'{setting.key}: "{text}"'.replace("\0", r"\0"))
            complaint = self.complaint(config, (), needed_without(config, setting))
            self.assertTrue(complaint.startswith(f"{setting.key}: {setting.key!r} in "), complaint)
            self.assertIn(";", complaint)
            self.assertEqual("*priv" in complaint, not setting.kind.private, complaint)

    def test_help(self) -> None:
        """Each setting stands in its command's help, with its default."""
        for config in LOADERS:
            text = help_text(Command(("x",), "", "Does it.", config), 70)
            self.assertLessEqual(max(map(len, text.splitlines())), 70)
            for setting in with_files(settings_of(config)):
                self.assertIn(f"\n  {setting.flag}", text)

    def test_pages(self) -> None:
        """The pages in the documentation are the ones that the tables make (``make settings`` writes them)."""
        docs = Path(__file__).parent.parent / "docs"
        for name, page in (("settings.rst", settings_page()), ("errors.rst", errors_page())):
            self.assertEqual((docs / name).read_text("utf-8"), page)

    def test_page_has_everything(self) -> None:
        """Flag, spelling of the seed, variables and key of every setting are on the page."""
        page = settings_page()
        for _, setting in rows():
            for name in (setting.flag, setting.seed, setting.key, *setting.variables):
                self.assertIn(name, page)

    def test_repr_holds_no_secret(self) -> None:
        """A configuration can be logged."""
        hub = self.load(HubConfig, ["--secret=hush", "--app-password=hush"])
        agent = self.load(AgentConfig, ["--token=hush", "--upstream=http://u:hush@h:1"])
        register = self.load(RegisterConfig, ["--secret=hush"])
        self.assertNotIn("hush", repr([hub, agent, register]))


def needed_without(config: type, setting: Setting) -> dict[str, str]:
    """The environment that sets what the configuration needs, except the setting under test."""
    return {name: "" for name in NEEDED[config] if name in setting.variables}


class FlagTests(Case):
    """The command line."""

    def test_switch(self) -> None:
        """A switch needs no value and takes one only behind ``=``, in the spellings that Go's flags take."""
        for arguments, expected in (
            (["--reportHardware"], True),
            (["--reportHardware=false"], False),
            (["--report-hardware=F"], False),
            (["--report-hardware=0", "--report-hardware"], True),
        ):
            self.assertIs(self.load(AgentConfig, arguments).report_hardware, expected)

    def test_switch_takes_no_word(self) -> None:
        """A word behind a switch is not its value."""
        complaint = self.complaint(AgentConfig, ["--reportHardware", "false"])
        self.assertIn("'false': an option was expected", complaint)

    def test_last_one_counts(self) -> None:
        """A setting given twice has its last value."""
        self.assertEqual(self.load(HubConfig, ["--port", "1", "--port", "2"]).port, 2)

    def test_many(self) -> None:
        """Settings of several values may be repeated and joined by commas."""
        arguments = ["--upstream", "a:1,b:2", "--upstream=c:3"]
        self.assertEqual(self.load(AgentConfig, arguments).upstreams, ("a:1", "b:2", "c:3"))

    def test_nothing_named(self) -> None:
        """A list without an element is refused."""
        self.assertIn("upstream: --upstream names nothing; give it with", self.complaint(AgentConfig, ["--upstream=,"]))

    def test_unknown(self) -> None:
        """An unknown option is refused, with the nearest one there is."""
        self.assertIn("--app-pasword: there is no such option; did you mean --app-password?",
                      self.complaint(HubConfig, ["--app-pasword=hush"]))
        self.assertEqual(self.complaint(HubConfig, ["-9"]), "-9: there is no such option (--help lists them)")

    def test_of_another_command(self) -> None:
        """The options of one command are unknown to another."""
        self.assertIn("--token: there is no such option", self.complaint(HubConfig, ["--token=hush"]))

    def test_value_missing(self) -> None:
        """An option at the end without its value is refused."""
        self.assertEqual(self.complaint(HubConfig, ["--port"]), "port: --port lacks its value; write --port N")

    def test_takes_value(self) -> None:
        """Which flags take the next word, whichever command they belong to."""
        for line, pieces in (
            ("--secret x y", ["--secret x", "y"]),
            ("--appPassword x", ["--appPassword x"]),
            ("--report-hardware x", ["--report-hardware", "x"]),
            ("--report-hardware true", ["--report-hardware", "true"]),
            ("--access-log json x", ["--access-log json", "x"]),
            ("--access-log hub", ["--access-log", "hub"]),
            ("--secret=x y", ["--secret=x", "y"]),
            ("--help x", ["--help", "x"]),
            ("--secret", ["--secret"]),
        ):
            self.assertEqual([" ".join(piece) for piece in words_of(line.split())], pieces)

    def test_access_log(self) -> None:
        """A format may follow, or nothing, as when it was but a switch."""
        for line, value in (
            ("", "on"), ("--access-log", "on"), ("--access-log=true", "on"), ("--access-log=false", "off"),
            ("--access-log --port=1", "on"), ("--access-log JSON --port=1", "json"), ("--access-log=off", "off"),
        ):  # fmt: skip
            self.assertEqual(self.load(HubConfig, line.split()).access_log, value)
        self.assertEqual(self.load(HubConfig, (), {"SLIME_ACCESS_LOG": "no"}).access_log, "off")
        for line in ("--access-log=apache", "--access-log apache", "--access-log apache --port 1"):
            self.assertIn("is unknown; give one of on, combined,", self.complaint(HubConfig, line.split()))

    def test_not_utf8(self) -> None:
        """A secret keeps its bytes, even where the command line is not UTF-8."""
        self.assertEqual(self.load(HubConfig, ["--secret", os.fsdecode(b"\xff\xfe")]).secret, b"\xff\xfe")

    def test_long_value_is_cut(self) -> None:
        """A complaint stays short, and holds no password of a URL."""
        complaint = self.complaint(AgentConfig, ["--hub", "http://u:hush@h/" + "x" * 500])
        self.assertLess(len(complaint), 200)
        self.assertNotIn("hush", complaint)
        for typed in (["--host", "h" * 5000], ["-" + "x" * 5000], ["x" * 5000], ["--reuse-port", "x" * 5000]):
            self.assertLess(len(self.complaint(HubConfig, typed)), 200)

    def test_wrong_characters(self) -> None:
        """A complaint is one line that can be shown, whatever was typed."""
        for strange in ("a\nb", "a\rb", "\x1b[2J", "\x7f", "\u2028", "\ud800"):
            for flag in ("--config", "--secret-file", "--state-dir", "--host", "--app-password", "--listen"):
                complaint = self.complaint(HubConfig, [flag, strange], NO_SECRET)
                self.assertTrue(complaint.isprintable(), (flag, complaint))
            for typed in (strange, f"--{strange}"):
                self.assertTrue(self.complaint(HubConfig, [typed]).isprintable(), typed)

    def test_path_that_is_no_utf8(self) -> None:
        """File systems know nothing of characters."""
        path = self.load(HubConfig, ["--state-dir", os.fsdecode(b"/a\xff")]).state_dir
        self.assertEqual(os.fsencode(path), b"/a\xff")

    @given(st.lists(st.text(string.printable, max_size=8) | st.sampled_from(["--port", "--secret=x", "--listen"])))
    def test_anything(self, arguments: list[str]) -> None:
        """Whatever is typed, there is a configuration or one line."""
        try:
            load_hub(arguments, {})
        except SettingError as error:
            self.assertTrue(str(error))


class ListeningTests(Case):
    """``--host`` and ``--port`` beside ``--listen``."""

    def listen(self, arguments: Sequence[str] = (), environ: Mapping[str, str] = {}) -> tuple[str, ...]:
        """The endpoints of a hub."""
        endpoints: tuple[str, ...] = self.load(HubConfig, arguments, environ).listen
        return endpoints

    def test_short_form(self) -> None:
        """Host and port make an endpoint."""
        self.assertEqual(self.listen(["--port", "9"]), ("tcp:9:interface=0.0.0.0:backlog=1024",))
        self.assertEqual(self.listen(["--host", "127.0.0.1"]), ("tcp:8080:interface=127.0.0.1:backlog=1024",))

    def test_ipv6(self) -> None:
        """An IPv6 address is quoted for the endpoint, with or without brackets."""
        for host in ("::1", "[::1]"):
            self.assertEqual(self.listen(["--host", host]), (r"tcp:8080:interface=\:\:1:backlog=1024",))

    def test_endpoints(self) -> None:
        """Endpoints replace host and port."""
        self.assertEqual(self.listen(["--listen", "tcp:1", "--listen", "unix:/x"]), ("tcp:1", "unix:/x"))

    def test_weightier_source_wins(self) -> None:
        """Of endpoint and port from different sources, the weightier source counts."""
        self.assertEqual(self.listen(["--listen", "tcp:1"], {"PORT": "2"}), ("tcp:1",))
        self.assertEqual(self.listen(["--port", "2"], {"SLIME_LISTEN": "tcp:1"})[0][:6], "tcp:2:")

    def test_both(self) -> None:
        """From one source, both are a contradiction."""
        complaint = self.complaint(HubConfig, ["--listen", "tcp:1", "--port", "2"])
        self.assertTrue(complaint.startswith("listen: --listen and --port are both given; "), complaint)


class SecretTests(Case):
    """Secrets from files."""

    def test_file(self) -> None:
        """A secret file's content counts without the line break at its end."""
        for content in ("hush", "hush\n", "hush\r\n"):
            path = self.write(content, "secret")
            self.assertEqual(self.load(HubConfig, ["--secret-file", str(path)], NO_SECRET).secret, b"hush")

    def test_bytes(self) -> None:
        """A secret in a file may be any bytes."""
        path = self.home / "secret"
        path.write_bytes(b"\xff\x00\n\n")
        self.assertEqual(self.load(HubConfig, ["--secret-file", str(path)], NO_SECRET).secret, b"\xff\x00\n")

    def test_everywhere(self) -> None:
        """The file can be named in the environment and in YAML as well."""
        path = str(self.write("hush", "secret"))
        for name in ("SLIME_SECRET_FILE", "SECRET_FILE"):
            self.assertEqual(self.load(HubConfig, (), {**NO_SECRET, name: path}).secret, b"hush")
        self.write(f"secret-file: {path}")
        self.assertEqual(self.load(HubConfig, (), NO_SECRET).secret, b"hush")

    def test_credentials(self) -> None:
        """systemd's credentials count more than YAML and less than the environment."""
        self.write("one", "secret")
        self.write("two", "app-password")
        self.write("appPassword: three")
        environ = {"CREDENTIALS_DIRECTORY": str(self.home)}
        self.assertEqual(self.load(HubConfig, (), environ).secret, b"s")
        config = self.load(HubConfig, (), {**NO_SECRET, **environ})
        self.assertEqual((config.secret, config.app_password), (b"one", b"two"))

    def test_no_such_credential(self) -> None:
        """A credential that systemd was not told to load is looked for elsewhere."""
        environ = {"CREDENTIALS_DIRECTORY": str(self.home)}
        self.assertEqual(self.load(HubConfig, (), environ).secret, b"s")
        self.assertEqual(self.load(RegisterConfig, ["--secret=x"], environ).secret, b"x")

    def test_both(self) -> None:
        """A secret and its file from one source contradict each other."""
        self.assertEqual(
            self.complaint(HubConfig, ["--secret=x", "--secret-file=y"]),
            "secret: --secret and --secret-file are both given; leave one out",
        )

    def test_unreadable(self) -> None:
        """A file that cannot be read is named with the reason."""
        self.assertEqual(
            self.complaint(HubConfig, ["--secret-file=/no/such"]),
            "secret: --secret-file names /no/such: No such file or directory",
        )

    def test_empty(self) -> None:
        """An empty secret is none."""
        path = self.write("\n", "secret")
        self.assertEqual(
            self.complaint(HubConfig, ["--secret-file", str(path)]),
            f"secret: {path}: empty; give a value or leave the setting out",
        )
        self.assertIn("secret-file: --secret-file says ''", self.complaint(HubConfig, ["--secret-file="]))

    def test_token(self) -> None:
        """A token may have white space around it, not in it."""
        self.assertEqual(self.load(AgentConfig, ["--token", " abc\n"]).token, "abc")
        for text in ("a b", "a\nb", "ä", "a\x7f"):
            self.assertIn("--token: not a token; copy it whole", self.complaint(AgentConfig, ["--token", text]))


NO_SECRET = {"SLIME_SECRET": ""}


class FileTests(Case):
    """The YAML file."""

    def test_named(self) -> None:
        """A file named on the command line or in the environment is read instead of the one at home."""
        self.write("port: 1")
        path = self.write("port: 2", "other.yaml")
        self.assertEqual(self.load(HubConfig).port, 1)
        self.assertEqual(self.load(HubConfig, ["--config", str(path)]).port, 2)
        self.assertEqual(self.load(HubConfig, (), {"SLIME_CONFIG": str(path)}).port, 2)

    def test_named_is_missing(self) -> None:
        """A file that was named has to be there."""
        self.assertEqual(
            self.complaint(HubConfig, ["--config=/no/such"]),
            "config: cannot read /no/such: No such file or directory",
        )

    def test_no_home(self) -> None:
        """Without a home there is no file."""
        self.assertEqual(load_hub(["--secret=x"], {}).port, 8080)

    def test_shared(self) -> None:
        """One file serves every command."""
        self.write("secret: a\nport: 1\ntoken: t\nhub: h\nupstream: [a:1, b:2]\nage: 1h\nnumWorker: 2\n")
        self.assertEqual(self.load(HubConfig).port, 1)
        self.assertEqual(self.load(AgentConfig, (), {"SLIME_UPSTREAM": ""}).upstreams, ("a:1", "b:2"))
        self.assertEqual(self.load(RegisterConfig).age, 3600.0)

    def test_text_is_left_alone(self) -> None:
        """YAML's own ideas of numbers and switches do not touch a password."""
        for text in ("0123", "no", "1e3", "12:30", "2001-01-01"):
            self.write(f"secret: {text}")
            self.assertEqual(self.load(HubConfig, (), NO_SECRET).secret, text.encode())

    def test_nothing_said(self) -> None:
        """An empty file, a key without a value and a comment say nothing."""
        nulls = [f"port: {null}\napp-password: {null}\nlisten: [{null}]\n" for null in ("~", "null", "Null", "NULL")]
        for text in ("", "# nothing\n", "---\n", "port:\n", "port: ''\n", "listen: []\n", *nulls):
            self.write(text)
            self.assertEqual((self.load(HubConfig).port, self.load(HubConfig).app_password), (8080, None))

    def test_null_as_a_word(self) -> None:
        """It can be a name, or a password that somebody insists on."""
        for text in ("'null'", '"null"', "nULL", "null null"):
            self.write(f"secret: {text}")
            self.assertEqual(self.load(HubConfig, (), NO_SECRET).secret, text.strip("'\"").encode())

    def test_unknown_key(self) -> None:
        """An unknown key is refused, with the nearest one there is."""
        path = self.write("apppasword: hush")
        self.assertEqual(
            self.complaint(HubConfig),
            f"'apppasword' in {path}: there is no such setting; did you mean app-password?",
        )
        self.write("zzzzzz: 1")
        self.assertNotIn("mean", self.complaint(HubConfig))
        self.write("z" * 5000 + ": 1")
        self.assertLess(len(self.complaint(HubConfig)), 200)

    def test_twice(self) -> None:
        """One setting under two spellings is a contradiction."""
        path = self.write("appPassword: a\napp-password: b\n")
        self.assertEqual(
            self.complaint(HubConfig),
            f"app-password: 'app-password' in {path} is given twice; leave 'appPassword' in {path} out",
        )

    def test_twice_the_same(self) -> None:
        """So is one key that stands there twice, of which YAML would take the last."""
        path = self.write("port: 1\nport: 2\n")
        self.assertEqual(
            self.complaint(HubConfig), f"port: 'port' in {path} is given twice; leave one of them out"
        )

    def test_depth(self) -> None:
        """A file of nothing but brackets is refused, too."""
        path = self.write("port: " + "[" * 5000)
        self.assertIn(f"config: {path} is not YAML", self.complaint(HubConfig))

    def test_nobody_at_home(self) -> None:
        """Without a home there is no file of the user's, least of all in the directory of the moment."""
        Path(".slime.yaml").write_text("port: 1\n")
        self.addCleanup(Path(".slime.yaml").unlink)
        for environ in ({"HOME": ""}, {}):
            self.assertEqual(load_hub((), {**environ, "SECRET": "s"}).port, 8080)

    def test_shape(self) -> None:
        """A list where one value belongs, or anything nested, is refused."""
        for text, wanted in (
            ("port: [1, 2]", "a single value"), ("port: {a: b}", "a single value"),
            ("secret: {a: b}", "a single value"),
            ("upstream: [[a]]", "a value, or a list of values"), ("scopes: {a: b}", "a value, or a list of values"),
        ):  # fmt: skip
            self.write(text)
            self.assertIn(f"is not {wanted}; give one", self.complaint(HubConfig, (), NO_SECRET))

    def test_no_mapping(self) -> None:
        """A file without settings in it is refused."""
        for text in ("- a\n- b\n", "just text", "[a]: b", "? [x]\n: y\n"):
            path = self.write(text)
            self.assertIn(f"config: {path} ", self.complaint(HubConfig))

    def test_no_yaml(self) -> None:
        """A file that is no YAML is refused with the line."""
        path = self.write("port: 1\n  bad: [\n")
        self.assertEqual(
            self.complaint(HubConfig), f"config: {path} is not YAML (line 2); write lines like port: 8080"
        )
        self.write("port: \x01\n")
        self.assertIn("is not YAML; write", self.complaint(HubConfig))

    def test_no_text(self) -> None:
        """A file that is no text is refused."""
        path = self.home / ".slime.yaml"
        path.write_bytes(b"port: \xff\xff")
        self.assertEqual(self.complaint(HubConfig), f"config: cannot read {path}: it is not UTF-8 text")

    @given(st.text(max_size=30))
    def test_anything(self, text: str) -> None:
        """Whatever the file holds, there is a configuration or one line."""
        path = Path("any.yaml")
        path.write_text(text, "utf-8", errors="replace")
        try:
            load_hub(["--config", str(path)], {"SECRET": "s"})
        except SettingError as error:
            self.assertTrue(str(error))


class EnvironmentTests(Case):
    """Environment variables."""

    def test_prefixed_first(self) -> None:
        """Our own variable counts more than the seed's."""
        self.assertEqual(self.load(HubConfig, (), {"PORT": "1", "SLIME_PORT": "2"}).port, 2)

    def test_empty(self) -> None:
        """An empty variable says nothing."""
        self.assertEqual(load_hub((), {"SECRET": "s", "PORT": "", "SLIME_PORT": ""}).port, 8080)

    def test_named_in_complaint(self) -> None:
        """A complaint names the variable."""
        self.assertEqual(
            self.complaint(HubConfig, (), {"PORT": "http"}),
            "port: PORT in the environment says 'http', which is not a whole number; give one from 0 to 65535",
        )


class UpstreamTests(Case):
    """Upstreams are judged by whoever will connect to them."""

    def test_refused(self) -> None:
        """The judge's sentence is the complaint; the address may hold a password and is not repeated."""

        def judge(text: str) -> None:
            raise ValueError("Too far.")

        error = self.assertRaises(
            SettingError, load_agent, ["--upstream=u:hush@h"], {"TOKEN": "t", "HUB": "h"}, judge
        )
        self.assertEqual(str(error), "upstream: --upstream: Too far.")


class ValueTests(SynchronousTestCase):
    """The kinds of value."""

    def test_duration(self) -> None:
        """Durations as Go writes them, days, and bare seconds."""
        for text, seconds in (
            ("90s", 90.0), ("1h2m3s", 3723.0), ("1.5h", 5400.0), ("250ms", 0.25), ("2d", 172800.0), ("7", 7.0),
            ("0.5", 0.5), ("10us", 1e-5), ("10µs", 1e-5), ("5ns", 5e-9), (".5s", 0.5), ("0", 0.0), ("1m", 60.0),
        ):
            self.assertAlmostEqual(parse_duration(text), seconds)

    def test_no_duration(self) -> None:
        """What is not a duration is refused."""
        for text in ("", "s", "-1s", "1 s", "1x", "1s2", "1h 2m", "٣s", "inf", "nan", "1e3", "99999999999999"):
            error = self.assertRaises(ValueError, parse_duration, text)
            self.assertIn("write one like 90s", str(error))

    @given(st.integers(0, 10**7))
    def test_duration_shown(self, milliseconds: int) -> None:
        """A duration shown is read as the same."""
        seconds = milliseconds / 1000
        self.assertAlmostEqual(parse_duration(show_duration(seconds)), seconds, places=2)

    def test_shown_duration(self) -> None:
        """Durations are shown in the largest units that fit."""
        shown = [show_duration(seconds) for seconds in (0.0, 0.25, 2.0, 75.0, 600.0, 3600.0, 3723.5)]
        self.assertEqual(shown, ["0", "250ms", "2s", "1m15s", "10m", "1h", "1h2m3.5s"])

    def test_size(self) -> None:
        """Sizes by powers of 1024 or 1000."""
        for text, count in (
            ("64KiB", 65536), ("10MB", 10**7), ("1k", 1024), ("2M", 2 * 1024**2), ("1.5KiB", 1536), ("12", 12),
            ("7B", 7), ("1 GiB", 1024**3), ("1tb", 10**12), ("0", 0),
        ):
            self.assertEqual(parse_size(text), count)

    def test_no_size(self) -> None:
        """What is not a size is refused."""
        for text in ("", "KiB", "-1", "1kibi", "0x10", "1_000", "1e3", "٣", "1  KiB"):
            error = self.assertRaises(ValueError, parse_size, text)
            self.assertIn("write one like 64KiB", str(error))

    @given(st.integers(0, 10**15))
    def test_size_shown(self, count: int) -> None:
        """A size shown is read as the same."""
        self.assertEqual(parse_size(show_size(count)), count)

    def test_bounds(self) -> None:
        """A value out of its bounds is refused with them."""
        for kind, text, bounds in (
            (values.integer(1, 5), "0", "from 1 to 5"),
            (values.integer(1, 5), "6", "from 1 to 5"),
            (values.duration(0.5, 90), "2m", "from 500ms to 1m30s"),
            (values.size(1024, 2048), "3KiB", "from 1KiB to 2KiB"),
        ):
            self.assertIn(f"out of range; give one {bounds}", str(self.assertRaises(ValueError, kind.parse, text)))

    def test_hub_address(self) -> None:
        """Every way of writing a hub's address leads to the URL that agents dial."""
        for text, url in (
            ("hub", "ws://hub"),
            ("hub:8080", "ws://hub:8080"),
            ("10.0.0.1:8080", "ws://10.0.0.1:8080"),
            ("[::1]:8080", "ws://[::1]:8080"),
            ("http://hub/", "ws://hub"),
            ("https://hub", "wss://hub"),
            ("wss://hub:1/base/", "wss://hub:1/base"),
            ("ws://hub/v1/agent/tunnel", "ws://hub"),
            ("HTTPS://Hub", "wss://hub"),
        ):
            self.assertEqual(values.HUB_ADDRESS.parse(text), f"{url}/v1/agent/tunnel")

    def test_no_hub_address(self) -> None:
        """What agents cannot dial is refused."""
        for text in ("", "ftp://hub", "http://", "hub:port", "hub:99999", "http://u:p@hub", "hub/?a", "hub/#a",
                     "::1", "[::1", "a b", "http://hub\n", "hub:0", "a..b", "a,b:1", f"{'x' * 64}.example"):
            self.assertIn("not a hub's address", str(self.assertRaises(ValueError, values.HUB_ADDRESS.parse, text)))

    def test_no_network(self) -> None:
        """What is no network of proxies is refused; one that is written in a confusing way, too."""
        for text in ("", "localhost", "10.0.0.0/33", "10.0.0", "10.0.0.0/8/8", "unix:/run/x"):
            self.assertIn("not a network; write", str(self.assertRaises(ValueError, values.NETWORKS.parse, text)))
        self.assertIn("bits set", str(self.assertRaises(ValueError, values.NETWORKS.parse, "10.0.0.1/8")))

    def test_printable(self) -> None:
        """A name that would spoil a log line is refused."""
        self.assertIn("not printable", str(self.assertRaises(ValueError, values.TEXT.parse, "a\nb")))

    def test_names_are_once(self) -> None:
        """No two settings of all commands differ in meaning under one name."""
        self.assertEqual(len(ALL_SETTINGS), len({setting.key for setting in ALL_SETTINGS}))
