"""Lists of what is installed, read: what pip and uv are to be asked for, and what a folder of packages has of it."""

from sumatra.dependency_finder._python_lock import Line, read_lock
from sumatra.dependency_finder._python_sites import normal, read_site

__all__ = ["Line", "installed", "normal", "read_lock"]


def installed(folder: str) -> dict[str, Line]:
    """Return the distributions in *folder* by their compared names; nothing is kept of it."""
    rows = "".join(f"{each.requirement}\n" for each in read_site(folder, "").distributions)
    return {normal(line.name): line for line in read_lock(rows.encode("utf-8", "backslashreplace"))[1]}
