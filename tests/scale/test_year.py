"""A year of an installation by chance, with what must hold looked at each day; a week of it in every run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.years import Year

SEED = 20261129


def live(home: Path, days: int, grants: int) -> Year:
    """So many days, with so many approvals evenly over the first nine tenths of them."""
    year = Year(home, SEED)
    begun = 0
    for day in range(days):
        due = min(grants, grants * (day + 1) * 10 // (days * 9))
        year.day(due - begun)
        begun = due
        assert year.wrong() == [], day
    return year


def check_end(year: Year, grants: int) -> None:
    assert len(year.granted) == grants
    assert year.site._faults() == []
    told, record = year.register()
    assert told == record
    assert told <= set(year.granted)
    year.close()


@pytest.mark.timeout(240)
def test_a_week_with_six_grants(tmp_path: Path) -> None:
    year = live(tmp_path, 7, 6)
    assert year.withdrawn
    check_end(year, 6)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_month_with_twenty_grants(tmp_path: Path) -> None:
    check_end(live(tmp_path, 30, 20), 20)


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_a_year_with_five_hundred_grants(tmp_path: Path) -> None:
    year = live(tmp_path, 365, 500)
    assert {"revoke", "suspend", "vary", "take_out", "incident"} <= set(year.counts)
    check_end(year, 500)


def test_what_must_hold_is_looked_at(tmp_path: Path) -> None:
    year = Year(tmp_path, SEED)
    year.apply()
    year.rest()
    year.open()
    year.rest()
    assert len(year.site.runtime.runs) == 1
    assert year.wrong() == []
    year.withdrawn.add("Covid1")  # nobody has taken it away
    year.revoke()  # and nobody has ended it
    assert len(year.wrong()) == 2, year.wrong()
    year.close()
