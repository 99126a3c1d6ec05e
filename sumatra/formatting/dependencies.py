"""What a run depended on, for reading: libraries line by line, packages of the system in a paragraph."""

from collections.abc import Iterable, Iterator, Sequence

from sumatra.formatting.escape import visible
from sumatra.formatting.layout import cells, paint
from sumatra.records import Dependency

__all__ = ["describe_dependencies"]

#: Kinds of which there are dozens in each run, and whose places everybody knows.
_FOLDED = frozenset({"alpine", "conda", "debian", "rpm"})
_WIDTH = 100  #: columns of a paragraph where there is no terminal


def describe_dependencies(
    dependencies: Iterable[Dependency], *, width: int | None = None, color: bool = False
) -> Iterator[str]:
    """Yield lines about *dependencies*, by what they are libraries of.

    A version with ``*`` has changes that were not committed.
    """
    kinds: dict[str, list[Dependency]] = {}
    for each in dependencies:
        kinds.setdefault(each.module, []).append(each)
    first = max((cells(visible(kind)) for kind in kinds), default=0)
    single = [each for kind, group in kinds.items() if kind not in _FOLDED for each in group]
    second = max((cells(visible(each.name)) for each in single), default=0)
    third = max((cells(_version(each)) for each in single), default=0)
    for kind, group in kinds.items():
        room = max((width or _WIDTH) - first - 2, 20)
        lines = _paragraph(group, room) if kind in _FOLDED else (_line(each, second, third, color) for each in group)
        title = visible(kind)
        for line in lines:
            yield f"{paint(title, 'dim', color)}{' ' * (first - cells(title))}{'  ' * bool(first)}{line}"
            title = ""


def _line(each: Dependency, names: int, versions: int, color: bool) -> str:
    name, version = visible(each.name), _version(each)
    flags = paint(f"  {visible(', '.join(each.flags))}", "yellow", color) if each.flags else ""
    gap = " " * (versions - cells(version))
    return f"{name}{' ' * (names - cells(name))}  {version}{gap}  {visible(each.path)}{flags}"


def _version(each: Dependency) -> str:
    return visible(each.version or "unknown") + "*" * bool(each.diff or "changed" in each.flags)


def _paragraph(group: Sequence[Dependency], width: int) -> Iterator[str]:
    """Yield names with versions, never cut in two."""
    line = ""
    for number, each in enumerate(group, 1):
        item = f"{visible(each.name)} {_version(each)}" + "," * (number < len(group))
        if line and cells(line) + 1 + cells(item) > width:
            yield line
            line = item
        else:
            line = f"{line} {item}" if line else item
    yield line
