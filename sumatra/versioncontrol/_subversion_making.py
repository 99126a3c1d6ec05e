"""Working copies made of what lies on a server: checkouts for the user, and versions for a short time."""

import os
import shutil
import tempfile
import weakref
from typing import NamedTuple

from sumatra.errors import VersionControlError
from sumatra.versioncontrol._new_folder import clear, is_there
from sumatra.versioncontrol._subversion_client import Client, address_of
from sumatra.versioncontrol._subversion_text import Apart
from sumatra.versioncontrol._text import printable
from sumatra.versioncontrol._urls import scrub

__all__ = ["Made", "Mount", "checkout", "rebuild"]


class Mount(NamedTuple):
    """A part of a version: the working copy *folder*, or the file *inner* in it, stands for *path*."""

    path: str
    folder: str
    inner: str = ""


class Made:
    """Working copies of ours that stand for a version; they go when nobody needs them any more."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="smt-svn-")
        self.mounts: list[Mount] = []
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def new(self) -> str:
        """Return the name of a folder that isn't there yet."""
        return os.path.join(self.folder, str(len(self.mounts)))


def checkout(client: Client, url: str, folder: str) -> str:
    """Make a working copy of *url* in the empty *folder*, without externals, and return the folder."""
    address = address_of(url)
    was_there = is_there(folder)
    folder = os.path.abspath(folder)
    clean = printable(scrub(url))
    try:
        place = client.place(address, "HEAD")
        if not place.is_folder:
            raise VersionControlError("that is a file")
        client.checkout(address, str(place.revision), folder)
    except BaseException as error:
        clear(folder, itself=not was_there)
        if isinstance(error, VersionControlError):
            said = str(error.message).replace(url, scrub(url))
            raise VersionControlError(f"{clean} can't be checked out: {said}", error.hint) from error
        raise
    return folder


def rebuild(client: Client, url: str, root: str, revision: int, apart: tuple[Apart, ...]) -> Made:
    """Return the version of *url* at *revision*, except for what is *apart*; *root* is that of the repository."""
    made = Made()
    sources = sorted({each.path: each for each in apart if each.source}.values())
    _add(made, client, url, revision, "", [each for each in apart if not each.source], sources)
    for each in sources:
        address = root + each.source[1:] if each.source.startswith("^/") else each.source
        address = address_of(address.replace("%40", "@") if address.startswith("file:") else address)
        if client.place(address, str(each.revision)).is_folder:
            inside = [other for other in apart if not other.source and other.path.startswith(f"{each.path}/")]
            _add(made, client, address, each.revision, each.path, inside, sources)
        else:
            above, _, name = address.rpartition("/")
            folder = made.new()
            client.checkout(above, str(each.revision), folder, deep=False)
            inner = _unquoted(name)
            client.update(folder, [inner], str(each.revision))
            made.mounts.append(Mount(each.path, folder, inner))
    return made


def _add(
    made: Made, client: Client, url: str, revision: int, path: str, apart: list[Apart], sources: list[Apart]
) -> None:
    """Check out *url* for *path*; what is *apart* in it goes to its own revision, folders before what is in them."""
    folder = made.new()
    client.checkout(url, str(revision), folder)
    made.mounts.append(Mount(path, folder))
    prefix = f"{path}/" if path else ""
    inner_sources = [each.path for each in sources if each.path != path and each.path.startswith(prefix)]
    levels: dict[int, dict[int, list[str]]] = {}
    seen: dict[str, int] = {}
    for each in sorted(apart):
        if any(each.path == source or each.path.startswith(f"{source}/") for source in inner_sources):
            continue
        around, depth = each.path, 0
        while around and not depth:
            around = around.rpartition("/")[0]
            depth = seen.get(around, 0)
        seen[each.path] = depth + 1
        levels.setdefault(depth, {}).setdefault(each.revision, []).append(each.path[len(prefix):])
    for _, revisions in sorted(levels.items()):
        for number, paths in revisions.items():
            client.update(folder, paths, str(number))


def _unquoted(name: str) -> str:
    from urllib.parse import unquote

    return unquote(name)
