"""Where the workloads run: a repository of 500 files, and stores with many records."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

WORKLOADS = Path(__file__).resolve().parent / "workloads"
PYTHON = sys.executable
SMT = os.path.join(os.path.dirname(sys.executable), "smt")

FILES = 500


def repository(folder: Path) -> Path:
    """Make a git repository of 500 files at *folder*, with the workloads in it."""
    shutil.copytree(WORKLOADS, folder)
    (folder / "data").mkdir()
    code = "import numpy as np; np.save('data/in.npy', np.random.default_rng(1).normal(size=131072))"
    subprocess.run([PYTHON, "-c", code], cwd=folder, check=True)
    for number in range(1, 201):
        (folder / f"file_{number}").write_text(f"file {number} {number:0200d}\n")
    for number in range(270):
        module = folder / "src" / f"p{number % 20}" / f"m{number}.py"
        module.parent.mkdir(parents=True, exist_ok=True)
        module.write_text(f"def f{number}(x):\n    return x + {number}\n# {number:0800d}\n")
    (folder / ".gitignore").write_text("out/\n.smt/\n.bench-log\n")
    number = 0
    while sum(len(names) for _, _, names in os.walk(folder)) < FILES:
        number += 1
        (folder / f"doc_{number}.txt").write_text(f"doc {number}\n")
    git = ["git", "-c", "user.name=B", "-c", "user.email=b@example.org", "-c", "gc.auto=0"]
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message=the workloads"]):
        subprocess.run([*git, *words], cwd=folder, check=True)
    return folder


def project(folder: Path) -> Path:
    """Make a `repository` with a project in it, whose programs write into ``out``."""
    repository(folder)
    subprocess.run([SMT, "init", "--datapath=out", "bench"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder


def without_outputs(folder: str) -> None:
    """Remove what the last run wrote."""
    shutil.rmtree(os.path.join(folder, "out"), ignore_errors=True)


def filled(folder: Path, count: int) -> Path:
    """Make a project with *count* records, whose parameter ``x`` has a thousand values."""
    from sumatra.recordstore import open_store

    folder.mkdir()
    subprocess.run([SMT, "init", "bench"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    with open_store(str(folder / ".smt" / "records.sqlite")) as store:
        store.save_many("bench", records(count))
    return folder


def records(count: int) -> Iterator["Record"]:  # noqa: F821  loaded below
    """Yield *count* records like those of real runs: some parameters, two inputs, three outputs, tags, a reason."""
    from sumatra.records import DataKey, Executable, Parameters, Platform, Record, Repository, Resources, Stream, new_id

    draw = random.Random(1)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    repository = Repository("git", "/home/ada/model", "https://example.org/model.git", "/home/ada/model", "main")
    platform = Platform("Linux", "node7", "6.1.0", "#1 SMP", "x86_64", "Some CPU", cores=8, memory=16 << 30)

    def digest() -> str:
        return f"{draw.getrandbits(256):064x}"

    for number in range(count):
        when = start + timedelta(seconds=60 * number)
        values = {"seed": number, "x": number % 1000, "sigma": draw.random(), "model": {"tau_m": 10.0 + number % 7}}
        text = "".join(f"{name}: {value}\n" for name, value in values.items())
        yield Record(
            label=when.strftime("%Y%m%d-%H%M%S"),
            timestamp=when,
            id=new_id(),
            project="bench",
            status=("finished", "finished", "finished", "failed")[number % 4],
            exit_status=int(number % 4 == 3),
            duration=draw.expovariate(0.1),
            reason=f"what does sigma {number % 50} do to the rate?",
            outcome="as expected" if number % 3 else "",
            tags=frozenset({"Figure 6"} if number % 100 == 0 else ()),
            command=("python", "main.py", "params.yaml"),
            executable=Executable("/usr/bin/python3", "Python", "3.11.2"),
            main_file="main.py",
            script_arguments="<parameters>",
            working_directory="/home/ada/model",
            repository=repository,
            version=f"{draw.getrandbits(160):040x}",
            parameters=Parameters(text, "yaml", values, "params.yaml", digest()),
            input_data=tuple(DataKey(f"data/in_{k}.npy", digest(), when, 1 << 20, seen="argument") for k in range(2)),
            output_data=tuple(DataKey(f"out/{number}/{k}.npy", digest(), when, 1 << 20, seen="scan") for k in "abc"),
            stdout=Stream(60, digest()),
            stdout_stderr="mean 0.123456\n",
            platforms=(platform,),
            environment={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            resources=Resources(1.5, 0.2, 80 << 20, 8, 6144),
            user="Ada Example <ada@example.org>",
        )
