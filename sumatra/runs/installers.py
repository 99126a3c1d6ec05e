"""What installs Python packages here: uv where it is to be found, which is told what pip is told, or else pip."""

import os
from collections.abc import Mapping
from contextlib import suppress

from sumatra.process import find_program

__all__ = ["as_for_pip", "find_uv"]

#: How uv is told what pip is told by a setting of that name.
_SAME = {
    "index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST", "cert": "SSL_CERT_FILE",
}

#: Names of variables by which uv is told where packages come from.
_TOLD = (
    "UV_CONFIG_FILE", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INDEX", "UV_INDEX_URL",
)


def find_uv() -> str | None:
    """Return the program ``uv``: the user's, or that of the package."""
    found = find_program("uv")
    if found is not None:
        return found
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        return None


def as_for_pip(environ: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return words and variables that have uv look for packages where pip does.

    There are none where *environ* or a file of uv's says already where they come from.
    """
    home = os.path.expanduser("~")
    folder = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    files = (os.path.join(folder, "uv", "uv.toml"), "/etc/uv/uv.toml")
    if any(environ.get(name) for name in _TOLD) or any(map(os.path.exists, files)):
        return [], {}
    settings = _pip_settings(environ, folder, home)
    variables = {}
    for name, ours in _SAME.items():
        values = settings.get(name, "").split()
        if values:
            variables[ours] = (",".join if name == "find-links" else " ".join)(values)
    if "UV_INDEX" in variables:
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip does
    is_closed = settings.get("no-index", "").lower() in ("1", "true", "yes", "on")
    return ["--no-index"] if is_closed else [], variables


def _pip_settings(environ: Mapping[str, str], folder: str, home: str) -> dict[str, str]:
    """Return what pip is told about where packages come from, by its files and variables."""
    from configparser import Error, RawConfigParser

    own = environ.get("PIP_CONFIG_FILE")
    files = ["/etc/xdg/pip/pip.conf", "/etc/pip.conf", f"{home}/.pip/pip.conf", f"{folder}/pip/pip.conf", own or ""]
    settings: dict[str, str] = {}
    for path in files if own != os.devnull else ():
        parser = RawConfigParser()
        with suppress(Error, OSError, UnicodeDecodeError):
            parser.read(path)
            for section in ("global", "install"):
                if parser.has_section(section):
                    settings.update({name.replace("_", "-"): value for name, value in parser.items(section)})
    for name in (*_SAME, "no-index"):
        value = environ.get("PIP_" + name.upper().replace("-", "_"))
        if value is not None:
            settings[name] = value
    return settings
