"""Run a program and keep it on record.

    smt run python main.py default.param          (any command)
    smt run -- COMMAND ARGS…                      (the words are left as they are)
    smt run default.param tau_m=10.0              (with the project's program and main file)
    smt run --reason="test a smaller time constant" default.param tau_m=10.0

Options of smt come before the first word of the program; everything after belongs to the program. {label} in a word
is replaced by the label of the run, which the program finds in the environment variable SMT_LABEL too.

The exit status is the program's. 125 means that smt could not run it, 126 and 127 that the program can't be executed
or wasn't found. With --explain, a run that fails is compared with the last good run of the same command.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sumatra.cli.terminal import project_here, say, view_for
from sumatra.errors import SumatraError, UsageError
from sumatra.formatting.escape import visible
from sumatra.projects import Project
from sumatra.records import Choice, Record
from sumatra.runs import Done

#: Our own errors end with this, so that they aren't taken for the program's.
OWN_TROUBLES = 125


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; the words of the program are split off by `parse`."""
    add = parser.add_argument
    parser.usage = f"{parser.prog} [options] [--] [WORD …] [name=value …]"
    add("-l", "--label", help="label of the record (default: the time)")
    add("-r", "--reason", default="", help="why this is run")
    add("-t", "--tag", action="append", default=[], metavar="TAG", help="tag the record; may be given several times")
    add("-e", "--executable", "--simulator", metavar="PROGRAM", help="program to run; options may follow in quotes")
    add("-m", "--main", metavar="FILE", help="script that is given to the program")
    add("-v", "--version", metavar="REV",
        help="run that version of the code, built apart from the working tree (default: current)")
    add("--keep", action="store_true", help="keep the folder in which another version was built")
    add("-n", "--num_processes", "--num-processes", type=int, metavar="N",
        help="number of processes, for launch modes that have it")
    add("-i", "--stdin", metavar="FILE", help="file for the program's standard input")
    add("-o", "--stdout", metavar="FILE", help="file for the program's standard output")
    add("-p", "--plain", action="store_true", help="leave words like tau_m=10 to the program")
    add("--ignore-parameters", action="store_true", help="don't look for a parameter file among the words")
    add("--explain", action="store_true",
        help="if it fails, tell what has changed since the last good run of this command")
    add("-q", "--quiet", action="store_true", help="print nothing of our own unless there is trouble")
    add("-D", "--debug", action="store_true", help="tell what is run")


