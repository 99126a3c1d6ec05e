"""Explain a command, or list all commands."""

import argparse
from types import ModuleType

from sumatra import __version__, plugins
from sumatra.cli import BACKENDS, parser_for
from sumatra.errors import MissingExtra, NoSuchPlugin

_TITLE = "Automated lab notebook for computational experiments, version {version}"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command that is asked about."""
    parser.add_argument("command", nargs="?", help="explain this command")


def run(args: argparse.Namespace) -> None:
    """Print help."""
    if args.command:
        module = _command(args.command)
        parser = parser_for(args.command, module)
        module.arguments(parser)
        print(parser.format_help(), end="")
        return
    print("Usage: smt <subcommand> [options] [args]\n")
    print(_TITLE.format(version=__version__))
    print("\nAvailable subcommands:")
    width = max(map(len, BACKENDS)) + 2
    for name, backend in BACKENDS.items():
        print(f"  {name:<{width}}{backend.summary}")
    print("\nsmt help COMMAND explains one of them.")


def _command(name: str) -> ModuleType:
    try:
        return plugins.load("sumatra.cli", name)
    except MissingExtra:
        raise
    except NoSuchPlugin as error:
        raise NoSuchPlugin(f"there is no command {name!r}", error.hint) from error
