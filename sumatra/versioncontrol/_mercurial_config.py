"""Mercurial's configuration files, read without being obeyed.

Hg itself is started without any configuration, because that may name programs, and modules to be loaded.  The few
settings that we want to know, or to hand over, are read here.  What the name of a setting means depends on whose file
it is in: the user's own may say how to reach other machines, the repository's only where it came from.
"""

import os
import re
from collections.abc import Iterator, Mapping

from sumatra.versioncontrol._text import small_file

__all__ = ["of_repository", "of_user"]

_DEEPEST = 10  # files that include files
_SYSTEM = ("/etc/mercurial/hgrc", "/etc/mercurial/hgrc.d")

Settings = dict[str, str]


def of_user() -> Mapping[str, str]:
    """Return the settings of this machine and this user, by ``section.name``."""
    settings: Settings = {}
    for path in _users_files():
        _read(path, settings, 0)
    return settings


def of_repository(folder: str) -> Mapping[str, str]:
    """Return the settings in the ``.hg`` folder *folder*: not to be obeyed."""
    settings: Settings = {}
    for name in ("hgrc", "hgrc-not-shared"):
        _read(os.path.join(folder, name), settings, _DEEPEST)  # so that nothing is included
    return settings


def _users_files() -> Iterator[str]:
    named = os.environ.get("HGRCPATH")
    if named is not None:
        candidates = [path for path in named.split(os.pathsep) if path]
    else:
        home = os.path.expanduser("~")
        above = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
        candidates = [*_SYSTEM, os.path.join(above, "hg", "hgrc"), os.path.join(home, ".hgrc")]
    for path in candidates:
        if os.path.isdir(path):
            yield from (os.path.join(path, name) for name in sorted(os.listdir(path)) if name.endswith(".rc"))
        else:
            yield path


def _read(path: str, settings: Settings, depth: int) -> None:
    section, name = "", ""
    for line in small_file(path).decode("utf-8", "surrogateescape").splitlines():
        included = re.match(r"%include\s+(\S.*)$", line)
        removed = re.match(r"%unset\s+(\S+)", line)
        entered = re.match(r"\[([^\[]+)\]", line)
        item = re.match(r"([^=\s][^=]*?)\s*=\s*((?:.*\S)?)", line)
        if not line.strip():
            name = ""
        elif line[0] in "#;":
            continue
        elif line[0].isspace():
            if name:
                settings[name] = f"{settings[name]}\n{line.strip()}".strip()
        elif included:
            name = ""
            if depth < _DEEPEST:
                inner = os.path.expanduser(os.path.expandvars(included[1].strip()))
                _read(os.path.join(os.path.dirname(path), inner), settings, depth + 1)
        elif removed:
            name = ""
            settings.pop(f"{section}.{removed[1]}", None)
        elif entered:
            section, name = entered[1], ""
        elif item:
            name = f"{section}.{item[1]}"
            settings[name] = item[2]
