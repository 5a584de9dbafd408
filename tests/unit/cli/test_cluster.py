"""What the chart's jobs and pods run: keys made once, a root laid out, root given up."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.support.databases import Postgres, name_of
from tests.support.factories import access_grant
from tre.audit.keys import PRIVATE_KEY_FILE, PUBLIC_KEY_FILE, load_private, load_public
from tre.cli import cluster_pod
from tre.cli.cluster_keys import ADMINISTRATOR, FRONT, SECRET, SPECS, Maker, Secrets
from tre.cli.cluster_pod import Given, command_of, hand_over, lay_out, run
from tre.cli.cluster_prepare import prepare
from tre.cli.cluster_table import BECOMES, ON_CLUSTER, in_pod
from tre.cluster.memory import MemoryCluster
from tre.cluster.protocol import Key
from tre.domain.errors import Reason, TREError
from tre.gateway.sessions import read_session_key
from tre.sources.rems.source import load_source_key
from tre.sources.signed import is_evidence_good, load_signers, sign_decision, sign_elsewhere
from tre.sources.signing_keys import read_private
from tre.store.database import Database
from tre.store.migrate import head_revision
from tre.store.postgres import password_path
from tre.store.roles import Role
from tre.store.schema import require_current
from tre.system import hub_keys
from tre.system.layout import Layout

NAMESPACE = "tre-system"
AT = datetime(2026, 11, 1, tzinfo=UTC)


def maker() -> Maker:
    return Maker("tre.example.org", AT)


def content(client: Any) -> dict[str, dict[str, bytes]]:
    found = {spec.name: client.get(SECRET, Key(NAMESPACE, spec.name)) for spec in SPECS}
    return {
        name: {file: base64.b64decode(data) for file, data in one["data"].items()}
        for name, one in found.items()
        if one is not None
    }


def test_every_secret_is_made_once_and_kept() -> None:
    client = MemoryCluster()
    secrets = Secrets(client, NAMESPACE)
    assert secrets.complete(maker()) == [spec.name for spec in SPECS]
    made = content(client)
    assert secrets.complete(maker()) == []
    assert content(client) == made
    values = [data for files in made.values() for data in files.values()]
    assert len(set(values)) == len(values)
    assert all(client.get(SECRET, Key(NAMESPACE, spec.name))["immutable"] is True for spec in SPECS)  # type: ignore[index]


def test_only_what_is_missing_is_made() -> None:
    client = MemoryCluster()
    secrets = Secrets(client, NAMESPACE)
    secrets.complete(maker())
    before = content(client)
    client.delete(SECRET, Key(NAMESPACE, "tre-gateway-session"))
    assert secrets.complete(maker()) == ["tre-gateway-session"]
    after = content(client)
    assert {name for name in before if before[name] != after[name]} == {"tre-gateway-session"}


def test_whoever_is_second_keeps_the_firsts_value() -> None:
    client = MemoryCluster()

    class Late:
        """Somebody who looked before the other job created."""

        def get(self, *_: Any) -> None:
            return None

        def create(self, kind: Any, item: Any) -> Any:
            return client.create(kind, item)

    Secrets(client, NAMESPACE).complete(maker())
    before = content(client)
    assert Secrets(Late(), NAMESPACE).complete(maker()) == []
    assert content(client) == before


def test_what_is_made_is_what_the_programs_read(tmp_path: Path) -> None:
    client = MemoryCluster()
    Secrets(client, NAMESPACE).complete(maker())
    keys = tmp_path / "keys"
    keys.mkdir()
    for files in content(client).values():
        for name, data in files.items():
            (keys / name).write_bytes(data)
            (keys / name).chmod(0o600)
    signer = load_private(keys / PRIVATE_KEY_FILE)
    assert [key.raw for key in load_public(keys / PUBLIC_KEY_FILE)] == [signer.public.raw]
    assert signer.name == "tre.example.org"
    for name in hub_keys.MADE_HERE:
        assert hub_keys.read_key(Layout(tmp_path), name)
    assert len(read_session_key(keys)) == 32
    front = x509.load_pem_x509_certificate((keys / "tls.crt").read_bytes())
    names = front.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "*.lab.tre.example.org" in names.get_values_for_type(x509.DNSName)
    link = x509.load_pem_x509_certificate((keys / "link-hub.pem").read_bytes())
    assert link.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False


def test_every_key_that_a_program_reads_is_given_to_it() -> None:
    given = {
        service: {file for spec in SPECS for file, who in spec.files.items() if service in who}
        for service in ON_CLUSTER
    }
    for file, readers in hub_keys.KEY_READERS.items():
        if file in hub_keys.MADE_HERE:
            assert {service for service in ON_CLUSTER if file in given[service]} == set(readers)
    for role in Role:
        if role.value in ON_CLUSTER:
            assert f"database-{role}.password" in given[role.value]
    assert given["checker"] == set()
    assert PRIVATE_KEY_FILE in given["controller"]
    assert all(PRIVATE_KEY_FILE not in given[service] for service in ON_CLUSTER if service != "controller")
    assert FRONT.files["tls.key"] == {"gateway"}


def mounted(home: Path, settings: str = "base: tre.example.org\n") -> Given:
    """What the kubelet shows: files behind links, whose folders begin with two dots."""
    signers, policies = ("grant-signers", "manifest-signers"), ("policies", "airlock-policies", "dataset-policies")
    for folder in ("settings", "keys", *signers, *policies):
        (home / folder / "..2026").mkdir(parents=True)
        (home / folder / "..data").symlink_to("..2026")
    files = {
        "settings/tre.yaml": settings,
        "settings/cluster.yaml": "images: {}\n",
        "keys/hub-cookie-secret": "a" * 64 + "\n",
        "keys/audit-signing.pub": "public\n",
        "grant-signers/committee.pub": "key\n",
        "manifest-signers/dana.pub": "another key\n",
        "airlock-policies/strict.yaml": "name: strict\n",
        "dataset-policies/nccid.yaml": "name: nccid\n",
    }
    for name, text in files.items():
        folder, _, file = name.partition("/")
        (home / folder / "..2026" / file).write_text(text)
        (home / folder / file).symlink_to(f"..data/{file}")
    return Given(home)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_a_root_is_laid_out_as_on_one_machine(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "root")
    layout.root.mkdir()
    settings = lay_out(layout, mounted(tmp_path / "etc"))
    assert settings.base == "tre.example.org"
    assert mode(layout.keys / "hub-cookie-secret") == 0o600
    assert mode(layout.keys / "audit-signing.pub") == 0o644
    assert not (layout.keys / "hub-cookie-secret").is_symlink()
    assert (layout.keys / "grant-signers" / "committee.pub").read_text() == "key\n"
    assert (layout.keys / "manifest-signers" / "dana.pub").read_text() == "another key\n"
    assert (layout.root / "policies" / "airlock" / "strict.yaml").is_file()
    assert (layout.root / "policies" / "datasets" / "nccid.yaml").is_file()
    assert (layout.root / "cluster.yaml").is_file()
    assert sorted(path.name for path in layout.keys.iterdir()) == [
        "audit-signing.pub",
        "grant-signers",
        "hub-cookie-secret",
        "manifest-signers",
    ]


def test_what_the_committee_decides_counts_where_its_key_is_given(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "root")
    layout.root.mkdir()
    given = mounted(tmp_path / "etc")
    for name, data in Maker("tre.example.org", datetime.now(UTC)).decisions().items():
        (given.directory / "keys" / name).write_bytes(data)
    lay_out(layout, given)
    (layout.keys / "grant-signers" / "committee.pub").unlink()  # no key, as it is mounted here
    key = read_private(layout.committee_key)
    assert mode(layout.committee_key) == 0o600
    grant = sign_decision(access_grant(), "sha256:" + "d" * 64, key)
    assert is_evidence_good(grant, load_signers(layout.keys / "grant-signers"))
    readers = {file: who for spec in SPECS for file, who in spec.files.items() if file.startswith("committee-")}
    assert readers == {"committee-signing.key": {"controller"}, "committee-signing.pub": {"controller", "shell"}}


def test_what_mail_and_sources_need_lies_where_the_controller_looks(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "root")
    layout.root.mkdir()
    given = mounted(tmp_path / "etc")
    for name, data in Maker("tre.example.org", datetime.now(UTC)).stated().items():
        (given.directory / "keys" / name).write_bytes(data)
    (given.directory / "keys" / "mail-password").write_text("secret\n")
    (given.directory / "keys" / "..2026" / "sources").mkdir()
    (given.directory / "keys" / "..2026" / "sources" / "nccid.key").write_text("api key\n")
    (given.directory / "keys" / "sources").symlink_to("..data/sources")
    (given.directory / "source-templates").mkdir()
    (given.directory / "source-templates" / "nccid-cxr.yaml").write_text("a template\n")
    (given.directory / "settings" / "mail-authorities.pem").write_text("a certificate\n")
    lay_out(layout, given)
    hand_over(layout, "controller", os.geteuid())
    assert mode(layout.keys / "mail-password") == 0o600
    assert (mode(layout.source_secrets), mode(layout.source_secrets / "nccid.key")) == (0o700, 0o600)
    assert (layout.source_secrets / "nccid.key").read_text() == "api key\n"
    assert (layout.root / "policies" / "sources" / "nccid-cxr.yaml").is_file()
    assert (layout.root / "mail-authorities.pem").is_file()
    (layout.keys / "grant-signers" / "committee.pub").unlink()  # no key, as it is mounted here
    grant = sign_elsewhere(access_grant("from-nccid-7-x"), "sha256:" + "d" * 64, load_source_key(layout.source_key))
    assert is_evidence_good(grant, load_signers(layout.keys / "grant-signers"))
    readers = {file: who for spec in SPECS for file, who in spec.files.items() if file.startswith("source-")}
    assert readers == {"source-signing.key": {"controller"}, "source-signing.pub": {"controller", "shell"}}


def test_the_databases_address_is_put_in_by_the_pod(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "root")
    layout.root.mkdir()
    given = mounted(tmp_path / "etc", "base: a.b\ndatabaseUrl: postgresql://DATABASE-HOST/tre\n")
    with pytest.raises(TREError, match="address of the database") as raised:
        lay_out(layout, given)
    assert raised.value.reason is Reason.SetupIncomplete
    settings = lay_out(layout, Given(given.directory, "10.96.0.9"))
    assert settings.database_url == "postgresql://10.96.0.9/tre"


def test_without_settings_it_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with pytest.raises(TREError, match=r"settings/tre\.yaml"):
        lay_out(Layout(tmp_path / "root"), Given(tmp_path / "none"))


def test_a_service_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TREError, match="no service launcher"):
        run("launcher", Layout(tmp_path), Given(tmp_path))


def test_sockets_are_where_sidecars_reach_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(tmp_path / "root")
    layout.keys.mkdir(parents=True)
    monkeypatch.setattr(Layout, "run", tmp_path / "run")
    uid = os.geteuid()
    hand_over(layout, "portal", uid)
    hand_over(layout, "hub", uid)
    assert mode(tmp_path / "run" / "portal") == 0o711
    assert mode(tmp_path / "run" / "portal-internal") == 0o711
    assert mode(layout.root / "hub") == 0o700
    assert command_of("public", layout)[-1] == "--public"


def test_the_run_directory_is_the_one_the_chart_mounts() -> None:
    assert str(in_pod().run) == "/run/tre/5ac6b689"
    assert in_pod().socket("hub") == in_pod().run / "hub" / "sock"


BECOME = """
import os, sys, pathlib
from tre.cli import cluster_pod
from tre.system.layout import Layout
Layout.run = pathlib.Path(sys.argv[2])
show = "import os; t = open('/proc/self/status').read(); print(os.getuid(), os.getgid(), os.getgroups(), "
show += "[l.split()[1] for l in t.splitlines() if l.startswith(('CapEff', 'CapAmb'))], sorted(os.environ))"
cluster_pod.command_of = lambda name, layout: [sys.executable, "-c", show]
cluster_pod.run(sys.argv[3], Layout(pathlib.Path(sys.argv[1])), cluster_pod.Given(pathlib.Path(sys.argv[4])))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("service", ["storekeeper", "checker", "portal"])
def test_a_service_becomes_its_user_and_keeps_what_the_table_says(service: str) -> None:
    place = Path(tempfile.mkdtemp(dir="/var/tmp"))  # pytest's own folders are closed to other users
    place.chmod(0o755)
    try:
        mounted(place / "etc")
        (place / "root").mkdir()
        command = [sys.executable, "-c", textwrap.dedent(BECOME)]
        command += [str(place / "root"), str(place / "run"), service, str(place / "etc")]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin", "SECRET": "x"}
        )
        assert done.returncode == 0, done.stderr
        uid = {"storekeeper": 19005, "checker": 19006, "portal": 19003}[service]
        bits = {"CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_FOWNER": 3}
        kept = f"{sum(1 << bits[name] for name in BECOMES.get(service, ())):016x}"
        assert done.stdout.startswith(f"{uid} {uid} [] ['{kept}', '{kept}']"), done.stdout
        assert "SECRET" not in done.stdout
        assert (place / "root" / "keys" / "hub-cookie-secret").stat().st_uid == uid
    finally:
        subprocess.run(["rm", "-rf", str(place)], check=True)


