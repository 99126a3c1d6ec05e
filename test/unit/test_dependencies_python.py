"""What a run loaded of Python, in real environments that pip has filled, seen by really observing it."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sumatra.capture import observation
from sumatra.dependency_finder import Found, Run, get_finder, loaded
from sumatra.records import Dependency, Executable

TOKEN = "ghp_" + "a1B2" * 10


def wheel(folder: Path, name: str, version: str, files: Mapping[str, str]) -> Path:
    """Write a wheel by hand and return its path."""
    stem = f"{name}-{version}"
    content = {
        **files,
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n",
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    for path, text in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(text)}\n")
    lines.append(f"{stem}.dist-info/RECORD,,\n")
    target = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for path, text in {**content, f"{stem}.dist-info/RECORD": "".join(lines)}.items():
            archive.writestr(path, text)
    return target


def project(folder: Path, name: str, files: Mapping[str, str], packages: str) -> Path:
    """Write a project that setuptools builds and return its folder."""
    root = folder / name
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        f'[project]\nname = "{name}"\nversion = "0.7"\n[tool.setuptools]\n{packages}\n'
    )
    return root


class Environment:
    """A virtual environment, and what it takes to use it."""

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        self.folder = folder
        self.python = folder / "bin" / "python"
        (self.site,) = folder.glob("lib/python*/site-packages")

    def unpack(self, packed: Path) -> None:
        """Install a wheel without pip, which takes a second or two."""
        with zipfile.ZipFile(packed) as archive:
            archive.extractall(self.site)

    def install(self, *words: str | Path) -> None:
        # pip runs itself with the other interpreter, which finds setuptools for building only by this variable.
        environment = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib"), "PIP_CONFIG_FILE": os.devnull}
        done = subprocess.run(
            [sys.executable, "-m", "pip", "--python", str(self.python), "--disable-pip-version-check", "install",
             "--quiet", "--no-index", "--no-deps", "--no-build-isolation", *map(str, words)],
            env=environment, capture_output=True, text=True, timeout=110, check=False,
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with distributions of every kind."""
    folder = tmp_path_factory.mktemp("installed")
    sources = folder / "sources"
    straight = project(sources, "straight", {"src/straight/__init__.py": ""}, 'package-dir = {"" = "src"}')
    moved = {"elsewhere/__init__.py": "", "elsewhere/part.py": ""}
    mapped = project(sources, "mapped", moved, 'packages = ["mapped"]\npackage-dir = {"mapped" = "elsewhere"}')
    made = Environment(folder / "env")
    made.install(
        wheel(folder, "plain", "1.2", {
            "plain/__init__.py": "", "plain/deep/__init__.py": "",
            "plain-1.2.dist-info/entry_points.txt": "[console_scripts]\nplain = plain:main\n",
        }),
        wheel(folder, "unused", "3.0", {"unused/__init__.py": ""}),
        wheel(folder, "lone", "0.1", {"lone.py": ""}),
        wheel(folder, "Other_Name", "2!1.0+local.1", {"called/__init__.py": "", "_called.py": ""}),
        wheel(folder, "goo_a", "1.1", {"goo/__init__.py": "", "goo/a/__init__.py": "", "goo/shared/one.py": ""}),
        wheel(folder, "goo_b", "1.2", {"goo/__init__.py": "", "goo/b/__init__.py": "", "goo/shared/two.py": ""}),
        wheel(folder, "goo_c", "1.3", {"goo/__init__.py": "", "goo/c/__init__.py": ""}),
        "--editable", straight, "--editable", mapped,
    )  # fmt: skip
    # What ``setup.py develop`` left behind.
    linked = sources / "linked"
    (linked / "linked.egg-info").mkdir(parents=True)
    (linked / "linked.egg-info" / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: linked\nVersion: 0.4\n\n")
    (linked / "linked.py").write_text("")
    (made.site / "linked.egg-link").write_text(f"{linked}\n.")
    (made.site / "easy-install.pth").write_text(f"{linked}\n")
    (made.site / "bare.py").write_text("__version__ = '5.6'\nraise_on_import = 1\n")
    (made.site / "nothing.py").write_text("")
    (made.site / "hook.pth").write_text("import sys\n")
    egg = made.site / "old-1.5-py3.11.egg"
    (egg / "EGG-INFO").mkdir(parents=True)
    (egg / "EGG-INFO" / "PKG-INFO").write_text("Name: old\nVersion: 1.5\n")
    (egg / "old.py").write_text("")
    return made


@pytest.fixture
def observed(tmp_path: Path) -> Callable[..., list[str]]:
    """Run a program and return the files that it really read."""

    def run(*words: str | Path, **variables: str) -> list[str]:
        observer = observation.begin(str(tmp_path / f"log{time.monotonic_ns()}"))
        if observer.method not in ("notify", "strace"):
            pytest.skip("what a program reads can't be observed here")
        pid = observer.spawn(str(words[0]), [str(word) for word in words], {**os.environ, **variables}, {}, ())
        assert os.waitpid(pid, 0)[1] == 0
        return [file.path for file in observer.finish().files if file.read]

    return run


def by_name(found: Found) -> dict[str, Dependency]:
    return {each.name: each for each in found.dependencies if each.module == "python"}


def test_only_what_was_loaded_is_a_dependency_with_its_version_and_place(environment, observed):
    files = observed(environment.python, "-c", "import plain.deep, lone, called, bare, nothing, json")
    found = by_name(get_finder("python").loaded(Run(files=files)))
    version = ".".join(map(str, sys.version_info[:3]))
    assert {name: each.version for name, each in found.items()} == {
        "python": version, "plain": "1.2", "lone": "0.1", "Other-Name": "2!1.0+local.1", "bare": "5.6", "nothing": None,
    }
    assert found["plain"].path == str(environment.site / "plain")
    assert found["lone"].path == str(environment.site / "lone.py")
    assert found["python"].path == os.path.realpath(sys.executable)
    assert found["bare"].source == "bare.py"
    assert found["plain"].source == "metadata" and found["nothing"].source is None
    assert not any(each.flags or each.checkout for each in found.values())


def test_reading_the_metadata_of_everything_loads_nothing(environment, observed):
    code = "import importlib.metadata as m; [(d.name, d.files, list(d.entry_points)) for d in m.distributions()]"
    files = observed(environment.python, "-c", code)
    assert any(path.endswith("METADATA") for path in files)
    assert set(by_name(get_finder("python").loaded(Run(files=files)))) == {"python"}


def test_packages_that_share_a_name_are_told_apart(environment, observed):
    files = observed(environment.python, "-c", "import goo.a, goo.shared.two")
    found = by_name(get_finder("python").loaded(Run(files=files)))
    assert set(found) == {"python", "goo-a", "goo-b"}
    assert found["goo-a"].path == str(environment.site / "goo" / "a")
    files = observed(environment.python, "-c", "import goo.c")
    assert set(by_name(get_finder("python").loaded(Run(files=files)))) == {"python", "goo-c"}
    files = observed(environment.python, "-c", "import goo")
    assert set(by_name(get_finder("python").loaded(Run(files=files)))) == {"python", "goo-a", "goo-b", "goo-c"}


@pytest.mark.parametrize(
    ("module", "name", "version", "place"),
    [("straight", "straight", "0.7", ""), ("mapped.part", "mapped", "0.7", ""), ("linked", "linked", "0.4", "")],
)
def test_an_editable_distribution_belongs_to_its_checkout(environment, observed, module, name, version, place):
    root = str(environment.folder.parent / "sources" / name)
    files = observed(environment.python, "-c", f"import {module}")
    run = Run(files=files, root="/nowhere", checkout_of=lambda path: root if path.startswith(f"{root}/") else None)
    found = get_finder("python").loaded(run)
    each = by_name(found)[name]
    assert (each.version, each.flags, each.checkout) == (version, ("editable",), root)
    assert each.path.startswith(root)
    assert any(path.startswith(root) for path in found.accounted)
    assert set(by_name(found)) == {"python", name}


def test_an_editable_install_of_the_project_itself_is_its_own_code_and_no_dependency(environment, observed):
    root = str(environment.folder.parent / "sources" / "straight")
    files = observed(environment.python, "-c", "import straight")
    for run in (Run(files=files, root=root), Run(files=files, root=f"{root}/src", checkout_of=lambda path: root)):
        found = get_finder("python").loaded(run)
        assert set(by_name(found)) == {"python"}
        assert not any(path.startswith(root) for path in found.accounted)


def test_modules_elsewhere_belong_to_the_checkout_that_they_lie_in(environment, observed, tmp_path):
    package = tmp_path / "tools" / "kit"
    (package / "sub").mkdir(parents=True)
    (package / "__init__.py").write_text("__version__: str = '9.1'\n")
    (package / "sub" / "__init__.py").write_text("")
    (tmp_path / "tools" / "script.py").write_text("import sys\n__version__ = sys.version\n")
    own = tmp_path / "project"
    (own / "vendored").mkdir(parents=True)
    (own / "mine.py").write_text("")
    (own / "vendored" / "theirs.py").write_text("VERSION = 3\n")
    roots = [str(tmp_path / "tools"), str(own / "vendored"), str(own)]

    def checkout_of(path: str) -> str | None:
        return next((root for root in roots if path.startswith(f"{root}/")), None)

    code = "import kit.sub, script, mine, theirs"
    files = observed(environment.python, "-c", code, PYTHONPATH=":".join(roots))
    found = get_finder("python").loaded(Run(files=files, root=str(own), checkout_of=checkout_of))
    names = by_name(found)
    assert set(names) == {"python", "kit", "script", "theirs"}
    assert (names["kit"].path, names["kit"].version, names["kit"].checkout) == (str(package), "9.1", roots[0])
    assert (names["script"].version, names["script"].checkout) == (None, roots[0])
    assert names["theirs"].checkout == roots[1]
    assert str(own / "mine.py") not in found.accounted


def test_a_folder_of_packages_by_any_name_is_known_by_its_metadata(environment, observed, tmp_path):
    packed = wheel(tmp_path, "aside", "4.2", {"aside/__init__.py": ""})
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path / "libraries")
    files = observed(environment.python, "-c", "import aside", PYTHONPATH=str(tmp_path / "libraries"))
    each = by_name(get_finder("python").loaded(Run(files=files, root="/nowhere")))["aside"]
    assert (each.version, each.path) == ("4.2", str(tmp_path / "libraries" / "aside"))


