"""The whole path on a real node, as people take it: the chart installed, a grant by kubectl, a browser in a pod, a file
out through two people, a revocation that is seen to be true. The tests are one story, in this order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright, expect

from tests.cluster.conftest import SECONDS
from tests.cluster.harness.basics import BUSY, CHECKOUT
from tests.cluster.installed import BASE
from tests.cluster.launcher import LEFT_TO_THE_LOOP, PASSWORD, RESOURCES, Launcher, took
from tests.cluster.pods import STUBBORN
from tests.support.chromium import CHROMIUM_MISSING, PROGRAM
from tre.cli.demonstration.airlock import Airlock
from tre.cli.trial.desk import Desk
from tre.cli.trial.lab import Kernel
from tre.domain import names
from tre.runtimes.protocol import DeathProof

pytestmark = [pytest.mark.timeout(2 * SECONDS), LEFT_TO_THE_LOOP]

GRANT, SECOND = "nccid-00123", "nccid-00124"
NOTEBOOK = CHECKOUT / "examples" / "notebooks" / "severity.ipynb"
HOUSEHOLD = {"/data/chest-xray", "/home/researcher", "/inbox", "/outbox", "/shared"}

ATTACKS = """
import ctypes, errno, json, os, pathlib, signal, socket, subprocess, sys
found = {}
def attempt(name, act):
    try:
        found[name] = "DONE " + repr(act())[:80]
    except (OSError, subprocess.SubprocessError) as error:
        found[name] = errno.errorcode.get(getattr(error, "errno", None), type(error).__name__)
first = next(pathlib.Path("/data/chest-xray/data").rglob("*.dcm"))
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_PACKET, socket.AF_VSOCK):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
        attempt(f"socket {family.name} {kind.name}", lambda: socket.socket(family, kind))
for name, place in TARGETS:
    attempt(f"reach {name}", lambda: socket.create_connection(place, 2))
attempt("name", lambda: socket.getaddrinfo("kubernetes.default.svc", 443))
child = "import socket; socket.socket(socket.AF_INET)"
attempt("socket of a child", lambda: subprocess.run([sys.executable, "-c", child], check=True, capture_output=True))
attempt("write data", lambda: first.write_bytes(b""))
attempt("remove data", lambda: first.unlink())
attempt("chmod data", lambda: first.chmod(0o777))
attempt("new data", lambda: (first.parent / "new").write_bytes(b""))
attempt("write inbox", lambda: pathlib.Path("/inbox/new").write_bytes(b""))
attempt("write programs", lambda: pathlib.Path("/opt/tre/init/new").write_bytes(b""))
attempt("token", lambda: os.listdir("/var/run/secrets/kubernetes.io/serviceaccount"))
attempt("keys of the door", lambda: os.listdir("/run/keys"))
attempt("memory of the first process", lambda: open("/proc/1/mem", "r+b").read(1))
attempt("kill the first process", lambda: os.kill(1, signal.SIGKILL) or os.kill(1, signal.SIGSTOP))
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), name)
attempt("unshare", lambda: call("unshare", 0x10000000))
attempt("mount", lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None))
attempt("become root", lambda: os.setuid(0))
commands = []
for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    try:
        commands.append(path.read_bytes().replace(bytes(1), b" ").decode())
    except OSError:
        pass
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
facts = {
    "first": len(first.read_bytes()), "commands": commands, "capabilities": status["CapBnd"].strip(),
    "seccomp": status["Seccomp"].strip(), "privileges": status["NoNewPrivs"].strip(),
    "mounts": [line.split()[4] for line in open("/proc/self/mountinfo")],
    "homes": os.listdir("/home"), "variables": sorted(os.environ),
}
print(json.dumps([found, facts]))
"""


def test_an_operator_finds_the_launcher_furnished(launcher: Launcher) -> None:
    assert {one["name"] for one in launcher.json("user", "list")} == {"alice", "ben", "carol", "chris", "olga"}
    counts = launcher.json("dataset", "list")[0]["releases"][0]["counts"]
    assert counts["patients"] == 40
    shown = launcher.site.client.get(f"{RESOURCES}/datasets/nccid")["status"]
    assert [one["name"] for one in shown["releases"]] == ["2026-10-01"]


def test_who_may_write_a_resource_cannot_approve(launcher: Launcher) -> None:
    forged = launcher.approve("nccid-00666")
    forged["spec"]["members"][0]["subject"]["id"] = "ben"  # after the committee had signed
    launcher.apply(forged)

    def verdict() -> str:
        found = launcher.resource("nccid-00666").get("status", {}).get("conditions") or []
        return next((one["reason"] for one in found if one["type"] == "EvidenceVerified"), "")

    launcher.await_that(lambda: verdict() == "EvidenceUnverified", "the evidence should be refused")
    assert launcher.phase("nccid-00666") != "Active"
    assert not launcher.has_namespace("nccid-00666")
    launcher.withdraw("nccid-00666")


def test_a_signed_resource_becomes_active(launcher: Launcher) -> None:
    signed = launcher.approve(GRANT)
    began = time.monotonic()
    launcher.apply(signed)
    launcher.await_that(lambda: launcher.phase(GRANT) == "Active", "the grant should be active", every=0.02)
    took("kubectl apply → Active, slice built", time.monotonic() - began)
    assert "Active" in launcher.site.kubectl("get", "accessgrants", GRANT)


@CHROMIUM_MISSING
def test_a_person_opens_the_notebook_in_chromium(launcher: Launcher) -> None:
    async def story() -> None:
        async with window() as page:
            await page.goto(launcher.origin("desk") + "/")
            await page.fill("input[name=username]", "alice")
            await page.fill("input[name=password]", PASSWORD)
            await page.press("input[name=password]", "Enter")
            await page.wait_for_selector(f"form[action*='/{GRANT}/open']")
            began = time.monotonic()
            await page.click(f"form[action*='/{GRANT}/open'] button")
            frame = page.frame_locator("iframe[title=JupyterLab]")
            card = frame.locator(".jp-LauncherCard[data-category=Notebook]").first
            await card.wait_for(timeout=45_000 * BUSY)
            took("click → JupyterLab drawn by Chromium", time.monotonic() - began)
            await card.click()
            ready = frame.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").first
            await ready.wait_for(
                state="attached", timeout=30_000 * BUSY
            )  # until then the page moves what has the focus
            cell = frame.locator(".jp-Notebook .cm-content").first
            await cell.click()
            await page.keyboard.insert_text(
                "import os; print(('manifest.parquet' in os.listdir('/data/chest-xray')) * 1000 + 42)"
            )
            await expect(cell).to_contain_text("1000 + 42")
            answer = frame.locator(".jp-OutputArea-output").first
            for _ in range(6):  # as a person does whose page did not take the first click
                await cell.click()
                await frame.locator("[data-command='notebook:run-cell-and-select-next']").first.click()
                with contextlib.suppress(AssertionError):
                    await expect(answer).to_contain_text("1042", timeout=5_000 * BUSY)
                    break
            await expect(answer).to_contain_text("1042")
            took("click → a cell's answer on the screen", time.monotonic() - began)

    asyncio.run(story())
    assert launcher.state(GRANT)["phase"] == "Running"


@asynccontextmanager
async def window() -> AsyncIterator[Page]:
    """A real browser whose names of the launcher lead to this machine's loopback."""
    names_of_ours = f"MAP *.{BASE} 127.0.0.1, MAP {BASE} 127.0.0.1"
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", f"--host-resolver-rules={names_of_ours}"]
        browser = await playwright.chromium.launch(executable_path=PROGRAM, args=arguments)
        try:
            context = await browser.new_context(ignore_https_errors=True)  # a certificate that nobody signed
            yield await context.new_page()
        finally:
            await browser.close()


