"""A repetition writes nothing over the user's files, wherever its program writes, and leaves nothing behind."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from sumatra.runs.apart import View, obstacle, place_of, remove

MATCH = "The simulation results match."
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def record(smt, label):
    return json.loads(smt("view", "--json", label).out)


def mounts():
    with open("/proc/self/mountinfo") as file:
        return file.read()


@pytest.fixture
def far(tmp_path):
    """A folder of results outside the project."""
    folder = tmp_path / "far away, and: odd\\name"
    folder.mkdir()
    return folder


@pytest.fixture
def writer(project, far):
    """A program that writes by absolute names, inside the project and outside; how often, *n* tells."""
    (project / "n").write_text("1")
    (project / "write.py").write_text(
        "n = open('n').read()\n"
        f"for path in ({str(project / 'Data' / 'inside')!r}, {str(far / 'outside')!r}):\n"
        "    open(path, 'a').write(n)\n"
    )
    return project


def test_absolute_names_inside_and_outside_the_project_reach_nothing_of_the_user_s(writer, far, smt, view):
    smt("run", "-l", "first", "--", "python", "write.py")
    (writer / "Data" / "inside").write_text("mine")
    (far / "outside").write_text("mine, too")
    before = mounts()
    said = smt("repeat", "first", "--label", "second")
    assert (said.status, said.out) == (0, f"{MATCH}\n"), said.err
    assert said.err == ""
    assert (writer / "Data" / "inside").read_text() == "mine"
    assert (far / "outside").read_text() == "mine, too"
    one, other = record(smt, "first"), record(smt, "second")
    assert {key["path"] for key in other["output_data"]} == {"inside", str(far / "outside")}
    assert other["observation"]["method"] == one["observation"]["method"] == "notify"
    assert other["working_directory"] == one["working_directory"]
    assert os.listdir(writer / ".smt" / "work") == []
    assert mounts() == before


def test_results_outside_the_project_are_kept_under_their_whole_names(writer, far, smt, view):
    code = f"import time; open({str(far / 'x')!r}, 'w').write(str(time.time()))"
    smt("run", "-l", "first", "--", "python", "-c", code)
    said = smt("repeat", "first", "--label", "second")
    assert said.status == 1
    kept = writer / ".smt" / "work" / "second" / ".outside" / str(far / "x")[1:]
    assert kept.read_text() > (far / "x").read_text()
    assert os.listdir(writer / ".smt" / "work") == ["second"]


def test_what_a_repetition_changes_or_removes_by_the_way_comes_back(writer, far, smt, view):
    code = (
        f"import os, sys\nfar = {str(far)!r}\n"
        "open('Data/out', 'w').write('1')\n"
        "for name in os.listdir(far):\n    os.unlink(os.path.join(far, name))\n"
        "os.mkdir(far + '/new')\nopen(far + '/new/file', 'w')\n"
    )
    (writer / "tidy.py").write_text(code)
    smt("run", "-l", "first", "--", "python", "tidy.py")
    os.unlink(far / "new" / "file")
    os.rmdir(far / "new")
    (far / "precious").write_text("results of years")
    smt("repeat", "first")
    assert [path.name for path in far.iterdir()] == ["precious"]


def test_where_no_view_is_allowed_what_would_be_overwritten_is_refused(writer, far, smt, smt_without_view):
    smt("run", "-l", "first", "--", "python", "write.py")
    said = smt_without_view("repeat", "first")
    assert said.status == 3
    assert f"first can't be repeated without overwriting {far / 'outside'}" in said.err
    assert "this system allows no view of its own" in said.err
    assert (far / "outside").read_text() == "1"
    assert len(json.loads(smt("list", "--json").out)) == 1
    (far / "outside").unlink()
    (far / "outside").write_text("0")
    said = smt_without_view("repeat", "first", "--in-place")
    assert f"it may overwrite {far / 'outside'}" in said.err
    assert f"{far / 'outside'} isn't what it was before: the repetition may have written it" in said.err


def test_a_command_that_names_the_project_s_folder_is_refused_as_well(project, smt, smt_without_view):
    smt("run", "-l", "first", "--", "sh", "-c", f"echo 1 > {project}/Data/out")
    said = smt_without_view("repeat", "first")
    assert said.status == 3
    assert "its command or parameters name it" in said.err


def test_where_no_view_is_allowed_other_runs_are_repeated_in_a_folder(project, smt, smt_without_view):
    smt("run", "-l", "first", "--", "python", "main.py", "default.param")
    said = smt_without_view("repeat", "first")
    assert said.out.splitlines()[-1] == MATCH
    assert "what the program writes by absolute paths isn't kept apart" in said.err
    assert os.listdir(project / ".smt" / "work") == []


def test_trying_out_whether_there_can_be_a_view_leaves_no_trace(tmp_path):
    before = mounts(), os.listdir(tmp_path)
    obstacle(str(tmp_path / "probe"), str(tmp_path))
    assert (mounts(), os.listdir(tmp_path)) == before


def test_a_store_that_lies_elsewhere_gets_the_record(repository, tmp_path, smt, view):
    store = tmp_path / "records.sqlite"
    smt("init", "Elsewhere", f"--store={store}")
    smt("run", "-l", "first", "--", "python", "main.py", "default.param")
    assert smt("repeat", "first", "--label", "second").status == 0
    assert {each["label"] for each in json.loads(smt("list", "--json").out)} == {"first", "second"}
    assert store.exists()


SLEEPER = "import time\nopen('Data/begun', 'w').write('1')\nfor _ in range({}):\n    time.sleep(0.1)\n"


@pytest.fixture
def long_run(project, smt):
    """A run that was short, and will be long the next time."""
    (project / "wait.py").write_text(SLEEPER.format("int(open('rounds').read())"))
    (project / "rounds").write_text("600")
    (project / ".gitignore").write_text("Data/\n.smt/\nrounds\n")
    (project / "rounds").write_text("1")
    smt("run", "-l", "first", "--", "python", "wait.py")
    (project / "rounds").write_text("600")
    return project


def begin(project, *words):
    """Start a repetition in a process group of its own, and return it when its program runs."""
    started = subprocess.Popen(
        [sys.executable, os.path.join(ROOT, "bin", "smt"), "repeat", "first", *words], start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    end = time.monotonic() + 30
    while time.monotonic() < end:
        begun = (project / ".smt" / "work").glob("apart-*/tree/Data/begun")
        if any(path.is_file() for path in begun):  # where a view notes that a file was removed, there is something else
            return started
        time.sleep(0.02)
    started.kill()
    raise AssertionError(started.communicate())


def is_gone(folder):
    """Tell whether no process is left that works in *folder*, after some time."""
    end = time.monotonic() + 10
    while str(folder) in "".join(folders_of_processes()):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def folders_of_processes():
    for pid in os.listdir("/proc"):
        if pid.isdigit() and int(pid) != os.getpid():
            try:
                yield os.readlink(f"/proc/{pid}/cwd")
            except OSError:
                pass


@pytest.mark.parametrize("to_all", [True, False], ids=["by the terminal", "to smt alone"])
def test_an_interrupted_repetition_keeps_its_record_and_nothing_else(long_run, smt, to_all):
    started = begin(long_run, "--times", "3")
    (os.killpg if to_all else os.kill)(started.pid, signal.SIGINT)
    out, err = started.communicate(timeout=30)
    assert started.returncode == 130, err
    assert "The repetition was interrupted." in out
    labels = [each["label"] for each in json.loads(smt("list", "--json").out)]
    assert len(labels) == 2
    (second,) = (record(smt, label) for label in labels if label != "first")
    assert (second["status"], second["signal"], second["repeats"]) == ("killed", "SIGINT", "first")
    assert is_gone(long_run)
    assert os.listdir(long_run / ".smt" / "work") == [second["label"]]


def test_killing_everything_leaves_no_process_and_no_mount_and_the_next_command_cleans_up(long_run, smt):
    before = mounts()
    started = begin(long_run, "--label", "second")
    os.killpg(started.pid, signal.SIGKILL)
    started.communicate(timeout=30)
    assert is_gone(long_run)
    assert mounts() == before
    assert record(smt, "second")["status"] == "crashed"
    (long_run / "rounds").write_text("1")
    assert smt("repeat", "first").status == 0
    assert os.listdir(long_run / ".smt" / "work") == []


def test_outputs_of_a_killed_repetition_are_its_own_and_not_those_of_the_user(long_run, smt, far, view):
    code = (long_run / "wait.py").read_text()
    (long_run / "wait.py").write_text(f"open({str(far / 'x')!r}, 'w').write('1')\n{code}")
    (long_run / "rounds").write_text("1")
    smt("delete", "first")
    smt("run", "-l", "first", "--", "python", "wait.py")
    (long_run / "rounds").write_text("600")
    for path in (long_run / "Data" / "begun", far / "x"):
        path.write_text("mine")
    started = begin(long_run, "--label", "second")
    time.sleep(0.3)
    os.killpg(started.pid, signal.SIGKILL)
    started.communicate(timeout=30)
    assert is_gone(long_run)
    first, second = record(smt, "first"), record(smt, "second")
    outputs = [{key["path"]: key["digest"] for key in each["output_data"]} for each in (first, second)]
    assert len(outputs[0]) == 2
    assert outputs[1] == outputs[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="who isn't root has done that in all other tests")
def test_who_isn_t_root_gets_a_view_as_well_and_is_observed_in_it(view):
    """In folders of root's, too, if they are wanted; all that is left can be removed."""
    import sumatra.capture.accesses
    import sumatra.capture.notify
    import sumatra.capture.unaided
    from sumatra.capture.observation import begin as observe

    loaded = sumatra.capture.accesses, sumatra.capture.notify, sumatra.capture.unaided, ctypes
    assert all(loaded)  # before we are somebody who may not look where Python lies
    with tempfile.TemporaryDirectory(dir="/var/tmp") as base:
        for name, owner in (("root's", 0), ("user's", 12345), ("view", 12345)):
            os.mkdir(os.path.join(base, name))
            os.chmod(os.path.join(base, name), 0o777)
            os.chown(os.path.join(base, name), owner, owner)
        os.chmod(base, 0o755)
        folder = os.path.join(base, "view")
        pid = os.fork()
        if not pid:
            try:
                os.setgroups([])
                os.setgid(12345)
                os.setuid(12345)
                ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE: as after starting a program
                os.chdir(os.path.join(base, "user's"))
                View(folder, wanted=[os.path.join(base, "root's")]).enter()
                observer = observe(os.path.join(folder, "log"), "notify")
                script = "echo 1 > here && echo 2 > ../root\\'s/there && test $(id -u) = 12345 && ! echo 3 > /etc/not"
                program = observer.spawn("/bin/sh", ["sh", "-c", script], {"PATH": "/usr/bin:/bin"}, {}, ())
                status = os.waitpid(program, 0)[1]
                written = {os.path.basename(file.path) for file in observer.finish().files if file.created}
                os._exit(status or (written != {"here", "there"}))
            except BaseException as error:  # noqa: BLE001
                os.write(2, repr(error).encode())
            finally:
                os._exit(77)
        assert os.waitpid(pid, 0)[1] == 0
        assert not os.listdir(os.path.join(base, "user's"))
        assert not os.listdir(os.path.join(base, "root's"))
        with open(place_of(folder, os.path.join(base, "root's", "there"))) as file:
            assert file.read() == "2\n"
        pid = os.fork()
        if not pid:
            os.setuid(12345)
            remove(folder)
            os._exit(len(os.listdir(base)) - 3)  # the folder itself lies in root's
        assert os.waitpid(pid, 0)[1] == 0
        assert os.listdir(folder) == []


