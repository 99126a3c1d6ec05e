"""What code was run: version and changes, with the contents of what was changed."""

import os
import stat

from sumatra.errors import UncommittedChanges, VersionControlError
from sumatra.facts import fact, field
from sumatra.files import ContentStore
from sumatra.records import Change, Finding, Repository, brief_version
from sumatra.versioncontrol import ChangedFile, Status, WorkingCopy, find

__all__ = ["Code", "Limits", "holds_new_code", "keep", "look", "looks_secret", "reach"]

#: Names of files whose content is never kept: they hold passwords and keys more often than code.
_SECRET_NAMES = frozenset({
    ".env", ".netrc", ".pgpass", ".pypirc", ".git-credentials", ".htpasswd", "id_rsa", "id_dsa", "id_ecdsa",
    "id_ed25519", "credentials", "credentials.json", "secrets.json", "secrets.yaml", "secrets.yml", "secrets.toml",
    ".p4config", ".p4tickets", ".p4enviro",
})
_SECRET_ENDINGS = (".pem", ".key", ".p12", ".pfx", ".keystore", ".jks", ".kdbx")

#: Suffixes of what is kept as code where there is no version control; of texts, of which many may be results, what
#: there is room for behind the others.
_CODE = frozenset(
    "py pyx pxd ipynb r rmd jl m c h cc cpp cxx hpp cu f f90 f95 f03 for hoc mod ses oc g sli java js ts pl rb lua sh "
    "bash zsh fish ps1 mk cmake cfg toml ini".split()
)
_TEXT = "txt"
_MOST_CODE_FILES = 1000

#: More untracked files than this are hardly all code.
_MANY = 300


@fact
class Limits:
    """How much of uncommitted work is kept."""

    one: int  #: bytes
    together: int  #: bytes


@fact
class Code:
    """The code as it was when the program started."""

    repository: Repository | None = None
    folder: str = ""  #: what changes are told from where there is no version control
    version: str | None = None
    diff: str = ""
    changes: tuple[Change, ...] = ()
    user: str = ""
    findings: tuple[Finding, ...] = field(default=())
    copy: WorkingCopy | None = None  #: where it was found, to ask more


def looks_secret(path: str) -> bool:
    """Tell whether a file of that name most probably holds secrets."""
    name = os.path.basename(path).lower()
    return name in _SECRET_NAMES or name.startswith(".env.") or name.endswith(_SECRET_ENDINGS)


def look(
    folder: str, *, policy: str, store: ContentStore, limits: Limits, passed_over: tuple[str, ...],
    main_file: str | None, project: str = "",
) -> Code:
    """Return what code lies around *folder*; what was changed goes into *store*.

    Without version control it is that of the whole *project*, if *folder* lies in that.  *passed_over* are folders
    (absolute) whose untracked files are data and not code.  Raises `UncommittedChanges` if *policy* is ``error`` and
    tracked files were changed.
    """
    findings: list[Finding] = []
    try:
        copy = find(folder)
        status = copy.status() if copy else None
    except VersionControlError as error:
        findings.append(Finding("code-unreadable", f"the code's version isn't known: {error}", error.hint or ""))
        copy, status = None, None
    if copy is None or status is None:
        if project and _below(os.path.realpath(folder), (os.path.realpath(project),)):
            folder = project
        return _without_version_control(folder, store, limits, passed_over, main_file, findings)
    return _with_version_control(copy, status, policy, store, limits, passed_over, findings)


def holds_new_code(folder: str, project: str, passed_over: tuple[str, ...]) -> bool:
    """Tell whether runs of the *project* keep what is in *folder* as code that isn't under version control."""
    folder, project = os.path.realpath(folder), os.path.realpath(project)
    if _below(folder, passed_over):
        return False
    try:
        copy = find(os.path.dirname(folder))
        if copy is None:
            return _below(folder, (project,))
        root = os.path.realpath(copy.root)
        inside = os.path.relpath(folder, root) + os.sep
        return _below(project, (root,)) and any(
            change.kind == "untracked" and change.path.startswith(inside) for change in copy.status().changed
        )
    except VersionControlError:
        return False


#: What mends it in each system, where that can be said in a command.
_REMEDIES = {
    ("git", "no-commit"): "git commit",
    ("git", "unpushed"): "git push",
    ("git", "no-remote"): "git remote add origin URL && git push -u origin HEAD",
    ("mercurial", "no-commit"): "hg commit",
    ("mercurial", "unpushed"): "hg push",
    ("bazaar", "no-commit"): "brz commit",
    ("bazaar", "unpushed"): "brz push",
    ("bazaar", "no-remote"): "brz push --remember URL",
}


