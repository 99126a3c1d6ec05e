"""Write down what came of a run.

    smt comment "apparently, it is worth NaN shekels."
    smt comment LABEL "Eureka! Nobel prize here we come."
    smt comment LABEL -f notes.txt
    smt comment LABEL -            (from standard input)
    smt comment LABEL --edit       (in $EDITOR)

Without a label, the most recent run is meant. The text is added below what is there already.
"""

import argparse
import os
import sys

from sumatra.cli.terminal import parse_anywhere, project_here, say
from sumatra.errors import NoSuchRecord, SumatraError, UsageError
from sumatra.projects import Project

parse = parse_anywhere


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare label and text."""
    parser.add_argument("words", nargs="*", metavar="[LABEL] TEXT", help="label and text; - reads standard input")
    parser.add_argument("-r", "--replace", action="store_true", help="put the text in the place of what is there")
    parser.add_argument("-f", "--file", nargs="?", const="", metavar="FILE", help="take the text from FILE")
    parser.add_argument("-e", "--edit", action="store_true", help="write the text in $EDITOR")


def run(args: argparse.Namespace) -> None:
    """Add the comment."""
    project = project_here()
    label, text = _understand(args, project)
    record = project.get_record(label)
    if text is None:
        text = _edited(record.outcome if args.replace else "")
    if not text.strip() and not args.replace:
        say("nothing was written, so nothing was changed")
        return
    project.add_comment(record.label, text.rstrip("\n"), args.replace)


def _understand(args: argparse.Namespace, project: Project) -> tuple[str, str | None]:
    words = list(args.words)
    if len(words) > 2:
        raise UsageError("a comment is one word for the shell", 'put it in quotes: smt comment LABEL "…"')
    if args.file is not None:
        # As in Sumatra 0.8, where -f says that the text's word is the name of a file.
        path = args.file or (words.pop() if words else "")
        return (words[0] if words else "last"), _from_file(path)
    if args.edit or not words:
        return (words[0] if words else "last"), None
    if len(words) == 1:
        if words[0] != "-" and sys.stdin and sys.stdin.isatty() and _is_label(words[0], project):
            return words[0], None
        return "last", _or_stdin(words[0])
    return words[0], _or_stdin(words[1])


def _is_label(word: str, project: Project) -> bool:
    if word == "last":
        return True
    try:
        project.record_store.get(project.name, word)
    except NoSuchRecord:
        return False
    return True


def _or_stdin(text: str) -> str:
    return _from_stdin() if text == "-" else text


def _from_stdin() -> str:
    return sys.stdin.buffer.read().decode("utf-8", "replace") if sys.stdin else ""


def _from_file(path: str) -> str:
    if path == "-":
        return _from_stdin()
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError as error:
        raise UsageError(f"the text can't be read from {path!r}: {error.strerror}") from error


def _edited(text: str) -> str:
    """Return what the user makes of *text* in her editor."""
    import shlex
    import subprocess
    import tempfile

    chosen = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    try:
        editor = shlex.split(chosen) or ["vi"]
    except ValueError as error:
        raise SumatraError(f"the editor {chosen!r} can't be read: {error}", "quote it as in a shell") from error
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "comment.txt")
        with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        try:
            done = subprocess.run([*editor, path], check=False)  # noqa: S603  the user's own choice of editor
        except OSError as error:
            raise SumatraError(f"the editor {editor[0]!r} can't be started: {error.strerror}", "set EDITOR") from error
        if done.returncode:
            raise SumatraError(f"the editor ended with exit status {done.returncode}, so nothing was changed")
        return _from_file(path)
