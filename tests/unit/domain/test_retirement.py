"""What is retired is not offered; everything else is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tre.domain.errors import Reason, TREError
from tre.domain.people import Subject
from tre.domain.retirement import Retirement, check_offered

AT = datetime(2026, 11, 1, tzinfo=UTC)


def retirement(release: str | None = None) -> Retirement:
    by = Subject(issuer="machine", id="root")
    return Retirement(dataset="nccid", release=release, reason="A better one is there.", by=by, at=AT)


@pytest.mark.parametrize(("retired", "asked"), [("r1", "r1"), (None, "r1"), (None, None)])
def test_what_is_retired_is_not_offered(retired: str | None, asked: str | None) -> None:
    with pytest.raises(TREError) as caught:
        check_offered([retirement("r0"), retirement(retired)], asked)
    error = caught.value
    assert (error.reason, error.why) == (Reason.DatasetRetired, "A better one is there.")
    assert "2026-11-01" in error.what


@pytest.mark.parametrize("asked", ["r2", None])
def test_the_rest_of_a_dataset_is_offered(asked: str | None) -> None:
    check_offered([retirement("r1")], asked)
    check_offered([], asked)