def reach(code: Code) -> tuple[Finding, ...]:
    """Return what there is to say of where else the version of *code* can be had; it can be asked during the run."""
    copy, version, repository = code.copy, code.version, code.repository
    if copy is None or version is None or repository is None:
        return ()
    try:
        is_pushed = copy.is_pushed(version)
    except VersionControlError:
        return ()
    if is_pushed is False:
        return (Finding(
            "unpushed",
            f"the version {brief_version(version)} of the code hadn't been pushed anywhere, "
            "as far as its repository knew",
            _REMEDIES.get((repository.type, "unpushed"), ""),
        ),)
    # The address of a centralised system is that of its server.
    if is_pushed is None and repository.upstream is None and os.path.isabs(repository.url):
        return (Finding(
            "no-remote", f"the repository {repository.url} isn't connected to any other",
            _REMEDIES.get((repository.type, "no-remote"), ""),
        ),)
    return ()


def _with_version_control(
    copy: WorkingCopy, status: Status, policy: str, store: ContentStore, limits: Limits,
    passed_over: tuple[str, ...], findings: list[Finding],
) -> Code:
    tracked = [change for change in status.changed if change.kind != "untracked"]
    if tracked and policy == "error":
        names = ", ".join(sorted(change.path for change in tracked)[:5]) + (" …" if len(tracked) > 5 else "")
        raise UncommittedChanges(
            f"Code has changed, please commit your changes: {names}",
            "or let Sumatra keep them: smt configure --on-changed=store-diff",
        )
    untracked = [
        change for change in status.changed
        if change.kind == "untracked" and "__pycache__" not in change.path.split("/")  # made from what is kept
    ]
    wanted = tracked + [change for change in untracked if not _below(os.path.join(copy.root, change.path), passed_over)]
    if len(wanted) - len(tracked) > _MANY:
        findings.append(Finding(
            "many-untracked", f"{len(wanted) - len(tracked)} untracked files were kept with the record",
            "if they are results: ignore them, or smt configure --datapath=FOLDER",
        ))
    if status.version is None:
        findings.append(Finding(
            "no-commit", "the repository has no commit yet", _REMEDIES.get((copy.name, "no-commit"), "")
        ))
    findings += [Finding("code-note", note) for note in status.notes]
    return Code(
        repository=copy.repository(),
        version=status.version,
        diff=_patch(copy, findings) if tracked and status.version else "",
        changes=keep(copy.root, wanted, store, limits, findings),
        user=copy.user(),
        findings=tuple(findings),
        copy=copy,
    )


def _patch(copy: WorkingCopy, findings: list[Finding]) -> str:
    try:
        return copy.diff()
    except VersionControlError as error:  # of a file that can't be read, for one
        findings.append(Finding("code-note", f"there is no patch of what was changed: {error}", error.hint or ""))
        return ""


def _without_version_control(
    folder: str, store: ContentStore, limits: Limits, passed_over: tuple[str, ...], main_file: str | None,
    findings: list[Finding],
) -> Code:
    paths, is_all = _code_below(folder, passed_over)
    found = [ChangedFile(path, "code") for path in paths]
    if main_file and os.path.isfile(main_file):
        relative = os.path.relpath(main_file, folder)
        if not any(change.path == relative for change in found):
            found.append(ChangedFile(relative, "code"))
    if not any(finding.code == "code-unreadable" for finding in findings):
        findings.append(Finding(
            "no-version-control", f"{folder} isn't under version control; the code files in it were kept instead",
            "git init && git add … && git commit",
        ))
    if not is_all:
        findings.append(Finding(
            "many-code-files",
            f"there are more than {_MOST_CODE_FILES:,} files of code and text in {folder}; beyond those, only what the"
            " run was seen to load was kept",
            "put the code under version control, or if they are results: smt configure --datapath=FOLDER",
        ))
    changes = keep(folder, found, store, limits, findings)
    return Code(folder=folder, changes=changes, findings=tuple(findings))


