"""Numbers of the system calls that a page process is refused, by processor.

Source: Linux, arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h (arm64).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Architecture:
    """What the filter must know of a processor."""

    audit: int
    """AUDIT_ARCH_… of linux/audit.h."""
    calls: dict[str, int]
    seccomp: int
    """The number of seccomp(2) itself."""
    connect: int


# Calls with the same numbers everywhere (they are newer than the agreement on numbers).
_NEW = {"io_uring_setup": 425, "clone3": 435, "openat2": 437, "pidfd_send_signal": 424, "pidfd_getfd": 438}
_X86_64 = {
    "open": 2, "socket": 41, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "truncate": 76,
    "rename": 82, "mkdir": 83, "rmdir": 84, "creat": 85, "link": 86, "unlink": 87, "symlink": 88, "chmod": 90,
    "fchmod": 91, "chown": 92, "fchown": 93, "lchown": 94, "ptrace": 101, "mknod": 133, "pivot_root": 155,
    "chroot": 161, "mount": 165, "umount2": 166, "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190,
    "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199, "tkill": 200, "tgkill": 234, "openat": 257,
    "mkdirat": 258, "mknodat": 259, "fchownat": 260, "unlinkat": 263, "renameat": 264, "linkat": 265,
    "symlinkat": 266, "fchmodat": 268, "unshare": 272, "setns": 308, "process_vm_readv": 310,
    "process_vm_writev": 311, "renameat2": 316, "bpf": 321, "execveat": 322, "fchmodat2": 452,
}  # fmt: skip
_ARM64 = {
    "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16,
    "mknodat": 33, "mkdirat": 34, "unlinkat": 35, "symlinkat": 36, "linkat": 37, "renameat": 38, "umount2": 39,
    "mount": 40, "pivot_root": 41, "truncate": 45, "chroot": 51, "fchmod": 52, "fchmodat": 53, "fchownat": 54,
    "fchown": 55, "openat": 56, "unshare": 97, "ptrace": 117, "kill": 129, "tkill": 130, "tgkill": 131,
    "socket": 198, "clone": 220, "execve": 221, "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271,
    "renameat2": 276, "bpf": 280, "execveat": 281, "fchmodat2": 452,
}  # fmt: skip
ARCHITECTURES = {
    "x86_64": Architecture(0xC000003E, _X86_64 | _NEW, 317, 42),
    "aarch64": Architecture(0xC00000B7, _ARM64 | _NEW, 277, 203),
}
"""By `platform.machine()`."""
