"""What people mistype: every command refuses it with what, why and what to do, and changes nothing."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.unit.cli.conftest import Here, Typed
from tre.cli import installing
from tre.cli.main import app
from tre.system.claims import claimed
from tre.system.layout import Layout
from tre.system.settings import load_settings, root_from

ASSETS = Path(__file__).parents[2] / "assets"
GOOD = str(ASSETS / "grants" / "good.yaml")
TWO_LINES = "one\ntwo"

REFUSED = {
    "grant show lungz": "GrantNotFound: There is no grant 'lungz'",
    "grant suspend lungz --reason audit": "GrantNotFound: There is no grant 'lungz'",
    "grant suspend lungs": "reason: at least 1 entries or characters are due",
    "grant suspend lungs --reason TWO_LINES": "reason: control characters and line breaks",
    "grant suspend lungs --reason LONG": "reason: at most 500 entries or characters",
    "grant suspend lungs --reason audit --until 2020-01-01": "2020-01-01 00:00:00Z has passed already",
    "grant suspend lungs --reason audit --member mallory": "'mallory' names nobody",
    "grant suspend lungs --reason audit --member local:mallory": "There is no member 'local:mallory' here",
    "grant suspend lungs --reason audit --slice ct": "There is no slice 'ct' here",
    "grant suspend --reason audit --organisation org-9": "There is no organisation 'org-9' here",
    "grant suspend --reason audit": "It is not clear what is to be suspended",
    "grant suspend lungs --reason audit --slice cxr --member local:alice": "It is not clear what is to be suspended",
    "grant suspend lungs --reason audit --organisation org-1": "It is not clear what is to be suspended",
    "grant resume nothing": "names neither a suspension nor a suspended grant",
    "grant revoke lungz --reason breach --yes": "GrantNotFound: There is no grant 'lungz'",
    "grant revoke lungs --reason TWO_LINES --yes": "reason: control characters and line breaks",
    "grant revoke lungs --reason EMPTY --yes": "reason: at least 1 entries or characters are due",
    "grant close lungz": "GrantNotFound: There is no grant 'lungz'",
    "grant close lungs": "StateForbids: The grant 'lungs' is Pending; only an ended grant can be closed",
    "grant sign none.yaml": "none.yaml cannot be read",
    "grant sign GOOD --key none.key --output /dev/null": "The signing key cannot be read from none.key",
    "grant sign GOOD --key GOOD --output /dev/null": "The signing key cannot be read from",
    "grant sign GOOD --output /nonexistent/signed.yaml": "cannot be used",
    "workspace list --grant lungz": "GrantNotFound: There is no grant 'lungz'",
    "workspace verify --grant lungz": "GrantNotFound: There is no grant 'lungz'",
    "workspace start lungz local:alice": "GrantNotFound: There is no grant 'lungz'",
    "workspace start lungs alice": "'alice' names nobody",
    "workspace start lungs local:": "'local:' names nobody",
    "workspace start lungs :alice": "':alice' names nobody",
    "workspace start lungs local:TWO_LINES": "id: control characters and line breaks",
    "workspace start lungs local:carol": "NotAMember: local:carol may not be in a workspace of lungs",
    "workspace start lungs local:alice": "may not be in a workspace of lungs now; nothing was started",
    "workspace stop w-nothing": "There is no workspace 'w-nothing'",
    "halt": "It is not clear what is to be halted",
    "halt lungz": "GrantNotFound: There is no grant 'lungz'",
    "halt lungs --all": "It is not clear what is to be halted",
    "halt --all --reason TWO_LINES": "reason: control characters and line breaks",
    "export show e-nothing --as local:alice": "ExportNotFound: There is no export request 'e-nothing'",
    "export submit e-nothing --as local:alice": "ExportNotFound: There is no export request 'e-nothing'",
    "export withdraw e-nothing --as local:alice": "ExportNotFound: There is no export request 'e-nothing'",
    "export list --as alice": "'alice' names nobody",
    "export show e-nothing --as local:": "'local:' names nobody",
    "import show i-nothing --as local:alice": "ImportNotFound: There is no such import request for you",
    "import submit i-nothing --as local:alice --purpose x": "ImportNotFound: There is no such import request for you",
    "import withdraw i-nothing --as local:alice": "ImportNotFound: There is no such import request for you",
    "import upload i-nothing GOOD --as local:alice": "ImportNotFound: There is no such import request for you",
    "import begin lungz --as local:alice": "GrantNotFound: There is no project 'lungz' for you",
    "import list --as alice": "'alice' names nobody",
    "audit prove nothing": "There is no event 'nothing'",
    "audit prove grant/nothing": "There is no event about 'grant/nothing'",
    "audit prove --since GOOD": "good.yaml: This is not a signed checkpoint",
    "audit tail --object TWO_LINES": "object: control characters and line breaks",
    "audit verify none.log": "none.log cannot be read",
    "audit verify GOOD": "good.yaml: This file is not an exported audit log",
    "audit verify --key GOOD": "does not hold a key",
    "audit verify --seen GOOD": "good.yaml: This is not a signed checkpoint",
    "audit export GOOD": "good.yaml exists",
    "audit export /nonexistent/log": "/nonexistent/log cannot be used",
    "bundle verify GOOD": "BundleInvalid",
    "check GOOD --policy none": "PolicyMissing: There is no airlock policy 'none'",
    "check GOOD --policy ./none.yaml": "PolicyMissing: There is no airlock policy at none.yaml",
    "check GOOD --policy GOOD": "good.yaml:2: kind: one of these is due here: 'AirlockPolicy'",
    "slice plan none.yaml": "none.yaml cannot be read",
    "slice plan GOOD": "good.yaml:1: apiVersion: no such key",
    "slice show s-nothing": "SliceNotFound: There is no slice 's-nothing'",
    "slice verify s-nothing": "SliceNotFound: There is no slice 's-nothing'",
    "slice verify ../../etc": "SliceNotFound: There is no slice '../../etc'",
    "dataset show nothing": "DatasetNotFound: There is no dataset 'nothing'",
    "dataset show demo --release r9": "ReleaseNotFound: The dataset 'demo' has no release 'r9'",
    "dataset release nothing /tmp": "DatasetNotFound: There is no dataset 'nothing'",
    "dataset retire nothing --reason old --yes": "DatasetNotFound: There is no dataset 'nothing'",
    "dataset add ../demo /tmp": "'../demo' cannot be a name",
    "dataset add more /nonexistent": "/nonexistent is not a directory",
    "dataset add more GOOD": "good.yaml is not a directory",
    "dataset add more /tmp --release ../r": "'../r' cannot name a release",
    "dataset add more /tmp --title TWO_LINES": "title: control characters and line breaks",
    "user passwd nobody --password-stdin": "MemberNotFound: There is no account 'nobody'",
    "user disable nobody": "MemberNotFound: There is no account 'nobody'",
    "user add Alice --password-stdin": "'Alice' cannot name an account",
    "user add ../alice --password-stdin": "'../alice' cannot name an account",
    "user add ab --name TWO_LINES --password-stdin": "displayName: control characters and line breaks",
    "user add alice --password-stdin": "AlreadyExists: There is an account 'alice' already",
    "init --port 9999": "tre.yaml exists and says listenPort: 8000",
    "init --base other.example": "tre.yaml exists and says base: tre.localhost",
    "init --port 99999": "listenPort: a number up to 65535 is due",
    "init --base BAD_HOST": "base: a text of the form",
    "demo-data nccid /work --patients 10": "is not empty",
}
"""What is typed → what is said. Every one of them exits with 1."""

USAGE = (
    "frobnicate",
    "grant frobnicate",
    "grant apply",
    "grant revoke lungs",
    "grant suspend lungs --reason audit --until yesterday",
    "grant suspend lungs --scope galaxy",
    "workspace start lungs",
    "workspace start lungs local:alice --wait soon",
    "workspace start lungs local:alice --wait -3",
    "workspace start lungs local:alice --wait nan",
    "workspace start lungs local:alice --wait inf",
    "workspace stop w-nothing --wait 1e9",
    "halt --all --wait -1",
    "user add somebody --role king",
    "audit tail -n 0",
    "audit tail -n many",
    "audit prove",
    "import begin lungs",
    "import upload i-nothing none.whl --as local:alice",
    "check none.txt",
    "bundle verify none.zip",
    "init --port many",
    "demo-data nccid /tmp/nowhere --patients many",
)
"""What is not even understood: exit code 2."""

_LITERALS = {"TWO_LINES": TWO_LINES, "LONG": "x" * 100_000, "EMPTY": "", "GOOD": GOOD, "BAD_HOST": "Bad Host"}


def words_of(line: str) -> list[str]:
    words = line.split()
    return [word.replace(name, text) for word in words for name, text in [_literal(word)]]


def _literal(word: str) -> tuple[str, str]:
    return next(((name, text) for name, text in _LITERALS.items() if name in word), ("", ""))


@pytest.fixture(scope="module")
def with_grant(shared: Here) -> Here:
    shared.done("grant", "apply", GOOD)
    return shared


@pytest.mark.parametrize("line", REFUSED)
def test_what_is_mistyped_is_refused_in_three_parts(
    with_grant: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found = with_grant.refused(*words_of(line))
    assert REFUSED[line] in found.err, found
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", USAGE)
def test_what_is_not_understood_is_a_matter_of_usage(with_grant: Here, line: str) -> None:
    before = with_grant.dump()
    found = with_grant.tre(*line.split())
    assert (found.code, found.out) == (2, ""), found
    assert "Error" in found.err
    assert with_grant.dump() == before


@pytest.mark.parametrize("password", ["", "short", "x" * 1025])
def test_a_password_that_is_none_makes_no_account(with_grant: Here, password: str) -> None:
    found = with_grant.refused("user", "add", "somebody", "--password-stdin", typed=password + "\n")
    assert "A password has 12 to 1024 characters" in found.err
    with_grant.refused("user", "passwd", "alice", "--password-stdin", typed=password + "\n")


def test_a_confirmation_that_is_not_the_name_revokes_nothing(with_grant: Here) -> None:
    found = with_grant.refused("grant", "revoke", "lungs", "--reason", "breach", typed="lung\n")
    assert "ConfirmationWrong" in found.err
    before = with_grant.dump()
    assert with_grant.tre("grant", "revoke", "lungs", "--reason", "breach").code == 1  # nobody at the keyboard
    assert with_grant.dump() == before


def test_a_workspace_that_nobody_can_start_now_is_not_started_later(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.done("grant", "apply", GOOD)
    monkeypatch.setattr("tre.cli.workspace._check_entitled", lambda *_: None)
    found = here.refused("workspace", "start", "lungs", "local:alice")
    assert "ServiceUnavailable: The controller does not answer; nothing was started" in found.err
    assert f"tre up --root {here.root}" in found.err


def test_status_says_which_services_are_down(shared: Here) -> None:
    found = shared.tre("status")
    assert found.code == 1
    assert found.out.count("does not answer") == 8


SETTINGS = {
    "base: tre.localhost\nlistenPort: high\n": ":2: listenPort: a whole number is due here",
    'base: tre.localhost\nlistenPort: "8000"\n': ":2: listenPort: a whole number is due here, without quotes",
    "base: tre.localhost\nlistenport: 80\n": ":2: listenport: no such key; did you mean 'listenPort'?",
    "base: tre.localhost\nbase: b\n": ":2: the key 'base' stands twice",
    "listenAddress: 0.0.0.0\n": ":1: listenAddress: listenAddress is not this machine's own",
    "tls: {key: a.pem}\n": ":1: tls: certificate and key belong together",
    "auth: oidc\n": ":1: auth: auth says oidc, and there is no section oidc",
    "auth: ldap\n": ":1: auth: one of these is due here: 'local' or 'oidc'",
    "profiles:\n  small: {memory: lots}\n": ":2: profiles.small.memory: 'lots' is not an amount of bytes",
    "profiles:\n  small: {cpuMillis: yes}\n": ":2: profiles.small.cpuMillis: a whole number is due here",
    "workspaceUids: {first: 30000, last: 20000}\n": ":1: workspaceUids.last: last must not lie below first",
    "dataGroups: {first: 30000, last: 30100}\n": ":1: dataGroups: dataGroups shares numbers with workspaceUids",
    "services: {hub: 19001}\n": ":1: services: services must each have a number of their own",
    "services: {hub: 20001}\n": ":1: services: services must each have a number of their own",
    "- a\n": ":1: the document: a mapping is due here",
    "base: a\n---\nbase: b\n": ":3: a second document begins here",
    "base: [unfinished\n": "not YAML that can be read here",
}


@pytest.mark.parametrize("text", SETTINGS)
@pytest.mark.parametrize("command", ["grant list", "up", "init", "status", "doctor"])
def test_wrong_settings_stop_every_command_by_line_and_key(tmp_path: Path, text: str, command: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "tre.yaml").write_text(text)
    result = CliRunner().invoke(app, command.split(), env={"TRE_ROOT": str(root)})
    found = Typed((command,), result)
    assert (found.code, found.crash) == (1, None), found
    assert f"{root}/tre.yaml" in found.err
    assert SETTINGS[text] in found.err, found
    assert [path.name for path in root.iterdir()] == ["tre.yaml"]


def at(root: Path, *words: str) -> Typed:
    return Typed(words, CliRunner().invoke(app, [*words, "--root", str(root)]))


@pytest.mark.parametrize("command", ["grant list", "up", "status", "workspace verify", "audit tail", "slice show"])
def test_a_root_that_is_nowhere_is_named(tmp_path: Path, command: str) -> None:
    found = at(tmp_path / "nowhere", *command.split())
    assert (found.code, found.crash) == (1, None), found
    assert f"SetupIncomplete: {tmp_path}/nowhere/tre.yaml does not exist" in found.err
    assert "tre init" in found.err
    assert not (tmp_path / "nowhere").exists()


def test_a_directory_of_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    tmp_path.chmod(0o755)
    found = at(tmp_path, "init")
    assert (found.code, found.crash) == (1, None), found
    assert "holds other files and no tre.yaml" in found.err
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("make", [lambda path: path.write_text("a file"), lambda path: path.symlink_to("/proc/none")])
def test_a_root_that_can_be_none_is_refused(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "root")
    found = at(tmp_path / "root", "init")
    assert (found.code, found.crash) == (1, None), found
    assert "what to do: " in found.err


@pytest.mark.parametrize("root", ["~nobody-of-this-name/root", "loop"])
def test_a_root_that_leads_nowhere_is_refused(tmp_path: Path, root: str) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    found = at(Path(root) if root.startswith("~") else tmp_path / root, "status")
    assert (found.code, found.crash) == (1, None), found
    assert "BadInput: " in found.err
    assert "cannot be a root directory" in found.err
    assert "--root" in found.err


def test_a_root_has_one_name_whichever_link_leads_to_it(here: Here, tmp_path: Path) -> None:
    """Else it would be up twice, each with its own lock."""
    (tmp_path / "link").symlink_to(here.root)
    with claimed(here.layout, load_settings(here.root)):
        found = at(tmp_path / "link", "up")
    assert (found.code, found.crash) == (1, None), found
    assert "Conflict: " in found.err
    assert root_from(tmp_path / "link") == here.root.resolve()


@pytest.mark.parametrize(
    "options", [("--port", "0"), ("--port", "70000"), ("--base", "a_b"), ("--base", "x\nauth: oidc")]
)
def test_values_that_are_none_make_no_root(tmp_path: Path, options: tuple[str, str]) -> None:
    found = at(tmp_path / "root", "init", *options)
    assert (found.code, found.crash) == (1, None), found
    assert not (tmp_path / "root").exists()


def test_init_again_changes_nothing(here: Here) -> None:
    before = {path: path.read_bytes() for path in here.layout.keys.rglob("*") if path.is_file()}
    rows = here.dump()
    here.done("init")
    here.done("init", "--port", "8000", "--base", "tre.localhost")
    assert {path: path.read_bytes() for path in here.layout.keys.rglob("*") if path.is_file()} == before
    assert here.dump() == rows


def test_a_port_in_use_is_named_before_anything_starts(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing, "_keep_up", lambda *_: pytest.fail("the services were started"))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        settings = here.root / "tre.yaml"
        settings.write_text(settings.read_text().replace("listenPort: 8000", f"listenPort: {port}"))
        found = here.refused("up")
    assert f"AddressInUse: The gateway cannot listen at 127.0.0.1, port {port}" in found.err
    assert "Address already in use" in found.err
    monkeypatch.setattr(installing, "_keep_up", lambda *_: None)
    here.done("up")


@pytest.mark.parametrize(
    ("content", "words"), [(b"no record at all, only words" * 100, "holds something else"), (b"", "are not those of")]
)
def test_a_record_that_is_none_is_named(here: Here, content: bytes, words: str) -> None:
    root = here.home / "copy"
    shutil.copytree(here.root, root, ignore=shutil.ignore_patterns("tre.sqlite*"))
    Layout(root).database.write_bytes(content)
    found = at(root, "grant", "list")
    assert (found.code, found.crash) == (1, None), found
    assert words in found.err, found
    assert "what to do: " in found.err


FULL = OSError(errno.ENOSPC, "No space left on device", "/somewhere")


def test_a_full_disk_is_said_and_nothing_is_half_done(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    signed = here.home / "signed.yaml"

    def full(descriptor: int) -> None:
        raise FULL

    monkeypatch.setattr(os, "fsync", full)
    found = here.refused("grant", "sign", GOOD, "--output", str(signed))
    assert "StorageFull" in found.err
    assert "Free some space" in found.err
    assert not signed.exists()
    monkeypatch.undo()
    here.done("grant", "sign", GOOD, "--output", str(signed))
    assert signed.exists()


REALLY_FULL = """
import os, sys
from pathlib import Path
from tests.unit.cli.conftest import Here, PASSWORD
small = Path(sys.argv[1])
here = Here(small)
here.done("init")
ballast = small / "ballast"
add = ("user", "add", "somebody", "--password-stdin")
for leaving in (0, 8192, 32768):
    room = os.statvfs(small)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, room.f_bavail * room.f_frsize - leaving))
    found = here.tre(*add, typed=PASSWORD + chr(10))
    print(found.code, found.crash, "full" in found.err, "ree some space" in found.err)
    ballast.unlink()
    print(len(here.dump()["accounts"]), len(here.dump()["audit_events"]))
here.done(*add, typed=PASSWORD + chr(10))
print(len(here.dump()["accounts"]), len(here.dump()["audit_events"]))
here.close()
"""


def test_a_record_on_a_full_disk_keeps_all_or_nothing(tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("a small file system of its own needs root and unshare")
    mounted = 'mount -t tmpfs -o size=4m,mode=0711 tmpfs "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "--mount", "sh", "-c", mounted, "sh", str(tmp_path), sys.executable, REALLY_FULL]
    done = subprocess.run(command, cwd=ASSETS.parents[1], capture_output=True, text=True, check=False, timeout=50)
    assert done.stdout.splitlines() == ["1 None True True", "0 0"] * 3 + ["1 1"], done.stdout + done.stderr
