"""What a cluster, its operators and its approvals can get wrong: one reason, one sentence, nothing half made.

Resources and their evidence are tried in `tests/unit/sources/kubernetes/test_door.py`, pods that cannot be placed or
whose image cannot be fetched in `test_runtime.py`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import kubernetes as given
from tests.support.kubelet import Site
from tre.cluster.client import check_version
from tre.cluster.memory import MemoryCluster
from tre.cluster.protocol import Kind, Object, refusal_of
from tre.domain import names
from tre.domain.errors import Reason, TREError
from tre.runtimes.kubernetes import rights
from tre.runtimes.kubernetes.kinds import NAMESPACE, POD
from tre.runtimes.kubernetes.render.vocabulary import (
    END_ANNOTATION,
    GRANT_ANNOTATION,
    IMAGE_AGE_ANNOTATION,
    IMAGE_BUILT_ANNOTATION,
)
from tre.runtimes.kubernetes.settings import CLUSTER_FILE, load_cluster
from tre.runtimes.kubernetes.starting import Terms
from tre.runtimes.protocol import RunPhase
from tre.system.layout import Layout

PLAN = given.plan()
ROLES = Path(__file__).parents[4] / "policies" / "kubernetes" / "roles.yaml"


@pytest.fixture
def site() -> Site:
    return Site()


def refusal(site: Site, plan: Any = PLAN) -> TREError:
    """Why a start is refused; it is observed as ended with the same reason, and it is dead."""
    site.controls.try_now()
    with pytest.raises(TREError) as caught:
        site.runtime.start(plan)
    run = site.observation(plan)
    assert (run.phase, run.reason) == (RunPhase.Ended, caught.value.reason)
    assert caught.value.what in run.detail
    assert site.runtime.verify_dead(plan).dead
    assert site.cluster.get(POD, site.key(plan)) is None
    return caught.value


def namespaces(site: Site) -> list[Object]:
    return site.cluster.list(NAMESPACE).items


# --- nothing is made for a run that can never be


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"profile": "enormous"}, "no profile 'enormous'"),
        ({"mounts": (given.MOUNTS[0].model_copy(update={"source": "/elsewhere/s-1"}),)}, "/elsewhere/s-1"),
    ],
    ids=["profile", "storage"],
)
def test_what_the_cluster_does_not_have_leaves_no_namespace(site: Site, change: dict[str, Any], words: str) -> None:
    error = refusal(site, given.plan(**change))
    assert error.reason is Reason.SetupIncomplete
    assert words in str(error)
    assert not namespaces(site)


def test_addresses_that_answer_nobody_leave_no_namespace(site: Site) -> None:
    site.answering.clear()
    assert refusal(site).reason is Reason.IsolationUnavailable
    assert not namespaces(site)


# --- two things of one name


@pytest.mark.parametrize("owner", ["another-grant", None])
def test_a_namespace_that_is_not_this_grants_is_left_alone(site: Site, owner: str | None) -> None:
    """A name can be led to twice only by chance or by intent; neither may put one project among another's guards."""
    name = names.grant_namespace(PLAN.grant)
    annotations = {} if owner is None else {GRANT_ANNOTATION: owner, END_ANNOTATION: "2030-01-01T00:00:00Z"}
    site.cluster.create(NAMESPACE, {"metadata": {"name": name, "annotations": annotations}})
    before = namespaces(site)
    error = refusal(site)
    assert error.reason is Reason.SetupIncomplete
    assert name in error.why
    assert owner is None or owner in error.why
    assert namespaces(site) == before


def test_grants_whose_names_look_alike_have_different_namespaces() -> None:
    alike = ["nccid.00123", "nccid-00123", "nccid--00123", "NCCID-00123", "nccid-00123-" + "x" * 60]
    assert len({names.grant_namespace(name) for name in alike}) == len(alike)


# --- images by tag


@pytest.mark.parametrize("which", ["workspace", "door"])
@pytest.mark.parametrize(
    "image", ["registry.example/tre:1.2", "registry.example/tre", "registry.example/tre@sha256:ab"]
)
def test_an_image_without_a_whole_digest_is_refused_with_its_place(tmp_path: Path, which: str, image: str) -> None:
    content = given.facts().as_plain()
    (tmp_path / CLUSTER_FILE).write_text(yaml.safe_dump(content))
    assert load_cluster(Layout(tmp_path)).images == given.IMAGES
    content["images"][which] = image
    (tmp_path / CLUSTER_FILE).write_text(yaml.safe_dump(content))
    with pytest.raises(TREError, match=rf"images\.{which}.*digest") as caught:
        load_cluster(Layout(tmp_path))
    assert caught.value.reason is Reason.BadInput


# --- a cluster that is too old, or that forbids


class _Versioned:
    def __init__(self, *version: int) -> None:
        self.found = version

    def version(self) -> tuple[int, ...]:
        return self.found


def test_a_cluster_older_than_supported_is_refused_in_one_sentence() -> None:
    with pytest.raises(TREError, match=r"This cluster is Kubernetes 1\.34, and 1\.35 is the oldest") as caught:
        check_version(_Versioned(1, 34), (1, 35))
    assert caught.value.reason is Reason.SetupIncomplete
    for newer in ((1, 35), (1, 37), (2, 0)):
        check_version(_Versioned(*newer), (1, 35))