def test_attacks_from_a_kernel_fail(launcher: Launcher) -> None:
    targets = [(one["name"], (one["address"], one["port"])) for one in launcher.values["cluster"]["probe"]]
    targets += [(f"{pod['metadata']['name']}", (pod["status"]["podIP"], 5432)) for pod in launcher.site.pods()]
    targets.append(("metadata", ("169.254.169.254", 80)))

    async def story() -> Any:
        async with launcher.lab_of(GRANT) as lab:
            return json.loads((await lab.run([f"TARGETS = {targets!r}\n{ATTACKS}"]))[0])

    found, facts = asyncio.run(story())
    # Two signals are sent and come to nothing: the kernel of the machine drops them.
    assert {name for name, said in found.items() if said.startswith("DONE")} == {"kill the first process"}, found
    assert {said for name, said in found.items() if name.startswith(("socket AF", "reach"))} == {"EAFNOSUPPORT"}
    assert {found[name] for name in ("write data", "remove data", "chmod data", "new data")} <= {
        "EROFS",
        "EACCES",
        "EPERM",
    }
    assert found["token"] == "ENOENT"
    assert facts["first"] > 0  # it does read the slice
    assert (facts["capabilities"], facts["privileges"]) == ("0" * 16, "1")
    assert int(facts["seccomp"]) == 2
    assert set(facts["mounts"]) >= HOUSEHOLD
    assert facts["homes"] == ["researcher"]
    assert not [one for one in facts["commands"] if "runtimes.door" in one]
    told = [one for one in facts["variables"] if one.startswith(("KUBERNETES", "TRE_"))]
    assert told == ["TRE_ENDS", "TRE_GRANT"]
    assert launcher.state(GRANT)["phase"] == "Running"  # the first process did not even notice


def test_a_stranger_is_turned_away(launcher: Launcher) -> None:
    shell = launcher.shell_of(launcher.workspace(GRANT))

    async def status(name: str) -> int:
        async with launcher.signed_in(name) as (browser, _):
            return (await browser.get(shell + "/")).status

    assert asyncio.run(status("ben")) == 403
    assert asyncio.run(status("alice")) == 200


