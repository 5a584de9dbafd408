"""One suite for every way to reach an API server: in memory always, a real one where the cluster tests have one."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import pytest

from tre.cluster.lease import LEASE
from tre.cluster.memory import MemoryCluster
from tre.cluster.protocol import (
    ClusterClient,
    ClusterError,
    Deletion,
    EventType,
    Key,
    Kind,
    Object,
    Preconditions,
    Selector,
    WatchExpiredError,
    version_of,
)
from tre.domain.errors import Reason

CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")
POD_BUDGET = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")


@dataclass
class Site:
    """A client, a namespace of the test's own, and how to make the server forget."""

    client: ClusterClient
    namespace: str

    def item(self, name: str, data: dict[str, str] | None = None, **metadata: Any) -> Object:
        return {"metadata": {"name": name, "namespace": self.namespace} | metadata, "data": data or {}}

    def key(self, name: str) -> Key:
        return Key(self.namespace, name)


class ClientContract:
    """What every implementation does; a subclass gives the site."""

    @pytest.fixture
    def site(self) -> Site:
        raise NotImplementedError

    def test_what_is_not_there_is_none_and_gone_already(self, site: Site) -> None:
        assert site.client.get(CONFIG_MAP, site.key("none")) is None
        assert site.client.delete(CONFIG_MAP, site.key("none")) is False

    def test_a_second_of_one_name_is_refused(self, site: Site) -> None:
        made = site.client.create(CONFIG_MAP, site.item("a", {"x": "1"}))
        assert made["metadata"]["uid"]
        assert site.client.get(CONFIG_MAP, site.key("a")) == made
        with pytest.raises(ClusterError) as caught:
            site.client.create(CONFIG_MAP, site.item("a"))
        assert (caught.value.reason, caught.value.code) == (Reason.AlreadyExists, 409)

    def test_a_list_is_complete_beyond_one_page_and_selects(self, site: Site) -> None:
        for number in range(7):
            site.client.create(CONFIG_MAP, site.item(f"n{number}", labels={"odd": str(number % 2)}))
        found = site.client.list(CONFIG_MAP, site.namespace)
        pages = list(site.client.pages(CONFIG_MAP, site.namespace))
        assert [item for page in pages for item in page.items] == found.items
        assert pages[-1].version == found.version
        names = {item["metadata"]["name"] for item in found.items}
        assert {f"n{number}" for number in range(7)} <= names
        assert all(item["kind"] == "ConfigMap" for item in found.items)
        assert found.version >= max(version_of(item) for item in found.items)
        odd = site.client.list(CONFIG_MAP, site.namespace, Selector(labels="odd=1"))
        assert [item["metadata"]["name"] for item in odd.items] == ["n1", "n3", "n5"]
        marked = site.client.list(CONFIG_MAP, site.namespace, Selector(labels="odd"))
        assert {item["metadata"]["name"] for item in marked.items} == {f"n{number}" for number in range(7)}
        one = site.client.list(CONFIG_MAP, site.namespace, Selector(fields="metadata.name=n4"))
        assert [item["metadata"]["name"] for item in one.items] == ["n4"]

    def test_applying_makes_changes_and_repeats_nothing(self, site: Site) -> None:
        made = site.client.apply(CONFIG_MAP, site.item("a", {"x": "1"}))
        again = site.client.apply(CONFIG_MAP, site.item("a", {"x": "1"}))
        assert version_of(again) == version_of(made)
        changed = site.client.apply(CONFIG_MAP, site.item("a", {"x": "2"}))
        assert changed["data"] == {"x": "2"}
        assert version_of(changed) > version_of(made)

    def test_what_is_no_longer_applied_is_gone_and_what_others_own_stays(self, site: Site) -> None:
        site.client.apply(CONFIG_MAP, site.item("a", {"x": "1", "y": "1"}))
        site.client.apply(CONFIG_MAP, site.item("a", {"z": "1"}), "somebody")
        after = site.client.apply(CONFIG_MAP, site.item("a", {"y": "1"}))
        assert after["data"] == {"y": "1", "z": "1"}

    def test_what_another_manager_set_is_taken_over(self, site: Site) -> None:
        site.client.apply(CONFIG_MAP, site.item("a", {"x": "theirs"}), "somebody")
        after = site.client.apply(CONFIG_MAP, site.item("a", {"x": "ours"}))
        assert after["data"] == {"x": "ours"}

    def test_a_version_in_what_is_applied_is_a_precondition(self, site: Site) -> None:
        made = site.client.apply(CONFIG_MAP, site.item("a", {"x": "1"}))
        old = made["metadata"]["resourceVersion"]
        site.client.apply(CONFIG_MAP, site.item("a", {"x": "2"}, resourceVersion=old))
        with pytest.raises(ClusterError) as caught:
            site.client.apply(CONFIG_MAP, site.item("a", {"x": "3"}, resourceVersion=old))
        assert (caught.value.reason, caught.value.code) == (Reason.Conflict, 409)
        kept = site.client.get(CONFIG_MAP, site.key("a"))
        assert kept is not None
        assert kept["data"] == {"x": "2"}

    def test_an_identity_in_what_is_applied_is_a_precondition(self, site: Site) -> None:
        first = site.client.apply(CONFIG_MAP, site.item("a"))["metadata"]["uid"]
        site.client.apply(CONFIG_MAP, site.item("a", {"x": "1"}, uid=first))
        site.client.delete(CONFIG_MAP, site.key("a"))
        with pytest.raises(ClusterError) as caught:
            site.client.apply(CONFIG_MAP, site.item("a", uid=first))
        assert caught.value.code == 409
        site.client.create(CONFIG_MAP, site.item("a"))
        with pytest.raises(ClusterError) as caught:
            site.client.apply(CONFIG_MAP, site.item("a", uid=first))
        assert caught.value.code in {409, 422}  # to a real server another identity is a field that cannot change

    def test_a_finalizer_keeps_what_was_deleted_until_it_is_taken_off(self, site: Site) -> None:
        made = site.client.apply(CONFIG_MAP, site.item("a", finalizers=["tre.research/test"]))
        assert site.client.delete(CONFIG_MAP, site.key("a")) is True
        held = site.client.get(CONFIG_MAP, site.key("a"))
        assert held is not None
        assert held["metadata"]["deletionTimestamp"]
        assert held["metadata"]["uid"] == made["metadata"]["uid"]
        site.client.apply(CONFIG_MAP, site.item("a"))
        assert site.client.get(CONFIG_MAP, site.key("a")) is None

    def test_a_finalizer_of_somebody_else_stays(self, site: Site) -> None:
        site.client.apply(CONFIG_MAP, site.item("a", finalizers=["example.org/theirs"]), "somebody")
        both = site.client.apply(CONFIG_MAP, site.item("a", finalizers=["tre.research/test"]))
        assert set(both["metadata"]["finalizers"]) == {"example.org/theirs", "tre.research/test"}
        after = site.client.apply(CONFIG_MAP, site.item("a"))
        assert after["metadata"]["finalizers"] == ["example.org/theirs"]
        site.client.apply(CONFIG_MAP, site.item("a"), "somebody")

    def test_deletion_looks_at_its_preconditions(self, site: Site) -> None:
        made = site.client.create(CONFIG_MAP, site.item("a"))
        for wrong in (Preconditions(uid="0" * 8), Preconditions(version=version_of(made) - 1)):
            with pytest.raises(ClusterError) as caught:
                site.client.delete(CONFIG_MAP, site.key("a"), Deletion(wrong))
            assert caught.value.reason is Reason.Conflict
        right = Preconditions(made["metadata"]["uid"], version_of(made))
        assert site.client.delete(CONFIG_MAP, site.key("a"), Deletion(right)) is True

    def test_status_stands_apart(self, site: Site) -> None:
        metadata = {"name": "b", "namespace": site.namespace}
        spec = {"minAvailable": 1, "selector": {"matchLabels": {"none": "none"}}}
        site.client.apply(POD_BUDGET, {"metadata": metadata, "spec": spec, "status": {"currentHealthy": 3}})
        found = site.client.get(POD_BUDGET, site.key("b"))
        assert found is not None
        assert found.get("status", {}).get("currentHealthy", 0) != 3
        status = {
            "conditions": [
                {
                    "type": "Ours",
                    "status": "True",
                    "reason": "Entitled",
                    "message": "",
                    "lastTransitionTime": "2026-11-24T12:00:00Z",
                }
            ]
        }
        site.client.apply_status(POD_BUDGET, {"metadata": metadata, "status": status})
        after = site.client.get(POD_BUDGET, site.key("b"))
        assert after is not None
        assert "Ours" in {item["type"] for item in after["status"]["conditions"]}
        assert after["metadata"]["generation"] == found["metadata"]["generation"]
        assert after["spec"]["minAvailable"] == 1

    def test_status_of_what_is_not_there_is_refused(self, site: Site) -> None:
        metadata = {"name": "none", "namespace": site.namespace}
        with pytest.raises(ClusterError) as caught:
            site.client.apply_status(POD_BUDGET, {"metadata": metadata, "status": {"currentHealthy": 1}})
        assert (caught.value.reason, caught.value.code) == (Reason.ObjectNotFound, 404)

    def test_a_patch_changes_just_what_it_names(self, site: Site) -> None:
        site.client.apply(CONFIG_MAP, site.item("a", {"x": "1", "y": "2"}, annotations={"kept": "1", "gone": "1"}))
        change: Object = {"metadata": {"annotations": {"gone": None}}, "data": {"x": "3"}}
        site.client.patch(CONFIG_MAP, site.key("a"), change)
        found = site.client.get(CONFIG_MAP, site.key("a"))
        assert found is not None
        assert found["data"] == {"x": "3", "y": "2"}
        assert found["metadata"]["annotations"] == {"kept": "1"}

    def test_a_patch_lets_an_object_go_that_a_finalizer_kept(self, site: Site) -> None:
        made = site.client.create(CONFIG_MAP, site.item("a", finalizers=["tre.research/test"]))
        site.client.delete(CONFIG_MAP, site.key("a"))
        with pytest.raises(ClusterError) as caught:
            site.client.patch(CONFIG_MAP, site.key("a"), {"metadata": {"uid": "another", "finalizers": None}})
        assert caught.value.reason in {Reason.Conflict, Reason.BadInput}
        site.client.patch(CONFIG_MAP, site.key("a"), {"metadata": {"uid": made["metadata"]["uid"], "finalizers": None}})
        assert site.client.get(CONFIG_MAP, site.key("a")) is None
        with pytest.raises(ClusterError) as caught:
            site.client.patch(CONFIG_MAP, site.key("a"), {"data": {"x": "1"}})
        assert caught.value.reason is Reason.ObjectNotFound

    def test_a_log_of_what_never_ran_is_refused(self, site: Site) -> None:
        with pytest.raises(ClusterError):
            site.client.log(site.key("none"), "main", 10)

    def test_a_watch_by_labels_tells_of_nothing_else(self, site: Site) -> None:
        start = site.client.list(CONFIG_MAP, site.namespace).version
        site.client.create(CONFIG_MAP, site.item("other"))
        site.client.create(CONFIG_MAP, site.item("a", labels={"tre.research/test": "yes"}))
        selector = Selector(labels="tre.research/test=yes")
        with site.client.watch(CONFIG_MAP, site.namespace, start, selector) as events:
            first = next(event for event in events if event.type is not EventType.BOOKMARK)
        assert first.object["metadata"]["name"] == "a"

    def test_a_watch_tells_what_came_after_a_version(self, site: Site) -> None:
        site.client.create(CONFIG_MAP, site.item("before"))
        start = site.client.list(CONFIG_MAP, site.namespace).version
        site.client.create(CONFIG_MAP, site.item("a", {"x": "1"}))
        site.client.apply(CONFIG_MAP, site.item("a", {"x": "2"}))
        site.client.delete(CONFIG_MAP, site.key("a"))
        seen = []
        with site.client.watch(CONFIG_MAP, site.namespace, start) as events:
            for event in events:
                if event.type is not EventType.BOOKMARK:
                    seen.append((event.type, event.object["metadata"]["name"], version_of(event.object)))
                if event.type is EventType.DELETED:
                    break
        assert [(kind, name) for kind, name, _ in seen] == [
            (EventType.ADDED, "a"),
            (EventType.MODIFIED, "a"),
            (EventType.DELETED, "a"),
        ]
        versions = [version for _, _, version in seen]
        assert versions == sorted(set(versions))

    def test_a_lease_is_an_object_like_others(self, site: Site) -> None:
        metadata = {"name": "l", "namespace": site.namespace}
        spec = {"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2026-11-24T12:00:00.000000Z"}
        made = site.client.create(LEASE, {"metadata": metadata, "spec": spec})
        version = {"resourceVersion": made["metadata"]["resourceVersion"]}
        after = site.client.apply(LEASE, {"metadata": metadata | version, "spec": spec | {"holderIdentity": "other"}})
        assert after["spec"]["holderIdentity"] == "other"

    def test_the_clocks_of_one_machine_agree(self, site: Site) -> None:
        site.client.get(CONFIG_MAP, site.key("none"))
        assert abs(site.client.skew()) < 1.0


class TestMemory(ClientContract):
    """The API server in memory."""

    @pytest.fixture
    def site(self) -> Site:
        return Site(MemoryCluster(), f"tre-test-{secrets.token_hex(4)}")

    def test_a_watch_from_a_forgotten_version_has_expired(self, site: Site) -> None:
        assert isinstance(site.client, MemoryCluster)
        start = site.client.list(CONFIG_MAP, site.namespace).version
        site.client.create(CONFIG_MAP, site.item("later"))
        with site.client.watch(CONFIG_MAP, site.namespace, start) as events:
            assert len(list(events)) == 2
        site.client.forget_history()
        with pytest.raises(WatchExpiredError), site.client.watch(CONFIG_MAP, site.namespace, start) as events:
            list(events)
