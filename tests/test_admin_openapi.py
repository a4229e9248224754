"""The admin site is as its OpenAPI description says, and the description leaves nothing out."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.request import urlopen

import jsonschema_rs
import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings
from requests import Session
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

import slime.hub.admin
from slime.demo.fleet import AgentProcess, HubProcess
from slime.hub.admin.guard import Guard
from slime.hub.admin.routes import Routes
from tests.e2e.harness import Application, SlimeTestCase, Upstream

DESCRIPTION = Path(slime.hub.admin.__file__).parent / "openapi.yaml"
DOCUMENT: dict[str, Any] = yaml.safe_load(DESCRIPTION.read_text("utf-8"))
SCHEMA = schemathesis.openapi.from_path(DESCRIPTION)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 10

#: It has no end.
ENDLESS = "/api/v1/events"


@cache
def place() -> str:
    """The admin site of a hub whose one agent is at work while two requests wait. Leashes end its processes."""
    state = Path("admin-state").absolute()
    hub = HubProcess(SlimeTestCase.SECRET, "--state-dir", str(state), admin="tcp:0:interface=127.0.0.1")
    upstream, token = Upstream(), hub.token("alpha")
    AgentProcess("alpha", f"127.0.0.1:{hub.port}", token, "--upstream", upstream.address)
    hub.wait_for_agent("alpha")
    for _ in range(3):
        application = Application(hub.port)
        application.ask(b"POST /v1/chat", b"Slime-Block: 1", body=b"question")
        KEPT.append(application)
    KEPT.extend([upstream, upstream.next()])
    return hub.child.wait_for(r"admin site is at (http://\S+)/")[1]


#: Connections that must stay open as long as the hub is asked.
KEPT: list[object] = []


class OpenApiTests(SlimeTestCase):
    """What can be asked is asked, with arguments that are right and with arguments that are not."""

    def test_everything_is_described(self) -> None:
        """The paths and methods of the site are those of the description, but for the page's own files."""
        routes = Routes(Mock(), Guard()).routes
        answered = {
            ("/" + "/".join(route.path), route.verb.lower()) for route in routes if route.path[0] not in ("", "page")
        }
        described = {(path, verb) for path, verbs in DOCUMENT["paths"].items() for verb in verbs}
        self.assertEqual(answered, described)

    def probe(self, path: str, mode: GenerationMode) -> None:
        """Ask for everything that is on a path, and check every answer."""
        for found in SCHEMA.get_all_operations():
            operation = found.ok()
            described = DOCUMENT["paths"][operation.path][operation.method]
            if operation.path != path or (mode is GenerationMode.NEGATIVE and not _takes_something(described)):
                continue
            strategy = operation.as_strategy(generation_mode=mode)

            @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
            @given(case=strategy)
            def ask(case: Case) -> None:
                response = case.call(base_url=place(), session=session, headers={"Slime-Admin": "1"})
                case.validate_response(response, checks=CHECKS)

            with Session() as session:
                ask()

    def test_events(self) -> None:
        """The first event is a snapshot whose members are as the paths of their names have them."""
        with urlopen(f"{place()}{ENDLESS}", timeout=10) as answer:
            while not (line := answer.readline()).startswith(b"data: "):
                pass
        snapshot = json.loads(line.removeprefix(b"data: "))
        self.assertEqual(set(snapshot), {"status", "agents", "exchanges", "queue", "journal", "points"})
        for name in ("status", "queue", "exchanges"):
            self.assertFits(snapshot[name], _answer(f"/api/v1/{name}"))
        self.assertFits(snapshot["points"], {"$ref": "#/components/schemas/Points"})
        self.assertFits({"now": 0, "agents": snapshot["agents"]}, _answer("/api/v1/agents"))
        self.assertFits({"now": 0, "happenings": snapshot["journal"]}, _answer("/api/v1/journal"))
        self.assertEqual([agent["state"] for agent in snapshot["agents"]], ["busy"])
        self.assertEqual(snapshot["status"]["in_progress"], 3)

    def assertFits(self, value: Any, schema: dict[str, Any]) -> None:
        """The value is as the schema, a part of the description, wants it."""
        whole = {**schema, "components": DOCUMENT["components"]}
        jsonschema_rs.validator_for(whole).validate(value)


def _answer(path: str) -> dict[str, Any]:
    """The schema of a path's good answer."""
    schema: dict[str, Any] = DOCUMENT["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    return schema


def _add_tests() -> None:
    for path, verbs in DOCUMENT["paths"].items():
        if path != ENDLESS:
            _add_test(path, GenerationMode.POSITIVE)
        if any(map(_takes_something, verbs.values())):
            _add_test(path, GenerationMode.NEGATIVE)


def _takes_something(operation: dict[str, Any]) -> bool:
    """Can it be asked in a wrong way?"""
    return "parameters" in operation or "requestBody" in operation


def _add_test(path: str, mode: GenerationMode) -> None:
    def test(self: OpenApiTests) -> None:
        self.probe(path, mode)

    name = path.strip("/").replace("/", "_").replace("{", "").replace("}", "").replace(".", "_")
    test.__doc__ = f"{path}, {mode.value} arguments."
    setattr(OpenApiTests, f"test_{name}_{mode.value}", test)


_add_tests()