def test_a_folder_that_is_only_called_like_a_library_of_python_makes_no_interpreter(environment, observed, tmp_path):
    folder = tmp_path / "lib" / "python3.11"
    folder.mkdir(parents=True)
    (folder / "mine.py").write_text("__version__ = '1.1'\n")
    files = observed(environment.python, "-c", "import mine", PYTHONPATH=str(folder))
    found = get_finder("python").loaded(Run(files=files, root="/nowhere"))
    assert [(each.name, each.path) for each in found.dependencies] == [
        ("python", os.path.realpath(sys.executable)), ("mine", str(folder / "mine.py")),
    ]


def test_eggs_are_known_by_their_names(environment, observed):
    egg = next(environment.site.glob("old-*.egg"))
    files = observed(environment.python, "-c", "import old", PYTHONPATH=str(egg))
    assert by_name(get_finder("python").loaded(Run(files=files)))["old"].version == "1.5"


def test_bytecode_in_a_folder_of_its_own_stands_for_its_source(environment, observed, tmp_path):
    own = tmp_path / "project"
    other = tmp_path / "other"
    for folder, name in ((own, "mine"), (other, "theirs")):
        folder.mkdir()
        (folder / f"{name}.py").write_text("")
    variables = {"PYTHONPYCACHEPREFIX": str(tmp_path / "cache"), "PYTHONPATH": f"{own}:{other}"}
    code = "import plain, mine, theirs"
    observed(environment.python, "-c", code, **variables)
    files = [path for path in observed(environment.python, "-c", code, **variables) if not path.endswith(".py")]
    found = get_finder("python").loaded(Run(files=files, root=str(own), environment=variables))
    assert set(by_name(found)) == {"python", "plain", "theirs"}
    assert {path for path in files if "theirs" in path} <= found.accounted
    assert not {path for path in files if "mine" in path} & found.accounted


