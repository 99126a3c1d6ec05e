"""``smt changed`` and ``smt run --explain``: it worked yesterday."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

SCRIPT = """\
import os
import sys
import helper
mesh = open("mesh.csv").read()
if os.environ.get("OMP_NUM_THREADS") == "0" or "bad" in mesh:
    sys.exit("no threads, or a bad mesh")
print(helper.twice(len(mesh)))
"""

#: A script that uses two packages and may fail by one of them.
WITH_PACKAGES = """\
import palette
import strokes
print(palette.color, strokes.width)
if palette.color == "none":
    raise SystemExit("nothing to see")
"""


@pytest.fixture
def study(project, git):
    """A project with a script, a module of its own and an input file, all committed."""
    (project / "sim.py").write_text(SCRIPT)
    (project / "helper.py").write_text("def twice(x):\n    return 2 * x\n")
    (project / "beside.py").write_text("# not loaded\n")
    (project / "mesh.csv").write_text("1,2,3\n")
    git("add", "sim.py", "helper.py", "beside.py")
    git("commit", "--quiet", "--message", "a study")
    return project


@pytest.fixture
def good(study, smt):
    """A run of it that went well, called ``good``."""
    said = smt("run", "-l", "good", "--", "python", "sim.py")
    assert said.status == 0, said.err
    return study


def told(said, kind):
    """Return the lines about *kind*."""
    return [line for line in said.out.splitlines() if f" {kind} " in f"{line[:18]} "]


def causes(said):
    """Return the numbered lines."""
    return [line for line in said.out.splitlines() if line[:3].strip().isdigit() and line.startswith("  ")]


def test_nothing_has_changed_and_the_status_is_0(good, smt):
    said = smt("changed")
    assert said.status == 0, said.out
    first, *rest = said.out.splitlines()
    assert first.startswith("Nothing that run good (") and first.endswith(", finished) used has changed.")
    assert rest[0].startswith("same ") and "1 input file" in rest[0] and "2 parts of the code" in rest[0]


def test_a_changed_input_comes_with_the_time_at_which_it_was_written(good, smt):
    (good / "mesh.csv").write_text("1,2,4\n")  # as long as it was
    os.utime(good / "mesh.csv", (1_700_000_000, 1_700_000_000))
    said = smt("changed")
    assert said.status == 1
    assert said.out.startswith("1 thing has changed since run good (")
    (line,) = causes(said)
    assert "inputs" in line and "mesh.csv" in line and " -> sha256:" in line and "written 2023-11-14 22:13" in line


def test_an_input_that_was_written_again_with_the_same_content_has_not_changed(good, smt):
    (good / "mesh.csv").write_text("1,2,3\n")
    assert smt("changed").status == 0


def test_an_input_that_has_the_old_time_and_size_but_was_touched_is_read(good, smt):
    before = os.stat(good / "mesh.csv")
    (good / "mesh.csv").write_text("3,2,1\n")
    os.utime(good / "mesh.csv", ns=(before.st_atime_ns, before.st_mtime_ns))
    said = smt("changed")
    assert said.status == 1 and "mesh.csv" in causes(said)[0]


def test_a_large_input_is_read_only_on_demand(study, smt):
    with open(study / "mesh.csv", "wb") as file:
        file.truncate(70 << 20)
    smt("run", "-l", "good", "--", "python", "-c", "open('mesh.csv').read(10)")
    os.utime(study / "mesh.csv")
    said = smt("changed")
    (line,) = causes(said)
    assert said.status == 1 and "written since, as long as it was" in line and "smt changed --read" in line
    assert smt("changed", "--read").status == 0
    with open(study / "mesh.csv", "r+b") as file:
        file.write(b"x")
    said = smt("changed", "--read")
    assert said.status == 1 and " -> sha256:" in causes(said)[0]


def test_a_missing_input_is_not_there_any_more(good, smt):
    (good / "mesh.csv").unlink()
    said = smt("changed")
    (line,) = causes(said)
    assert said.status == 1 and "mesh.csv" in line and "not there any more" in line


@pytest.mark.needs("strace")
@pytest.mark.parametrize(("fault", "sentence"), [
    ("delay_enter=4000000", "doesn't answer"), ("error=ESTALE", "Stale file handle"), ("error=EACCES", "Permission"),
])
def test_an_input_that_cannot_be_looked_at_is_not_known_and_holds_nothing_up(project, tmp_path, smt, fault, sentence):
    """The kernel really answers so, or not at all, as it does for a server that is away."""
    away = tmp_path / "away.csv"
    away.write_text("1,2,3\n")
    smt("run", "-l", "good", "--", "cat", away)
    words = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", str(away), "-e",
             f"inject=stat,newfstatat,statx:{fault}"]
    if subprocess.run(["strace", "-qq", "true"], capture_output=True).returncode:
        pytest.skip("strace may not trace here")
    smt_file = Path(__file__).resolve().parents[2] / "bin" / "smt"
    done = subprocess.run([*words, str(smt_file), "changed"], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("Nothing that run good"), done.stderr
    assert "not known   " in done.stdout and sentence in done.stdout


def test_a_changed_variable_is_told_and_harmless_ones_do_not_count(good, smt):
    said = smt("changed", OMP_NUM_THREADS="64", SLURM_JOB_ID="12")
    (line,) = causes(said)
    assert said.status == 1 and "environment" in line and "OMP_NUM_THREADS" in line and "new: 64" in line
    assert "hardly matters" in said.out and "SLURM_JOB_ID" in said.out


def test_a_path_in_front_matters_only_if_another_program_is_found(good, smt, tmp_path):
    (tmp_path / "bin").mkdir()
    path = f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}"
    said = smt("changed", PATH=path)
    assert said.status == 0 and "the same programs are found" in said.out
    (tmp_path / "bin" / "python").symlink_to(shutil.which("sh"))
    said = smt("changed", PATH=path)
    assert said.status == 1 and any("path of the program" in line for line in causes(said))
    assert any("PATH " in line and f"new: {tmp_path}/bin" in line for line in causes(said))


def test_an_uncommitted_edit_is_told_by_file_and_whether_it_was_loaded(good, smt):
    (good / "helper.py").write_text("def twice(x):\n    return 3 * x\n")
    (good / "beside.py").write_text("# edited, and not loaded\n")
    said = smt("changed")
    (line,) = causes(said)
    assert "helper.py" in line and "as committed -> edited sha256:" in line and "loaded by the run, written" in line
    assert any("beside.py" in line and "not loaded by the run" in line for line in told(said, "code"))


def test_to_commit_what_was_edited_changes_nothing_that_was_used(study, smt, git):
    (study / "helper.py").write_text("def twice(x):\n    return x + x\n")
    smt("run", "-l", "good", "--", "python", "sim.py")
    git("commit", "--quiet", "--all", "--message", "as it was run")
    said = smt("changed")
    assert said.status == 0, said.out
    assert "the files that it loaded are the same" in said.out


def test_a_later_version_is_told_by_the_files_that_differ(good, smt, git):
    (good / "helper.py").write_text("def twice(x):\n    return 3 * x\n")
    git("commit", "--quiet", "--all", "--message", "three times")
    said = smt("changed")
    (line,) = causes(said)
    assert "helper.py" in line and "as in " in line and "loaded by the run" in line
    assert any("version" in line and "1 of the files that it loaded" in line for line in told(said, "code"))


def test_a_deleted_module_is_not_there_any_more(good, smt):
    (good / "helper.py").unlink()
    said = smt("changed")
    (line,) = causes(said)
    assert "helper.py" in line and "not there any more" in line


def test_changed_parameters_are_told_by_name(project, smt):
    smt("run", "-l", "good", "--", "python", "main.py", "default.param")
    file = project / "default.param"
    file.write_text(file.read_text().replace("20.0", "25.0"))
    said = smt("changed")
    (line,) = causes(said)
    assert said.status == 1 and "parameters" in line and "tau_m" in line and "20.0 -> 25.0" in line
    file.write_text("# only a remark\n" + file.read_text().replace("25.0", "20.0"))
    assert smt("changed").status == 0
    file.unlink()
    assert "not there any more" in causes(smt("changed"))[0]


def test_values_of_the_command_line_stay_as_they_were_given(project, smt):
    smt("run", "-l", "good", "python", "main.py", "default.param", "tau_m=10.0")
    file = project / "default.param"
    file.write_text(file.read_text().replace("20.0", "25.0"))
    assert smt("changed").status == 0, "the file's own value isn't used"
    file.write_text(file.read_text().replace("-65.0", "-60.0"))
    (line,) = causes(smt("changed"))
    assert "v_init" in line


def test_of_runs_with_other_values_the_one_with_the_same_is_taken(project, smt):
    for label, value in (("ten", "10.0"), ("thirty", "30.0")):
        smt("run", "-l", label, "python", "main.py", "default.param", f"tau_m={value}")
    said = smt("changed", "--", "python", "main.py", "default.param", "tau_m=10")
    assert "run ten" in said.out and said.err == ""
    smt("run", "-l", "other", "python", "main.py", "default.param", "tau_m=0.0")
    said = smt("changed")
    assert "compared with one with other values for parameters: thirty" in said.err
    assert any("tau_m" in line and "30.0 -> 0.0" in line for line in causes(said)), said.out


def test_of_an_interpreter_that_is_given_code_another_text_is_another_command(good, smt):
    smt("run", "--", "sh", "-c", "true")
    said = smt("changed", "--", "sh", "-c", "false")
    assert said.status == 4 and "no run of this command is known to have ended well: sh -c false" in said.err


def test_from_a_folder_that_is_gone_the_code_is_still_looked_at(good, smt):
    (good / "deep").mkdir()
    assert smt("run", "-l", "below", "--", "python", "../sim.py", cwd=good / "deep").status == 1
    (good / "deep" / "mesh.csv").write_text("1")
    assert smt("run", "-l", "deeper", "--", "python", "../sim.py", cwd=good / "deep").status == 0
    shutil.rmtree(good / "deep")
    (good / "helper.py").write_text("def twice(x):\n    return 3 * x\n")
    lines = causes(smt("changed", "deeper"))
    assert "folder" in lines[0] and "not there any more" in lines[0]
    assert any("helper.py" in line for line in lines) and any("mesh.csv" in line for line in lines)


# --- packages


def wheel(folder: Path, name: str, version: str, text: str) -> Path:
    """Write a wheel with one module."""
    files = {
        f"{name}/__init__.py": text,
        f"{name}-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{name}-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [f"{path},sha256={_digest(content)},{len(content)}" for path, content in files.items()]
    files[f"{name}-{version}.dist-info/RECORD"] = "\n".join([*lines, f"{name}-{version}.dist-info/RECORD,,", ""])
    target = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return target


def _digest(content: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()


class Environment:
    """A virtual environment that pip fills."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = str(folder / "bin" / "python")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)

    def pip(self, *words: object) -> None:
        """Let pip, which isn't in it, change it."""
        subprocess.run(
            [sys.executable, "-m", "pip", "--python", self.python, "--disable-pip-version-check", "-q",
             *map(str, words)], check=True,
        )

    def unpack(self, *wheels: Path) -> None:
        """Do what pip does, in a hundredth of the time."""
        (site,) = self.folder.glob("lib/python*/site-packages")
        for each in wheels:
            with zipfile.ZipFile(each) as archive:
                archive.extractall(site)

    def install(self, *wheels: Path) -> None:
        """Let pip install *wheels*."""
        self.pip("install", "--no-index", "--no-deps", "--force-reinstall", *wheels)


