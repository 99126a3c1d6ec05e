"""Sumatra: an automated lab notebook for computational experiments.

``smt run COMMAND`` keeps on record what was run, with which code, parameters, inputs and environment, and what came of
it.  The same from Python::

    from sumatra import load_project

    project = load_project()
    for record in project.find_records("tau_m > 10 and status == 'finished'"):
        print(record.label, record.outcome)

The public names below are found when they are first used, so that ``import sumatra`` costs nothing.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sumatra.errors import SumatraError
    from sumatra.parameters import build_parameters
    from sumatra.projects import Project, init_project, load_project
    from sumatra.records import Record

__version__ = "1.0.0.dev0"

__all__ = [
    "Project", "Record", "SumatraError", "__version__", "build_parameters", "init_project", "load_project",
]

_HOMES = {
    "Project": "sumatra.projects",
    "Record": "sumatra.records",
    "SumatraError": "sumatra.errors",
    "build_parameters": "sumatra.parameters",
    "init_project": "sumatra.projects",
    "load_project": "sumatra.projects",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'sumatra' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
