"""Facts about the machine, the user and processes."""

import os
import pwd
import re
import subprocess
import sys

import pytest

import sumatra.capture
from sumatra import capture
from sumatra.capture import machine
from sumatra.facts import replace

CHILD = "import sys; sys.stdin.read()"


@pytest.fixture
def child():
    """A process that lives until the test ends."""
    process = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE)
    yield process
    process.communicate()


def told(words):
    """What another program says."""
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def test_the_machine_is_what_other_programs_say_it_is():
    platform = capture.platform()
    assert platform.system_name == told(["uname", "-s"])
    assert platform.network_name == told(["uname", "-n"])
    assert platform.release == told(["uname", "-r"])
    assert platform.version == told(["uname", "-v"])
    assert platform.machine == told(["uname", "-m"])
    assert platform.architecture_bits == told(["getconf", "LONG_BIT"]) + "bit"
    assert platform.cores == int(told(["getconf", "_NPROCESSORS_ONLN"]))


@pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")
def test_memory_and_distribution_are_known_on_linux():
    platform = capture.platform()
    pages = int(told(["getconf", "_PHYS_PAGES"])) * int(told(["getconf", "PAGE_SIZE"]))
    assert abs(platform.memory - pages) < 0.01 * pages
    assert platform.architecture_linkage == "ELF"
    if os.path.exists("/etc/os-release"):
        assert platform.distribution == told(["sh", "-c", ". /etc/os-release; echo $PRETTY_NAME"])


@pytest.mark.needs("ip")
def test_the_address_is_one_of_ours_and_not_the_loopback():
    address = capture.platform().ip_addr
    if address:
        assert f"inet {address}/" in told(["ip", "-4", "addr"])
        assert not address.startswith("127.")


def with_files(monkeypatch, contents):
    """Let the kernel's files hold *contents*; those that aren't named can't be read."""
    def beginning(path, size):
        if path not in contents:
            raise FileNotFoundError(path)
        return contents[path][:size]

    monkeypatch.setattr(machine, "_beginning", beginning)


def test_a_fact_that_is_not_known_costs_no_other(monkeypatch):
    known = capture.platform()
    with_files(monkeypatch, {})
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    blank = capture.platform()
    assert blank == replace(
        known, processor="", architecture_linkage="", ip_addr="", distribution="", cores=None, memory=blank.memory,
        processor_flags="", accelerators=blank.accelerators,
    )
    monkeypatch.setattr(os, "sysconf", lambda name: 1 / 0 if name == "never" else int("no number"))
    assert capture.platform().memory is None
    assert capture.platform().architecture_bits == ""


@pytest.mark.parametrize(("text", "processor"), [
    ("processor\t: 0\nmodel name\t: Intel(R) Xeon(R) @ 2.50GHz\n\nprocessor\t: 1\nmodel name\t: other\n",
     "Intel(R) Xeon(R) @ 2.50GHz"),
    ("processor\t: 0\ncpu\t\t: POWER9, altivec supported\n", "POWER9, altivec supported"),
    ("processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\n", ""),
    ("", ""),
    ("garbage \xff\n:::\n", ""),
])
def test_the_processor_is_found_on_several_architectures(monkeypatch, text, processor):
    with_files(monkeypatch, {"/proc/cpuinfo": text.encode("latin-1")})
    assert capture.platform().processor == processor


@pytest.mark.skipif(not os.path.exists("/etc/os-release"), reason="no /etc/os-release")
@pytest.mark.parametrize(("text", "distribution"), [
    ('NAME="X"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n', "Debian GNU/Linux 12 (bookworm)"),
    ("PRETTY_NAME='Arch Linux'\n", "Arch Linux"),
    ("NAME=Void\nVERSION=1\n", "Void 1"),
    ("# PRETTY_NAME=x\nNAME=Void\n", "Void"),
    (r'PRETTY_NAME="The \"Best\" \$1"', 'The "Best" $1'),
    ("nonsense", ""),
])
def test_the_distribution_is_read_from_its_file(monkeypatch, text, distribution):
    with_files(monkeypatch, {"/etc/os-release": text.encode()})
    assert capture.platform().distribution == distribution


ROUTES = """\
Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
wlan0\t0001A8C0\t00000000\t0001\t0\t0\t600\t00FFFFFF\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
"""

TRIE = """\
Main:
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 172.17.0.1
        /32 host LOCAL
     |-- 192.0.2.0
        /24 link UNICAST
     |-- 192.0.2.17
        /32 host LOCAL
     |-- 192.0.2.255
        /32 link BROADCAST
     |-- 192.168.1.5
        /32 host LOCAL
"""


@pytest.mark.skipif(sys.byteorder != "little", reason="the sample is of a little-endian machine")
def test_the_address_is_that_of_the_best_default_route(monkeypatch):
    with_files(monkeypatch, {"/proc/net/route": ROUTES.encode(), "/proc/net/fib_trie": TRIE.encode()})
    assert capture.platform().ip_addr == "192.0.2.17"
    with_files(monkeypatch, {"/proc/net/route": ROUTES.encode(), "/proc/net/fib_trie": b"nonsense"})
    assert capture.platform().ip_addr == ""
    with_files(monkeypatch, {"/proc/net/route": ROUTES[:75].encode(), "/proc/net/fib_trie": TRIE.encode()})
    assert capture.platform().ip_addr == ""