@pytest.fixture
def painted(study, tmp_path, smt):
    """A good run with two packages; their environment, and a folder for wheels."""
    (study / "paint.py").write_text(WITH_PACKAGES)
    environment = Environment(tmp_path / "env")
    environment.unpack(
        wheel(tmp_path, "palette", "1.0", "color = 'red'\n"), wheel(tmp_path, "strokes", "2.0", "width = 3\n"),
        wheel(tmp_path, "unused", "0.1", "\n"),
    )
    said = smt("run", "-l", "good", "--", environment.python, "paint.py")
    assert said.status == 0, said.err
    return environment


def test_a_changed_package_is_told_with_its_installer_and_time(painted, smt, tmp_path):
    assert smt("changed").status == 0
    painted.install(wheel(tmp_path, "palette", "1.1", "color = 'none'\n"), wheel(tmp_path, "unused", "0.2", ""))
    said = smt("changed")
    (line,) = causes(said)
    assert said.status == 1 and "palette (python)" in line and "1.0 -> 1.1" in line and "(pip, 20" in line
    assert any("unused (python)" in line and "0.1 -> 0.2" in line and "not loaded by the run" in line
               for line in told(said, "dependencies"))


def test_a_package_of_the_same_version_with_other_files_has_changed(painted, smt, tmp_path):
    painted.install(wheel(tmp_path, "palette", "1.0", "color = 'blue'\n"))
    said = smt("changed")
    (line,) = causes(said)
    assert "palette (python)" in line and "1.0 -> 1.0 (other files)" in line


