"""What observing alone costs: programs started by the same few lines, observed in each way and not at all, in turn."""

import shutil
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from scene import PYTHON, repository, without_outputs
from table import Figure

OBSERVE = Path(__file__).resolve().parent / "observe.py"

WAYS = {
    "notify/helper": "helper in C", "notify/python": "Python", "strace": "strace",
    "answers": "the kernel's part, answered and not looked at",
}

SOURCES = 200
OPENS = """\
#include <fcntl.h>
#include <unistd.h>
int main(void) {
    for (int i = 0; i < 20000; i++) {
        int file = open("w1.py", O_RDONLY);
        if (file < 0 || close(file))
            return 1;
    }
    return 0;
}
"""
SOURCE = """\
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "all.h"
double f{number}(double x) {{ return x < {number} ? sin(x) + {number} : strlen("{number}") * exp(-x); }}
"""
MAKEFILE = "all: $(patsubst %.c,out/%.o,$(wildcard s*.c))\nout/%.o: %.c all.h\n\t@mkdir -p out\n\t@gcc -c -o $@ $<\n"


class Work(NamedTuple):
    """A program, and what observing it may cost: milliseconds added, or times the bare program."""

    what: str
    words: list[str]
    unit: str
    promised: dict[str, float]
    pairs: int


def observing(scratch: Path, quick: bool) -> Iterator[Figure]:
    """Yield what each way of observing costs for each work; what isn't installed here is passed over."""
    folder = repository(scratch)
    (folder / "all.h").write_text("".join(f"double f{number}(double);\n" for number in range(SOURCES)))
    for number in range(20 if quick else SOURCES):
        (folder / f"s{number}.c").write_text(SOURCE.format(number=number))
    (folder / "Makefile").write_text(MAKEFILE)
    loading = "import numpy, scipy.integrate, scipy.linalg, scipy.stats, matplotlib.pyplot"
    works = [
        Work("W1", [PYTHON, "-S", "w1.py"], "ms", {"notify/helper": 5, "notify/python": 15}, 31),
        Work("W2", [PYTHON, "w2.py", "params.yaml"], "ms", {"notify/python": 30}, 15),
        Work("W3", ["/bin/sh", "w3.sh"], "×", {"notify/helper": 1.25, "notify/python": 1.55}, 11),
        Work("loading NumPy, SciPy and Matplotlib", [PYTHON, "-c", loading], "×",
             {"notify/helper": 1.05, "notify/python": 1.08}, 7),
    ]
    make = shutil.which("make")
    if shutil.which("gcc") and make:
        (folder / "opens.c").write_text(OPENS)
        subprocess.run(["gcc", "-O1", "-o", "opens", "opens.c"], cwd=folder, check=True)
        works += [
            Work(f"make -j2 of {SOURCES} C files", [make, "-j2"], "×", {"notify/helper": 1.15}, 3),
            Work("20,000 times opening a file", [str(folder / "opens")], "×", {}, 7),
        ]
    ways = [way for way in WAYS if seconds_of(way, ["/bin/true"], folder)]
    for work in works:
        yield from figures(work, ways, folder, 2 if quick else work.pairs)


def figures(work: Work, ways: list[str], folder: Path, pairs: int) -> Iterator[Figure]:
    took: dict[str, list[float]] = {way: [] for way in ("none", *ways)}
    for _ in range(1 + pairs):
        for way, seconds in took.items():
            without_outputs(str(folder))
            seconds.append(seconds_of(way, work.words, folder))
            if not seconds[-1]:
                raise SystemExit(f"bench: {' '.join(work.words)} failed when observed by {way}")
    bare = took["none"][1:]  # the first is for warming up
    for way in ways:
        both = list(zip(took[way][1:], bare, strict=True))
        if work.unit == "ms":
            value = 1000 * statistics.median(observed - alone for observed, alone in both)
        else:
            value = statistics.median(observed / alone for observed, alone in both)
        detail = f"bare {1000 * statistics.median(bare):.0f} ms"
        yield Figure(f"observing {work.what}: {WAYS[way]}", value, work.unit, work.promised.get(way), detail=detail)


def seconds_of(way: str, words: list[str], folder: Path) -> float:
    """Run the program observed in this way and return how long it took; 0 if that can't be done."""
    done = subprocess.run([PYTHON, str(OBSERVE), way, *words], cwd=folder, capture_output=True, text=True, check=False)
    return float(done.stdout) if not done.returncode else 0.0
