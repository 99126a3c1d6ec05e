"""The environment variables of a run, put back for its repetition as far as the record has them."""

import os
from collections.abc import Mapping

from sumatra import capture
from sumatra.capture.variables import is_allowed, is_secret
from sumatra.differences import is_harmless
from sumatra.records import Record

__all__ = ["again_as_then", "belongs_to_place"]

#: Where programs and libraries of an environment are found: it is another one, unless it is built again.
_PLACES = frozenset({
    "LOADEDMODULES", "LMOD_FAMILY_COMPILER", "LMOD_FAMILY_MPI", "MODULEPATH", "MODULESHOME", "PATH", "PIPENV_ACTIVE",
    "VIRTUAL_ENV", "GUIX_ENVIRONMENT", "IN_NIX_SHELL",
})
_PLACE_PREFIXES = ("APPTAINER_", "CONDA_", "PIXI_", "SINGULARITY_")

#: Those of them that lead to what was built again.
_BUILT_AGAIN = frozenset({"PATH", "VIRTUAL_ENV"})

_MARK = "hmac-sha256:"


def again_as_then(
    record: Record, now: Mapping[str, str], key: bytes, *, recorded: bool
) -> tuple[dict[str, str], list[str]]:
    """Return the variables for a repetition of *record*, and what isn't put back, a sentence each.

    They are those of *now*, but for what records keep and what can change a result: that is as it was.  What says where
    programs are found stays, unless the environment *recorded* is to be built again.  *key* is the project's, for
    secrets.
    """
    variables = dict(now)
    then = dict(record.environment)
    then.update({name: seed for name, seed in record.seeds.items() if is_allowed(name) and name not in then})
    if not record.environment:
        variables.update(then)
        return variables, ["the record doesn't tell its environment variables"]
    ours = capture.environment(now, key)
    elsewhere: list[str] = []
    masked: list[str] = []
    for name in sorted({*then, *ours}):
        value: str | None = then.get(name)
        if value == ours.get(name) or is_harmless(name):
            continue
        if belongs_to_place(name) and not (recorded and name in _BUILT_AGAIN):
            elsewhere.append(name)
        elif (value is not None and _MARK in value) or is_secret(name):
            masked.append(name)
        elif value is None:
            variables.pop(name, None)
        elif name == "TMPDIR" and not os.path.isdir(value):
            elsewhere.append(name)
        else:
            variables[name] = value
    notes = []
    if elsewhere:
        notes.append(f"not put back, as programs and libraries are those of today: {', '.join(elsewhere)}")
    if masked:
        notes.append(f"not put back, as records hold no secrets: {', '.join(masked)}")
    return variables, notes


def belongs_to_place(name: str) -> bool:
    """Tell whether the variable *name* says where an environment lies."""
    return name in _PLACES or name.startswith(_PLACE_PREFIXES)
