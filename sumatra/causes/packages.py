"""Versions of Python packages, each in a folder of its own, so that any mixture of them can be put before the others.

They are installed by uv where it is to be found, and else by the pip of the interpreter that is to use them; where from
is what the user's own settings for these say.  Nothing is installed into any environment.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Mapping

from sumatra.errors import ProjectError
from sumatra.files import make_private
from sumatra.process import ask
from sumatra.records import Record
from sumatra.runs.installers import as_for_pip, find_uv

__all__ = ["Packages", "python_of"]

_LONGEST = 600  #: seconds that one installation may take


def python_of(record: Record) -> str | None:
    """Return the interpreter of Python that ran *record*, or else the one that scripts would find."""
    named = [record.executable.path] if record.executable else []
    for word in (*named, *record.command[:1]):
        if re.fullmatch(r"python[0-9.]*|pypy[0-9.]*", os.path.basename(word)):
            return shutil.which(word)
    return shutil.which("python") or shutil.which("python3")


class Packages:
    """Folders with one version of one package each, below *folder*."""

    def __init__(self, folder: str, python: str | None) -> None:
        self._folder = folder
        self._python = python

    def path(self, versions: Mapping[str, str]) -> str | None:
        """Return what has to be in PYTHONPATH for these *versions* to be used; None for no packages.

        Raises `ProjectError` where one isn't to be had.
        """
        return os.pathsep.join(self.folder(name, version) for name, version in sorted(versions.items())) or None

    def folder(self, name: str, version: str) -> str:
        """Return the folder in which *version* of *name* is, after installing it there if need be."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) or not re.fullmatch(r"[A-Za-z0-9.+!_-]+", version):
            raise ProjectError(f"{name} {version} isn't the name of a package and a version")
        target = os.path.join(self._folder, f"{name}-{version}")
        if os.path.isdir(target):
            return target
        if self._python is None:
            raise ProjectError("there is no Python that could install packages")
        make_private(self._folder)
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            made = os.path.join(scratch, "made")
            self._install(f"{name}=={version}", made)
            os.rename(made, target)
        return target

    def _install(self, requirement: str, target: str) -> None:
        python = str(self._python)
        uv = find_uv()
        more, told = as_for_pip(os.environ) if uv else ([], {})
        words = [uv, "pip", "install", *more, "--quiet", "--python", python] if uv else [
            python, "-m", "pip", "install", "-q"
        ]
        try:
            done = ask([*words, "--no-deps", "--target", target, requirement], environment=told, timeout=_LONGEST)
        except (OSError, TimeoutError) as error:
            raise ProjectError(f"{requirement} can't be installed: {error}") from error
        if done.status:
            said = (done.complaint.strip().splitlines() or ["no reason was given"])[-1]
            raise ProjectError(f"{requirement} can't be installed: {said}", "see that this version can be had")
