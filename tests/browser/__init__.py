"""The admin site in the programs that it is made for: a headless Chromium, and a Prometheus.

``make browser`` runs these; they need Debian's ``chromium``, ``chromium-driver`` and ``prometheus``, and take a minute.
Their modules are called ``check_``, so that trial passes them by when it looks for tests.
``python -m tests.browser.pictures`` makes the pictures in ``docs/images``.
"""
