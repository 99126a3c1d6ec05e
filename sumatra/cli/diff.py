"""Tell in what runs differ, and what of it could have changed the results.

    smt diff LABEL LABEL
    smt diff 2026112 last --long
    smt diff first second third      (a table of what varies)
    smt diff A B -i '^Data/log'      (leave out what the regular expression finds in a name)
    smt diff A B --code              (and how the code differs, as a patch)
    smt diff A B --tolerance 'Data/*.csv:energy=1e-6'
    smt diff A B --html page.html    (with pictures side by side)

Results that aren't the same byte for byte are compared by what they hold: tables, arrays, pictures and so on. Numbers
have to be equal, unless a tolerance is given here or in the settings. The results come first, then what could explain
them, likeliest first: inputs, parameters, code, libraries, environment, command, machine. What one of the records
doesn't tell is not taken for equal. The exit status is 0 if the results are the same, and 1 if they differ.
"""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sumatra.cli.terminal import check_patterns, parse_anywhere, project_here, say, view_for
from sumatra.differences import KINDS, between, outputs_by_name, varying
from sumatra.errors import NoSuchRecord, UsageError
from sumatra.formatting.escape import visible
from sumatra.formatting.layout import paint

if TYPE_CHECKING:
    from sumatra.differences import Difference, Differences
    from sumatra.formatting import View
    from sumatra.projects import Project
    from sumatra.records import Record
    from sumatra.runs.judging import Judge

parse = parse_anywhere

_OPTIONS = {
    "parameters": ("parameters",), "code": ("code",), "env": ("environment", "dependencies", "platform"),
    "data": ("results", "inputs"),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare labels and what to tell."""
    add = parser.add_argument
    add("labels", nargs="+", metavar="LABEL",
        help="the records to compare, two or more; of another project: FOLDER:LABEL")
    add("-l", "--long", action="store_true", help="tell all of each kind, however many")
    add("-i", "--ignore", action="append", default=[], metavar="PATTERN",
        help="leave out names in which this regular expression is found; may be given several times")
    add("--parameters", action="store_true", help="compare parameters only")
    add("--code", action="store_true", help="compare code only, and show how it differs as a patch")
    add("--env", action="store_true", help="compare environment, libraries and machine only")
    add("--data", action="store_true", help="compare results and input files only")
    add("--tolerance", action="append", default=[], metavar="TOLERANCE",
        help="how far numbers in results may lie apart: 1e-6, Data/*.csv=1e-6, or Data/*.csv:energy=1e-6,1e-12 for one"
        " column or dataset, relative and absolute; may be given several times")
    add("--html", metavar="FILE", help="write a page with pictures side by side, too")
    add("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Compare, and end with 1 where the results differ."""
    if len(args.labels) < 2:
        raise UsageError("there is only one record to compare", "name two: smt diff LABEL last")
    check_patterns(args.ignore)
    kinds = [kind for option, some in _OPTIONS.items() if getattr(args, option) for kind in some] or list(KINDS)
    project = project_here()
    homes, records = zip(*(_record(project, label) for label in args.labels), strict=True)
    judge = project.judge(args.tolerance)
    if args.html and len(records) > 2:
        raise UsageError("a page is for two records", "name two: smt diff A B --html FILE")
    with judge:
        if len(records) > 2:
            return _print_table(records, kinds, args, judge)
        return _print_pair(project, homes, records, kinds, args, judge)


def _record(project: "Project", name: str) -> tuple["Project", "Record"]:
    """Return the record called *name*, which may be of another project (``FOLDER:LABEL``), and its project."""
    try:
        return project, project.get_record(name)
    except NoSuchRecord:
        folder, _, label = name.rpartition(":")
        if not os.path.isdir(folder):
            raise
    from sumatra.projects import load_project

    other = load_project(folder)
    return other, other.get_record(label)


def _print_table(records: Sequence["Record"], kinds: list[str], args: argparse.Namespace, judge: "Judge") -> int:
    from sumatra.formatting import differences as formatting

    varies = varying(records, args.ignore, judge.refined)
    table = {key: values for key, values in varies.items() if key[0] in kinds}
    if args.json:
        rows = [{"kind": kind, "name": name, "values": values} for (kind, name), values in table.items()]
        print(json.dumps({"labels": [record.label for record in records], "varying": rows}, indent=2))
    else:
        print("".join(formatting.table(records, table, view_for())), end="")
    return int(any(kind == "results" for kind, _ in table))


def _print_pair(
    project: "Project", homes: Sequence["Project"], records: Sequence["Record"], kinds: list[str],
    args: argparse.Namespace, judge: "Judge",
) -> int:
    from sumatra.formatting import differences as formatting

    one, other = records
    found = judge.refined(one, other, between(one, other, args.ignore), project.find_repeats)
    if args.html:
        _write_page(args.html, one, other, found, judge)
    if args.json:
        told = formatting.as_json(one, other, found, kinds)
        if args.code:
            told["patch"] = "".join(homes[0].patch_between(one, other, homes[1]))
        print(json.dumps(told, indent=2))
    else:
        ask = f"smt why {shlex.join(args.labels)}  (runs it again with one of them swapped at a time)"
        step = "" if any(":" in label for label in args.labels) else ask
        told_as_text = formatting.text(one, other, found, view_for(), kinds=kinds, whole=args.long, next_step=step)
        print("".join(told_as_text), end="")
        if args.code:
            _print_patch(homes[0].patch_between(one, other, homes[1]), view_for())
    return int(bool(found.of("results")))


def _write_page(path: str, one: "Record", other: "Record", found: "Differences", judge: "Judge") -> None:
    from sumatra.formatting.side_by_side import page

    keys = outputs_by_name(one, other)

    def pictures(difference: "Difference") -> list[str]:
        first, second = (each.get(difference.name) for each in keys)
        return judge.pictures(one, first, other, second) if first is not None and second is not None else []

    try:
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(page(one, other, found, pictures))
    except OSError as error:
        raise UsageError(f"the page {path} can't be written: {error.strerror or error}") from error
    say(f"see {path}")


def _print_patch(lines: Iterable[str], view: "View") -> None:
    """Print a patch: for eyes on a terminal, and else as it is, for other programs."""
    if not sys.stdout.isatty():
        sys.stdout.flush()
        sys.stdout.buffer.writelines(line.encode("utf-8", "surrogateescape") for line in lines)
        return
    in_hunks = False
    for line in lines:
        in_hunks = line.startswith("@@") or (in_hunks and not line.startswith("diff --git "))
        style = "bold"
        if in_hunks:
            style = {"+": "green", "-": "red", "@": "cyan"}.get(line[0], "")
        told = visible(line, keep="\n\t").rstrip("\n")
        print(paint(told, style, view.color) if style else told)
