"""Measure what Sumatra costs, and print the table of doc/explanation/performance.rst (make bench).

    run.py [--quick] [--only NAME …] [--no-write]

Names: start, list, run, observing, output, many, at-once, systems, answers, rivals.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from answers import answers
from observing import observing
from paired import Pair, cost, paired
from rivals import rivals
from scene import PYTHON, SMT, filled, project, repository, without_outputs
from systems import systems
from table import Figure, page

ROOT = Path(__file__).resolve().parents[1]
JSON = ROOT / "bench" / "figures.json"
TABLE = ROOT / "doc" / "explanation" / "performance-figures.inc.rst"

PASS = [PYTHON, "-c", "pass"]
SHA = "import hashlib, sys; hashlib.file_digest(open(sys.argv[1], 'rb'), 'sha256')"


def milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


def against_pass(what: str, words: list[str], folder: Path, promise: float, pairs: int) -> Figure:
    took = paired([SMT, *words], PASS, cwd=str(folder), pairs=pairs)
    detail = f"{milliseconds(took.wall)} against {milliseconds(took.wall_other)}"
    return Figure(what, took.ratio, "×", promise, detail=detail)


def start(scratch: Path, quick: bool) -> Iterator[Figure]:
    scratch.mkdir()
    yield against_pass("`smt version` against `python -c pass`", ["version"], scratch, 3, 5 if quick else 21)


def listing(scratch: Path, quick: bool) -> Iterator[Figure]:
    pairs = 3 if quick else 11
    scratch.mkdir()
    few, many = (1_000, 10_000) if quick else (10_000, 100_000)
    folder = filled(scratch / "few", few)
    yield against_pass(f"`smt list` of {few:,} records", ["list"], folder, 8, pairs)
    folder = filled(scratch / "many", many)
    yield against_pass(f"`smt list -n 50` of {many:,} records", ["list", "-n", "50"], folder, 10, pairs)
    yield against_pass(f'`smt list "x == 3"` of {many:,} records', ["list", "x == 3"], folder, 15, pairs)


WORKLOADS = {
    "W1": [PYTHON, "-S", "w1.py"],
    "W2": [PYTHON, "w2.py", "params.yaml"],
    "W3": ["/bin/sh", "w3.sh"],
    "W4": [PYTHON, "w4.py"],
}
PROMISED = {"W1": 100.0, "W2": 120.0}


def recorded(scratch: Path, quick: bool) -> Iterator[Figure]:
    bare = str(repository(scratch / "bare"))
    ours = str(project(scratch / "ours"))

    def both(words: list[str], pairs: int) -> Pair:
        smt_run = [SMT, "run", "--", *words]
        return paired(smt_run, words, cwd=ours, cwd_other=bare, pairs=pairs, before=without_outputs)

    peak = 0.0
    for name, words in WORKLOADS.items():
        if name == "W4":
            continue
        took = both(words, 3 if quick else 11)
        if name != "W2":  # W2's own memory is larger than ours
            peak = max(peak, took.peak)
        yield added(name, took, PROMISED.get(name))
        if name == "W3":
            yield Figure("W3 against the bare command", took.ratio, "×", 1.55)
    size = 64 if quick else 1024
    words = [*WORKLOADS["W4"], str(size)]
    took = both(words, 2 if quick else 5)
    passes = sorted(cost([PYTHON, "-c", SHA, f"{bare}/out/big.bin"], bare).wall for _ in range(5))
    yield added("W4", took)
    detail = f"{milliseconds(took.added)} against {milliseconds(passes[2])}"
    what = f"W4 ({size} MiB) adds, in SHA-256 passes over its output"
    yield Figure(what, took.added / passes[2], "×", 1, detail=detail)
    yield Figure("peak memory, W1, W3 and W4", max(peak, took.peak), "MiB", 60)


def added(name: str, took: Pair, promise: float | None = None) -> Figure:
    detail = f"bare {milliseconds(took.wall_other)}, {took.ratio:.1f}×, {took.peak:.0f} MiB"
    return Figure(f"{name} adds", 1000 * took.added, "ms", promise, detail=detail)


def output(scratch: Path, quick: bool) -> Iterator[Figure]:
    size = "64M" if quick else "1G"
    folder = str(project(scratch))
    words = ["/usr/bin/head", "-c", size, "/dev/zero"]
    took = paired([SMT, "run", "--", *words], words, cwd=folder, pairs=1 if quick else 3)
    yield Figure(f"peak memory when a program prints {size}B", took.peak, "MiB", 60, detail=f"{took.wall:.1f} s")


def many(scratch: Path, quick: bool) -> Iterator[Figure]:
    """A run that writes very many files."""
    count = 10_000 if quick else 100_000
    folder = str(project(scratch))
    code = "import os, sys\nos.makedirs('out')\nfor n in range(int(sys.argv[1])): open(f'out/{n}', 'w').write(str(n))\n"
    words = [PYTHON, "-c", code, str(count)]
    took = paired([SMT, "run", "--", *words], words, cwd=folder, pairs=1, before=without_outputs)
    # The bare program alone takes anything from 4 to 40 s on one and the same disk.
    detail = f"{took.wall:.1f} s, bare {took.wall_other:.1f} s"
    yield Figure(f"recording a run that writes {count:,} files adds", took.added, "s", 20, detail=detail)
    yield Figure(f"peak memory when {count:,} files are written", took.peak, "MiB", 300)


def at_once(scratch: Path, quick: bool) -> Iterator[Figure]:
    from sumatra.recordstore import open_store

    count = 20 if quick else 200
    folder = project(scratch)
    began = time.perf_counter()
    words = [[SMT, "run", "--", PYTHON, "conc.py", str(number)] for number in range(count)]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    runs = [subprocess.Popen(each, cwd=folder, **quiet) for each in words]
    statuses = [run.wait() for run in runs]
    took = time.perf_counter() - began
    with open_store(str(folder / ".smt" / "records.sqlite")) as store:
        records = list(store.select("bench"))
    data = (folder / "data" / "in.npy").read_bytes()[:1000]
    right = sum(is_right(record, data, folder) for record in records)
    detail = f"{took:.0f} s, {statuses.count(0)} ended well"
    labels = len({record.label for record in records})
    yield Figure(f"{count} runs at once: records", labels, "records", count, False, detail)
    yield Figure(f"{count} runs at once: records that are right", right, "records", count, False)


def is_right(record: "Record", data: bytes, folder: Path) -> bool:  # noqa: F821
    """Tell whether *record* says what really happened: what the run wrote is there, and nobody else's unmarked."""
    number = record.command[-1]
    own = "sha256:" + hashlib.sha256(data + number.encode()).hexdigest()
    found = {os.path.basename(key.path): key for key in record.output_data}
    mine = found.pop(f"r_{number}.dat", None)
    honest = all("shared" in key.flags for key in found.values())
    ended = record.status == "finished" and record.exit_status == 0
    return ended and mine is not None and mine.digest == own and honest


