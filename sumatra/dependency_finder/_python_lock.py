"""The list of all that is installed in a Python environment, as pip and uv read it (``--requirement``).

The same environment gives the same bytes.  It isn't a ``pylock.toml`` (PEP 751): that wants the address or digest of
each archive, which installers don't leave behind for what came from an index.
"""

import os
from collections.abc import Iterable
from typing import NamedTuple

from sumatra.dependency_finder._python_sites import Site, normal

__all__ = ["Line", "read_lock", "write_lock"]

_TITLE = "# Python packages of an environment, for pip and uv: install --requirement"


def write_lock(sites: Iterable[Site], version: str | None) -> bytes:
    """Return the list of what *sites* hold, the first that has a distribution winning; *version* is Python's."""
    installed: dict[str, str] = {}
    for site in sites:
        for distribution in site.distributions:
            installed.setdefault(normal(distribution.name), distribution.requirement)
    machine = os.uname()
    lines = [
        _TITLE,
        f"# python: {version or 'unknown'}",
        f"# platform: {machine.sysname.lower()} {machine.machine}",
        *(installed[name] for name in sorted(installed)),
    ]
    return ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")


class Line(NamedTuple):
    """One distribution of such a list."""

    name: str
    version: str  #: empty if it isn't told
    text: str  #: how pip and uv are asked for it; empty where they can't be
    installer: str  #: ``pip``, ``system`` …
    digest: str  #: of its files; empty if it isn't told
    is_editable: bool


def read_lock(text: bytes) -> tuple[str, list[Line]]:
    """Return the version of Python, empty if it isn't told, and the distributions that the list *text* names."""
    version = ""
    lines = []
    for row in text.decode("utf-8", "replace").splitlines():
        if row.startswith("# python: "):
            version = row.removeprefix("# python: ").strip().replace("unknown", "")
        asked = row.removeprefix("# not a requirement: ")
        if not row or (row.startswith("#") and asked == row):
            continue
        wanted, _, comment = asked.partition("  # ")
        comments = comment.split(", ") if comment else []
        digests = [each.removeprefix("files sha256:") for each in comments if each.startswith("files sha256:")]
        comments = [each for each in comments if not each.startswith("files sha256:")]
        named = wanted
        if wanted.startswith("-e ") or " @ " in wanted:
            named = comments.pop(0) if comments else wanted.partition(" @ ")[0]
        name, _, number = named.partition("==")
        is_asked_for = asked == row and not wanted.startswith("-e ")
        lines.append(Line(
            name.strip(), number.strip(), wanted.strip() if is_asked_for else "", comments[0] if comments else "",
            digests[0] if digests else "", wanted.startswith("-e "),
        ))
    return version, lines
