"""Nothing that a Bazaar branch or its surroundings name is started by looking at it, or by making a copy of it.

As with git: each attack plants a command that leaves a trace, all that a working copy can do is done, and then plain
brz must leave the trace, so that each test is known to be armed.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from sumatra.errors import VersionControlError
from sumatra.testing.traps import Trap, beside, look_at
from sumatra.testing.workingcopies import files_below, fingerprint, kept_changes, no_content
from sumatra.versioncontrol import _bazaar_program
from sumatra.versioncontrol._bazaar import BazaarWorkingCopy

pytestmark = [pytest.mark.needs("brz"), pytest.mark.slow]


def brz(folder: Path, *words: str, check: bool = True) -> str:
    surroundings = {"BRZ_EMAIL": "Ada <ada@example.org>", "BRZ_LOG": os.devnull, **os.environ}
    done = subprocess.run(
        ["brz", *words], cwd=folder, env=surroundings, stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
        check=False,
    )
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout.decode("utf-8", "surrogateescape").strip()


_MADE: list[Path] = []


@pytest.fixture
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A branch with two versions, made once."""
    if _MADE:
        return _MADE[0]
    folder = tmp_path_factory.mktemp("model") / "r"
    folder.mkdir()
    _MADE.append(folder)
    brz(folder, "init", "-q")
    (folder / "main.py").write_text("print(0)\n")
    (folder / "data.txt").write_text("1 2 3\n")
    brz(folder, "add", "-q")
    brz(folder, "commit", "-q", "-m", "first")
    (folder / "main.py").write_text("print(1)\n")
    brz(folder, "commit", "-q", "-m", "second")
    return folder


@pytest.fixture
def repository(model: Path, tmp_path: Path) -> Path:
    """The same, with changes and a pattern that only breezy understands."""
    folder = tmp_path / "here" / "r"
    shutil.copytree(model, folder)
    (folder / "main.py").write_text("print(2)\n")
    (folder / "untracked.txt").write_text("x\n")
    (folder / ".bzrignore").write_text("RE:.*\\.out$\n")
    return folder


DEEDS: list[Callable[[BazaarWorkingCopy], object]] = [
    lambda copy: (copy.repository(), copy.user(), copy.version(), copy.has_changed(), copy.changed_paths()),
    lambda copy: (copy.status(), copy.status(untracked=False)),
    lambda copy: copy.diff(),
    lambda copy: [(copy.contains(name), copy.content(name)) for name in ("main.py", "data.txt")],
    lambda copy: [copy.resolve(name) for name in ("1", "last:2", "before:2", copy.version() or "")],
    lambda copy: copy.is_pushed(),
    lambda copy: (copy.revision(), copy.revision("1"), copy.difference("1", "2")),
    lambda copy: copy.export("2", [], beside(copy, "built"), no_content),
    lambda copy: copy.export("2", kept_changes(copy)[0], beside(copy, "built with changes"), kept_changes(copy)[1]),
    lambda copy: copy.bundle("2", beside(copy, "bundle")),
    lambda copy: copy.unbundle(beside(copy, "bundle"), copy.version() or "", beside(copy, "restored")),
    lambda copy: copy.checkout(copy.root, beside(copy, "copied")),
    lambda copy: copy.checkout(f"file://{copy.root}", beside(copy, "copied too")),
]


def look_at_everything(folder: Path) -> None:
    """Do all that a working copy can do."""
    look_at(folder, BazaarWorkingCopy, DEEDS)


def test_what_is_done_to_hostile_branches_works_on_good_ones(repository: Path) -> None:
    """Else nothing would be tested: errors are passed over there."""
    copy = BazaarWorkingCopy.create(str(repository))
    for deed in DEEDS:
        deed(copy)
    assert files_below(repository.parent / "built")["main.py"][1] == b"print(1)\n"
    assert files_below(repository.parent / "built with changes")["main.py"][1] == b"print(2)\n"
    for name in ("restored", "copied", "copied too"):
        assert (repository.parent / name / "main.py").read_text() == "print(1)\n"


# Each attack plants the trap in a branch or around it, and returns the words by which plain brz walks into it.

Attack = Callable[[Path, Path, pytest.MonkeyPatch], list[str]]
ATTACKS: dict[str, Attack] = {}


def attack(function: Attack) -> Attack:
    ATTACKS[function.__name__.replace("_", " ")] = function
    return function


def evil(path: Path, command: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"import os\nos.system({str(command)!r})\n")
    return path


