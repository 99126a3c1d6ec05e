"""Find out why one run came out otherwise than another, by running it again with some of the differences.

    smt why GOOD BAD
    smt why GOOD BAD --dry-run           (tell what differs, what can be swapped, and about how long it takes)
    smt why GOOD BAD --budget 30m        (begin no trial after half an hour; the same command goes on)
    smt why GOOD BAD --test './check.sh' (a command judges: 0 is good, 125 can't tell, anything else is bad)
    smt why GOOD BAD --trials            (list what was tried)

First both are done again, apart from your files. Then files, parameters, arguments, environment variables, versions of
Python packages and code are swapped, likeliest first, until the smallest set of them is found that turns GOOD into BAD;
of code, the lines. Trials are judged by the outputs that differ between GOOD and BAD, or by how the program ended. They
are in no list of your runs. The exit status is 0 if the cause is found, 1 if not, 3 if it can't be looked for.
"""

import argparse
import json
import re
import shlex
import sys
from typing import TYPE_CHECKING

from sumatra.cli.terminal import parse_anywhere, project_here, say, view_for
from sumatra.errors import UsageError
from sumatra.formatting.escape import visible
from sumatra.formatting.layout import cells, paint, shorten

if TYPE_CHECKING:
    from collections.abc import Callable

    from sumatra.causes.factors import Factor
    from sumatra.causes.searching import Answer, Question
    from sumatra.causes.trials import Trial

parse = parse_anywhere

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_MOST = 20

