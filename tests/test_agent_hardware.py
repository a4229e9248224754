"""What an agent tells of its machine."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pynvml
from twisted.trial.unittest import SynchronousTestCase

from slime.agent import hardware as module
from slime.agent.hardware import MAX_REPORT, checked, gpu_names, hardware, mac_addresses


class Case(SynchronousTestCase):
    """A machine whose ``/sys`` a test writes."""

    def setUp(self) -> None:
        self.sys = Path(self.mktemp())
        self.patch(module, "_SYS", self.sys)

    def write(self, path: str, text: str) -> None:
        """A file there."""
        place = self.sys / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"{text}\n")


class HardwareTests(Case):
    """Processor and memory."""

    def test_this_machine(self) -> None:
        """Whatever it is, it can be told, and makes sense."""
        self.patch(module, "_SYS", Path("/sys"))
        facts = hardware()
        self.assertEqual(json.loads(json.dumps(checked(hardware))), facts)
        self.assertGreaterEqual(facts["threads"], facts.get("cores", 1))
        self.assertGreater(facts["memory"], 2**20)
        self.assertTrue(facts["platform"])
        self.assertNotIn("macs", facts)

    def test_cores(self) -> None:
        """Threads of one core count once; cores of two packages have the same numbers."""
        self.patch(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
        for number, (package, core) in enumerate([(0, 0), (0, 0), (0, 1), (1, 1)]):
            self.write(f"devices/system/cpu/cpu{number}/topology/physical_package_id", str(package))
            self.write(f"devices/system/cpu/cpu{number}/topology/core_id", str(core))
        facts = hardware()
        self.assertEqual((facts["cores"], facts["threads"]), (3, 4))

    def test_memory(self) -> None:
        """What is built in, and what there is of it: for all, or for this control group."""
        self.write("devices/system/memory/block_size_bytes", "8000000")
        for number in range(3):
            self.write(f"devices/system/memory/memory{number}/state", "online")
        whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        for granted, usable in (("max", whole), (str(2**20), 2**20), (str(2**63), whole)):
            self.write("fs/cgroup/memory.max", granted)
            facts = hardware()
            self.assertEqual((facts["memory"], facts["memory_physical"]), (usable, 3 * 2**27))

    def test_system_that_says_little(self) -> None:
        """What is not known is left out."""
        self.patch(os, "sysconf_names", {})
        self.patch(module, "gpu_names", list)
        sched_getaffinity = os.sched_getaffinity
        del os.sched_getaffinity
        self.addCleanup(setattr, os, "sched_getaffinity", sched_getaffinity)
        self.assertEqual(set(hardware(macs=True)), {"platform", "threads"})

    def test_system_that_says_nonsense(self) -> None:
        """So is what makes no sense."""
        self.write("devices/system/memory/block_size_bytes", "many")
        (self.sys / "class/net/eth0").mkdir(parents=True)
        (self.sys / "class/net/eth0/address").write_bytes(b"\xff")
        self.assertFalse({"memory_physical", "macs"} & set(hardware(macs=True)))

    def test_addresses(self) -> None:
        """Only if asked for; the loopback interface has none."""
        for name, address in (("lo", "00:00:00:00:00:00"), ("b", "02:00:00:00:00:02"), ("a", "02:00:00:00:00:01")):
            self.write(f"class/net/{name}/address", address)
        self.assertNotIn("macs", hardware())
        self.assertEqual(hardware(macs=True)["macs"], ["02:00:00:00:00:01", "02:00:00:00:00:02"])
        self.assertEqual(mac_addresses(), hardware(macs=True)["macs"])


class Nvml:
    """NVIDIA's library, with such cards.

    :ivar ended: how often it was told that nobody needs it any more.
    """

    NVMLError = pynvml.NVMLError

    def __init__(self, *names: str) -> None:
        self.names = names
        self.ended = 0

    def nvmlInit(self) -> None:
        """Begin."""

    def nvmlShutdown(self) -> None:
        """End, which fails as well."""
        self.ended += 1
        raise pynvml.NVMLError(pynvml.NVML_ERROR_UNKNOWN)

    def nvmlDeviceGetCount(self) -> int:
        """How many cards there are."""
        return len(self.names)

    def nvmlDeviceGetHandleByIndex(self, number: int) -> int:
        """One of them."""
        return number

    def nvmlDeviceGetName(self, handle: int) -> str:
        """Its name; one that has fallen off the bus has none."""
        if not self.names[handle]:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return self.names[handle]


class GraphicsTests(Case):
    """Graphics cards."""

    def found(self, library: Any) -> list[str]:
        """The cards with this as NVIDIA's library."""
        sys.modules["pynvml"], kept = library, sys.modules["pynvml"]
        self.addCleanup(sys.modules.__setitem__, "pynvml", kept)
        return gpu_names()

    def test_names(self) -> None:
        """One for each card, in order, and the library is let go."""
        library = Nvml("NVIDIA A100", "NVIDIA A100", "NVIDIA T4")
        self.assertEqual(self.found(library), list(library.names))
        self.assertEqual(hardware()["gpus"], list(library.names))
        self.assertEqual(library.ended, 2)

    def test_lost_card(self) -> None:
        """Those that can be told are told."""
        self.assertEqual(self.found(Nvml("NVIDIA T4", "", "NVIDIA A100")), ["NVIDIA T4"])

    def test_no_library(self) -> None:
        """Without nvidia-ml-py there are no names."""
        self.assertEqual(self.found(None), [])
        self.assertNotIn("gpus", hardware())

    def test_no_driver(self) -> None:
        """Nor with it where the driver is missing: that is what the real one says here."""

        def fail() -> None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

        self.patch(pynvml, "nvmlInit", fail)
        self.assertEqual(gpu_names(), [])


class CatalogueTests(SynchronousTestCase):
    """What another program has told in its place."""

    def test_fits(self) -> None:
        report = {"rack": "b7", "cards": ["x"], "spare": 3}
        self.assertEqual(checked(lambda: report), report)

    def test_does_not_fit(self) -> None:
        """What is not JSON, or very long, is refused before a hub would."""
        for report in ({"x": object()}, {"x": float("nan")}, {"x": "\ud800"}, {"x": b"y"}):
            error = self.assertRaises(ValueError, checked, lambda report=report: report)
            self.assertIn("not JSON", str(error))
        error = self.assertRaises(ValueError, checked, lambda: {"x": "y" * MAX_REPORT})
        self.assertIn("at most", str(error))
