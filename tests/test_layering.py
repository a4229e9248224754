"""Who may import whom, and how long things may be: the rules of the house, read off the source."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).parent.parent

#: Modules that do no I/O and own no clock. Packages count with all that is in them.
PURE = ("slime.errors", "slime.names", "slime.record", "slime.tokens", "slime.http", "slime.tunnel", "slime.seed",
        "slime.hub.classes", "slime.hub.dispatch", "slime.hub.seats")  # fmt: skip

#: What pure modules may import besides the standard library and each other.
PURE_MAY_IMPORT = {"slime.tokens": ("cryptography",), "slime.seed.tokens": ("cryptography",)}

#: The part of the standard library that is not for pure modules.
IMPURE = {"asyncio", "io", "os", "random", "secrets", "select", "signal", "socket", "ssl", "subprocess", "threading",
          "time", "urllib.request", "http.client"}  # fmt: skip

#: What touches sockets, each with the modules that are part of it; ``service`` wires them, nobody else does.
ADAPTERS = (
    ("slime.hub.channel", "slime.hub.request", "slime.hub.site"),
    ("slime.hub.gateway",),
    ("slime.hub.links",),
    ("slime.hub.seedagents", "slime.hub.seedlink", "slime.hub.seedstream"),
    ("slime.agent.link",),
    ("slime.agent.upstream",),
)

#: An adapter may know these of another one: what is passed between them, made by neither.
SHARED = {"slime.hub.request"}

AUTOBAHN = {"slime.hub.links", "slime.agent.link", "slime.wslink", "slime.wsframe", "slime.websocket"}

#: Where a process begins, and so where the reactor of the process may be taken.
REACTOR = {
    ("slime.hub.tap", "makeService"),
    ("slime.agent.tap", "makeService"),
    ("slime.cli", "_serve"),
    ("slime.demo.upstream", "main"),
}


class Import(NamedTuple):
    """One name imported: by which module, within which function, and whether it happens when the code runs."""

    importer: str
    function: str
    name: str
    runs: bool


def module_name(path: Path) -> str:
    """``slime/hub/tap.py`` is ``slime.hub.tap``."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(node: ast.AST, importer: str, function: str = "", runs: bool = True) -> Iterator[Import]:
    """Every import below a node of a module's syntax tree."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(importer, function, alias.name, runs) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = "." * child.level + (child.module or "")
            yield from (Import(importer, function, f"{base}.{alias.name}", runs) for alias in child.names)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from imports_of(ast.Module(child.body, []), importer, function, runs=False)
            yield from imports_of(ast.Module(child.orelse, []), importer, function, runs)
        else:
            named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from imports_of(child, importer, child.name if named else function, runs)


MODULES = {module_name(path): ast.parse(path.read_text("utf-8")) for path in ROOT.glob("slime/**/*.py")}
IMPORTS = [found for name, tree in MODULES.items() for found in imports_of(tree, name)]


def within(name: str, packages: Iterable[str]) -> bool:
    """Whether a name is one of these modules, or in them."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


class LayeringTests(SynchronousTestCase):
    """Each rule lists what breaks it."""

    def assertNone(self, broken: Iterable[Import]) -> None:
        """No import breaks the rule."""
        self.assertEqual([f"{found.importer} imports {found.name}" for found in broken], [])

    def test_sources_are_read(self) -> None:
        """The rules below look at something, and name modules that exist."""
        named = {*PURE, *AUTOBAHN, *SHARED, *(module for module, _ in REACTOR), *sum(ADAPTERS, ())}
        self.assertEqual(named - set(MODULES), set())
        self.assertGreater(len(IMPORTS), 200)

    def test_absolute(self) -> None:
        """Imports are absolute, so that these rules can read them."""
        self.assertNone(found for found in IMPORTS if found.name.startswith("."))

    def test_hub_and_agent(self) -> None:
        """Hub and agent share the wire, not code."""
        sides = ("slime.hub", "slime.agent")
        self.assertNone(
            found
            for found in IMPORTS
            for one, other in (sides, sides[::-1])
            if within(found.importer, [one]) and within(found.name, [other])
        )

    def test_pure(self) -> None:
        """Pure modules import the standard library, without what does I/O or knows the time, and each other."""
        self.assertNone(found for found in IMPORTS if found.runs and within(found.importer, PURE) and not pure(found))

    def test_adapters(self) -> None:
        """Adapters never import each other."""
        self.assertNone(
            found
            for found in IMPORTS
            for mine in ADAPTERS
            for other in ADAPTERS
            if found.runs and mine is not other and within(found.importer, mine)
            if within(found.name, other) and not within(found.name, SHARED)
        )

    def test_autobahn(self) -> None:
        """autobahn is for links alone."""
        self.assertNone(
            found for found in IMPORTS if within(found.name, ["autobahn"]) and found.importer not in AUTOBAHN
        )

    def test_reactor(self) -> None:
        """The reactor of the process is taken where a process begins, and passed on."""
        self.assertNone(
            found
            for found in IMPORTS
            if within(found.name, ["twisted.internet.reactor"]) and found[:2] not in REACTOR
        )

    def test_core_knows_no_command(self) -> None:
        """Nobody imports the command line, and the demonstration is for nobody's use but its own."""
        self.assertNone(
            found
            for found in IMPORTS
            if within(found.name, ["slime.cli", "slime.demo"])
            and not within(found.importer, ["slime.cli", "slime.demo", "slime.__main__"])
        )


def pure(found: Import) -> bool:
    """Whether a pure module may import this."""
    if within(found.name, ["slime"]):
        return within(found.name, PURE)
    top = found.name.partition(".")[0]
    if within(found.name, ["random.Random"]):
        return True  # a source of chance that is an argument; to make one is not pure, but takes a seed
    if within(found.name, IMPURE) or top in IMPURE:
        return False
    return top in sys.stdlib_module_names or within(found.name, PURE_MAY_IMPORT.get(found.importer, ()))


class SizeTests(SynchronousTestCase):
    """Nothing is so long that it has to be read twice. What is said in CONTRIBUTING.rst is the aim; this is the end."""

    LINES = (((ast.FunctionDef, ast.AsyncFunctionDef), 40), ((ast.ClassDef,), 260))
    MODULE = 400
    #: A table, and what tests alone read.
    EXEMPT = {"slime.settings", "slime.testing_upstream"}

    def test_functions_and_classes(self) -> None:
        for name, tree in MODULES.items():
            for kinds, most in self.LINES:
                for node in ast.walk(tree):
                    if isinstance(node, kinds):
                        self.assertLessEqual(node.end_lineno - node.lineno, most, f"{name}: {node.name}")

    def test_modules(self) -> None:
        for path in ROOT.glob("slime/**/*.py"):
            if module_name(path) not in self.EXEMPT:
                self.assertLessEqual(len(path.read_text("utf-8").splitlines()), self.MODULE, path.name)
