"""A version and its history in one file, and back.

Git bundles what a reference names, and in the user's repository we make none.  So a repository of ours, which borrows
the other's objects, has the reference for a moment.
"""

import os
import re
import shutil
import tempfile
from contextlib import suppress

from sumatra.errors import VersionControlError
from sumatra.versioncontrol import _git_program
from sumatra.versioncontrol._git_program import Git
from sumatra.versioncontrol._new_folder import clear, prepare
from sumatra.versioncontrol._text import printable

__all__ = ["restore", "write"]

_BRANCH = "refs/heads/sumatra"
_DAY = 24 * 3600.0  # seconds: a large history on a slow disk


def write(git: Git, commit: str, path: str) -> None:
    """Write the bundle *path*, which isn't there yet, of *commit* and its history."""
    path = os.path.abspath(path)
    if os.path.lexists(path):
        raise VersionControlError(f"{path} is there already", "choose another name")
    objects = os.path.join(git.root, os.fsdecode(git.say("rev-parse", "--git-path", "objects").rstrip(b"\n")))
    shallow = os.path.join(git.root, os.fsdecode(git.say("rev-parse", "--git-path", "shallow").rstrip(b"\n")))
    try:
        with tempfile.TemporaryDirectory(prefix="smt-bundle-") as folder:
            ours = _make(folder, commit, bare=True)
            with open(os.path.join(folder, "objects", "info", "alternates"), "wb") as file:
                file.write(_quoted(os.fsencode(os.path.abspath(objects))) + b"\n")
            if os.path.isfile(shallow):
                shutil.copyfile(shallow, os.path.join(folder, "shallow"))
            ours.say("update-ref", _BRANCH, commit)
            answer = ours.ask("bundle", "create", "--quiet", path, "--all", timeout=_DAY)
            if answer.status != 0:
                with suppress(OSError):
                    os.unlink(path)
                raise VersionControlError(
                    f"git can't bundle version {commit} of {git.root}: {ours.said(answer)}",
                    "of a partial clone it can't; git fsck may say more",
                )
    except OSError as error:
        raise VersionControlError(f"{path} can't be written: {error.strerror or error}") from error


def restore(bundle: str, version: str, folder: str) -> str:
    """Make a repository of *bundle* in the empty *folder*, with *version* checked out, and return the folder."""
    bundle = os.path.abspath(bundle)
    if not re.fullmatch(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", version):
        raise VersionControlError(f"{printable(version)!r} isn't the full name of a commit")
    if not os.path.isfile(bundle):
        raise VersionControlError(f"there is no bundle {printable(bundle)}")
    folder = prepare(folder)
    try:
        git = _make(folder, version, bare=False)
        answer = git.ask("bundle", "unbundle", bundle, timeout=_DAY)
        if answer.status != 0 or git.ask("cat-file", "-e", version + "^{commit}").status != 0:
            said = git.said(answer) if answer.status else "it has another one"
            raise VersionControlError(f"version {version} can't be taken from {printable(bundle)}: {said}")
        if git.ask("rev-list", "--quiet", version).status != 0:
            _mark_as_shallow(git, folder)
        git.say("update-ref", "--no-deref", "HEAD", version)
        git.say("reset", "--hard", "--quiet", "--no-recurse-submodules", version)
    except BaseException:
        clear(folder, itself=False)
        raise
    return folder


def _make(folder: str, commit: str, *, bare: bool) -> Git:
    git = _git_program.start(folder if bare else os.path.dirname(folder) or os.sep, ("file",), writes=True)
    words = ["init", "--quiet", "--template=", f"--object-format={'sha256' if len(commit) == 64 else 'sha1'}",
             "--initial-branch=sumatra"]
    answer = git.ask(*words, *(["--bare"] if bare else []), "--", folder)
    if answer.status != 0:
        raise VersionControlError(f"git can't make a repository in {folder}: {git.said(answer)}")
    os.makedirs(os.path.join(folder, "" if bare else ".git", "objects", "info"), exist_ok=True)
    return _git_program.start(folder, writes=True)


def _mark_as_shallow(git: Git, folder: str) -> None:
    """Tell git where the history in a bundle of a shallow clone begins."""
    listed = git.say("cat-file", "--batch-all-objects", "--batch-check=%(objecttype) %(objectname)").decode()
    commits = {line[len("commit "):] for line in listed.splitlines() if line.startswith("commit ")}
    with open(os.path.join(folder, ".git", "shallow"), "w", encoding="ascii") as file:
        for commit in sorted(commits):
            headers = git.say("cat-file", "commit", commit).partition(b"\n\n")[0]
            parents = {found.decode() for found in re.findall(rb"(?m)^parent ([0-9a-f]+)$", headers)}
            if not parents <= commits:
                file.write(commit + "\n")


def _quoted(path: bytes) -> bytes:
    """Return *path* as a line of ``objects/info/alternates``."""
    return b'"' + b"".join(
        bytes([byte]) if 32 <= byte < 127 and byte not in b'"\\' else b"\\%03o" % byte for byte in path
    ) + b'"'
