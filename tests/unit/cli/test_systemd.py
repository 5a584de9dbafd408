"""`tre install --systemd`: units that say what the table of services says, and how they are put in place."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import unitfiles
from tests.unit.cli.conftest import Here
from tre.cli.services import services
from tre.cli.systemd import install
from tre.cli.systemd.units import GROUND, TARGET, UNITS, USERS, Nightly, files, group_name, is_own_name, user_name
from tre.cli.systemd.walls import EVERYBODY, walls_of
from tre.domain.errors import Reason, TREError
from tre.system.files import write_atomically
from tre.system.installation import Owners
from tre.system.layout import Layout
from tre.system.notify import READY, notify
from tre.system.settings import Settings
from tre.system.tls_settings import TlsSettings

LAYOUT = Layout(Path("/srv/tre"))
NIGHTLY = Nightly(Path("/srv/backups"), Path("/etc/tre/passphrase"))
MAKES_SANDBOXES = {"launcher", "checker", "doctor"}
EXPOSURE = {
    "tre-hub.service": 12,
    "tre-portal.service": 12,
    "tre-public.service": 12,
    "tre-gateway.service": 20,
    "tre-controller.service": 20,
    "tre-storekeeper.service": 20,
    "tre-installation.service": 30,
    "tre-backup.service": 30,
    "tre-checker.service": 45,
}
"""The most that `systemd-analyze security` may find, in tenths; the launcher and the doctor make sandboxes as root."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="units are root's to write")


def made(settings: Settings | None = None) -> dict[Path, str]:
    return files(LAYOUT, settings or Settings(), NIGHTLY)


def unit(name: str, settings: Settings | None = None) -> dict[str, unitfiles.Section]:
    return unitfiles.read(made(settings)[UNITS / name])


def test_each_unit_starts_what_tre_up_starts() -> None:
    settings = Settings()
    numbers = unitfiles.numbers(made()[USERS])
    for spec in services(LAYOUT, settings, Owners(settings.services, as_root=True)):
        found = unit(f"tre-{spec.name}.service")["Service"]
        assert found["ExecStart"] == [" ".join(spec.command)]
        given = dict(word.split("=", 1) for word in found["Environment"][0].split())
        assert given == {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **spec.environment}
        if spec.name == "launcher":
            assert "User" not in found
            continue
        assert numbers[found["User"][0]] == numbers[found["Group"][0]] == spec.uid
        assert [numbers[name] for name in found["SupplementaryGroups"][0].split()] == list(spec.groups)
        assert found["AmbientCapabilities"] == found["CapabilityBoundingSet"] == [" ".join(spec.capabilities)]


def test_every_number_of_the_settings_gets_its_name_once() -> None:
    numbers = unitfiles.numbers(made()[USERS])
    uids = Settings().services.model_dump()
    shared = {"record_writers", "record_readers", "inner_circle", "hub_callers"}
    assert numbers == {(group_name if key in shared else user_name)(key): value for key, value in uids.items()}


def test_accounts_that_units_run_as_are_known_for_ours() -> None:
    settings = Settings()
    assert is_own_name("tre-gateway", settings.services.gateway, settings)
    assert not is_own_name("tre-gateway", settings.services.hub, settings)
    assert not is_own_name("somebody", settings.services.gateway, settings)


def test_a_low_port_gives_the_gateway_its_one_capability() -> None:
    tls = TlsSettings.model_validate({"certificate": "a", "key": "b", "redirectPort": 80})
    for settings in (Settings(listen_port=443), Settings(listen_port=8443, tls=tls)):
        assert unit("tre-gateway.service", settings)["Service"]["AmbientCapabilities"] == ["CAP_NET_BIND_SERVICE"]