def test_a_run_without_python_has_no_dependencies_of_python(observed, tmp_path):
    (tmp_path / "text.py").write_text("")
    files = observed(shutil.which("cat"), tmp_path / "text.py")
    assert get_finder("python").loaded(Run(files=files)) == Found()


def test_where_only_modules_were_seen_the_program_tells_the_environment(environment, observed):
    files = [path for path in observed(environment.python, "-c", "import plain") if path.endswith((".py", ".pyc"))]
    run = Run(files=files, executable=Executable(str(environment.python), "Python"))
    found = get_finder("python").loaded(run)
    assert {each.name: each.path for each in found.dependencies} == {
        "python": os.path.realpath(sys.executable), "plain": str(environment.site / "plain"),
    }
    assert b"unused @" in found.locks["python"]


def test_a_script_that_chooses_the_interpreter_is_none_itself(environment, observed, tmp_path):
    shim = tmp_path / "shims" / "python"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {environment.python} "$@"\n')
    shim.chmod(0o755)
    files = observed(shim, "-c", "import plain")
    found = get_finder("python").loaded(Run(files=files, executable=Executable(str(shim), "Python")))
    assert [each.path for each in found.dependencies if each.name == "python"] == [os.path.realpath(sys.executable)]


def test_several_environments_in_a_run_have_a_list_each(environment, observed, tmp_path):
    second = Environment(tmp_path / "second")
    second.unpack(wheel(tmp_path, "plain", "2.0", {"plain/__init__.py": ""}))
    code = "import plain, subprocess, sys; subprocess.run([sys.argv[1], '-c', 'import plain'], check=True)"
    files = observed(environment.python, "-c", code, second.python)
    found = get_finder("python").loaded(Run(files=files, executable=Executable(str(second.python), "Python")))
    assert [each.version for each in found.dependencies if each.name == "plain"] == ["1.2", "2.0"]
    assert set(found.locks) == {"python", f"python:{environment.folder}"}
    assert b"plain==2.0" in found.locks["python"]
    assert b"plain==1.2" in found.locks[f"python:{environment.folder}"]


