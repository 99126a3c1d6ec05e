"""Limits of the process that reads files of strangers: memory, time, no file written, no program, no network."""

import os
import resource
import signal
import struct
from contextlib import suppress
from typing import NamedTuple

__all__ = ["MEMORY", "allow_time", "confine"]

#: Address space (bytes): libraries take a part of it, and a file that needs more isn't compared.
MEMORY = 4_000_000_000

_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050001  # the call fails with EPERM
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16
_NO_NEW_PRIVILEGES, _SET_FILTER, _FILTER = 38, 22, 2  # prctl
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class _Calls(NamedTuple):
    """Numbers of system calls on one kind of machine."""

    audit: int  #: the kind, as the kernel tells it
    opening: dict[int, int]  #: those that open files, with the place of their flags
    refused: tuple[int, ...]


#: socket, connect, bind, sendto, execve, execveat, openat2, creat, truncate, unlink, rename, mkdir, rmdir, link,
#: symlink, mknod, chmod, chown, kill, ptrace, process_vm_writev, mount, io_uring_setup, bpf and their kin.
_KNOWN = {
    "x86_64": _Calls(0xC000003E, {2: 1, 257: 2}, (
        41, 42, 49, 44, 59, 322, 437, 85, 76, 87, 263, 82, 264, 316, 83, 258, 84, 86, 265, 88, 266, 133, 259, 90, 268,
        92, 94, 260, 62, 101, 311, 165, 425, 321,
    )),
    "aarch64": _Calls(0xC00000B7, {56: 2}, (
        198, 203, 200, 206, 221, 281, 437, 45, 35, 38, 276, 34, 37, 36, 33, 53, 54, 129, 117, 271, 40, 425, 280,
    )),
}  # fmt: skip


def confine() -> None:
    """Take away what reading files doesn't need; what can't be taken away here stays."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        with suppress(OSError, ValueError):
            resource.setrlimit(what, (most, most))
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    calls = _KNOWN.get(os.uname().machine)
    if calls is not None:
        with suppress(OSError, AttributeError, ImportError):
            _filter(calls)


def _filter(calls: _Calls) -> None:
    """Have the kernel refuse what writes files, starts programs, or reaches other processes and machines."""
    import ctypes

    steps = _steps(calls)
    program = ctypes.create_string_buffer(steps, len(steps))
    head = struct.pack("HxxxxxxP", len(steps) // 8, ctypes.addressof(program))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    libc.prctl(_SET_FILTER, _FILTER, ctypes.create_string_buffer(head, len(head)), 0, 0)


def _steps(calls: _Calls) -> bytes:
    """Return the filter as the kernel wants it; the two last steps allow and refuse a call."""
    tests: list[tuple[int, int, str, str]] = [
        (_LOAD, _MACHINE, "", ""), (_EQUAL, calls.audit, "", "refuse"), (_LOAD, _NUMBER, "", ""),
        *((_EQUAL, number, "refuse", "") for number in calls.refused),
    ]
    for number, place in calls.opening.items():
        tests += [
            (_EQUAL, number, "", "2"), (_LOAD, _ARGUMENTS + 8 * place, "", ""), (_ANY_BIT, _WRITING, "refuse", "allow"),
        ]
    ends = {"allow": len(tests), "refuse": len(tests) + 1}
    packed = []
    for here, (operation, operand, yes, no) in enumerate(tests):
        jumps = [ends[to] - here - 1 if to in ends else int(to or 0) for to in (yes, no)]
        packed.append(struct.pack("=HBBI", operation, *jumps, operand))
    packed += [struct.pack("=HBBI", _RETURN, 0, 0, how) for how in (_ALLOW, _REFUSE)]
    return b"".join(packed)


def allow_time(seconds: float) -> None:
    """Let the process use so much more processor time; it is killed after that."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    with suppress(OSError, ValueError):
        most = int(used.ru_utime + used.ru_stime + seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))
