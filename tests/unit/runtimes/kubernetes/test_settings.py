"""What an operator says of the cluster, read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.support.kubernetes import facts
from tre.domain.errors import Reason, TREError
from tre.runtimes.kubernetes.settings import CLUSTER_FILE, load_cluster
from tre.system.layout import Layout
from tre.system.settings import Settings


def written(root: Path, **changes: object) -> Layout:
    (root / CLUSTER_FILE).write_text(yaml.safe_dump(facts().as_plain() | changes))
    return Layout(root)


def test_what_the_renderer_needs_and_what_the_programs_need_stand_in_one_file(tmp_path: Path) -> None:
    probe = [{"name": "API server", "address": "10.96.0.1", "port": 443}]
    found = load_cluster(written(tmp_path, namespace="trials", probe=probe, stalenessMinutes=60))
    assert (found.images, found.areas) == (facts().images, facts().areas)
    assert (found.namespace, found.staleness_minutes, found.kubeconfig) == ("trials", 60, None)
    assert found.probe[0].kind == "tcp"


def test_without_the_file_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(TREError, match=r"cluster\.yaml does not exist") as caught:
        load_cluster(Layout(tmp_path))
    assert caught.value.reason is Reason.SetupIncomplete


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"namespaces": "tre"}, "namespaces"),
        ({"probe": [{"name": "API", "address": "kubernetes.default", "port": 443}]}, "no name"),
        ({"stalenessMinutes": 5}, "stalenessMinutes"),
        ({"areas": []}, "areas"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, change: dict[str, object], words: str) -> None:
    with pytest.raises(TREError, match=words) as caught:
        load_cluster(written(tmp_path, **change))
    assert caught.value.reason is Reason.BadInput


def test_a_cluster_needs_a_record_that_several_machines_share() -> None:
    with pytest.raises(ValueError, match="databaseUrl"):
        Settings(runtime="kubernetes")
    assert Settings(runtime="kubernetes", database_url="postgresql://db/tre").runtime == "kubernetes"
