"""Parameter sets: what a parameter file says, and how to change one value in it and nothing else.

::

    parameters = build_parameters("default.param")
    parameters["tau_m"]
    faster = parameters.with_value("tau_m", "10.0")
    faster.save("faster.param")

`recognise` says whether a file is a parameter file, and of which format.  Nothing heavy is loaded before a set of that
format is asked for.
"""

import os
import re
from typing import TYPE_CHECKING, Any

from sumatra import plugins
from sumatra.errors import ParameterError
from sumatra.parameters.base import ParameterSet
from sumatra.parameters.text import decode, read_file
from sumatra.plugins import Backend

if TYPE_CHECKING:
    from sumatra.parameters.config import ConfigParserParameterSet
    from sumatra.parameters.json import JSONParameterSet
    from sumatra.parameters.ntparameters import NTParameterSet
    from sumatra.parameters.simple import SimpleParameterSet
    from sumatra.parameters.toml import TOMLParameterSet
    from sumatra.parameters.yaml import YAMLParameterSet

__all__ = [
    "BACKENDS", "ConfigParserParameterSet", "JSONParameterSet", "NTParameterSet", "ParameterSet", "SimpleParameterSet",
    "TOMLParameterSet", "YAMLParameterSet", "build_parameters", "from_bytes", "parse",
    "recognise",
]

BACKENDS = {
    "simple": Backend(".simple", "one name = value per line"),
    "config": Backend(".config", "INI: name = value in [sections]"),
    "json": Backend(".json", "one JSON object"),
    "yaml": Backend(".yaml", "one YAML mapping"),
    "toml": Backend(".toml", "a TOML document"),
    "nt": Backend(".ntparameters", "NeuroTools: a Python dictionary with ranges and references", "neurotools"),
}

#: Formats by the names that Sumatra 0.8 gives them.
_CLASSES = {
    "SimpleParameterSet": "simple", "ConfigParserParameterSet": "config", "JSONParameterSet": "json",
    "YAMLParameterSet": "yaml", "TOMLParameterSet": "toml", "NTParameterSet": "nt",
}

_SUFFIXES = {
    ".simpleparameterset": "simple", ".json": "json", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml",
    ".ini": "config", ".cfg": "config", ".conf": "config", ".ntparameterset": "nt",
}

#: Suffixes of parameter files whose format the content tells.
_GENERAL = frozenset([".param", ".params"])

#: Suffixes of files that may hold parameters, if that is unmistakable.
_POSSIBLE = frozenset(["", ".def", ".in", ".inp", ".par", ".parameters", ".prm", ".settings", ".txt"])

_REMARKS = r"(?:[ \t]*+(?:[#;][^\r\n]*+)?(?:\r\n|\r|\n))*+[ \t]*+"
_SECTION = r"\[[ \t]*+[^\W\d][\w .:/-]*+\][ \t]*+(?:[#;][^\r\n]*+)?(?:[\r\n]|\Z)"
_OPTION = r"(?m)^[ \t]*+[^\W\d][^=:\r\n\[\]]*+="


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        return getattr(plugins.load(__name__, _CLASSES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def build_parameters(filename: "str | os.PathLike[str]") -> ParameterSet:
    """Return what the parameter file *filename* says; its format is found by suffix or content.

    Raises `ParameterError`, with line and column, if it can't be read as that, or isn't a parameter file at all;
    `FileNotFoundError` and other `OSError` if there is nothing to read.
    """
    path = os.fspath(filename)
    return from_bytes(read_file(path), path)


def from_bytes(content: bytes, path: str) -> ParameterSet:
    """Return what the parameter file *path*, which holds *content*, says; raises `ParameterError`."""
    name = _format_of(path, content)
    if name is None:
        raise ParameterError(f"{path} isn't a parameter file of a known format", "known are: " + ", ".join(BACKENDS))
    return _backend(name).from_bytes(content, path)


def parse(text: str, format: str, folder: str | None = None) -> ParameterSet:
    """Return what *text* says in *format* (``simple``, ``json`` …, or the name of a class of Sumatra 0.8).

    The text is never taken for a path.  Files that it names are looked for in *folder*, and nowhere without it.
    Raises `ParameterError`, and `NoSuchPlugin` for a format that nobody knows.
    """
    return _backend(_CLASSES.get(format, format)).from_text(text, folder)


def recognise(path: "str | os.PathLike[str]") -> str | None:
    """Return the format of the parameter file at *path*, or None if it isn't one; raises `OSError`.

    A known suffix decides, even if the content then can't be read.  Files without suffix, ``.txt`` and the like are
    parameter files only if each line is ``name = value`` or they have ``[sections]`` of such lines: tables, prose and
    programs aren't.
    """
    path = os.fspath(path)
    suffix = _suffix(path)
    if not os.path.isfile(path) or not (suffix in _SUFFIXES or suffix in _GENERAL or suffix in _POSSIBLE):
        return None
    if suffix in _SUFFIXES and _SUFFIXES[suffix] != "config":
        return _SUFFIXES[suffix]
    try:
        return _format_of(path, read_file(path))
    except ParameterError:
        return _SUFFIXES.get(suffix, "simple" if suffix in _GENERAL else None)


def _backend(name: str) -> type[ParameterSet]:
    backend: type[ParameterSet] = plugins.load(__name__, name).BACKEND
    return backend


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _format_of(path: str, content: bytes) -> str | None:
    suffix = _suffix(path)
    known = _SUFFIXES.get(suffix)
    if known not in (None, "config"):
        return known
    if known is None and suffix not in _GENERAL and suffix not in _POSSIBLE:
        return None
    text, _ = decode(content, path, any_bytes=True)
    start = _start(text)
    if re.compile(_SECTION).match(text, start):
        if known or suffix in _GENERAL or (re.compile(_OPTION).search(text, start) and _fits("config", text)):
            return "config"
    elif text[start:start + 1] == "{" and suffix in _GENERAL:
        return "json" if _fits("json", text) else "nt"
    elif known or suffix in _POSSIBLE:
        # An INI file without sections is what Sumatra calls simple.
        return "simple" if text[start:].strip() and _fits("simple", text) else known
    return "simple" if suffix in _GENERAL else known


def _start(text: str) -> int:
    remarks = re.compile(_REMARKS).match(text, 1 if text.startswith("\ufeff") else 0)
    return remarks.end() if remarks else 0


def _fits(name: str, text: str) -> bool:
    try:
        _backend(name).from_text(text)
    except ParameterError:
        return False
    return True
