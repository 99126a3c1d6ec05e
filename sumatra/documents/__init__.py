"""Records as documents: JSON that is readable without us, and by every later version of ours.

The fields are those of `sumatra.records`.  Where Sumatra 0.8 has a field, ours has the same name and shape, so that
older servers and clients understand it; what is new stands beside.  ``doc/reference/format.rst`` names every field.
A document without a ``schema`` was written by Sumatra 0.3 to 0.8 (see ``older``).
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, get_args, get_origin

from sumatra.documents.values import plain, restored
from sumatra.errors import NewerFormat, RecordStoreError
from sumatra.facts import fields
from sumatra.records import STATUS_TAGS, Change, Checkout, Choice, DataKey, Parameters, Record, Repository

__all__ = ["SCHEMA", "TYPES", "decode", "encode", "from_document", "to_document"]

#: The number of the present shape; a document with a higher one is refused.
SCHEMA = 2

#: What Sumatra 0.8 calls our back-ends and formats.
TYPES: Mapping[str, Mapping[str, str]] = {
    "repository": {
        "git": "GitRepository", "mercurial": "MercurialRepository", "subversion": "SubversionRepository",
        "bazaar": "BazaarRepository",
    },
    "parameters": {
        "": "dict", "simple": "SimpleParameterSet", "config": "ConfigParserParameterSet", "json": "JSONParameterSet",
        "yaml": "YAMLParameterSet", "ntparameters": "NTParameterSet",
    },
    "launch_mode": {
        "serial": "SerialLaunchMode", "distributed": "DistributedLaunchMode", "slurm": "SlurmMPILaunchMode",
    },
    "datastore": {
        "filesystem": "FileSystemDataStore", "archiving": "ArchivingFileSystemDataStore",
        "mirrored": "MirroredFileSystemDataStore", "webdav": "DavFsDataStore",
    },
}

_MOMENT = "%Y-%m-%d %H:%M:%S%z"


def encode(record: Record) -> bytes:
    """Return *record* as bytes of JSON: ASCII only, so that names of files that aren't text survive everywhere."""
    import json

    try:
        return json.dumps(to_document(record), allow_nan=False).encode("ascii")
    except (RecursionError, ValueError) as error:
        raise RecordStoreError(
            f"the record {record.label!r} can't be written: its parameters are nested too deeply or in themselves"
        ) from error


def decode(text: bytes) -> Record:
    """Return the record that `encode` was given.

    Raises `RecordStoreError` for what isn't such a document and `NewerFormat` for one of a later version.
    """
    import json

    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecordStoreError(f"a record can't be read, for it isn't JSON: {error}") from error
    return from_document(document)


def to_document(record: Record) -> dict[str, Any]:
    """Return *record* as a dictionary of what JSON can say."""
    started = _with_zone(record.timestamp)
    document = {
        "schema": SCHEMA,
        "id": record.id,
        "label": record.label,
        "project": record.project,
        "timestamp": started.strftime(_MOMENT),
        "started": started.isoformat(),
        "status": record.status,
        "exit_status": record.exit_status,
        "signal": record.signal,
        "duration": plain(record.duration),
        "reason": record.reason,
        "outcome": record.outcome,
        "tags": sorted({*record.tags, f"_{record.status}_"}),
        "command": list(record.command),
        "executable": _fields(record.executable),
        "main_file": record.main_file,
        "script_arguments": record.script_arguments,
        "working_directory": record.working_directory,
        "repository": _repository_document(record.repository),
        "version": record.version,
        "diff": record.diff,
        "changes": [_fields(change) for change in record.changes],
        "code_files": list(record.code_files),
        "code_folder": record.code_folder,
        "on_changed": record.on_changed,
        "parameters": _parameters_document(record.parameters),
        "launch_mode": _choice_document(
            record.launch_mode, "launch_mode", {"working_directory": record.working_directory}
        ),
        "datastore": _choice_document(record.datastore, "datastore"),
        "input_datastore": _choice_document(record.input_datastore, "datastore"),
        "input_data": [_data_key_document(key) for key in record.input_data],
        "output_data": [_data_key_document(key) for key in record.output_data],
        "deleted_data": [_data_key_document(key) for key in record.deleted_data],
        "stdout": _fields(record.stdout),
        "stderr": _fields(record.stderr),
        "stdout_stderr": record.stdout_stderr,
        "dependencies": [_fields(dependency) for dependency in record.dependencies],
        "checkouts": [_checkout_document(checkout) for checkout in record.checkouts],
        "locks": dict(record.locks),
        "programs": [plain(_fields(program)) for program in record.programs],
        "observation": plain(_fields(record.observation)),
        "platforms": [_fields(platform) for platform in record.platforms],
        "environment": dict(record.environment),
        "surroundings": dict(record.surroundings),
        "seeds": dict(record.seeds),
        "resources": plain(_fields(record.resources)),
        "usage": [plain(_fields(sample)) for sample in record.usage],
        "user": record.user,
        "repeats": record.repeats,
        "parent": record.parent,
        "process": _fields(record.process),
        "receipt": [_fields(finding) for finding in record.receipt],
        "tools": dict(record.tools),
    }
    for key, value in record.extra.items():
        document.setdefault(key, plain(value))
    return document


