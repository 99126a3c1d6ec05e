"""Version control: what code is this, and what has changed in it?

`find` looks for a working copy around a folder by its marker; `checkout` makes a new one; `restore` writes kept files
where there was no version control.  A new system is one file beside this one and one line in each table.
"""

import os
from collections.abc import Callable, Iterable, Mapping

from sumatra import plugins
from sumatra.errors import VersionControlError
from sumatra.plugins import Backend
from sumatra.records import Change
from sumatra.versioncontrol.base import ChangedFile, Revision, Status, WorkingCopy

__all__ = [
    "BACKENDS", "MARKERS", "ChangedFile", "Revision", "Status", "WorkingCopy", "checkout", "find", "restore",
    "unbundle",
]

BACKENDS = {
    "git": Backend("._git", "Git, through its own program"),
    "mercurial": Backend("._mercurial", "Mercurial, through its own program", "hg"),
    "bazaar": Backend("._bazaar", "Bazaar, through breezy", "bazaar"),
    "perforce": Backend("._perforce", "Perforce (Helix Core), through its own program p4"),
    "subversion": Backend("._subversion", "Subversion, by its notes and its own program"),
}

#: What lies in the top folder of a working copy, and whose it is.
MARKERS = {
    ".git": "git", ".hg": "mercurial", ".bzr": "bazaar", ".p4config": "perforce", ".svn": "subversion",
}

#: How systems begin to say that an address can't be checked out.
_FAILED = r"^\S+ can't be (?:cloned|checked out): "


def find(folder: str) -> WorkingCopy | None:
    """Return the innermost working copy that *folder* lies in, or None.

    Raises `VersionControlError` if there is a marker but the system can't be used, for example because its program
    isn't installed.
    """
    start = folder = os.path.abspath(folder)
    markers = dict(MARKERS)
    if os.environ.get("P4CONFIG"):  # its users choose the name
        markers[os.path.basename(os.environ["P4CONFIG"])] = "perforce"
    while True:
        for marker, name in markers.items():
            if marker and os.path.lexists(os.path.join(folder, marker)):
                backend: type[WorkingCopy] = plugins.load(__name__, name).BACKEND
                if copy := backend.around(folder, start):
                    return copy
        above = os.path.dirname(folder)
        if above == folder:
            break
        folder = above
    if os.environ.get("P4CLIENT"):
        backend = plugins.load(__name__, "perforce").BACKEND
        return backend.around(start, start)
    return None


def checkout(url: str, folder: str, *, lasting: bool = True, system: str = "") -> WorkingCopy:
    """Return a new working copy of *url* in *folder*, made by *system* (``git``), or the first that can read it.

    If it isn't *lasting*, it is for reading versions only, and is thrown away then; see `WorkingCopy.borrow`.
    """
    from sumatra.versioncontrol._new_folder import is_there

    is_there(folder)
    complaints: dict[str, VersionControlError] = {}
    for name in (system,) if system in BACKENDS else BACKENDS:
        backend: type[WorkingCopy] = plugins.load(__name__, name).BACKEND
        try:
            return backend.checkout(url, folder) if lasting else backend.borrow(url, folder)
        except VersionControlError as error:
            if system in BACKENDS:
                raise
            # Not the error itself, which keeps alive all that its system has made for the purpose.
            complaints[name] = type(error)(error.message, error.hint)
    raise _nowhere(url, complaints)


def _nowhere(url: str, complaints: Mapping[str, VersionControlError]) -> VersionControlError:
    """Return what to say where *url* can't be checked out: the *complaints* of the systems that it may belong to."""
    import re

    from sumatra.versioncontrol._addresses import ForeignAddress
    from sumatra.versioncontrol._urls import scrub

    telling = {name: error for name, error in complaints.items() if not isinstance(error, ForeignAddress)}
    if os.path.isdir(url):
        marked = {name for marker, name in MARKERS.items() if os.path.lexists(os.path.join(url, marker))}
        telling = {name: error for name, error in telling.items() if name in marked}
    if not telling and os.path.isabs(url):
        return VersionControlError(f"there is no repository in {url}", f"known are those of {', '.join(complaints)}")
    if not telling:
        return VersionControlError(
            f"{scrub(url)} isn't the address of a repository",
            "an address is a path, or https://HOST/PATH, ssh://HOST/PATH and the like",
        )
    if len(telling) == 1:
        return next(iter(telling.values()))
    said = (f"{name}: {re.sub(_FAILED, '', str(error), count=1)}" for name, error in telling.items())
    hint = next(filter(None, (error.hint for error in telling.values())), None)
    return VersionControlError(f"{scrub(url)} can't be checked out ({'; '.join(said)})", hint)


def unbundle(system: str, bundle: str, version: str, folder: str) -> WorkingCopy:
    """Return a new working copy of *version* in *folder*, made of a file that *system* (``git``) has bundled."""
    backend: type[WorkingCopy] = plugins.load(__name__, system).BACKEND
    return backend.unbundle(bundle, version, folder)


def restore(changes: Iterable[Change], folder: str, content: Callable[[str], bytes]) -> tuple[str, ...]:
    """Write the files that were kept where there was no version control; see `WorkingCopy.export`."""
    from sumatra.versioncontrol import _export, _new_folder

    changes = tuple(changes)
    return _export.write(_export.Tree(()), lambda files: iter(()), changes, _new_folder.prepare(folder), content)
