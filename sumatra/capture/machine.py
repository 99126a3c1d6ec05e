"""This machine, its user, and its processes: read from the kernel's own files, in about a millisecond."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from sumatra.records import Platform, Process

__all__ = ["boot_id", "identify", "is_alive", "platform", "process_start", "user"]

_T = TypeVar("_T")

#: Inode of the process-number name space that a machine starts with (the kernel's PROC_PID_INIT_INO).
_FIRST_NAMESPACE = 0xEFFFFFFC

#: Names that many machines have at once, so that they tell nothing.
_ANONYMOUS = frozenset({"", "localhost", "localhost.localdomain", "(none)"})


def platform() -> Platform:
    """Return this machine; what it doesn't tell is left empty.

    ``memory`` is in bytes and, like ``cores``, what the machine has rather than what this process may use.  ``ip_addr``
    is the address that the default route leaves from, as the kernel's tables have it.
    """
    system = _fact(os.uname, os.uname_result(("", "", "", "", "")))
    return Platform(
        system_name=system.sysname,
        network_name=system.nodename,
        release=system.release,
        version=system.version,
        machine=system.machine,
        processor=_fact(_processor, ""),
        architecture_bits=_fact(lambda: f"{os.sysconf('SC_LONG_BIT')}bit", ""),
        architecture_linkage=_fact(_linkage, ""),
        ip_addr=_fact(_address, ""),
        distribution=_fact(_distribution, ""),
        cores=_fact(os.cpu_count, None),
        memory=_fact(_memory, None),
        processor_flags=_fact(_processor_flags, ""),
        accelerators=_fact(_accelerators, ()),
    )


def user(environ: Mapping[str, str]) -> str:
    """Return who runs this: the full name that the account has, or else the login name."""
    account = _fact(_account, ("", ""))
    login = account[0] or environ.get("LOGNAME") or environ.get("USER") or str(os.getuid())
    return account[1].replace("&", login.capitalize()) or login


def boot_id() -> str:
    """Return a text that is the same until this machine is started again; empty where the system has none.

    A container that numbers its processes for itself gets a text of its own.
    """
    boot = _fact(lambda: _beginning("/proc/sys/kernel/random/boot_id", 64).decode("ascii").strip(), "")
    namespace = _fact(lambda: os.stat("/proc/self/ns/pid").st_ino, _FIRST_NAMESPACE)
    return boot if not boot or namespace == _FIRST_NAMESPACE else f"{boot}/{namespace}"


def process_start(pid: int) -> int | None:
    """Return when the process *pid* began, in clock ticks after the machine did; None if there is no such process.

    Also None where the system doesn't tell (no ``/proc``, or one that hides other users' processes).
    """
    state = _state(pid)
    return state[1] if state else None


def identify(pid: int) -> Process:
    """Return how to tell later whether the process *pid* is still going on; ``started`` is 0 where unknown."""
    return Process(pid=pid, started=process_start(pid) or 0, boot=boot_id(), host=os.uname().nodename)


def is_alive(process: Process) -> bool | None:
    """Tell whether *process* is still going on; None if that can't be told from here.

    It can't for other machines and other containers.  A process that has ended and that its parent hasn't asked
    about yet (a zombie) is not alive.
    """
    here = boot_id()
    if process.boot != here:
        return False if _has_been_restarted(process, here) else None
    if not here and process.host != os.uname().nodename:
        return None
    state = _state(process.pid)
    if state:
        if state[0] in "ZXx" or (process.started and state[1] != process.started):
            return False
        return True if process.started else None
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return None


def _has_been_restarted(process: Process, here: str) -> bool:
    boot, _, namespace = process.boot.partition("/")
    same_boot = boot == here.partition("/")[0]
    host = os.uname().nodename
    # A container is a host of its own whose name says little: only what ran on the bare machine is surely gone.
    bare = bool(boot and here) and not namespace and "/" not in here
    return bare and not same_boot and process.host == host and host not in _ANONYMOUS


def _state(pid: int) -> tuple[str, int] | None:
    """Return the one-letter state and the start of a process (fields 3 and 22 of ``/proc/PID/stat``)."""
    try:
        fields = _beginning(f"/proc/{pid:d}/stat", 4096).rpartition(b")")[2].split()
        return fields[0].decode("ascii"), int(fields[19])
    except (OSError, ValueError, IndexError):
        return None


def _fact(find: Callable[[], _T], unknown: _T) -> _T:
    try:
        return find()
    except (OSError, ValueError, LookupError, AttributeError):
        return unknown


def _beginning(path: str, size: int) -> bytes:
    """Return up to *size* bytes: the kernel makes these files up as they are read, for each core anew."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, size)
    finally:
        os.close(descriptor)


