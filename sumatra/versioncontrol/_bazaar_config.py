"""Bazaar's configuration and notes about branches, read without being obeyed.

Breezy itself is started without any configuration.  The few settings that we want to know are read here: where a
branch comes from, what it is called, and who the user is.
"""

import os
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote

from sumatra.versioncontrol._text import small_file

__all__ = ["Branch", "branch_of", "has_rules", "local_path", "of_user", "users_folder"]

_REFERENCE = b"Bazaar-NG Branch Reference Format 1"


class Branch(NamedTuple):
    """A branch, as far as that can be told without asking another machine."""

    address: str  #: the folder that it is in, or a URL
    folder: str | None  #: where its own files are, if they are on this machine
    nick: str
    is_reference: bool  #: the working tree is a checkout of it, and has no branch of its own
    bound: str = ""  #: the branch that each commit goes to as well
    push: str = ""
    parent: str = ""


def users_folder() -> str:
    """Return the folder of the user's own configuration."""
    home = os.path.expanduser("~")
    xdg = os.environ.get("XDG_CONFIG_HOME")
    folder = os.path.join(os.environ.get("BRZ_HOME") or xdg or os.path.join(home, ".config"), "breezy")
    if os.path.isdir(folder):
        return folder
    older = os.environ.get("BZR_HOME")
    named = os.path.join(xdg or os.path.join(home, ".config"), "bazaar")
    before = named if not older and os.path.isdir(named) else os.path.join(older or home, ".bazaar")
    return before if os.path.isdir(before) else folder


def of_user() -> str:
    """Return the name under which the user commits, as far as it is set."""
    for variable in ("BRZ_EMAIL", "BZR_EMAIL", "EMAIL"):
        if os.environ.get(variable):
            return os.environ[variable]
    for name in ("breezy.conf", "bazaar.conf"):
        found = _settings(os.path.join(users_folder(), name)).get("email")
        if found:
            return found
    return ""


def has_rules() -> bool:
    """Tell whether the user has rules by which contents of files are changed on their way into the repository."""
    return b"eol" in small_file(os.path.join(users_folder(), "rules"))


def branch_of(root: str) -> Branch:
    """Return the branch that the working tree *root* is of."""
    folder = os.path.join(root, ".bzr", "branch")
    location = _reference(folder)
    if not location:
        return _branch(root, folder, os.path.basename(root), is_reference=False)
    url, _, name = location.partition(",branch=")
    path = local_path(url)
    nick = unquote(name or url.rstrip("/").rpartition("/")[2])
    if path is None:
        return Branch(location, None, nick, True)
    is_own = os.path.realpath(path) == os.path.realpath(root)
    inside = os.path.join(path, ".bzr", "branches", unquote(name)) if name else os.path.join(path, ".bzr", "branch")
    if _reference(inside):  # it leads on; that is for breezy to follow
        return Branch(location, None, nick, not is_own)
    return _branch(path, inside, nick, is_reference=not is_own)


def _reference(folder: str) -> str:
    """Return where the branch is that *folder* refers to, or nothing if it is a branch itself."""
    if not small_file(os.path.join(folder, "format")).startswith(_REFERENCE):
        return ""
    return small_file(os.path.join(folder, "location")).decode("utf-8", "replace").strip()


def _branch(path: str, folder: str, nick: str, *, is_reference: bool) -> Branch:
    settings = _settings(os.path.join(folder, "branch.conf"))

    def address(key: str, older: str) -> str:
        told = settings.get(key, "")
        if not told and older:  # as it was before Bazaar 0.15
            told = small_file(os.path.join(folder, older)).decode("utf-8", "replace").strip()
        if not told or "://" in told:
            return local_path(told) or told
        return os.path.normpath(os.path.join(path, unquote(told)))

    bound = address("bound_location", "bound") if settings.get("bound", "true").lower() == "true" else ""
    return Branch(
        path, folder, settings.get("nickname", "") or nick, is_reference, bound, address("push_location", ""),
        address("parent_location", "parent"),
    )


def local_path(url: str) -> str | None:
    """Return the path of a ``file`` URL or of a path, or None for what is on another machine."""
    if url.startswith("file:///"):
        return os.path.normpath(unquote(url.removeprefix("file://").partition(",")[0]))
    return url if os.path.isabs(url) else None


def _settings(path: str) -> Mapping[str, str]:
    """Return what is set in *path* before the first section, or in the section of defaults."""
    found: dict[str, str] = {}
    is_wanted = True
    for line in small_file(path).decode("utf-8", "surrogateescape").splitlines():
        section = re.match(r"\s*\[([^\]]*)\]\s*$", line)
        item = re.match(r"\s*([\w.]+)\s*=\s*(.*?)\s*$", line)
        if section:
            is_wanted = section[1] == "DEFAULT"
        elif item and is_wanted:
            quoted = re.fullmatch(r"(['\"])(.*)\1", item[2])
            found[item[1]] = quoted[2] if quoted else item[2]
    return found