def from_document(document: Any) -> Record:
    """Return the record that *document*, a dictionary, tells of; the errors are those of `decode`."""
    if not isinstance(document, dict):
        raise RecordStoreError(f"a record can't be read: it should be a JSON object and is {_kind(document)}")
    label = document.get("label")
    try:
        if "schema" not in document:
            from sumatra.documents.older import upgraded

            document = upgraded(document)
        _check_schema(document)
        return _record(document)
    except NewerFormat:
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        name = f"the record {label!r}" if isinstance(label, str) else "a record without a label"
        raise RecordStoreError(f"{name} can't be read: {error}") from error


def _check_schema(document: Mapping[str, Any]) -> None:
    schema = _whole(document["schema"], "schema")
    if schema > SCHEMA:
        raise NewerFormat(
            f"the record {document.get('label')!r} was written by a later Sumatra"
            f" (its schema is {schema}; this one reads up to {SCHEMA})",
            "install the newest Sumatra: pip install --upgrade sumatra",
        )
    if schema < 1:
        raise ValueError(f"there is no schema {schema}")


def _record(document: Mapping[str, Any]) -> Record:
    if type(document.get("label")) is not str:
        raise ValueError(f"label should be text and is {_kind(document.get('label'))}")
    facts = {name: check(document.get(name), name) for name, check in _CHECKS.items()}
    facts["status"] = facts["status"] or "initialized"
    facts["timestamp"] = _moment(document.get("started") or document.get("timestamp"), "timestamp")
    facts["tags"] = frozenset(_words(document.get("tags"), "tags")) - STATUS_TAGS
    facts["repository"] = _repository(document.get("repository"))
    facts["parameters"] = _parameters(document.get("parameters"))
    launch_mode = _choice(document.get("launch_mode"), "launch_mode")
    if launch_mode is not None:
        options = {name: value for name, value in launch_mode.options.items() if name != "working_directory"}
        facts["launch_mode"] = Choice(launch_mode.name, options)
    facts["datastore"] = _choice(document.get("datastore"), "datastore")
    facts["input_datastore"] = _choice(document.get("input_datastore"), "datastore")
    facts["checkouts"] = tuple(_checkout(part) for part in _list(document.get("checkouts"), "checkouts"))
    for name in ("input_data", "output_data", "deleted_data"):
        facts[name] = tuple(_data_key(key, name) for key in _list(document.get(name), name))
    facts["extra"] = {name: restored(value) for name, value in document.items() if name not in _KNOWN}
    return Record(**facts)


def _fields(part: Any) -> dict[str, Any] | None:
    if part is None:
        return None
    values = {entry.name: getattr(part, entry.name) for entry in fields(part)}
    return {name: list(value) if type(value) is tuple else value for name, value in values.items()}


def _repository_document(repository: Repository | None) -> dict[str, Any] | None:
    if repository is None:
        return None
    return {
        "type": TYPES["repository"].get(repository.type, repository.type),
        "system": repository.type,
        "url": repository.url,
        "upstream": repository.upstream,
        "root": repository.root,
        "branch": repository.branch,
    }