#: What the results of a trial are like, in few words.
_LIKE = {"first": "like {one}", "second": "like {other}", "neither": "like neither", "failed": "failed"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare labels and options."""
    add = parser.add_argument
    add("labels", nargs="+", metavar="LABEL", help="two records: the good one, and the one to be explained")
    add("--test", metavar="COMMAND", help="judge by this command, run where the program ran, instead of by outputs")
    add("--budget", metavar="TIME", help="begin no trial after so long: 90s, 30m, 2h")
    add("--most", type=int, metavar="N", help="do at most N trials")
    add("-i", "--ignore", action="append", default=[], metavar="NAME", help="don't swap what is called NAME")
    add("--tolerance", action="append", default=[], metavar="TOLERANCE",
        help="take numbers for the same that lie no farther apart; as in smt diff")
    add("--dry-run", action="store_true", help="run nothing: tell what would be swapped")
    add("--trials", action="store_true", help="list the trials that were done for this question")
    add("--afresh", action="store_true", help="forget the trials of an earlier search")
    add("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Search, and end with 0 where the cause is found."""
    if len(args.labels) != 2:
        raise UsageError("two records are needed", "name them: smt why GOOD BAD")
    budget = _seconds(args.budget) if args.budget else None
    project = project_here()
    one, other = (project.get_record(label) for label in args.labels)
    choices = {"test": _words(args.test), "ignore": args.ignore, "tolerances": args.tolerance}
    question = project.ask_why(one, other, **choices)
    if args.afresh:
        question.trials.forget()
    if args.trials:
        return _list_trials(question, args.json)
    if args.dry_run:
        _print_plan(question, args.json)
        return 0
    from sumatra.causes.searching import answer
    from sumatra.causes.trials import Interrupted

    _announce(question)
    try:
        found = answer(question, budget=budget, most=args.most, told=_teller(question))
    except (Interrupted, KeyboardInterrupt):
        say(f"interrupted; to go on: smt why {shlex.join(args.labels)}")
        return 130
    if args.json:
        print(json.dumps(_as_json(question, found), indent=2))
    else:
        print("\n".join(_verdict(question, found)))
    return int(found.outcome not in ("found", "nothing differs"))


def _words(command: str | None) -> list[str]:
    try:
        return shlex.split(command or "")
    except ValueError as error:
        raise UsageError(f"{command!r} isn't a command: {error}") from error


def _seconds(text: str) -> float:
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([a-z]*)\s*", text)
    if not found or found[2] not in _UNITS:
        raise UsageError(f"{text!r} isn't a time", "write it like 90s, 30m or 2h")
    return float(found[1]) * _UNITS[found[2]]


def _announce(question: "Question") -> None:
    for note in question.notes:
        say(f"{question.one.label}: {note}")
    number, seconds = question.expected
    fixed = f", {len(question.fixed)} can't" if question.fixed else ""
    differences = f"{len(question.factors)} difference{'s' * (len(question.factors) != 1)}"
    say(
        f"{differences} can be swapped{fixed}; about {number} trials of "
        f"{_time(question.one.duration or 0.0)}, {_time(seconds)} in all"
    )


def _teller(question: "Question") -> "Callable[[str, Trial | None], None]":
    is_terminal = sys.stderr.isatty()

    def tell(what: str, trial: "Trial | None") -> None:
        told = visible(what)
        if trial is None:
            if is_terminal:
                print(f"  … {told[:100]}", end="", file=sys.stderr, flush=True)
            return
        if is_terminal:
            print("\r\x1b[K", end="", file=sys.stderr)
        like = _LIKE[trial.outcome].format(one=question.one.label, other=question.other.label)
        why = f" ({trial.trouble})" if trial.trouble else ""
        told = shorten(told, 64)
        print(f"  {told}{' ' * (64 - cells(told))}  {visible(like + why)}", file=sys.stderr, flush=True)

    return tell


def _print_plan(question: "Question", as_json: bool) -> None:
    number, seconds = question.expected
    if as_json:
        told = {
            "one": question.one.label, "other": question.other.label, "judged": list(question.judged),
            "factors": [_factor_as_json(factor) for factor in question.factors], "fixed": list(question.fixed),
            "trials": number, "seconds": seconds,
        }
        print(json.dumps(told, indent=2))
        return
    if question.test:
        print(f"judged by    {visible(shlex.join(question.test))}")
    elif not question.judged and question.is_judged:
        print("judged by    how the program ends")
    else:
        print(f"judged by    {visible(', '.join(question.judged) or 'nothing: the results are the same')}")
    for factor in question.factors:
        print(f"swapped      {_told(factor)}")
    for sentence in question.fixed:
        print(f"not swapped  {visible(sentence)}")
    print(f"about {number} trials of {_time(question.one.duration or 0.0)}, {_time(seconds)} in all")


def _told(factor: "Factor") -> str:
    change = "" if factor.kind == "code" or factor.lines else f": {_brief(factor.one)} -> {_brief(factor.other)}"
    return f"{factor.kind} {visible(factor.name)}{change}"


def _brief(value: str | None) -> str:
    if value is None:
        return "none"
    told = visible(value)
    if told.startswith("sha256:"):
        return told[:15] + "…"
    return told if len(told) <= 60 else told[:59] + "…"


def _time(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds:.2g} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _verdict(question: "Question", found: "Answer") -> list[str]:
    one, other = visible(question.one.label), visible(question.other.label)
    color = view_for().color
    effort = f"{found.number} trial{'s' * (found.number != 1)}, {_time(found.seconds)}"
    lines = []
    if found.outcome == "found":
        many = len(found.causes) > 1
        lines.append(paint(f"{'These turn' if many else 'This turns'} {one} into {other} ({effort}):", "bold", color))
        lines += [f"  {_told(factor)}" for factor in found.causes]
        rest = {
            "first": f"comes out like {one}.",
            "second": "still comes out as it did: there is another cause, too.",
            "neither": "comes out like neither: other differences matter, too.",
            "failed": "could not be run.",
            "": "was not tried any more: the budget is used up.",
        }[found.taken_back]
        lines.append(f"Without {'them' if many else 'it'}, {other} {rest}")
        if found.second_varies:
            who = "these do" if many else "this does"
            lines.append(f"{other} doesn't come out the same twice in a row; that is what {who}.")
        if found.label:
            lines.append(f"Shown by trial {found.label}: smt why {question.one.label} {question.other.label} --trials")
    else:
        lines.append(paint(_SENTENCES[found.outcome].format(one=one, other=other), "bold", color) + f" ({effort})")
        if found.outcome in ("beyond", "first differs", "second differs"):
            lines += [f"  not swapped: {visible(sentence)}" for sentence in question.fixed[:_MOST]]
            if found.outcome == "first differs":
                lines.append(f"  What has changed since: smt changed {shlex.quote(question.one.label)}")
            if not question.fixed:
                lines.append("  No difference is known that wasn't swapped: it must be in what records don't tell.")
    for name, largest in found.noise.items():
        lines.append(f"{visible(name)} varies by itself: numbers within {largest:.1g} (relative) counted as the same.")
    if found.left_out and found.outcome != "nothing differs":
        lines.append(f"Varies by itself, so not judged: {visible(', '.join(found.left_out))}")
    lines += [f"Could not be tried: {visible(sentence)}" for sentence in dict.fromkeys(found.failed)]
    return lines


_SENTENCES = {
    "nothing differs": "The results of {one} and {other} are the same.",
    "noisy": "{one} varies by itself as much as {other} differs from it, so nothing can be told.",
    "beyond": "What could be swapped doesn't make the difference between {one} and {other}.",
    "first differs": "{one} doesn't come out as it did any more, so nothing can be told.",
    "second differs": "With all that could be swapped, {other} doesn't come out as it did.",
    "first is bad": "The test finds {one} bad, too, when it is run again, so nothing can be told.",
    "given up": "The cause isn't found yet; the same command goes on.",
}


def _list_trials(question: "Question", as_json: bool) -> int:
    trials = question.trials.all()
    if as_json:
        print(json.dumps([trial._asdict() for trial in trials], indent=2))
        return 0
    for trial in trials:
        like = _LIKE[trial.outcome].format(one=question.one.label, other=question.other.label)
        print(visible(f"{trial.label:>6}  {trial.seconds:8.1f} s  {like:<24}  {trial.what}"))
    return 0


def _factor_as_json(factor: "Factor") -> dict[str, object]:
    return {
        "kind": factor.kind, "name": factor.name, "one": factor.one, "other": factor.other, "lines": factor.lines,
    }


def _as_json(question: "Question", found: "Answer") -> dict[str, object]:
    return {
        "one": question.one.label, "other": question.other.label, "outcome": found.outcome,
        "differences": len(question.factors),
        "causes": [_factor_as_json(factor) for factor in found.causes], "trials": found.number,
        "seconds": found.seconds, "taken_back": found.taken_back, "left_out": list(found.left_out),
        "failed": list(found.failed), "noise": dict(found.noise), "second_varies": found.second_varies,
        "fixed": list(question.fixed), "judged": list(question.judged),
    }