def test_the_list_of_an_environment_makes_it_again(environment, observed, tmp_path):
    """pip takes the list as it is, and what it then installs gives the same list."""
    files = observed(environment.python, "-c", "pass")
    lock = get_finder("python").loaded(Run(files=files)).locks["python"]
    lines = lock.decode().splitlines()
    assert lines[1] == f"# python: {'.'.join(map(str, sys.version_info[:3]))}"
    assert sum(line.startswith("-e file:///") for line in lines) == 3
    sure = [line for line in lines if "#sha256=" in line and "file://" in line]
    assert len(sure) == 7, "wheels that were installed by path are told with their digests"
    again = Environment(tmp_path / "again")
    lines = [line for line in lines if "linked" not in line and "old==" not in line]  # pip doesn't make these any more
    (tmp_path / "list.txt").write_text("\n".join(lines))
    again.install("--requirement", tmp_path / "list.txt")
    files = observed(again.python, "-c", "pass")
    second = get_finder("python").loaded(Run(files=files)).locks["python"].decode().splitlines()
    assert lines == second
    by_hand = Environment(tmp_path / "unpacked")
    by_hand.unpack(next(environment.folder.parent.glob("plain-*.whl")))
    files = observed(by_hand.python, "-c", "pass")
    (third,) = get_finder("python").loaded(Run(files=files)).locks["python"].decode().splitlines()[3:]
    assert third.startswith("plain==1.2  # files sha256:")
    digest = third.rpartition(" ")[2]
    assert next(line for line in lines if digest in line).startswith("plain @ "), "whoever installs it, it is the same"


def test_the_second_time_is_told_from_the_cache_and_a_new_package_is_seen(environment, observed, tmp_path):
    mine = Environment(tmp_path / "mine")
    mine.unpack(wheel(tmp_path, "first", "1.0", {"first/__init__.py": ""}))
    os.utime(mine.site, (1e9, 1e9))
    files = observed(mine.python, "-c", "import first")
    run = Run(files=files, cache=str(tmp_path / "cache"))
    cold = loaded(run)
    assert any(name.startswith("python-") for name in os.listdir(run.cache))
    (mine.site / "first-1.0.dist-info" / "METADATA").rename(tmp_path / "away")  # the cache doesn't look into it
    os.utime(mine.site, (1e9, 1e9))
    assert loaded(run) == cold
    mine.unpack(wheel(tmp_path, "second", "1.0", {"second/__init__.py": ""}))
    assert b"second==1.0" in loaded(run).locks["python"]


