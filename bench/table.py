"""The figures as a table."""

from typing import NamedTuple

from peers import ADDED, LISTED


class Figure(NamedTuple):
    """One line of the table of promises."""

    what: str
    value: float
    unit: str  #: ``×``, ``ms``, ``s``, ``MiB``, ``records`` or ``trials``
    promise: float | None = None
    most: bool = True  #: the promise is the most that it may be, not the least
    detail: str = ""

    @property
    def kept(self) -> bool:
        if self.promise is None:
            return True
        return self.value <= self.promise if self.most else self.value >= self.promise

    @property
    def measured(self) -> str:
        digits = (1 if self.value >= 2 else 2) if self.unit == "×" else int(self.unit == "s")
        return f"{self.value:.{digits}f} {self.unit}"

    @property
    def promised(self) -> str:
        if self.promise is None:
            return "–"
        return f"{'at most ' if self.most else ''}{self.promise:g} {self.unit}"

    @property
    def verdict(self) -> str:
        if self.promise is None:
            return ""
        return "kept" if self.kept else "NOT KEPT"


def page(figures: list[Figure], machine: dict[str, object]) -> str:
    """Return the figures, beside those of other tools, as reStructuredText."""
    said = ", ".join(f"{name} {what}" for name, what in machine.items())
    tables = (promises(figures), rivals(figures), beside(figures), listed(figures))
    return f"Measured by `make bench`: {said}.\n\n" + "\n".join(tables)


def promises(figures: list[Figure]) -> str:
    rows = [
        [one.what, one.measured, one.promised, one.verdict, one.detail] for one in figures if ": W" not in one.what
    ]
    head = ["", "measured", "promised", "", ""]
    return rst("What was promised and what was measured", [40, 12, 16, 8, 24], head, rows)


def rivals(figures: list[Figure]) -> str:
    """Return what was measured of other tools in the same loop."""
    cells: dict[str, dict[str, str]] = {}
    for one in figures:
        tool, colon, rest = one.what.partition(": W")
        if colon:
            cells.setdefault(tool, {})[f"W{rest[0]}"] = f"{one.value:.0f} ({one.detail.split(', ')[1]})"
    rows = [[tool, *(found.get(f"W{number}", "–") for number in (1, 2, 3))] for tool, found in cells.items()]
    title = "In one loop on one machine: ms added to the bare command, and times its duration"
    return rst(title, [34, 22, 22, 22], ["tool", "W1", "W2", "W3"], rows) if rows else ""


def beside(figures: list[Figure]) -> str:
    adds = {one.what.split()[0]: f"{one.value:.0f}" for one in figures if one.what.endswith(" adds")}
    memory = next((f"{one.value:.0f}" for one in figures if one.what.startswith("peak memory, W1")), "–")
    rows = [["**Sumatra, this version**", *(adds.get(f"W{number}", "–") for number in range(1, 5)), memory]]
    rows += [[tool, *cells] for tool, cells in ADDED.items()]
    title = "What tracking adds to the bare command, ms; peak memory, MiB"
    return rst(title, [34, 12, 12, 12, 14, 16], ["tool", "W1", "W2", "W3", "W4", "memory"], rows)


def listed(figures: list[Figure]) -> str:
    ours = [one for one in figures if one.what.startswith("`smt list")]
    rows = [[f"**Sumatra, this version**, {one.what}", one.detail.split()[0]] for one in ours]
    rows += [[question, cell] for question, cell in LISTED.items()]
    return rst("Listing and asking, with 10,000 runs where nothing else is said, ms", [75, 25], ["", "ms"], rows)


def rst(title: str, widths: list[int], head: list[str], rows: list[list[str]]) -> str:
    """Return a table as reStructuredText."""
    lines = [f".. list-table:: {title}", "   :header-rows: 1", f"   :widths: {' '.join(map(str, widths))}", ""]
    for row in (head, *rows):
        lines += [f"   {'  -' if number else '* -'} {cell}".rstrip() for number, cell in enumerate(row)]
    return "\n".join(lines) + "\n"
