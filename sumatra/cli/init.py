"""Start a project in this folder.

    smt init MyProject
    smt init MyProject --executable=python --main=main.py --datapath=results

The folder may be under version control, which is best, or not.
"""

import argparse
import os

from sumatra import settings
from sumatra.cli import options
from sumatra.cli.terminal import say
from sumatra.errors import ProjectExists, UsageError, VersionControlError
from sumatra.projects import init_project, load_project


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the name and an option per setting."""
    parser.add_argument("name", metavar="NAME", help="name of the project")
    parser.add_argument("-r", "--repository", metavar="URL", help="check this repository out into this folder first")
    options.declare(parser)


def run(args: argparse.Namespace) -> None:
    """Make the project."""
    if not args.name.strip() or not args.name.isprintable():
        raise UsageError(f"{args.name!r} can't be the name of a project", "take printable text")
    here = os.getcwd()
    _refuse_second(here)
    chosen = options.values(args, here)
    if args.repository:
        from sumatra import versioncontrol

        copy = versioncontrol.checkout(args.repository, here)
        chosen["repository"] = copy.repository().upstream or args.repository
    init_project(here, settings.changed(settings.Settings(name=args.name), **chosen))
    print("Sumatra project successfully set up")
    _look_at_code(here)


def _refuse_second(here: str) -> None:
    try:
        around = load_project(here)
    except LookupError:
        return
    if around.path == here:
        raise ProjectExists(f"a project already exists in {here}", "change its settings: smt configure")
    say(f"this project lies inside another one, {around.name} in {around.path}; commands given here are for this one")


def _look_at_code(here: str) -> None:
    from sumatra import versioncontrol

    try:
        copy = versioncontrol.find(here)
    except VersionControlError as error:
        say(f"the code here is under version control that can't be read: {error}")
        return
    if copy is None:
        say("this folder isn't under version control; each record will keep the code files themselves")
