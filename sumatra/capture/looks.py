"""What the observer does at each call: who calls, which file is meant, and what is there just before.

Everything is read from the kernel's own view of the calling process (``/proc/PID``): its memory for the name, its
current folder, its open folders and its root for what the name means.  So relative names, folders that were renamed,
links and threads with folders of their own come out right without being followed by us.

A process is met once and looked at again after a second, so that its number can't have passed to another; what is
remembered is bounded.
"""

import os
import stat
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from sumatra.capture.procfs import (
    Facts,
    beginning_of,
    facts_of,
    group_of,
    has_capabilities,
    is_below,
    link,
    own_name,
    reach,
    served_folders,
    view_of,
)
from sumatra.capture.syscalls import CALLS, FOREIGN, MACHINES, Call
from sumatra.capture.trace import ABSENT, Log, cut, state_of

__all__ = ["Looks"]

_AT_FDCWD = -100
_AT_REMOVEDIR, _AT_SYMLINK_FOLLOW, _AT_SYMLINK_NOFOLLOW, _AT_EMPTY_PATH = 0x200, 0x400, 0x100, 0x1000
_RESOLVE_IN_ROOT = 0x10

#: Seconds after which a process is looked at anew.  Process numbers don't come round so fast.
_FRESH = 1.0
_NEVER = float("-inf")

_MOST_PROCESSES = 512
_MOST_THREADS = 4096
_MOST_SEEN = 1 << 15
_LONGEST_NAME = 4096
_LONGEST_ARGUMENTS = 1 << 16
_MOST_ARGUMENTS = 4096

#: Flags of opening that tell one way of using a file from another.
_TELLING = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC | os.O_EXCL | os.O_NOFOLLOW

#: What is read again and again by every process and doesn't change meanwhile.
_SYSTEM = (b"/usr/", b"/lib/", b"/lib64/", b"/etc/", b"/bin/", b"/sbin/")
_PACKAGE = b"-packages/"

_ORDER = sys.byteorder

_TO_CHANGE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class _Process:
    """One process that has been met."""

    __slots__ = (
        "checked", "elsewhere", "epoch", "exe", "hidden", "image", "index", "memory", "movers", "pid", "seen", "start"
    )

    def __init__(self, index: int, pid: int, start: bytes, image: tuple[bytes, ...]) -> None:
        self.index = index
        self.pid = pid
        self.start = start
        self.image = image  #: changes when it becomes another program
        self.exe = b""
        self.memory = -1
        self.checked = _NEVER
        self.seen: set[tuple[int, bytes]] = set()  #: names as they were given, with flags: nothing new in them
        self.epoch = 0  #: of the names in *seen*
        self.movers: set[int] = set()  #: threads that are changing the current folder
        self.elsewhere = False  #: its root isn't ours
        self.hidden = False  #: its memory can't be read


class _KeptOut(Exception):
    """It may be that the process doesn't let others look at it."""


class _Found(NamedTuple):
    name: bytes
    status: os.stat_result

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.status.st_mode)


