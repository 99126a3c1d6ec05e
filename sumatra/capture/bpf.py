"""The filter that has the kernel tell us of some system calls: a short program for its packet filter machine.

It looks at the kind of machine and the number of the call, and for opening a file at the flags: folders that are opened
to be listed, and descriptors that can't be read from (``O_PATH``), are no affair of ours.  All other calls run
without delay; kernels since 5.11 don't even run the filter for them.
"""

import os
import struct
from collections.abc import Sequence

from sumatra.capture.syscalls import CALLS, Machine

__all__ = ["assemble"]

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000

#: Where the kernel puts what the filter may look at: number, machine, and the low half of the arguments.
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16

#: Numbers from here on are those of the x32 convention, which hardly any kernel still has.
_X32 = 0x40000000

_PASSED_OVER = os.O_DIRECTORY | os.O_PATH

_Step = tuple[int, int, str, str]  # operation, operand, where to if it holds, where to if not; "" is the next step


def assemble(machines: Sequence[Machine]) -> bytes:
    """Return the filter for programs of these *machines*, as the kernel wants it; the others' calls are let through."""
    steps: list[_Step | str] = []
    for index, machine in enumerate(machines):
        steps += [f"machine {index}", (_LOAD, _MACHINE, "", ""), (_EQUAL, machine.audit, "", f"machine {index + 1}")]
        steps += _calls(machine, index)
    steps += [f"machine {len(machines)}", "allow", (_RETURN, _ALLOW, "", ""), "notify", (_RETURN, _NOTIFY, "", "")]
    return _resolve(steps)


def _calls(machine: Machine, index: int) -> list[_Step | str]:
    steps: list[_Step | str] = [(_LOAD, _NUMBER, "", ""), (_AT_LEAST, _X32, "allow", "")]
    looks: list[_Step | str] = []
    for name, number in machine.numbers.items():
        call = CALLS[name]
        if call.kind == "open" and call.flags >= 0:
            label = f"{name} {index}"
            steps.append((_EQUAL, number, label, ""))
            looks += [label, (_LOAD, _ARGUMENTS + 8 * call.flags, "", ""), (_ANY_BIT, _PASSED_OVER, "allow", "notify")]
        else:
            steps.append((_EQUAL, number, "notify", ""))
    return [*steps, (_RETURN, _ALLOW, "", ""), *looks]


def _resolve(steps: Sequence[_Step | str]) -> bytes:
    places: dict[str, int] = {}
    program: list[_Step] = []
    for step in steps:
        if isinstance(step, str):
            places[step] = len(program)
        else:
            program.append(step)
    return b"".join(
        struct.pack(
            "=HBBI", operation,
            places[yes] - here - 1 if yes else 0, places[no] - here - 1 if no else 0, operand,
        )
        for here, (operation, operand, yes, no) in enumerate(program)
    )
