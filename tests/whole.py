"""What tests have to cover whole, every branch of it: all that is pure, and what decides about settings.

``make unit`` fails when they do not.
"""

from __future__ import annotations

import sys

from tests.test_layering import PURE

__all__ = ["WHOLE"]

WHOLE = (
    *PURE, "slime.admincli", "slime.adminclient", "slime.agent.egress", "slime.agent.hardware",
    "slime.agent.health", "slime.agent.identity", "slime.agent.probe", "slime.agent.service", "slime.agent.slots",
    "slime.agent.tap", "slime.cli", "slime.direct", "slime.files", "slime.hub.access", "slime.hub.admin",
    "slime.hub.answers", "slime.hub.ending", "slime.hub.handover", "slime.hub.heads", "slime.hub.history",
    "slime.hub.hops", "slime.hub.orders", "slime.hub.patience", "slime.hub.revocations", "slime.hub.tap",
    "slime.liveness", "slime.log",
    "slime.notify", "slime.options", "slime.pem", "slime.process", "slime.rate", "slime.reference", "slime.settings",
    "slime.sources", "slime.state", "slime.values", "slime.wsframe", "slime.yamlfile",
)  # fmt: skip


def patterns() -> str:
    """The same as :program:`coverage` wants it: files, and the files of packages."""
    paths = [name.replace(".", "/") for name in WHOLE]
    return ",".join(f"{path}.py,{path}/*" for path in paths)


if __name__ == "__main__":
    sys.stdout.write(patterns())