class Reviewing(MemoryCluster):
    """A cluster that answers reviews of access, but for what is denied."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.denied: set[tuple[str, str]] = set()
        self.asked = 0

    def create(self, kind: Kind, item: Object) -> Object:
        if kind != rights.REVIEW:
            return super().create(kind, item)
        self.asked += 1
        asked = item["spec"]["resourceAttributes"]
        resource = asked["resource"] + (f"/{asked['subresource']}" if asked["subresource"] else "")
        return {"status": {"allowed": (asked["verb"], resource) not in self.denied}}


def test_a_missing_verb_is_named_and_nothing_is_begun(site: Site) -> None:
    cluster = Reviewing()
    cluster.denied = {("create", "networkpolicies"), ("get", "pods/log"), ("patch", "leases")}
    site.runtime._starter._terms = Terms(
        given.facts(), given.ADDRESSES, "CERTIFICATE", rights.RightsCheck(cluster, "tre-system")
    )
    error = refusal(site)
    assert error.reason is Reason.SetupIncomplete
    for word in (
        "create networkpolicies.networking.k8s.io",
        "get pods/log",
        "leases.coordination.k8s.io in tre-system",
    ):
        assert word in error.why
    assert not namespaces(site)
    cluster.denied.clear()
    site.start(PLAN)
    before = cluster.asked
    site.start(given.plan(instance=4))
    assert cluster.asked == before  # asked once


def test_everything_that_is_asked_for_stands_in_the_roles() -> None:
    """What the check demands and what the chart gives cannot drift apart."""
    documents = [one for one in yaml.safe_load_all(ROLES.read_text()) if one]
    rules = next(one for one in documents if one["metadata"]["name"] == "tre-controller")["rules"]
    given_rights = {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    for right in rights.needed("tre-system"):
        if right.namespace:
            continue  # the lease's, by a Role of the chart's own
        named = (right.group, right.resource, right.verb)
        assert named in given_rights or (right.group, "*", right.verb) in given_rights, str(right)


def test_a_right_that_is_taken_away_later_is_named_by_the_refusal(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    said = 'networkpolicies is forbidden: User "tre-controller" cannot patch resource "networkpolicies"'

    def forbidding(kind: Kind, item: Object, *_: object) -> Object:
        raise refusal_of(403, {"message": said}, "The API server answered 403.")

    site.controls.try_now()
    monkeypatch.setattr(site.cluster, "apply", forbidding)
    error = refusal(site)
    assert error.reason is Reason.NotPermitted
    assert "cannot patch resource" in error.why
    assert "tre cluster rights" in error.remedy


# --- the sentence of a pod


def test_what_holds_a_start_up_is_observed_before_it_is_given_up(site: Site) -> None:
    site.start(PLAN)
    full = [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available: 3 Insufficient memory."}]
    site.says(PLAN, {"waiting": {}}, {"waiting": {}}, phase="Pending", conditions=full)
    run = site.observation(PLAN)
    assert run.phase is RunPhase.Starting
    assert run.detail.startswith("No machine of the cluster has room for the workspace. [0/3 nodes")


# --- images that are too old


@pytest.mark.parametrize(
    ("built", "words"),
    [
        (given.NOW - timedelta(days=31), "too old to be started"),
        (given.NOW + timedelta(hours=1), "built in the future"),
    ],
    ids=["old", "future"],
)
def test_images_beyond_their_age_are_not_started(site: Site, built: datetime, words: str) -> None:
    images = given.IMAGES.model_copy(update={"built_at": built})
    use(site, images=images, maximum_image_age_days=30)
    error = refusal(site)
    assert error.reason is Reason.SetupIncomplete
    assert words in error.what
    assert "30 days" in error.why
    assert not namespaces(site)
    use(site, images=images, maximum_image_age_days=None)  # exactly that limit removed
    site.start(PLAN)


def test_images_within_their_age_carry_it_for_the_rule_of_the_cluster(site: Site) -> None:
    use(
        site,
        images=given.IMAGES.model_copy(update={"built_at": given.NOW - timedelta(days=29)}),
        maximum_image_age_days=30,
    )
    site.start(PLAN)
    pod = site.cluster.get(POD, site.key(PLAN))
    assert pod is not None
    assert pod["metadata"]["annotations"][IMAGE_BUILT_ANNOTATION] == "2026-10-26T12:00:00Z"
    assert site.namespace(PLAN)["metadata"]["annotations"][IMAGE_AGE_ANNOTATION] == "720h"


def test_an_age_that_nobody_stated_cannot_be_limited() -> None:
    with pytest.raises(ValueError, match=r"images\.builtAt does not say when"):
        given.facts(images=given.IMAGES.model_copy(update={"built_at": None}))


def use(site: Site, **facts: Any) -> None:
    """Change what is said of the cluster."""
    site.runtime._starter._terms = Terms(given.facts(**facts), given.ADDRESSES, "CERTIFICATE")
