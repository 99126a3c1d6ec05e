"""The git program, kept from starting anything that a repository names.

A repository's configuration may name programs for nearly everything git does: filters, hooks, file-system monitors,
text converters, transports.  ``git config --list`` only reads, so it comes first; each later question carries
settings of ours that take the place of what it found.  They travel in numbered environment variables (git 2.31) and
not behind ``-c``, because that cuts at the first ``=`` and the name of a filter may have one.

What the caller's environment says about repositories (``GIT_DIR``, ``GIT_INDEX_FILE`` … as in a hook) is left out:
the question is always about the folder that was asked for.
"""

import os
import re
import shlex
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import IO

from sumatra import process
from sumatra.errors import VersionControlError
from sumatra.facts import fact
from sumatra.process import Answer
from sumatra.versioncontrol._urls import scrub_text

__all__ = ["Git", "no_repository", "start"]

#: Variables of git that belong to the user and her machine, not to a repository.
_USERS_OWN = frozenset({"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_EXEC_PATH"})
_USERS_NETWORK = _USERS_OWN | {
    "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSL_CERT", "GIT_SSL_KEY",
    "GIT_PROXY_COMMAND", "GIT_HTTP_PROXY_AUTHMETHOD",
}

_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none",  # a missing object would be fetched otherwise, by programs that the remote names
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",  # a version means the commit of that name, not its replacement
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",  # set and empty: neither core.askPass nor SSH_ASKPASS is looked at
}

_SETTINGS = (
    ("core.fsmonitor", "false"),
    ("core.hooksPath", "/dev/null"),
    ("submodule.recurse", "false"),
)

#: Names that are ``.git`` on other systems aren't written.
_CAREFUL = (("core.protectHFS", "true"), ("core.protectNTFS", "true"))

#: Comes back from ``git config --list`` if this git reads the numbered variables.
_GUARD = "sumatra.guarded"

_FATAL = r"(?m)^fatal: (.*)$"
_SAFE_DIRECTORY = r"(?m)--add safe\.directory (.+)$"


@fact
class Git:
    """The git program, asked about the working copy whose top is *root*."""

    program: str
    root: str
    settings: Mapping[str, list[str]]  #: the whole configuration; section and variable in lower case
    environment: Mapping[str, str]
    without: frozenset[str]  #: what of our own environment git isn't given

    def setting(self, name: str) -> str:
        """Return the value of a setting that has one value, or an empty string."""
        return self.settings.get(name, [""])[-1]

    def is_on(self, name: str) -> bool:
        """Tell whether a setting is true, in any of git's words for it."""
        return self.setting(name).lower() in ("true", "yes", "on", "1")

    @property
    def filters(self) -> set[str]:
        """The names of the filters that are configured, and aren't run."""
        return set(_subsections("filter", self.settings))

    def ask(
        self, *words: str | bytes, stdin: bytes | None = None, timeout: float = 600.0, most: int | None = None
    ) -> Answer:
        """Return what git says to *words*, whether it succeeds or not."""
        try:
            return process.ask(
                [self.program, *words], cwd=self.root, environment=self.environment, without=self.without, stdin=stdin,
                timeout=timeout, most=most,
            )
        except (OSError, ValueError) as error:  # TimeoutError is one of the former, a NUL in a name the latter
            raise VersionControlError(f"git can't be asked about {self.root}: {error}") from error

    def say(self, *words: str | bytes, stdin: bytes | None = None) -> bytes:
        """Return what git prints, or raise `VersionControlError` if it fails."""
        answer = self.ask(*words, stdin=stdin)
        if answer.status != 0:
            raise self.trouble(answer)
        return answer.output

    def listen(self, *words: str | bytes, stdin: bytes = b"") -> AbstractContextManager[IO[bytes]]:
        """Have git print to a file that is read inside a block."""
        return process.listen(
            [self.program, *words], cwd=self.root, environment=self.environment, without=self.without, stdin=stdin
        )

    def trouble(self, answer: Answer) -> VersionControlError:
        """Return what went wrong, as a sentence."""
        if "dubious ownership" in answer.complaint or "unsafe repository" in answer.complaint:
            named = re.search(_SAFE_DIRECTORY, answer.complaint)
            return VersionControlError(
                f"git doesn't read {self.root}, because it belongs to somebody else",
                "if you trust the owner: git config --global --add safe.directory "
                + (named[1] if named else shlex.quote(self.root)),
            )
        if "not a git repository" in answer.complaint:
            return no_repository(self.root)
        return VersionControlError(f"git can't read {self.root}: {self.said(answer)}", "git fsck may say more")

    def said(self, answer: Answer) -> str:
        """Return git's own sentence about what went wrong, without secrets."""
        found = re.search(_FATAL, answer.complaint)
        return scrub_text(found[1] if found else answer.complaint or f"it ended with status {answer.status}")