def test_versions_are_learnt_from_text_that_is_never_run(tmp_path):
    from sumatra.dependency_finder._python_source import version_in

    witness = tmp_path / "witness"
    cases = {
        "__version__ = '1.2'": "1.2",
        "__version__ = (1, 2, 'rc1')": "1.2.rc1",
        "__version__ = 1.5": "1.5",
        "__version__ = version = '3'\n": "3",
        "__version__: str = '4'": "4",
        f"__version__ = open({str(witness)!r}, 'w').write('x')": None,
        "__version__ = '1' + '2'": None,
        "__version__ = '1.2'\nthis isn't python": None,
        "__version__ = " + "(" * 5000: None,
        "nothing = '1'": None,
    }
    for number, (text, version) in enumerate(cases.items()):
        module = tmp_path / f"module{number}.py"
        module.write_text(text)
        told = version_in(str(module))
        assert (told and told[0]) == version, text[:60]
    assert not witness.exists()
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("from ._version import __version__\n")
    (package / "_version.py").write_text("version = '7.8'\n")
    assert version_in(str(package)) == ("7.8", "package/_version.py")


def test_a_list_holds_no_secrets_and_no_line_that_pip_would_choke_on():
    from sumatra.dependency_finder._python_requirements import requirement, scrub

    for url, clean in {
        f"https://me:{TOKEN}@host/a.whl?sig=x#sha256=ab": "https://host/a.whl#sha256=ab",
        "ssh://git@host/a": "ssh://git@host/a",
        "ssh://me@host/a": "ssh://host/a",
        f"https://host/{TOKEN}/a.whl": "https://host/***/a.whl",
        "https://conda/t/my-secret/noarch/a.conda": "https://conda/t/***/noarch/a.conda",
    }.items():
        assert scrub(url) == clean
    vcs = f'{{"url": "https://x:{TOKEN}@host/r.git", "vcs_info": {{"vcs": "git", "commit_id": "abc"}}}}'
    assert requirement("a", "1", "pip", vcs, (), "") == "a @ git+https://host/r.git@abc  # a==1, pip"
    assert requirement("a b", "1", "", "", (), "").startswith("# not a requirement: ")
    assert requirement("a", "1\n-r evil", "", "", (), "").startswith("# not a requirement: ")
    assert requirement("a", "1", "", "{", (), "") == "a==1"
    assert requirement("a", "1", "", '{"url": 3}', (), "") == "a==1"
    assert requirement("a", "1", "", '["x"]', (), "") == "a==1"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"schema":1}', b"\xff" * 99, b"[" * 100_000],
    ids=["empty", "cut off", "another kind", "incomplete", "not text", "deep"],
)
def test_a_damaged_cache_costs_nothing_but_time(environment, observed, tmp_path, content):
    files = observed(environment.python, "-c", "import plain")
    run = Run(files=files, cache=str(tmp_path / "cache"))
    os.utime(environment.site, (1e9, 1e9))
    expected = loaded(run)
    names = os.listdir(run.cache)
    assert names
    for name in names:
        (tmp_path / "cache" / name).write_bytes(content)
    assert loaded(run) == expected
    assert all((tmp_path / "cache" / name).read_bytes() != content for name in names)


def test_a_cache_that_cannot_be_written_is_done_without(environment, observed, tmp_path):
    files = observed(environment.python, "-c", "import plain")
    (tmp_path / "cache").write_text("a file in the way")
    assert by_name(loaded(Run(files=files, cache=str(tmp_path / "cache"))))["plain"].version == "1.2"


