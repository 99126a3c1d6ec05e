"""The settings of a project, and the file that holds them.

``.smt/project.toml`` is edited by ``smt configure`` or by hand; comments stay.  It holds no secrets.  What isn't in it
has the default given here, so a later version may add settings without touching anybody's file.
"""

import os
from collections.abc import Mapping
from typing import Any

from sumatra import files
from sumatra.errors import NewerFormat, ProjectError, UsageError
from sumatra.facts import fact, field, fields, replace

__all__ = ["FILE", "SCHEMA", "SETTINGS", "Settings", "parse_size", "read", "write"]

FILE = "project.toml"
SCHEMA = 1


def _setting(default: Any, summary: str, choices: tuple[str, ...] = ()) -> Any:
    return field(default=default, metadata={"summary": summary, "choices": choices})


@fact(kw_only=True)
class Settings:
    """How a project does things."""

    name: str = _setting("", "name of the project")
    description: str = _setting("", "what the project is about")
    executable: str = _setting("", "program that `smt run` starts: a name or a path, options may follow")
    main_file: str = _setting("", "script that is given to the program")
    repository: str = _setting("", "URL that the code was checked out from")
    on_changed: str = _setting(
        "store-diff", "what to do about uncommitted changes: keep them, or refuse to run", ("store-diff", "error")
    )
    record_store: str = _setting(".smt/records.sqlite", "where records are kept: a path or a URL without password")
    data_path: str = _setting("Data", "folder in which programs write")
    input_path: str = _setting("/", "folder that the paths of input files are told from")
    add_label: str = _setting(
        "none", "give the label to the program, as last word or as parameter", ("none", "cmdline", "parameters")
    )
    label_generator: str = _setting("timestamp", "how labels are made", ("timestamp", "uuid"))
    timestamp_format: str = _setting("%Y%m%d-%H%M%S", "form of labels that are times, as strftime has it")
    launch_mode: str = _setting("serial", "how programs are started")
    launch_mode_options: str = _setting("", "words that the launch mode adds to its own command")
    plain: bool = _setting(False, "leave words like `tau_m=10` to the program")
    ignore_parameters: bool = _setting(False, "don't look for parameter files among the words")
    trace: str = _setting(
        "auto", "how it is observed what programs read and write; auto is the best way that is possible",
        ("auto", "notify", "strace", "audit", "scan", "none"),
    )
    ignore: tuple[str, ...] = _setting(
        (), "files that records don't tell of: patterns as in .gitignore, which are added to those in .smtignore"
    )
    tolerance: tuple[str, ...] = _setting(
        (), "how far numbers in results may lie apart and count as the same, as `Data/*.csv:energy=1e-6`; the last one"
        " that fits decides",
    )
    most_files: int = _setting(200_000, "so many inputs, and so many outputs, are told of in a record")
    bundle: bool = _setting(False, "keep versions of the code that weren't pushed, with their history")
    largest_untracked: str = _setting("1 MB", "untracked and changed files up to this size are kept with a record")
    largest_untracked_total: str = _setting("50 MB", "so much of them together")


#: Every setting by its name, with its field (default, summary, choices).
SETTINGS = {entry.name: entry for entry in fields(Settings)}

_KINDS = {
    str: "a text in quotes", bool: "true or false", int: "a number", tuple: "texts in quotes between square brackets"
}
_UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3}


def parse_size(text: str) -> int:
    """Return the number of bytes that *text* means (``1 MB``, ``500kB``, ``4096``), or raise `UsageError`."""
    compact = text.strip().lower().replace(" ", "")
    digits = compact.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = compact[len(digits):]
    try:
        return int(float(digits) * _UNITS[unit])
    except (KeyError, ValueError, OverflowError):
        raise UsageError(f"{text!r} isn't a size", "write it as 500 kB, 1 MB, 2 GiB or a number of bytes") from None