@attack
def plug_in_of_the_user(repository: Path, command: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    evil(repository.parent / "home" / "breezy" / "plugins" / "evil.py", command)
    monkeypatch.setenv("BRZ_HOME", str(repository.parent / "home"))
    return ["status"]


@attack
def plug_in_in_the_branch(repository: Path, command: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    evil(repository / "plugins" / "evil.py", command)
    monkeypatch.setenv("BRZ_PLUGIN_PATH", str(repository / "plugins"))
    return ["status"]


@attack
def plug_in_by_its_name(repository: Path, command: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("BRZ_PLUGINS_AT", f"evil@{evil(repository / 'evil' / '__init__.py', command).parent}")
    return ["status"]


@attack
def hook_of_a_plug_in(repository: Path, command: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    plugin = repository.parent / "home" / "breezy" / "plugins" / "evil.py"
    plugin.parent.mkdir(parents=True)
    plugin.write_text(
        "import os\nfrom breezy.branch import Branch\n"
        f"def open(branch):\n    os.system({str(command)!r})\n"
        "Branch.hooks.install_named_hook('open', open, 'evil')\n"
    )
    monkeypatch.setenv("BRZ_HOME", str(repository.parent / "home"))
    return ["revno"]


@attack
def module_that_python_loads_at_its_start(
    repository: Path, command: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    evil(repository / "sitecustomize.py", command)
    monkeypatch.setenv("PYTHONPATH", str(repository))
    return ["status"]


@attack
def ssh_of_ours_in_the_environment(repository: Path, command: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    refer(repository, "bzr+ssh://127.0.0.1/x")
    monkeypatch.setenv("BRZ_SSH", str(command))
    return ["status"]


def put_on_the_path(command: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have *command* started where ssh would be: any connexion leaves a trace."""
    shutil.copy(command, command.parent / "ssh")
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")


def refer(repository: Path, location: str) -> None:
    (repository / ".bzr" / "branch" / "format").write_text("Bazaar-NG Branch Reference Format 1\n")
    (repository / ".bzr" / "branch" / "location").write_text(location)


def configure(repository: Path, text: str) -> None:
    with open(repository / ".bzr" / "branch" / "branch.conf", "a", encoding="utf-8") as file:
        file.write(text)


@attack
def checkout_of_a_branch_elsewhere(repository: Path, command: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    refer(repository, "bzr+ssh://127.0.0.1/x")
    put_on_the_path(command, monkeypatch)
    return ["status"]


@attack
def branch_that_is_stacked_on_another(repository: Path, command: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    configure(repository, "stacked_on_location = bzr+ssh://127.0.0.1/x\n")
    put_on_the_path(command, monkeypatch)
    return ["log"]


@attack
def locations_elsewhere(repository: Path, command: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    url = "bzr+ssh://127.0.0.1/x"
    configure(repository, f"parent_location = {url}\npush_location = {url}\nbound_location = {url}\nbound = True\n")
    put_on_the_path(command, monkeypatch)
    return ["missing"]


@attack
def editor_of_the_user(repository: Path, command: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    home = repository.parent / "home" / "breezy"
    home.mkdir(parents=True)
    (home / "breezy.conf").write_text(f"[DEFAULT]\neditor = {command}\n")
    monkeypatch.setenv("BRZ_HOME", str(home.parent))
    return ["commit"]


@attack
def branch_that_refers_to_a_hostile_one(repository: Path, command: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    other = repository.parent / "other"
    shutil.copytree(repository, other)
    refer(other, "bzr+ssh://127.0.0.1/x")
    refer(repository, f"file://{other}/")
    put_on_the_path(command, monkeypatch)
    return ["log"]


@attack
def colocated_branch_elsewhere(repository: Path, command: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    refer(repository, f"file://{repository}/,branch=x")
    shutil.copytree(repository / ".bzr" / "branch", repository / ".bzr" / "branches" / "x")
    (repository / ".bzr" / "branches" / "x" / "location").write_text("bzr+ssh://127.0.0.1/x")
    put_on_the_path(command, monkeypatch)
    return ["log"]


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_that_is_named_is_started(
    name: str, trap: Trap, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ATTACKS[name](repository, trap.command, monkeypatch)
    trap.trace.unlink(missing_ok=True)
    look_at_everything(repository)
    assert not trap.trace.exists(), trap.trace.read_text()
    brz(repository, *words, check=False)
    assert trap.trace.exists(), "this attack has lost its teeth"


@pytest.mark.parametrize("name", ["ssh of ours in the environment", "branch that is stacked on another"])
def test_the_guard_holds_alone(name: str, trap: Trap, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if breezy had seen our environment after all."""
    ATTACKS[name](repository, trap.command, monkeypatch)
    environment = _bazaar_program.Breezy._environment
    monkeypatch.setattr(_bazaar_program.Breezy, "_environment", lambda breezy: {**os.environ, **{
        key: value for key, value in environment(breezy).items() if key.startswith("SMT_BRZ")
    }})
    trap.trace.unlink(missing_ok=True)
    look_at_everything(repository)
    assert not trap.trace.exists(), trap.trace.read_text()


def test_without_its_guard_breezy_is_not_asked(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    worker = Path(_bazaar_program._WORKER)
    shutil.copy(worker, tmp_path / worker.name)  # without what lies beside it
    monkeypatch.setattr(_bazaar_program, "_WORKER", str(tmp_path / worker.name))
    with pytest.raises(VersionControlError, match="doesn't start"):
        BazaarWorkingCopy.create(str(repository)).revision()


def test_brz_would_leave_traces(repository: Path) -> None:
    """The test of the contract that looking leaves none is armed."""
    before = fingerprint(repository)
    brz(repository, "ignore", "x")
    assert fingerprint(repository) != before


@pytest.mark.parametrize("url", [
    "bzr+ssh://-oProxyCommand={command}/x", "bzr+ssh://%2DoProxyCommand={command}/x", "ext::{command}", "lp:x",
    "bzr+ssh://a@-oProxyCommand={command}/x", "sftp://-oProxyCommand={command}/x", "svn+ssh://x/y", "git://127.0.0.1/x",
    "-Ossh={command}", "git+ssh://x/y", "chroot-1:///x", "readonly+file:///x", "memory:///", "bzr+ssh://x;{command}/y",
    "bzr-https://127.0.0.1/x", "http://-x/y", "deb:x", "github:x/y", "trace+file:///x", "file:///x\ny", "bzr://,branch=x",
])
def test_an_address_that_could_start_a_program_is_refused(url: str, trap: Trap, tmp_path: Path) -> None:
    with pytest.raises(VersionControlError):
        BazaarWorkingCopy.checkout(url.format(command=trap.command), str(tmp_path / "copied"))
    assert not trap.trace.exists()
    assert not (tmp_path / "copied").exists()


def test_a_branch_that_is_checked_out_leads_to_no_other_machine(
    repository: Path, trap: Trap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither where it is stacked on another, nor where it refers to one."""
    put_on_the_path(trap.command, monkeypatch)
    shutil.copytree(repository, tmp_path / "stacked")
    configure(tmp_path / "stacked", "stacked_on_location = bzr+ssh://127.0.0.1/x\n")
    refer(repository, "bzr+ssh://127.0.0.1/x")
    for place in (repository, tmp_path / "stacked"):
        with pytest.raises(VersionControlError):
            BazaarWorkingCopy.checkout(str(place), str(tmp_path / "copied"))
        assert not trap.trace.exists()
        assert not (tmp_path / "copied").exists()


@pytest.mark.parametrize("name", [".GIT/hooks/x", ".BZR/branch/branch.conf", "a/.Hg/hgrc", "git~1"])
def test_names_that_mean_something_to_a_system_are_not_written(repository: Path, tmp_path: Path, name: str) -> None:
    path = repository / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("evil\n")
    brz(repository, "add", "-q", "--no-recurse", name)
    brz(repository, "commit", "-q", "-m", "evil")
    copy = BazaarWorkingCopy.create(str(repository))
    copy.bundle("3", str(tmp_path / "bundle"))
    for deed in (
        lambda folder: copy.checkout(str(repository), folder),
        lambda folder: copy.unbundle(str(tmp_path / "bundle"), copy.version() or "", folder),
        lambda folder: copy.export("3", [], folder, no_content),
    ):
        with pytest.raises(VersionControlError, match="because of what its name could do"):
            deed(str(tmp_path / "made"))
        assert files_below(tmp_path / "made") == {}


@pytest.mark.parametrize("name", ["../secre", "/secret!", "..\0x\0y\0", ".bzr/xy!"])
def test_names_in_a_forged_dirstate_do_not_lead_out(repository: Path, name: str) -> None:
    (repository.parent / "secre").write_text("x\n")
    path = repository / ".bzr" / "checkout" / "dirstate"
    header, _, count, body = path.read_bytes().split(b"\n", 3)
    body = body.replace(b"\0\0data.txt\0", b"\0\0" + name.encode() + b"\0")
    path.write_bytes(b"%s\ncrc32: %d\n%s\n%s" % (header, zlib.crc32(body), count, body))
    copy = BazaarWorkingCopy.create(str(repository))
    for ask in (copy.status, lambda: copy.contains("main.py")):
        with pytest.raises(VersionControlError):
            ask()


def test_a_brz_in_the_project_is_not_taken_for_breezy(
    repository: Path, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("brz", "breezy.py", "sitecustomize.py", "python", "python3"):
        evil(repository / name, trap.command).chmod(0o755)
    monkeypatch.chdir(repository)
    monkeypatch.setenv("PATH", f".::{os.environ['PATH']}")
    look_at_everything(repository)
    monkeypatch.setattr(sys, "executable", "python")
    look_at_everything(repository)
    assert not trap.trace.exists()


@pytest.mark.parametrize("name", [
    "branch/format", "branch/branch.conf", "branch/location", "checkout/conflicts", "checkout/format",
    "repository/pack-names", "branch/last-revision", "branch-format",
])
def test_a_pipe_in_the_place_of_a_file_does_not_keep_us_waiting(name: str, repository: Path) -> None:
    (repository / ".bzr" / name).unlink(missing_ok=True)
    os.mkfifo(repository / ".bzr" / name)
    look_at_everything(repository)
    (repository / ".bzrignore").unlink()
    os.mkfifo(repository / ".bzrignore")
    with contextlib.suppress(VersionControlError):
        BazaarWorkingCopy.create(str(repository)).status()
