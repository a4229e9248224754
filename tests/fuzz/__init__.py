"""Fuzzing of what reads bytes of strangers: both parsers of HTTP, the frame decoder, and an end of a link.

``targets`` says what must hold for any input; ``seeds`` has the inputs to start from. :mod:`tests.fuzz.test_fuzz`
replays them with some damage each time the tests run; ``make fuzz`` looks for more, guided by coverage.
"""
