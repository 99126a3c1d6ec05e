"""One record in full, for reading on a terminal: what ``smt view LABEL`` shows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from sumatra.formatting import View
from sumatra.formatting.dependencies import describe_dependencies
from sumatra.formatting.escape import visible
from sumatra.formatting.layout import cells, paint, shorten, wrap
from sumatra.formatting.rows import duration_text, literal, size_text, value_text
from sumatra.formatting.text import block
from sumatra.receipt import is_serious
from sumatra.receipt import lines as receipt_lines
from sumatra.records import DataKey, Observation, Platform, Program, Record, Resources

__all__ = ["describe_parameters", "receipt", "receipt_as_json", "receipt_in_short", "record_view"]

_PLAIN = View()
_MARGIN = "  "
_TAIL = 20  #: lines of the program's output
_FEW, _MOST_PROGRAMS, _DEEPEST = 2, 40, 20  #: lines of programs, and how far they are indented
_FEWEST, _BARS = 4, 60  #: of a series


def record_view(record: Record, view: View = _PLAIN) -> Iterator[str]:
    """Yield everything that is worth reading about *record*, piece by piece; what is empty is left out.

    Of *view*, only colour and width are asked.
    """
    yield from block(record, view, brief=True)
    sections: tuple[tuple[str, Iterable[str]], ...] = (
        ("Parameters given on the command line", describe_parameters(record, view, only_changed=True)),
        ("Input data", _files(record.input_data, view)),
        ("Output data", _files(record.output_data, view)),
        ("Files that were removed", _files(record.deleted_data, view)),
        ("Changes that were not committed", _changes(record, view)),
        ("Output of the program", _tail(record, view)),
        ("Programs that were run", _programs(record, view)),
        ("Resources", _resources(record, view)),
        ("Platform", (line for platform in record.platforms for line in _platform(platform, view))),
        ("Dependencies", _dependencies(record, view)),
        ("Random seeds", _pairs(record.seeds, view)),
        ("Environment", _pairs(record.environment, view)),
        ("Surroundings", _pairs(record.surroundings, view)),
        ("About the run", _pairs(_about(record), view)),
    )
    for title, lines in sections:
        yield from _section(title, lines, view)
    if record.receipt:
        yield "\n"
        yield from receipt_in_short(record, view)


def _section(title: str, lines: Iterable[str], view: View) -> Iterator[str]:
    before = f"\n{paint(title, 'bold', view.color)}\n"
    for line in lines:
        yield before + (_MARGIN + line).rstrip() + "\n"
        before = ""


def describe_parameters(record: Record, view: View = _PLAIN, *, only_changed: bool = False) -> Iterator[str]:
    """Yield a line for each parameter, by its dotted name; those given on the command line are marked with ``*``.

    With *only_changed*, no others are told and there is no mark.
    """
    changed = set(record.parameters.changed)
    flat = {name: value for name, value in record.parameters.flat().items() if name in changed or not only_changed}
    width = max((cells(visible(name)) for name in flat), default=0)
    for name, value in flat.items():
        text = visible(name)
        marked = name in changed and not only_changed
        line = f"{text}{' ' * (width - cells(text))} = {visible(literal(value))}{'  *' * marked}"
        yield paint(line, "yellow", view.color) if marked else line


def receipt(record: Record, view: View = _PLAIN) -> Iterator[str]:
    """Yield what could not be captured of *record*, what that means, and what to do about it, piece by piece."""
    if not record.receipt:
        yield "Nothing is missing.\n"
    width = max((view.width or 10_000) - 4, 20)
    for finding in receipt_lines(record.receipt, record.label):
        yield paint(visible(finding.code), "yellow", view.color) + "\n"
        consequence = f"For a repeat: {finding.consequence}" if finding.consequence else ""
        for text, before, style in ((finding.message, "", ""), (consequence, "", "dim"), (finding.remedy, "→ ", "")):
            if text:
                told = (piece for line in text.split("\n") for piece in wrap(visible(line), width - len(before)))
                for number, line in enumerate(told):
                    line = (" " * len(before) if number else before) + line
                    yield "    " + (paint(line, style, view.color) if style else line) + "\n"


def receipt_in_short(record: Record, view: View = _PLAIN) -> Iterator[str]:
    """Yield one line, broken where the terminal is narrow, if anything of *record* is missing."""
    number = len(receipt_lines(record.receipt))
    if number:
        import shlex

        things = "1 thing is" if number == 1 else f"{number} things are"
        text = f"Receipt: {things} missing or in the way of a repeat; smt view --receipt {shlex.quote(record.label)}"
        style = "yellow" if any(map(is_serious, record.receipt)) else "dim"
        for line in wrap(visible(text), max(view.width or 10_000, 20)):
            yield paint(line, style, view.color) + "\n"


def receipt_as_json(record: Record) -> list[dict[str, str]]:
    """Return what `receipt` tells, for programs."""
    return [finding._asdict() for finding in receipt_lines(record.receipt, record.label)]


def _files(keys: Iterable[DataKey], view: View) -> Iterator[str]:
    for key in keys:
        yield visible(key.path)
        when = key.creation.isoformat(" ", "seconds") if key.creation else ""
        seen = f"seen by {key.seen}" if key.seen else ""
        facts = [size_text(key.size), key.mimetype or "", key.encoding or "", when, seen]
        yield paint("    " + visible(", ".join(filter(None, facts))), "dim", view.color)
        if key.digest:
            yield paint("    " + visible(key.digest), "dim", view.color)
        if key.flags:
            yield paint("    " + visible(", ".join(key.flags)), "yellow", view.color)


def _changes(record: Record, view: View) -> Iterator[str]:
    for change in record.changes:
        if change.kind != "code":
            kept = "" if change.digest or change.kind == "deleted" else f"  (not kept, {size_text(change.size)})"
            yield f"{visible(change.kind):9}  {visible(change.path)}" + paint(kept, "yellow", view.color)


def _tail(record: Record, view: View) -> Iterator[str]:
    lines = record.stdout_stderr.rstrip("\n").split("\n") if record.stdout_stderr else []
    for name, stream in (("standard output", record.stdout), ("standard error", record.stderr)):
        if stream is not None and stream.size:
            yield paint(f"{name}: {size_text(stream.size)}", "dim", view.color)
    if len(lines) > _TAIL:
        yield paint(f"… {len(lines) - _TAIL} lines before", "dim", view.color)
    for line in lines[-_TAIL:]:
        # What a progress bar wrote over itself is left out, as the terminal left it out.
        yield visible(line.rstrip("\r").rpartition("\r")[2].expandtabs())


def _resources(record: Record, view: View) -> Iterator[str]:
    used = record.resources or Resources()
    pairs = {
        "CPU time, program": duration_text(used.cpu_user),
        "CPU time, system": duration_text(used.cpu_system),
        "peak memory": size_text(used.peak_memory),
        "of all processes": size_text(used.tree_memory),
        "read": size_text(used.bytes_read),
        "written": size_text(used.bytes_written),
        "read from disk": size_text(None if used.read_blocks is None else 512 * used.read_blocks),
        "written to disk": size_text(None if used.written_blocks is None else 512 * used.written_blocks),
        "context switches": _switches(used),
        "memory over time": _series([sample.memory for sample in record.usage]),
        "CPUs over time": _series([sample.cpu for sample in record.usage]),
        "GPUs over time": _series([sample.gpu for sample in record.usage if sample.gpu is not None]),
        "capture": _capture(record.observation),
    }
    yield from _pairs(pairs, view)


def _switches(used: Resources) -> str:
    if used.waits is None or used.preemptions is None:
        return ""
    return f"{used.waits:,} while waiting, {used.preemptions:,} forced"


def _capture(observation: Observation | None) -> str:
    if observation is None:
        return ""
    told = [
        f"{seconds:.2f} s {when}"
        for seconds, when in ((observation.before, "before"), (observation.after, "after")) if seconds is not None
    ]
    return ", ".join([observation.method, *told])


def _series(values: Sequence[float | None]) -> str:
    """Return *values* as a line of bars, each a share of the largest."""
    known = [value or 0.0 for value in values]
    if len(known) < _FEWEST or max(known) <= 0:
        return ""
    count = min(len(known), _BARS)
    bounds = [len(known) * place // count for place in range(count + 1)]
    peaks = [max(known[start:end]) for start, end in pairwise(bounds)]
    return "".join("▁▂▃▄▅▆▇█"[min(7, int(8 * peak / max(known)))] for peak in peaks)


def _programs(record: Record, view: View) -> Iterator[str]:
    """Yield what ran, as a tree; what is the same side by side is told once with its number."""
    below: dict[int | None, list[int]] = {}
    for place, program in enumerate(record.programs):
        below.setdefault(program.parent if program.parent != place else None, []).append(place)
    lines = list(_branch(record.programs, below, None, 0))
    if len(lines) < _FEW:
        return  # the command alone, which has been told
    for line in lines[:_MOST_PROGRAMS]:
        yield shorten(line, view.width - len(_MARGIN)) if view.width else shorten(line, 120)
    if len(lines) > _MOST_PROGRAMS:
        yield f"… and {len(lines) - _MOST_PROGRAMS} more lines: smt view --json"


def _branch(
    programs: Sequence[Program], below: Mapping[int | None, Sequence[int]], parent: int | None, depth: int
) -> Iterator[str]:
    told: dict[str, tuple[int, int]] = {}
    for place in below.get(parent, ()):
        program = programs[place]
        name = visible(program.path.rpartition("/")[2] or program.path)
        is_leaf = place not in below
        first, count = told.get(name, (place, 0)) if is_leaf else (place, 0)
        told[name if is_leaf else f"{name} {place}"] = (first, count + 1)
    for place, count in told.values():
        program = programs[place]
        words = " ".join(visible(word) for word in program.arguments) or visible(program.path)
        status = f"  [{program.exit_status}]" if program.exit_status else ""
        yield f"{'  ' * min(depth, _DEEPEST)}{words}{f'  (and {count - 1} more of these)' if count > 1 else ''}{status}"
        if depth < _DEEPEST:
            yield from _branch(programs, below, place, depth + 1)


def _platform(platform: Platform, view: View) -> Iterator[str]:
    yield from _pairs({
        "host": " ".join(filter(None, (platform.network_name, platform.ip_addr))),
        "system": " ".join(filter(None, (platform.system_name, platform.release, platform.distribution))),
        "machine": " ".join(filter(None, (platform.machine, platform.architecture_bits))),
        "processor": platform.processor,
        "cores": value_text(platform.cores),
        "accelerators": "; ".join(platform.accelerators),
        "memory": size_text(platform.memory),
    }, view)


def _dependencies(record: Record, view: View) -> Iterator[str]:
    width = view.width and view.width - len(_MARGIN)
    return describe_dependencies(record.dependencies, width=width, color=view.color)


def _about(record: Record) -> dict[str, str]:
    data = {"data store": record.datastore, "input data store": record.input_datastore}
    return {
        "id": record.id,
        "project": record.project,
        "folder": record.working_directory,
        "parent run": record.parent or "",
        **{
            name: " ".join([choice.name, *(f"{key}={value_text(value)}" for key, value in choice.options.items())])
            for name, choice in data.items() if choice is not None
        },
        **{f"{name} version": version for name, version in record.tools.items()},
    }


def _pairs(pairs: Mapping[str, Any], view: View) -> Iterator[str]:
    told = [(visible(name), visible(str(value))) for name, value in pairs.items() if value not in ("", None)]
    width = max((cells(name) for name, _ in told), default=0)
    for name, value in told:
        yield f"{paint(name, 'dim', view.color)}{' ' * (width - cells(name))}  {value}"