def parse(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Return the options before the first word of the program, and the program's words untouched."""
    own, rest, whole = _split(parser, words)
    args = parser.parse_args(own)
    args.words, args.whole = rest, whole
    return args


def _split(parser: argparse.ArgumentParser, words: Sequence[str]) -> tuple[list[str], list[str], bool]:
    with_value = {
        option for action in parser._actions if action.nargs != 0 for option in action.option_strings
    }
    index = 0
    while index < len(words):
        word = words[index]
        if word == "--":
            return list(words[:index]), list(words[index + 1:]), True
        if not word.startswith("-") or word == "-":
            break
        attached = "=" in word if word.startswith("--") else len(word) > 2
        index += 1 if attached or word not in with_value else 2
    return list(words[:index]), list(words[index:]), False


def run(args: argparse.Namespace) -> int:
    """Run it; end as the program ended."""
    _check(args)
    project = project_here()
    project.progress = _progress
    if not args.whole:
        _warn_of_options(args.words)
    rest: dict[str, Any] = {}
    if args.plain:
        rest["take_values"] = False
    if args.ignore_parameters:
        rest["look_for_parameters"] = False
    if args.version not in (None, "current"):
        rest |= {"version": args.version, "keep": args.keep}
    if args.num_processes is not None:
        rest["launch_mode"] = _with_number(project.settings.launch_mode, args.num_processes)
    from sumatra.projects import check_tag

    request = project.request(
        args.words, whole=args.whole, executable=args.executable, main_file=args.main, label=args.label,
        reason=args.reason, tags=frozenset(check_tag(tag) for tag in args.tag),
        stdin_file=args.stdin and os.path.abspath(args.stdin), stdout_file=args.stdout and os.path.abspath(args.stdout),
        began=_began(), **rest,
    )
    if not args.whole and len(request.arguments) == len(args.words):
        _warn_of_program(args.words)
    if args.debug:
        import shlex

        from sumatra import capture

        say("running " + shlex.join(capture.mask_words([*request.program, *request.arguments], b"")[0]))
    done = project.run(request)
    _tell(done, args.quiet)
    if done.record.status != "finished":
        _explain(project, done, explain=args.explain, quiet=args.quiet)
    project.close()
    if done.ended.signal is not None:
        from sumatra.launch.supervise import exit_as

        exit_as(done.ended)
    return done.ended.exit_status or 0


def _began() -> float | None:
    """Return when this process was started, by the monotonic clock; None where the system doesn't tell."""
    from sumatra import capture

    start = capture.process_start(os.getpid())
    if start is None:
        return None
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - start / os.sysconf("SC_CLK_TCK")
    return time.monotonic() - age


def _check(args: argparse.Namespace) -> None:
    if args.stdin is not None and not os.path.exists(args.stdin):
        raise UsageError(f"there is no file {args.stdin!r} to take standard input from")


def _with_number(mode: str, number: int) -> Choice:
    if mode == "serial":
        raise UsageError("the launch mode serial starts one process", "choose another: smt configure --launch-mode=…")
    return Choice(mode, {"n": number})


def _warn_of_options(words: Sequence[str]) -> None:
    """Say so once if a word of the program looks like an option that was meant for us."""
    ours = ("--label", "--reason", "--tag", "--executable", "--simulator", "--main", "--stdin", "--stdout", "--quiet")
    for word in words:
        name = word.partition("=")[0]
        if name in ours:
            say(f"{name} comes after the program's first word, so the program gets it; options of smt go before")
            return


def _warn_of_program(words: Sequence[str]) -> None:
    """Say so if a command was typed where the project's program gets the words."""
    from sumatra import programs
    from sumatra.process import find_program

    first = words[0] if words else ""
    if first and programs.known(first) and find_program(first) and not os.path.exists(first):
        say(f"{first!r} is given to the project's program as an argument; a command of its own: smt run -- {first} …")


def _tell(done: Done, quiet: bool) -> None:
    if not done.saved:
        say(f"the record {done.record.label} could not be saved: {done.trouble}")
    elif not quiet:
        record = done.record
        lines = [f"Record label for this run: '{record.label}'", _data(record)]
        lines += _receipt(record)
        try:
            print(*map(visible, lines), sep="\n", file=sys.stderr, flush=True)
        except (BrokenPipeError, OSError):
            pass


#: So many lines are printed of what has changed since the last good run.
_MOST_LINES = 10


def _explain(project: Project, done: Done, *, explain: bool, quiet: bool) -> None:
    """Tell what has changed since the last good run of the same command; or, unasked, that there was one just before.

    Nothing that goes wrong here changes how the run ends.
    """
    if done.record.signal in ("SIGINT", "SIGTERM") or (quiet and not explain):
        return  # the user has ended it
    if not done.saved and not explain:
        return  # the store can't be reached, and isn't waited for without need
    try:
        lines = list(_since_good(project, done.record) if explain else _hint_at_good(project, done.record))
    except (SumatraError, OSError) as error:
        lines = [f"smt: what has changed can't be told: {error}\n"] if explain else []
    try:
        print(*lines, sep="", end="", file=sys.stderr, flush=True)
    except (BrokenPipeError, OSError):
        pass


def _since_good(project: Project, record: Record) -> Iterator[str]:
    from sumatra.formatting.changes import briefly
    from sumatra.runs.alike import of_record

    good = project.last_good(of_record(record), record)
    if good is None:
        yield "smt: no earlier run of this command has ended well\n"
        return
    if not good.is_same:
        yield f"smt: no good run of just this command is known; compared with one {good.difference}\n"
    found = project.changes_since(good.record, record)
    yield from briefly(good.record, found, view_for(stream=2), _MOST_LINES - (not good.is_same))


def _hint_at_good(project: Project, record: Record) -> Iterator[str]:
    """Yield a line if the run before, of the same command, ended well: then something has just changed."""
    from sumatra.runs.alike import of_record

    before = project.last_before(record)
    if before is not None and before.status == "finished":
        one, other = of_record(before), of_record(record)
        if (one.words, one.values) == (other.words, other.values):
            yield f"It worked before ({visible(before.label)}); what has changed since: smt changed\n"


def _receipt(record: Record) -> list[str]:
    """Return a line if something is missing that the user should know of now."""
    if not record.receipt:
        return []
    import shlex

    from sumatra.receipt import is_serious, lines

    serious = lines(finding for finding in record.receipt if is_serious(finding))
    more = f" (and {len(serious) - 1} more)" if len(serious) > 1 else ""
    return [f"Receipt: {each.message}{more}; smt view --receipt {shlex.quote(record.label)}" for each in serious[:1]]


def _data(record: Record) -> str:
    if not record.output_data:
        if record.observation is not None and record.observation.method == "none":
            return "What was produced is not known, because nothing was observed."
        return f"No data produced in {os.path.relpath(record.data_root)}."
    names = [key.path for key in record.output_data[:5]]
    more = f" and {len(record.output_data) - 5} more" if len(record.output_data) > 5 else ""
    return f"Data keys are [{', '.join(names)}{more}]"


def _progress(size: int) -> Callable[[int], None] | None:
    """Return what shows how far the hashing of *size* bytes has come, where that takes a while and one can see it."""
    if size < 200_000_000 or not os.isatty(2):
        return None
    done = 0
    shown = -1

    def tell(count: int) -> None:
        nonlocal done, shown
        done += count
        percent = min(100, 100 * done // size)
        if percent != shown:
            shown = percent
            end = "\r\x1b[K" if percent == 100 else ""
            text = f"\rsmt: reading outputs {percent:3d} % of {size / 1e9:.1f} GB{end}"
            print(text, end="", file=sys.stderr, flush=True)

    return tell
