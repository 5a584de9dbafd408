"""Keeping our services running: each as its own user, started again when it fails.

Guarantees: a service never outlives its keeper (the kernel kills it), runs as the user set aside for it where root
starts it, with no capability but those named, without the starter's environment, its words in a file of its own;
a service that fails is started again, later each time, and what failed how often can be read.

Threat: a service that was taken over and finds itself root, or finds somebody's secrets in its environment.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from tre.system.process import become, die_with_parent

log = structlog.get_logger()

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 15.0
_STEADY_SECONDS = 30.0
_KILL_AFTER = 8.0
BESIDE_SECONDS = 5.0
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, PR_SET_KEEPCAPS = 47, 2, 8
CAPABILITIES = {
    "CAP_CHOWN": 0,
    "CAP_DAC_OVERRIDE": 1,
    "CAP_DAC_READ_SEARCH": 2,
    "CAP_FOWNER": 3,
    "CAP_NET_BIND_SERVICE": 10,
}


@dataclass(frozen=True)
class ServiceSpec:
    """One service: its module, who it runs as, what it may, and what tells that it is up."""

    name: str
    command: Sequence[str]
    uid: int
    groups: tuple[int, ...] = ()
    capabilities: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] = lambda: True


@dataclass
class _Running:
    process: subprocess.Popen[bytes]
    since: float
    failures: int = 0


class Keeper:
    """Keeps a list of services; `run` returns when it is told to stop and everything has ended."""

    def __init__(self, services: Sequence[ServiceSpec], logs: Path) -> None:
        self._services = {service.name: service for service in services}
        self._logs = logs
        self._running: dict[str, _Running] = {}
        self._restart_at: dict[str, float] = {}
        self.failures: dict[str, int] = dict.fromkeys(self._services, 0)
        self._stop = threading.Event()

    def stop(self) -> None:
        """Ask `run` to end everything and return."""
        self._stop.set()

    def run(
        self,
        started: Callable[[], None] = lambda: None,
        patience: float = 60.0,
        beside: Callable[[], object] = lambda: None,
    ) -> None:
        """Start all at once (each waits for the others by itself), keep, and end in reverse order; what is to be done
        `beside` that is done every few seconds."""
        try:
            for service in self._services.values():
                self._start(service)
            if all(self._await_ready(service, patience) for service in self._services.values()):
                started()
            looked = time.monotonic()
            while not self._stop.wait(0.1):
                self._tend()
                if time.monotonic() - looked > BESIDE_SECONDS:
                    beside()
                    looked = time.monotonic()
        finally:
            self._end_all()

    def _await_ready(self, service: ServiceSpec, patience: float) -> bool:
        deadline = time.monotonic() + patience
        while not service.ready():
            if self._stop.is_set():
                return False
            self._tend()
            if time.monotonic() > deadline:
                log.error("service-not-ready", name=service.name)
                return True  # the others may still work; it is tended like them
            time.sleep(0.02)
        return True

    def _start(self, service: ServiceSpec) -> None:
        failures = self.failures[service.name]
        with (self._logs / f"{service.name}.log").open("ab") as output:
            process = subprocess.Popen(
                list(service.command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **service.environment},
                preexec_fn=_Become(service, os.getpid()),  # noqa: PLW1509 - the keeper has one thread when it starts
                start_new_session=True,
            )
        self._running[service.name] = _Running(process, time.monotonic(), failures)
        log.info("service-started", name=service.name, pid=process.pid)

    def _tend(self) -> None:
        now = time.monotonic()
        for name, running in list(self._running.items()):
            if running.process.poll() is None:
                if now - running.since > _STEADY_SECONDS:
                    self.failures[name] = 0
                continue
            self.failures[name] += 1
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (self.failures[name] - 1))
            log.warning("service-ended", name=name, status=running.process.returncode, again_in=pause)
            del self._running[name]
            self._restart_at[name] = now + pause
        for name, moment in list(self._restart_at.items()):
            if now >= moment:
                del self._restart_at[name]
                self._start_again(self._services[name])

    def _start_again(self, service: ServiceSpec) -> None:
        """Start it, or try later: a disk that takes nothing for a moment must not be the end of all the others."""
        try:
            self._start(service)
        except (OSError, subprocess.SubprocessError) as error:
            self.failures[service.name] += 1
            log.error("service-not-started", name=service.name, error=str(error), again_in=_LONGEST_PAUSE)
            self._restart_at[service.name] = time.monotonic() + _LONGEST_PAUSE

    def _end_all(self) -> None:
        for name in reversed(list(self._running)):
            _end(self._running.pop(name).process)

    def pids(self) -> dict[str, int]:
        """Which process is which service now."""
        return {name: running.process.pid for name, running in self._running.items()}


def _end(process: subprocess.Popen[bytes]) -> None:
    """TERM, then KILL for whoever has not gone in time, with everything it started."""
    try:
        process.terminate()
        process.wait(_KILL_AFTER)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class _Become:
    """What a service does between fork and exec: die with its keeper, become its user, keep what it may."""

    def __init__(self, service: ServiceSpec, keeper: int) -> None:
        self._service, self._keeper = service, keeper

    def __call__(self) -> None:
        os.umask(0o007)
        if os.geteuid() == 0 and self._service.uid != 0:
            become_with(self._service.uid, self._service.groups, self._service.capabilities)
        die_with_parent(self._keeper)


def become_with(uid: int, groups: tuple[int, ...], capabilities: tuple[str, ...]) -> None:
    """Give up root for good, but for these capabilities, which last through an exec. Raises `OSError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    if capabilities:
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    become(uid, uid, groups)
    for name in capabilities:
        _keep(libc, name, capabilities)


def _keep(libc: ctypes.CDLL, name: str, wanted: tuple[str, ...]) -> None:
    """Put one capability into the inheritable and the ambient set, so that it survives the exec."""
    raised = (PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAPABILITIES[name], 0, 0)
    if _set_capabilities(libc, wanted) != 0 or libc.prctl(*raised) != 0:
        raise OSError(ctypes.get_errno(), f"capability {name} cannot be kept")


def _set_capabilities(libc: ctypes.CDLL, names: tuple[str, ...]) -> int:
    wanted = 0
    for name in names:
        wanted |= 1 << CAPABILITIES[name]
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3
    data = (ctypes.c_uint32 * 6)(wanted, wanted, wanted, 0, 0, 0)
    return int(libc.capset(header, data))


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs one of our modules with this very interpreter."""
    return [sys.executable, "-m", module, *arguments]
