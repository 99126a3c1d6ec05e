"""Keep a function's runs on record, from inside the script: ``@capture``."""

import functools
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from typing import Any, ParamSpec, TextIO, TypeVar

from sumatra.facts import replace
from sumatra.parameters import ParameterSet
from sumatra.projects import load_project

__all__ = ["capture"]

_Arguments = ParamSpec("_Arguments")
_Value = TypeVar("_Value")

_MOST_TEXT = 32 * 1024


def capture(function: Callable[_Arguments, _Value]) -> Callable[_Arguments, _Value]:
    """Return *function* so that each call is a record of the project that the current folder lies in.

    The parameters of the record are the parameter set that is given first or as ``parameters=``, and else all
    arguments; a parameter set is given on with ``sumatra_label`` added.  What the function returns, raises and prints
    is as without the decorator.
    """

    @functools.wraps(function)
    def recorded(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Value:
        project = load_project()
        main_file = getattr(sys.modules.get(function.__module__), "__file__", None)
        draft = project.new_record(parameters=_parameters(args, kwargs), main_file=main_file)
        args, kwargs = _with_label(args, kwargs, draft.label)  # type: ignore[assignment]
        before = draft.datastore.snapshot()
        begun = time.monotonic()
        project.add_record(replace(draft.finish(), status="running"))
        draft.status = "finished"
        with _overheard() as heard:
            try:
                return function(*args, **kwargs)
            except KeyboardInterrupt:
                draft.status = "killed"
                draft.signal = "SIGINT"
                raise
            except SystemExit as end:
                draft.status = "finished" if end.code in (None, 0) else "failed"
                raise
            except BaseException as error:
                draft.status = "failed"
                draft.outcome = f"{type(error).__name__}: {error}"
                raise
            finally:
                draft.duration = time.monotonic() - begun
                draft.stdout_stderr = heard.text()
                draft.output_data = draft.datastore.generate_keys(draft.datastore.new_since(before))
                project.add_record(draft)
                project.close()

    return recorded


def _parameters(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    for candidate in (kwargs.get("parameters"), *args[:1]):
        if isinstance(candidate, ParameterSet):
            return candidate
    return {**{f"arg{index}": value for index, value in enumerate(args)}, **kwargs}


def _with_label(args: tuple[Any, ...], kwargs: dict[str, Any], label: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(kwargs.get("parameters"), ParameterSet):
        return args, {**kwargs, "parameters": kwargs["parameters"].with_value("sumatra_label", label)}
    if args and isinstance(args[0], ParameterSet):
        return (args[0].with_value("sumatra_label", label), *args[1:]), kwargs
    return args, kwargs


class _Listener:
    """Beginning and end of what goes through it."""

    def __init__(self) -> None:
        self._head = StringIO()
        self._tail = ""
        self._left_out = 0

    def hear(self, text: str) -> None:
        room = _MOST_TEXT // 4 - self._head.tell()
        if room > 0:
            self._head.write(text[:room])
            text = text[room:]
        self._tail += text
        if len(self._tail) > 2 * _MOST_TEXT:
            self._left_out += len(self._tail) - _MOST_TEXT
            self._tail = self._tail[-_MOST_TEXT:]

    def text(self) -> str:
        gap = f"\n[… {self._left_out} characters …]\n" if self._left_out else ""
        return self._head.getvalue() + gap + self._tail


class _Tee:
    """A text stream whose writes are overheard."""

    def __init__(self, stream: TextIO, listener: _Listener) -> None:
        self._stream = stream
        self._listener = listener

    def write(self, text: str) -> int:
        self._listener.hear(text)
        return self._stream.write(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _overheard() -> Iterator[_Listener]:
    listener = _Listener()
    outer = sys.stdout, sys.stderr
    sys.stdout = _Tee(outer[0], listener)
    sys.stderr = _Tee(outer[1], listener)
    try:
        yield listener
    finally:
        sys.stdout, sys.stderr = outer
