"""The shell session of the talk with which it all began, word for word, and its Python example."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LABEL = re.compile(r"^\d{8}-\d{6}(-\d+)?$")


def test_the_session_of_2010_works_word_for_word(repository, smt):
    (repository / "romans.param").write_text("tau_m = 5.0\nv_init = -60.0\n")
    assert smt("init", "MyProject").status == 0
    first = smt("run", "--simulator=python", "--main=main.py", "default.param")
    assert (first.status, first.out) == (0, "tau_m = 20.0\n")
    assert smt("configure", "--simulator=python", "--main=main.py").status == 0
    assert smt("run", "default.param").out == "tau_m = 20.0\n"

    listed = smt("list").out.splitlines()
    assert len(listed) == 2 and all(LABEL.match(label) for label in listed)
    long = smt("list", "-l").out
    for row in ("Reason", "Outcome", "Duration", "Script", "Executable", "Timestamp", "Tags"):
        assert re.search(rf"^{row}\b.*:", long, re.MULTILINE), row

    reason = "determine whether the gourd is worth 3 or 4 shekels"
    assert smt("run", "--label=haggling", f"--reason={reason}", "romans.param").out == "tau_m = 5.0\n"
    assert smt("comment", "apparently, it is worth NaN shekels.").status == 0
    assert smt("comment", listed[0], "Eureka! Nobel prize here we come.").status == 0
    assert smt("tag", "Figure 6").status == 0
    smaller = smt("run", "--reason=test effect of a smaller time constant", "default.param", "tau_m=10.0")
    assert smaller.out == "tau_m = 10.0\n"

    repeated = smt("repeat", listed[0])
    assert repeated.status == 0 and repeated.out.splitlines()[-1] == "The simulation results match."
    haggling = smt("view", "haggling").out
    assert reason in haggling and "apparently, it is worth NaN shekels." in haggling and "Figure 6" in haggling
    assert "Eureka! Nobel prize here we come." in smt("view", listed[0]).out
    usage = smt()
    assert usage.status == 0 and "Usage: smt <subcommand> [options] [args]" in usage.out
    for command in ("init", "configure", "info", "run", "list", "delete", "comment", "tag", "help"):
        assert re.search(rf"^  {command}\b", usage.out, re.MULTILINE)


def test_the_users_own_parameter_file_is_given_to_the_program_as_it_lies(project, smt):
    assert smt("run", "--", "cat", "default.param").out == (project / "default.param").read_text()
    assert sorted(path.name for path in project.iterdir()) == sorted(
        [".git", ".gitignore", ".smt", "Data", "default.param", "main.py"]
    )


def test_the_api_example_of_the_talk_works(project, smt, tmp_path):
    (project / "api.py").write_text('''
import os, sys, time
from sumatra.projects import load_simulation_project
from sumatra.parameters import build_parameters
project = load_simulation_project()
start_time = time.time()
parameter_file = sys.argv[1]
parameters = build_parameters(parameter_file)
sim_record = project.new_record(parameters=parameters, main_file=__file__, label="api_example",
                                reason="reason for running this simulation")
with open("Data/api.dat", "w") as output_file:
    output_file.write(str(parameters["tau_m"]))
sim_record.duration = time.time() - start_time
sim_record.data_key = sim_record.datastore.find_new_files(sim_record.timestamp)
project.add_record(sim_record)
project.save()
''')
    done = subprocess.run(
        [sys.executable, "api.py", "default.param"], env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True,
    )
    assert done.returncode == 0, done.stderr
    shown = smt("view", "api_example").out
    assert "reason for running this simulation" in shown and "api.dat" in shown
    assert smt("list", "tau_m == 20.0 and status == 'finished'").out == "api_example\n"


def test_capture_returns_raises_and_prints_as_without_it(project, smt):
    (project / "captured.py").write_text('''
import sys
from sumatra.decorators import capture
from sumatra.parameters import build_parameters

@capture
def main(parameters, fail=False):
    print("label", parameters["sumatra_label"])
    if fail:
        raise ValueError("as asked")
    return 42

print("returned", main(build_parameters("default.param")))
main(build_parameters("default.param"), fail=True)
''')
    done = subprocess.run(
        [sys.executable, "captured.py"], env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True,
    )
    assert "returned 42" in done.stdout and "ValueError: as asked" in done.stderr and done.returncode == 1
    labels = re.findall(r"^label (.+)$", done.stdout, re.MULTILINE)
    assert smt("list").out.splitlines() == labels[::-1]
    assert smt("list", "status == 'failed' and 'as asked' in outcome").out.split() == labels[1:]


@pytest.mark.parametrize("where", [".", ".."])
def test_a_script_that_writes_beside_its_code_has_its_new_code_kept(where, project, smt):
    (project / "new.py").write_text("n = 1\n")
    (project / "own.py").write_text("from sumatra.projects import load_project\nproject = load_project()\n"
                                    "project.add_record(project.new_record(label='own'))\n")
    smt("configure", f"--datapath={where}")
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "own.py"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    smt("run", "-l", "run", "--", "python", "new.py")
    for label in ("own", "run"):
        assert "untracked       new.py" in smt("view", label, "--code").out


def test_what_a_script_says_of_its_record_is_kept_or_refused_and_never_passed_over(project, smt):
    (project / "own.py").write_text('''
from sumatra.errors import UsageError
from sumatra.projects import load_project
project = load_project()
project.add_record(project.new_record(label="own", executable="sh", diff="+ a line"))
try:
    project.new_record(version="HEAD~1")
except UsageError:
    print("refused")
''')
    done = subprocess.run(
        [sys.executable, "own.py"], env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True,
    )
    assert done.stdout == "refused\n", done.stderr
    assert smt("view", "own", "--diff").out.strip() == "+ a line"
    assert "Executable       : sh" in smt("view", "own").out