def test_a_program_may_do_in_a_view_what_it_may_do_otherwise(tmp_path, view):
    """Sockets, links, renaming of folders, sparse and large files, time stamps, locks."""
    folder, user = tmp_path / "view", tmp_path / "user"
    for path in (folder, user, user / "old"):
        path.mkdir()
    (user / "old" / "file").write_text("content")
    program = f"""
import fcntl, os, socket, sys
os.chdir({str(user)!r})
os.rename('old/file', 'old/other'); os.symlink('other', 'old/link'); os.link('old/other', 'old/hard')
os.utime('old/other', (1, 1)); os.chmod('old/other', 0o600); os.truncate('old/other', 1 << 20)
with open('lock', 'w') as file: fcntl.flock(file, fcntl.LOCK_EX)
server = socket.socket(socket.AF_UNIX); server.bind('socket'); server.listen()
socket.socket(socket.AF_UNIX).connect('socket')
import shutil; shutil.move('old', 'new')
open('/dev/null', 'w').write('x'); open('/proc/self/comm').read()
assert sorted(os.listdir('new')) == ['hard', 'link', 'other'] and not os.path.exists('old')
"""
    pid = os.fork()
    if not pid:
        try:
            View(str(folder), wanted=[str(user)]).enter()
            os._exit(subprocess.call([sys.executable, "-c", program]))
        finally:
            os._exit(77)
    assert os.waitpid(pid, 0)[1] == 0
    assert [path.name for path in user.iterdir()] == ["old"]
    assert (user / "old" / "file").read_text() == "content"
    place = place_of(str(folder), str(user / "new" / "other"))
    assert os.path.getsize(place) == 1 << 20
    assert place_of(str(folder), str(user / "nothing")) is None
    remove(str(folder))
    assert not folder.exists()
