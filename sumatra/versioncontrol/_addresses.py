"""Addresses of repositories, which a user has typed or a stranger's record holds: may a program be given them?"""

import os
import re
from collections.abc import Collection

from sumatra.errors import VersionControlError
from sumatra.versioncontrol._text import printable
from sumatra.versioncontrol._urls import scrub

__all__ = ["ForeignAddress", "check_host", "protocol_of"]

_HOST = r"(?:[^/\s]*@)?(?:[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\])(?::\d*)?"


class ForeignAddress(VersionControlError):
    """It can't be the address of anything that the system knows, or could be more than an address: nobody was asked."""


def protocol_of(url: str, what: str, program: str, protocols: Collection[str], *, short: bool = False) -> str:
    """Return the protocol of *url*, in lower case; empty for a path that is there, and for HOST:PATH if that is known.

    Raises `ForeignAddress` if it could be an option or name a program, or if *program*, which is to find a *what*
    (``git repository``) there, may not use the protocol.
    """
    clean = printable(scrub(url))
    if not url or url.startswith("-") or "\0" in url or re.match(r"[A-Za-z0-9+.-]*::", url):
        raise ForeignAddress(f"{clean!r} isn't the address of a {what}")
    if os.path.exists(url):
        return ""
    scheme, separator, _ = url.partition("://")
    is_short = short and ":" in url.partition("/")[0]
    if not url.isprintable() or not (separator or is_short):
        raise ForeignAddress(f"there is no {what} at {clean!r}")
    if separator and scheme.lower() not in protocols:
        raise ForeignAddress(f"{program} isn't let use the protocol of {clean}", f"known are {', '.join(protocols)}")
    return scheme.lower() if separator else ""


def check_host(url: str) -> None:
    """Raise `ForeignAddress` unless *url* names a machine, by nothing that a program could take for an option."""
    if not re.fullmatch(_HOST, url.partition("://")[2].partition("/")[0]):
        raise ForeignAddress(f"{printable(scrub(url))!r} doesn't name a machine")
