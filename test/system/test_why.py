"""``smt why``: the cause of a difference, found by swapping."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SIMULATION = """\
import json, os, sys
import helpers
settings = json.load(open(sys.argv[1]))
scale = float(open("scale.txt").read())
values = [float(word) for word in open("values.txt").read().split()]
threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
total = 0.0
for value in values:
    total += value * scale
total = helpers.finish(total, settings)
total += THREADS_EFFECT
print("done")
os.makedirs("Data", exist_ok=True)
with open("Data/total.txt", "w") as out:
    out.write(f"{total}\\n")
"""

HELPERS = """\
def start(x):
    return x


def middle(x):
    return x


def finish(x, settings):
    return x + settings["offset"]


def last(x):
    return x
"""


@pytest.fixture
def simulation(repository, git, smt):
    """A simulation that reads some files, and a first run of it called ``good``."""
    for old in repository.iterdir():
        if old.name != ".git":
            old.unlink()
    Path("sim.py").write_text(SIMULATION.replace("THREADS_EFFECT", "0"))
    Path("helpers.py").write_text(HELPERS)
    Path("settings.json").write_text('{"offset": 1.5, "steps": 10, "name": "a"}\n')
    Path("scale.txt").write_text("2.0\n")
    Path("values.txt").write_text("1 2 3\n")
    for number in range(4):
        Path(f"notes{number}.txt").write_text("nothing\n")
    git("add", "-A")
    git("commit", "-qm", "first")
    assert smt("init", "Why").status == 0
    assert smt("run", "-l", "good", "--", sys.executable, "sim.py", "settings.json").status == 0
    return repository


def harmless() -> None:
    """Change a number of things that make no difference."""
    for number in range(4):
        Path(f"notes{number}.txt").write_text(f"something {number}\n")
    Path("settings.json").write_text('{"offset": 1.5, "steps": 20, "name": "b"}\n')
    text = Path("helpers.py").read_text()
    Path("helpers.py").write_text(text.replace("def start(x):\n    return x", "def start(x):\n    return x  # as is"))
    Path("sim.py").write_text("# A comment.\n" + Path("sim.py").read_text())


HARMLESS = {"PYTHONHASHSEED": "7", "LC_TIME": "C"}


def bad(smt, **variables: str) -> None:
    words = [sys.executable, "sim.py", "settings.json"]
    assert smt("run", "-l", "bad", "--", *words, **{**HARMLESS, **variables}).status == 0


def causes(said, *, among: int = 1) -> list[tuple[str, str]]:
    """Return what was found, *among* at least so many differences."""
    found = json.loads(said.out)
    assert found["outcome"] == "found", found
    assert found["differences"] >= among
    return [(each["kind"], each["name"]) for each in found["causes"]]


def test_a_changed_input_is_found_among_harmless_differences(simulation, smt):
    harmless()
    Path("values.txt").write_text("1 2 4\n")
    bad(smt)
    said = smt("why", "good", "bad")
    assert said.status == 0, said.err
    lines = said.out.splitlines()
    assert lines[0].startswith("This turns good into bad (")
    assert lines[1].startswith("  input values.txt: sha256:")
    assert lines[2] == "Without it, bad comes out like good."
    assert Path("values.txt").read_text() == "1 2 4\n"
    assert Path("Data/total.txt").read_text() == "15.5\n"
    assert not [label for label in smt("list").out.split() if label not in ("good", "bad")]
    plan = json.loads(smt("why", "good", "bad", "--dry-run", "--json").out)
    assert len(plan["factors"]) >= 9


def test_a_changed_parameter_is_found(simulation, smt):
    harmless()
    Path("settings.json").write_text('{"offset": 2.5, "steps": 20, "name": "b"}\n')
    bad(smt)
    assert causes(smt("why", "good", "bad", "--json"), among=9) == [("parameter", "offset")]


def test_an_uncommitted_edit_is_found_by_its_line(simulation, smt):
    harmless()
    text = Path("helpers.py").read_text()
    Path("helpers.py").write_text(text.replace('settings["offset"]', 'settings["offset"] * 2'))
    bad(smt)
    said = smt("why", "good", "bad", "--json")
    assert causes(said, among=9) == [("code", "helpers.py, line 10")]
    assert json.loads(said.out)["taken_back"] == "first"


def test_a_changed_variable_is_found(simulation, smt, git):
    Path("sim.py").write_text(SIMULATION.replace("THREADS_EFFECT", "threads * 1e-9"))
    git("commit", "-qam", "threads")
    assert smt("run", "-l", "better", "--", sys.executable, "sim.py", "settings.json").status == 0
    harmless()
    bad(smt, OMP_NUM_THREADS="8")
    assert causes(smt("why", "better", "bad", "--json"), among=9) == [("variable", "OMP_NUM_THREADS")]


def test_two_causes_that_act_together_are_both_found(simulation, smt):
    harmless()
    Path("values.txt").write_text("1 2 4\n")
    Path("scale.txt").write_text("3.0\n")
    bad(smt)
    assert causes(smt("why", "good", "bad", "--json"), among=9) == [("input", "scale.txt"), ("input", "values.txt")]


def test_a_run_that_failed_is_explained_by_how_it_ended(simulation, smt):
    harmless()
    Path("values.txt").write_text("1 2 x\n")
    words = [sys.executable, "sim.py", "settings.json"]
    assert smt("run", "-l", "bad", "--", *words, **HARMLESS).status == 1
    assert causes(smt("why", "good", "bad", "--json"), among=9) == [("input", "values.txt")]


def test_a_command_may_judge(simulation, smt):
    harmless()
    Path("values.txt").write_text("1 2 4\n")
    Path("scale.txt").write_text("2.00\n")
    bad(smt)
    test = f"{sys.executable} -c \"raise SystemExit(open('Data/total.txt').read() != '13.5' + chr(10))\""
    assert causes(smt("why", "good", "bad", "--test", test, "--json"), among=9) == [("input", "values.txt")]


def test_a_search_that_used_up_its_budget_goes_on_where_it_was(simulation, smt):
    harmless()
    text = Path("helpers.py").read_text()
    Path("helpers.py").write_text(text.replace('settings["offset"]', 'settings["offset"] * 2'))
    bad(smt)
    said = smt("why", "good", "bad", "--most", "3")
    assert said.status == 1
    assert "isn't found yet; the same command goes on" in said.out
    first = json.loads(smt("why", "good", "bad", "--json", "--most", "100").out)
    assert first["outcome"] == "found"
    again = json.loads(smt("why", "good", "bad", "--json").out)
    assert (again["trials"], again["causes"]) == (0, first["causes"])
    trials = json.loads(smt("why", "good", "bad", "--trials", "--json").out)
    assert len(trials) == 3 + first["trials"]
    assert trials[0]["what"] == "good again"


def test_a_run_that_never_comes_out_the_same_is_said_to_be_noisy(simulation, smt):
    Path("sim.py").write_text(SIMULATION.replace("THREADS_EFFECT", "__import__('random').random()"))
    words = [sys.executable, "sim.py", "settings.json"]
    assert smt("run", "-l", "one", "--", *words).status == 0
    Path("values.txt").write_text("1 2 3.001\n")
    assert smt("run", "-l", "two", "--", *words).status == 0
    said = smt("why", "one", "two")
    assert said.status == 1
    assert "one varies by itself as much as two differs from it" in said.out


def test_results_that_vary_a_little_by_themselves_are_judged_by_how_far_they_do(simulation, smt):
    """As where threads add in another order each time."""
    Path("sim.py").write_text(SIMULATION.replace("THREADS_EFFECT", "__import__('random').random() * 1e-9"))
    words = [sys.executable, "sim.py", "settings.json"]
    assert smt("run", "-l", "one", "--", *words).status == 0
    harmless()
    Path("sim.py").write_text(SIMULATION.replace("THREADS_EFFECT", "__import__('random').random() * 1e-9") + "# end\n")
    Path("values.txt").write_text("1 2 4\n")
    assert smt("run", "-l", "two", "--", *words, **HARMLESS).status == 0
    assert smt("why", "one", "two", "--most", "6").status == 1
    said = smt("why", "one", "two", "--json")
    assert causes(said, among=9) == [("input", "values.txt")]
    (name, largest), = json.loads(said.out)["noise"].items()
    assert name == "Data/total.txt"
    assert 0 < largest < 1e-8


def test_what_makes_a_run_vary_by_itself_is_found(simulation, smt, git):
    """As where more threads than one add in another order each time."""
    effect = "(__import__('random').random() * 1e-9 if threads > 1 else 0)"
    Path("sim.py").write_text(SIMULATION.replace("THREADS_EFFECT", effect))
    git("commit", "-qam", "threads")
    assert smt("run", "-l", "better", "--", sys.executable, "sim.py", "settings.json").status == 0
    harmless()
    bad(smt, OMP_NUM_THREADS="8")
    said = smt("why", "better", "bad", "--json")
    assert causes(said, among=9) == [("variable", "OMP_NUM_THREADS")]
    assert json.loads(said.out)["second_varies"] is True
    assert "bad doesn't come out the same twice in a row" in smt("why", "better", "bad").out


def test_a_tolerance_says_what_is_the_same(simulation, smt, git):
    Path("sim.py").write_text(SIMULATION.replace("THREADS_EFFECT", "threads * 1e-9"))
    git("commit", "-qam", "threads")
    assert smt("run", "-l", "better", "--", sys.executable, "sim.py", "settings.json").status == 0
    harmless()
    Path("values.txt").write_text("1 2 4\n")
    bad(smt, OMP_NUM_THREADS="8")
    both = [("input", "values.txt"), ("variable", "OMP_NUM_THREADS")]
    assert causes(smt("why", "better", "bad", "--json"), among=9) == both
    assert causes(smt("why", "better", "bad", "--tolerance", "1e-6", "--json"), among=9) == both[:1]
    assert smt("why", "better", "bad", "--tolerance", "1").out.startswith("The results of better and bad are the same.")


def test_a_changed_seed_is_found(simulation, smt):
    start = "import random\ntotal = random.Random(settings['seed']).random()"
    text = Path("sim.py").read_text().replace("total = 0.0", start)
    Path("sim.py").write_text(text)
    Path("settings.json").write_text('{"offset": 1.5, "steps": 10, "name": "a", "seed": 1}\n')
    words = [sys.executable, "sim.py", "settings.json"]
    assert smt("run", "-l", "one", "--", *words).status == 0
    harmless()
    Path("sim.py").write_text("# A comment.\n" + text)
    Path("settings.json").write_text('{"offset": 1.5, "steps": 20, "name": "b", "seed": 2}\n')
    assert smt("run", "-l", "two", "--", *words, **HARMLESS).status == 0
    assert causes(smt("why", "one", "two", "--json"), among=9) == [("parameter", "seed")]


def test_what_cannot_be_swapped_is_told(simulation, smt, tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_text("1\n")
    Path("sim.py").write_text(SIMULATION.replace("THREADS_EFFECT", f"float(open({str(outside)!r}).read())"))
    words = [sys.executable, "sim.py", "settings.json"]
    assert smt("run", "-l", "one", "--", *words).status == 0
    outside.write_text("2\n")
    Path("scale.txt").write_text("2.00\n")
    assert smt("run", "-l", "two", "--", *words).status == 0
    said = smt("why", "one", "two")
    assert said.status == 1
    assert str(outside) in said.out


@pytest.mark.usefixtures("view")
def test_files_anywhere_are_swapped_and_none_is_touched(simulation, smt, tmp_path):
    outside, result = tmp_path / "outside.txt", tmp_path / "result.txt"
    outside.write_text("1\n")
    Path("kept.txt").write_text("1\n")
    Path("sim.py").write_text(
        f"parts = [open(name).read() for name in ({str(outside)!r}, {str(Path('scale.txt').resolve())!r})]\n"
        f"open({str(result)!r}, 'w').write(''.join(parts))\n"
    )
    words = [sys.executable, str(Path("sim.py").resolve())]
    assert smt("run", "-l", "one", "--", *words).status == 0
    outside.write_text("2\n")
    Path("values.txt").write_text("1 2 5\n")
    assert smt("run", "-l", "two", "--", *words).status == 0
    result.write_text("mine\n")
    assert causes(smt("why", "one", "two", "--json")) == [("input", str(outside))]
    Path("scale.txt").write_text("7.0\n")
    outside.write_text("1\n")
    assert smt("run", "-l", "three", "--", *words).status == 0
    result.write_text("mine\n")
    assert causes(smt("why", "one", "three", "--json")) == [("input", "scale.txt")]
    assert (result.read_text(), outside.read_text()) == ("mine\n", "1\n")


def test_equal_runs_need_no_explanation(simulation, smt):
    bad(smt)
    said = smt("why", "good", "bad")
    assert (said.status, said.out.split(" (")[0]) == (0, "The results of good and bad are the same.")


@pytest.mark.parametrize(("words", "status", "sentence"), [
    (("good",), 2, "two records are needed"),
    (("good", "nosuch"), 4, "there is no record called 'nosuch'"),
    (("good", "good", "--budget", "soon"), 2, "isn't a time"),
    (("good", "good", "--test", "'"), 2, "isn't a command"),
])
def test_slips_are_told_in_a_sentence(words, status, sentence, simulation, smt):
    said = smt("why", *words)
    assert said.status == status
    assert sentence in said.err


def package(folder: Path, version: str, color: str) -> None:
    """Make a package called ``palette`` of that version."""
    source = folder / f"palette-{version}-source"
    (source / "palette").mkdir(parents=True)
    (source / "palette" / "__init__.py").write_text(f"COLOR = {color!r}\n")
    (source / "pyproject.toml").write_text(
        f'[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        f'[project]\nname = "palette"\nversion = "{version}"\n[tool.setuptools]\npackages = ["palette"]\n'
    )
    words = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, source]
    subprocess.run(words, check=True, cwd=folder)


def test_a_changed_package_that_alters_a_figure_is_found(simulation, smt, tmp_path):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for version, color in (("1.0", "red"), ("1.1", "blue")):
        package(wheels, version, color)
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = str(environment / "bin" / "python")
    pip = [python, "-m", "pip", "install", "-q", "--no-index", "--find-links", str(wheels)]
    Path("figure.py").write_text(
        "import palette\nopen('figure.svg', 'w').write(f'<svg fill=\"{palette.COLOR}\"/>')\n"
    )
    subprocess.run([*pip, "palette==1.0"], check=True)
    assert smt("run", "-l", "then", "--", python, "figure.py").status == 0
    subprocess.run([*pip, "palette==1.1"], check=True)
    Path("figure.py").write_text(Path("figure.py").read_text() + "# the end\n")
    harmless()
    assert smt("run", "-l", "now", "--", python, "figure.py", **HARMLESS).status == 0
    said = smt("why", "then", "now", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels))
    assert said.status == 0, said.out + said.err
    assert said.out.splitlines()[1] == "  package palette: 1.0 -> 1.1"
    assert os.path.getsize("figure.svg") > 0


def simulates(group: int) -> bool:
    """Tell whether the simulation runs in that group of processes."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if words[1:2] == [b"sim.py"] and int(fields[2]) == group:
            return True
    return False


