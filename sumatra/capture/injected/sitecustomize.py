"""Begin to observe, remove all traces of that, and be the ``sitecustomize`` that would have been found without us.

Any Python may come along here, also version 2.7, which can't be observed but mustn't stumble either.
"""
# mypy: ignore-errors

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_KEPT = sys.modules.get(__name__)  # Python 2 empties a module that nobody holds


def _begin():
    """Hide our variables from the program, leave them to the programs that it starts, and observe."""
    data = getattr(os.environ, "_data", None)
    is_old = data is None  # Python 2
    if is_old:
        data = os.environ.data
    name, log_name = ("PYTHONPATH", "SUMATRA_AUDIT") if is_old else (b"PYTHONPATH", b"SUMATRA_AUDIT")
    here = _HERE if is_old else os.fsencode(_HERE)
    colon, slash = (":", "/") if is_old else (b":", b"/")
    value, logs = data.get(name, here[:0]), data.pop(log_name, None)
    folders = [folder for folder in value.split(colon) if folder not in (here, here + slash)]
    if folders or here + slash in value.split(colon):
        data[name] = colon.join(folders)
    else:
        data.pop(name, None)
    try:
        if logs and hasattr(sys, "addaudithook"):
            import sumatra_audit_hook

            del sys.modules["sumatra_audit_hook"]
            sumatra_audit_hook.install(logs, here)
    finally:
        sys.path[:] = [folder for folder in sys.path if folder.rstrip("/") != _HERE]
        sys.path_importer_cache.pop(_HERE, None)
        sys.path_importer_cache.pop(_HERE + "/", None)


try:
    _begin()
except Exception:  # noqa: BLE001, S110  the program mustn't notice
    pass

sys.modules.pop(__name__, None)
import sitecustomize  # noqa: E402, F401  its own, which takes our place; that there is none is expected of it
