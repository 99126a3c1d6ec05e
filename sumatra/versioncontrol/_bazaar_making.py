"""New Bazaar branches: copies of others, and what comes out of bundles.

Breezy writes only into the folder that is to be made, first the history, and then the files, after a look at their
names: a repository may have been made by a stranger.
"""

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from sumatra.errors import VersionControlError
from sumatra.versioncontrol._addresses import check_host, protocol_of
from sumatra.versioncontrol._bazaar_program import Breezy, BreezyError
from sumatra.versioncontrol._export import check_paths
from sumatra.versioncontrol._new_folder import clear, prepare
from sumatra.versioncontrol._text import printable
from sumatra.versioncontrol._urls import scrub

__all__ = ["bundle", "clone", "restore"]

#: What each protocol needs.
_PROTOCOLS = {
    "file": (), "http": ("network",), "https": ("network",), "bzr": ("network",),
    "bzr+ssh": ("network", "ssh"), "sftp": ("network", "ssh"),
}
_VERSION = r"[^\s\0-\x1f\x7f-]\S*"


def clone(url: str, folder: str) -> str:
    """Make a branch of *url*, with its files, in the empty *folder*, and return the folder."""
    address, allows = _address(url)
    with _new(folder) as folder, _breezy(folder, allows) as breezy:
        try:
            version = breezy.ask("sprout", url=address, folder=folder)
            _build(breezy, folder, version)
        except BreezyError as error:
            said = error.message.replace(url, scrub(url))
            raise VersionControlError(
                f"{printable(scrub(url))} can't be checked out: {said}", "check address and access"
            ) from error
    return folder


def bundle(root: str, version: str, path: str) -> None:
    """Write the bundle *path*, which isn't there yet, of *version* and its history."""
    path = os.path.abspath(path)
    if os.path.lexists(path):
        raise VersionControlError(f"{path} is there already", "choose another name")
    breezy = Breezy(root, writes=[path])
    try:
        breezy.ask("bundle", root=root, version=f"revid:{version}", path=path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(path)
        if not isinstance(error, BreezyError):
            raise
        raise VersionControlError(
            f"version {printable(version)} of {printable(root)} can't be bundled: {error.message}"
        ) from error
    finally:
        breezy.stop()


def restore(path: str, version: str, folder: str) -> str:
    """Make a branch of the bundle *path* in the empty *folder*, at *version*, and return the folder."""
    path = os.path.abspath(path)
    if not re.fullmatch(_VERSION, version):
        raise VersionControlError(f"{printable(version)!r} isn't the full name of a version")
    if not os.path.isfile(path):
        raise VersionControlError(f"there is no bundle {printable(path)}")
    with _new(folder) as folder, _breezy(folder, ()) as breezy:
        try:
            breezy.ask("unbundle", path=path, version=version, folder=folder)
            _build(breezy, folder, version)
        except BreezyError as error:
            said = "it has another one" if error.kind == "unknown" else error.message
            raise VersionControlError(
                f"version {printable(version)} can't be taken from {printable(path)}: {said}"
            ) from error
    return folder


def _build(breezy: Breezy, folder: str, version: str | None) -> None:
    if version is not None:
        check_paths(path for path, *_ in breezy.ask("tree", root=folder, name=f"revid:{version}")["files"])
    breezy.ask("build", folder=folder)


@contextmanager
def _new(folder: str) -> Iterator[str]:
    """Yield *folder*, made and empty; it is emptied again, or removed if it wasn't there, when something goes wrong."""
    was_there = os.path.lexists(folder)
    folder = prepare(folder)
    try:
        yield folder
    except BaseException:
        clear(folder, itself=not was_there)
        raise


@contextmanager
def _breezy(folder: str, allows: Sequence[str]) -> Iterator[Breezy]:
    """Yield a breezy that may write to *folder*."""
    with tempfile.TemporaryDirectory(prefix="smt-") as temporary:
        breezy = Breezy(folder, writes=[folder], temporary=temporary, allows=allows)
        try:
            yield breezy
        finally:
            breezy.stop()


def _address(url: str) -> tuple[str, tuple[str, ...]]:
    """Return *url* as breezy may be given it, and what it needs; `VersionControlError` if it could start a program."""
    protocol = protocol_of(url, "Bazaar branch", "breezy", _PROTOCOLS)
    if not protocol:
        return os.path.abspath(url), ()
    if protocol != "file":
        check_host(url)
    return url, _PROTOCOLS[protocol]
