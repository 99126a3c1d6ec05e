"""Bring back the code of a run, exactly as it was, in a new folder.

    smt checkout LABEL
    smt checkout LABEL FOLDER

Uncommitted changes and untracked files that were kept are part of it. Your working tree, its index and its branches
stay as they are. Files are as they are stored: filters of the repository (line ends, large files) aren't run.
"""

import argparse
import os

from sumatra.cli.terminal import parse_anywhere, project_here, say
from sumatra.files import file_name

parse = parse_anywhere


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare label and folder."""
    parser.add_argument("label", nargs="?", default="last", metavar="LABEL", help="the record (default: the last)")
    parser.add_argument("folder", nargs="?", metavar="FOLDER",
                        help="an empty folder, or one to be made (default: code-LABEL)")


def run(args: argparse.Namespace) -> None:
    """Write it, and print where it is."""
    from sumatra.runs.rebuilding import rebuild

    project = project_here()
    record = project.get_record(args.label)
    folder = args.folder or f"code-{file_name(record.label)}"
    notes = rebuild(record, folder, project.objects, project.path, os.path.join(project.folder, "work"))
    for note in notes:
        say(note)
    if project.counts_as_code(folder):
        say(f"later runs will keep what is in {folder} as code of theirs, unless you move it away or have it ignored")
    print(folder)
