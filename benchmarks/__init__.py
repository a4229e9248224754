"""Measurements of slime beside references, all in one run: ``python -m benchmarks``.

Every part runs the same work through slime and through what one would compare it with (nginx directly,
HAProxy with a queue, curl without a proxy), turn about, so that a slow minute of the machine hits all alike.
Each answer's body is checked. The figures shown are medians of the rounds. ``docs/performance.rst`` says how
to read them.
"""
