"""Documents of Sumatra 0.3 to 0.8, which have no ``schema``.

Facts that are strings of Python literals there are read as literals, and never run.  Times without a zone are UTC,
digests are SHA-1.  The id is made of label and time, so that a record that is read twice is one record.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sumatra.documents import TYPES

__all__ = ["upgraded"]

_NAMESPACE = "0f2f3c9b-7d4c-5a2e-9c57-3d1b8a6e4f10"
_LONGEST_LITERAL = 1_000_000

_STATUSES = {
    "pre_run": "initialized",
    "initialized": "initialized",
    "running": "running",
    "finished": "finished",
    "finished...": "finished",
    "succeeded": "finished",
    "failed": "failed",
    "failed...": "failed",
    "killed": "killed",
    "killed...": "killed",
    "crashed": "crashed",
}


def upgraded(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return *document* in the shape of schema 1; raises `ValueError` and its like for what can't be understood."""
    new = dict(document)
    started = _moment(document["timestamp"])
    tags = _tags(document.get("tags"))
    launch_mode = _component(document.get("launch_mode"), "launch_mode")
    new |= {
        "schema": 1,
        "started": started,
        "id": _identity(document["label"], started),
        "tags": tags,
        "status": _status(tags),
        "launch_mode": launch_mode,
        "working_directory": launch_mode["parameters"].get("working_directory") if launch_mode else None,
        "repository": _repository(document.get("repository")),
        "parameters": _parameters(document.get("parameters")),
        "input_data": _data_keys(document.get("input_data")),
        "output_data": _data_keys(document.get("output_data", document.get("data_key"))),
    }
    for name in ("datastore", "input_datastore"):
        new[name] = _component(document.get(name), "datastore")
    new.pop("data_key", None)
    return new


def _moment(text: Any) -> str:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def _identity(label: Any, started: str) -> str:
    import uuid

    instant = datetime.fromisoformat(started).astimezone(UTC).isoformat()
    return str(uuid.uuid5(uuid.UUID(_NAMESPACE), f"{label}\n{instant}".encode("utf-8", "surrogatepass").hex()))


def _tags(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [tag.strip() for tag in value.split(",") if tag.strip()]
    return list(value or [])


def _status(tags: list[Any]) -> str:
    """Return the state that the tags tell; before 0.6 they told none, and only runs that had ended were kept."""
    for tag in tags:
        if isinstance(tag, str) and tag[:1] == tag[-1:] == "_" and tag[1:-1] in _STATUSES:
            return _STATUSES[tag[1:-1]]
    return "finished"


def _literal(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    import ast

    if len(value) > _LONGEST_LITERAL:
        raise ValueError("a string of Python literals is too long to be read")
    try:
        return ast.literal_eval(value.strip() or "None")
    except (SyntaxError, MemoryError) as error:
        raise ValueError(f"{value[:40]!r} isn't a Python literal") from error


def _our_name(kind: str, type_name: str) -> str:
    short = type_name.rpartition(".")[2]
    for ours, theirs in TYPES[kind].items():
        if theirs == short:
            return ours
    return short


def _component(part: Any, kind: str) -> dict[str, Any] | None:
    if part is None:
        return None
    if isinstance(part, str):  # just the name of the class
        part = {"type": part}
    type_name = part["type"]
    options = _literal(part.get("parameters")) or {}
    options = {name: value for name, value in options.items() if value is not None}
    return {"type": type_name, "name": _our_name(kind, type_name), "parameters": options}


def _repository(part: Any) -> dict[str, Any] | None:
    if part is None:
        return None
    return {**part, "system": _our_name("repository", part["type"])}


def _parameters(part: Any) -> dict[str, Any] | None:
    if part is None:
        return None
    name = _our_name("parameters", part["type"])
    content = part.get("content")
    if content is None or (name == "" and content in ("", "{}")):
        return None
    return {**part, "format": name, "values": _values(name, content)}


def _values(name: str, content: str) -> Any:
    """Return the values for queries; formats that need more than this keep their text, and no values."""
    try:
        if name == "":
            values = _literal(content)
        elif name == "json":
            import json

            values = json.loads(content)
        elif name == "simple":
            values = dict(_simple(content))
        else:
            values = {}
    except (ValueError, RecursionError):
        values = {}
    from sumatra.documents.values import plain

    return plain(values) if isinstance(values, dict) else {}


def _simple(content: str) -> Any:
    for line in content.splitlines():
        name, sign, value = line.partition("=")
        if sign and not name.lstrip().startswith("#"):
            yield name.strip(), _literal(value)


def _data_keys(value: Any) -> list[dict[str, Any]]:
    return [_data_key(item) for item in _literal(value) or []]


def _data_key(item: Any) -> dict[str, Any]:
    if isinstance(item, str):
        return {"path": item}
    if isinstance(item, (list, tuple)):
        item = dict(zip(("path", "digest"), item, strict=False))
    metadata = dict(_literal(item.get("metadata")) or {})
    size = metadata.get("size")
    metadata["size"] = int(size) if isinstance(size, (int, float)) else None
    return {**item, "digest": _digest(item.get("digest")), "metadata": metadata}


def _digest(value: Any) -> Any:
    if not value:
        return None
    if isinstance(value, str) and ":" not in value:
        return {40: "sha1:", 64: "sha256:"}.get(len(value), "unknown:") + value
    return value
