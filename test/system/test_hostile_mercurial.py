"""Nothing that a Mercurial repository names is started by looking at it, or by making a copy of it.

As with git: each attack plants a command that leaves a trace, all that a working copy can do is done, and then plain hg
must leave the trace, so that each test is known to be armed.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sumatra.errors import VersionControlError
from sumatra.testing.traps import Trap, beside, look_at
from sumatra.testing.workingcopies import files_below, fingerprint, kept_changes, no_content
from sumatra.versioncontrol import _mercurial_dirstate, _mercurial_program
from sumatra.versioncontrol._mercurial import MercurialWorkingCopy

pytestmark = [pytest.mark.needs("hg"), pytest.mark.slow]


def hg(folder: Path, *words: str, check: bool = True, **environment: str) -> str:
    surroundings = {**os.environ, "HGUSER": "Ada <ada@example.org>", **environment}
    done = subprocess.run(["hg", *words], cwd=folder, env=surroundings, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout.decode("utf-8", "surrogateescape").strip()


_MADE: list[Path] = []


@pytest.fixture
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two versions, made once."""
    if _MADE:
        return _MADE[0]
    folder = tmp_path_factory.mktemp("model") / "r"
    folder.mkdir()
    _MADE.append(folder)
    plain = {"HGRCPATH": ""}
    hg(folder, "init", **plain)
    (folder / "main.py").write_text("print(0)\n")
    (folder / "data.txt").write_text("1 2 3\n")
    hg(folder, "commit", "--addremove", "-m", "first", **plain)
    (folder / "main.py").write_text("print(1)\n")
    hg(folder, "commit", "-m", "second", **plain)
    return folder


@pytest.fixture
def repository(model: Path, tmp_path: Path) -> Path:
    """The same, with changes that hg can only see by reading files."""
    folder = tmp_path / "here" / "r"
    shutil.copytree(model, folder)
    (folder / "main.py").write_text("print(2)\n")
    (folder / "untracked.txt").write_text("x\n")
    os.utime(folder / "data.txt", (1_000_000_000, 1_000_000_000))
    return folder


DEEDS: list[Callable[[MercurialWorkingCopy], object]] = [
    lambda copy: (copy.repository(), copy.user(), copy.version(), copy.has_changed(), copy.changed_paths()),
    lambda copy: (copy.status(), copy.status(untracked=False), copy.diff()),
    lambda copy: [(copy.content(name), copy.contains(name)) for name in ("main.py", "data.txt")],
    lambda copy: [copy.resolve(name) for name in (".", "tip", "default", ".~1", copy.version() or "")],
    lambda copy: (copy.revision(), copy.revision(".~1"), copy.difference(".~1", "."), copy.is_pushed()),
    lambda copy: copy.export(".", [], beside(copy, "built"), no_content),
    lambda copy: copy.export(".", kept_changes(copy)[0], beside(copy, "built with changes"), kept_changes(copy)[1]),
    lambda copy: copy.bundle(".", beside(copy, "bundle")),
    lambda copy: copy.unbundle(beside(copy, "bundle"), copy.version() or "", beside(copy, "restored")),
    lambda copy: copy.checkout(copy.root, beside(copy, "copied")),
    lambda copy: copy.checkout(f"file://{copy.root}", beside(copy, "copied too")),
]


def look_at_everything(folder: Path) -> None:
    """Do all that a working copy can do."""
    look_at(folder, MercurialWorkingCopy, DEEDS)


def test_what_is_done_to_hostile_repositories_works_on_good_ones(repository: Path) -> None:
    """Else nothing would be tested: errors are passed over there."""
    copy = MercurialWorkingCopy.create(str(repository))
    for deed in DEEDS:
        deed(copy)
    assert files_below(repository.parent / "built")["main.py"][1] == b"print(1)\n"
    assert files_below(repository.parent / "built with changes")["main.py"][1] == b"print(2)\n"
    for name in ("restored", "copied", "copied too"):
        assert (repository.parent / name / "main.py").read_text() == "print(1)\n"


