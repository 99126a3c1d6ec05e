"""Show what code would load, or what a run has loaded.

    smt dependencies main.py                  (a script)
    smt dependencies python main.py -x 3      (any command, as for smt run; nothing is run)
    smt dependencies python -m analysis.main  (a module)
    smt dependencies                          (the project's program and main file)
    smt dependencies --label=last             (what that run has loaded)
    smt dependencies --json main.R

What code would load is found by reading it: imports of Python, packages of R, functions of MATLAB and Octave, files and
mechanisms of NEURON, scripts of GENESIS, packages of Julia. Names that are only made when the program runs can't be
found so; smt run sees what is really loaded.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sumatra import facts
from sumatra.cli.terminal import project_here, say
from sumatra.errors import LaunchError, NoSuchProgram
from sumatra.projects import Project
from sumatra.records import Dependency, Executable

if TYPE_CHECKING:
    from sumatra.dependency_finder import Found


#: Suffixes of what is read and isn't run as it is.
_ALSO = frozenset({".ipynb", ".Rmd", ".rmd", ".qmd", ".Rnw"})


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; the words of the program are split off by `parse`."""
    parser.usage = f"{parser.prog} [options] [--] [FILE | WORD …]"
    parser.add_argument("-l", "--label", help="tell what the run of that label has loaded")
    parser.add_argument("-e", "--executable", "--simulator", metavar="PROGRAM", help="program that runs the code")
    parser.add_argument("-m", "--main", metavar="FILE", help="script that is given to the program")
    parser.add_argument("--json", action="store_true", help="as JSON, by the names of fields in a record")


def parse(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Return the options before the first word of the program, and the program's words untouched."""
    with_value = {option for action in parser._actions if action.nargs != 0 for option in action.option_strings}
    place = 0
    while place < len(words) and words[place].startswith("-") and words[place] != "--":
        place += 2 if words[place] in with_value else 1
    args = parser.parse_args(words[:place])
    args.whole = words[place:place + 1] == ["--"]
    args.words = list(words[place + args.whole:])
    return args


def run(args: argparse.Namespace) -> None:
    """Show it."""
    from sumatra.dependency_finder import Found

    project = project_here()
    if args.label is not None:
        record = project.get_record(args.label)
        found = Found(record.dependencies, surroundings=record.surroundings)
    else:
        found = _foreseen(project, args)
    for finding in found.findings:
        say(finding.message)
    if args.json:
        import json

        print(json.dumps({
            "dependencies": [facts.as_dict(each) for each in found.dependencies],
            "surroundings": dict(found.surroundings),
            "findings": [facts.as_dict(finding) for finding in found.findings],
        }, indent=2))
        return
    for line in _lines(found.dependencies):
        print(line)
    if not found.dependencies:
        say("nothing is known of what it loads")


def _foreseen(project: Project, args: argparse.Namespace) -> "Found":
    from sumatra import dependency_finder
    from sumatra.runs.libraries import checkouts

    here = os.getcwd()
    executable, main_file, module = _asked_for(project, args, here)
    return dependency_finder.foreseen(dependency_finder.Run(
        executable=executable, main_file=main_file, module=module, folder=here, root=project.path,
        environment=dict(os.environ), checkout_of=checkouts(),
    ))


def _asked_for(
    project: Project, args: argparse.Namespace, here: str
) -> tuple[Executable | None, str | None, str | None]:
    """Return the program, the script and the module asked about; without the program where it isn't installed."""
    from sumatra import programs

    words, main = args.words, args.main
    is_command = args.whole or args.executable or main
    if words and not is_command and _is_script(words[0]):
        words, main = words[1:], words[0]
    request = project.request(words, whole=args.whole, executable=args.executable, main_file=main)
    command = [*request.program, *request.arguments]
    try:
        executable, script = programs.describe(command, here, os.environ)
    except (LaunchError, NoSuchProgram):
        if request.main_file is None:
            raise
        return None, request.main_file, None
    version = programs.version(executable.path, os.path.join(project.folder, "programs.json"))
    main_file = request.main_file or script
    return facts.replace(executable, version=version), main_file, None if main_file else programs.module_of(command)


def _is_script(word: str) -> bool:
    from sumatra import programs

    if not os.path.isfile(word) or ("/" in word and os.access(word, os.X_OK)):
        return False
    return os.path.splitext(word)[1] in _ALSO or programs.for_script(word) is not None


def _lines(dependencies: Sequence[Dependency]) -> Iterator[str]:
    """Yield a line for each: its name, version, what it is a library of, where it is, and what is odd about it."""
    from sumatra.formatting.escape import visible
    from sumatra.formatting.layout import cells

    rows = []
    for each in dependencies:
        odd = [flag for flag in each.flags if flag != "not loaded"]
        place = " ".join(filter(None, (each.path, f"({', '.join(odd)})" if odd else "")))
        rows.append([visible(text) for text in (each.name, each.version or "-", each.module, place)])
    widths = [max((cells(row[column]) for row in rows), default=0) for column in range(3)]
    for row in rows:
        filled = [text + " " * (width - cells(text)) for text, width in zip(row, widths, strict=False)]
        yield "  ".join([*filled, row[3]]).rstrip()
