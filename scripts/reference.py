"""Write doc/reference/commands.rst, settings.rst and receipt.rst from the source itself.

``python scripts/reference.py`` writes them; ``test/unit/test_reference_pages.py`` fails when they are out of date.
"""

import argparse
import pathlib
import sys
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sumatra import cli, plugins, receipt, settings  # noqa: E402  the checkout's own

HEADER = ".. Written by scripts/reference.py; change the source and run it again.\n\n"


def heading(text: str, line: str) -> str:
    """Return *text* underlined."""
    return f"{text}\n{line * len(text)}\n\n"


def commands() -> str:
    """Return the page of the commands."""
    page = HEADER + heading("Commands", "=")
    page += (
        "``last`` and any unique beginning of a label are accepted wherever a label is. Results are printed to "
        "standard output, and all else to standard error. What a command ends with is told in :doc:`exit-statuses`.\n\n"
    )
    for name, backend in cli.BACKENDS.items():
        module = plugins.load("sumatra.cli", name)
        parser = argparse.ArgumentParser(prog=f"smt {name}")
        module.arguments(parser)
        summary = backend.summary[0].upper() + backend.summary[1:]
        page += f".. _smt-{name}:\n\n" + heading(f"smt {name}", "-") + f"{summary}.\n\n"
        page += "".join(paragraphs(module.__doc__ or ""))
        page += "".join(options(parser)) + "\n"
    return page


def paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs after the first line, indented ones as code."""
    for paragraph in text.strip().split("\n\n")[1:]:
        if paragraph.startswith("    "):
            yield "::\n\n" + "\n".join(line.rstrip() for line in paragraph.split("\n")) + "\n\n"
        else:
            yield paragraph.strip().replace("*", "\\*") + "\n\n"


def options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield an entry for each option and word."""
    for action in parser._actions:
        if action.help == argparse.SUPPRESS or action.dest == "help":
            continue
        names = ", ".join(f"``{name}``" for name in action.option_strings) or f"``{action.metavar or action.dest}``"
        if action.option_strings and action.nargs != 0:
            wanted = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
            names += f" {wanted}"
        yield f"{names}\n    {action.help}\n\n"


def settings_page() -> str:
    """Return the page of the settings."""
    page = HEADER + heading("Settings", "=")
    page += (
        "They are in ``.smt/project.toml``; ``smt configure`` changes them, ``smt info`` shows them, and the file "
        "can be edited by hand: comments stay. What isn't in the file has its default. Paths are told from the "
        f"project's folder. The file begins with ``schema = {settings.SCHEMA}``.\n\n"
    )
    for name, entry in settings.SETTINGS.items():
        default = "none" if entry.default in ("", ()) else repr(entry.default)
        page += f"``{name}``\n    {entry.metadata['summary'].replace('`', '``')}; default {default.replace('*', '')}"
        choices = entry.metadata["choices"]
        page += (f"; one of {', '.join(choices)}" if choices else "") + "\n\n"
    return page


def receipt_page() -> str:
    """Return the page of the findings."""
    page = HEADER + heading("The receipt", "=")
    page += (
        "A record says what it could not capture, and what would stand in the way of repeating the run. ``smt run`` "
        "ends with one line when there is something serious to say, ``smt view LABEL`` with one when there is "
        "anything, and ``smt view --receipt LABEL`` tells all of it: what happened, what that means for somebody who "
        "repeats the run, and what mends it. With ``--json`` it is a list for programs. Each finding has a code that "
        "stays the same from version to version, so that runs can be found by it::\n\n"
        "    $ smt list \"'unpushed' in receipt\"\n\n"
        "Findings that are marked *ordinary* belong to the daily life of many projects, and have no line after "
        "``smt run``.\n\n"
    )
    for code, kind in receipt.CODES.items():
        page += f"``{code}``{'' if kind.serious else ' (*ordinary*)'}\n    {kind.meaning}\n\n"
        page += f"    For a repeat: {kind.consequence}\n\n"
        if kind.remedy:
            page += f"    → {remedy(kind.remedy)}\n\n"
    return page


def remedy(text: str) -> str:
    """Return *text* as code where it is a command."""
    return f"``{text}``" if text.startswith(("smt ", "git ", "chmod ")) and "," not in text else text


PAGES = {
    ROOT / "doc" / "reference" / "commands.rst": commands,
    ROOT / "doc" / "reference" / "settings.rst": settings_page,
    ROOT / "doc" / "reference" / "receipt.rst": receipt_page,
}

if __name__ == "__main__":
    for path, make in PAGES.items():
        path.write_text(make(), encoding="utf-8")
