"""Kill ``smt run`` at each of its system calls, and count the records that are lost: there must be none.

``python bench/crash.py [STEP [CALL …]]`` goes through every STEP-th point (default 1) of each kind of call, or of those
named, and prints a line per kind and the sum.  strace does the killing: ``--inject=CALL:signal=KILL:when=N``.  A run
whose program was started has to be on record afterwards, and nothing of it may need the user's help.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SMT = [sys.executable, str(ROOT / "bin" / "smt")]

#: What changes something that outlives the process, or waits for the program.
CALLS = (
    "mkdir", "openat", "write", "pwrite64", "ftruncate", "fsync", "fdatasync", "rename", "unlink", "rmdir", "fchmod",
    "flock", "fcntl", "clone3", "clone", "vfork", "wait4", "close", "exit_group",
)


class Outcome(NamedTuple):
    """What one kill did."""

    call: str
    number: int
    hit: bool
    started: bool  #: the program was
    lost: bool
    trouble: str


def scene(folder: Path) -> None:
    """Make a project in *folder*."""
    folder.mkdir()
    (folder / "main.sh").write_text('echo out of $1\necho "$1" > "Data/$1.dat"\n')
    for words in (["git", "init", "-q"], ["git", "add", "main.sh"], ["git", "commit", "-qm", "code"]):
        subprocess.run(words, cwd=folder, check=True, env=environment())
    (folder / "note.txt").write_text("an untracked file\n")
    subprocess.run([*SMT, "init", "Crash"], cwd=folder, check=True, capture_output=True)


def environment() -> dict[str, str]:
    """Return an environment in which git knows who we are."""
    who = {"NAME": "Ada Example", "EMAIL": "ada@example.org"}
    roles = ("AUTHOR", "COMMITTER")
    return {**os.environ, **{f"GIT_{role}_{key}": value for role in roles for key, value in who.items()}}


def kill_at(folder: Path, call: str, number: int) -> Outcome:
    """Run, kill at the *number*-th *call* of smt itself, and look what is left."""
    label = f"{call}-{number}"
    inject = f"inject={call}:signal=KILL:when={number}"
    trace = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]
    done = subprocess.run(
        [*trace, *SMT, "run", "-l", label, "--", "sh", "main.sh", label], cwd=folder, capture_output=True,
        stdin=subprocess.DEVNULL, timeout=120,
    )
    hit = done.returncode in (-9, 137)
    mark = folder / "Data" / f"{label}.dat"
    if hit:
        _wait_for_program(label)
    listed = subprocess.run([*SMT, "list", "--json"], cwd=folder, capture_output=True, text=True, timeout=120)
    if listed.returncode or "Traceback" in listed.stderr:
        return Outcome(call, number, hit, mark.exists(), True, listed.stderr)
    record = next((record for record in json.loads(listed.stdout) if record["label"] == label), None)
    trouble = ""
    if record is not None and record["status"] in ("initialized", "running"):
        trouble = f"the record is {record['status']} for ever"
    left = [str(path) for path in (folder / ".smt" / "runs").iterdir()]
    if left:
        trouble = f"left behind: {left}"
    return Outcome(call, number, hit, mark.exists(), mark.exists() and record is None, trouble)


def _wait_for_program(label: str) -> None:
    """Wait until no process has the run's label in its environment any more."""
    wanted = f"SMT_LABEL={label}".encode()
    while any(wanted in _environ(entry) for entry in os.listdir("/proc") if entry.isdigit()):
        pass


def _environ(entry: str) -> list[bytes]:
    try:
        return Path(f"/proc/{entry}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def points(folder: Path, call: str, step: int) -> Iterator[Outcome]:
    """Kill at each *step*-th use of *call* until it isn't reached any more."""
    number = 1
    while True:
        outcome = kill_at(folder, call, number)
        if not outcome.hit:
            return
        yield outcome
        number += step


def main() -> int:
    """Go through all points; the exit status is 1 if a record was lost."""
    step = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    total = started = lost = 0
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "crash"
        scene(folder)
        for call in sys.argv[2:] or CALLS:
            outcomes = list(points(folder, call, step))
            bad = [outcome for outcome in outcomes if outcome.lost or outcome.trouble]
            after, gone = sum(o.started for o in outcomes), sum(o.lost for o in outcomes)
            print(f"{call:12} {len(outcomes):4} points, {after:4} after the program's start, {gone} lost", flush=True)
            for outcome in bad:
                print("   ", outcome)
            total, started = total + len(outcomes), started + sum(o.started for o in outcomes)
            lost += len(bad)
    print(f"{total} points, {started} after the program's start, {lost} records lost or in trouble")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