def _repository(part: Any) -> Repository | None:
    if part is None:
        return None
    part = _object(part, "repository")
    return Repository(
        _text(part.get("system"), "repository.system"),
        _text(part.get("url"), "repository.url"),
        *(_text_or_none(part.get(name), f"repository.{name}") for name in ("upstream", "root", "branch")),
    )


def _parameters_document(parameters: Parameters) -> dict[str, Any]:
    empty = not parameters.content and not parameters.type
    return {
        "content": "{}" if empty else parameters.content,  # Sumatra 0.8 can't read an empty "dict"
        "type": TYPES["parameters"].get(parameters.type, parameters.type),
        "format": None if empty else parameters.type,
        "values": plain(parameters.values),
        "path": parameters.path,
        "digest": parameters.digest,
        "changed": list(parameters.changed),
    }


def _parameters(part: Any) -> Parameters:
    if part is None:
        return Parameters()
    part = _object(part, "parameters")
    values = restored(part.get("values"))
    empty = part.get("format") is None
    return Parameters(
        content="" if empty else _text(part.get("content"), "parameters.content"),
        type="" if empty else _text(part.get("format"), "parameters.format"),
        values={} if values is None else _object(values, "parameters.values"),
        path=_text_or_none(part.get("path"), "parameters.path"),
        digest=_text_or_none(part.get("digest"), "parameters.digest"),
        changed=_words(part.get("changed"), "parameters.changed"),
    )


