"""What a workspace may not ask of the kernel: a table with a reason for each line.

Guarantees: this table is the whole policy of the seal. A rule names its calls, what the kernel answers, and why;
`seal` only translates. Each call stands in one rule. Calls newer than the newest kernel known to the project are
answered with ENOSYS, so that a new way to open a socket is closed until somebody has looked at it.

Does not guarantee: protection from faults in calls that are allowed, and no limits of amounts. Pathname sockets
that are mounted into the workspace can be connected to: the runtime decides what is mounted.

Threats it answers: a network socket by any route (families, io_uring, foreign call numbers), new namespaces and
mounts, looking into or steering another process of the same user, channels between workspaces through the
kernel's keyrings, and seldom used parts of the kernel with a history of faults.
"""

from __future__ import annotations

EPERM = 1
ENOSYS = 38
EAFNOSUPPORT = 97

AF_UNIX = 1
AF_NETLINK = 16
NETLINK_ROUTE = 0

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_NEWTIME = 0x00000080
_NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET

TIOCSTI = 0x5412
TIOCLINUX = 0x541C


class Unless:
    """Refuse unless the first argument is a key; its value may ask for an exact further argument.

    `{1: None, 16: (2, 0)}` reads: 1 is allowed; 16 is allowed when argument number 2 is 0.
    """

    __slots__ = ("allowed",)

    def __init__(self, allowed: dict[int, tuple[int, int] | None]) -> None:
        self.allowed = allowed


class AnyBit:
    """Refuse when one of these bits is set in the numbered argument."""

    __slots__ = ("argument", "bits")

    def __init__(self, argument: int, bits: int) -> None:
        self.argument = argument
        self.bits = bits


class OneOf:
    """Refuse when the numbered argument is one of these values."""

    __slots__ = ("argument", "values")

    def __init__(self, argument: int, values: tuple[int, ...]) -> None:
        self.argument = argument
        self.values = values


class Rule:
    """One line of the policy: its name, the calls, the errno that answers them, when, and why."""

    __slots__ = ("answer", "calls", "name", "reason", "when")

    def __init__(
        self,
        name: str,
        calls: tuple[str, ...],
        answer: int,
        reason: str,
        when: Unless | AnyBit | OneOf | None = None,
    ) -> None:
        self.name = name
        self.calls = calls
        self.answer = answer
        self.reason = reason
        self.when = when


SOCKET_RULES = (
    Rule(
        "sockets",
        ("socket", "socketpair"),
        EAFNOSUPPORT,
        "The only sockets of a workspace are unix sockets. The routing protocol of netlink stays: libzmq lists"
        " interfaces through it and aborts the kernel of a notebook when it cannot.",
        Unless({AF_UNIX: None, AF_NETLINK: (2, NETLINK_ROUTE)}),
    ),
    Rule(
        "io_uring",
        ("io_uring_setup", "io_uring_enter", "io_uring_register"),
        EPERM,
        "io_uring opens sockets without making the call that the filter sees.",
    ),
)

RULES = (
    *SOCKET_RULES,
    Rule(
        "new namespaces",
        ("unshare",),
        EPERM,
        "A new user namespace gives a full set of capabilities inside it, and with them most of the kernel.",
        AnyBit(0, _NAMESPACES | CLONE_NEWTIME),
    ),
    Rule(
        "clone into new namespaces",
        ("clone",),
        EPERM,
        "The same by another call; the low byte of these flags is the exit signal.",
        AnyBit(0, _NAMESPACES),
    ),
    Rule(
        "clone3",
        ("clone3",),
        ENOSYS,
        "Its flags lie in memory where a filter cannot look; libraries fall back on clone at this answer.",
    ),
    Rule(
        "entering namespaces",
        ("setns",),
        EPERM,
        "A workspace stays in the namespaces it was given.",
    ),
    Rule(
        "mounts",
        (
            "mount",
            "umount2",
            "pivot_root",
            "chroot",
            "move_mount",
            "fsopen",
            "fsconfig",
            "fsmount",
            "fspick",
            "open_tree",
            "open_tree_attr",
            "mount_setattr",
        ),
        EPERM,
        "The mounts are the slice that was permitted; nothing may be added, moved or made writable.",
    ),
    Rule(
        "file handles",
        ("name_to_handle_at", "open_by_handle_at"),
        EPERM,
        "A handle opens a file by its number on the whole file system, past the mount that was given.",
    ),
    Rule(
        "other processes",
        (
            "ptrace",
            "process_vm_readv",
            "process_vm_writev",
            "process_madvise",
            "pidfd_getfd",
            "kcmp",
        ),
        EPERM,
        "Looking into or steering another process of the same user: the first process and the probe among them.",
    ),
    Rule(
        "keyrings",
        ("add_key", "request_key", "keyctl"),
        EPERM,
        "Keyrings belong to a user, not to a namespace: they would join two workspaces of one user.",
    ),
    Rule(
        "programs in the kernel",
        ("bpf", "perf_event_open", "userfaultfd"),
        EPERM,
        "They run or pause code in the kernel, measure other processes, and carried many escapes.",
    ),
    Rule(
        "terminal injection",
        ("ioctl",),
        EPERM,
        "They type into the terminal that started the workspace, or paste from it.",
        OneOf(1, (TIOCSTI, TIOCLINUX)),
    ),
    Rule(
        "clocks",
        ("settimeofday", "clock_settime", "clock_adjtime", "adjtimex"),
        EPERM,
        "The end of the permission is read from these clocks.",
    ),
    Rule(
        "watching whole file systems",
        ("fanotify_init",),
        EPERM,
        "It reports what others open on the same file system, under mounts that were not given.",
    ),
    Rule(
        "kernel and machine",
        (
            "kexec_load",
            "kexec_file_load",
            "init_module",
            "finit_module",
            "delete_module",
            "reboot",
            "syslog",
            "acct",
            "swapon",
            "swapoff",
            "quotactl",
            "quotactl_fd",
            "sethostname",
            "setdomainname",
            "nfsservctl",
            "lookup_dcookie",
        ),
        EPERM,
        "Administration of the machine; a second lock, should a capability ever be left over.",
    ),
    Rule(
        "bare hardware",
        ("iopl", "ioperm", "modify_ldt"),
        EPERM,
        "Ports and segments of the processor: no use to a notebook, and a history of faults.",
    ),
)
