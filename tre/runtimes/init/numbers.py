"""System call numbers of the two supported architectures, for the calls that the seal or the probe names.

Guarantees: the numbers are those of the kernel's own tables (a test compares them with the installed kernel
headers); `None` says that the architecture has no such call.

Does not guarantee: completeness; a call that no rule names is not listed.
"""

from __future__ import annotations


class Architecture:
    """What the seal must know about an architecture: its audit number and its column in `NUMBERS`."""

    __slots__ = ("audit", "column", "foreign_from", "name")

    def __init__(self, name: str, column: int, audit: int, foreign_from: int | None) -> None:
        self.name = name
        self.column = column
        self.audit = audit
        self.foreign_from = foreign_from


# The audit numbers are AUDIT_ARCH_X86_64 and AUDIT_ARCH_AARCH64 of linux/audit.h. x86_64 carries a second set of
# numbers (x32) from bit 30 on, which would pass a filter that compares with the first set only.
ARCHITECTURES = {
    "x86_64": Architecture("x86_64", 0, 0xC000003E, 0x40000000),
    "aarch64": Architecture("aarch64", 1, 0xC00000B7, None),
}

# The highest number of Linux 6.18, alike on both architectures (numbers from 424 on are shared).
HIGHEST_KNOWN = 469

NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "clone": (56, 220),
    "clone3": (435, 435),
    "close_range": (436, 436),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioctl": (16, 29),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}
