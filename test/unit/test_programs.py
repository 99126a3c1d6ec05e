"""Programs are recognised by their whole name, and only known ones are ever asked anything."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from sumatra import programs
from sumatra.errors import LaunchError, NoSuchProgram, SumatraError
from sumatra.records import Executable


@pytest.fixture
def bin_folder(tmp_path, monkeypatch):
    """A folder that is the whole PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install(path, says="", status=0):
    """Put a program at *path* that notes that it was started, in the file beside it, and says something."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho \"$@\" >> '{path}.started'\nprintf '%s\\n' '{says}'\nexit {status}\n")
    path.chmod(0o755)
    return str(path)


def starts(path):
    """With which words the program at *path* was started."""
    notes = Path(f"{path}.started")
    return notes.read_text().splitlines() if notes.exists() else []


@pytest.mark.parametrize(("path", "name"), [
    ("python", "Python"), ("/usr/bin/python3", "Python"), ("python3.12", "Python"), ("python3.13t", "Python"),
    ("python2", "Python"), ("pypy3.10", "PyPy"), ("R", "R"), ("/usr/bin/Rscript", "R"), ("nrniv", "NEURON"),
    ("nrngui", "NEURON"), ("x86_64/special", "NEURON"), ("nest", "NEST"), ("genesis", "GENESIS"), ("matlab", "Matlab"),
    ("octave", "Octave"), ("octave-cli", "Octave"), ("julia", "Julia"), ("julia-1.9", "Julia"), ("perl", "Perl"),
    ("ruby3.1", "Ruby"), ("bash", "bash"), ("sh", "sh"), ("node", "Node.js"),
])
def test_known_programs_are_recognised(path, name):
    assert programs.known(path).name == name


@pytest.mark.parametrize("path", [
    "t", "script", "Rs", "cript", "r", "rscript", "pythonic", "mypython", "python-config", "python3.12-config",
    "ipython", "python3.", "nestor", "special2", "mpiexec", "env", "", "bash.exe", "julia-config",
    "./python/run", "node_modules",
])
def test_other_programs_are_not_taken_for_known_ones(path):
    assert programs.known(path) is None


@pytest.mark.parametrize(("words", "options", "main_file"), [
    ("python main.py default.param", "", "main.py"),
    ("python -u -O main.py -c x", "-u -O", "main.py"),
    ("python -W ignore -X dev main.py", "-W ignore -X dev", "main.py"),
    ("python -Wignore -Xdev main.py", "-Wignore -Xdev", "main.py"),
    ("python -BuW ignore main.py", "-BuW ignore", "main.py"),
    ("python --check-hash-based-pycs always main.py", "--check-hash-based-pycs always", "main.py"),
    ("python -m package main.py", "", None),
    ("python -O -m package", "-O", None),
    ("python -Om package", "", None),
    ("python -c code main.py", "", None),
    ("python -", "", None),
    ("python", "", None),
    ("python -- main.py", "--", "main.py"),
    ("python ./folder/", "", "./folder/"),
    ("python main.py", "", "main.py"),
    ("Rscript --vanilla analysis.R data.csv", "--vanilla", "analysis.R"),
    ("Rscript -e 1+1 data.csv", "", None),
    ("R -f analysis.R --args 3", "-f", "analysis.R"),
    ("R CMD BATCH --vanilla analysis.R out.txt", "CMD BATCH --vanilla", "analysis.R"),
    ("R --vanilla", "--vanilla", None),
    ("nrniv -mpi -dll x86_64/libnrnmech.so init.hoc param.hoc", "-mpi -dll x86_64/libnrnmech.so", "init.hoc"),
    ("nrniv -python main.py", "-python", "main.py"),
    ("x86_64/special -NSTACK 100 main.hoc", "-NSTACK 100", "main.hoc"),
    ("nest --verbosity=ERROR network.sli", "--verbosity=ERROR", "network.sli"),
    ("genesis -batch model.g 3", "-batch", "model.g"),
    ("matlab -nodisplay -r run('x.m')", "-nodisplay -r 'run('\"'\"'x.m'\"'\"')'", None),
    ("octave --path lib --no-gui main.m 3", "--path lib --no-gui", "main.m"),
    ("octave --eval x=1 main.m", "", None),
    ("julia --project=. -t 4 -O3 main.jl x", "--project=. -t 4 -O3", "main.jl"),
    ("julia --threads 4 main.jl", "--threads 4", "main.jl"),
    ("julia -t4 -e code main.jl", "-t4", None),
    ("perl -I lib -w main.pl", "-I lib -w", "main.pl"),
    ("perl -le code main.pl", "", None),
    ("perl -i.bak -Mstrict main.pl", "-i.bak -Mstrict", "main.pl"),
    ("ruby -I lib -r set main.rb", "-I lib -r set", "main.rb"),
    ("bash -euo pipefail run.sh x", "-euo pipefail", "run.sh"),
    ("bash -lc code run.sh", "", None),
    ("sh -e run.sh", "-e", "run.sh"),
    ("node --max-old-space-size=4096 -r esm main.js", "--max-old-space-size=4096 -r esm", "main.js"),
    ("node -e code main.js", "", None),
])
def test_the_script_is_found_among_the_words(bin_folder, tmp_path, words, options, main_file):
    first, *others = words.split(" ")
    path = install(tmp_path / first if "/" in first else bin_folder / first)
    executable, script = programs.describe([first, *others], str(tmp_path), os.environ)
    assert script == main_file
    assert executable == Executable(path, programs.known(first).name, None, options)
    assert starts(path) == []


def test_a_program_of_the_users_own_is_told_by_its_name(tmp_path):
    shutil.copy("/bin/true", tmp_path / "simulate")
    executable, script = programs.describe(["./simulate", "main.py"], str(tmp_path), os.environ)
    assert executable == Executable(str(tmp_path / "simulate"), "simulate")
    assert script is None


@pytest.mark.parametrize(("line", "options"), [
    ("#!{python}", ""), ("#! {python} -u", "-u"), ("#!/usr/bin/env {name}", ""),
    ("#!/usr/bin/env -S {name} -u -O", "-u -O"),
])
def test_a_script_run_as_a_program_is_told_with_its_interpreter(bin_folder, tmp_path, line, options):
    python = install(bin_folder / "python3")
    script = tmp_path / "analyse"
    script.write_text(line.format(python=python, name="python3") + "\nprint(1)\n")
    script.chmod(0o755)
    executable, main_file = programs.describe(["./analyse", "x"], str(tmp_path), os.environ)
    assert (executable, main_file) == (Executable(python, "Python", None, options), "./analyse")


def test_a_script_found_by_path_is_told_by_where_it_lies(bin_folder, tmp_path):
    (bin_folder / "tool").write_text(f"#!{install(bin_folder / 'python3')}\n")
    (bin_folder / "tool").chmod(0o755)
    assert programs.describe(["tool"], str(tmp_path), os.environ)[1] == str(bin_folder / "tool")


@pytest.mark.parametrize("line", ["#!/nowhere/python3", "#!/bin/awk -f", "#!", "#!/usr/bin/env", "#!\udcff"])
def test_a_script_with_another_interpreter_is_its_own_program(bin_folder, tmp_path, line):
    script = tmp_path / "analyse"
    script.write_bytes(os.fsencode(line) + b"\n")
    script.chmod(0o755)
    executable, _ = programs.describe(["./analyse"], str(tmp_path), os.environ)
    assert executable == Executable(str(script), "analyse")


def test_a_program_is_found_by_path_by_name_and_from_a_folder(bin_folder, tmp_path):
    path = install(bin_folder / "simulate")
    assert programs.find("simulate", os.environ) == path
    assert programs.find("simulate", {"PATH": f"relative::{bin_folder}"}) == path
    assert programs.find(path, {}) == path
    assert programs.find("bin/simulate", {}, str(tmp_path)) == path


def test_links_to_programs_are_kept_as_environments_are_made_of_them(bin_folder):
    install(bin_folder / "real")
    (bin_folder / "python").symlink_to("real")
    assert programs.find("python", os.environ) == str(bin_folder / "python")


@pytest.mark.parametrize("name", ["nosuchprogram", "./nosuchprogram", "/nosuch/program", "", "nul\0"])
def test_a_program_that_is_not_there_is_an_error_that_says_so(bin_folder, name):
    with pytest.raises(NoSuchProgram) as caught:
        programs.find(name, os.environ)
    assert isinstance(caught.value, LookupError)
    assert isinstance(caught.value, SumatraError)
    assert caught.value.exit_status == 127
    assert repr(name) in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["./notes.txt", "./folder"])
def test_what_can_not_be_executed_is_another_error(tmp_path, name):
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(LaunchError) as caught:
        programs.find(name, {}, str(tmp_path))
    assert caught.value.exit_status == 126


@pytest.mark.parametrize(("script", "installed", "command"), [
    ("main.py", ["python3", "python"], "python"), ("main.py", ["python3", "nrniv"], "python3"),
    ("main.py", [], "python"),
    ("x/main.R", ["Rscript"], "Rscript"), ("main.r", [], "Rscript"), ("init.hoc", ["nrniv"], "nrniv"),
    ("init.oc", [], "nrniv"), ("net.sli", [], "nest"), ("model.g", [], "genesis"), ("main.m", [], "matlab"),
    ("main.m", ["octave"], "octave"), ("main.jl", [], "julia"), ("run.sh", [], "bash"), ("data.csv", [], None),
    ("noscript", [], None), ("", [], None), ("R", [], None), (".py", [], None),
])
def test_the_program_for_a_script_is_known_by_its_suffix(bin_folder, script, installed, command):
    for name in installed:
        install(bin_folder / name)
    assert programs.for_script(script) == command


def test_the_program_for_a_script_without_suffix_is_in_its_first_line(bin_folder, tmp_path):
    (tmp_path / "analyse").write_text("#!/usr/bin/env Rscript\n")
    assert programs.for_script(str(tmp_path / "analyse")) == "Rscript"
    os.mkfifo(tmp_path / "pipe")
    assert programs.for_script(str(tmp_path / "pipe")) is None


def test_get_executable_finds_a_program_by_path_name_or_script(bin_folder, tmp_path):
    python = install(bin_folder / "python")
    own = install(bin_folder / "simulate it")
    assert programs.get_executable("python") == Executable(python, "Python")
    assert programs.get_executable(python) == Executable(python, "Python")
    assert programs.get_executable("python -u -W 'a b'") == Executable(python, "Python", None, "-u -W 'a b'")
    assert programs.get_executable(script_file="main.py") == Executable(python, "Python")
    assert programs.get_executable(own) == Executable(own, "simulate it")
    for arguments in ({"path": "nosuch"}, {"script_file": "main.jl"}, {"script_file": "x.csv"}, {}):
        with pytest.raises(NoSuchProgram):
            programs.get_executable(**arguments)


@pytest.mark.parametrize(("name", "says", "version"), [
    ("python3", "Python 3.13.0rc1+", "3.13.0rc1+"),
    ("pypy3", "Python 3.10.14 (39dc8d3c, Aug 2024)\n[PyPy 7.3.17 with GCC 10.2.1]", "7.3.17"),
    ("Rscript", "Rscript (R) version 4.2.2 (2022-10-31)", "4.2.2"),
    ("R", "R version 4.2.2 Patched (2022-11-10 r83330) -- \"Innocent\"", "4.2.2"),
    ("nrniv", "NEURON -- VERSION 8.2.2 HEAD (93d41fafd) 2022-12-15", "8.2.2"),
    ("nest", "NEST version 2.20.0, built on Jan 1 2020 for x86_64", "2.20.0"),
    ("octave", "GNU Octave, version 7.3.0\nCopyright (C) 1993-2022", "7.3.0"),
    ("julia", "julia version 1.11.0-rc2", "1.11.0-rc2"),
    ("perl", "This is perl 5, version 36, subversion 0 (v5.36.0) built for x86_64", "5.36.0"),
    ("ruby", "ruby 3.1.2p20 (2022-04-12 revision 4491bb740a) [x86_64-linux-gnu]", "3.1.2p20"),
    ("bash", "GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)", "5.2.15"),
    ("node", "v18.19.0", "18.19.0"),
    ("gnuplot", "gnuplot 5.4 patchlevel 6", "5.4 patchlevel 6"),
    ("perl", "nonsense 1.2.3", None),
    ("julia", "", None),
])
def test_a_known_program_tells_its_version(bin_folder, name, says, version):
    path = install(bin_folder / name, says)
    assert programs.version(path) == version
    assert len(starts(path)) == 1


@pytest.mark.parametrize("name", ["perl", "bash"])
def test_the_programs_of_this_machine_tell_their_versions(name, require):
    require(name)
    path = shutil.which(name)
    version = programs.version(path)
    assert version in subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", ["simulate", "t", "script", "special", "genesis", "sh", "matlab"])
def test_programs_of_the_user_and_those_that_would_not_answer_are_never_started(bin_folder, name):
    path = install(bin_folder / name, "version 1.2.3")
    assert programs.version(path) is None
    assert starts(path) == []


def test_a_program_in_the_users_folder_is_hers_whatever_it_is_called(bin_folder, tmp_path):
    path = install(tmp_path / "project" / "nest", "NEST version 9.9.9, mine")
    assert programs.version(path, own=str(tmp_path / "project")) is None
    assert starts(path) == []
    assert programs.version(path, own=str(tmp_path / "proj")) == "9.9.9"


def test_a_program_that_opens_windows_is_not_asked_but_the_one_beside_it(bin_folder):
    gui = install(bin_folder / "nrngui", "VERSION 1.0.0 x")
    install(bin_folder / "nrniv", "VERSION 8.2.2 x")
    assert programs.version(gui) == "8.2.2"
    assert starts(gui) == []


def test_a_version_is_asked_once_until_the_file_changes(bin_folder, tmp_path):
    cache = str(tmp_path / "programs.json")
    path = install(bin_folder / "julia", "julia version 1.9.0")
    (bin_folder / "julia-1.9").symlink_to("julia")
    assert programs.version(path, cache) == programs.version(path, cache) == "1.9.0"
    assert programs.version(str(bin_folder / "julia-1.9"), cache) == "1.9.0"
    assert len(starts(path)) == 1
    install(bin_folder / "julia", "julia version 1.10.0")
    assert programs.version(path, cache) == "1.10.0"
    assert len(starts(path)) == 2
    assert os.stat(cache).st_mode & 0o777 == 0o600


def test_a_mapping_can_be_the_cache(bin_folder):
    cache = {}
    path = install(bin_folder / "julia", "julia version 1.9.0")
    assert programs.version(path, cache) == programs.version(path, cache) == "1.9.0"
    assert len(starts(path)) == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"%s": 3}', b'{"%s": {"identity": 1, "version": 2}}'])
def test_a_spoiled_cache_is_made_anew(bin_folder, tmp_path, content):
    path = install(bin_folder / "julia", "julia version 1.9.0")
    cache = tmp_path / "programs.json"
    cache.write_bytes(content.replace(b"%s", os.fsencode(os.path.realpath(path))))
    assert programs.version(path, str(cache)) == "1.9.0"
    assert json.loads(cache.read_bytes())


def test_a_cache_that_can_not_be_written_costs_only_time(bin_folder, tmp_path):
    path = install(bin_folder / "julia", "julia version 1.9.0")
    assert programs.version(path, str(tmp_path / "nowhere" / "programs.json")) == "1.9.0"


def test_a_program_that_never_answers_is_given_up(bin_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "_TIMEOUT", 0.2)
    path = install(bin_folder / "julia", "'\nexec /bin/sleep 60 #'")
    cache = str(tmp_path / "programs.json")
    for _ in range(programs._TRIES + 2):
        assert programs.version(path, cache) is None
    assert len(starts(path)) == programs._TRIES


def test_a_program_is_not_asked_in_the_users_folder(bin_folder, tmp_path):
    path = install(bin_folder / "julia", f"'\npwd > '{tmp_path}/where'\necho '")
    programs.version(path)
    assert (tmp_path / "where").read_text() == "/\n"


def test_our_own_python_is_not_started():
    assert programs.version(sys.executable) == sys.version.split()[0]


def test_an_environment_tells_the_version_without_being_started(bin_folder, tmp_path):
    real = install(tmp_path / "base" / "python3.12", "Python 3.12.9")
    environment = tmp_path / "env"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(real)
    (environment / "pyvenv.cfg").write_text("home = /base\nversion = 3.12.1\n")
    later = os.stat(real).st_ctime_ns + 10**9
    os.utime(environment / "pyvenv.cfg", ns=(later, later))
    assert programs.version(str(environment / "bin" / "python"), own=str(tmp_path)) == "3.12.1"
    (environment / "pyvenv.cfg").write_text("home = /base\nversion_info = 3.12.2\n")
    os.utime(environment / "pyvenv.cfg", ns=(later, later))
    assert programs.version(str(environment / "bin" / "python"), own="/elsewhere") == "3.12.2"
    assert starts(real) == []


def test_an_environment_whose_python_was_replaced_since_is_asked(bin_folder, tmp_path):
    environment = tmp_path / "env"
    (environment / "bin").mkdir(parents=True)
    (environment / "pyvenv.cfg").write_text("home = /base\nversion = 3.12.1\n")
    os.utime(environment / "pyvenv.cfg", (1, 1))
    real = install(tmp_path / "base" / "python3.12", "Python 3.12.9")
    (environment / "bin" / "python").symlink_to(real)
    assert programs.version(str(environment / "bin" / "python"), own="/elsewhere") == "3.12.9"


@pytest.mark.slow
def test_a_real_environment_tells_what_its_python_says(tmp_path):
    venv.create(tmp_path / "env", with_pip=False)
    python = str(tmp_path / "env" / "bin" / "python")
    script = f"import sys; sys.executable = ''; from sumatra import programs; print(programs.version({python!r}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=sysconfig.get_path("stdlib"),
        env={**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(programs.__file__))},
    )
    assert done.stdout.strip() == ".".join(map(str, sys.version_info[:3]))


def test_matlab_tells_its_version_by_a_file(bin_folder, tmp_path):
    path = install(tmp_path / "MATLAB" / "bin" / "matlab")
    (tmp_path / "MATLAB" / "VersionInfo.xml").write_text(
        "<MathWorks_version_info><version>9.14.0.2206163</version><release>R2023a</release></MathWorks_version_info>"
    )
    (bin_folder / "matlab").symlink_to(path)
    assert programs.version(str(bin_folder / "matlab")) == "9.14.0.2206163"
    assert starts(path) == []


def test_a_program_that_has_gone_has_no_version(bin_folder):
    assert programs.version(str(bin_folder / "julia")) is None
