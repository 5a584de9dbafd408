"""What a workspace sees of the machine, as bubblewrap's arguments: pure data.

Guarantees: every namespace is new and the network one empty; no nested user namespaces; no capability; the root
file system is a read-only scaffold that holds the system's programs, the workspace environment, the plan's mounts
and nothing else of the machine; no path of the machine, no name of a person and no secret stands in any command
line. What is mounted and how is decided by the plan alone.

Does not guarantee: the seal and the deadline. They are the first process' (`tre.runtimes.init`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tre.domain.workspaces.models import Limits, Mount, MountKind

HOME = "/home/researcher"
ENVIRONMENT = "/opt/tre/workspace"
INIT = "/opt/tre/init"
DOOR = "/run/door"
SOCKET_NAME = "lab.sock"
FILE_BROWSER = "/workspace"

TARGETS = {
    MountKind.home: HOME,
    MountKind.shared: "/shared",
    MountKind.outbox: "/outbox",
    MountKind.inbox: "/inbox",
}
"""Where each kind of mount appears; slices appear at `/data/NAME`."""

_SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime", "/etc/mime.types")


@dataclass(frozen=True)
class Placed:
    """A plan's mount and the path at which bubblewrap may pick it up."""

    mount: Mount
    path: Path


@dataclass(frozen=True)
class SandboxSpec:
    """Everything a sandbox is made of, as paths that the workspace's user can reach."""

    environment: Path
    interpreter_prefix: Path | None
    init: Path
    door: Path
    mounts: tuple[Placed, ...]
    limits: Limits
    passwd_descriptor: int
    group_descriptor: int
    status_descriptor: int
    devices: tuple[str, ...] = ()


def arguments(spec: SandboxSpec) -> list[str]:
    """bubblewrap's options, to be handed over by descriptor (`--args`)."""
    return [
        *_namespaces(spec),
        *_system(spec),
        *_programs(spec),
        *_scratch(spec),
        *_devices(spec),
        *_mounts(spec),
        *_file_browser(spec),
        "--remount-ro", "/dev", "--remount-ro", "/",
        "--chdir", "/",
    ]  # fmt: skip


def _namespaces(spec: SandboxSpec) -> list[str]:
    return [
        "--unshare-user", "--unshare-all", "--disable-userns", "--as-pid-1", "--die-with-parent", "--new-session",
        "--clearenv", "--hostname", "workspace", "--json-status-fd", str(spec.status_descriptor),
    ]  # fmt: skip


