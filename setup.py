"""Metadata lives in setup.cfg; here is the one thing it cannot say."""

from setuptools import find_packages, setup

# A folder of Twisted plugins has no __init__.py, by Twisted's rule, so nothing finds it: it is named.
setup(packages=[*find_packages(include=["slime", "slime.*"]), "twisted.plugins"])
