"""Who asks servers of Subversion's: the svn program, or else pysvn."""

from sumatra import process
from sumatra.errors import VersionControlError
from sumatra.versioncontrol._subversion_client import Client
from sumatra.versioncontrol._subversion_program import Svn

__all__ = ["find_client"]


def find_client() -> Client:
    """Return what asks servers: the svn program, or else pysvn; raises `VersionControlError` if neither is here."""
    program = process.find_program("svn")
    if program:
        return Svn(program)
    try:
        from sumatra.versioncontrol._subversion_pysvn import Pysvn

        return Pysvn()
    except ImportError:
        raise VersionControlError(
            "the program svn isn't installed, or isn't on the PATH", "apt install subversion"
        ) from None
