"""The door that older tools expect, and two helpers in C that make things quicker; all else is in pyproject.toml.

They are optional: where they can't be compiled the installation goes on without them, and Python does their work.
"""

import sys
import sysconfig

from setuptools import Extension, setup

#: One build serves this Python and all later ones; only builds without a global lock have no such thing.
IS_POSSIBLE = (
    sys.platform == "linux"
    and sys.implementation.name == "cpython"
    and not sysconfig.get_config_var("Py_GIL_DISABLED")
)


def helper(name: str, *sources: str) -> Extension:
    """Return how the helper of that name is built from *sources*, of which headers aren't compiled."""
    folder = "sumatra/" + "/".join(name.split(".")[:-1])
    paths = [f"{folder}/{source}" for source in sources]
    return Extension(
        f"sumatra.{name}",
        sources=[path for path in paths if path.endswith(".c")],
        depends=[path for path in paths if path.endswith(".h")],
        extra_compile_args=["-std=c11", "-O2", "-g0", "-Wall", "-Wextra", "-pthread"],
        extra_link_args=["-pthread"],
        py_limited_api=True,
        optional=True,
    )


HELPERS = [
    helper("capture._observer", "_observer.c", "_looks.c", "_looks.h"),
    helper("versioncontrol._entries", "_entries.c"),
]

setup(
    ext_modules=HELPERS if IS_POSSIBLE else [],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if IS_POSSIBLE else {},
)
