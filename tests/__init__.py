"""slime's tests. Run them with ``make test``, or one file with ``python -m twisted.trial tests.test_settings``."""

import warnings

from hypothesis import settings

# The same examples every time and everywhere: a failure in CI is a failure here, and time is not judged.
settings.register_profile("slime", derandomize=True, deadline=None, database=None, max_examples=100)
settings.load_profile("slime")

# A warning about our own code is an error; trial raises it again, under this rule, at the end of the test.
warnings.filterwarnings("error", module=r"(.*/)?(slime|tests)[/.]")