def test_hostile_metadata_costs_only_itself(environment, observed, tmp_path):
    bad = Environment(tmp_path / "bad")
    bad.unpack(wheel(tmp_path, "good", "1.0", {"good/__init__.py": ""}))
    deep = "/".join("a" * 3000)
    for name, files in {
        "x-1.dist-info": {
            "RECORD": f"{deep},,\ngood/__init__.py,,\n", "METADATA": "\0\xff", "direct_url.json": "[" * 9999,
        },
        "y-1.dist-info": {
            "RECORD": f'{deep},,\n"good/a,b.py",,\n', "direct_url.json": '{"url":1,"dir_info":{"editable":true}}',
        },
        "z-1.dist-info": {"RECORD": "", "top_level.txt": "good\n../../etc\n"},
        "empty.egg-link": None, "w.egg-info": None, "v-1.egg": None,
    }.items():  # fmt: skip
        if files is None:
            (bad.site / name).write_text("")
            continue
        (bad.site / name).mkdir()
        for file, text in files.items():
            (bad.site / name / file).write_bytes(text.encode("latin-1"))
    files = observed(bad.python, "-c", "import good")
    found = loaded(Run(files=files))
    assert not found.findings
    assert "good" in by_name(found)


PLUGIN = """
import pathlib
from sumatra.dependency_finder.base import Finder, Found
from sumatra.records import Dependency

class Site(Finder):
    name = "cluster"

    def loaded(self, run):
        mine = [path for path in run.files if path.endswith("/cluster.so.1")]
        return Found(tuple(Dependency("cluster", path, "7", "cluster") for path in mine), frozenset(mine))

    def version_of(self, path):
        if "broken" in path:
            raise RuntimeError("no")
        file = pathlib.Path(path).parent / "VERSION"
        return file.read_text().strip() if file.exists() else None

BACKEND = Site
"""


def test_a_finder_of_others_is_asked_first_and_tells_versions_that_nothing_else_does(
    environment, observed, tmp_path, monkeypatch
):
    site = tmp_path / "site-packages"
    (site / "smt_site-1.dist-info").mkdir(parents=True)
    (site / "smt_site-1.dist-info" / "METADATA").write_text("Name: smt-site\nVersion: 1\n")
    (site / "smt_site-1.dist-info" / "entry_points.txt").write_text(
        "[console_scripts]\nx = y\n[sumatra.dependency_finder]\n# ours\nsite = smt_site_finder\n\n[other]\nz = w\n"
    )
    (site / "smt_site_finder.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(site)
    folder = tmp_path / "code"
    folder.mkdir()
    for name in ("told", "broken"):
        (folder / f"{name}.py").write_text("")
    (folder / "VERSION").write_text("2.5\n")
    files = [
        *observed(environment.python, "-c", "import plain, told, broken", PYTHONPATH=str(folder)), "/opt/cluster.so.1"
    ]
    found = loaded(Run(files=files, root="/nowhere", cache=str(tmp_path / "cache")))
    assert not found.findings
    assert [each.name for each in found.dependencies if each.module == "cluster"] == ["cluster"]
    assert not [each for each in found.dependencies if each.module == "library" and "cluster" in each.path]
    names = by_name(found)
    assert (names["told"].version, names["told"].source) == ("2.5", "site")
    assert (names["broken"].version, names["broken"].source) == (None, None)
    assert names["plain"].version == "1.2"


def test_an_address_with_a_password_is_in_no_list_and_in_no_cache(environment, observed, tmp_path):
    made = Environment(tmp_path / "secret")
    made.unpack(wheel(tmp_path, "plain", "1.2", {"plain/__init__.py": ""}))
    url = f"https://user:hunter2pass@host.example/{TOKEN}/plain.whl?token=canary"
    (made.site / "plain-1.2.dist-info" / "direct_url.json").write_text(f'{{"url": "{url}", "archive_info": {{}}}}')
    os.utime(made.site, (1e9, 1e9))
    files = observed(made.python, "-c", "import plain")
    found = loaded(Run(files=files, cache=str(tmp_path / "cache")))
    assert b"plain @ https://host.example/***/plain.whl  #" in found.locks["python"]
    everything = repr(found) + "".join(file.read_text() for file in (tmp_path / "cache").iterdir())
    assert "host.example" in everything
    for secret in ("hunter2", TOKEN, "canary"):
        assert secret not in everything
