"""What an agent tells of its machine."""

from __future__ import annotations

import json
import os

from twisted.trial.unittest import SynchronousTestCase

from slime.agent.hardware import hardware


class HardwareTests(SynchronousTestCase):
    def test_facts(self) -> None:
        facts = hardware()
        self.assertEqual(json.loads(json.dumps(facts)), facts)
        self.assertGreaterEqual(int(facts["cores"]), 1)
        self.assertGreater(int(facts["memory"]), 2**20)
        self.assertTrue(facts["platform"])

    def test_system_that_says_little(self) -> None:
        self.patch(os, "sysconf_names", {})
        sched_getaffinity = os.sched_getaffinity
        del os.sched_getaffinity
        self.addCleanup(setattr, os, "sched_getaffinity", sched_getaffinity)
        self.assertEqual(set(hardware()), {"platform", "cores"})
