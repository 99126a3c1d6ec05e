"""Records as a script for bash: how to bring back the code, and the same command again.

The script is text for the user to read and to run: nothing is written or started here, and in the script all that
would change files of hers (bringing back code) is a comment.
"""

from collections.abc import Iterable, Iterator

from sumatra.formatting import View
from sumatra.formatting.escape import shell_comment, shell_word
from sumatra.formatting.rows import status_text
from sumatra.records import Record, Repository

__all__ = ["render"]

_FOLDER = "code"
_MOST_APART = 20  # paths at revisions of their own
_KEYWORDS = frozenset({
    "case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "in", "select", "then",
    "time", "until", "while",
})


def render(records: Iterable[Record], view: View) -> Iterator[str]:
    """Yield a script with the command of each record, whatever the mode of *view*."""
    yield "#!/usr/bin/env bash\n"
    for record in records:
        yield "\n" + "".join(_steps(record))


def _steps(record: Record) -> Iterator[str]:
    yield shell_comment([f"--- {record.label}: {record.timestamp}, {status_text(record)}"])
    yield shell_comment(line for text in (record.reason, record.outcome) if text for line in text.split("\n"))
    yield from _code(record)
    if record.parameters.content:
        path = record.parameters.path or "without a file"
        changed = f"; changed: {', '.join(record.parameters.changed)}" if record.parameters.changed else ""
        yield shell_comment([f"Parameters ({path}{changed}):"])
        yield shell_comment(f"    {line}" for line in record.parameters.content.rstrip("\n").split("\n"))
    if not record.command:
        yield shell_comment(["The command isn't known."])
        return
    words = " ".join([_program(record.command[0]), *map(shell_word, record.command[1:]), *_redirections(record)])
    yield f"(cd -- {shell_word(record.working_directory)} && {words})\n" if record.working_directory else f"{words}\n"


def _redirections(record: Record) -> Iterator[str]:
    for sign, path in (("<", record.stdin_file), (">", record.stdout_file)):
        if path is not None:
            yield f"{sign} {shell_word(path)}"


def _program(word: str) -> str:
    """Return the first word of a command, quoted so that it is no assignment and no keyword of the shell."""
    quoted = shell_word(word)
    return f"'{word}'" if quoted == word and ("=" in word or word in _KEYWORDS) else quoted


def _code(record: Record) -> Iterator[str]:
    if record.repository is None:
        return
    commands = _CHECKOUTS.get(record.repository.type)
    if commands is None or record.version is None or _is_patchwork(record.version):
        version = f", version {record.version}" if record.version else ""
        yield shell_comment([f"The code: {record.repository.type} at {record.repository.url}{version}"])
    else:
        yield shell_comment(["To bring back the code in a folder of its own:"])
        lines = commands(record.repository, record.version)
        yield shell_comment(f"    {' '.join(map(shell_word, words))}" for words in lines)
    count = sum(change.kind != "code" for change in record.changes)
    if count or record.diff:
        files = f"to {count} file{'s' * (count != 1)} " if count else ""
        label = shell_word(record.label)
        yield shell_comment([f"There were changes {files}that were not committed; smt view {label} tells them."])


def _is_patchwork(version: str) -> bool:
    """Tell whether a version of Subversion's has parts from many places, so that commands for it would be long."""
    return "=" in version or version.count(" ") > _MOST_APART


def _git(repository: Repository, version: str) -> list[list[str]]:
    return [
        ["git", "clone", "--no-checkout", "--", repository.upstream or repository.url, _FOLDER],
        ["git", "-C", _FOLDER, "checkout", "--detach", version],
    ]


def _mercurial(repository: Repository, version: str) -> list[list[str]]:
    return [["hg", "clone", f"--updaterev={version}", "--", repository.upstream or repository.url, _FOLDER]]


def _subversion(repository: Repository, version: str) -> list[list[str]]:
    """Return the commands for a version that may be mixed; see `sumatra.versioncontrol._subversion_text`."""
    from urllib.parse import unquote

    first, *apart = version.split(" ")
    lines = [["svn", "checkout", f"--revision={first}", "--", repository.upstream or repository.url, _FOLDER]]
    for each in apart:  # folders come before what is in them
        path, _, revision = each.rpartition("@")
        lines.append(["svn", "update", f"--revision={revision}", "--", f"{_FOLDER}/{unquote(path)}@"])
    return lines


def _bazaar(repository: Repository, version: str) -> list[list[str]]:
    return [["brz", "branch", f"--revision={version}", "--", repository.upstream or repository.url, _FOLDER]]


_CHECKOUTS = {"git": _git, "mercurial": _mercurial, "subversion": _subversion, "bazaar": _bazaar}
