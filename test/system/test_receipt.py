"""What was not captured, or stands in the way of a repeat, is in the record; each code is provoked for real.

Some are provoked by tests of other files; ``test/unit/test_receipt.py`` sees to it that none is left out.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sumatra import dependency_finder
from sumatra.capture import observation
from sumatra.capture.accesses import Program
from sumatra.capture.trace import Log
from sumatra.dependency_finder import Run
from sumatra.files import ContentStore
from sumatra.plugins import Backend
from sumatra.runs import libraries, touched
from sumatra.testing.recordstores import a_record

ROOT = Path(__file__).resolve().parents[2]
SMT = [sys.executable, str(ROOT / "bin" / "smt")]


@pytest.fixture
def codes(smt) -> Callable[..., list[str]]:
    """Return the codes in the receipt of the newest record, or of the one that is named."""

    def found(label: str = "last") -> list[str]:
        said = smt("view", "--receipt", "--json", label)
        assert said.status == 0, said.err
        return [finding["code"] for finding in json.loads(said.out)]

    return found


def begin(*words: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([*SMT, "run", *words], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} didn't appear"
        time.sleep(0.01)


# --- what the user sees


def test_a_clean_run_says_nothing(project, smt):
    said = smt("run", "-l", "clean", "--", "python", "main.py", "default.param")
    assert said.status == 0 and "Receipt" not in said.err
    assert "Receipt" not in smt("view").out
    shown = smt("view", "--receipt")
    assert (shown.status, shown.out) == (0, "Nothing is missing.\n")
    assert json.loads(smt("view", "--receipt", "--json").out) == []


def test_a_serious_finding_is_told_in_one_line_after_the_run_and_in_full_on_demand(project, smt):
    (project / "large.py").write_text("#" * 2_000_000)
    said = smt("run", "-l", "it's", "--", "true")
    (line,) = [line for line in said.err.splitlines() if line.startswith("Receipt")]
    assert line == """Receipt: not kept, because large: large.py; smt view --receipt 'it'"'"'s'"""
    assert smt("view").out.splitlines()[-1].startswith("Receipt: 1 thing is missing")
    assert smt("view", "--receipt").out == (
        "change-too-large\n"
        "    not kept, because large: large.py\n"
        "    For a repeat: These files can't be put back as they were.\n"
        "    → commit or ignore them, or smt configure --largest-untracked=SIZE\n"
    )


def test_parts_other_than_the_receipt_are_not_given_as_json(project, smt):
    smt("run", "--", "true")
    said = smt("view", "--stdout", "--json")
    assert (said.status, said.out) == (2, "")
    assert "only the receipt" in said.err


def test_runs_are_found_by_what_is_missing(project, smt, git):
    smt("run", "-l", "pushed", "--", "true")
    git("commit", "--allow-empty", "-qm", "next")
    smt("run", "-l", "not-yet", "--", "true")
    assert smt("list", "'unpushed' in receipt").out == "not-yet\n"
    assert smt("list", "'unpushed' not in receipt").out == "pushed\n"
    assert smt("list", "receipt is not None").out == "not-yet\n"
    assert "unpushed" in smt("list", "--columns", "label,receipt").out


# --- the code


@pytest.mark.provokes("unpushed")
def test_a_commit_that_was_not_pushed_is_told_but_not_after_each_run(project, smt, git, codes):
    git("commit", "--allow-empty", "-qm", "next")
    said = smt("run", "--", "true")
    assert codes() == ["unpushed"]
    assert "Receipt" not in said.err
    git("update-ref", "refs/remotes/origin/topic", "HEAD")
    smt("run", "--", "true")
    assert codes() == []
    git("checkout", "-q", "HEAD~1")
    smt("run", "--", "true")
    assert codes() == []


@pytest.mark.provokes("no-remote")
def test_a_repository_that_is_alone_is_told_but_not_after_each_run(project, smt, git, codes):
    git("remote", "remove", "origin")
    said = smt("run", "--", "true")
    assert codes() == ["no-remote"]
    assert "Receipt" not in said.err


@pytest.mark.provokes("code-note")
def test_files_whose_changes_git_does_not_look_for_are_told(project, smt, git, codes):
    git("update-index", "--assume-unchanged", "main.py")
    smt("run", "--", "true")
    assert codes() == ["code-note"]


@pytest.mark.provokes("many-untracked")
def test_a_crowd_of_untracked_files_is_told(project, smt, codes):
    for number in range(301):
        (project / f"{number}.txt").write_text(str(number))
    smt("run", "--", "true")
    assert codes() == ["many-untracked"]


@pytest.mark.needs("setpriv")
@pytest.mark.provokes("code-file-unreadable")
def test_a_file_of_code_that_cannot_be_read_is_told(project, codes):
    (project / "closed.py").write_text("pass\n")
    (project / "closed.py").chmod(0)
    powerless = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    done = subprocess.run([*powerless, *SMT, "run", "--", "true"], capture_output=True, text=True)
    if "setpriv" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    assert codes() == ["code-file-unreadable"]


@pytest.mark.needs("setpriv")
@pytest.mark.parametrize("system", ["git", "mercurial"])
def test_a_changed_file_that_cannot_be_read_is_neither_deleted_nor_an_obstacle(system, project, smt, codes, require):
    (project / "default.param").write_text("tau_m = 1\n")
    if system == "mercurial":
        require("hg")
        shutil.rmtree(project / ".git")
        for words in (["init"], ["commit", "--quiet", "--addremove", "--user", "ada", "--message", "the model"]):
            subprocess.run(["hg", *words], check=True)
        (project / "default.param").write_text("tau_m = 2\n")
    (project / "default.param").chmod(0)
    powerless = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    done = subprocess.run([*powerless, *SMT, "run", "-l", "r", "--", "true"], capture_output=True, text=True)
    if "setpriv" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    assert "code-file-unreadable" in codes()
    assert smt("view", "r", "--code").out.splitlines()[2:] == ["        modified, not kept  default.param"]


# --- words and parameters


@pytest.mark.provokes("label-not-added")
def test_a_label_that_finds_no_place_is_told(project, smt, codes):
    smt("configure", "--addlabel=parameters")
    smt("run", "--", "true")
    assert codes() == ["label-not-added"]


@pytest.mark.provokes("parameters-opaque")
def test_parameters_that_cannot_be_read_are_told(project, smt, codes):
    (project / "broken.json").write_text('{"tau_m": ')
    smt("run", "--", "cat", "broken.json")
    assert "parameters-opaque" in codes()


# --- inputs and outputs


@pytest.mark.provokes("secret-printed")
def test_printed_secrets_are_masked_in_the_record(project, smt, codes):
    script = "print('loss 0.5'); print('from https://ada:c4n4ry@example.org/x'); print('key AKIAABCDEFGHIJKLMNOP')"
    said = smt("run", "--", sys.executable, "-c", script.replace("c4n4ry", "c4n4' + 'ry").replace("MNOP", "' + 'MNOP"))
    assert "c4n4ry" in said.out and "printed what looks like secrets" in said.err
    assert codes() == ["secret-printed"]
    for told in (smt("view").out, smt("view", "--json").out, smt("list", "-l").out):
        assert "c4n4ry" not in told and "AKIAABCDEFGHIJKLMNOP" not in told
    assert "loss 0.5" in smt("view").out
    smt("run", "--", "sh", "-c", "echo tokens: 512; echo token=12; echo pass 3 of 5")
    assert codes() == []


@pytest.mark.provokes("stdin-piped")
def test_what_comes_through_a_pipe_is_not_kept_and_that_is_said(project, smt, codes):
    (project / "given.txt").write_text("1\n")
    assert smt("run", "--", "sh", "-c", "read x; exit $x", stdin="7\n").status == 7
    assert codes() == ["stdin-piped"]
    assert "Receipt" not in smt("run", "--", "cat", stdin="7\n").err
    smt("run", "--stdin=given.txt", "--", "cat", stdin="7\n")
    assert codes() == []
    smt("run", "--", "cat", stdin="")
    assert codes() == []
    subprocess.run([*SMT, "run", "--", "cat"], stdin=subprocess.DEVNULL, check=True)
    assert codes() == []


@pytest.mark.provokes("input-outside")
def test_a_file_from_outside_the_project_is_told_but_not_after_each_run(project, smt, codes, tmp_path):
    (tmp_path / "far.csv").write_text("1\n")
    said = smt("run", "--", "cat", str(tmp_path / "far.csv"))
    assert codes() == ["input-outside"]
    assert "Receipt" not in said.err
    assert str(tmp_path / "far.csv") in smt("view", "--receipt").out


@pytest.mark.provokes("file-in-run-folder")
def test_a_file_beside_the_copied_parameters_is_told(project, smt, codes):
    (project / "beside.py").write_text("import sys\nopen(sys.argv[1] + '.log', 'w').write('x')\n")
    said = smt("run", "-e", "python", "-m", "beside.py", "default.param", "tau_m=5.0")
    assert said.status == 0, said.err
    assert "file-in-run-folder" in codes()


@pytest.mark.provokes("output-continued")
def test_that_a_file_of_before_was_written_on_in_is_said(project, smt, codes):
    (project / "log").write_text("before\n")
    said = smt("run", "--", "sh", "-c", "echo 1 >> log; echo 2 >> new; echo 3 >> new")
    assert codes() == ["output-continued"] and "Receipt" not in said.err
    assert smt("view", "--receipt").out.count("log") and "new" not in smt("view", "--receipt").out.split("\n")[1]
    for emptied in (
        "echo 1 > log", "rm log; echo 1 >> log", "echo 1 > log; echo 2 >> log", "echo 1 >> log; echo 2 > log",
        "echo 1 > l; echo 2 >> l; mv l log", "cat log; : >> log",
    ):
        smt("run", "--", "sh", "-c", emptied)
        assert codes() == [], emptied


@pytest.mark.provokes("output-unstable")
def test_an_output_that_goes_on_changing_is_told(project, smt, codes):
    (project / "writer.py").write_text(
        "import os, time\nend = time.monotonic() + 60\n"
        "with open('Data/o', 'ab', 0) as file:\n    file.write(bytes(60_000_000))\n"
        "    while not os.path.exists('stop') and time.monotonic() < end:\n        file.write(b'x')\n"
    )
    try:
        smt("run", "--", "sh", "-c", "python3 writer.py & while [ ! -s Data/o ]; do sleep 0.01; done; sleep 0.2")
    finally:
        (project / "stop").touch()
    assert "output-unstable" in codes()


@pytest.mark.provokes("only-compared", "concurrent-run")
def test_runs_that_are_only_compared_say_when_another_went_on(project, smt, codes):
    smt("configure", "--trace=scan")
    other = begin("-l", "other", "--", "sh", "-c", "echo > begun; sleep 0.6; echo > Data/other")
    wait_for(project / "begun")
    smt("run", "-l", "alone", "--", "sh", "-c", "echo > Data/alone")
    assert other.wait(30) == 0
    assert codes("other") == ["concurrent-run", "only-compared"]
    assert codes("alone") == ["concurrent-run", "only-compared"]


@pytest.mark.provokes("data-note")
def test_a_data_folder_that_cannot_be_read_is_told(project, smt, codes):
    smt("configure", "--trace=scan")
    smt("run", "--", "sh", "-c", "rm -rf Data; touch Data")
    assert "data-note" in codes()


@pytest.mark.provokes("not-observed")
def test_a_run_that_is_not_observed_says_so(project, smt, codes):
    smt("configure", "--trace=none")
    said = smt("run", "--", "true")
    assert "not-observed" in codes()
    assert "Receipt" not in said.err  # as asked for


@pytest.mark.provokes("outputs-unknown")
def test_a_run_that_lost_its_watcher_and_all_notes_says_so(project, smt, codes):
    watcher = begin("-l", "lost", "--", "sh", "-c", "echo > begun; sleep 0.7")
    wait_for(project / "begun")
    time.sleep(0.3)
    watcher.kill()
    watcher.wait()
    folder = project / ".smt" / "runs" / "lost"
    for name in ("trace", "before"):
        for path in folder.glob(f"{name}*"):
            path.unlink()
    time.sleep(0.7)
    assert "outputs-unknown" in codes("lost")


@pytest.mark.provokes("not-captured")
def test_a_run_folder_that_disappears_meanwhile_is_told(project, smt, codes):
    # Until it has succeeded: at the same time, files are made in there.
    remove = "until { rm -rf .smt/runs && echo > .smt/runs; } 2> /dev/null; do :; done"
    said = smt("run", "--", "sh", "-c", f"{remove}; sleep 0.6; rm .smt/runs")
    assert said.status == 0, said.err
    assert "Traceback" not in said.err
    assert "not-captured" in codes()


@pytest.mark.provokes("not-collected")
def test_what_was_printed_and_could_not_be_kept_is_told(project, smt, codes):
    said = smt("run", "--", "sh", "-c", "echo printed; mv .smt/objects .smt/away; touch .smt/objects")
    assert said.out == "printed\n"
    assert "not-collected" in codes()


@pytest.mark.parametrize("trace", ["notify", "strace", "audit", "none"])
@pytest.mark.needs("strace")
@pytest.mark.provokes("left-running")
def test_what_goes_on_in_the_background_after_the_end_is_named(project, smt, trace):
    smt("configure", f"--trace={trace}")
    script = "setsid sleep 60 & echo $! > pid; tail -f /dev/null & echo $! >> pid; sleep 0.05"
    try:
        said = smt("run", "--", "sh", "-c", script)
    finally:
        for pid in (project / "pid").read_text().split():
            subprocess.run(["pkill", "-P", pid], check=False)
            os.kill(int(pid), signal.SIGKILL)
    shown = smt("view", "--receipt").out
    sentence = "2 programs that the run had started went on after its end, unobserved: sleep, tail"
    assert f"left-running\n    {sentence}\n" in shown
    assert "went on after its end" in said.err
    smt("run", "--", "sh", "-c", "sleep 0.01 & wait")
    assert "left-running" not in smt("view", "--receipt").out


@pytest.mark.parametrize("trace", ["audit", "notify"])
def test_a_run_with_the_same_label_in_another_project_is_not_taken_for_something_left_behind(
    project, smt, codes, trace, tmp_path
):
    smt("configure", f"--trace={trace}")
    other = tmp_path / "other"
    other.mkdir()
    subprocess.run([*SMT, "init", "other"], cwd=other, check=True, capture_output=True)
    words = ["run", "-l", "same", "--", "sh", "-c", "touch there; sleep 3"]
    with subprocess.Popen([*SMT, *words], cwd=other, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        wait_for(other / "there")
        smt("run", "-l", "same", "--", "true")
        assert "left-running" not in codes()


@pytest.mark.provokes("reader-left")
def test_a_reader_that_left_early_is_told(project, codes):
    run = f"'{SMT[0]}' '{SMT[1]}' run -- sh -c 'while echo y; do :; done' | head -1"
    done = subprocess.run(["sh", "-c", run], capture_output=True, text=True)
    assert done.stdout == "y\n"
    assert "reader-left" in codes()
    assert "Receipt" not in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="mounting needs root")
@pytest.mark.provokes("disk-full")
def test_a_program_that_failed_on_a_full_disk_says_so(tmp_path, codes):
    smt = f"'{SMT[0]}' '{SMT[1]}'"
    script = f"""
