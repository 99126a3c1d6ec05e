"""Nothing that a repository names is started by looking at it, or by making a copy of it.

Each attack plants a command that leaves a trace.  Everything that a working copy can do is done, and there must be no
trace; then plain git is let loose on the same repository and must leave one, so that each test is known to be armed.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sumatra.errors import VersionControlError
from sumatra.testing.traps import Trap, beside
from sumatra.testing.workingcopies import files_below, kept_changes, no_content
from sumatra.versioncontrol import _git_program, find
from sumatra.versioncontrol._git import GitWorkingCopy

pytestmark = pytest.mark.needs("git")


def git(folder: Path, *words: str, stdin: bytes | None = None, check: bool = True, **environment: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=folder, input=stdin, capture_output=True, timeout=60, check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout.decode("utf-8", "surrogateescape").strip()


def make(folder: Path) -> Path:
    """Make a repository with a commit, and changes that git can only see by reading files."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet")
    (folder / "main.py").write_text("print(1)\n")
    (folder / "data.txt").write_text("1 2 3\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    disturb(folder)
    return folder


def disturb(folder: Path) -> None:
    (folder / "main.py").write_text("print(2)\n")
    (folder / "untracked.txt").write_text("x\n")
    os.utime(folder / "data.txt", (1_000_000_000, 1_000_000_000))


#: What can be done with versions; `folder.parent` is there to be written to.
DEEDS_WITH_VERSIONS: list[Callable[[GitWorkingCopy], object]] = [
    lambda copy: [copy.resolve(name) for name in ("HEAD", "main", "HEAD~0", copy.version() or "")],
    lambda copy: (copy.revision(), copy.revision("HEAD")),
    lambda copy: copy.difference("HEAD", "HEAD"),
    lambda copy: copy.difference("HEAD~1", "HEAD"),
    lambda copy: (copy.is_pushed(), copy.is_pushed("HEAD")),
    lambda copy: copy.export("HEAD", [], beside(copy, "built"), no_content),
    lambda copy: copy.export("HEAD", kept_changes(copy)[0], beside(copy, "built with changes"), kept_changes(copy)[1]),
    lambda copy: copy.bundle("HEAD", beside(copy, "bundle")),
    lambda copy: copy.unbundle(beside(copy, "bundle"), copy.version() or "", beside(copy, "restored")),
]


def look_at_everything(folder: Path) -> None:
    """Do all that a working copy can do."""
    with contextlib.suppress(VersionControlError):
        find(str(folder / "sub" / "folder"))
    copy = None
    with contextlib.suppress(VersionControlError):
        copy = GitWorkingCopy.create(str(folder))
    deeds: list[Callable[[], object]] = [
        lambda: GitWorkingCopy.checkout(str(folder), str(folder.parent / "copied")),
        lambda: GitWorkingCopy.checkout(f"file://{folder}", str(folder.parent / "copied too")),
    ]
    if copy:
        deeds += [lambda deed=deed: deed(copy) for deed in DEEDS_WITH_VERSIONS]
        deeds += [
            copy.repository, copy.status, lambda: copy.status(untracked=False), copy.diff, copy.user, copy.has_changed,
            copy.version, copy.changed_paths,
            *(lambda name=name: (copy.content(name), copy.contains(name), copy.contains(str(folder / name)))
              for name in ("main.py", "data.txt", "untracked.txt", "lib/main.py", "nothing")),
        ]
    for deed in deeds:
        with contextlib.suppress(VersionControlError):
            deed()


def settings(folder: Path, **values: object) -> None:
    for name, value in values.items():
        git(folder, "config", name.replace("__", "."), str(value))


# Each attack plants the trap in a new repository below a folder and returns that repository, with the words by which
# plain git walks into the trap.

Attack = Callable[[Path, Path], tuple[Path, list[str]]]
ATTACKS: dict[str, Attack] = {}


def attack(function: Attack) -> Attack:
    ATTACKS[function.__name__.replace("_", " ")] = function
    return function


def filtered(folder: Path, name: str, key: str, command: object) -> Path:
    repository = make(folder / "r")
    git(repository, "config", f"filter.{name}.{key}", str(command))
    (repository / ".gitattributes").write_text(f"* filter={name}\n")
    return repository


@attack
def clean_filter(folder: Path, command: Path) -> tuple[Path, list[str]]:
    return filtered(folder, "x", "clean", command), ["status"]


@attack
def required_clean_filter(folder: Path, command: Path) -> tuple[Path, list[str]]:
    repository = filtered(folder, "x", "clean", command)
    settings(repository, filter__x__required="true")
    return repository, ["status"]


@attack
def process_filter(folder: Path, command: Path) -> tuple[Path, list[str]]:
    return filtered(folder, "x", "process", command), ["status"]


@attack
def smudge_filter(folder: Path, command: Path) -> tuple[Path, list[str]]:
    return filtered(folder, "x", "smudge", command), ["cat-file", "--filters", "HEAD:main.py"]


@attack
def filter_whose_name_has_an_equals_sign(folder: Path, command: Path) -> tuple[Path, list[str]]:
    return filtered(folder, "a=b", "clean", command), ["status"]


@attack
def filter_whose_name_has_dots_and_capitals(folder: Path, command: Path) -> tuple[Path, list[str]]:
    return filtered(folder, "A.b.C", "clean", command), ["status"]


@attack
def filter_whose_name_is_not_utf8(folder: Path, command: Path) -> tuple[Path, list[str]]:
    repository = make(folder / "r")
    with open(repository / ".git" / "config", "ab") as file:
        file.write(b'[filter "caf\xe9"]\n clean = ' + os.fsencode(command) + b"\n")
    (repository / ".gitattributes").write_bytes(b"* filter=caf\xe9\n")
    return repository, ["status"]


@attack
def filter_named_in_the_attributes_of_the_repository(folder: Path, command: Path) -> tuple[Path, list[str]]:
    repository = filtered(folder, "x", "clean", command)
    (repository / ".gitattributes").unlink()
    (repository / ".git" / "info" / "attributes").write_text("* filter=x\n")
    return repository, ["status"]


@attack
def filter_in_an_included_file(folder: Path, command: Path) -> tuple[Path, list[str]]:
    repository = make(folder / "r")
    (repository / "colours.ini").write_text(f'[filter "x"]\n clean = {command}\n')
    (repository / ".gitattributes").write_text("* filter=x\n")
    settings(repository, include__path="../colours.ini")
    return repository, ["status"]


@attack
def filter_in_a_file_included_on_this_branch(folder: Path, command: Path) -> tuple[Path, list[str]]:
    repository = make(folder / "r")
    (repository / "colours.ini").write_text(f'[filter "x"]\n clean = {command}\n')
    (repository / ".gitattributes").write_text("* filter=x\n")
    git(repository, "config", "includeIf.onbranch:**.path", "../colours.ini")
    return repository, ["status"]


@attack
def filter_in_the_configuration_of_the_worktree(folder: Path, command: Path) -> tuple[Path, list[str]]:
    repository = make(folder / "r")
    settings(repository, extensions__worktreeConfig="true", core__repositoryformatversion="1")
    git(repository, "config", "--worktree", "filter.x.clean", str(command))
    (repository / ".gitattributes").write_text("* filter=x\n")
    return repository, ["status"]


@attack
def file_system_monitor(folder: Path, command: Path) -> tuple[Path, list[str]]:
    repository = make(folder / "r")
    settings(repository, core__fsmonitor=command)
    return repository, ["status"]


@attack
def hook(folder: Path, command: Path) -> tuple[Path, list[str]]:
    repository = make(folder / "r")
    shutil.copy(command, repository / ".git" / "hooks" / "post-index-change")
    return repository, ["status"]


@attack
def folder_of_hooks(folder: Path, command: Path) -> tuple[Path, list[str]]:
    repository = make(folder / "r")
    (repository / "tools").mkdir()
    shutil.copy(command, repository / "tools" / "post-index-change")
    settings(repository, core__hooksPath="tools")
    return repository, ["status"]


@attack
def external_diff(folder: Path, command: Path) -> tuple[Path, list[str]]:
    repository = make(folder / "r")
    settings(repository, diff__external=command)
    return repository, ["diff", "HEAD"]


@attack
def external_diff_by_attribute(folder: Path, command: Path) -> tuple[Path, list[str]]:
    repository = make(folder / "r")
    settings(repository, diff__x__command=command)
    (repository / ".gitattributes").write_text("* diff=x\n")
    return repository, ["diff", "HEAD"]


@attack
def text_converter(folder: Path, command: Path) -> tuple[Path, list[str]]:
    repository = make(folder / "r")
    settings(repository, diff__x__textconv=command)
    (repository / ".gitattributes").write_text("* diff=x\n")
    return repository, ["diff", "HEAD"]


@attack
def signature_checker(folder: Path, command: Path) -> tuple[Path, list[str]]:
    repository = make(folder / "r")
    commit = git(repository, "cat-file", "commit", "HEAD") + "\n"
    signed = commit.replace("\n\n", "\ngpgsig -----BEGIN PGP SIGNATURE-----\n x\n -----END PGP SIGNATURE-----\n\n", 1)
    name = git(repository, "hash-object", "-t", "commit", "-w", "--stdin", stdin=signed.encode())
    git(repository, "update-ref", "HEAD", name)
    settings(repository, gpg__program=command, log__showSignature="true")
    return repository, ["log", "-1"]


def with_submodule(folder: Path, inner: Path) -> Path:
    outer = make(folder / "outer")
    git(outer, "submodule", "--quiet", "add", str(inner), "lib")
    git(outer, "commit", "--quiet", "-m", "lib")
    disturb(outer / "lib")
    return outer


@attack
def submodule_that_is_not_checked_out_with_a_monitor(folder: Path, command: Path) -> tuple[Path, list[str]]:
    outer = with_submodule(folder, make(folder / "r"))
    git(outer, "submodule", "--quiet", "deinit", "--force", "lib")
    settings(outer / ".git" / "modules" / "lib", core__fsmonitor=command, core__bare="false")
    return outer, ["--git-dir=.git/modules/lib", "--work-tree=lib", "status"]


@attack
def filter_for_attributes_of_the_version(folder: Path, command: Path) -> tuple[Path, list[str]]:
    repository = make(folder / "r")
    (repository / ".gitattributes").write_text("* filter=x\n")
    git(repository, "add", ".gitattributes")
    git(repository, "commit", "--quiet", "-m", "attributes")
    settings(repository, filter__x__smudge=command, filter__x__required="true")
    return repository, ["archive", "HEAD"]


def incomplete(folder: Path, **values: object) -> Path:
    """Make a partial clone that lacks the contents of its files, and would have them fetched."""
    repository = make(folder / "r")
    names = [git(repository, "rev-parse", f"HEAD:{path}") for path in ("main.py", "data.txt")]
    for name in names:
        path = repository / ".git" / "objects" / name[:2] / name[2:]
        path.chmod(0o644)
        path.unlink()
    settings(
        repository, core__repositoryformatversion="1", extensions__partialClone="origin", protocol__allow="always",
        remote__origin__promisor="true", remote__origin__partialclonefilter="blob:none", **values,
    )
    return repository


FETCH = ["cat-file", "blob", "HEAD:main.py"]


@attack
def partial_clone_with_a_command_for_a_remote(folder: Path, command: Path) -> tuple[Path, list[str]]:
    return incomplete(folder, remote__origin__url=f"ext::{command}"), FETCH


@attack
def partial_clone_with_its_own_upload_pack(folder: Path, command: Path) -> tuple[Path, list[str]]:
    other = make(folder / "other")
    return incomplete(folder, remote__origin__url=other, remote__origin__uploadpack=command), FETCH


@attack
def partial_clone_with_its_own_ssh(folder: Path, command: Path) -> tuple[Path, list[str]]:
    return incomplete(folder, remote__origin__url="ssh://127.0.0.1/x", core__sshCommand=command), FETCH


@attack
def partial_clone_with_its_own_proxy(folder: Path, command: Path) -> tuple[Path, list[str]]:
    return incomplete(folder, remote__origin__url="git://127.0.0.1/x", core__gitProxy=command), FETCH


@attack
def partial_clone_with_a_rewritten_address(folder: Path, command: Path) -> tuple[Path, list[str]]:
    repository = incomplete(folder, remote__origin__url="https://example.org/x")
    git(repository, "config", f"url.ext::{command} .insteadOf", "https://")
    return repository, FETCH


@attack
def submodule_with_a_filter(folder: Path, command: Path) -> tuple[Path, list[str]]:
    outer = with_submodule(folder, make(folder / "r"))
    settings(outer / "lib", filter__x__clean=command)
    (outer / "lib" / ".gitattributes").write_text("* filter=x\n")
    return outer, ["status"]


@attack
def submodule_with_a_file_system_monitor(folder: Path, command: Path) -> tuple[Path, list[str]]:
    outer = with_submodule(folder, make(folder / "r"))
    settings(outer / "lib", core__fsmonitor=command)
    return outer, ["status"]


@attack
def submodule_of_a_submodule(folder: Path, command: Path) -> tuple[Path, list[str]]:
    middle = with_submodule(folder, make(folder / "r"))
    middle = middle.rename(folder / "middle")
    outer = make(folder / "top")
    git(outer, "submodule", "--quiet", "add", str(middle), "lib")
    git(outer, "submodule", "--quiet", "update", "--init", "--recursive")
    git(outer, "commit", "--quiet", "-m", "lib")
    settings(outer / "lib" / "lib", core__fsmonitor=command)
    return outer, ["status"]


@attack
def submodule_that_wants_to_be_asked(folder: Path, command: Path) -> tuple[Path, list[str]]:
    outer = with_submodule(folder, make(folder / "r"))
    settings(outer / "lib", core__fsmonitor=command)
    settings(outer, submodule__lib__ignore="none", diff__ignoreSubmodules="none", diff__submodule="log",
             status__submoduleSummary="true", submodule__recurse="true")
    return outer, ["status"]


@attack
def git_file_that_points_elsewhere(folder: Path, command: Path) -> tuple[Path, list[str]]:
    other = make(folder / "other")
    settings(other, core__fsmonitor=command)
    repository = folder / "r"
    repository.mkdir()
    (repository / ".git").write_text("gitdir: ../other/.git\n")
    (repository / "main.py").write_text("print(3)\n")
    return repository, ["status"]


@attack
def linked_worktree_of_a_hostile_repository(folder: Path, command: Path) -> tuple[Path, list[str]]:
    repository = make(folder / "r")
    git(repository, "worktree", "add", "--quiet", "-b", "side", str(folder / "linked"))
    settings(repository, core__fsmonitor=command)
    return folder / "linked", ["status"]


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_that_the_repository_names_is_started(name: str, trap: Trap, tmp_path: Path) -> None:
    repository, words = ATTACKS[name](tmp_path / "here", trap.command)
    trap.trace.unlink(missing_ok=True)
    look_at_everything(repository)
    assert not trap.trace.exists(), trap.trace.read_text()
    git(repository, *words, check=False)
    assert trap.trace.exists(), "this attack has lost its teeth"


def test_what_is_done_to_hostile_repositories_works_on_good_ones(tmp_path: Path) -> None:
    """Else nothing would be tested: errors are passed over there."""
    copy = GitWorkingCopy.create(str(make(tmp_path / "r")))
    git(Path(copy.root), "commit", "--quiet", "--allow-empty", "-m", "second")
    for deed in DEEDS_WITH_VERSIONS:
        deed(copy)
    assert files_below(tmp_path / "built")["main.py"][1] == b"print(1)\n"
    assert files_below(tmp_path / "built with changes")["main.py"][1] == b"print(2)\n"
    assert (tmp_path / "restored" / "main.py").read_text() == "print(1)\n"


@pytest.mark.parametrize("lock", ["GIT_ALLOW_PROTOCOL", "GIT_NO_LAZY_FETCH"])
@pytest.mark.parametrize("name", [name for name in ATTACKS if name.startswith("partial clone")])
def test_either_lock_on_fetching_holds_alone(
    name: str, lock: str, trap: Trap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older git knows only one of them."""
    monkeypatch.delitem(_git_program._ENVIRONMENT, lock)
    repository, _ = ATTACKS[name](tmp_path / "here", trap.command)
    copy = GitWorkingCopy.create(str(repository))
    with pytest.raises(VersionControlError):
        copy.content("main.py")
    assert not trap.trace.exists()


@pytest.mark.parametrize("environment", [
    {"GIT_CONFIG_PARAMETERS": "'core.fsmonitor={command}'"},
    {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.fsmonitor", "GIT_CONFIG_VALUE_0": "{command}"},
    {"GIT_DIR": "{hostile}/.git", "GIT_WORK_TREE": "{hostile}"},
    {"GIT_DIR": "{hostile}/.git"},
    {"GIT_COMMON_DIR": "{hostile}/.git"},
], ids=["parameters", "numbered", "another repository", "another git folder", "another common folder"])
def test_what_the_callers_environment_says_about_repositories_is_left_out(
    environment: dict[str, str], trap: Trap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, hostile = make(tmp_path / "r"), make(tmp_path / "hostile")
    settings(hostile, core__fsmonitor=trap.command)
    version = git(repository, "rev-parse", "HEAD")
    (hostile / "other.txt").write_text("x\n")
    git(hostile, "add", "other.txt")
    git(hostile, "-c", "core.fsmonitor=false", "commit", "--quiet", "-m", "another version")
    trap.trace.unlink()
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(command=trap.command, hostile=hostile))
    look_at_everything(repository)
    copy = GitWorkingCopy.create(str(repository))
    assert copy.version() == version
    assert copy.changed_paths() == ["main.py", "untracked.txt"]
    assert not trap.trace.exists()
    git(repository, "status", check=False)
    assert trap.trace.exists()


@pytest.mark.parametrize("where", ["[init]\n templateDir = {template}", "[core]\n hooksPath = {template}/hooks"])
def test_the_users_own_filters_and_hooks_are_not_lent_to_a_repository_that_is_copied(
    where: str, trap: Trap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = make(tmp_path / "r")
    (repository / ".gitattributes").write_text("* filter=x\n")
    git(repository, "add", ".gitattributes")
    git(repository, "commit", "--quiet", "-m", "filter")
    template = tmp_path / "template" / "hooks"
    template.mkdir(parents=True)
    shutil.copy(trap.command, template / "post-checkout")
    own = tmp_path / "gitconfig"
    own.write_text(f'[filter "x"]\n smudge = {trap.command}\n{where.format(template=template.parent)}\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(own))
    copy = GitWorkingCopy.checkout(str(repository), str(tmp_path / "copied"))
    assert not trap.trace.exists()
    assert copy.content("main.py") == b"print(1)\n" == (tmp_path / "copied" / "main.py").read_bytes()
    git(tmp_path, "clone", "--quiet", str(repository), "cloned", check=False)
    said = trap.trace.read_text()
    assert "post-checkout" in said
    assert str(trap.command) in said


@pytest.mark.parametrize("url", [
    "ext::{command}", "--upload-pack={command}", "-u{command}", "fd::3", "ssh://-oProxyCommand={command}/x",
    "-oProxyCommand={command}:x", "unknown://x/y", "ftp://127.0.0.1/x",
])
def test_an_address_that_could_start_a_program_is_refused(url: str, trap: Trap, tmp_path: Path) -> None:
    with pytest.raises(VersionControlError):
        GitWorkingCopy.checkout(url.format(command=trap.command), str(tmp_path / "copied"))
    assert not trap.trace.exists()
    assert not (tmp_path / "copied").exists()


def test_submodules_are_not_fetched_by_a_checkout(tmp_path: Path, trap: Trap) -> None:
    outer = with_submodule(tmp_path, make(tmp_path / "r"))
    git(outer, "config", "--file", ".gitmodules", "submodule.lib.url", f"ext::{trap.command}")
    git(outer, "commit", "--quiet", "--all", "-m", "evil")
    copy = GitWorkingCopy.checkout(str(outer), str(tmp_path / "copied"))
    assert not trap.trace.exists()
    assert list((tmp_path / "copied" / "lib").iterdir()) == []
    assert copy.status().changed == ()


def test_a_git_in_the_project_is_not_taken_for_git(
    tmp_path: Path, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = make(tmp_path / "r")
    shutil.copy(trap.command, repository / "git")
    monkeypatch.chdir(repository)
    monkeypatch.setenv("PATH", f".::{os.environ['PATH']}")
    look_at_everything(repository)
    assert not trap.trace.exists()


def test_a_working_tree_elsewhere_is_not_looked_into(tmp_path: Path) -> None:
    repository = make(tmp_path / "r")
    private = tmp_path / "private"
    private.mkdir()
    (private / "diary.txt").write_text("x\n")
    settings(repository, core__worktree=private)
    copy = GitWorkingCopy.create(str(repository))
    status = copy.status()
    assert [change.path for change in status.changed] == ["main.py", "untracked.txt"]
    assert any("core.worktree" in note for note in status.notes)


def test_names_in_a_forged_index_do_not_lead_out_of_the_working_copy(tmp_path: Path) -> None:
    repository = make(tmp_path / "r")
    (tmp_path / "secrets.txt").write_text("x\n")
    (repository / "ab").mkdir()
    (repository / "ab" / "secrets.txt").write_text("x\n")
    git(repository, "add", "ab")
    index = repository / ".git" / "index"
    forged = index.read_bytes().replace(b"ab/secrets.txt", b"../secrets.txt")
    index.write_bytes(forged[:-20] + hashlib.sha1(forged[:-20], usedforsecurity=False).digest())
    copy = GitWorkingCopy.create(str(repository))
    with contextlib.suppress(VersionControlError):  # git may refuse such an index by itself
        assert not any(".." in change.path for change in copy.status().changed)
    assert not copy.contains("../secrets.txt")


def test_a_submodule_behind_a_link_is_not_looked_into(tmp_path: Path) -> None:
    outer = with_submodule(tmp_path, make(tmp_path / "r"))
    other = make(tmp_path / "other")
    shutil.rmtree(outer / "lib")
    (outer / "lib").symlink_to(other)
    status = GitWorkingCopy.create(str(outer)).status()
    assert not any(change.path.startswith("lib/") for change in status.changed)
    assert any("link" in note for note in status.notes)


@pytest.mark.parametrize("name", ["--output=x", "-x", "HEAD", "main.lock.x", "0123456789" * 4])
def test_branches_with_confusing_names_are_read(name: str, tmp_path: Path) -> None:
    repository = make(tmp_path / "r")
    version = git(repository, "rev-parse", "HEAD")
    path = repository / ".git" / "refs" / "heads" / name
    path.write_text(version + "\n")
    (repository / ".git" / "HEAD").write_text(f"ref: refs/heads/{name}\n")
    copy = GitWorkingCopy.create(str(repository))
    with contextlib.suppress(VersionControlError):  # some of them git itself takes for damage
        assert copy.version() == version
        assert copy.content("main.py") == b"print(1)\n"
    assert copy.repository().branch == name


def test_files_that_differ_by_case_only_are_two(tmp_path: Path) -> None:
    repository = make(tmp_path / "r")
    (repository / "Main.py").write_text("twin\n")
    git(repository, "add", "Main.py")
    git(repository, "commit", "--quiet", "-m", "twin")
    copy = GitWorkingCopy.create(str(repository))
    assert (copy.content("Main.py"), copy.content("main.py")) == (b"twin\n", b"print(1)\n")
    assert copy.contains("Main.py")
    assert not copy.contains("MAIN.py")
    settings(repository, core__ignorecase="true")
    assert not GitWorkingCopy.create(str(repository)).contains("MAIN.py")


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    yield path
    path.unlink()


def test_a_pipe_in_the_place_of_a_git_file_does_not_keep_us_waiting(tmp_path: Path, pipe: Path) -> None:
    (tmp_path / "r").mkdir()
    os.link(pipe, tmp_path / "r" / ".git")
    with pytest.raises(VersionControlError):
        GitWorkingCopy.create(str(tmp_path / "r"))