def test_a_package_that_was_removed_is_not_there_any_more(painted, smt):
    painted.pip("uninstall", "-y", "strokes")
    said = smt("changed")
    (line,) = causes(said)
    assert "strokes (python)" in line and "not there any more: 2.0" in line


def test_a_package_edited_in_place_has_changed(painted, smt):
    (module,) = painted.folder.glob("lib/python*/site-packages/palette/__init__.py")
    module.write_text("color = 'green'  # edited\n")
    os.utime(module, (time.time() + 60,) * 2)
    said = smt("changed")
    (line,) = causes(said)
    assert "palette (python)" in line and "1.0 -> 1.0 (edited in place)" in line


def test_a_module_without_a_version_that_was_written_since_has_changed(project, smt, tmp_path):
    library = tmp_path / "shared"
    library.mkdir()
    (library / "tools.py").write_text("x = 1\n")
    (project / "use.py").write_text("import tools\n")
    smt("run", "-l", "good", "--", "python", "use.py", PYTHONPATH=str(library))
    assert smt("changed", PYTHONPATH=str(library)).status == 0
    os.utime(library / "tools.py", (time.time() + 60,) * 2)
    (line,) = causes(smt("changed", PYTHONPATH=str(library)))
    assert "tools (python)" in line and "as it was -> written" in line


