"""Show the version of Sumatra."""

import argparse

from sumatra import __version__


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing."""


def run(args: argparse.Namespace) -> None:
    """Print the version."""
    print(__version__)
