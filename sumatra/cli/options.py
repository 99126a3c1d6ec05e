"""The options that ``smt init`` and ``smt configure`` share; an empty text stands for the default."""

import argparse
import os
from collections.abc import Sequence
from typing import Any

from sumatra import launch, plugins, settings
from sumatra.errors import UsageError

__all__ = ["declare", "values"]


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare an option for each setting; those that aren't given are None."""
    choices = {name: entry.metadata["choices"] for name, entry in settings.SETTINGS.items()}
    add = parser.add_argument
    add("-d", "--datapath", metavar="PATH", help="folder in which programs write (default: Data)")
    add("-i", "--input", metavar="PATH", help="folder that paths of input files are told from (default: /)")
    add("-l", "--addlabel", choices=choices["add_label"], help="give the label of the run to the program")
    add("-e", "--executable", "--simulator", metavar="PROGRAM", help="program to run; options may follow in quotes")
    add("-m", "--main", metavar="FILE", help="script that is given to the program")
    add("-c", "--on-changed", choices=choices["on_changed"], help="what to do about uncommitted changes of the code")
    add("-s", "--store", metavar="PLACE", help="where records are kept: a path, or a URL without password")
    add("-g", "--labelgenerator", choices=choices["label_generator"], help="how labels are made")
    add("-t", "--timestamp_format", "--timestamp-format", metavar="FORMAT", help="form of labels that are times")
    add("-L", "--launch_mode", "--launch-mode", metavar="MODE",
        help="how programs are started: " + ", ".join(plugins.names(launch.__name__)) + ", or that of a plug-in")
    add("-o", "--launch_mode_options", "--launch-mode-options", metavar="OPTIONS",
        help="words for the launch mode's own command")
    add("-A", "--archive", metavar="PATH", help=argparse.SUPPRESS)
    add("-M", "--mirror", metavar="URL", help=argparse.SUPPRESS)
    add("-W", "--webdav", metavar="URL", help=argparse.SUPPRESS)
    add("--description", metavar="TEXT", help="what the project is about")
    bundle = parser.add_mutually_exclusive_group()
    bundle.add_argument("--bundle", action="store_const", const=True, default=None,
                        help="keep versions of the code that weren't pushed, so that they can be had without you")
    bundle.add_argument("--no-bundle", action="store_const", const=False, dest="bundle", help="don't")
    add("--trace", choices=choices["trace"], help="how to observe what programs read and write (default: auto)")
    add("--ignore", action="append", metavar="PATTERN",
        help="files that records don't tell of, as in .gitignore; several times for several, '' for none")
    add("--tolerance", action="append", metavar="TOLERANCE",
        help="how far results may lie apart: 1e-6, Data/*.csv=1e-6, Data/*.csv:energy=1e-6,1e-12 (relative, absolute);"
        " several times for several, '' for none")
    add("--most-files", metavar="COUNT", help="tell of so many inputs and outputs of a run (default: 200000)")
    add("--largest-untracked", metavar="SIZE", help="keep changed and untracked files up to this size (default: 1 MB)")
    plain = parser.add_mutually_exclusive_group()
    plain.add_argument("-p", "--plain", action="store_const", const=True, default=None,
                       help="leave words like tau_m=10 to the program")
    plain.add_argument("--no-plain", dest="plain", action="store_const", const=False,
                       help="put words like tau_m=10 into the parameter file")
    parse = parser.add_mutually_exclusive_group()
    parse.add_argument("--ignore-parameters", dest="ignore_parameters", action="store_const", const=True, default=None,
                       help="don't look for parameter files")
    parse.add_argument("--parse-parameters", dest="ignore_parameters", action="store_const", const=False,
                       help="look for parameter files")