@pytest.mark.parametrize(("gecos", "name"), [
    ("Ada Example,Room 5,,", "Ada Example"), ("", "ada"), (",,,", "ada"), ("& Example", "Ada Example"),
])
def test_the_user_is_told_by_full_name_or_else_by_login(monkeypatch, gecos, name):
    account = pwd.struct_passwd(("ada", "x", 1000, 1000, gecos, "/home/ada", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwuid", lambda number: account)
    assert capture.user({"USER": "someone else"}) == name


def test_a_user_without_an_account_is_told_by_what_is_left(monkeypatch):
    def unknown(number):
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert capture.user({"LOGNAME": "ada", "USER": "root"}) == "ada"
    assert capture.user({"USER": "ada"}) == "ada"
    assert capture.user({}) == str(os.getuid())


linux = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="no /proc here")


@linux
def test_a_boot_has_a_name_of_its_own():
    assert re.match(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", capture.boot_id())
    assert capture.boot_id() == capture.boot_id()


@linux
def test_a_process_that_lives_is_alive_until_it_ends(child):
    process = capture.identify(child.pid)
    assert process.pid == child.pid
    assert process.started == capture.process_start(child.pid) > 0
    assert capture.is_alive(process) is True
    child.communicate()
    assert capture.process_start(child.pid) is None
    assert capture.is_alive(process) is False


@linux
def test_a_process_that_nobody_has_asked_about_yet_is_not_alive(child):
    process = capture.identify(child.pid)
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert capture.process_start(child.pid) == process.started
    assert capture.is_alive(process) is False


@linux
def test_another_process_with_the_same_number_is_not_taken_for_it(child):
    process = capture.identify(child.pid)
    assert capture.is_alive(replace(process, started=process.started - 1)) is False


@linux
def test_where_the_start_is_not_known_nothing_is_claimed(child):
    assert capture.is_alive(replace(capture.identify(child.pid), started=0)) is None


@linux
def test_a_process_of_before_the_last_start_of_this_machine_is_not_alive(monkeypatch):
    process = capture.identify(os.getpid())
    monkeypatch.setattr(machine, "boot_id", lambda: "00000000-0000-0000-0000-000000000000")
    earlier = replace(process, boot="11111111-1111-1111-1111-111111111111")
    expected = None if process.host in machine._ANONYMOUS else False
    assert capture.is_alive(earlier) is expected


@linux
@pytest.mark.parametrize("changes", [
    {"boot": "11111111-1111-1111-1111-111111111111", "host": "elsewhere"},
    {"boot": "11111111-1111-1111-1111-111111111111/4026532208"},
    {"boot": ""},
])
def test_of_other_machines_and_containers_nothing_is_claimed(changes):
    assert capture.is_alive(replace(capture.identify(os.getpid()), **changes)) is None


@linux
def test_another_container_on_this_machine_is_another_place():
    process = capture.identify(os.getpid())
    assert capture.is_alive(replace(process, boot=process.boot.partition("/")[0] + "/1")) is None


@linux
@pytest.mark.parametrize("name", ["a) R 1 1 (b", "with space", ")))", "new\nline"])
def test_a_process_may_have_any_name(name):
    script = f"import sys; open('/proc/self/comm', 'w').write({name!r}); print(flush=True); sys.stdin.read()"
    child = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdout.readline()
    try:
        assert machine._state(child.pid)[0] in "SR"
        assert capture.process_start(child.pid) >= capture.process_start(os.getpid())
    finally:
        child.communicate()


@pytest.mark.parametrize("pid", [0, -1, 2**40])
def test_a_number_that_no_process_has_has_no_start(pid):
    assert capture.process_start(pid) is None


def test_everything_that_is_promised_is_there():
    for name in capture.__all__:
        assert callable(getattr(capture, name))
    with pytest.raises(AttributeError, match="nonsense"):
        sumatra.capture.nonsense  # noqa: B018


def test_capturing_loads_nothing_slow_and_starts_nothing():
    script = (
        "import sys, os; from sumatra import capture; loaded = set(sys.modules);"
        "assert not loaded & {'sumatra.capture.machine', 'sumatra.records'}, loaded;"
        "sys.addaudithook(lambda event, args: sys.exit(event) if event.startswith(('subprocess', 'socket')) or "
        "event in ('os.posix_spawn', 'os.fork', 'os.system') else None);"
        "capture.platform(); capture.user(os.environ); capture.is_alive(capture.identify(os.getpid()));"
        "capture.mask_words(['python', 'main.py', 'tau=3'], b'k');"
        "capture.environment(dict(PATH='/bin', OMP_NUM_THREADS='2'), b'k');"
        "slow = {'platform', 'socket', 'subprocess', 'logging', 'urllib', 'asyncio', 'hmac', 'json'};"
        "slow &= set(sys.modules);"
        "sys.exit(', '.join(slow) or 0)"
    )
    folder = os.path.dirname(os.path.dirname(sumatra.__file__))
    done = subprocess.run(
        [sys.executable, "-S", "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
