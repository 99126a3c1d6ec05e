"""Change the settings of the project.

    smt configure --executable=python --main=main.py
    smt configure --on-changed=error

They are in .smt/project.toml, which can be edited by hand too.
"""

import argparse

from sumatra.cli import options
from sumatra.cli.terminal import project_here
from sumatra.errors import UsageError


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare an option per setting."""
    parser.add_argument("-r", "--repository", metavar="URL", help="where the code comes from, for information")
    options.declare(parser)
    parser.add_argument("--add-plugin", metavar="MODULE", help=argparse.SUPPRESS)
    parser.add_argument("--remove-plugin", metavar="MODULE", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> None:
    """Change what was given."""
    if args.add_plugin or args.remove_plugin:
        raise UsageError(
            "plug-ins aren't settings of a project: whoever sends you a project would run code on your machine",
            "install or remove the package that has the plug-in: pip install, pip uninstall",
        )
    project = project_here()
    chosen = options.values(args, project.path)
    if args.repository is not None:
        chosen["repository"] = args.repository
    if not chosen:
        raise UsageError("there is nothing to change", "see the settings: smt info; the options: smt help configure")
    project.configure(**chosen)