def values(
    args: argparse.Namespace, root: str, ignored: Sequence[str] = (), tolerated: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the settings that were given; paths as they are seen from the project's folder *root*.

    Patterns of files to ignore, and tolerances, are added to those that the project has, *ignored* and *tolerated*.
    """
    for option in ("archive", "mirror", "webdav"):
        if getattr(args, option) not in (None, "false"):
            raise UsageError(f"--{option}: this version keeps data where programs write it", "leave the option out")
    if args.store is not None:
        _refuse_password(args.store)
    found = {
        "data_path": _seen_from(root, args.datapath), "input_path": _seen_from(root, args.input),
        "add_label": args.addlabel, "executable": args.executable, "main_file": _seen_from(root, args.main),
        "on_changed": args.on_changed, "record_store": _store(root, args.store), "label_generator": args.labelgenerator,
        "timestamp_format": args.timestamp_format, "launch_mode": args.launch_mode,
        "launch_mode_options": args.launch_mode_options, "description": args.description, "plain": args.plain,
        "ignore_parameters": args.ignore_parameters, "largest_untracked": args.largest_untracked,
        "trace": args.trace, "bundle": args.bundle, "ignore": _patterns(args.ignore, ignored),
        "most_files": _count(args.most_files), "tolerance": _tolerances(args.tolerance, tolerated),
    }
    chosen: dict[str, Any] = {
        name: settings.SETTINGS[name].default if value == "" else value
        for name, value in found.items() if value is not None
    }
    for name, value in chosen.items():
        texts = value if isinstance(value, tuple) else [str(value)]
        if not all(text.isprintable() for text in texts):
            raise UsageError(f"{name} can't be {value!r}", "take text without control characters, in UTF-8")
    if "timestamp_format" in chosen:
        from datetime import datetime

        from sumatra.runs import check_label

        check_label(datetime.now().astimezone().strftime(chosen["timestamp_format"]))
    if "executable" in chosen:
        _check_program(chosen["executable"])
    if "launch_mode" in chosen:
        launch.get_launcher(chosen["launch_mode"])
    if "record_store" in chosen:
        from sumatra.recordstore import open_store

        open_store(chosen["record_store"])
    return chosen


def _seen_from(root: str, path: str | None) -> str | None:
    """Return *path* as seen from *root* if it lies in there, so that a project can be moved; else absolute."""
    if path is None or path == "":
        return path
    absolute = os.path.abspath(os.path.expanduser(path))
    inside = os.path.relpath(absolute, root)
    return absolute if inside.startswith("..") else inside


def _patterns(given: Sequence[str] | None, known: Sequence[str]) -> tuple[str, ...] | None:
    """Return the patterns *known* and *given*, each once; an empty one takes away those before it."""
    if given is None:
        return None
    from sumatra.capture.ignoring import can_match

    found = list(known)
    for pattern in given:
        if not pattern:
            found = []
            continue
        if not can_match(pattern):
            raise UsageError(f"no file can fit the pattern {pattern!r}", "write it as in .gitignore: *.tmp or /cache/")
        found = [*(other for other in found if other != pattern), pattern]  # the last one that fits decides
    return tuple(found)


def _tolerances(given: Sequence[str] | None, known: Sequence[str]) -> tuple[str, ...] | None:
    """Return the tolerances *known* and *given*; one for the same files takes the place of that before it."""
    if given is None:
        return None
    from sumatra.comparison.tolerance import check

    check(rule for rule in given if rule)
    found = list(known)
    for rule in given:
        what = rule.rpartition("=")[0]
        found = [*(other for other in found if other.rpartition("=")[0] != what), rule] if rule else []
    return tuple(found)


def _count(text: str | None) -> int | str | None:
    if not text:
        return text
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"{text!r} isn't a number of files", "write it as 200000") from None


def _store(root: str, address: str | None) -> str | None:
    """Return the *address* of a store; that of a file as seen from *root*."""
    path = (address or "").removeprefix("sqlite:")
    is_file = path and ":" not in path.partition("/")[0]
    return _seen_from(root, path) if is_file else address


def _check_program(text: str) -> None:
    import shlex

    from sumatra import programs

    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"the executable {text!r} can't be read: {error}", "quote options as in a shell") from error
    if words:
        programs.find(words[0], os.environ)


def _refuse_password(address: str) -> None:
    _, found, rest = address.partition("://")
    user, at, _ = rest.partition("/")[0].rpartition("@")
    if found and at and ":" in user:
        raise UsageError(
            "a password can't be a part of the store's address: settings are read by others",
            "leave it out; it is taken from the environment or from ~/.netrc",
        )