class Looks:
    """What is known of the processes of one run, and what their calls mean."""

    def __init__(self, log: Log, machine: str, confirm: Callable[[], None]) -> None:
        self.log = log
        self._confirm = confirm  #: raises OSError when the one who called doesn't wait any more
        self._next_index = 0
        self._shunned: tuple[bytes, ...] = ()  #: folders that can't be looked into without being stuck
        self._native = MACHINES[machine].audit
        self._calls = {number: CALLS[name] for name, number in MACHINES[machine].numbers.items()}
        foreign = FOREIGN.get(machine)
        self._foreign = {number: CALLS[name] for name, number in foreign.numbers.items()} if foreign else {}
        self._processes: dict[int, _Process] = {}
        self._threads: dict[int, _Process] = {}
        self._width = 8  #: bytes of an address
        self._epoch = 0  #: grows with each change of which names there are
        self._installed: set[tuple[int, bytes]] = set()  #: names of the system and of packages, as in `_Process.seen`
        self._installed_since = 0.0
        self._seen = 0  #: how many names all processes have seen together
        self._views_differ = False  #: not all processes see the same files under the same names
        self._view = view_of(b"/proc/self")
        self._actions = {
            "open": self._open, "open2": self._open2, "mknod": self._mknod, "rename": self._rename, "link": self._link,
            "symlink": self._symlink, "unlink": self._unlink, "mkdir": self._mkdir, "execute": self._execute,
            "chdir": self._chdir, "handle": self._handle, "uring": self._uring,
            "view": self._change_view,
        }

    def look(self, thread: int, number: int, audit: int, arguments: tuple[int, ...]) -> None:
        """Write down what the call that *thread* is making says; whatever can't be found out is left out."""
        if audit == self._native:
            call, self._width = self._calls[number], 8
        else:
            call, self._width = self._foreign[number], 4
        process = self._threads.get(thread)
        if process is None or time.monotonic() - process.checked > _FRESH:
            process = self._meet(thread)
        if process.hidden:
            process.checked = _NEVER if call.kind == "execute" else process.checked
            return
        if process.epoch != self._epoch:
            process.seen.clear()
            process.epoch = self._epoch
        if process.movers and thread in process.movers:
            process.movers.discard(thread)
            process.seen.clear()
        try:
            self._actions[call.kind](process, thread, call, arguments)
        except _KeptOut:
            if not link(b"/proc/%d/cwd" % thread):
                self._hide(process)

    def forget(self) -> None:
        """Know nothing of any process."""
        for process in self._processes.values():
            if process.memory >= 0:
                os.close(process.memory)
        self._processes.clear()
        self._threads.clear()
        self._seen = 0

    def beware(self) -> None:
        """Don't look into what programs serve (FUSE) any more: one of them may be waiting for us."""
        self._shunned = tuple(served_folders())
        for folder in self._shunned:
            self.log.write(b"! 0 served", folder)

    # --- who calls

    def _meet(self, thread: int) -> _Process:
        if len(self._processes) >= _MOST_PROCESSES or len(self._threads) >= _MOST_THREADS or self._seen > _MOST_SEEN:
            self.forget()
        process = self._process(thread)
        self._threads[thread] = process
        process.checked = time.monotonic()
        if process.checked - self._installed_since > _FRESH:
            self._installed.clear()
            self._installed_since = process.checked
        process.seen.clear()
        if process.memory >= 0:
            os.close(process.memory)
            process.memory = -1
        if self._views_differ:
            elsewhere = view_of(b"/proc/%d" % process.pid) != self._view
            if elsewhere and not process.elsewhere:
                self._tell(process, b"other-root", link(b"/proc/%d/exe" % process.pid))
            process.elsewhere = elsewhere
        try:
            process.memory = os.open(b"/proc/%d/mem" % process.pid, os.O_RDONLY | os.O_CLOEXEC)
            process.hidden = False
        except PermissionError:
            self._hide(process)
        self._confirm()
        return process

    def _hide(self, process: _Process) -> None:
        """Look at this process no more, until it becomes another program: it keeps others out."""
        if not process.hidden:
            exe = link(b"/proc/%d/exe" % process.pid) or beginning_of(b"/proc/%d/comm" % process.pid, 64).rstrip(b"\n")
            self._tell(process, b"hidden", exe)
        process.hidden = True

    def _process(self, thread: int) -> _Process:
        """Return the process that *thread* belongs to, written down if it is a new one or has become another program.
        """
        facts, pid = facts_of(thread), thread
        if not facts.is_leader:
            pid = group_of(thread)
            facts = facts_of(pid)
        known = self._processes.get(pid)
        if known is None or known.start != facts.start:
            if known is not None and known.memory >= 0:
                os.close(known.memory)
            self._meet_parents(facts.parent)
            known = self._write_down(pid, facts)
        elif known.image != facts.image:
            known.image = facts.image
            known.exe = link(b"/proc/%d/exe" % pid)
            self.log.write(b"y %d %.3f" % (known.index, time.time()), known.exe)
        return known

    def _meet_parents(self, pid: int) -> None:
        """Write down the processes between the next one that is known and this one: they made no call that we see."""
        chain = []
        try:
            while pid > 1 and pid not in self._processes:
                chain.append((pid, facts_of(pid)))
                pid = chain[-1][1].parent
        except OSError:
            return
        if pid in self._processes:
            for between, facts in reversed(chain):
                self._write_down(between, facts)

    def _write_down(self, pid: int, facts: Facts) -> _Process:
        process = self._processes[pid] = _Process(self._next_index, pid, facts.start, facts.image)
        self._next_index += 1
        parent = self._processes.get(facts.parent)
        is_copy = parent and parent.image == facts.image
        process.exe = parent.exe if parent and is_copy else link(b"/proc/%d/exe" % pid)
        head = b"p %d %d %d %s %.3f" % (process.index, pid, facts.parent, facts.start, time.time())
        self.log.write(head, process.exe)
        return process

    def _tell(self, process: _Process, code: bytes, detail: bytes) -> None:
        self.log.write(b"! %d %s" % (process.index, code), detail)

    def _write(self, *texts: bytes) -> None:
        self._confirm()
        self.log.write(*texts)

    # --- which file is meant

    def _text(self, process: _Process, address: int) -> bytes:
        piece = os.pread(process.memory, 256, address)
        while (end := piece.find(0)) < 0:
            more = os.pread(process.memory, 1024, address + len(piece)) if len(piece) < _LONGEST_NAME else b""
            if not more:
                raise OSError("this name has no end")
            piece += more
        return piece[:end]

    def _place(self, process: _Process, thread: int, folder: int, name: bytes) -> bytes:
        """Return a name by which we ourselves reach what *name* means to *thread*."""
        if name[:1] == b"/":
            if name.startswith((b"/proc/", b"/dev/")):
                name = own_name(name, process.pid, thread)
            return b"/proc/%d/root%s" % (process.pid, name) if process.elsewhere else name
        if folder == _AT_FDCWD:
            return b"/proc/%d/cwd/%s" % (thread, name)
        return b"/proc/%d/fd/%d/%s" % (thread, folder, name) if name else b"/proc/%d/fd/%d" % (thread, folder)

    def _argument(
        self, process: _Process, thread: int, call: Call, arguments: tuple[int, ...], *, second: bool = False
    ) -> bytes:
        folder, name = (call.other_folder, call.other_name) if second else (call.folder, call.name)
        number = _signed(arguments[folder]) if folder >= 0 else _AT_FDCWD
        return self._place(process, thread, number, self._text(process, arguments[name]))

    def _see(self, place: bytes, *, follow: bool) -> _Found | None:
        """Return the true name and the state of what is at *place*, or None if there is nothing."""
        if self._shunned and is_below(place, self._shunned):
            raise OSError("looking there could block us for ever")
        try:
            file = reach(place, os.O_PATH | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
        except PermissionError:
            if place.startswith(b"/proc/"):
                raise _KeptOut from None
            return None
        except OSError:
            return None
        try:
            return _Found(os.readlink(b"/proc/self/fd/%d" % file), os.fstat(file))
        finally:
            os.close(file)

    def _to_be(self, place: bytes) -> bytes | None:
        """Return the true name that what isn't there yet at *place* will have."""
        folder, last = cut(place)
        if last in (b"", b".", b".."):
            return None
        if os.path.islink(place):  # it points to nothing, and what it points to would be made
            return os.path.realpath(place)
        found = self._see(folder or b"/", follow=True)
        return found and found.name.rstrip(b"/") + b"/" + last

    def _name_and_state(self, place: bytes) -> tuple[bytes | None, bytes]:
        found = self._see(place.rstrip(b"/"), follow=False)
        if found:
            return found.name, state_of(found.status)
        folder, last = cut(place)
        above = self._see(folder, follow=True)
        return above and above.name.rstrip(b"/") + b"/" + last, ABSENT

    # --- the calls

    def _open(self, process: _Process, thread: int, call: Call, arguments: tuple[int, ...]) -> None:
        flags = ((arguments[call.flags] if call.flags >= 0 else 0) | call.always) & _TELLING
        name = self._text(process, arguments[call.name])
        folder = _signed(arguments[call.folder]) if call.folder >= 0 else _AT_FDCWD
        key = (flags, name)
        if key in process.seen or (key in self._installed and not process.elsewhere):
            return
        if (
            name[:1] == b"/" and (name.startswith(_SYSTEM) or _PACKAGE in name)
            and not flags & _TO_CHANGE and not process.elsewhere
        ):
            self._remember_installed(key)
        if self._opened(process, self._place(process, thread, folder, name), flags) and (
            name[:1] == b"/" or (folder == _AT_FDCWD and not process.movers)
        ):
            process.seen.add(key)
            self._seen += 1
            if self._seen > _MOST_SEEN:
                process.checked = _NEVER

    def _remember_installed(self, key: tuple[int, bytes]) -> None:
        """Don't look at this file again for a second, whoever reads it: there is one answer for the whole run."""
        if len(self._installed) >= _MOST_SEEN:
            self._installed.clear()
        self._installed.add(key)

    def _open2(self, process: _Process, thread: int, call: Call, arguments: tuple[int, ...]) -> None:
        name = self._text(process, arguments[call.name])
        how = os.pread(process.memory, 24, arguments[call.flags])
        flags, resolve = int.from_bytes(how[:8], _ORDER), int.from_bytes(how[16:], _ORDER)
        if flags & (os.O_PATH | os.O_DIRECTORY):
            return
        if resolve & _RESOLVE_IN_ROOT:
            name = name.lstrip(b"/") or b"."
        self._opened(process, self._place(process, thread, _signed(arguments[call.folder]), name), flags & _TELLING)

    def _opened(self, process: _Process, place: bytes, flags: int) -> bool:
        """Write down that the file at *place* is opened; tell whether the same would say nothing new."""
        exclusive = flags & (os.O_CREAT | os.O_EXCL) == os.O_CREAT | os.O_EXCL
        found = self._see(place, follow=not (flags & os.O_NOFOLLOW or exclusive))
        if found is None:
            name = self._to_be(place) if flags & os.O_CREAT else None
            if name:
                self._write(b"w %d %d -" % (process.index, flags), name)
            return bool(name)
        if found.is_file and found.status.st_nlink:
            state = state_of(found.status)
            if not flags & _TO_CHANGE:
                self._write(b"r %d %s" % (process.index, state), found.name)
            elif not exclusive:
                self._write(b"w %d %d %s" % (process.index, flags, state), found.name)
        return True

    def _mknod(self, process: _Process, thread: int, call: Call, arguments: tuple[int, ...]) -> None:
        if stat.S_IFMT(arguments[call.flags]) in (0, stat.S_IFREG):
            place = self._argument(process, thread, call, arguments)
            self._opened(process, place, os.O_WRONLY | os.O_CREAT | os.O_EXCL)

    def _rename(self, process: _Process, thread: int, call: Call, arguments: tuple[int, ...]) -> None:
        source = self._see(self._argument(process, thread, call, arguments), follow=False)
        target = self._argument(process, thread, call, arguments, second=True)
        name, state = self._name_and_state(target)
        if source and name:
            flags = arguments[call.flags] & 7 if call.flags >= 0 else 0
            head = b"m %d %d %s %s" % (process.index, flags, state_of(source.status), state)
            self._write(head, source.name, name)
            self._epoch += 1

    def _link(self, process: _Process, thread: int, call: Call, arguments: tuple[int, ...]) -> None:
        follow = bool(call.flags >= 0 and arguments[call.flags] & (_AT_SYMLINK_FOLLOW | _AT_EMPTY_PATH))
        source = self._see(self._argument(process, thread, call, arguments), follow=follow)
        name, state = self._name_and_state(self._argument(process, thread, call, arguments, second=True))
        if source and name and state == ABSENT:
            head = b"l %d %s -" % (process.index, state_of(source.status))
            self._write(head, source.name if source.status.st_nlink else b"", name)
            self._epoch += 1

    def _symlink(self, process: _Process, thread: int, call: Call, arguments: tuple[int, ...]) -> None:
        name, state = self._name_and_state(self._argument(process, thread, call, arguments))
        if name and state == ABSENT:
            self._write(b"s %d -" % process.index, name, self._text(process, arguments[call.other_name]))
            self._epoch += 1

    def _unlink(self, process: _Process, thread: int, call: Call, arguments: tuple[int, ...]) -> None:
        if call.flags >= 0 and arguments[call.flags] & _AT_REMOVEDIR:
            return
        found = self._see(self._argument(process, thread, call, arguments), follow=False)
        if found and not stat.S_ISDIR(found.status.st_mode):
            self._write(b"u %d %s" % (process.index, state_of(found.status)), found.name)
            self._epoch += 1

    def _mkdir(self, process: _Process, thread: int, call: Call, arguments: tuple[int, ...]) -> None:
        name, state = self._name_and_state(self._argument(process, thread, call, arguments))
        if name and state == ABSENT:
            self._write(b"k %d" % process.index, name)

    def _chdir(self, process: _Process, thread: int, call: Call, arguments: tuple[int, ...]) -> None:
        process.seen.clear()
        process.movers.add(thread)

    def _change_view(self, process: _Process, thread: int, call: Call, arguments: tuple[int, ...]) -> None:
        self._views_differ = True
        process.checked = _NEVER

    def _handle(self, process: _Process, thread: int, call: Call, arguments: tuple[int, ...]) -> None:
        self._once(process, b"opened-by-handle")

    def _uring(self, process: _Process, thread: int, call: Call, arguments: tuple[int, ...]) -> None:
        self._once(process, b"io-uring")

    def _once(self, process: _Process, code: bytes) -> None:
        if (0, code) not in process.seen:
            process.seen.add((0, code))
            self._tell(process, code, link(b"/proc/%d/exe" % process.pid))

    def _execute(self, process: _Process, thread: int, call: Call, arguments: tuple[int, ...]) -> None:
        flags = arguments[call.flags] if call.flags >= 0 else 0
        place = self._argument(process, thread, call, arguments)
        found = self._see(place, follow=not flags & _AT_SYMLINK_NOFOLLOW)
        if not (found and found.is_file and found.status.st_mode & 0o111):
            return
        process.checked = _NEVER  # its memory will be another
        process.movers.clear()
        try:
            words = self._words(process, arguments[call.other_name])
        except OSError:
            words = []
        head = b"x %d %.3f %d %s" % (process.index, time.time(), len(words), state_of(found.status))
        self._write(head, found.name, *words)
        if has_capabilities(place):
            self._tell(process, b"has-capabilities", found.name)

    def _words(self, process: _Process, address: int) -> list[bytes]:
        width = self._width
        words: list[bytes] = []
        length = 0
        while address and length < _LONGEST_ARGUMENTS and len(words) < _MOST_ARGUMENTS:
            pointers = os.pread(process.memory, 32 * width, address)
            for place in range(0, len(pointers) - width + 1, width):
                pointer = int.from_bytes(pointers[place : place + width], _ORDER)
                if not pointer:
                    return words
                words.append(self._long_text(process, pointer))
                length += len(words[-1])
            if not pointers:
                break
            address += len(pointers)
        return words

    def _long_text(self, process: _Process, address: int) -> bytes:
        piece = b""
        while len(piece) < _LONGEST_ARGUMENTS:
            more = os.pread(process.memory, 256 if not piece else 4096, address + len(piece))
            end = more.find(0)
            if end >= 0 or not more:
                return piece + more[: max(end, 0)]
            piece += more
        return piece


def _signed(number: int) -> int:
    number &= 0xFFFFFFFF
    return number - (1 << 32) if number >= 1 << 31 else number
