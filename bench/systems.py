"""What a run costs more in a working copy of 5,000 files than in one of 10, for each version-control system."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from paired import paired
from scene import SMT
from table import Figure

PROGRAMS = {"git": "git", "Mercurial": "hg", "Subversion": "svn", "Bazaar": "brz"}

#: Files whose times are as young as the last look at them have to be read by all systems.
SETTLED = 3.0


def systems(scratch: Path, quick: bool) -> Iterator[Figure]:
    scratch.mkdir()
    few, many = 10, 500 if quick else 5_000
    os.environ["BRZ_EMAIL"] = "B <b@example.org>"
    for name, program in PROGRAMS.items():
        beside = os.path.join(os.path.dirname(sys.executable), program)
        found = beside if os.access(beside, os.X_OK) else shutil.which(program)
        if not found:
            continue
        folders = [working_copy(found, program, scratch / program / str(number), number) for number in (few, many)]
        time.sleep(SETTLED)
        for folder in folders:  # so that the system has noted the times of files
            subprocess.run([found, "status"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
            subprocess.run([SMT, "init", "--datapath=out", "bench"], cwd=folder, check=True, capture_output=True)
        words = [SMT, "run", "--", "/bin/true"]
        took = paired(words, words, cwd=folders[1], cwd_other=folders[0], pairs=3 if quick else 31)
        detail = f"{1000 * took.wall:.0f} ms against {1000 * took.wall_other:.0f} ms"
        what = f"{name}: a run among {many:,} files instead of {few} adds"
        yield Figure(what, 1000 * took.added, "ms", 30, detail=detail)


def working_copy(found: str, program: str, folder: Path, number: int) -> str:
    """Make a working copy with so many committed files and return its folder."""

    def run(*words: str, cwd: Path = folder) -> None:
        subprocess.run([found, *words], cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    folder.mkdir(parents=True)
    if program == "svn":
        server = folder.with_name(f"{number}-server")
        subprocess.run(["svnadmin", "create", server], check=True)
        run("checkout", server.as_uri(), ".")
    else:
        run("init")
    for each in range(number):
        file = folder / "src" / f"p{each % 50}" / f"m{each}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"def f{each}(x):\n    return x + {each}\n# {each:0800d}\n")
    if program == "git":
        run("add", "--all")
        run("-c", "user.name=B", "-c", "user.email=b@example.org", "commit", "--quiet", "--message=files")
    elif program == "hg":
        run("add")
        run("commit", "--user=B <b@example.org>", "--message=files")
    elif program == "svn":
        run("add", "src")
        run("commit", "--message=files")
        run("update")
    else:
        run("add")
        run("commit", "--message=files")
    return str(folder)
