"""Where policies come from: the site first, then the shipped ones, else nothing."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from tre.airlock.across import COMPARISONS
from tre.airlock.checks import CHECKS
from tre.airlock.identify import ENDINGS
from tre.airlock.parsed import Bounds, Rules
from tre.airlock.policy import bounds_of, directories, load_policy, read_policy, rules_of, shipped_directory
from tre.domain.errors import Reason, TREError
from tre.domain.exports.catalogue import CATALOGUE
from tre.domain.exports.rules import INBOUND_TYPES, AirlockPolicy
from tre.domain.exports.severity import Severity


def refused(name: str, *places: Path) -> Reason:
    with pytest.raises(TREError) as error:
        load_policy(name, places)
    return error.value.reason


def test_the_shipped_policy_is_read_and_is_what_the_code_assumes() -> None:
    policy = load_policy("default", directories(None))
    assert bounds_of(policy) == Bounds()
    assert rules_of(policy) == Rules()
    assert policy.spec.review.minimum_reviewers == 2


def test_what_a_policy_can_name_is_what_exists() -> None:
    modules = [one.module for one in (*CHECKS, *COMPARISONS)]
    assert len(modules) == len(set(modules))
    spoken_for = {check for one in (*CHECKS, *COMPARISONS) for check in one.speaks_for}
    said_by_parsers = {"F01", "F02", "F03", "F04", "F05", "M01"}
    assert spoken_for | said_by_parsers == set(CATALOGUE)
    assert set(ENDINGS.values()) == INBOUND_TYPES


def test_the_site_comes_first(tmp_path: Path) -> None:
    own = directories(tmp_path)[0]
    own.mkdir(parents=True)
    text = (shipped_directory() / "default.yaml").read_text()
    (own / "default.yaml").write_text(text.replace("threshold: 10 ", "threshold: 7 "))
    assert load_policy("default", directories(tmp_path)).spec.counts.threshold == 7
    (own / "default.yaml").unlink()
    assert load_policy("default", directories(tmp_path)).spec.counts.threshold == 10


def test_comments_and_order_do_not_change_its_digest(tmp_path: Path) -> None:
    text = (shipped_directory() / "default.yaml").read_text()
    bare = "\n".join(line.split("  #")[0] for line in text.splitlines() if not line.startswith("#"))
    (tmp_path / "default.yaml").write_text(bare + "\n")
    assert load_policy("default", [tmp_path]).ref == load_policy("default", [shipped_directory()]).ref


@pytest.mark.parametrize("name", ["none", "../default", "Default", "", "default.yaml"])
def test_no_policy_is_no_policy(name: str, tmp_path: Path) -> None:
    assert refused(name, tmp_path, shipped_directory()) is Reason.PolicyMissing


def test_a_wrong_policy_is_not_replaced_by_another(tmp_path: Path) -> None:
    """A site's broken file must not fall back to the shipped one."""
    text = (shipped_directory() / "default.yaml").read_text()
    for broken in (text.replace("minimumReviewers", "minimumReviewer"), text.replace("S01: E", ""), "- a\n", ""):
        (tmp_path / "default.yaml").write_text(broken)
        assert refused("default", tmp_path, shipped_directory()) is Reason.BadInput


def test_a_policy_is_called_as_its_file(tmp_path: Path) -> None:
    (tmp_path / "strict.yaml").write_text((shipped_directory() / "default.yaml").read_text())
    assert refused("strict", tmp_path) is Reason.BadInput
    with pytest.raises(TREError):
        read_policy(tmp_path / "none.yaml")


@pytest.mark.parametrize("path", sorted(shipped_directory().glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_policy_is_read_and_fits_its_schema(path: Path) -> None:
    policy = read_policy(path)
    schema = AirlockPolicy.model_json_schema(by_alias=True)
    jsonschema.validate(yaml.safe_load(path.read_text()), schema)
    assert policy.spec.severities["F05"] is Severity.B


def test_presets_ask_for_more_than_the_default() -> None:
    default = load_policy("default", [shipped_directory()])
    for name in ("opensafely", "nhse-sde"):
        preset = load_policy(name, [shipped_directory()])
        assert preset.spec.rounding.method == "nearest"
        assert preset.ref.sha256 != default.ref.sha256
