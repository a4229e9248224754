"""A history: a hub, two agents and many callers, while faults happen, and an oracle that says what must have been true.

``python -m benchmarks.history`` takes a minute; ``tests/e2e/test_history.py`` takes a short one. Every request has an
id of its own, which callers and upstreams write down. Afterwards :mod:`benchmarks.history.oracle` holds the two books
against each other: every answer complete, right and the caller's own, or an honest error that a fault explains; no
request twice at an upstream unless its caller allowed that; no upstream beyond its slots; full service soon after the
last fault. Callers and upstreams owe nothing to slime's own HTTP.
"""
