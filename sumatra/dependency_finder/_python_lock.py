"""The list of all that is installed in a Python environment, as pip and uv read it (``--requirement``).

The same environment gives the same bytes.  It isn't a ``pylock.toml`` (PEP 751): that wants the address or digest of
each archive, which installers don't leave behind for what came from an index.
"""

import os
from collections.abc import Iterable

from sumatra.dependency_finder._python_sites import Site, normal

__all__ = ["write_lock"]

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
