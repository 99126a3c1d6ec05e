"""Show one record in full.

    smt view LABEL
    smt view last --receipt        (what could not be captured, what that means, what to do about it)
    smt view LABEL --code          (which version of the code, and which of its files were loaded or changed)
    smt view LABEL --code src/net.py        (that file as it was)
    smt view LABEL --stdout        (what the program printed, byte for byte)
    smt view LABEL --json          (with --receipt: the receipt alone)
"""

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress

from sumatra.cli.terminal import project_here, view_for
from sumatra.errors import SumatraError, UsageError
from sumatra.projects import Project
from sumatra.records import Record


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is to be shown."""
    parser.add_argument("label", nargs="?", default="last", metavar="LABEL", help="the record (default: the last)")
    show = parser.add_mutually_exclusive_group()
    show.add_argument("-s", "--script", action="store_true", help="the main file as it was run")
    show.add_argument("--code", nargs="?", const="", metavar="FILE",
                      help="the version of the code with its files that were loaded or changed; or FILE as it was")
    show.add_argument("--diff", action="store_true", help="the uncommitted changes as a patch")
    show.add_argument("--parameters", action="store_true", help="the parameters as the program got them")
    show.add_argument("--stdout", action="store_true", help="what the program wrote to standard output")
    show.add_argument("--stderr", action="store_true", help="what the program wrote to standard error")
    show.add_argument("--receipt", action="store_true", help="what could not be captured")
    parser.add_argument("--json", action="store_true", help="the whole record, or its receipt, as JSON")


def run(args: argparse.Namespace) -> None:
    """Show it."""
    if args.json and any((args.script, args.code is not None, args.diff, args.parameters, args.stdout, args.stderr)):
        raise UsageError(
            "of the parts of a record, only the receipt can be had as JSON", "smt view --json shows the whole record"
        )
    project = project_here()
    record = project.get_record(args.label)
    if args.stdout or args.stderr:
        _print_stream(project, record, "stdout" if args.stdout else "stderr")
    elif args.script:
        _write(_script(project, record))
    elif args.code:
        try:
            _write(_code_file(project, record, args.code))
        except SumatraError as error:
            if _is_label(project, args.code):
                raise UsageError(
                    f"{args.code} is a label, and --code takes a file", f"smt view {args.code} --code"
                ) from error
            raise
    elif args.code is not None:
        print("\n".join(_code(record)))
    elif args.diff:
        _write(record.diff.encode("utf-8", "surrogateescape"))
    elif args.parameters:
        _write(record.parameters.content.encode("utf-8", "surrogateescape"))
    elif args.json and args.receipt:
        import json

        from sumatra.formatting.view import receipt_as_json

        print(json.dumps(receipt_as_json(record), indent=2))
    elif args.json:
        import json

        from sumatra.formatting import render

        print(json.dumps(json.loads("".join(render("json", [record], view_for())))[0], indent=2))
    elif args.receipt:
        from sumatra.formatting.view import receipt

        print("".join(receipt(record, view_for())), end="")
    else:
        from sumatra.formatting.view import record_view

        print("".join(record_view(record, view_for())), end="")


def _is_label(project: Project, word: str) -> bool:
    try:
        return project.get_record(word).label == word
    except SumatraError:
        return False


def _print_stream(project: Project, record: Record, name: str) -> None:
    stream = getattr(record, name)
    if stream is None:
        raise SumatraError(f"what {record.label} wrote to {name} wasn't captured")
    if not stream.size:
        return
    try:
        with open(project.objects.path(stream.digest or ""), "rb") as file:
            sys.stdout.flush()
            shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
    except FileNotFoundError as error:
        raise SumatraError(
            f"what {record.label} wrote to {name} isn't in {project.objects.root} any more",
            "its digest is in the record",
        ) from error


def _script(project: Project, record: Record) -> bytes:
    """Return the main file as it was: the changed content if it was changed, else that of the version."""
    import shlex

    if not record.main_file:
        raise SumatraError(f"{record.label} has no main file", f"see its command: smt view {shlex.quote(record.label)}")
    from sumatra.runs.rebuilding import followed

    path = os.path.normpath(os.path.join(record.working_directory, record.main_file))
    return followed(
        record, os.path.relpath(path, record.code_root), project.objects, project.path,
        os.path.join(project.folder, "work"),
    )


def _code_file(project: Project, record: Record, name: str) -> bytes:
    """Return what the file *name* held; that is a path from the root of the code, or else from the current folder."""
    from sumatra.runs.rebuilding import content_of

    def content(path: str) -> bytes:
        return content_of(record, path, project.objects, project.path, os.path.join(project.folder, "work"))

    folder, last = os.path.split(os.path.abspath(name))
    from_here = os.path.relpath(os.path.join(os.path.realpath(folder), last), os.path.realpath(record.code_root))
    if os.path.isabs(name):
        return content(from_here)
    try:
        return content(os.path.normpath(name))
    except SumatraError as error:
        if from_here not in (os.path.normpath(name), os.curdir) and not from_here.startswith(os.pardir + os.sep):
            with suppress(SumatraError):
                return content(from_here)
        raise error


def _code(record: Record) -> Iterator[str]:
    """Yield where the code came from, and its files that were loaded or changed."""
    from sumatra.formatting.escape import visible

    if record.repository is not None:
        yield f"{record.repository.type} {visible(record.repository.url)}"
        yield f"version {record.version or 'none: there was no commit yet'}"
    elif record.changes:
        yield f"kept from {visible(record.code_root)}"
    changes = {change.path: change for change in record.changes}
    for path in sorted({*record.code_files, *changes}):
        change = changes.get(path)
        kind = change.kind if change else "as committed"
        kept = "" if change is None or change.digest or change.kind == "deleted" else ", not kept"
        loaded = "loaded" if path in record.code_files else ""
        yield f"{loaded:8}{kind + kept:14}  {visible(path)}"


def _write(content: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    if content and not content.endswith(b"\n") and sys.stdout.isatty():
        sys.stdout.buffer.write(b"\n")
