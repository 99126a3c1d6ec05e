"""Frozen data, by its fields: what `dataclasses` does, at a tenth of its price.

``dataclasses`` loads ``inspect`` and compiles six functions for each class, which costs every command more time than
all of its own work (measured: 25 ms of 90 for the forty classes' worth of ``smt run``).  Here nothing is compiled.
Type checkers know these classes as data classes (PEP 681).
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, dataclass_transform, overload

__all__ = ["Field", "as_dict", "fact", "field", "fields", "replace"]

T = TypeVar("T")

_MISSING: Any = object()


class Field:
    """One field of a class: its name, its default if it has one, and what else was said about it."""

    __slots__ = ("default", "default_factory", "metadata", "name")

    def __init__(
        self, default: Any, default_factory: Callable[[], Any] | None, metadata: Mapping[str, Any] | None
    ) -> None:
        self.name = ""
        self.default = default
        self.default_factory = default_factory
        self.metadata = metadata or {}


def field(
    *, default: Any = _MISSING, default_factory: Callable[[], Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Any:
    """Say more about a field than its default."""
    return Field(default, default_factory, metadata)


@overload
def fact(cls: type[T], /) -> type[T]: ...
@overload
def fact(*, kw_only: bool = False) -> Callable[[type[T]], type[T]]: ...


@dataclass_transform(frozen_default=True, field_specifiers=(field, Field))
def fact(cls: type[T] | None = None, /, *, kw_only: bool = False) -> Any:
    """Make a class whose annotations are its fields; its instances can't be changed, and are equal by their fields."""
    if cls is None:
        return lambda decorated: _made(decorated, kw_only)
    return _made(cls, kw_only)


def fields(of: Any) -> tuple[Field, ...]:
    """Return the fields of a class, or of an instance, in their order."""
    found: tuple[Field, ...] = of.__fact_fields__
    return found


def replace(old: T, /, **changes: Any) -> T:
    """Return *old* with some fields changed; raises `TypeError` for names that aren't fields."""
    cls = type(old)
    new = cls.__new__(cls)
    state = new.__dict__
    state.update(old.__dict__)
    if not changes.keys() <= state.keys():
        raise TypeError(f"{cls.__name__} has no field {min(changes.keys() - state.keys())!r}")
    state.update(changes)
    return new


def as_dict(value: Any) -> Any:
    """Return a fact, and facts in its fields, as dictionaries."""
    if hasattr(value, "__fact_fields__"):
        return {entry.name: as_dict(getattr(value, entry.name)) for entry in fields(value)}
    return value


def _made(cls: type[T], kw_only: bool) -> type[T]:
    found = {}
    for name in _annotated(cls):
        default = cls.__dict__.get(name, _MISSING)
        entry = default if isinstance(default, Field) else Field(default, None, None)
        entry.name = name
        if isinstance(default, Field):
            delattr(cls, name)
        found[name] = entry
    names = tuple(found)
    cls.__fact_fields__ = tuple(found.values())  # type: ignore[attr-defined]
    for method in (_init(names, found, kw_only), _setattr, _delattr, _eq, _hash, _repr):
        if method.__name__ not in cls.__dict__ or method.__name__ == "__hash__":
            setattr(cls, method.__name__, method)
    return cls


def _annotated(cls: type) -> list[str]:
    try:
        return list(cls.__annotations__)
    except NameError:  # Python 3.14 looks names up only now; some are there for type checkers alone
        import annotationlib  # type: ignore[import-not-found,unused-ignore]

        return list(annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF))


def _init(names: tuple[str, ...], known: Mapping[str, Field], kw_only: bool) -> Callable[..., None]:
    everything = known.keys()

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        state = self.__dict__
        if args:
            if kw_only or len(args) > len(names):
                raise TypeError(f"{type(self).__name__} takes {0 if kw_only else len(names)} positional arguments")
            state.update(zip(names, args, strict=False))
            if not kwargs.keys().isdisjoint(state):
                raise TypeError(f"{type(self).__name__} got a field twice")
        if not kwargs.keys() <= everything:
            raise TypeError(f"{type(self).__name__} has no field {min(kwargs.keys() - everything)!r}")
        state.update(kwargs)
        if len(state) < len(names):
            for name, entry in known.items():
                if name not in state:
                    state[name] = entry.default if entry.default_factory is None else entry.default_factory()
                    if state[name] is _MISSING:
                        raise TypeError(f"{type(self).__name__} needs a value for {name!r}")

    return __init__


def _setattr(self: Any, name: str, value: Any) -> None:
    raise AttributeError(f"{type(self).__name__} can't be changed; take replace(…, {name}=…)")


def _delattr(self: Any, name: str) -> None:
    raise AttributeError(f"{type(self).__name__} can't be changed")


def _eq(self: Any, other: object) -> Any:
    return self.__dict__ == other.__dict__ if type(self) is type(other) else NotImplemented


def _hash(self: Any) -> int:
    state = self.__dict__
    return hash(tuple(state[entry.name] for entry in self.__fact_fields__))


def _repr(self: Any) -> str:
    told = ", ".join(f"{entry.name}={getattr(self, entry.name)!r}" for entry in self.__fact_fields__)
    return f"{type(self).__qualname__}({told})"


for _method in (_setattr, _delattr, _eq, _hash, _repr):
    _method.__name__ = f"_{_method.__name__}__"
