"""What can be asked of a server of Subversion's, whoever asks it, and with which configuration.

There is no program in that configuration.  Of the user's own, it has what says how servers are reached, and the
passwords that svn has stored.  Tunnels (``svn+ssh://`` and the like) are refused, since they are programs.
"""

import os
import re
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from sumatra.versioncontrol._addresses import ForeignAddress, check_host, protocol_of
from sumatra.versioncontrol._subversion_text import quoted, settings
from sumatra.versioncontrol._text import printable
from sumatra.versioncontrol._urls import scrub

__all__ = ["Client", "Commit", "Place", "address_of", "configuration"]

_PROTOCOLS = ("file", "http", "https", "svn")
#: What of the user's file ``servers`` says how a server is reached, and names no program or library.
_NETWORK = re.compile(
    r"http-(?:proxy-.*|timeout|compression|chunked-requests|auth-types|max-connections|bulk-updates)|ssl-.*"
    r"|store-.*|username"
)
_NOT_NETWORK = re.compile(r"ssl-pkcs11-.*|.*[\r\n].*", re.DOTALL)


class Place(NamedTuple):
    """What lies at an address."""

    is_folder: bool
    root: str  #: URL of the repository's root
    url: str
    revision: int


class Commit(NamedTuple):
    """Who made a revision."""

    revision: int
    author: str
    date: datetime | None
    message: str


class Client(Protocol):
    """What can be asked of a server; each raises `VersionControlError`.

    A *revision* is a number, ``HEAD`` or a date in braces, at which the address is looked up too.
    """

    def place(self, url: str, revision: str) -> Place:
        """Return what lies at *url*."""

    def commit(self, url: str, revision: str) -> Commit:
        """Return the last commit that changed *url*, up to *revision*."""

    def content(self, url: str, revision: str) -> tuple[bytes, bool]:
        """Return what the file at *url* holds as svn would write it, and whether it is a link or the like."""

    def checkout(self, url: str, revision: str, folder: str, *, deep: bool = True) -> None:
        """Make a working copy in *folder*, without externals; if not *deep*, without anything in it."""

    def update(self, folder: str, paths: Sequence[str], revision: str) -> None:
        """Bring *paths* in the working copy *folder* to *revision*, without externals."""


def address_of(url: str) -> str:
    """Return *url* as svn may be given it, or raise `VersionControlError` if it could start a program."""
    protocol = protocol_of(url, "Subversion repository", "svn", _PROTOCOLS)
    clean = printable(scrub(url))
    if not protocol:
        if not os.path.isfile(os.path.join(url, "format")):
            raise ForeignAddress(f"there is no Subversion repository at {clean!r}")
        return "file://" + quoted(os.path.abspath(url))
    if "?" in url or "#" in url:
        raise ForeignAddress(f"{clean} isn't the address of a Subversion repository: they have no query")
    if protocol != "file" or not url.partition("://")[2].startswith("/"):
        check_host(url)
    return url.replace(" ", "%20").rstrip("/")


def configuration(folder: str) -> None:
    """Make *folder* a configuration of Subversion's with nothing of the user's that names a program."""
    own = os.path.expanduser("~/.subversion")
    sections: dict[str, list[str]] = {"global": [], "groups": []}
    for section, name, value in settings(os.path.join(own, "servers")):
        if section == "groups" or (_NETWORK.fullmatch(name) and not _NOT_NETWORK.fullmatch(name)):
            sections.setdefault(section, []).append(f"{name} = {value}")
    with open(os.path.join(folder, "servers"), "w", encoding="utf-8") as file:
        for section, lines in sections.items():
            file.write("\n".join([f"[{section}]", *lines]) + "\n")
    with open(os.path.join(folder, "config"), "w", encoding="utf-8") as file:
        file.write("[auth]\npassword-stores =\n[tunnels]\nssh = $SVN_SSH /dev/null/nowhere\n[helpers]\ndiff-cmd =\n")
    with open(os.path.join(folder, "README.txt"), "w", encoding="utf-8"):
        pass
    if os.path.isdir(os.path.join(own, "auth")):
        os.symlink(os.path.join(own, "auth"), os.path.join(folder, "auth"))
