"""Two other tools, measured beside ours in the same loop: Sumatra 0.8, and ReproZip, which observes as we do."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from paired import Pair, paired
from scene import PYTHON, SMT, project, repository, without_outputs
from table import Figure

Make = Callable[[Path, Path], Sequence[str]]


def _sumatra(bin_folder: Path, folder: Path) -> Sequence[str]:
    smt = str(bin_folder / "smt")
    subprocess.run([smt, "init", "-d", "out", "-c", "store-diff", "old"], cwd=folder, check=True, capture_output=True)
    return [smt, "run", "-e"]


def _reprozip(bin_folder: Path, folder: Path) -> Sequence[str]:
    reprozip = str(bin_folder / "reprozip")
    subprocess.run([reprozip, "usage_report", "--disable"], cwd=folder, check=True, capture_output=True)
    return [reprozip, "trace", "--overwrite"]


RIVALS: dict[str, tuple[list[str], Make]] = {
    "Sumatra 0.8.1": (["sumatra==0.8.1", "GitPython", "setuptools<81"], _sumatra),
    "ReproZip 1.3": (["reprozip", "setuptools<81"], _reprozip),
}
WORKLOADS = {"W1": [PYTHON, "-S", "w1.py"], "W2": [PYTHON, "w2.py", "params.yaml"], "W3": ["/bin/sh", "w3.sh"]}


def rivals(scratch: Path, quick: bool) -> Iterator[Figure]:
    """Yield what they add, and what we add in the same minutes; a tool that can't be installed here is passed over."""
    scratch.mkdir()
    pairs = 3 if quick else 7
    bare = str(repository(scratch / "bare"))
    commands: dict[str, Callable[[list[str]], list[str]]] = {}
    folders = {"Sumatra, this version": str(project(scratch / "ours"))}
    commands["Sumatra, this version"] = lambda words: [SMT, "run", "--", *words]
    for name, (packages, make) in RIVALS.items():
        folder = repository(scratch / name.replace(" ", "-"))
        try:
            start = list(make(_installed(scratch / f"env-{name.split()[0]}", packages), folder))
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{name} isn't measured: {error}", file=sys.stderr)
            continue
        folders[name] = str(folder)
        commands[name] = lambda words, start=start, name=name: _command(name, start, words)
    for name, command in commands.items():
        for workload, words in WORKLOADS.items():
            took = paired(
                command(words), words, cwd=folders[name], cwd_other=bare, pairs=pairs, before=without_outputs
            )
            yield _figure(f"{name}: {workload} adds", took)


def _command(name: str, start: list[str], words: list[str]) -> list[str]:
    if name.startswith("ReproZip"):
        return [*start, *words]
    program, *rest = words
    options = [word for word in rest if word.startswith("-")]
    script, *others = [word for word in rest if not word.startswith("-")]
    return [*start, " ".join([program, *options]), "-m", script, *others]


def _figure(what: str, took: Pair) -> Figure:
    detail = f"bare {1000 * took.wall_other:.0f} ms, {took.ratio:.1f}×, {took.peak:.0f} MiB"
    return Figure(what, 1000 * took.added, "ms", detail=detail)


def _installed(folder: Path, packages: list[str]) -> Path:
    """Return the folder of programs of a new environment with *packages*."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
    base = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([base, "-m", "venv", str(folder)], check=True, capture_output=True, env=environment)
    words = [str(folder / "bin" / "python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check", *packages]
    subprocess.run(words, check=True, capture_output=True, env=environment)
    return folder / "bin"