def test_everything_hangs_on_one_target_and_stands_on_one_ground() -> None:
    target = unit(TARGET)
    wanted = set(target["Unit"]["Wants"][0].split())
    own = {path.name for path in made() if path.parent == UNITS and path.suffix == ".service"}
    assert wanted == own - {"tre-backup.service", "tre-doctor.service"}
    for name in wanted - {GROUND}:
        found = unit(name)["Unit"]
        assert (found["Requires"], found["After"], found["PartOf"]) == ([GROUND], [GROUND], [TARGET])
        assert found["StartLimitIntervalSec"] == ["0"], "one that fails is started again without end"
    assert unit("tre-launcher.service")["Service"]["KillMode"] == ["process"]


def test_who_makes_no_sandboxes_has_every_wall() -> None:
    names = {path.name.removeprefix("tre-").removesuffix(".service") for path in made() if path.suffix == ".service"}
    for name in names - MAKES_SANDBOXES:
        found = unit(f"tre-{name}.service")["Service"]
        missing = {key for key, _ in EVERYBODY} - set(found)
        assert missing <= {"RestrictSUIDSGID"}, name
        assert found["ProtectSystem"] == ["strict"]
    launcher = set(unit("tre-launcher.service")["Service"])
    inherited = {key for key, _ in EVERYBODY} | {"OOMScoreAdjust", "PrivateNetwork", "RestrictAddressFamilies"}
    assert launcher & inherited == {"UMask", "RestrictRealtime", "LockPersonality", "KeyringMode"} | {
        "SystemCallArchitectures"
    }, "workspaces inherit what the launcher has"


@pytest.mark.parametrize(
    ("changes", "without_network"),
    [
        ({}, {"portal", "public", "hub", "storekeeper", "checker"}),
        ({"database_url": "postgresql://db.example/tre"}, {"hub", "checker"}),
    ],
)
def test_who_speaks_with_no_other_machine_has_no_network(changes: dict[str, str], without_network: set[str]) -> None:
    settings = Settings.model_validate(changes)
    names = ("portal", "public", "hub", "storekeeper", "checker", "gateway", "controller", "installation")
    found = {name for name in names if ("PrivateNetwork", "yes") in walls_of(name, LAYOUT, settings).directives}
    assert found == without_network


def test_the_public_pages_may_write_nothing_but_their_socket() -> None:
    assert walls_of("public", LAYOUT, Settings()).writes == (LAYOUT.socket("public").parent,)


def test_no_secret_is_on_a_line() -> None:
    texts = "\n".join(made().values())
    assert "LoadCredential=passphrase:/etc/tre/passphrase" in texts
    assert "--passphrase-file %d/passphrase" in texts
    assert re.search(r"(?i)(password|secret|token|\.key)\b", texts.replace("KeyringMode", "")) is None


@pytest.mark.parametrize("root", ["/srv/t re", "/srv/100%", "/srv/$HOME", '/srv/"x"', "/srv/a\nb", "/srv/a;b"])
def test_a_path_that_a_unit_would_read_otherwise_is_refused(root: str) -> None:
    with pytest.raises(TREError) as refused:
        files(Layout(Path(root)), Settings())
    assert refused.value.reason is Reason.BadInput


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_systemd_understands_every_line_and_finds_the_walls(tmp_path: Path) -> None:
    for path, text in made().items():
        (tmp_path / path.name).write_text(text)
    paths = [str(tmp_path / path.name) for path in made() if path.parent == UNITS]
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *paths], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    for name, most in EXPOSURE.items():
        command = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={most}"]
        judged = subprocess.run([*command, str(tmp_path / name)], capture_output=True, text=True, check=False)
        assert judged.returncode == 0, (name, judged.stdout[-300:], judged.stderr)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_a_mistyped_wall_would_be_seen(tmp_path: Path) -> None:
    broken = made()[UNITS / "tre-hub.service"].replace("ProtectSystem=strict", "ProtectSytem=strict")
    (tmp_path / "tre-hub.service").write_text(broken)
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "tre-hub.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ProtectSytem" in said.stderr