def test_another_python_on_the_path_is_looked_into_for_the_same_packages(study, smt, tmp_path):
    (study / "paint.py").write_text(WITH_PACKAGES)
    first, second = Environment(tmp_path / "one"), Environment(tmp_path / "two")
    stroke = wheel(tmp_path, "strokes", "2.0", "width = 3\n")
    first.unpack(wheel(tmp_path, "palette", "1.0", "color = 'red'\n"), stroke)
    second.unpack(wheel(tmp_path, "palette", "3.0", "color = 'red'\n"))
    paths = [f"{each.folder}/bin{os.pathsep}{os.environ['PATH']}" for each in (first, second)]
    assert smt("run", "-l", "good", "--", "python", "paint.py", PATH=paths[0]).status == 0
    assert smt("changed", PATH=paths[0]).status == 0
    said = smt("changed", PATH=paths[1])
    lines = causes(said)
    assert said.status == 1
    assert any("path of the program" in line for line in lines)
    assert any("palette (python)" in line and "1.0 -> 3.0" in line for line in lines)
    assert any("strokes (python)" in line and "not there any more" in line for line in lines)


def test_a_new_module_that_hides_a_library_is_called_so(painted, smt, study):
    (study / "palette.py").write_text("color = 'none'\n")
    said = smt("changed")
    (line,) = causes(said)
    assert "palette.py" in line and "it hides the library palette" in line


def test_a_program_that_is_gone_comes_first(painted, smt, study):
    shutil.rmtree(painted.folder)
    (study / "mesh.csv").unlink()
    said = smt("changed")
    first, *rest = causes(said)
    assert "command" in first and "program" in first and "not there any more" in first
    assert all("its environment isn't there" in line for line in rest if "palette" in line)


def test_nothing_is_run(painted, smt, study, tmp_path):
    """Neither the interpreter of the environment nor the script, however much has changed."""
    program = Path(painted.python)
    program.unlink()
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    said = smt("changed")
    assert said.status in (0, 1)
    assert not (tmp_path / "started").exists()
    assert "can't be told without running it" in said.out


# --- explaining a failure


def test_a_failed_run_is_explained_and_ends_as_the_program_did(good, smt):
    (good / "mesh.csv").write_text("bad\n")
    said = smt("run", "--explain", "--", "python", "sim.py")
    assert said.status == 1 and said.out == ""
    lines = said.err.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("1 thing has changed since run good"))
    assert "mesh.csv" in lines[at + 1] and len(lines) - at <= 10


def test_an_explanation_has_ten_lines_at_most(good, smt):
    variables = {f"OMP_EXAMPLE_{number}": "1" for number in range(20)}
    said = smt("run", "--explain", "--", "python", "sim.py", OMP_NUM_THREADS="0", **variables)
    lines = said.err.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("21 things have changed since run good"))
    assert len(lines) - at == 10
    assert lines[-1] == "    … and 13 more: smt changed"


def test_a_failure_without_a_good_run_before_is_said_to_have_none(study, smt):
    said = smt("run", "--explain", "--", "python", "sim.py", OMP_NUM_THREADS="0")
    assert said.status == 1
    assert said.err.splitlines()[-1] == "smt: no earlier run of this command has ended well"


