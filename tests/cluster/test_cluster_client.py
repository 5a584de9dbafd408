"""The contract of `tre.cluster.protocol`, held by a real API server, and what only a real one can show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.cluster.conftest import Reach
from tests.cluster.harness.basics import wait_until
from tests.cluster.place import Place
from tests.contract.test_cluster_client import CONFIG_MAP, ClientContract, Site
from tre.cluster import client as module
from tre.cluster import reading
from tre.cluster.client import KubernetesClient, check_skew, connect
from tre.cluster.protocol import ClusterError, Key
from tre.domain.errors import Reason, TREError


@pytest.fixture(scope="session")
def connected(api: Reach) -> Iterator[KubernetesClient]:
    """The product's own client."""
    client = connect(api.kubeconfig)
    yield client
    client.close()


class TestRealServer(ClientContract):
    """The API server of the cluster."""

    @pytest.fixture
    def site(self, connected: KubernetesClient, place: Place) -> Site:
        authority = Key(place.name, "kube-root-ca.crt")  # a controller's, which a watch would tell of while it comes
        wait_until(lambda: connected.get(CONFIG_MAP, authority), "the namespace should be whole")
        return Site(connected, place.name)


def test_many_pages_make_one_list(connected: KubernetesClient, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE", 3)
    site = Site(connected, place.name)
    for number in range(10):
        connected.create(CONFIG_MAP, site.item(f"n{number}"))
    names = {item["metadata"]["name"] for item in connected.list(CONFIG_MAP, place.name).items}
    assert names >= {f"n{number}" for number in range(10)}


def test_what_the_schema_does_not_know_is_refused(connected: KubernetesClient, place: Place) -> None:
    wrong = Site(connected, place.name).item("a") | {"dta": {"x": "1"}}
    with pytest.raises(ClusterError) as caught:
        connected.apply(CONFIG_MAP, wrong)
    assert caught.value.code in {400, 500}  # a patch of a built-in kind that cannot be typed is answered with 500
    assert "dta" in caught.value.why


def test_who_may_not_is_told_so(api: Reach, connected: KubernetesClient, place: Place) -> None:
    stranger = connect(api.kubeconfig)
    stranger._api.configuration.cert_file = stranger._api.configuration.key_file = None
    pool = stranger._api.rest_client.pool_manager
    pool.connection_pool_kw.pop("cert_file", None)
    pool.connection_pool_kw.pop("key_file", None)
    with pytest.raises(ClusterError) as caught:
        stranger.get(CONFIG_MAP, Key(place.name, "a"))
    assert caught.value.reason is Reason.NotPermitted
    assert connected.get(CONFIG_MAP, Key(place.name, "a")) is None
    stranger.close()


def test_a_clock_out_of_step_is_seen_in_the_date_of_an_answer(api: Reach, place: Place) -> None:
    late = connect(api.kubeconfig)
    late._clock = lambda: 0.0
    late.get(CONFIG_MAP, Key(place.name, "a"))
    with pytest.raises(TREError) as caught:
        check_skew(late, 5.0)
    assert caught.value.reason is Reason.ClockOutOfStep
    late.close()


def test_a_silent_watch_is_given_up(api: Reach, place: Place) -> None:
    impatient = connect(api.kubeconfig, replace(module.STANDARD, silence=0.5))
    start = impatient.list(CONFIG_MAP, place.name).version
    with (
        pytest.raises(ClusterError) as caught,
        impatient.watch(CONFIG_MAP, place.name, start) as events,
    ):
        list(events)
    assert caught.value.reason is Reason.ServiceUnavailable
    impatient.close()
