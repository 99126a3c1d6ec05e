"""A folder for something new: there is nothing in it before, and nothing of ours in it after a failure."""

import os
from contextlib import suppress

from sumatra.errors import VersionControlError

__all__ = ["clear", "is_there", "prepare"]


def is_there(folder: str) -> bool:
    """Tell whether there is a *folder* already, or raise `VersionControlError` if it isn't an empty one."""
    if not os.path.lexists(folder):
        return False
    if not os.path.isdir(folder):
        raise VersionControlError(f"{folder} isn't a folder", "choose another one")
    if os.listdir(folder):
        raise VersionControlError(f"{folder} isn't an empty folder", "choose another one, or empty it")
    return True


def prepare(folder: str) -> str:
    """Return *folder* (absolute) after making it, or raise `VersionControlError` if something is in it."""
    folder = os.path.abspath(folder)
    try:
        if not is_there(folder):
            os.makedirs(folder)
    except OSError as error:
        raise VersionControlError(f"{folder} can't be written to: {error.strerror}", "choose another one") from error
    return folder


def clear(folder: str, *, itself: bool) -> None:
    """Remove what was begun in a folder that was empty, as far as possible; the folder *itself* too, if that is ours.

    Nothing is done where there is no such folder yet.
    """
    import shutil

    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        path = os.path.join(folder, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                os.unlink(path)
    if itself:
        with suppress(OSError):
            os.rmdir(folder)
