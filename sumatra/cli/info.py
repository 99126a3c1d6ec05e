"""Show the settings of the project."""

import argparse
import json

from sumatra import __version__, facts
from sumatra.cli.terminal import project_here


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the form."""
    parser.add_argument("--json", action="store_true", help="as JSON, by their names in .smt/project.toml")


def run(args: argparse.Namespace) -> None:
    """Print the settings."""
    project = project_here()
    if args.json:
        places = {"folder": project.path, "sumatra_version": __version__}
        print(json.dumps({**facts.as_dict(project.settings), **places}, indent=2))
    else:
        print(project.info(), end="")
