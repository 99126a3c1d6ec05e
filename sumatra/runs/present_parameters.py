"""What has become of the parameter file that a run was given."""

import os
import tempfile
from collections.abc import Callable
from typing import NamedTuple

from sumatra import parameters
from sumatra.differences import Difference
from sumatra.errors import ParameterError
from sumatra.facts import replace
from sumatra.files import digest_bytes
from sumatra.records import Parameters, Record
from sumatra.runs.present_inputs import when
from sumatra.runs.words import concealed

__all__ = ["ParametersNow", "parameters_now"]

_LARGEST = 10 * 1000 * 1000


class ParametersNow(NamedTuple):
    """What the program would be given now."""

    parameters: Parameters
    note: str = ""
    found: tuple[Difference, ...] = ()
    unknown: tuple[str, ...] = ()


def parameters_now(record: Record, moved: Callable[[str], str], key: bytes) -> ParametersNow:
    """Return what the parameter file of *record* says now, with the values that the command has changed in it."""
    then = record.parameters
    if then.path is None:
        return ParametersNow(then)
    path = moved(then.path)
    try:
        with open(path, "rb") as file:
            content = file.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        if path.startswith(tempfile.gettempdir() + os.sep) and os.path.basename(path).startswith("parameters."):
            return ParametersNow(then, unknown=(f"parameters: {path} was made for that run alone",))
        return ParametersNow(then, found=(Difference("parameters", then.path, "as it was", None, True),))
    except OSError as error:
        return ParametersNow(then, unknown=(f"parameters: {path}: {error.strerror}",))
    if then.digest is not None and then.digest == digest_bytes(content):
        return ParametersNow(then)
    if not then.type or not then.values:
        if then.digest is None:
            return ParametersNow(then, unknown=(f"parameters: what was in {path} wasn't kept",))
        return ParametersNow(replace(then, digest=digest_bytes(content)), when(path))
    try:
        chosen = parameters.from_bytes(content, path)
    except ParameterError as error:
        bad = Difference("parameters", then.path, f"of the format {then.type}", "can't be read", True, str(error))
        return ParametersNow(then, found=(bad,))
    flat = then.flat()
    for name in then.changed:
        if name in flat:
            chosen.update({name: flat[name]})
    facts, _ = concealed(Parameters(values=chosen.as_dict(), content=str(chosen)), key)
    values = dict(facts.values)
    if "sumatra_label" in then.values:
        values["sumatra_label"] = then.values["sumatra_label"]
    return ParametersNow(replace(then, values=values, content=facts.content), when(path))
