"""What answers cost: repeating, comparing, telling what has changed, finding a cause."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from paired import cost, paired
from scene import PYTHON, SMT, project
from table import Figure

PASS = [PYTHON, "-c", "pass"]
WRITE = """\
import os, sys
os.makedirs('out', exist_ok=True)
for number in range({count}):
    open(f'out/{{number}}', 'w').write(sys.argv[1])
"""
ARRAY = """\
import numpy, os
os.makedirs('out', exist_ok=True)
numbers = numpy.ones({count})
numbers[-1] += {more}
numpy.save('out/{name}.npy', numbers)
"""


def answers(scratch: Path, quick: bool) -> Iterator[Figure]:
    scratch.mkdir()
    yield from repeating(scratch / "repeat", quick)
    yield from comparing(scratch / "compare", quick)
    yield from causes(scratch / "why", quick)


def smt(folder: Path, *words: str, statuses: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run([SMT, *words], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in statuses:
        raise SystemExit(f"bench: smt {' '.join(words)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def repeating(folder: Path, quick: bool) -> Iterator[Figure]:
    project(folder)
    words = [PYTHON, "w2.py", "params.yaml"]
    smt(folder, "run", "-l", "first", "--", *words)
    pairs = 2 if quick else 9
    took = paired([SMT, "repeat", "first"], [SMT, "run", "--", *words], cwd=str(folder), pairs=pairs)
    detail = f"{1000 * took.wall:.0f} ms against {1000 * took.wall_other:.0f} ms"
    yield Figure("`smt repeat` against `smt run`, W2", took.ratio, "×", detail=detail)
    took = paired([SMT, "changed", "first"], PASS, cwd=str(folder), pairs=pairs)
    detail = f"{1000 * took.wall:.0f} ms against {1000 * took.wall_other:.0f} ms"
    yield Figure("`smt changed` against `python -c pass`, W2", took.ratio, "×", detail=detail)


def comparing(folder: Path, quick: bool) -> Iterator[Figure]:
    project(folder)
    count = 1_000 if quick else 10_000
    for label, text in (("a", "1.0"), ("b", "1.0"), ("c", "2.0")):
        smt(folder, "run", "-l", label, "--", PYTHON, "-c", WRITE.format(count=count), text)
    took = cost([SMT, "diff", "a", "b"], str(folder))
    detail = f"{took.peak:.0f} MiB"
    yield Figure(f"`smt diff`, {count:,} outputs that are the same", took.wall * 1000, "ms", detail=detail)
    took = cost([SMT, "diff", "a", "c"], str(folder), status=1)
    detail = f"{took.peak:.0f} MiB"
    yield Figure(f"`smt diff`, {count:,} outputs that differ", took.wall * 1000, "ms", detail=detail)
    numbers = (1 << 20 if quick else 1 << 27)
    for name, more in (("one", 0), ("other", 1e-9)):
        subprocess.run([PYTHON, "-c", ARRAY.format(count=numbers, more=more, name=name)], cwd=folder, check=True)
    code = "from sumatra.comparison import compare\nprint(compare('out/one.npy', 'out/other.npy', '1e-6').verdict)"
    took = cost([PYTHON, "-c", code], str(folder))
    what = f"comparing two arrays of {8 * numbers >> 20} MiB"
    yield Figure(what, took.wall, "s")
    yield Figure(f"{what}: memory", peak_of_children([PYTHON, "-c", code], folder), "MiB")


def peak_of_children(words: list[str], folder: Path) -> float:
    """Return the peak memory (MiB) of the largest process that *words* start."""
    code = (
        "import resource, subprocess, sys\nsubprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    done = subprocess.run([PYTHON, "-c", code, *words], cwd=folder, capture_output=True, text=True, check=True)
    return float(done.stdout)


def causes(folder: Path, quick: bool) -> Iterator[Figure]:
    """Yield how many trials it takes to find one changed input among so many that make no difference."""
    for number in (8,) if quick else (2, 8, 32, 128):
        here = folder / str(number)
        here.mkdir(parents=True)
        (here / "sim.py").write_text(
            "import glob, os\nos.makedirs('out', exist_ok=True)\n"
            "texts = [open(name).read() for name in sorted(glob.glob('in*.txt'))]\n"
            f"open('out/result', 'w').write(texts[{number * 2 // 3}])\n"
        )
        for each in range(number):
            (here / f"in{each:03}.txt").write_text("before\n")
        git = ["git", "-c", "user.name=B", "-c", "user.email=b@example.org"]
        for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message=all"]):
            subprocess.run([*git, *words], cwd=here, check=True)
        smt(here, "init", "--datapath=out", "bench")
        smt(here, "run", "-l", "good", "--", PYTHON, "sim.py")
        for each in range(number):
            (here / f"in{each:03}.txt").write_text("after\n")
        smt(here, "run", "-l", "bad", "--", PYTHON, "sim.py")
        found = json.loads(smt(here, "why", "good", "bad", "--json"))
        if [each["name"] for each in found["causes"]] != [f"in{number * 2 // 3:03}.txt"]:
            raise SystemExit(f"bench: smt why found {found['causes']}")
        detail = f"{found['seconds']:.1f} s in all"
        what = f"`smt why`: trials for one cause among {number} differences"
        yield Figure(what, found["trials"], "trials", detail=detail)
        os.chdir("/")
