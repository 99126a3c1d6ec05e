"""The door that older tools expect; everything is in pyproject.toml."""

from setuptools import setup

setup()
