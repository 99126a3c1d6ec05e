"""Run something again as it was, and tell whether the results are the same.

    smt repeat LABEL
    smt repeat last --times 5        (is it deterministic?)
    smt repeat LABEL LABEL --dry-run (tell what would be done, and what stands in its way)
    smt repeat --tag "Figure 6"
    smt repeat LABEL --env recorded  (with the Python packages of then)

The code of the run, uncommitted changes included, is put together in a folder of its own, and the command is run in a
view of your files in which it stands in the place of yours: your files and the results of the first run stay as they
are, whatever the program writes. Where the system allows no such view, it is run in that folder, and what would
overwrite something is refused unless you say --in-place. Inputs are checked first, and taken from what was kept if
they have changed. Environment variables are put back. Results that differ are kept. Numbers in results have to be
equal, unless a tolerance is given here or in the settings. The exit status is 0 if all results match, 1 if any differs
or isn't known, 3 if a run can't be repeated, 130 if you interrupt it.
"""

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

from sumatra.cli.terminal import parse_anywhere, project_here, say
from sumatra.comparison import SAME
from sumatra.comparison.tolerance import check
from sumatra.errors import NoSuchRecord, UsageError
from sumatra.formatting.escape import visible
from sumatra.runs.repeating import Plan, Repeated

parse = parse_anywhere

_MOST = 10


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare labels and options."""
    add = parser.add_argument
    add("labels", nargs="*", metavar="LABEL", default=[], help="the records to repeat (default: the last)")
    add("-l", "--label", dest="new_label", metavar="LABEL", help="label of the new record (default: the time)")
    add("-t", "--tag", help="repeat all records that have this tag")
    add("--last", action="store_true", help="repeat the last run")
    add("--times", type=int, default=1, metavar="N", help="repeat each of them N times, and tell how many match")
    add(
        "--env", choices=("current", "recorded"), default="current",
        help="with the Python environment of today, or with that of then, built again (default: current)",
    )
    add(
        "--in-place", action="store_true",
        help="run even if files can't be kept apart, so that it may overwrite what it writes by absolute paths",
    )
    add("--tolerance", action="append", default=[], metavar="TOLERANCE",
        help="how far numbers in results may lie apart: 1e-6, Data/*.csv=1e-6, or Data/*.csv:energy=1e-6,1e-12 for one"
        " column or dataset, relative and absolute; may be given several times")
    add("--dry-run", action="store_true", help="run nothing: tell what would be done and what stands in its way")
    add("--keep", action="store_true", help="keep the folder with the new results even if they match")
    add("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Repeat, and end with 1 where results differ."""
    project = project_here()
    labels = [project.get_record(label).label for label in args.labels]
    if args.tag:
        tagged = [record.label for record in project.find_records(tags=args.tag)]
        if not tagged:
            raise NoSuchRecord(f"no record has the tag {args.tag!r}", "see them: smt list -l")
        labels += tagged
    if args.last or not labels:
        labels.append(project.get_record("last").label)
    if args.times < 1:
        raise UsageError(f"{args.times} times can't be done", "take 1 or more")
    if args.new_label and len(labels) * args.times > 1:
        raise UsageError("there would be several records with one label", "leave --label out")
    labels = list(dict.fromkeys(labels))
    check(args.tolerance)
    plans = [
        project.plan_repeat(label, recorded=args.env == "recorded", in_place=args.in_place, dry=args.dry_run)
        for label in labels
    ]
    if args.dry_run:
        _print_plans(plans, args.json)
        return 0
    told: list[dict[str, Any]] = []
    match = True
    interrupted = 0
    for plan in plans:
        for note in plan.notes:
            say(f"{plan.record.label}: {note}")
        results = list(_repeated(project, plan, args))
        match = match and all(result.match for result in results)
        told.append(_as_json(plan, results))
        if not args.json:
            _print(plan, results, several=len(plans) > 1)
        interrupted = results[-1].interrupted
        if interrupted:
            break
    if args.json:
        print(json.dumps(told, indent=2))
    return 128 + interrupted if interrupted else int(not match)