# Each attack plants the trap in a repository, and returns the words by which plain hg walks into it.

Attack = Callable[[Path, Path], list[str]]
ATTACKS: dict[str, Attack] = {}


def attack(function: Attack) -> Attack:
    ATTACKS[function.__name__.replace("_", " ")] = function
    return function


def configure(repository: Path, text: str) -> None:
    with open(repository / ".hg" / "hgrc", "a", encoding="utf-8") as file:
        file.write(text)


@attack
def hooks(repository: Path, command: Path) -> list[str]:
    names = ("status", "log", "cat", "files", "diff", "bundle", "clone", "update", "resolve", "serve", "unbundle")
    configure(repository, "[hooks]\n" + "".join(f"pre-{name} = {command}\npost-{name} = {command}\n" for name in names)
              + f"preoutgoing = {command}\noutgoing = {command}\nprelistkeys = {command}\n")
    return ["status"]


@attack
def hook_in_python(repository: Path, command: Path) -> list[str]:
    (repository / "evil.py").write_text(f"import os\ndef hook(**words):\n    os.system({str(command)!r})\n")
    named = f"python:{repository}/evil.py:hook"
    configure(repository, f"[hooks]\npre-status = {named}\npre-log = {named}\n")
    return ["status"]


@attack
def extension(repository: Path, command: Path) -> list[str]:
    (repository / "evil.py").write_text(f"import os\nos.system({str(command)!r})\n")
    configure(repository, f"[extensions]\nevil = {repository}/evil.py\n")
    return ["status"]


@attack
def alias(repository: Path, command: Path) -> list[str]:
    names = ("status", "log", "cat", "files", "diff", "update", "clone", "bundle")
    configure(repository, "[alias]\n" + "".join(f"{name} = !{command}\n" for name in names))
    return ["status"]


@attack
def included_configuration(repository: Path, command: Path) -> list[str]:
    (repository / "colours.ini").write_text(f"[alias]\nstatus = !{command}\n")
    configure(repository, "%include ../colours.ini\n")
    return ["status"]


@attack
def configuration_that_is_not_shared(repository: Path, command: Path) -> list[str]:
    with open(repository / ".hg" / "requires", "a", encoding="utf-8") as file:
        if "share-safe" not in (repository / ".hg" / "requires").read_text():
            file.write("share-safe\n")
    (repository / ".hg" / "hgrc-not-shared").write_text(f"[alias]\nstatus = !{command}\n")
    return ["status"]


@attack
def shared_repository_with_a_hostile_source(repository: Path, command: Path) -> list[str]:
    source = repository.parent / "source"
    shutil.copytree(repository, source)
    for name in ("store", "cache"):
        shutil.rmtree(repository / ".hg" / name)
    with open(repository / ".hg" / "requires", "a", encoding="utf-8") as file:
        file.write("shared\n")
    (repository / ".hg" / "sharedpath").write_text(f"{source}/.hg\n")
    (source / ".hg" / "hgrc").write_text(f"[alias]\nstatus = !{command}\n")
    return ["status"]


@attack
def filters_of_files(repository: Path, command: Path) -> list[str]:
    configure(repository, f"[encode]\n** = pipe: {command}\n[decode]\n** = pipe: {command}\n")
    return ["status"]


@attack
def decoder(repository: Path, command: Path) -> list[str]:
    configure(repository, f"[decode]\n** = pipe: {command}\n")
    return ["cat", "--decode", "-r", ".", "main.py"]


@attack
def external_data(repository: Path, command: Path) -> list[str]:
    configure(repository, f"[extdata]\nevil = shell:{command}\n")
    return ["log", "-r", "extdata(evil)"]


@attack
def remote_that_is_a_command(repository: Path, command: Path) -> list[str]:
    configure(repository, f"[paths]\ndefault = ssh://example.org/x\n[ui]\nssh = {command}\n")
    return ["log", "-r", "outgoing()"]