def _choice_document(choice: Choice | None, kind: str, more: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    if choice is None:
        return None
    return {
        "type": TYPES[kind].get(choice.name, choice.name),
        "name": choice.name,
        "parameters": plain({**(more or {}), **choice.options}),
    }


def _choice(part: Any, kind: str) -> Choice | None:
    if part is None:
        return None
    part = _object(part, kind)
    options = restored(part.get("parameters"))
    return Choice(_text(part.get("name"), f"{kind}.name"), _object({} if options is None else options, kind))


def _data_key_document(key: DataKey) -> dict[str, Any]:
    document: dict[str, Any] = {
        "path": key.path,
        "digest": key.digest,
        "creation": None,
        "metadata": {"mimetype": key.mimetype, "encoding": key.encoding, "size": key.size},
        "seen": key.seen,
        "flags": list(key.flags),
    }
    if key.by:
        document["by"] = list(key.by)
    if key.renamed_from is not None:
        document["renamed_from"] = key.renamed_from
    if key.creation is not None:
        creation = _with_zone(key.creation)
        document["creation"] = creation.strftime(_MOMENT)
        document["created"] = creation.isoformat()
    return document


def _data_key(part: Any, name: str) -> DataKey:
    part = _object(part, name)
    metadata = part.get("metadata")
    metadata = {} if metadata is None else _object(metadata, f"{name}.metadata")
    created = part.get("created") or part.get("creation")
    return DataKey(
        path=_text(part["path"], f"{name}.path"),
        digest=_text_or_none(part.get("digest"), f"{name}.digest"),
        creation=None if created is None else _moment(created, f"{name}.creation"),
        size=_whole_or_none(metadata.get("size"), f"{name}.size"),
        mimetype=_text_or_none(metadata.get("mimetype"), f"{name}.mimetype"),
        encoding=_text_or_none(metadata.get("encoding"), f"{name}.encoding"),
        seen=_text(part.get("seen"), f"{name}.seen"),
        flags=_words(part.get("flags"), f"{name}.flags"),
        by=tuple(_whole(place, f"{name}.by") for place in _list(part.get("by"), f"{name}.by")),
        renamed_from=_text_or_none(part.get("renamed_from"), f"{name}.renamed_from"),
    )


def _checkout_document(checkout: Checkout) -> dict[str, Any]:
    return {**(_fields(checkout) or {}), "changes": [_fields(change) for change in checkout.changes]}


def _checkout(part: Any) -> Checkout:
    part = _object(part, "checkouts")
    changes = _part_reader(Change)
    changes = _part_reader(Change)
    return Checkout(
        root=_text(part.get("root"), "checkouts.root"),
        type=_text(part.get("type"), "checkouts.type"),
        url=_text(part.get("url"), "checkouts.url"),
        upstream=_text_or_none(part.get("upstream"), "checkouts.upstream"),
        branch=_text_or_none(part.get("branch"), "checkouts.branch"),
        version=_text_or_none(part.get("version"), "checkouts.version"),
        diff=_text(part.get("diff"), "checkouts.diff"),
        changes=tuple(changes(each, "checkouts.changes") for each in _list(part.get("changes"), "checkouts.changes")),
    )


# Each of these returns a value of the kind that it is called after, or raises ValueError; None stands for "not said".


def _text(value: Any, name: str) -> str:
    if type(value) is str:
        return value
    if value is None:
        return ""
    raise ValueError(f"{name} should be text and is {_kind(value)}")


def _text_or_none(value: Any, name: str) -> str | None:
    if value is None or type(value) is str:
        return value
    raise ValueError(f"{name} should be text and is {_kind(value)}")


def _whole(value: Any, name: str) -> int:
    if type(value) is int:
        return value
    raise ValueError(f"{name} should be a whole number and is {_kind(value)}")


def _whole_or_none(value: Any, name: str) -> int | None:
    return None if value is None else _whole(value, name)


def _number(value: Any, name: str) -> float:
    found = _number_or_none(value, name)
    if found is None:
        raise ValueError(f"{name} is missing")
    return found


def _number_or_none(value: Any, name: str) -> float | None:
    if value is None or type(value) is float or type(value) is int:
        return value
    value = restored(value)
    if type(value) is float:
        return value
    raise ValueError(f"{name} should be a number and is {_kind(value)}")


def _list(value: Any, name: str) -> list[Any]:
    if value is None:
        return []
    if type(value) is list:
        return value
    raise ValueError(f"{name} should be a list and is {_kind(value)}")


def _words(value: Any, name: str) -> tuple[str, ...]:
    words = _list(value, name)
    for word in words:
        if type(word) is not str:
            raise ValueError(f"{name} should hold text and holds {_kind(word)}")
    return tuple(words)


def _texts(value: Any, name: str) -> dict[str, str]:
    texts = {} if value is None else _object(value, name)
    return {key: _text(text, f"{name}.{key}") for key, text in texts.items()}


def _object(value: Any, name: str) -> dict[str, Any]:
    if type(value) is dict:
        return value
    raise ValueError(f"{name} should be an object and is {_kind(value)}")


def _moment(value: Any, name: str) -> datetime:
    if type(value) is not str:
        raise ValueError(f"{name} should be a time and is {_kind(value)}")
    return _with_zone(datetime.fromisoformat(value))


def _with_zone(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _kind(value: Any) -> str:
    names = {bool: "true or false", dict: "an object", float: "a number", int: "a number", list: "a list", str: "text"}
    return "missing" if value is None else names.get(type(value), "something else")


_Check = Callable[[Any, str], Any]

_SIMPLE: dict[Any, _Check] = {
    str: _text,
    str | None: _text_or_none,
    int: _whole,
    int | None: _whole_or_none,
    float: _number,
    float | None: _number_or_none,
    tuple[str, ...]: _words,
    Mapping[str, str]: _texts,
}


def _check_for(annotation: Any) -> _Check:
    """Return what reads a fact of the type *annotation*: simple ones, and parts made of simple ones."""
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    read = _part_reader(get_args(annotation)[0])
    if get_origin(annotation) is tuple:
        return lambda value, name: tuple(read(part, name) for part in _list(value, name))
    return lambda value, name: None if value is None else read(value, name)


def _part_reader(kind: Any) -> _Check:
    checks = [(name, _SIMPLE[annotation]) for name, annotation in kind.__annotations__.items()]

    def read(value: Any, where: str) -> Any:
        part = _object(value, where)
        return kind(*[check(part.get(name), name) for name, check in checks])

    return read


_SPECIAL = frozenset({
    "timestamp", "tags", "repository", "parameters", "launch_mode", "datastore", "input_datastore", "input_data",
    "output_data", "deleted_data", "checkouts", "extra",
})
_CHECKS = {
    name: _check_for(annotation) for name, annotation in Record.__annotations__.items() if name not in _SPECIAL
}
_KNOWN = {*_CHECKS, *_SPECIAL, "schema", "started"} - {"extra"}
