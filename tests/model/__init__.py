"""A real language model behind slime, on processors alone.

``make demo-model`` installs what that needs (300 MB) and runs ``python -m tests.model``. ``provider`` is one model with
a server of its own; ``checks`` says what must hold.
"""
