"""Change the settings of the project.

    smt configure --executable=python --main=main.py
    smt configure --on-changed=error
    smt configure --ignore='*.tmp' --ignore=/cache/
    smt configure --tolerance='Data/*.csv:energy=1e-6'

They are in .smt/project.toml, which can be edited by hand too. An empty text brings back the default: --main=''. With
--store the records are copied to the new store.
"""

import argparse
from typing import Any

from sumatra.cli import options
from sumatra.cli.terminal import project_here, say
from sumatra.errors import SumatraError, UsageError
from sumatra.projects import Project, load_project
from sumatra.selection import EVERYTHING, parse_query


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare an option per setting."""
    parser.add_argument("-r", "--repository", metavar="URL", help="where the code comes from, for information")
    options.declare(parser)
    parser.add_argument("--no-ignore", action="append", default=[], metavar="PATTERN",
                        help="take a pattern away that --ignore has added")
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
    ignored = _without(project.settings.ignore, args.no_ignore)
    chosen = options.values(args, project.path, ignored, project.settings.tolerance)
    if args.no_ignore:
        chosen.setdefault("ignore", ignored)
    if args.repository is not None:
        chosen["repository"] = args.repository
    if not chosen:
        raise UsageError("there is nothing to change", "see the settings: smt info; the options: smt help configure")
    if chosen.get("record_store", project.settings.record_store) != project.settings.record_store:
        _change_store(project, chosen)
    else:
        project.configure(**chosen)


def _without(patterns: tuple[str, ...], unwanted: list[str]) -> tuple[str, ...]:
    for pattern in unwanted:
        if pattern not in patterns:
            raise UsageError(f"{pattern!r} isn't ignored", f"patterns are: {', '.join(patterns) or 'none'}")
    return tuple(pattern for pattern in patterns if pattern not in unwanted)


def _change_store(project: Project, chosen: dict[str, Any]) -> None:
    """Change the settings, and copy the records to the store that they name then."""
    before = project.settings.record_store
    old = project.record_store
    busy = old.labels(project.name, EVERYTHING.and_where(parse_query("status in ('initialized', 'running')")))
    if busy:
        raise UsageError(f"{busy[0]} is still running and would be saved in {before}", "wait until it has ended")
    project.configure(**chosen)
    copied = 0
    try:
        new = load_project(project.path)
        for record in old.select(project.name, EVERYTHING.reversed()):
            new.add_record(record)
            copied += 1
    except SumatraError:
        project.configure(record_store=before)
        raise
    if copied:
        say(f"{copied} record{'s' * (copied != 1)} copied; {before} is left as it is")
