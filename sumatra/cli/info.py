"""Show the settings of the project."""

import argparse
import json

from sumatra.cli.terminal import project_here


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the form."""
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> None:
    """Print the settings."""
    project = project_here()
    if args.json:
        print(json.dumps(project.describe(), indent=2))
    else:
        print(project.info(), end="")