def _repeated(project: Any, plan: Plan, args: argparse.Namespace) -> Iterator[Repeated]:
    """Repeat *plan* as often as is wanted, or until the user interrupts it."""
    for _ in range(args.times):
        found: Repeated = project.repeat(plan, label=args.new_label, keep=args.keep, tolerance=args.tolerance)
        for path in found.overwritten:
            say(f"{plan.record.label}: {path} isn't what it was before: the repetition may have written it")
        yield found
        if found.interrupted:
            return


def _print_plans(plans: list[Plan], as_json: bool) -> None:
    if as_json:
        told = [
            {
                "label": plan.record.label, "command": plan.command, "version": plan.record.version,
                "notes": plan.notes, "conditions": plan.conditions, "apart": plan.has_view,
                "packages": [line.text for line in plan.python.lines] if plan.python else None,
            }
            for plan in plans
        ]
        print(json.dumps(told, indent=2))
        return
    for plan in plans:
        record = plan.record
        print(f"{visible(record.label)}: {visible(' '.join(plan.command))}")
        changes = f" with {len(record.changes)} changed files" if record.changes else ""
        print(f"  code     {record.version or 'the files that were kept'}{changes}")
        print(f"  inputs   {len(record.input_data) - len(plan.inputs)} of {len(record.input_data)} are as they were")
        if plan.python is not None:
            print(f"  packages {visible(plan.python.summary)}")
            for line in plan.python.lines:
                print(f"           {visible(line.text)}")
        print(f"  files    {'nothing reaches yours' if plan.has_view else 'written in a folder of its own'}")
        for note in plan.notes:
            print(f"  !        {visible(note)}")


def _print(plan: Plan, results: list[Repeated], *, several: bool) -> None:
    for result in results:
        condition = f" (the {_and(plan.conditions)} are not those of then, see above)" if plan.conditions else ""
        head = f"{visible(plan.record.label)}: " if several else ""
        print(f"{head}{result.sentence}{condition}")
        if result.match:
            continue
        unseen = not (result.record.outputs_are_known and result.done.record.outputs_are_known)
        odd = [] if unseen else [item for item in result.outputs.items() if item[1].verdict not in SAME]
        for path, each in odd[:_MOST]:
            sentence = f": {visible(each.sentence)}" if each.sentence else ""
            print(f"  {each.verdict:<12} {visible(os.path.relpath(path))}{sentence}")
        if len(odd) > _MOST:
            print(f"  … and {len(odd) - _MOST} more: smt diff {plan.record.label} {result.done.record.label}")
        for cause in result.causes[:_MOST]:
            change = f"{_brief(cause.one)} -> {_brief(cause.other)}"
            print(f"  could explain it: {cause.kind} {visible(cause.name)}: {change}")
        if result.folder:
            print(f"  the new results are in {visible(os.path.relpath(result.folder))}")
    if len(results) > 1:
        _print_noise(plan, results)


def _print_noise(plan: Plan, results: list[Repeated]) -> None:
    """Tell how many of several repetitions were the same, and by how much the results vary where they weren't."""
    label, total = visible(plan.record.label), len(results)
    near = sum(result.match and result.farthest is not None for result in results)
    same = sum(
        result.match and all(each.verdict == "identical" for each in result.outputs.values()) for result in results
    )
    alike = sum(result.match for result in results) - near - same
    told = [(same, f"of {total} identical"), (alike, "same content"), (near, "within tolerance")]
    print(f"{label}: " + ", ".join(f"{number} {what}" for number, what in told if number or what.endswith("identical")))
    for path in dict.fromkeys(path for result in results for path in result.outputs):
        sizes = [result.outputs[path].largest or 0.0 for result in results if path in result.outputs]
        if max(sizes, default=0.0) > 0:
            print(f"  {visible(os.path.relpath(path))}: largest relative difference {max(sizes):.2g}")


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _brief(value: str | None) -> str:
    return "none" if value is None else visible(value[:60])


def _as_json(plan: Plan, results: list[Repeated]) -> dict[str, Any]:
    return {
        "label": plan.record.label,
        "conditional": bool(plan.conditions),
        "conditions": list(plan.conditions),
        "apart": plan.has_view,
        "notes": list(plan.notes),
        "repeats": [
            {
                "label": result.done.record.label, "match": result.match, "folder": result.folder,
                "outputs": {path: each.verdict for path, each in result.outputs.items()},
                "sentences": {path: each.sentence for path, each in result.outputs.items() if each.sentence},
            }
            for result in results
        ],
    }
