"""The admin site in the programs that it is made for: a headless Chromium, and a Prometheus.

``make browser`` runs these; they need Debian's ``chromium``, ``chromium-driver`` and ``prometheus``, and take a minute.
``python -m tests.browser.pictures`` makes the pictures in ``docs/images``.
"""

from __future__ import annotations

import os

__all__ = ["LEFT_OUT"]

#: Why the modules here are skipped, unless they were asked for.
LEFT_OUT = None if os.environ.get("SLIME_BROWSER") else "make browser runs this"
