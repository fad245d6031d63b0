"""What a process that parses a foreign file may do: read files, compute, answer. Nothing else.

Linux's seccomp takes the rest away for good, for the process and all its threads: no sockets, no programs, no new
processes, no signals to others, and no file is made, written, moved or removed. It needs no rights and no helper. Where
it is not to be had (another system, another processor, an old kernel) the process runs with resource limits alone, and
`docproc info` says so.

Source: Documentation/userspace-api/seccomp_filter.rst and bpf in the Linux kernel.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import socket
import struct
import sys

from docproc.syscalls import ARCHITECTURES, Architecture

_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_SET_MODE_FILTER, _SECCOMP_GET_ACTION_AVAIL, _ALL_THREADS = 1, 2, 1
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
# Instructions of the classic Berkeley packet filter: load a word, jump if equal / greater or equal / bits set, return.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# Offsets in struct seccomp_data: the number of the call, the processor, the low half of the first argument.
_NUMBER, _ARCH, _ARGUMENT = 0, 4, 16
_X32_BIT = 0x40000000
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CLONE_THREAD = 0x00010000
# Refused, whatever their arguments; "no such call" makes the caller fall back to one whose arguments can be judged.
_NO_SUCH_CALL = ("clone3", "openat2", "io_uring_setup")
_JUDGED = {"open": 1, "openat": 2, "clone": 0, "kill": 0, "tgkill": 0}
"""Calls that depend on an argument, and which."""
_OPEN_FILES = 1024
_Instruction = tuple[int, int, int, int]


def limit_resources(memory_bytes: int) -> None:
    """Bound this process's address space, its open files and its core dumps."""
    for kind, wanted in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
    ):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def limit_processor_time(seconds: float) -> None:
    """Let this process use so many seconds of processor time more; it is ended by SIGXCPU then.

    The parent watches the clock; this holds even if the parent is stopped.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    wanted = int(used.ru_utime + used.ru_stime + seconds) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def confine() -> bool:
    """Give up sockets, programs, processes and writing of files, for good.

    Returns:
        Whether the system could do it.
    """
    architecture = _architecture()
    return architecture is not None and _install(filter_program(architecture, os.getpid()), architecture)


def forbid_network() -> bool:
    """End this process, or any that it starts from now on, at its first attempt to reach a network.

    For tests: a run that needs no network does not even try. A socket for IPv6 may be made, since urllib3 makes one as
    it is imported to see whether there is such a thing; connecting it is the end.

    Returns:
        Whether the system could do it.
    """
    architecture = _architecture()
    if architecture is None:
        return False
    program = _head(architecture)
    program += [(_EQUAL, 0, 1, architecture.connect), (_RETURN, 0, 0, _KILL_PROCESS)]
    program += [(_EQUAL, 0, 5, architecture.calls["socket"]), (_LOAD, 0, 0, _ARGUMENT)]
    program += [(_EQUAL, 0, 1, socket.AF_INET), (_RETURN, 0, 0, _KILL_PROCESS)]
    program += [(_EQUAL, 0, 1, socket.AF_UNIX), (_RETURN, 0, 0, _ERRNO | errno.EACCES)]
    return _install([*program, (_RETURN, 0, 0, _ALLOW)], architecture)


def isolation() -> str:
    """What holds a page process here, for `docproc info`."""
    limits = "memory, processor time, open files"
    if not _is_available():
        return f"{limits} (seccomp is not available: network and files are not refused)"
    return f"{limits}; no network, no programs, no writing (seccomp)"


def filter_program(architecture: Architecture, pid: int) -> list[_Instruction]:
    """The filter as instructions (operation, jump if true, jump if false, value).

    Args:
        architecture: Of this machine.
        pid: Of this process, which may send signals to itself.
    """
    calls = architecture.calls
    program = _head(architecture)
    for name, number in calls.items():
        if name in _JUDGED:
            program += [(_EQUAL, 0, 4, number), (_LOAD, 0, 0, _ARGUMENT + 8 * _JUDGED[name])]
            program += [*_judgement(name, pid), (_RETURN, 0, 0, _ALLOW)]
        else:
            code = errno.ENOSYS if name in _NO_SUCH_CALL else errno.EACCES
            program += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | code)]
    return [*program, (_RETURN, 0, 0, _ALLOW)]


def _judgement(name: str, pid: int) -> list[_Instruction]:
    """Two instructions on the argument that is loaded: refuse, or go on behind them."""
    refuse = (_RETURN, 0, 0, _ERRNO | errno.EACCES)
    if name in ("open", "openat"):
        return [(_ANY_BIT, 0, 1, _WRITES), refuse]
    if name == "clone":
        return [(_ANY_BIT, 1, 0, _CLONE_THREAD), refuse]
    return [(_EQUAL, 1, 0, pid), refuse]


def _head(architecture: Architecture) -> list[_Instruction]:
    """Refuse calls in the manner of another processor, and load the number of the call."""
    return [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, architecture.audit),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
    ]


def _architecture() -> Architecture | None:
    is_linux = sys.platform == "linux" and sys.maxsize > 2**32
    return ARCHITECTURES.get(platform.machine()) if is_linux and _is_available() else None


def _is_available() -> bool:
    architecture = ARCHITECTURES.get(platform.machine())
    if sys.platform != "linux" or architecture is None:
        return False
    action = ctypes.c_uint32(_ERRNO)
    asked: int = _libc().syscall(architecture.seccomp, _SECCOMP_GET_ACTION_AVAIL, 0, ctypes.byref(action))
    return asked == 0


def _install(program: list[_Instruction], architecture: Architecture) -> bool:
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    filters = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    handed = Program(len(program), ctypes.addressof(filters))
    libc = _libc()
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    done: int = libc.syscall(architecture.seccomp, _SECCOMP_SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(handed))
    return done == 0


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