PARTS: dict[str, Callable[[Path, bool], Iterator[Figure]]] = {
    "start": start,
    "list": listing,
    "run": recorded,
    "observing": observing,
    "output": output,
    "many": many,
    "at-once": at_once,
    "systems": systems,
    "answers": answers,
    "rivals": rivals,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer pairs, smaller numbers: to try it out")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="NAME")
    parser.add_argument("--no-write", action="store_true", help="leave the JSON file and the page as they are")
    args = parser.parse_args()
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPATH", "PYTHONHOME"):
        os.environ.pop(name, None)
    scratch = Path(tempfile.mkdtemp(prefix="smt-bench-"))
    figures: list[Figure] = []
    try:
        for name in args.only:
            for figure in PARTS[name](scratch / name, args.quick):
                figures.append(figure)
                words = (f"{figure.what:56}", f"{figure.measured:>11}", f"{figure.promised:>19}", f"{figure.verdict:8}")
                print(*words, figure.detail, sep="  ", flush=True)
    finally:
        os.chdir("/")
        shutil.rmtree(scratch, ignore_errors=True)
    machine = {
        "cores": os.cpu_count(),
        "Python": platform.python_version(),
        "Linux": platform.release(),
        "on": f"{datetime.now(UTC):%Y-%m-%d}",
    }
    if not (args.no_write or args.quick or args.only != list(PARTS)):
        facts = {"machine": machine, "figures": [one._asdict() for one in figures]}
        JSON.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        TABLE.write_text(page(figures, machine), encoding="utf-8")
        print(f"\n{page(figures, machine)}\nwritten: {JSON.relative_to(ROOT)}, {TABLE.relative_to(ROOT)}")
    return 0 if all(figure.kept for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