class ClusterAirlock(Airlock):
    """The demonstration's way out, with this installation's desks."""

    def __init__(self, launcher: Launcher, grant: str) -> None:
        self.launcher, self.grant = launcher, grant

    @asynccontextmanager
    async def desk_of(self, name: str) -> AsyncIterator[Desk]:
        """Somebody's desk."""
        async with self.launcher.signed_in(name) as (browser, _):
            yield Desk(browser, self.launcher.origin("desk"))

    async def bundle(self, export: str) -> bytes:
        """What the researcher downloads."""
        async with self.desk_of("alice") as desk:
            found = await desk.call("GET", f"/exports/{export}")
            return await desk.download(found["release"]["url"])


def test_a_file_leaves_through_two_people(launcher: Launcher) -> None:
    cells = [one for one in json.loads(NOTEBOOK.read_text())["cells"] if one["cell_type"] == "code"]
    airlock = ClusterAirlock(launcher, GRANT)

    async def story() -> tuple[list[str], bytes]:
        async with launcher.lab_of(GRANT) as lab:
            printed = await lab.run(["".join(one["source"]) for one in cells])
        export, _ = await airlock.ask()
        await airlock.review(export)
        return printed, await airlock.bundle(export)

    began = time.monotonic()
    printed, bundle = asyncio.run(story())
    took("notebook run, file asked for, checked, reviewed by two, released", time.monotonic() - began)
    assert any(line.startswith("no network") for line in printed)
    assert any(line.startswith("read-only") for line in printed)
    launcher.verify_bundle(bundle)
    middle = bundle.index(b"patients")
    with pytest.raises(AssertionError):
        launcher.verify_bundle(bundle[:middle] + b"PATIENTS" + bundle[middle + 8 :])


def test_a_revoked_kernel_is_dead_although_it_ignores_every_signal(launcher: Launcher) -> None:
    launcher.grant(SECOND)

    async def story() -> tuple[float, float]:
        async with launcher.lab_of(SECOND) as lab, lab.kernel() as kernel:
            await kernel.execute(STUBBORN)
            uid = launcher.uid(SECOND)
            assert len(launcher.node.processes_of(uid)) >= 9
            began = time.monotonic()
            await asyncio.to_thread(launcher.withdraw, SECOND)
            cut = asyncio.create_task(until_cut(kernel))
            while launcher.node.processes_of(uid):
                assert time.monotonic() - began < 30 * BUSY
                await asyncio.sleep(0.01)
            dead = time.monotonic() - began
            return await cut - began, dead

    cut, dead = asyncio.run(story())
    took("kubectl delete → websocket cut", cut)
    took("kubectl delete → no process of the pod on the node", dead)
    launcher.await_that(lambda: launcher.shown(SECOND)["phase"] == "Stopped", "its death should be in the record")
    proof = [one["event"] for one in launcher.json("audit", "tail", "--lines", "200")]
    stopped = next(one for one in proof if one["kind"] == "workspace.stopped" and one["detail"]["grant"] == SECOND)
    assert DeathProof.model_validate(stopped["detail"]["proof"]).dead
    launcher.await_that(lambda: launcher.pod(SECOND) is None, "what is proven dead should be forgotten")
    assert cut < 1.0 * BUSY
    assert dead < 2.0 * BUSY  # the figures are printed
    assert launcher.state(GRANT)["phase"] == "Running"  # and nobody else's


async def until_cut(kernel: Kernel) -> float:
    """When the other side closed the websocket."""
    with contextlib.suppress(ConnectionError):
        async for _message in kernel.channel:
            continue
    return time.monotonic()


def test_the_kill_switch_comes_back_when_death_is_proven(launcher: Launcher) -> None:
    uid = launcher.uid(GRANT)
    assert launcher.node.processes_of(uid)
    began = time.monotonic()
    launcher.tre("halt", GRANT)
    took("`tre halt`, its start included", time.monotonic() - began)
    assert not launcher.node.processes_of(uid)
    with pytest.raises(AssertionError, match="cannot be seen from here"):
        launcher.tre("workspace", "verify")  # no pod is seen where an operator types


def test_what_is_left_of_a_grant_goes_when_it_is_closed(launcher: Launcher) -> None:
    launcher.withdraw(GRANT)
    launcher.await_that(lambda: launcher.resource(GRANT) == {}, "its resource should go")
    launcher.tre("grant", "close", GRANT)
    launcher.await_that(lambda: not launcher.has_namespace(GRANT), "the namespace should go", 60)
    claims = [one["spec"].get("claimRef", {}) for one in launcher.site.client.get("/api/v1/persistentvolumes")["items"]]
    assert names.grant_namespace(GRANT) not in {one.get("namespace") for one in claims}
    launcher.await_that(lambda: launcher.json("grant", "show", GRANT)["status"]["phase"] == "Closed", "a certificate")
    assert not (launcher.site.volumes / "work" / "homes" / launcher.workspace(GRANT)).exists()


def test_the_log_holds_and_says_all_of_it(launcher: Launcher) -> None:
    launcher.await_that(lambda: bool(launcher.json("audit", "verify")["ok"]), "the log should verify", 30, 0.5)
    kinds = {one["event"]["kind"] for one in launcher.json("audit", "tail", "--lines", "300")}
    assert {"grant.activated", "workspace.starting", "workspace.stopped", "export.released", "grant.revoked"} <= kinds
