"""Disclosure policies and reference populations: a site's own first, and nothing in place of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tre.domain.errors import Reason, TREError
from tre.slices.populations import check_policies, disclosure_of, population_of

POLICY = """
apiVersion: tre.research/v1alpha1
kind: DisclosurePolicy
metadata: {{name: {name}}}
spec: {{smallNumbers: {{suppressBelow: {below}, roundTo: 10}}, previewsPerHour: 5{more}}}
"""


def write(root: Path, name: str, below: int = 10, more: str = "", file: str = "") -> None:
    path = root / "policies" / "datasets" / f"{file or name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(POLICY.format(name=name, below=below, more=more))


P02 = (
    *(3_232_100, 3_524_600, 3_595_900, 3_394_700, 3_602_100, 3_901_800, 4_148_800, 3_981_600, 3_755_700, 3_788_700),
    *(4_123_400, 4_029_000, 3_455_700, 2_945_100, 2_978_000, 2_170_300, 1_517_000, 925_100, 527_900),
)
"""Usual residents of England and Wales by five years of age, the last one from 90 on: Census 2021, first results
(Office for National Statistics, 28 June 2022), table P02."""


def test_ages_are_those_of_the_census() -> None:
    population = population_of(disclosure_of("nccid", None), None)
    assert population is not None
    assert sum(P02) == 59_597_500
    tens = [sum(P02[first : first + 2]) for first in range(0, len(P02), 2)]
    names = [*(f"{age}-{age + 9}" for age in range(0, 90, 10)), "90+"]
    expected = {name: round(1000 * count / sum(P02)) for name, count in zip(names, tens, strict=True)}
    assert population.permille["age_band"] == expected


def test_what_comes_with_the_launcher() -> None:
    terms = disclosure_of("nccid", None)
    assert (terms.small_numbers.suppress_below, terms.small_numbers.round_to) == (8, 5)
    population = population_of(terms, None)
    assert population is not None
    assert population.year == 2021
    assert population.source
    assert population.permille["ethnicity_group"] == {
        "white": 817,
        "asian": 93,
        "black": 40,
        "multiple": 29,
        "other": 21,
    }
    assert set(population.permille) == {"sex", "age_band", "ethnicity_group"}


def test_a_sites_own_policy_comes_first(tmp_path: Path) -> None:
    write(tmp_path, "default", 10)
    assert disclosure_of("nccid", tmp_path).small_numbers.suppress_below == 10
    write(tmp_path, "nccid", 6)
    assert disclosure_of("nccid", tmp_path).small_numbers.suppress_below == 6
    assert disclosure_of("other", tmp_path).small_numbers.suppress_below == 10
    check_policies(tmp_path)
    assert population_of(disclosure_of("nccid", tmp_path), tmp_path) is None


@pytest.mark.parametrize(
    ("more", "reason"), [(", population: nowhere", Reason.PolicyMissing), (", extra: 1", Reason.BadInput)]
)
def test_what_is_wrong_is_never_replaced_by_a_default(tmp_path: Path, more: str, reason: Reason) -> None:
    write(tmp_path, "nccid", more=more)
    with pytest.raises(TREError) as caught:
        population_of(disclosure_of("nccid", tmp_path), tmp_path)
    assert caught.value.reason is reason
    with pytest.raises(TREError) as early:
        check_policies(tmp_path)
    assert early.value.reason is reason


def test_a_policy_under_another_name_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "other", file="nccid")
    with pytest.raises(TREError, match="names itself 'other'"):
        disclosure_of("nccid", tmp_path)


def test_without_any_policy_nothing_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tre.slices.populations.directories", lambda *_: (tmp_path,))
    with pytest.raises(TREError) as caught:
        disclosure_of("nccid", None)
    assert caught.value.reason is Reason.PolicyMissing


def test_shares_of_a_population_add_up(tmp_path: Path) -> None:
    write(tmp_path, "nccid", more=", population: half")
    path = tmp_path / "policies" / "populations" / "half.yaml"
    path.parent.mkdir()
    path.write_text(
        "apiVersion: tre.research/v1alpha1\nkind: ReferencePopulation\nmetadata: {name: half}\n"
        "spec: {title: t, year: 2021, source: s, permille: {sex: {female: 510, male: 400}}}\n"
    )
    with pytest.raises(TREError, match="add up to 910"):
        population_of(disclosure_of("nccid", tmp_path), tmp_path)