def _code_below(folder: str, passed_over: tuple[str, ...]) -> tuple[list[str], bool]:
    """Return what is kept of the code in *folder*, by paths relative to that, and whether it is all there is."""
    found: list[str] = []
    texts: list[str] = []
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders
            if not name.startswith(".") and name not in ("__pycache__", "node_modules", "venv")
            and not _below(os.path.join(here, name), passed_over)
        )
        links = [name for name in folders if _leads(os.path.join(here, name), folder)]
        for name in (*sorted(names), *links):
            suffix = name.rpartition(".")[2].lower()
            known = suffix in _CODE or name in ("Makefile", "Snakefile", "Dockerfile", *links)
            if name.startswith(".") or not (known or suffix == _TEXT):
                continue
            (found if known else texts).append(os.path.relpath(os.path.join(here, name), folder))
        if len(found) > _MOST_CODE_FILES:
            break
        del texts[_MOST_CODE_FILES + 1:]
    found += texts
    return found[:_MOST_CODE_FILES], len(found) <= _MOST_CODE_FILES


def _leads(path: str, folder: str) -> bool:
    """Tell whether *path* is a link to something in *folder*."""
    return os.path.islink(path) and _below(os.path.realpath(path), (os.path.realpath(folder),))


def _followed(path: str, root: str) -> str:
    """Return the file of code outside of *root* that *path* is a link to; or else *path* itself."""
    if not os.path.islink(path) or _leads(path, root):
        return path
    target = os.path.realpath(path)
    return target if os.path.isfile(target) and target.rpartition(".")[2].lower() in _CODE else path


def _below(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(folder + os.sep) for folder in folders)


def keep(
    root: str, changed: list[ChangedFile], store: ContentStore, limits: Limits, findings: list[Finding]
) -> tuple[Change, ...]:
    """Return the files *changed* below *root* with their contents in *store*; what isn't kept is said in *findings*.

    Where there is no version control, a link that leads out of *root* is kept as what it leads to.
    """
    kept: list[Change] = []
    left = limits.together
    too_large: list[str] = []
    secret: list[str] = []
    hidden: list[str] = []
    for change in changed:
        path = os.path.join(root, change.path)
        if change.kind == "deleted":
            is_hidden = _is_hidden(path)
            hidden += [change.path] if is_hidden else []
            kept.append(Change(change.path, "modified" if is_hidden else "deleted"))
            continue
        if change.kind == "code":
            path = _followed(path, root)
        try:
            facts = os.lstat(path)
            mode = _mode(facts.st_mode)
            if mode is None:
                continue
            if mode == "160000":  # a submodule at another commit; what was changed in it comes by itself
                commit = store.put(change.version.encode()) if change.version else None
                kept.append(Change(change.path, change.kind, mode, commit))
            elif mode != "120000" and (looks_secret(change.path) or looks_secret(path)):
                secret.append(change.path)
                kept.append(Change(change.path, change.kind, mode, None, facts.st_size))
            elif facts.st_size > min(limits.one, left):
                too_large.append(change.path)
                kept.append(Change(change.path, change.kind, mode, None, facts.st_size))
            else:
                content = _content(path, mode)
                left -= len(content)
                kept.append(Change(change.path, change.kind, mode, store.put(content), len(content)))
        except OSError as error:
            findings.append(Finding("code-file-unreadable", f"{change.path} can't be read: {error.strerror}"))
            kept.append(Change(change.path, change.kind))
    if hidden:
        findings.append(Finding("code-file-unreadable", f"{_some(hidden)} can't be read: Permission denied"))
    if too_large:
        findings.append(Finding(
            "change-too-large", f"not kept, because large: {_some(too_large)}",
            "commit or ignore them, or smt configure --largest-untracked=SIZE",
        ))
    if secret:
        findings.append(Finding("secret-file", f"not kept, because such files hold secrets: {_some(secret)}"))
    return tuple(kept)


def _is_hidden(path: str) -> bool:
    """Tell whether a file may be at *path* that can't be read; some systems take that for a deleted one."""
    try:
        facts = os.lstat(path)
    except OSError as error:
        return isinstance(error, PermissionError)
    return stat.S_ISREG(facts.st_mode) and not os.access(path, os.R_OK)


def _content(path: str, mode: str) -> bytes:
    if mode == "120000":
        return os.fsencode(os.readlink(path))
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        return file.read()


def _mode(mode: int) -> str | None:
    if stat.S_ISLNK(mode):
        return "120000"
    if stat.S_ISREG(mode):
        return "100755" if mode & stat.S_IXUSR else "100644"
    return "160000" if stat.S_ISDIR(mode) else None


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
