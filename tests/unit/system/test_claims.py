"""Two installations on one machine never share a user, and one is never up twice."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tre.domain.errors import Reason, TREError
from tre.system.claims import CLAIM, claimed
from tre.system.layout import Layout
from tre.system.settings import Settings, UidRange

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's installations have one user anyway")
APART = Settings(workspace_uids=UidRange(first=70000, last=70099), data_groups=UidRange(first=71000, last=71099))


@pytest.fixture
def layouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Layout, Layout]:
    """Two installations whose run directories lie side by side, as in /run/tre."""
    monkeypatch.setattr(Layout, "run", property(lambda self: tmp_path / "run" / self.root.name))
    found = Layout(tmp_path / "one"), Layout(tmp_path / "two")
    for layout in found:
        (layout.run / "workspaces").mkdir(parents=True)
    return found


def test_an_installation_is_up_once(layouts: tuple[Layout, Layout]) -> None:
    one, _ = layouts
    with claimed(one, Settings()), pytest.raises(TREError, match="run already") as refused, claimed(one, Settings()):
        pytest.fail("it came up twice")
    assert refused.value.reason is Reason.Conflict
    with claimed(one, Settings()):
        assert json.loads((one.run / CLAIM).read_bytes())["root"] == str(one.root)


@ROOT_ONLY
def test_another_with_the_same_users_does_not_come_up(layouts: tuple[Layout, Layout]) -> None:
    one, two = layouts
    with claimed(one, Settings()):
        with pytest.raises(TREError, match="holds some of the same users") as refused, claimed(two, Settings()):
            pytest.fail("it came up beside the other")
        assert str(one.root) in refused.value.what
        assert "workspaceUids" in refused.value.remedy
        shared_groups = APART.model_copy(update={"data_groups": Settings().data_groups})
        with pytest.raises(TREError, match="same groups"), claimed(two, shared_groups):
            pytest.fail("it came up with the other's groups")
        with claimed(two, APART):
            assert (two.run / CLAIM).is_file()


@ROOT_ONLY
def test_a_claim_outlives_the_services_as_long_as_a_workspace_does(layouts: tuple[Layout, Layout]) -> None:
    one, two = layouts
    with claimed(one, Settings()):
        (one.run / "workspaces" / "w-living-1").mkdir()
    with pytest.raises(TREError), claimed(two, Settings()):
        pytest.fail("a workspace of the other still lived")
    (one.run / "workspaces" / "w-living-1").rmdir()
    with claimed(two, Settings()):
        assert (two.run / CLAIM).is_file()