@attack
def external_differ(repository: Path, command: Path) -> list[str]:
    configure(repository, f"[extensions]\nextdiff =\n[extdiff]\ncmd.evil = {command}\n[alias]\ndiff = evil\n")
    return ["diff"]


@attack
def subrepository_in_git_that_is_a_command(repository: Path, command: Path) -> list[str]:
    (repository / ".hgsub").write_text(f"lib = [git]ext::{command}\n")
    (repository / ".hgsubstate").write_text(f"{'1' * 40} lib\n")
    hg(repository, "add", ".hgsub", ".hgsubstate")
    configure(repository, f"[subrepos]\ngit:allowed = true\n[hooks]\npre-status = {command}\n")
    return ["status", "-S"]


@attack
def subrepository_with_a_hook(repository: Path, command: Path) -> list[str]:
    inner = repository / "lib"
    shutil.copytree(repository, inner)
    (repository / ".hgsub").write_text("lib = lib\n")
    (repository / ".hgsubstate").write_text(f"{hg(inner, 'log', '-r', '.', '-T', '{node}')} lib\n")
    hg(repository, "add", ".hgsub", ".hgsubstate")
    configure(inner, f"[encode]\n** = pipe: {command}\n[hooks]\npre-status = {command}\n")
    return ["-R", "lib", "status"]


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_that_the_repository_names_is_started(name: str, trap: Trap, repository: Path) -> None:
    words = ATTACKS[name](repository, trap.command)
    trap.trace.unlink(missing_ok=True)
    look_at_everything(repository)
    assert not trap.trace.exists(), trap.trace.read_text()
    hg(repository, *words, check=False)
    assert trap.trace.exists(), "this attack has lost its teeth"


