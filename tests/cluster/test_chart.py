"""`helm install` on the real node: every service answers, keys stay, upgrades go through, packets go where they may."""

from __future__ import annotations

import base64
import json

import pytest

from tests.cluster.harness.basics import wait_until
from tests.cluster.harness.client import ApiError
from tests.cluster.installed import BASE, DEPLOYMENTS, NAMESPACE, TRY, Installation
from tests.cluster.launcher import Launcher
from tre.controller.sign import LEADS
from tre.system.settings import ServiceUids

pytestmark = pytest.mark.timeout(1500)


@pytest.fixture
def site(launcher: Launcher) -> Installation:
    """The installation that tests of the whole share."""
    return launcher.site


def test_the_pages_are_reached_through_every_service_on_the_way(site: Installation) -> None:
    assert "Succeeded" in site.typed(TRY)
    said = site.kubectl("logs", "tre-test")
    assert f"{BASE}: 200" in said
    assert f"hub.{BASE}: " in said


def test_notes_say_what_comes_next(site: Installation) -> None:
    assert "helm test tre" in site.notes
    assert "tre-audit-signing" in site.notes


def test_each_service_is_its_own_user_with_what_the_table_says(site: Installation) -> None:
    uids = ServiceUids()
    look = (
        "import os,json; s=[open(f'/proc/{p}/status').read() for p in os.listdir('/proc') if p.isdigit()];"
        "print(json.dumps([[l.split()[1] for l in t.splitlines() if l.startswith(('Uid','CapEff','NoNewPrivs'))]"
        " for t in s]))"
    )
    capabilities = {"storekeeper": "000000000000000b", "checker": "0000000000000002"}
    for name in DEPLOYMENTS:
        pod = site.pods(name)[0]["metadata"]["name"]
        python = "/opt/tre/.venv/bin/python"
        found = json.loads(site.kubectl("exec", pod, "--container", name, "--", python, "-c", look))
        uid = str(getattr(uids, name))
        assert [uid, capabilities.get(name, "0" * 16), "1"] in found, (name, found)


def test_the_record_is_on_the_server_and_each_role_has_its_own_password(site: Installation) -> None:
    values = {name: site.secret(f"tre-database-{name}")["data"] for name in ("owner", "portal", "public")}
    assert len({json.dumps(value) for value in values.values()}) == 3
    pods = site.pods("prepare")
    assert [pod["status"]["phase"] for pod in pods] == ["Succeeded"]


def test_only_one_controller_leads_and_the_other_stands_by(site: Installation) -> None:
    def ready() -> list[bool]:
        return [
            any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"]["conditions"])
            for pod in site.pods("controller")
        ]

    def leads() -> list[str]:
        return [pod["metadata"]["name"] for pod in site.pods("controller") if LEADS in pod["metadata"]["labels"]]

    def sent_to() -> list[str]:
        path = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
        found = site.client.get(f"{path}?labelSelector=kubernetes.io/service-name=tre-controller")["items"]
        return [one["targetRef"]["name"] for item in found for one in item["endpoints"] or []]

    wait_until(lambda: ready() == [True, True], "both controllers should be ready", 60)

    def only_leader() -> str:
        """The one that leads and is sent to; nobody while two or none do, as between one and the next."""
        leading, sent = leads(), sent_to()
        return leading[0] if len(leading) == 1 and leading == sent else ""

    def leader_after(before: str) -> str:
        seen = [""]

        def found() -> bool:
            seen.append(only_leader())
            return seen[-1] not in {"", before}

        wait_until(found, "another should lead, and be sent to", 90)
        return seen[-1]

    first = leader_after("")
    site.kubectl("delete", "pod", first, "--wait=false")
    assert leader_after(first) != first


def test_secrets_cannot_be_changed(site: Installation) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets/tre-audit-signing"
    change = {"data": {"audit-signing.key": base64.b64encode(b"x").decode()}}
    with pytest.raises(ApiError, match="immutable"):
        site.client.request("PATCH", path, change, "application/merge-patch+json")


def test_policies_of_the_namespace_hold_on_real_packets(site: Installation) -> None:
    """From the public pages' pod: its database answers; the Hub, the portal, the API server do not."""
    pod = site.pods("public")[0]["metadata"]["name"]
    addresses = {name: site.client.get(f"/api/v1/namespaces/{NAMESPACE}/services/{name}")["spec"]["clusterIP"]
                 for name in ("tre-postgresql", "tre-hub", "tre-portal")}  # fmt: skip
    api = site.client.get("/api/v1/namespaces/default/services/kubernetes")["spec"]["clusterIP"]
    tried = [
        (addresses["tre-postgresql"], 5432),
        *((addresses[f"tre-{one}"], 9401) for one in ("hub", "portal")),
        (api, 443),
    ]
    code = (
        "import socket,sys,json\n"
        "def go(a,p):\n"
        "    try: socket.create_connection((a,p),2).close(); return True\n"
        "    except OSError: return False\n"
        "print(json.dumps([go(a,p) for a,p in json.loads(sys.argv[1])]))"
    )
    arguments = ["exec", pod, "--container", "public", "--", "/opt/tre/.venv/bin/python", "-c", code, json.dumps(tried)]
    assert json.loads(site.kubectl(*arguments)) == [True, False, False, False]


def test_who_is_bound_to_the_pod_for_commands_types_there_and_nowhere_else(site: Installation) -> None:
    typed = ("--as", "pat", "--", "tre", "version")
    with pytest.raises(AssertionError, match="forbidden"):
        site.kubectl("exec", "tre-shell-0", *typed)
    site.kubectl("create", "rolebinding", "pat-types", "--role", "tre-shell", "--user", "pat")
    assert site.kubectl("exec", "tre-shell-0", *typed)
    for pod in (*site.pods("controller"), *site.pods("storekeeper"), *site.pods("postgresql")):
        with pytest.raises(AssertionError, match="forbidden"):
            site.kubectl("exec", pod["metadata"]["name"], *typed)
    site.kubectl("delete", "rolebinding", "pat-types")
