"""The image, the compose file and the manifests, read as what they say of slime and of themselves.

No engine is needed: every command line, variable and path in them has to be one of slime's, and every name has to be
declared where it is used.
"""

from __future__ import annotations

import http.server
import re
import runpy
import shlex
from pathlib import Path
from threading import Thread
from typing import Any
from unittest.mock import patch

import yaml
from twisted.trial.unittest import SynchronousTestCase

from slime.cli import COMMANDS, split_command
from slime.demo.upstream import ToyOptions
from slime.hub.admin.routes import Route
from slime.settings import DEFAULT_ADMIN, AgentConfig, HubConfig, RegisterConfig, settings_of
from slime.sources import load_agent, load_hub, load_register, with_files

ROOT = Path(__file__).parent.parent
DOCKER = ROOT / "docker"
SECRET_TEXT = "what-a-secret-says"
LOADERS: dict[tuple[str, ...], Any] = {
    ("hub", "run"): load_hub, ("hub", "register"): load_register, ("agent", "run"): load_agent,
}  # fmt: skip
VARIABLES = {
    variable
    for config in (HubConfig, AgentConfig, RegisterConfig)
    for setting in with_files(settings_of(config))
    for variable in setting.variables
}
#: Python's, and the system's.
FOREIGN = {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and what follows them, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (DOCKER / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = (line.partition(" ") for line in text.splitlines() if line)
    return [(word, " ".join(rest.split())) for word, _, rest in lines]


def of(word: str) -> list[str]:
    """What follows an instruction, each time it is there."""
    return [rest for name, rest in instructions() if name == word]


class Case(SynchronousTestCase):
    """Checks what container files say of slime."""

    def check_command(self, words: list[str], environ: dict[str, str]) -> Any:
        """A command line of slime's with its environment; its configuration."""
        self.assertEqual(set(environ) - VARIABLES - FOREIGN, set())
        command, rest = split_command(words)
        self.assertIn(command, COMMANDS)
        secret = Path(self.mktemp())
        secret.write_text(SECRET_TEXT)
        given = {name: str(secret) if name.endswith("_FILE") else value for name, value in environ.items()}
        return LOADERS[command](rest, given)

    def check_toy(self, entry: list[str], words: list[str]) -> None:
        """A command line of the toy upstream."""
        self.assertEqual(entry, ["python", "-m", "slime.demo.upstream"])
        options = ToyOptions()
        options.parseOptions(words)
        self.assertEqual(options["port"], 8000)


class DockerfileTests(Case):
    """The image."""

    def test_instructions(self) -> None:
        """Only those that are needed, and none that fetches from elsewhere."""
        known = {"ARG", "FROM", "WORKDIR", "RUN", "COPY", "LABEL", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL",
                 "HEALTHCHECK", "ENTRYPOINT", "CMD"}  # fmt: skip
        self.assertEqual({word for word, _ in instructions()} - known, set())

    def test_base(self) -> None:
        """Both stages stand on one base with a version, which a digest can replace."""
        self.assertEqual(of("FROM"), ["${BASE} AS build", "${BASE}"])
        (base,) = of("ARG")
        self.assertRegex(base, r"^BASE=python:3\.\d+-slim-[a-z]+$")

    def test_copies_exist(self) -> None:
        """What is copied is there, and is not ignored."""
        kept = [line[1:] for line in (DOCKER / "Dockerfile.dockerignore").read_text().split() if line.startswith("!")]
        for rest in of("COPY"):
            words = shlex.split(rest)
            if words[0].startswith("--from="):
                self.assertEqual(words[0], "--from=build")
                continue
            for source in words[:-1]:
                self.assertTrue((ROOT / source).exists(), source)
                self.assertIn(source, kept)

    def test_least_privilege(self) -> None:
        """It runs as nobody in particular, whom clusters can tell from root by the number."""
        last = [word for word, _ in instructions()].index("USER")
        self.assertNotIn("RUN", [word for word, _ in instructions()][last:])
        self.assertEqual(of("USER"), ["10001:10001"])

    def test_pip(self) -> None:
        """pip leaves nothing behind, and installs exact versions only."""
        installs = [rest for rest in of("RUN") if "pip install" in rest]
        self.assertEqual(len(installs), 2)
        for rest in installs:
            self.assertIn("--no-cache-dir", rest)
            self.assertTrue("-r requirements/run.txt" in rest or "--no-deps" in rest)

    def test_environment(self) -> None:
        """Its variables are slime's, Python's or the system's."""
        names = {word.partition("=")[0] for rest in of("ENV") for word in shlex.split(rest)}
        self.assertEqual(names - VARIABLES - FOREIGN, set())

    def test_command(self) -> None:
        """Signals reach slime itself, and without arguments it is a hub."""
        (entry,), (command,) = of("ENTRYPOINT"), of("CMD")
        self.assertEqual(entry, '["slime"]')
        config = self.check_command(yaml.safe_load(command), {"SLIME_SECRET_FILE": ""})
        self.assertEqual(of("EXPOSE"), [str(config.port)])
        self.assertEqual(of("STOPSIGNAL"), ["SIGTERM"])


class HealthTests(SynchronousTestCase):
    """The health check."""

    def outcome(self, command: bytes, address: str) -> int:
        """The check's status in a container that runs this command."""
        script = runpy.run_path(str(DOCKER / "healthy.py"))
        script["main"].__globals__["ADMIN"] = address
        with patch.object(Path, "read_bytes", lambda path: command), patch("sys.stderr"):
            return int(script["main"]())

    def test_where(self) -> None:
        """It asks where the admin site is by default."""
        script = runpy.run_path(str(DOCKER / "healthy.py"))
        _, port, interface = DEFAULT_ADMIN.split(":")
        self.assertEqual(script["ADMIN"], f"http://{interface.partition('=')[2]}:{port}/healthz")

    def test_outcomes(self) -> None:
        """A hub is asked; agents are well while they run."""

        class Site(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if self.path == "/healthz" else 503)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                """Say nothing."""

        with http.server.HTTPServer(("127.0.0.1", 0), Site) as server:
            thread = Thread(target=server.serve_forever)
            thread.start()
            address = f"http://127.0.0.1:{server.server_port}"
            try:
                self.assertEqual(self.outcome(b"python\0slime\0hub\0run\0", f"{address}/healthz"), 0)
                self.assertEqual(self.outcome(b"python\0slime\0hub\0run\0", f"{address}/ill"), 1)
            finally:
                server.shutdown()
                thread.join()
        self.assertEqual(self.outcome(b"python\0slime\0hub\0run\0", address), 1)
        self.assertEqual(self.outcome(b"python\0slime\0agent\0run\0", address), 0)


class ComposeTests(Case):
    """The compose file."""

    def setUp(self) -> None:
        self.file: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
        self.services: dict[str, dict[str, Any]] = self.file["services"]

    def test_commands(self) -> None:
        """A hub, two agents that find it and their upstreams, and these upstreams."""
        hub = self.check_command(self.services["hub"]["command"], self.services["hub"]["environment"])
        self.assertEqual((hub.secret, hub.app_password), (SECRET_TEXT.encode(), SECRET_TEXT.encode()))
        for name in ("alpha", "beta"):
            agent = self.check_command(self.services[name]["command"], self.services[name]["environment"])
            self.assertEqual(agent.hub, f"ws://hub:{hub.port}/v1/agent/tunnel")
            self.assertEqual(agent.upstreams, ("127.0.0.1:8000",))
            toy = self.services[f"upstream-{name}"]
            self.check_toy(toy["entrypoint"], toy["command"])
            self.assertEqual(toy["network_mode"], f"service:{name}")

    def test_tokens(self) -> None:
        """Each agent's token is made, where the agent looks for it."""
        (script,) = self.services["tokens"]["command"]
        (command,) = re.findall(r"slime (.*?) >", script)
        self.check_command(shlex.split(command), self.services["tokens"]["environment"])
        (names,) = re.findall(r"for name in (.*?);", script)
        for name in names.split():
            place = self.services[name]["environment"]["SLIME_TOKEN_FILE"]
            self.assertEqual(place, f"/run/tokens/{name}.token")
            self.assertIn("tokens:/run/tokens:ro", self.services[name]["volumes"])
        self.assertEqual(self.services["tokens"]["volumes"], [f"tokens:{of('WORKDIR')[-1]}"])

    def test_names(self) -> None:
        """What is used is declared."""
        for service in self.services.values():
            self.assertEqual(set(service.get("depends_on", ())) - set(self.services), set())
            self.assertEqual(set(service.get("secrets", ())) - set(self.file["secrets"]), set())
            volumes = {volume.partition(":")[0] for volume in service.get("volumes", ())}
            self.assertEqual(volumes - set(self.file["volumes"]), set())
            for name, path in service.get("environment", {}).items():
                if path.startswith("/run/secrets/"):
                    self.assertIn(path.removeprefix("/run/secrets/"), service["secrets"], name)

    def test_tight(self) -> None:
        """Nothing may write to its root, gain privileges, or be cut off in its grace."""
        for service in self.services.values():
            self.assertTrue(service["read_only"])
            self.assertEqual(service["cap_drop"], ["ALL"])
            self.assertEqual(service["security_opt"], ["no-new-privileges:true"])
            self.assertGreater(int(service["stop_grace_period"].rstrip("s")), HubConfig.grace + 10)


class KubernetesTests(Case):
    """The manifests."""

    def setUp(self) -> None:
        texts = [path.read_text() for path in (DOCKER / "kubernetes").glob("*.yaml")]
        self.objects = [found for text in texts for found in yaml.safe_load_all(text)]

    def kind(self, kind: str) -> dict[str, Any]:
        """The specifications of objects of a kind, by name."""
        return {found["metadata"]["name"]: found["spec"] for found in self.objects if found["kind"] == kind}

    def container(self, deployment: str, name: str) -> dict[str, Any]:
        """A container, by name."""
        pod = self.kind("Deployment")[deployment]["template"]["spec"]
        (found,) = (one for one in pod["containers"] if one["name"] == name)
        self.assertIsInstance(found, dict)
        return dict(found)

    def configured(self, container: dict[str, Any]) -> Any:
        """The configuration of a container."""
        return self.check_command(container["args"], {one["name"]: one["value"] for one in container["env"]})

    def test_commands(self) -> None:
        """The hub, the agent and the toy are started as they can be, and find each other."""
        hub = self.configured(self.container("slime-hub", "hub"))
        ports = {one["name"]: one["containerPort"] for one in self.container("slime-hub", "hub")["ports"]}
        self.assertEqual((hub.port, hub.admin), (ports["http"], f"tcp:{ports['admin']}"))
        self.assertIsNotNone(hub.admin_token)
        agent = self.configured(self.container("slime-provider", "agent"))
        (service,) = self.kind("Service")["slime-hub"]["ports"]
        self.assertEqual(agent.hub, f"ws://slime-hub:{service['port']}/v1/agent/tunnel")
        toy = self.container("slime-provider", "toy")
        self.check_toy(toy["command"], toy["args"])

    def test_probes(self) -> None:
        """What is asked is answered without a token."""
        hub = self.container("slime-hub", "hub")
        paths = {hub[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
        self.assertEqual(paths, {"/healthz", "/readyz"})
        source = Path(str(__import__(Route.__module__, fromlist=["x"]).__file__)).read_text()
        for path in paths:
            self.assertRegex(source, rf'\["{path[1:]}"\].*guarded=False')

    def test_selectors(self) -> None:
        """Whatever selects pods selects those that are there."""
        for name, deployment in self.kind("Deployment").items():
            labels = deployment["template"]["metadata"]["labels"]
            self.assertEqual(deployment["selector"]["matchLabels"], labels)
            self.assertEqual(self.kind("PodDisruptionBudget")[name]["selector"]["matchLabels"], labels)
        self.assertEqual(self.kind("Service")["slime-hub"]["selector"], {"app": "slime-hub"})

    def test_time_to_stop(self) -> None:
        """The grace fits into the time that the cluster gives, whatever comes before it."""
        for deployment in self.kind("Deployment").values():
            pod = deployment["template"]["spec"]
            for container in pod["containers"]:
                hook = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", "0"])
                grace = 0.0 if container["name"] == "toy" else HubConfig.grace + 10
                self.assertEqual(hook[0], "sleep")
                self.assertGreater(pod["terminationGracePeriodSeconds"], float(hook[1]) + grace)

    def test_tight(self) -> None:
        """Pods pass for restricted."""
        for deployment in self.kind("Deployment").values():
            pod = deployment["template"]["spec"]
            self.assertEqual(f"{pod['securityContext']['runAsUser']}:10001", of("USER")[0])
            mounted = {volume["name"] for volume in pod["volumes"]}
            for container in pod["containers"]:
                context = container["securityContext"]
                self.assertTrue(context["readOnlyRootFilesystem"])
                self.assertFalse(context["allowPrivilegeEscalation"])
                self.assertLessEqual({one["name"] for one in container.get("volumeMounts", ())}, mounted)