@pytest.mark.parametrize("name", ["alias", "hooks", "hook in python", "extension", "filters of files"])
def test_the_guard_inside_of_hg_holds_alone(
    name: str, trap: Trap, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if hg had read the repository's configuration after all."""
    words = ATTACKS[name](repository, trap.command)
    environment = _mercurial_program.Hg._environment
    monkeypatch.setattr(_mercurial_program.Hg, "_environment", lambda hg: {
        key: value for key, value in environment(hg).items() if key not in ("HGRCSKIPREPO", "HGPLAIN")
    })
    trap.trace.unlink(missing_ok=True)
    look_at_everything(repository)
    assert not trap.trace.exists(), trap.trace.read_text()
    hg(repository, *words, check=False)
    assert trap.trace.exists(), "this attack has lost its teeth"


def test_without_its_guard_hg_is_not_asked(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tuple(word for word in _mercurial_program._SETTINGS if not word.startswith("extensions."))
    monkeypatch.setattr(_mercurial_program, "_SETTINGS", settings)
    with pytest.raises(VersionControlError, match="kept from running"):
        MercurialWorkingCopy.create(str(repository)).status()


def test_hg_would_leave_traces_without_its_guard(repository: Path) -> None:
    """The test of the contract that looking leaves none is armed."""
    before = fingerprint(repository)
    hg(repository, "status", HGRCPATH="")
    assert fingerprint(repository) != before


def test_the_users_own_hooks_and_extensions_are_not_lent_to_a_repository(
    repository: Path, trap: Trap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "hgrc"
    own.write_text(f"[hooks]\npre-clone = {trap.command}\nupdate = {trap.command}\npre-status = {trap.command}\n"
                   f"[alias]\nlog = !{trap.command}\n[ui]\nusername = Ada\n")
    monkeypatch.setenv("HGRCPATH", str(own))
    look_at_everything(repository)
    assert not trap.trace.exists()
    assert MercurialWorkingCopy.create(str(repository)).user() == "Ada"
    hg(repository, "status", check=False)
    assert trap.trace.exists()


@pytest.mark.parametrize("url", [
    "ssh://-oProxyCommand={command}/x", "ssh://%2DoProxyCommand={command}/x", "-R{command}",
    "--config=alias.clone=!{command}", "ext::{command}", "svn+ssh://x/y", "git://127.0.0.1/x", "bundle:{command}", "static-http://127.0.0.1/x",
    "ssh://a@-oProxyCommand={command}/x", "union:{command}", "http://-x/y", "ssh://x;{command}/y",
])
def test_an_address_that_could_start_a_program_is_refused(url: str, trap: Trap, tmp_path: Path) -> None:
    with pytest.raises(VersionControlError):
        MercurialWorkingCopy.checkout(url.format(command=trap.command), str(tmp_path / "copied"))
    assert not trap.trace.exists()
    assert not (tmp_path / "copied").exists()


@pytest.mark.parametrize("name", [
    'x"', 'x" or extdata(evil) or "', "extdata(evil)", "outgoing()", "-R/", "a\\", "'", "re:.*", "x~99999999", "x^3",
    "all()", "--config=alias.log=!{command}", "sort(all(),rev)", "_list('x')",
])
def test_a_name_is_no_expression(name: str, trap: Trap, repository: Path) -> None:
    configure(repository, f"[extdata]\nevil = shell:{trap.command}\n")
    with pytest.raises(VersionControlError):
        MercurialWorkingCopy.create(str(repository)).resolve(name.format(command=trap.command))
    assert not trap.trace.exists()


def test_an_hg_in_the_project_is_not_taken_for_hg(
    repository: Path, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("hg", "mercurial.py", "sitecustomize.py", "os.py"):
        shutil.copy(trap.command, repository / name)
    monkeypatch.chdir(repository)
    monkeypatch.setenv("PATH", f".::{os.environ['PATH']}")
    look_at_everything(repository)
    assert not trap.trace.exists()


def test_sub_repositories_are_not_fetched_by_a_checkout(repository: Path, model: Path, tmp_path: Path) -> None:
    (repository / ".hgsub").write_text(f"lib = {model}\n")
    (repository / ".hgsubstate").write_text(f"{hg(model, 'log', '-r', '.', '-T', '{node}')} lib\n")
    hg(repository, "add", ".hgsub", ".hgsubstate")
    hg(repository, "commit", "-m", "sub", "--config", "subrepos.allowed=false", check=False)
    shutil.copytree(model, repository / "lib")
    hg(repository, "commit", "-m", "sub")
    copy = MercurialWorkingCopy.checkout(str(repository), str(tmp_path / "copied"))
    assert not (tmp_path / "copied" / "lib").exists()
    assert (tmp_path / "copied" / "main.py").read_text() == "print(2)\n"
    assert copy.status().changed == ()
    notes = copy.export(".", [], str(tmp_path / "built"), no_content)
    assert "lib" in notes[0]


def test_names_in_a_forged_dirstate_do_not_lead_out(repository: Path) -> None:
    (repository.parent / "secret").write_text("x\n")
    dirstate = repository / ".hg" / "dirstate"
    dirstate.write_bytes(dirstate.read_bytes().replace(b"data.txt", b"../secre"))
    assert _mercurial_dirstate.read_certain(str(repository), True) is None
    with contextlib.suppress(VersionControlError):
        assert not any(".." in change.path for change in MercurialWorkingCopy.create(str(repository)).status().changed)
    assert not MercurialWorkingCopy.create(str(repository)).contains("../secret")


@pytest.mark.parametrize("name", ["hgrc", "branch", "sharedpath", "requires"])
def test_a_pipe_in_the_place_of_a_file_does_not_keep_us_waiting(name: str, repository: Path) -> None:
    (repository / ".hg" / name).unlink(missing_ok=True)
    os.mkfifo(repository / ".hg" / name)
    copy = MercurialWorkingCopy.create(str(repository))
    with contextlib.suppress(VersionControlError):
        copy.repository()