def no_repository(root: str) -> VersionControlError:
    """Return what is to be said where there is a ``.git`` and no repository."""
    return VersionControlError(
        f"{root} has a .git that isn't a git repository",
        "it may be empty or damaged, or point to a folder that is gone",
    )


def start(root: str, protocols: Iterable[str] = (), *, writes: bool = False) -> Git:
    """Return git for the working copy at *root*, with everything disarmed that the configuration names.

    *protocols* are those by which git may talk to other machines, by default none.  Where it *writes*, names that mean
    ``.git`` on other systems are refused too.  Raises `VersionControlError` if there is no git, it is too old to be
    kept in check, or can't read the configuration.
    """
    program = process.find_program("git")
    if program is None:
        raise VersionControlError("the program git isn't installed, or isn't on the PATH", "apt install git")
    kept = _USERS_NETWORK if protocols else _USERS_OWN
    environment = {
        **_ENVIRONMENT,
        "GIT_WORK_TREE": root,  # core.worktree could name any other folder
        "GIT_CEILING_DIRECTORIES": os.path.dirname(root),  # with a broken .git, don't go up to another repository
    }
    if protocols:
        environment["GIT_ALLOW_PROTOCOL"] = ":".join(protocols)
        del environment["GIT_ASKPASS"], environment["GIT_WORK_TREE"]
    without = frozenset(name for name in os.environ if name.startswith("GIT_") and name not in kept)
    first = Git(program, root, {}, {**environment, **_numbered([*_SETTINGS, (_GUARD, "true")])}, without)
    answer = first.ask("config", "--list", "-z", timeout=60.0)
    if answer.status != 0:
        raise first.trouble(answer)
    settings = _parsed(answer.output)
    if _GUARD not in settings:
        raise VersionControlError(
            f"{program} is too old to be kept from running what a repository names", "git 2.31 or later is needed"
        )
    disarmed = _disarmed(settings) + (list(_CAREFUL) if writes else [])
    return Git(program, root, settings, {**environment, **_numbered(disarmed)}, without)


def _disarmed(settings: Mapping[str, list[str]]) -> list[tuple[str, str]]:
    """Return the settings that keep git from starting what *settings* name."""
    disarmed = list(_SETTINGS)
    for name in _subsections("filter", settings):
        prefix = f"filter.{name}."
        disarmed += [(prefix + "clean", ""), (prefix + "smudge", ""), (prefix + "process", "")]
        disarmed.append((prefix + "required", "false"))  # git fails on a required filter that isn't there
    disarmed += [(f"hook.{name}.enabled", "false") for name in _subsections("hook", settings)]
    return disarmed


def _subsections(section: str, settings: Iterable[str]) -> list[str]:
    """Return the names ``NAME`` of ``[section "NAME"]``, each once."""
    prefix = section + "."
    found = (key[len(prefix):].rpartition(".")[0] for key in settings if key.startswith(prefix) and key.count(".") > 1)
    return list(dict.fromkeys(found))


def _numbered(settings: Iterable[tuple[str, str]]) -> dict[str, str]:
    environment = {}
    count = 0
    for count, (key, value) in enumerate(settings, 1):
        environment[f"GIT_CONFIG_KEY_{count - 1}"] = key
        environment[f"GIT_CONFIG_VALUE_{count - 1}"] = value
    return {"GIT_CONFIG_COUNT": str(count), **environment}


def _parsed(output: bytes) -> dict[str, list[str]]:
    settings: dict[str, list[str]] = {}
    for line in os.fsdecode(output).split("\0")[:-1]:
        key, newline, value = line.partition("\n")
        settings.setdefault(key, []).append(value if newline else "true")
    return settings