def test_an_explanation_by_a_run_with_other_words_says_so(good, smt):
    said = smt("run", "--explain", "--", "python", "sim.py", "--fast", OMP_NUM_THREADS="0")
    assert "smt: no good run of just this command is known; compared with one with other words" in said.err
    assert "since run good" in said.err and "--fast" in said.err


def test_a_run_that_the_user_has_ended_is_not_explained(good, smt):
    said = smt("run", "--explain", "--", "python", "-c", "import os; os.kill(os.getpid(), 2)")
    assert "changed" not in said.err and "good run" not in said.err


def test_a_good_run_is_not_explained(good, smt):
    said = smt("run", "--explain", "--", "python", "sim.py")
    assert said.status == 0 and "changed" not in said.err


def test_the_first_failure_after_a_good_run_points_to_the_command_and_later_ones_do_not(good, smt):
    first = smt("run", "--", "python", "sim.py", OMP_NUM_THREADS="0")
    assert first.err.splitlines()[-1] == "It worked before (good); what has changed since: smt changed"
    again = smt("run", "--", "python", "sim.py", OMP_NUM_THREADS="0")
    assert "It worked before" not in again.err
    smt("run", "--", "python", "sim.py")
    quiet = smt("run", "-q", "--", "python", "sim.py", OMP_NUM_THREADS="0")
    assert "It worked before" not in quiet.err


def test_the_last_good_run_is_found_behind_failures_and_other_commands(good, smt):
    smt("run", "--", "python", "main.py", "default.param")
    smt("run", "--", "python", "sim.py", OMP_NUM_THREADS="0")
    assert "since run good" in smt("changed", OMP_NUM_THREADS="0").out
    smt("run", "-l", "other", "--", "python", "main.py", "default.param")
    assert "run other" in smt("changed").out
    assert "run good" in smt("changed", "--", "python", "sim.py").out


# --- what a new user gets wrong, and records that tell little


@pytest.mark.parametrize(("words", "status", "sentence"), [
    (("nolabel",), 4, "there is no record called 'nolabel'"),
    (("--", "python", "nothing.py"), 4, "no run of this command is known to have ended well: python nothing.py"),
    (("--",), 2, "there is no command after --"),
    (("good", "--", "python"), 2, "there is a label, and a command too"),
    (("-i", "("), 2, "'(' isn't a regular expression"),
])
def test_what_makes_no_sense_is_refused_in_a_sentence(good, smt, words, status, sentence):
    said = smt("changed", *words)
    assert said.status == status
    assert sentence in said.err and said.out == ""


def test_without_any_record_it_is_said_so(project, smt):
    said = smt("changed")
    assert said.status == 4 and "there are no records yet" in said.err


def test_a_run_with_other_words_stands_in_and_that_is_said(good, smt):
    smt("run", "--", "python", "sim.py", "--fast", OMP_NUM_THREADS="0")
    said = smt("changed")
    assert "compared with one with other words: good" in said.err
    assert any("words" in line and "--fast" in line for line in causes(said))


def test_json_has_the_same(good, smt):
    (good / "mesh.csv").unlink()
    found = json.loads(smt("changed", "--json").out)
    assert found["since"] == "good" and found["changed"] is True
    (change,) = (each for each in found["changes"] if each["kind"] == "inputs")
    assert change["name"].endswith("mesh.csv") and change["now"] is None and change["matters"] is True


def test_ignored_names_are_left_out(good, smt):
    (good / "mesh.csv").unlink()
    assert smt("changed", "-i", r"mesh\.csv$").status == 0


def test_a_repository_that_is_gone_leaves_the_code_unknown(good, smt):
    shutil.rmtree(good / ".git")
    said = smt("changed")
    assert said.status == 0
    assert "not known   code: " in said.out and "isn't under version control any more" in said.out


def test_a_project_that_was_moved_is_compared_where_it_is_now(good, smt):
    other = good.parent / "moved"
    good.rename(other)
    said = smt("changed", cwd=other)
    assert [line for line in causes(said) if "command" not in line] == [], said.out
    (other / "mesh.csv").write_text("9,9,9\n")
    assert any("mesh.csv" in line for line in causes(smt("changed", cwd=other)))