def read(folder: str) -> Settings:
    """Return the settings in the ``.smt`` folder *folder*.

    Raises `ProjectError` for a file that can't be read, and `NewerFormat` for one of a later version.
    """
    path = os.path.join(folder, FILE)
    try:
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read()
        found = _plain(text)
        if found is None:
            import tomllib  # 6 ms, which a file as we write it doesn't need

            found = tomllib.loads(text)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ProjectError(f"the settings in {path} can't be read: {reason}", "repair the file by hand") from error
    return _checked(found, path)


def _plain(text: str) -> dict[str, Any] | None:
    """Return what *text* says if it has just comments and simple values, a line each; None for all other TOML."""
    found: dict[str, Any] = {}
    for line in text.split("\n"):
        name, equals, value = line.partition(" = ")
        if not line or (line.startswith("#") and line.isprintable()):
            continue
        if not equals or not name.isidentifier() or not name.isascii() or name in found or not value.isprintable():
            return None
        if value in ("true", "false"):
            found[name] = value == "true"
        elif value.isascii() and value.isdigit() and not value.startswith("0"):
            found[name] = int(value)
        elif _is_plain_text(value):
            found[name] = value[1:-1]
        elif value[:1] == "[" and value[-1:] == "]" and all(map(_is_plain_text, items := value[1:-1].split(", "))):
            found[name] = [item[1:-1] for item in items]
        else:
            return None
    return found


def _is_plain_text(value: str) -> bool:
    return len(value) > 1 and value[0] == value[-1] == '"' and '"' not in value[1:-1] and "\\" not in value


def _checked(found: Mapping[str, Any], path: str) -> Settings:
    schema = found.get("schema", 0)
    if not isinstance(schema, int) or schema < 1:
        raise ProjectError(f"{path} doesn't say its schema", f"it should begin with: schema = {SCHEMA}")
    if schema > SCHEMA:
        raise NewerFormat(f"{path} was written by a later version of Sumatra (schema {schema})", "upgrade Sumatra")
    values: dict[str, Any] = {}
    for name, value in found.items():
        if name not in SETTINGS:
            continue  # a later version's, or the user's own: not ours to judge
        wanted = type(SETTINGS[name].default)
        if wanted is tuple and isinstance(value, list) and all(isinstance(item, str) for item in value):
            value = tuple(value)
        if type(value) is not wanted:
            raise ProjectError(f"the setting {name} in {path} should be {_KINDS[wanted]}", "repair the file by hand")
        values[name] = value
    return check(Settings(**values))


def check(settings: Settings) -> Settings:
    """Return *settings* if they make sense, or raise `UsageError`."""
    for name, entry in SETTINGS.items():
        choices = entry.metadata["choices"]
        value = getattr(settings, name)
        if choices and value not in choices:
            raise UsageError(f"{name} can't be {value!r}", "it is one of: " + ", ".join(choices))
    if settings.most_files < 1:
        raise UsageError(f"most_files can't be {settings.most_files}", "it is a number of files, 1 or more")
    parse_size(settings.largest_untracked)
    parse_size(settings.largest_untracked_total)
    return settings


def changed(settings: Settings, **values: Any) -> Settings:
    """Return *settings* with *values*, checked."""
    return check(replace(settings, **values))


def write(folder: str, settings: Settings) -> None:
    """Put *settings* into the ``.smt`` folder *folder*; comments and foreign entries of the file stay.

    Only what differs from the default, or is there already, is written.
    """
    import tomlkit

    path = os.path.join(folder, FILE)
    try:
        with open(path, encoding="utf-8") as file:
            document = tomlkit.parse(file.read())
    except FileNotFoundError:
        document = tomlkit.document()
        document.add(tomlkit.comment("A project of Sumatra. Edit by hand or with: smt configure"))
        document["schema"] = SCHEMA
    for name, entry in SETTINGS.items():
        value = getattr(settings, name)
        value = list(value) if isinstance(value, tuple) else value
        if name in document:
            if document[name] != value:
                document[name] = value
        elif name == "name" or getattr(settings, name) != entry.default:
            document[name] = value
    files.write_atomically(path, tomlkit.dumps(document).encode())