def _lines(path: str, size: int) -> Iterator[str]:
    return iter(_beginning(path, size).decode("utf-8", "replace").splitlines())


def _processor() -> str:
    found: dict[str, str] = {}
    for line in _lines("/proc/cpuinfo", 4096):
        name, _, value = line.partition(":")
        found.setdefault(name.strip(), value.strip())
    # x86 and many ARM kernels; older ARM; POWER; RISC-V; s390.  Bare ARM servers tell numbers only.
    names = ("model name", "Processor", "cpu", "uarch", "processor 0")
    return next((found[name] for name in names if found.get(name)), "")


def _processor_flags(path: str = "/proc/cpuinfo") -> str:
    for line in _lines(path, 8192):
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features", "isa"):  # x86; ARM; RISC-V
            return value.strip()
    return ""


def _accelerators(root: str = "/") -> tuple[str, ...]:
    """Return the graphics processors, each with its driver, as the kernel's files tell them."""
    found = []
    nvidia = os.path.join(root, "proc/driver/nvidia")
    if os.path.isdir(nvidia):
        version = next(_lines(os.path.join(nvidia, "version"), 4096), "")
        words = version.partition("Kernel Module")[2].split()
        driver = next((word for word in words if word[:1].isdigit()), "")
        for name in sorted(os.listdir(os.path.join(nvidia, "gpus"))):
            path = os.path.join(nvidia, "gpus", name, "information")
            about = dict(line.partition(":")[::2] for line in _lines(path, 4096))
            found.append(f"{about.get('Model', 'NVIDIA').strip()}, driver {driver or 'unknown'}")
    cards = os.path.join(root, "sys/class/drm")
    for name in sorted(os.listdir(cards)) if os.path.isdir(cards) else []:
        device = os.path.join(cards, name, "device")
        maker = {"0x1002": "AMD", "0x8086": "Intel"}.get(_word(device, "vendor"))
        if maker and name.removeprefix("card").isdigit():
            driver = os.path.basename(os.path.realpath(os.path.join(device, "driver")))
            found.append(f"{maker} {_word(device, 'device')}, driver {driver}")
    return tuple(found)


def _word(folder: str, name: str) -> str:
    return _fact(lambda: _beginning(os.path.join(folder, name), 64).decode("ascii", "replace").strip(), "")


def _linkage() -> str:
    return "ELF" if _beginning(sys.executable, 4) == b"\x7fELF" else ""


def _memory() -> int:
    for line in _lines("/proc/meminfo", 4096):
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _distribution() -> str:
    path = "/etc/os-release" if os.path.exists("/etc/os-release") else "/usr/lib/os-release"
    found = dict(_settings(path))
    return found.get("PRETTY_NAME") or f"{found.get('NAME', '')} {found.get('VERSION', '')}".strip()


def _settings(path: str) -> Iterator[tuple[str, str]]:
    for line in _lines(path, 65536):
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            if value[:1] in {'"', "'"} and value[-1:] == value[:1]:
                value = value[1:-1]
            for character in '"$`\\':
                value = value.replace("\\" + character, character)
            yield name, value


def _account() -> tuple[str, str]:
    """Return login name and full name of the user that we run as."""
    import pwd

    account = pwd.getpwuid(os.getuid())
    return account.pw_name, account.pw_gecos.partition(",")[0].strip()


def _address() -> str:
    """Return our own address in the network that the default route leads to."""
    networks: dict[str, tuple[int, int]] = {}
    gateways = []
    for line in list(_lines("/proc/net/route", 16384))[1:]:
        interface, destination, _, flags, _, _, metric, mask = line.split()[:8]
        if int(flags, 16) & 1 and int(destination, 16) == 0 == int(mask, 16):
            gateways.append((int(metric), interface))
        elif int(flags, 16) & 1:
            networks.setdefault(interface, (_swapped(destination), _swapped(mask)))
    network, mask_bits = networks[min(gateways)[1]]
    return next((address for address in _local_addresses() if _number(address) & mask_bits == network), "")


def _local_addresses() -> Iterator[str]:
    leaf = ""
    for line in _lines("/proc/net/fib_trie", 65536):
        words = line.split()
        if words[:1] == ["|--"]:
            leaf = words[1]
        elif words == ["/32", "host", "LOCAL"] and not leaf.startswith("127."):
            yield leaf


def _swapped(hexadecimal: str) -> int:
    """Return the number that the kernel printed in its own order of bytes, in that of networks."""
    return int.from_bytes(int(hexadecimal, 16).to_bytes(4, sys.byteorder), "big")


def _number(address: str) -> int:
    return int.from_bytes(bytes(int(part) for part in address.split(".")), "big")