def test_where_there_is_no_version_control_files_are_compared(tmp_path, smt, monkeypatch):
    folder = tmp_path / "plain"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "sim.py").write_text("import helper\n")
    (folder / "helper.py").write_text("x = 1\n")
    smt("init", "Plain")
    smt("run", "-l", "good", "--", "python", "sim.py")
    assert smt("changed").status == 0
    (folder / "helper.py").write_text("x = 2\n")
    (line,) = causes(smt("changed"))
    assert "helper.py" in line and "loaded by the run" in line


def test_a_record_with_few_facts_says_what_it_does_not_tell(project, smt):
    from sumatra.projects import load_project

    smt("run", "-l", "full", "--", "python", "main.py", "default.param")
    from sumatra.facts import replace
    from sumatra.records import Record, new_id

    store = load_project(project)
    full = store.get_record("full")
    bare = Record(label="bare", timestamp=full.timestamp, id=new_id(), status="finished", command=full.command)
    store.add_record(bare)
    other = replace(full, label="far", id=new_id(), platforms=(replace(full.platforms[0], network_name="elsewhere"),))
    store.add_record(other)
    store.close()
    said = smt("changed", "bare")
    assert said.status == 0
    for what in ("code", "libraries", "environment", "machine", "inputs", "program"):
        assert f"not known   {what}: the record doesn't tell" in said.out, said.out
    said = smt("changed", "far")
    assert "where it ran: all is looked for here" in said.out
    assert any("host" in line and "elsewhere" in line for line in causes(said))


def test_a_program_of_ones_own_that_was_compiled_again_has_changed(study, smt, git):
    (study / ".gitignore").write_text("Data/\n.smt/\nbuild/\n")
    (study / "build").mkdir()
    program = study / "build" / "sim"
    shutil.copy(shutil.which("true"), program)
    smt("run", "-l", "good", "--", "build/sim")
    assert smt("changed", "good").status == 0
    os.utime(program)
    (line,) = causes(smt("changed", "good"))
    assert "program's file" in line and "compiled or installed again" in line


def test_the_content_store_is_not_written_to(good, smt):
    (good / "helper.py").write_text("def twice(x):\n    return 4 * x\n")
    before = sorted(str(path) for path in (good / ".smt" / "objects").rglob("*"))
    smt("changed")
    assert sorted(str(path) for path in (good / ".smt" / "objects").rglob("*")) == before


def test_a_disk_and_a_memory_without_room_for_what_was_needed_are_told(project, smt):
    from sumatra.facts import replace
    from sumatra.projects import load_project
    from sumatra.records import new_id

    smt("run", "-l", "good", "--", "python", "main.py", "default.param")
    store = load_project(project)
    good = store.get_record("good")
    (key,) = good.output_data
    store.add_record(replace(
        good, label="huge", id=new_id(), output_data=(replace(key, size=1 << 62),),
        resources=replace(good.resources, tree_memory=1 << 60),
    ))
    store.close()
    lines = causes(smt("changed", "huge"))
    assert any("room on the disk of" in line and "TB were written -> " in line and "are free" in line for line in lines)
    assert any("memory" in line and "were used -> " in line and "are available" in line for line in lines)
    assert len(lines) == 2


def test_a_file_that_the_run_itself_wrote_over_unhashed_is_not_known_and_not_changed(project, smt):
    """As HDF5 does, which opens a file for reading and writing before it is written anew."""
    (project / "store.py").write_text(
        "import os, time\nos.makedirs('Data', exist_ok=True)\n"
        "os.close(os.open('Data/store', os.O_RDWR | os.O_CREAT))\nopen('Data/store', 'w').write(str(time.time_ns()))\n"
    )
    (project / "Data").mkdir(exist_ok=True)
    (project / "Data" / "store").write_text("by hand")
    assert smt("run", "-l", "two", "--", "python", "store.py").status == 0
    time.sleep(0.02)
    (project / "Data" / "store").write_text("later")
    (read,) = json.loads(smt("view", "--json", "two").out)["input_data"]
    assert (read["digest"], "changed by the run" in read["flags"]) == (None, True)
    said = smt("changed", "two")
    assert said.status == 0
    assert "the run itself changed it, and what it held before isn't known" in said.out
    for label in ("three", "four"):  # of which each finds what the one before has left
        assert smt("run", "-l", label, "--", "python", "store.py").status == 0
    (read,) = json.loads(smt("view", "--json", "four").out)["input_data"]
    assert read["digest"] is not None
    said = smt("changed", "four")
    assert said.status == 0
    assert "the run itself changed it, and it is as the run left it" in said.out
    (project / "Data" / "store").write_text("later still")
    assert smt("changed", "four").status != 0
