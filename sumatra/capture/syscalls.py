"""The system calls that name files: their numbers on each kind of machine, and where their arguments are.

The numbers are those of the kernel's own headers; they never change once a kernel was released with them.
"""

import os
import struct
from typing import NamedTuple

__all__ = ["CALLS", "FOREIGN", "MACHINES", "SIZES", "Call", "Machine"]

_CREATES = os.O_CREAT | os.O_WRONLY | os.O_TRUNC


class Call(NamedTuple):
    """What one system call does, and which of its six arguments say to what; -1 where it has no such argument."""

    kind: str  #: what is done: ``open``, ``rename`` …
    folder: int = -1  #: descriptor of the folder that the name is relative to; the current folder where there is none
    name: int = -1
    flags: int = -1
    other_folder: int = -1  #: the same for the second name
    other_name: int = -1
    always: int = 0  #: flags that it has without being told


class Machine(NamedTuple):
    """One way of calling the kernel."""

    audit: int  #: what the kernel calls it (``AUDIT_ARCH_…``)
    seccomp: int  #: number of the call that sets filters up
    numbers: dict[str, int]
    width: int = 8  #: bytes of an address


#: What is seen.  Names of calls that a machine doesn't have are passed over.
CALLS = {
    "open": Call("open", name=0, flags=1),
    "openat": Call("open", folder=0, name=1, flags=2),
    "openat2": Call("open2", folder=0, name=1, flags=2),
    "creat": Call("open", name=0, always=_CREATES),
    "truncate": Call("open", name=0, always=os.O_WRONLY | os.O_TRUNC),
    "truncate64": Call("open", name=0, always=os.O_WRONLY | os.O_TRUNC),
    "mknod": Call("mknod", name=0, flags=1),
    "mknodat": Call("mknod", folder=0, name=1, flags=2),
    "rename": Call("rename", name=0, other_name=1),
    "renameat": Call("rename", folder=0, name=1, other_folder=2, other_name=3),
    "renameat2": Call("rename", folder=0, name=1, other_folder=2, other_name=3, flags=4),
    "link": Call("link", name=0, other_name=1),
    "linkat": Call("link", folder=0, name=1, other_folder=2, other_name=3, flags=4),
    "symlink": Call("symlink", name=1, other_name=0),
    "symlinkat": Call("symlink", folder=1, name=2, other_name=0),
    "unlink": Call("unlink", name=0),
    "unlinkat": Call("unlink", folder=0, name=1, flags=2),
    "mkdir": Call("mkdir", name=0),
    "mkdirat": Call("mkdir", folder=0, name=1),
    "execve": Call("execute", name=0, other_name=1),
    "execveat": Call("execute", folder=0, name=1, other_name=2, flags=4),
    "chdir": Call("chdir"),
    "fchdir": Call("chdir"),
    "chroot": Call("view"),
    "pivot_root": Call("view"),
    "mount": Call("view"),
    "move_mount": Call("view"),
    "setns": Call("view"),
    "unshare": Call("view"),
    "open_by_handle_at": Call("handle"),
    "io_uring_setup": Call("uring"),
}

#: The machines that we know, by what `os.uname` calls them.
MACHINES = {
    "x86_64": Machine(0xC000003E, 317, {
        "open": 2, "execve": 59, "truncate": 76, "chdir": 80, "fchdir": 81, "rename": 82, "mkdir": 83,
        "creat": 85, "link": 86, "unlink": 87, "symlink": 88, "mknod": 133, "openat": 257, "mkdirat": 258,
        "mknodat": 259, "unlinkat": 263, "renameat": 264, "linkat": 265, "symlinkat": 266, "open_by_handle_at": 304,
        "renameat2": 316, "execveat": 322, "io_uring_setup": 425, "openat2": 437, "pivot_root": 155, "chroot": 161,
        "mount": 165, "unshare": 272, "setns": 308, "move_mount": 429,
    }),
    "aarch64": Machine(0xC00000B7, 277, {
        "mknodat": 33, "mkdirat": 34, "unlinkat": 35, "symlinkat": 36, "linkat": 37, "renameat": 38, "truncate": 45,
        "chdir": 49, "fchdir": 50, "openat": 56, "execve": 221, "open_by_handle_at": 265, "renameat2": 276,
        "execveat": 281, "io_uring_setup": 425, "openat2": 437, "mount": 40, "pivot_root": 41, "chroot": 51,
        "unshare": 97, "setns": 268, "move_mount": 429,
    }),
}

#: Programs of an older kind that such a machine runs as well.
FOREIGN = {
    "x86_64": Machine(0x40000003, 354, {
        "open": 5, "creat": 8, "link": 9, "unlink": 10, "execve": 11, "chdir": 12, "mknod": 14, "rename": 38,
        "mkdir": 39, "symlink": 83, "truncate": 92, "fchdir": 133, "truncate64": 193, "openat": 295,
        "mkdirat": 296, "mknodat": 297, "unlinkat": 301, "renameat": 302, "linkat": 303, "symlinkat": 304,
        "open_by_handle_at": 342, "renameat2": 353, "execveat": 358, "io_uring_setup": 425, "openat2": 437, "mount": 21,
        "chroot": 61, "pivot_root": 217, "unshare": 310, "setns": 346, "move_mount": 429,
    }, width=4),
}

#: What the kernel must say about the sizes of its structures.
SIZES = struct.pack("=HHH", 80, 24, 64)
