"""The chart over a matrix of values: Kubernetes' own schemas, and what every pod of ours must be."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import yaml

from tests.support.kubernetes import misfit
from tests.unit.helm.conftest import CHART, DIGESTS, LEAST, Chart, Object, containers, named, pods
from tre.cli import cluster_table
from tre.cli.cluster_keys import SPECS
from tre.link.config import parse_config
from tre.link.table import LINKS
from tre.runtimes.kubernetes.render.facts import ClusterFacts
from tre.system.settings import Settings, UidRange

VERSIONS = ("1.35", "1.37")
"""The oldest and the newest that are promised."""
BUNDLED: Object = {
    "database": {
        "url": "",
        "bundled": {"enabled": True, "image": {"repository": "localhost/postgres", "digest": DIGESTS["postgres"]}},
    }
}
OIDC: Object = {
    "settings": {
        "auth": "oidc",
        "oidc": {
            "issuer": "https://id.example.org",
            "clientId": "tre",
            "authorizeUrl": "https://id.example.org/a",
            "tokenUrl": "https://id.example.org/t",
            "userinfoUrl": "https://id.example.org/u",
        },
    }
}
MAIL: Object = {
    "mail": {
        "host": "smtp.example.org",
        "port": 465,
        "security": "tls",
        "sender": "tre@example.org",
        "user": "tre",
        "passwordSecret": "our-mail",
        "authorities": "-----BEGIN CERTIFICATE-----\n",
        "digestHour": 0,
        "addresses": ["192.0.2.25/32", "2001:db8::25/128"],
    }
}
SOURCES: Object = {
    "policies": {"sources": "kind: SourcePolicy\n", "publicAccount": "kind: PublicAccountPolicy\n"},
    "sources": {
        "templates": {"nccid-cxr.yaml": "kind: AccessGrant\n"},
        "keySecret": "our-rems",
        "keys": ["nccid"],
        "reach": [{"address": "192.0.2.20/32", "port": 8443}],
    },
}
MATRIX: dict[str, Object] = {
    "mail": MAIL,
    "mail-without-a-password": {"mail": {"host": "smtp", "sender": "tre@example.org", "addresses": ["192.0.2.25/32"]}},
    "sources": SOURCES,
    "mail-and-sources-bundled": {**MAIL, **SOURCES, **BUNDLED},
    "least": {},
    "bundled": BUNDLED,
    "bundled-kept": {"database": {**BUNDLED["database"], "bundled": {**BUNDLED["database"]["bundled"], "claim": "c"}}},
    "oidc": OIDC,
    "claims": {
        "storage": {
            "data": {"claim": "d", "hostPath": "", "node": {"kind": "nfs", "server": "nfs", "path": "/d"}},
            "work": {"claim": "w", "hostPath": "", "node": {"kind": "csi", "driver": "x", "handle": "v#{path}"}},
            "vault": {"claim": "v", "hostPath": ""},
        }
    },
    "ingress": {
        "ingress": {"enabled": True, "className": "nginx", "annotations": {"a": "b"}, "tls": {"secretName": "t"}}
    },
    "own-certificate": {
        "gateway": {"tls": {"secretName": "public"}, "port": 8443, "service": {"type": "LoadBalancer"}}
    },
    "image-age": {
        "images": {"workspace": {"builtAt": "2026-11-28T00:00:00Z"}},
        "cluster": {"maximumImageAgeDays": 90},
    },
    "no-guards": {"guards": {"policies": False, "roles": False}, "networkPolicies": {"enabled": False}},
    "all-guards": {"guards": {"clusterNetworkPolicy": True}},
    "single": {"replicas": {"gateway": 1, "portal": 1, "public": 1, "controller": 1}},
    "many": {"replicas": {"gateway": 3, "portal": 3, "public": 3, "controller": 3}},
    "placed": {
        "nodeSelector": {"pool": "tre"},
        "tolerations": [{"key": "tre", "operator": "Exists"}],
        "priorityClassName": "important",
        "images": {"pullSecrets": [{"name": "registry"}], "pullPolicy": "Always"},
    },
    "policies": {
        "policies": {"roles": "roles: {}\n", "airlock": {"strict.yaml": "name: strict\n"}},
        "grantSigners": {"committee.pub": "-----BEGIN PUBLIC KEY-----\n"},
        "networkPolicies": {
            "gatewayFrom": [{"ipBlock": {"cidr": "192.0.2.0/24"}}],
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
        },
        "database": {"addresses": ["192.0.2.7/32"], "port": 5433},
    },
    "monitoring": {
        "monitoring": {"enabled": True, "labels": {"release": "stack"}},
        "networkPolicies": {"metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]},
    },
}

OF_OTHERS = {"ClusterNetworkPolicy", "PodMonitor", "PrometheusRule"}
_valid: set[str] = set()


@pytest.fixture(params=MATRIX)
def objects(request: pytest.FixtureRequest, chart: Chart) -> list[Object]:
    """What is installed, for each row of the matrix."""
    return chart.objects(MATRIX[request.param])


def test_the_table_is_what_the_code_says() -> None:
    assert (CHART / "files" / "services.yaml").read_text() == cluster_table.text(), (
        "run: python -m tre.cli.cluster_table > helm/tre/files/services.yaml"
    )


def test_helm_finds_nothing_wrong(chart: Chart) -> None:
    done = chart.run({}, "lint", "--strict")
    assert done.returncode == 0, done.stdout


@pytest.mark.timeout(240)  # the schemas of three versions are read, and each object is held against them
def test_every_object_fits_the_schemas_of_every_version(objects: list[Object]) -> None:
    for one in objects:
        text = json.dumps(one)
        if one["kind"] in OF_OTHERS or text in _valid:
            continue  # no part of Kubernetes itself, or seen with other values
        assert {version: said for version in VERSIONS if (said := misfit(one, version))} == {}, one["metadata"]["name"]
        _valid.add(text)


def test_no_object_is_there_twice_and_all_are_in_the_namespace(objects: list[Object]) -> None:
    seen = [(one["kind"], one["metadata"]["name"]) for one in objects]
    assert len(set(seen)) == len(seen)
    assert {one["metadata"].get("namespace", "tre-system") for one in objects} == {"tre-system"}


def test_every_container_is_confined(objects: list[Object]) -> None:
    may_begin_as_root = {"storekeeper", "checker", "prepare", "shell"}
    for name, pod in pods(objects).items():
        assert pod["spec"]["automountServiceAccountToken"] is (name == "tre-keys")
        assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(pod):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"]["drop"] == ["ALL"]
            assert "memory" in container["resources"]["limits"]
            assert "@sha256:" in container["image"]
            user = context.get("runAsUser", pod["spec"]["securityContext"].get("runAsUser"))
            assert (user == 0) == (container["name"] in may_begin_as_root), (name, container["name"])
            # What the baseline profile of Pod Security lets a pod have.
            allowed = {"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETGID", "SETUID"}
            assert set(context["capabilities"].get("add", [])) <= (allowed if user == 0 else set())


def test_only_the_controller_and_the_keys_job_have_a_token(objects: list[Object]) -> None:
    for name, pod in pods(objects).items():
        tokens = [
            source
            for volume in pod["spec"].get("volumes", [])
            for source in volume.get("projected", {}).get("sources", [])
            if "serviceAccountToken" in source
        ]
        assert bool(tokens) == (name == "tre-controller")
        for container in containers(pod):
            mounted = [mount for mount in container.get("volumeMounts", []) if mount["name"] == "token"]
            assert bool(mounted) == (container["name"] == "controller")


def test_every_volume_that_is_mounted_is_there(objects: list[Object]) -> None:
    for name, pod in pods(objects).items():
        there = {volume["name"] for volume in pod["spec"].get("volumes", [])}
        mounted = {mount["name"] for one in containers(pod) for mount in one.get("volumeMounts", [])}
        assert mounted == there, name


def test_a_container_reads_its_own_keys_only(chart: Chart) -> None:
    known = {spec.name: spec for spec in SPECS}
    for name, pod in pods(chart.objects(BUNDLED)).items():
        program = name.removeprefix("tre-").partition("-")[0]
        for volume in pod["spec"].get("volumes", []):
            for source in volume.get("projected", {}).get("sources", []):
                if volume["name"] != "keys" or "secret" not in source:
                    continue
                files = known[source["secret"]["name"]].files
                for item in source["secret"]["items"]:
                    assert program in files[item["key"]], (name, item)


def test_private_keys_of_links_are_with_their_service_alone(chart: Chart) -> None:
    for name, pod in pods(chart.objects()).items():
        service = name.removeprefix("tre-")
        for volume in pod["spec"].get("volumes", []):
            for source in volume.get("projected", {}).get("sources", []):
                for item in source.get("secret", {}).get("items", []):
                    if item["path"] == "own.key":
                        assert item["key"] == f"link-{service}.key"
                    elif item["key"].startswith("link-"):
                        assert item["key"].endswith(".pem")


def test_sidecars_carry_what_the_table_says(chart: Chart) -> None:
    objects = chart.objects()
    configs = {
        (name, file): parse_config(json.loads(text))
        for name, one in named(objects, "ConfigMap").items()
        if name.startswith("tre-link-")
        for file, text in one["data"].items()
    }
    carried = set()
    for (name, _file), config in configs.items():
        for out in config.outward:
            carried.add((name.removeprefix("tre-link-"), out.socket.parent.name, out.port))
    assert carried == {(link.caller, link.socket, link.port) for link in LINKS}
    services = named(objects, "Service")
    for link in LINKS:
        inward = configs[f"tre-link-{link.owner}", f"{link.caller}-{link.socket}.json"].inward
        assert [(one.port, one.socket.parent.name) for one in inward] == [(link.port, link.socket)]
        assert link.port in [port["port"] for port in services[f"tre-{link.owner}"]["spec"]["ports"]]
        uid = getattr(Settings().services, link.caller)
        sidecars = {one["name"]: one for one in containers(pods(objects)[f"tre-{link.owner}"])}
        assert sidecars[f"from-{link.caller}-{link.socket}"]["securityContext"]["runAsUser"] == uid


def test_settings_are_read_by_the_programs(objects: list[Object]) -> None:
    given = named(objects, "ConfigMap")["tre-settings"]["data"]
    settings = yaml.safe_load(given["tre.yaml"])
    if "runtime" not in Settings.model_fields:
        settings.pop("runtime")
    assert Settings.model_validate(settings).base == "tre.example.org"
    cluster: dict[str, Any] = yaml.safe_load(given["cluster.yaml"])
    beyond = {"namespace", "gatewayCertificate"}
    facts = ClusterFacts.model_validate({key: value for key, value in cluster.items() if key not in beyond})
    assert [area.mounted_at for area in facts.areas] == ["/srv/tre/data", "/srv/tre/work"]
    labels = pods(objects)["tre-gateway"]["metadata"]["labels"]
    assert facts.gateway.pod_labels.items() <= labels.items()


def test_users_of_services_are_none_of_the_workspaces() -> None:
    ranges = (Settings().workspace_uids, Settings().data_groups)
    assert all(isinstance(one, UidRange) and not one.holds(19020) for one in ranges)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base": ""}, "base is needed"),
        ({"images": {"tre": {"digest": ""}}}, "images are named by digest"),
        ({"images": {"tre": {"digest": "latest"}}}, "digest"),
        ({"database": {"url": ""}}, "database.url is needed"),
        ({"database": {"url": "postgresql://me:secret@db/tre"}}, "url"),
        ({"database": {"bundled": {"enabled": True}}}, "not both"),
        ({"storage": {"data": {"hostPath": ""}}}, "storage.data"),
        ({"storage": {"vault": {"claim": "also"}}}, "not both"),
        ({"ingress": {"enabled": True}}, "ingress.tls.secretName"),
        ({"settings": {"listenPort": 80}}, "settings.listenPort"),
        ({"cluster": {"images": {}}}, "cluster.images"),
        ({"replicas": {"hub": 2}}, "hub"),
        ({"replicas": {"gateway": 0}}, "gateway"),
        ({"guard": {"policies": False}}, "guard"),
        ({"grantSigners": {"../x": "y"}}, "'../x' does not match"),
        ({"networkPolicies": {"apiServerPorts": []}}, "apiServerPorts"),
        ({"mail": {**MAIL["mail"], "sender": ""}}, "mail.sender is needed"),
        ({"mail": {**MAIL["mail"], "addresses": []}}, "mail.addresses is needed"),
        ({"mail": {**MAIL["mail"], "addresses": ["smtp.example.org"]}}, "addresses"),
        ({"mail": {**MAIL["mail"], "user": ""}}, "belong together"),
        ({"mail": {**MAIL["mail"], "passwordSecret": ""}}, "belong together"),
        ({"mail": {**MAIL["mail"], "security": "none"}}, "security"),
        ({"mail": {**MAIL["mail"], "password": "x"}}, "password"),
        ({"settings": {"mail": MAIL["mail"]}}, "settings.mail"),
        ({"sources": {"keySecret": "s"}}, "belong together"),
        ({"sources": {"keys": ["nccid"]}}, "belong together"),
        ({"sources": {"keySecret": "s", "keys": ["../nccid"]}}, "keys"),
        ({"sources": {"reach": [{"address": "192.0.2.20/32"}]}}, "port"),
        ({"sources": {"templates": {"../x.yaml": "y"}}}, "'../x.yaml' does not match"),
        ({"policies": {"source": "a"}}, "source"),
    ],
)
def test_what_is_wrong_is_refused_by_name(chart: Chart, changes: Object, said: str) -> None:
    assert said in chart.refusal(changes)


def test_a_changed_setting_starts_services_again(chart: Chart) -> None:
    def mark(changes: Object) -> str:
        pod = pods(chart.objects(changes))["tre-portal"]
        return str(pod["metadata"]["annotations"]["tre.research/configuration"])

    assert mark({}) == mark({"replicas": {"portal": 3}})
    assert mark({}) != mark({"settings": {"sessionHours": 4}})


@pytest.mark.parametrize(
    ("changes", "folder", "file"),
    [
        ({"policies": {"airlock": {"strict.yaml": "a"}}}, "airlock-policies", "strict.yaml"),
        ({"policies": {"datasets": {"nccid.yaml": "a"}}}, "dataset-policies", "nccid.yaml"),
        ({"policies": {"populations": {"wales.yaml": "a"}}}, "population-policies", "wales.yaml"),
        ({"sources": {"templates": {"cxr.yaml": "a"}}}, "source-templates", "cxr.yaml"),
        ({"manifestSigners": {"dana.pub": "a"}}, "manifest-signers", "dana.pub"),
        ({"practiceSigners": {"dana.pub": "a"}}, "practice-signers", "dana.pub"),
    ],
)
def test_what_a_site_gives_lies_where_services_look(chart: Chart, changes: Object, folder: str, file: str) -> None:
    objects = chart.objects(changes)
    assert named(objects, "ConfigMap")[f"tre-{folder}"]["data"] == {file: "a"}
    mounts = {one["mountPath"] for one in containers(pods(objects)["tre-storekeeper"])[-1]["volumeMounts"]}
    assert f"/etc/tre/{folder}" in mounts
    before, after = (pods(found)["tre-storekeeper"]["metadata"] for found in (chart.objects(), objects))
    assert before != after, "services begin again, to read it"


def keys_of(objects: list[Object], name: str) -> dict[str, set[str]]:
    """Which files of which Secrets a pod is shown as keys."""
    [volume] = [one for one in pods(objects)[name]["spec"]["volumes"] if one["name"] == "keys"]
    given = [one["secret"] for one in volume["projected"]["sources"]]
    return {one["name"]: {item["path"] for item in one["items"]} for one in given}


def test_mail_is_the_settings_section_and_its_password_the_controllers_alone(chart: Chart) -> None:
    objects = chart.objects(MAIL)
    given = named(objects, "ConfigMap")["tre-settings"]["data"]
    found = Settings.model_validate(
        {key: value for key, value in yaml.safe_load(given["tre.yaml"]).items() if key in {"base", "mail"}}
    ).mail
    assert found is not None
    assert (found.host, found.port, found.security, found.digest_hour) == ("smtp.example.org", 465, "tls", 0)
    assert (found.user, found.sender) == ("tre", "tre@example.org")
    assert str(found.authorities) in given
    assert str(found.password_file) == "keys/mail-password"
    for name in pods(objects):
        shown = keys_of(objects, name) if name != "tre-keys" and "test" not in name and "postgres" not in name else {}
        assert shown.get("our-mail", set()) == ({"mail-password"} if name == "tre-controller" else set()), name
    assert "mail" not in yaml.safe_load(named(chart.objects(), "ConfigMap")["tre-settings"]["data"]["tre.yaml"])


def test_other_authorities_for_the_mail_server_start_services_again(chart: Chart) -> None:
    def mark(authorities: str) -> str:
        pod = pods(chart.objects({"mail": MAIL["mail"] | {"authorities": authorities}}))["tre-controller"]
        return str(pod["metadata"]["annotations"]["tre.research/configuration"])

    assert mark("one") != mark("another")


def test_sources_have_their_policy_their_keys_and_their_host(chart: Chart) -> None:
    objects = chart.objects(SOURCES | {"ingress": MATRIX["ingress"]["ingress"]})
    files = named(objects, "ConfigMap")["tre-policies"]["data"]
    assert set(files) == {"sources.yaml", "public-account.yaml"}
    assert keys_of(objects, "tre-controller")["our-rems"] == {"sources/nccid.key"}
    assert "our-rems" not in keys_of(objects, "tre-portal") | keys_of(objects, "tre-storekeeper")
    assert "source-signing.key" in keys_of(objects, "tre-controller")["tre-source-signing"]
    assert keys_of(objects, "tre-shell")["tre-source-signing"] == {"source-signing.pub"}
    hosts = {rule["host"] for rule in named(objects, "Ingress")["tre"]["spec"]["rules"]}
    assert "*.tre.example.org" in hosts  # holds for sources.tre.example.org


def test_another_image_prepares_anew(chart: Chart) -> None:
    def job(changes: Object) -> str:
        return next(name for name in named(chart.objects(changes), "Job") if name.startswith("tre-prepare-"))

    assert job({}) == job({"replicas": {"portal": 3}})
    assert job({}) != job({"images": {"tre": {"digest": DIGESTS["workspace"]}}})
    # A job cannot be changed: whatever would change it makes another one.
    assert job({}) != job({"resources": {"default": {"limits": {"memory": "2Gi"}}}})
    assert job({}) != job({"nodeSelector": {"pool": "tre"}})
    assert job({}) != job({"settings": {"sessionHours": 4}})


def test_no_key_stands_in_what_helm_keeps(objects: list[Object]) -> None:
    assert named(objects, "Secret") == {}
    assert base64.b64encode(b"postgres").decode() not in json.dumps(objects)


def test_the_least_values_are_the_least() -> None:
    assert set(LEAST) == {"base", "images", "database", "storage"}