mount -t tmpfs -o size=1500k none '{tmp_path}' && cd '{tmp_path}' && {smt} init Small || exit 9
{smt} run -l full -- sh -c 'cat /dev/zero > Data/big 2>/dev/null; exit 5'
rm -f Data/big
{smt} view --receipt
"""
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True)
    if done.returncode == 9:
        pytest.skip(done.stderr)
    assert "disk-full" in done.stdout, done.stderr


@pytest.mark.provokes("by-script")
def test_a_script_that_keeps_its_own_record_says_so(project, smt, git, codes):
    (project / "own.py").write_text(
        "import sys\nfrom sumatra.projects import load_project\nproject = load_project()\n"
        "project.add_record(project.new_record(label=sys.argv[1]))\n"
    )
    for label, expected in (("own", ["by-script"]), ("later", ["unpushed", "by-script"])):
        words = [sys.executable, "own.py", label]
        subprocess.run(words, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
        assert codes(label) == expected
        git("commit", "--allow-empty", "-qm", "next")


# --- libraries, programs and the observation, where a whole run can't be made to go wrong like that


@pytest.mark.provokes("dependencies-unknown")
def test_a_finder_that_fails_costs_no_record(monkeypatch):
    monkeypatch.setattr(dependency_finder, "BACKENDS", {"broken": Backend("no_such_module_at_all", "break")})
    found = dependency_finder.loaded(Run(files=["/x"]))
    assert [finding.code for finding in found.findings] == ["dependencies-unknown"]


@pytest.mark.provokes("lock-not-kept")
def test_a_list_of_what_is_installed_that_cannot_be_kept_is_told(tmp_path):
    (tmp_path / "objects").touch()

    class Workshop:
        objects = ContentStore(str(tmp_path / "objects"))
        folder = str(tmp_path)
        from sumatra.settings import Settings

        settings = Settings()

    found = dependency_finder.Found(locks={"python": b"numpy==2.1\n"})
    record = libraries.with_libraries(a_record(), found, Workshop())
    assert [finding.code for finding in record.receipt] == ["lock-not-kept"]


@pytest.mark.provokes("many-programs")
def test_programs_beyond_the_first_thousand_are_told_by_their_number():
    seen = [Program(number, None, "/bin/true", ("true",), float(number)) for number in range(1001)]
    record = touched.with_programs(a_record(), seen, b"")
    assert len(record.programs) == 1000
    assert [(finding.code, finding.message[:5]) for finding in record.receipt] == [("many-programs", "1,001")]


@pytest.mark.provokes("observed-otherwise")
def test_a_log_of_the_second_best_method_says_why(tmp_path):
    Log(str(tmp_path / "log"), "notify", 1.0)
    observed = observation.read(str(tmp_path / "log"), [("better", "refused here")])
    assert [finding.code for finding in observed.findings] == ["observed-otherwise"]
    assert "better: refused here" in observed.findings[0].message


@pytest.mark.skipif(os.getuid() != 0, reason="another root folder needs root")
@pytest.mark.provokes("other-root")
def test_a_program_in_a_root_folder_of_its_own_is_told(project, smt, codes, tmp_path):
    cage = tmp_path / "cage"
    cage.mkdir()
    code = "import os, sys; os.chroot(sys.argv[1]); os.chdir('/'); open('out', 'w').write('x')"
    said = smt("run", "--", "/usr/bin/env", "python3", "-c", code, str(cage))
    assert said.status == 0 and (cage / "out").exists(), said.err
    assert "other-root" in codes()


@pytest.mark.provokes("served")
def test_folders_that_nobody_answers_for_are_told(tmp_path):
    """What an observer writes down that has waited too long for a file system of the user's own."""
    Log(str(tmp_path / "log"), "notify", 1.0).write(b"! 0 served", b"/mnt/away")
    (finding,) = observation.read(str(tmp_path / "log")).findings
    assert (finding.code, "/mnt/away" in finding.message) == ("served", True)