def test_ctrl_c_ends_the_search_and_it_can_go_on(simulation, smt):
    Path("sim.py").write_text(
        SIMULATION.replace("THREADS_EFFECT", "0")
        + "import pathlib, time\nif pathlib.Path('WHERE').exists(): time.sleep(60)\n".replace(
            "WHERE", str(simulation.parent / "where")
        )
    )
    words = [sys.executable, "sim.py", "settings.json"]
    assert smt("run", "-l", "one", "--", *words).status == 0
    Path("values.txt").write_text("1 2 4\n")
    assert smt("run", "-l", "two", "--", *words).status == 0
    where = simulation.parent / "where"
    where.mkdir()
    command = [Path(sys.executable).parent / "smt", "why", "one", "two"]
    search = subprocess.Popen(
        command, start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 60
    while not simulates(search.pid):
        assert time.monotonic() < end and search.poll() is None
        time.sleep(0.05)
    time.sleep(0.5)
    os.killpg(search.pid, signal.SIGINT)
    _, said = search.communicate(timeout=30)
    assert search.returncode == 130
    assert "interrupted; to go on: smt why one two" in said
    where.rmdir()
    assert causes(smt("why", "one", "two", "--json")) == [("input", "values.txt")]
    assert not list(simulation.glob(".smt/why/*/work/*"))


def test_outputs_in_a_folder_of_each_run_are_told_by_their_place_in_it(simulation, smt):
    Path("sim.py").write_text(
        "import os, sys\nos.makedirs('Data/' + sys.argv[1], exist_ok=True)\n"
        "open('Data/' + sys.argv[1] + '/out', 'w').write(open('values.txt').read())\n"
    )
    smt("configure", "--addlabel=cmdline")
    for label in ("one", "two"):
        assert smt("run", "-l", label, "--", sys.executable, "sim.py").status == 0
        Path("values.txt").write_text("1 2 4\n")
        Path("scale.txt").write_text("3.0\n")
    assert causes(smt("why", "one", "two", "--json")) == [("input", "values.txt")]
    assert smt("repeat", "two").out == "The simulation results match.\n"


def test_what_was_the_same_in_both_runs_is_as_it_was_then(simulation, smt):
    """A variable that both had, and values that were given on both command lines."""
    Path("sim.py").write_text(SIMULATION.replace("THREADS_EFFECT", "threads"))
    words = [sys.executable, "sim.py", "settings.json", "offset=7.5"]
    for label in ("one", "two"):
        assert smt("run", "-l", label, *words, OMP_NUM_THREADS="4").status == 0
        Path("values.txt").write_text("1 2 4\n")
    said = smt("why", "one", "two", "--json")
    assert causes(said) == [("input", "values.txt")]
    assert Path("Data/total.txt").read_text() == "25.5\n"


def test_where_nobody_looked_at_results_nothing_is_called_the_same(simulation, smt):
    smt("configure", "--trace=none")
    bad(smt)
    said = smt("why", "good", "bad")
    assert (said.status, "nobody looked at what bad wrote" in said.err) == (3, True)


def test_a_cause_that_is_found_when_the_budget_ends_is_told(simulation, smt):
    Path("values.txt").write_text("1 2 4\n")
    bad(smt)
    said = smt("why", "good", "bad", "--most", "3")
    assert said.status == 0
    assert "was not tried any more: the budget is used up" in said.out
    assert "comes out like good" in smt("why", "good", "bad").out


def test_a_test_that_cannot_be_run_judges_nothing(simulation, smt):
    Path("values.txt").write_text("1 2 4\n")
    bad(smt)
    said = smt("why", "good", "bad", "--test", "./nosuch.sh")
    assert said.status == 3
    assert "./nosuch.sh, which is to judge, can't be run" in said.err


def test_other_differences_are_another_question(simulation, smt):
    """What was tried while a name was left out says nothing about trials that swap it."""
    Path("values.txt").write_text("1 2 4\n")
    Path("scale.txt").write_text("2.00\n")
    bad(smt)
    assert smt("why", "good", "bad", "-i", "values.txt").status == 1
    assert causes(smt("why", "good", "bad", "--json")) == [("input", "values.txt")]


#: Writes a number, and a picture that holds the time of drawing.
DRAWING = """\
import pathlib, time
value = float(open("values.txt").read().split()[0]) * float(open("scale.txt").read())
pathlib.Path("Data").mkdir(exist_ok=True)
date = f"<dc:date>2026-01-01T00:00:00.{time.time_ns()}</dc:date>"
picture = f'<svg xmlns="http://www.w3.org/2000/svg"><metadata>{date}</metadata><rect width="{value}"/></svg>'
pathlib.Path("Data/figure.svg").write_text(picture)
NUMBER
"""


@pytest.mark.parametrize("number", ["pathlib.Path('Data/number').write_text(str(value))", ""])
def test_pictures_that_hold_the_time_do_not_hide_the_cause_when_they_were_overwritten(simulation, smt, number):
    Path("draw.py").write_text(DRAWING.replace("NUMBER", number))
    for label in ("one", "two", "three"):  # each writes over what the one before has written
        assert smt("run", "-l", label, "--", sys.executable, "draw.py").status == 0
        if label == "one":
            harmless()
            Path("values.txt").write_text("4 2 4\n")
    assert causes(smt("why", "one", "two", "--json")) == [("input", "values.txt")]
    same = smt("why", "two", "three", "--json")
    assert json.loads(same.out)["outcome"] == "nothing differs"


def test_a_test_that_finds_the_first_run_bad_is_told_and_no_other_reason(simulation, smt):
    Path("values.txt").write_text("1 2 4\n")
    bad(smt)
    said = smt("why", "good", "bad", "--test", "false")
    assert said.status == 1
    assert said.out.startswith("The test finds good bad, too, when it is run again")


def test_a_name_that_is_to_be_left_out_and_is_none_is_told(simulation, smt):
    Path("values.txt").write_text("1 2 4\n")
    bad(smt)
    said = smt("why", "good", "bad", "--dry-run", "-i", "values")
    assert "nothing that could be swapped is called 'values'" in said.err
    said = smt("why", "good", "bad", "--dry-run", "-i", "values.txt")
    assert (said.err, "values.txt" in said.out) == ("", False)


def test_a_picture_that_is_the_same_but_for_the_time_is_not_said_to_vary(simulation, smt):
    Path("draw.py").write_text(
        DRAWING.replace('width="{value}"', "").replace("NUMBER", "pathlib.Path('Data/number').write_text(str(value))")
    )
    for label in ("one", "two"):
        assert smt("run", "-l", label, "--", sys.executable, "draw.py").status == 0
        Path("values.txt").write_text("4 2 4\n")
    said = smt("why", "one", "two")
    assert (said.status, "Varies by itself" in said.out) == (0, False)


def test_a_run_that_comes_out_otherwise_for_good_is_not_explained_by_what_varies(simulation, smt, tmp_path):
    """The picture varies by itself, the number is another than then, and the reason isn't on record."""
    Path("draw.py").write_text(DRAWING.replace(
        "NUMBER", f"pathlib.Path('Data/number').write_text(str(pathlib.Path({str(tmp_path)!r}, 'x').exists()))"
    ))
    for label in ("one", "two", "three"):
        assert smt("run", "-l", label, "--", sys.executable, "draw.py").status == 0
        Path("values.txt").write_text(f"4 {label}\n")
        if label == "one":
            (tmp_path / "x").write_text("")
    said = smt("why", "one", "two", "--json")
    assert json.loads(said.out)["outcome"] == "first differs"


def test_an_input_that_cannot_be_swapped_is_not_said_to_be_the_same_in_both_runs(simulation, smt, tmp_path):
    """It is outside of the code, was overwritten, and wasn't kept."""
    (tmp_path / "far.txt").write_text("1 " * 600_000)
    Path("sim.py").write_text(Path("sim.py").read_text().replace("values.txt", str(tmp_path / "far.txt")))
    for label in ("one", "two", "three"):
        assert smt("run", "-l", label, "--", sys.executable, "sim.py", "settings.json").status == 0
        if label == "one":
            (tmp_path / "far.txt").write_text("2 3\n")
    said = smt("why", "one", "two")
    assert "far.txt" in said.err and "the same in both runs" not in said.err
