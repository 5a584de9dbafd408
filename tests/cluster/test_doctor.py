"""`tre cluster doctor` asks a real API server, and changes nothing there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tests.cluster.conftest import Reach
from tests.cluster.place import Place as Namespace
from tre.cli.doctor.cluster import View, field_of
from tre.cli.doctor.finding import Place
from tre.cli.doctor.run import examine
from tre.cluster.client import connect
from tre.system.layout import Layout
from tre.system.settings import Settings


def test_every_question_is_one_that_a_server_answers(api: Reach, place: Namespace) -> None:
    """Nothing of the chart is in this namespace: what is missing is told, and nothing breaks."""
    client = connect(api.kubeconfig)
    try:
        now = datetime.now(UTC)
        fields = {"cluster": field_of(View(client, place.name, now))}
        found = {one.what: one for one in examine(Place(Layout(Path("/")), Settings(), now), fields, 50)}
    finally:
        client.close()
    broken = [one for one in found.values() if one.detail.startswith("could not be looked at")]
    assert broken == []
    assert (found["API server"].state, found["API server's clock"].state) == ("good", "good")
    assert f"{place.name} has no policy that denies everything" in found["default deny"].detail
    assert "is missing" in found["secrets"].detail
    assert found["rights of the controller"].state == "bad", "no account has any right here"