def snapshot(prefix: Path) -> dict[str, str]:
    return {str(path.relative_to(prefix)): path.read_text() for path in sorted(prefix.rglob("*")) if path.is_file()}


class TestPutting:
    def put(self, prefix: Path, wanted: dict[Path, str]) -> list[install.Change]:
        changes = install.planned(LAYOUT, wanted, prefix)
        install.carry_out(changes)
        return changes

    def test_again_changes_nothing_and_a_change_shows(self, tmp_path: Path) -> None:
        assert len(self.put(tmp_path, made())) == len(made())
        first = snapshot(tmp_path)
        assert {Path(name) for name in first} == set(made())
        assert self.put(tmp_path, made()) == []
        hub = tmp_path / UNITS / "tre-hub.service"
        hub.write_text(hub.read_text().replace("ProtectHome=yes", "ProtectHome=no"))
        changes = self.put(tmp_path, made())
        assert [change.path for change in changes] == [hub]
        assert "-ProtectHome=no\n+ProtectHome=yes\n" in changes[0].diff()
        assert snapshot(tmp_path) == first
        assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()} == {0o644}

    def test_what_is_due_no_more_goes(self, tmp_path: Path) -> None:
        self.put(tmp_path, made())
        changes = self.put(tmp_path, files(LAYOUT, Settings()))
        assert {change.path.name for change in changes} == {"tre-backup.service", "tre-backup.timer"}
        assert "tre-backup" not in str(snapshot(tmp_path))

    def test_removing_takes_its_own_and_nothing_else(self, tmp_path: Path) -> None:
        self.put(tmp_path, made())
        (tmp_path / UNITS / "tre-ours.service").write_text("[Service]\nExecStart=/bin/true\n")
        (tmp_path / UNITS / "cron.service").write_text("[Service]\n")
        added = tmp_path / UNITS / "tre-hub.service.d" / "override.conf"
        added.parent.mkdir()
        added.write_text("[Service]\nNice=5\n")
        assert self.put(tmp_path, made()) == []
        self.put(tmp_path, {})
        kept = {"tre-ours.service", "cron.service", "tre-hub.service.d/override.conf"}
        assert set(snapshot(tmp_path)) == {str(UNITS / name) for name in kept}

    def test_a_directory_in_the_place_of_a_unit_stops_everything(self, tmp_path: Path) -> None:
        (tmp_path / UNITS / "tre-hub.service").mkdir(parents=True)
        with pytest.raises(TREError) as refused:
            self.put(tmp_path, made())
        assert refused.value.reason is Reason.Conflict
        assert snapshot(tmp_path) == {}

    @pytest.mark.parametrize(
        "text", ["[Service]\n", "", "# Made by `tre install --systemd` for /srv/tre2. Changes are lost here; …\n"]
    )
    def test_what_is_anothers_stops_everything(self, tmp_path: Path, text: str) -> None:
        (tmp_path / UNITS).mkdir(parents=True)
        (tmp_path / UNITS / "tre-hub.service").write_text(text)
        before = snapshot(tmp_path)
        with pytest.raises(TREError) as refused:
            self.put(tmp_path, made())
        assert refused.value.reason is Reason.Conflict
        assert "tre-hub.service" in refused.value.what
        assert snapshot(tmp_path) == before
        self.put(tmp_path, {})
        assert snapshot(tmp_path) == before

    def test_a_power_cut_leaves_whole_files_and_the_next_run_finishes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written = write_atomically
        count = iter(range(100))

        def cut(*arguments: object, **more: object) -> None:
            if next(count) == 4:
                raise KeyboardInterrupt
            written(*arguments, **more)  # type: ignore[arg-type]

        monkeypatch.setattr("tre.cli.systemd.install.write_atomically", cut)
        with pytest.raises(KeyboardInterrupt):
            self.put(tmp_path, made())
        assert all(made()[Path(name)] == text for name, text in snapshot(tmp_path).items())
        self.put(tmp_path, made())
        assert {Path(name): text for name, text in snapshot(tmp_path).items()} == made()


