"""The door that older tools expect, and the helper in C that makes observing quicker; all else is in pyproject.toml.

The helper is optional: where it can't be compiled the installation goes on without it, and Python does its work.
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

HELPER = Extension(
    "sumatra.capture._observer",
    sources=["sumatra/capture/_observer.c", "sumatra/capture/_looks.c"],
    depends=["sumatra/capture/_looks.h"],
    extra_compile_args=["-std=c11", "-O2", "-g0", "-Wall", "-Wextra", "-pthread"],
    extra_link_args=["-pthread"],
    py_limited_api=True,
    optional=True,
)

setup(
    ext_modules=[HELPER] if IS_POSSIBLE else [],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if IS_POSSIBLE else {},
)
