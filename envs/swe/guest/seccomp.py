"""A filter of system calls for everything that the agent starts; appended to the supervisor's source.

It takes away what no repair needs and what would get round the sandbox's limits: new namespaces and mounts,
memory that no process maps (and that no limit on processes sees), and the kernel's wider attack surface. The
supervisor itself is not under it.
"""

import ctypes
import errno
import os
import struct

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
ALLOW, FAIL = 0x7FFF0000, 0x00050000
LOAD, JUMP_EQUAL, JUMP_GREATER_EQUAL, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16
#: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
NEW_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
CLONE3 = 435
# System call numbers of both architectures' own: memfd_create, shmget, msgget, unshare, setns, mount, umount2,
# pivot_root, bpf, perf_event_open, userfaultfd, keyctl, add_key, request_key.
OWN = {
    "x86_64": (319, 29, 68, 272, 308, 165, 166, 155, 321, 298, 323, 250, 248, 249),
    "aarch64": (279, 194, 186, 97, 268, 40, 39, 41, 280, 241, 282, 219, 217, 218),
}
# The same everywhere: memfd_secret, io_uring_*, and the newer calls that mount.
COMMON = (447, 425, 426, 427, 428, 429, 430, 431, 432, 433, 442)
MACHINES = {"x86_64": (0xC000003E, 56), "aarch64": (0xC00000B7, 220)}
X32 = 0x40000000


def filter_program(machine: str) -> bytes:
    """The filter as classic BPF, or nothing for an architecture whose system calls are not listed here."""
    if machine not in MACHINES:
        return b""
    audit, clone = MACHINES[machine]
    denied = [*OWN[machine], *COMMON]

    def step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("=HBBI", code, yes, no, value)

    # Each check jumps over what lies between it and the verdicts at the end: allow, no such call, not permitted.
    checks = [
        (JUMP_EQUAL, CLONE3, "missing"),
        (JUMP_GREATER_EQUAL, X32, "denied"),
        *((JUMP_EQUAL, number, "denied") for number in denied),
    ]
    end = len(checks) + 3
    verdicts = {"allowed": end, "missing": end + 1, "denied": end + 2}
    program = [step(LOAD, ARCHITECTURE), step(JUMP_EQUAL, audit, 1, 0), step(RETURN, FAIL | errno.EPERM)]
    program.append(step(LOAD, NUMBER))
    program += [step(code, value, verdicts[verdict] - i - 1) for i, (code, value, verdict) in enumerate(checks)]
    # clone with a flag for a new namespace; every other call is allowed.
    program.append(step(JUMP_EQUAL, clone, 0, verdicts["allowed"] - len(checks) - 1))
    program.append(step(LOAD, FIRST_ARGUMENT))
    program.append(step(JUMP_ANY_BIT, NEW_NAMESPACES, verdicts["denied"] - len(checks) - 3, 0))
    program += [step(RETURN, ALLOW), step(RETURN, FAIL | errno.ENOSYS), step(RETURN, FAIL | errno.EPERM)]
    return b"".join(program)


class Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


FILTER = filter_program(os.uname().machine)
LIBC = ctypes.CDLL(None, use_errno=True)


def install_filter() -> None:
    """Puts this process and all that it starts under the filter, for good."""
    if FILTER:
        program = Program(len(FILTER) // 8, FILTER)
        LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if LIBC.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0):
            raise OSError(ctypes.get_errno(), "cannot install the filter of system calls")
