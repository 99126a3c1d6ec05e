"""Values that JSON doesn't have, written so that they come back as they were.

Each is an object with one key that begins with ``$``:

==============  =====================================================================================
``$float``      ``"nan"``, ``"inf"`` or ``"-inf"``
``$int``        a whole number of more than 4000 digits, in hexadecimal
``$tuple``      a list of the items
``$set``        a list of the items
``$date``       ISO 8601; so are ``$time`` and ``$datetime``
``$complex``    as Python writes it
``$bytes``      hexadecimal
``$items``      a list of pairs: a mapping with keys that aren't text, or with a key that begins with ``$``
==============  =====================================================================================

A value of any other type is written as its text, which is what comes back.
"""

import math
from collections.abc import Mapping, Set
from datetime import date, datetime, time
from typing import Any

__all__ = ["plain", "restored"]

_ORDINARY = frozenset({str, bool, type(None)})
_LARGEST = 1 << 13_000  # under 4000 digits; Python refuses to read more than 4300


def plain(value: Any) -> Any:
    """Return *value* as something that JSON can say; `restored` is the way back."""
    kind = type(value)
    if kind in _ORDINARY:
        return value
    if kind is int:
        return value if -_LARGEST < value < _LARGEST else {"$int": hex(value)}
    if kind is float:
        return value if math.isfinite(value) else {"$float": str(value)}
    if isinstance(value, Mapping):
        return _plain_mapping(value)
    if kind is list:
        return [plain(item) for item in value]
    return _plain_rarity(value)


def restored(value: Any) -> Any:
    """Return what `plain` was given; raises `ValueError` for what it never writes."""
    kind = type(value)
    if kind is dict:
        if len(value) == 1:
            (key,) = value
            if key[:1] == "$":
                return _restored_rarity(key, value[key])
        return {key: restored(item) for key, item in value.items()}
    if kind is list:
        return [restored(item) for item in value]
    if kind is float and not math.isfinite(value):
        return math.nan if value != value else value  # written by an older Sumatra, as Python's NaN
    return value


def _plain_mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    for key in value:
        if type(key) is not str or key[:1] == "$":
            return {"$items": [[plain(key), plain(item)] for key, item in value.items()]}
    return {key: plain(item) for key, item in value.items()}


def _plain_rarity(value: Any) -> Any:
    if isinstance(value, str):  # subclasses: enumerations, numbers of NumPy, lists of ruamel.yaml
        return str.__str__(value)
    if isinstance(value, int):
        return plain(int(value))
    if isinstance(value, float):
        return plain(float(value))
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, tuple):
        return {"$tuple": [plain(item) for item in value]}
    if isinstance(value, Set):
        return {"$set": sorted((plain(item) for item in value), key=repr)}
    if isinstance(value, (date, time)):
        name = "$datetime" if isinstance(value, datetime) else "$date" if isinstance(value, date) else "$time"
        return {name: value.isoformat()}
    if isinstance(value, complex):
        return {"$complex": str(complex(value))}
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": value.hex()}
    to_list = getattr(value, "tolist", None)  # arrays and whole numbers of NumPy
    if callable(to_list):
        return plain(to_list())
    return str(value)


def _restored_rarity(key: str, value: Any) -> Any:
    if key == "$items" and isinstance(value, list):
        return {_hashable(restored(name)): restored(item) for name, item in value}
    if key in ("$tuple", "$set") and isinstance(value, list):
        items = [restored(item) for item in value]
        return tuple(items) if key == "$tuple" else frozenset(_hashable(item) for item in items)
    read = _READERS.get(key)
    if read is None or not isinstance(value, str):
        raise ValueError(f"{key} isn't followed by what belongs there")
    return read(value)


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError as error:
        raise ValueError("a list or mapping stands where a key belongs") from error
    return value


def _float(text: str) -> float:
    return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[text]


_READERS = {
    "$float": _float,
    "$int": lambda text: int(text, 16),
    "$date": date.fromisoformat,
    "$time": time.fromisoformat,
    "$datetime": datetime.fromisoformat,
    "$complex": complex,
    "$bytes": bytes.fromhex,
}