def test_another_user_than_the_services_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(tmp_path / "root")
    layout.root.mkdir()
    given = mounted(tmp_path / "etc")
    monkeypatch.setattr(Layout, "run", tmp_path / "run")
    monkeypatch.setattr(cluster_pod.os, "geteuid", lambda: 4711)
    monkeypatch.setattr(cluster_pod.os, "execve", lambda *_: pytest.fail("it began"))
    with pytest.raises(TREError, match="runs as user 4711"):
        run("portal", layout, given)


def test_roles_tables_and_directories_are_prepared_and_prepared_again(postgres: Postgres, tmp_path: Path) -> None:
    name = name_of(postgres.empty(tmp_path))
    address = postgres.server.setting(name).replace(f"/{name}", "/chart", 1)
    layout = Layout(tmp_path / "root")
    layout.root.mkdir()
    given = mounted(tmp_path / "etc", "base: a.b\ndatabaseRolePrefix: chart_\n")
    for file in [ADMINISTRATOR, *(f"database-{role}.password" for role in Role)]:
        (given.directory / "keys" / file).write_text(f"secret-{file}\n")
    settings = lay_out(layout, given).model_copy(update={"database_url": address})
    for _ in range(2):
        assert prepare(layout, settings, as_administrator=True) == head_revision()
    for role in (Role.controller, Role.portal, Role.storekeeper, Role.public):
        assert password_path(layout, role).exists()
        database = Database.open(layout, settings, role)
        require_current(database)
        database.close()
    assert layout.slices.is_dir()
    assert layout.endings.is_dir()
    assert json.dumps(sorted(path.name for path in layout.checker_spool.iterdir())) == '["in", "out", "taken"]'


def test_without_a_server_nothing_is_prepared(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "root")
    layout.root.mkdir()
    settings = lay_out(layout, mounted(tmp_path / "etc"))
    with pytest.raises(TREError, match="No databaseUrl"):
        prepare(layout, settings, as_administrator=False)


def test_the_pod_for_commands_has_a_root_and_ends_when_told(tmp_path: Path) -> None:
    given, root = mounted(tmp_path / "given"), tmp_path / "root"
    root.mkdir()
    words = ["cluster", "shell", "--root", str(root), "--given", str(given.directory)]
    with subprocess.Popen([sys.executable, "-m", "tre", *words]) as process:
        deadline = time.monotonic() + 30
        while not (root / "keys" / "grant-signers" / "committee.pub").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert (root / "tre.yaml").read_text() == "base: tre.example.org\n"
        assert mode(root / "keys" / "hub-cookie-secret") == 0o600
        process.terminate()
        assert process.wait(10) == 0