@pytest.mark.parametrize("place", install._HIDDEN)
def test_places_that_units_hide_are_refused(place: Path) -> None:
    for walked, roots in (([Path("/usr/bin"), place / "x"], []), ([Path("/usr/bin")], [place / "x"])):
        with pytest.raises(TREError) as refused:
            install.check_places(walked, roots)
        assert refused.value.reason is Reason.BadInput
    install.check_places([Path("/usr/bin")], [Path("/srv/not-there-yet")])


def test_a_directory_that_others_cannot_walk_through_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "_HIDDEN", ())
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(TREError):
        install.check_places([closed], [])
    install.check_places([], [closed])


@as_root
class TestTyped:
    @pytest.fixture(autouse=True)
    def seen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Tests lie below /tmp, which units hide."""
        monkeypatch.setattr(install, "_HIDDEN", ())
        monkeypatch.setattr(install, "closed_ancestor", lambda _path: None)

    @pytest.fixture
    def machine(self, tmp_path: Path) -> Path:
        return tmp_path / "machine"

    def test_shown_written_again_and_taken_away(self, here: Here, machine: Path, tmp_path: Path) -> None:
        words = ("install", "--systemd", "--prefix", str(machine))
        shown = here.done(*words, "--dry-run").out
        assert "+ExecStart=" in shown
        assert "would change" in shown
        assert snapshot(machine) == {}
        done = here.done(*words)
        assert "systemctl enable --now tre.target" in done.shown
        assert str(here.root) in snapshot(machine)[str(UNITS / TARGET)]
        assert "Nothing to change." in here.done(*words).out
        (tmp_path / "backups").mkdir()
        (tmp_path / "passphrase").write_text("correct horse battery\n")
        nightly = ("--backup", str(tmp_path / "backups"), "--passphrase-file", str(tmp_path / "passphrase"))
        for mode in (0o644, 0o640):
            (tmp_path / "passphrase").chmod(mode)
            here.refused(*words, *nightly)
        (tmp_path / "passphrase").chmod(0o600)
        here.done(*words, *nightly)
        assert "--passphrase-file %d/passphrase" in snapshot(machine)[str(UNITS / "tre-backup.service")]
        here.done(*words, "--remove")
        assert snapshot(machine) == {}

    @pytest.mark.parametrize(
        "words", [(), ("--systemd", "--backup", "/x"), ("--systemd", "--passphrase-file", "/x")], ids=str
    )
    def test_what_is_not_clear(self, here: Here, machine: Path, words: tuple[str, ...]) -> None:
        here.refused("install", "--prefix", str(machine), *words)
        assert snapshot(machine) == {}

    def test_plain_http_for_others_gets_no_units(self, here: Here, machine: Path) -> None:
        (here.root / "tre.yaml").write_text("base: tre.example\n")
        found = here.refused("install", "--systemd", "--prefix", str(machine))
        assert "tls.certificate" in found.shown
        assert snapshot(machine) == {}

    def test_another_user_is_refused(self, here: Here, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("os.geteuid", lambda: 1000)
        with pytest.raises(TREError):
            install.check_may(machine)


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(tmp_path / "s"))
        told.settimeout(1)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "s"))
        yield told


def test_a_manager_that_asked_is_told(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    assert notify(READY)
    assert manager.recv(64) == b"READY=1"
    monkeypatch.setenv("NOTIFY_SOCKET", "")
    assert not notify(READY)
    monkeypatch.setenv("NOTIFY_SOCKET", "/nobody/here")
    assert not notify(READY)


def test_a_manager_that_does_not_listen_holds_nobody_up(manager: socket.socket) -> None:
    del manager
    assert [notify(READY) for _ in range(600)][-1] is False
