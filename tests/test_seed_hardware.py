"""The earlier program's report of a machine, read."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from slime.seed.hardware import hardware_in
from tests.tunnel_strategies import json_values

WHOLE = {
    "CPUCores": 8, "CPUThreads": 16, "MemoryUsableGB": 31, "MemoryPhysicalGB": 32.5, "GPUNames": ["A", "B"],
    "MacAddresses": ["00:11:22:33:44:55"], "PlatformArch": "amd64", "PlatformOS": "linux",
}  # fmt: skip


def read(report: Any) -> dict[str, Any]:
    """What is made of a report."""
    return hardware_in(json.dumps(report).encode())


class HardwareTests(SynchronousTestCase):
    """In slime's own words."""

    def test_whole(self) -> None:
        """All that it has, but for addresses of network cards."""
        self.assertEqual(
            read(WHOLE),
            {"platform": "linux amd64", "cores": 8, "threads": 16, "memory": 31 * 2**30,
             "memory_physical": 65 * 2**29, "gpus": ["A", "B"]},
        )  # fmt: skip

    def test_parts(self) -> None:
        """What is not there, empty, or not what it should be is left out."""
        self.assertEqual(read({}), {})
        self.assertEqual(read({"PlatformOS": "linux", "GPUNames": None, "CPUCores": 0}), {"platform": "linux"})
        wrong = {"CPUCores": True, "CPUThreads": 1e9, "MemoryUsableGB": "31", "MemoryPhysicalGB": -1, "PlatformOS": 5}
        self.assertEqual(read({**wrong, "GPUNames": [1, "A", None]}), {"gpus": ["A"]})
        self.assertEqual(read({"CPUCores": 10**400, "MemoryUsableGB": 10**400}), {})
        for name in ("NaN", "Infinity", "1e999"):
            self.assertEqual(hardware_in(b'{"MemoryUsableGB": %b}' % name.encode()), {})

    def test_too_much(self) -> None:
        """A hub remembers thousands of reports, so none may be long."""
        report = read({"PlatformOS": "x" * 1000, "GPUNames": ["card" * 100] * 1000})
        self.assertEqual((len(report["platform"]), len(report["gpus"])), (100, 32))
        self.assertEqual(set(report["gpus"]), {"card" * 25})

    def test_no_report(self) -> None:
        """Nothing, or what is no object of JSON."""
        for body in (b"", b"{", b"[]", b"null", b"7", b"\xff", b"[" * 10_000, b'{"a": %b}' % (b"9" * 10_000)):
            self.assertEqual(hardware_in(body), {})

    @given(json_values)
    def test_anything(self, value: Any) -> None:
        """Whatever stands in each member, it can be told on."""
        json.dumps(read(dict.fromkeys(WHOLE, value)), allow_nan=False)