def _system(spec: SandboxSpec) -> list[str]:
    found = ["--ro-bind", "/usr", "/usr"]
    for name in ("/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        path = Path(name)
        if path.is_symlink():
            found += ["--symlink", os.fspath(path.readlink()), name]
        elif path.is_dir():
            found += ["--ro-bind", name, name]
    for name in _SYSTEM_FILES:
        found += ["--ro-bind-try", name, name]
    found += ["--ro-bind-data", str(spec.passwd_descriptor), "/etc/passwd"]
    found += ["--ro-bind-data", str(spec.group_descriptor), "/etc/group"]
    return found


def _programs(spec: SandboxSpec) -> list[str]:
    found = ["--ro-bind", str(spec.environment), ENVIRONMENT, "--ro-bind", str(spec.init), INIT]
    if spec.interpreter_prefix is not None:
        original = os.fspath(interpreter_prefix(spec.environment) or "")
        found += ["--ro-bind", str(spec.interpreter_prefix), original or "/opt/tre/python"]
    return found


def _scratch(spec: SandboxSpec) -> list[str]:
    shared = str(spec.limits.shared_memory_bytes)
    return [
        "--proc", "/proc", "--dev", "/dev",
        "--size", shared, "--perms", "1777", "--tmpfs", "/dev/shm",  # noqa: S108 - inside the sandbox
        "--size", shared, "--perms", "1777", "--tmpfs", "/tmp",  # noqa: S108 - inside the sandbox
        "--perms", "0755", "--size", "16777216", "--tmpfs", "/run",
        "--bind", str(spec.door), DOOR,
    ]  # fmt: skip


def _devices(spec: SandboxSpec) -> list[str]:
    """The plan's devices under their own names, and no other of the machine's."""
    return [word for device in spec.devices for word in ("--dev-bind", device, device)]


def _mounts(spec: SandboxSpec) -> list[str]:
    found = []
    for placed in spec.mounts:
        option = "--ro-bind" if placed.mount.read_only else "--bind"
        found += [option, str(placed.path), placed.mount.target]
    return found


def _file_browser(spec: SandboxSpec) -> list[str]:
    """A folder of links, so that the file browser opens on everything that belongs to the workspace."""
    kinds = {placed.mount.kind for placed in spec.mounts}
    found = ["--dir", FILE_BROWSER]
    if MountKind.slice in kinds:
        found += ["--symlink", "/data", f"{FILE_BROWSER}/data"]
    for kind, target in TARGETS.items():
        if kind in kinds:
            found += ["--symlink", target, f"{FILE_BROWSER}/{kind}"]
    return found


def passwd(uid: int) -> bytes:
    """The sandbox' user list: the researcher and nobody."""
    return (
        f"researcher:x:{uid}:{uid}:researcher:{HOME}:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
    ).encode()


def group(gid: int) -> bytes:
    """The sandbox' group list."""
    return f"researcher:x:{gid}:\nnogroup:x:65534:\n".encode()


def interpreter_prefix(environment: Path) -> Path | None:
    """Where the environment's interpreter is installed, if that is not under `/usr` anyway."""
    interpreter = (environment / "bin" / "python").resolve()
    prefix = interpreter.parent.parent
    return None if prefix == Path("/usr") else prefix


def interpreter(environment: Path) -> str:
    """The interpreter for the first process: the real program, not the environment's link."""
    return os.fspath((environment / "bin" / "python").resolve())


def lab_command() -> list[str]:
    """How JupyterLab is started: on a unix socket, without a token, since only the gateway reaches it."""
    return [
        f"{ENVIRONMENT}/bin/python", "-m", "jupyterlab", "--no-browser",
        f"--ServerApp.sock={DOOR}/{SOCKET_NAME}", "--ServerApp.sock_mode=0660",
        "--ServerApp.ip=127.0.0.1", "--ServerApp.allow_remote_access=True",
        "--ServerApp.disable_check_xsrf=True", "--IdentityProvider.token=",
        f"--ServerApp.root_dir={FILE_BROWSER}", f"--FileContentsManager.preferred_dir={FILE_BROWSER}/home",
        "--log-level=WARN",
        "--KernelManager.transport=ipc",
    ]  # fmt: skip


def lab_environment(grant: str, end: str) -> dict[str, str]:
    """Environment variables of everything in the workspace: no secret, nothing of the machine."""
    return {
        "HOME": HOME,
        "USER": "researcher",
        "LOGNAME": "researcher",
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "PATH": f"{ENVIRONMENT}/bin:{INIT}/bin:/usr/local/bin:/usr/bin:/bin:{HOME}/.local/bin",
        "PYTHONPATH": f"{INIT}/site",
        "JUPYTER_RUNTIME_DIR": "/tmp/jupyter/runtime",  # noqa: S108 - inside the sandbox
        "JUPYTER_CONFIG_DIR": "/tmp/jupyter/config",  # noqa: S108 - inside the sandbox
        "JUPYTER_PREFER_ENV_PATH": "1",
        "MPLCONFIGDIR": "/tmp/matplotlib",  # noqa: S108 - inside the sandbox
        "GIT_CONFIG_SYSTEM": f"{INIT}/gitconfig",
        "GIT_TERMINAL_PROMPT": "0",
        "TRE_GRANT": grant,
        "TRE_ENDS": end,
    }
