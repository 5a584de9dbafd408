"""S09 and M03: figures without their numbers, models without evidence."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.assets.airlock.files import png
from tests.unit.airlock.extracted import member
from tests.unit.airlock.test_claims import report
from tre.airlock.across import Member
from tre.airlock.across.figures import observe as figures
from tre.airlock.across.model_reports import observe as models
from tre.airlock.extract import Extract
from tre.airlock.parsed import Card, Surroundings, Table

TABLE = "time,at_risk\n0,120\n30,80\n"


def picture(path: str, group: str = "") -> Member:
    return member(path, png(), group=group)


def table(path: str, group: str = "", kind: str = "output") -> Member:
    return member(path, TABLE, kind, group)


def alone(*members: Member) -> list[str]:
    return [members[remark.member].path for remark in figures(members, Surroundings())]


def test_a_figure_by_itself_is_pointed_out() -> None:
    assert alone(picture("km.png")) == ["km.png"]
    assert alone(picture("km.png", "a"), table("other.csv", "b")) == ["km.png"]
    assert alone(picture("figures/km.png"), table("tables/other.csv")) == ["figures/km.png"]


@pytest.mark.parametrize("kind", ["output", "supporting"])
def test_a_figure_with_a_table_is_not(kind: str) -> None:
    assert alone(picture("km.png", "a"), table("other.csv", "a", kind)) == []
    assert alone(picture("figures/km.png", "a"), table("tables/km.csv", "b", kind)) == []
    assert alone(picture("figures/KM.png"), table("tables/km_data.csv", kind=kind)) == []
    assert alone(picture("km.png"), table("other.csv", kind=kind)) == []


def test_a_name_that_only_begins_alike_is_another_one() -> None:
    assert alone(picture("figures/a.png", "x"), table("tables/age.csv", "y")) == ["figures/a.png"]


def test_a_supporting_figure_needs_none() -> None:
    assert alone(replace(picture("km.png"), kind="supporting")) == []


def test_an_empty_table_is_none() -> None:
    empty = member("km.csv", "time,at_risk\n")
    assert alone(picture("km.png"), empty) == ["km.png"]


def test_an_earlier_table_does_not_come_with_it() -> None:
    assert alone(picture("km.png"), member("earlier/km.csv", TABLE)) == ["km.png"]


def document(**changes: object) -> Member:
    plain = Extract("pdf", 1000)
    return Member("report.pdf", "0" * 64, replace(plain, **changes))  # type: ignore[arg-type]


def test_documents_are_figures_where_they_draw_and_show_no_table() -> None:
    rows = Table(["n"], [["120"]])
    assert alone(document()) == []
    assert alone(document(pictures=1)) == ["report.pdf"]
    assert alone(document(marks=(("circle", 40),))) == ["report.pdf"]
    assert alone(document(cards=(Card("drawing"),))) == ["report.pdf"]
    assert alone(document(pictures=1, tables=(rows,), roles=(("",),))) == []
    drawing = replace(document(), path="f.svg", extract=Extract("svg", 10))
    assert alone(drawing) == ["f.svg"]


def model(kind: str = "safetensors", path: str = "model/weights.bin", group: str = "") -> Member:
    return Member(path, "0" * 64, Extract(kind, 1000), group=group)


def without(*members: Member) -> list[str]:
    return [members[remark.member].path for remark in models(members, Surroundings())]


REPORT = json.dumps(report())


@pytest.mark.parametrize("kind", ["safetensors", "onnx", "coefficients"])
def test_a_model_by_itself_is_pointed_out(kind: str) -> None:
    assert without(model(kind), member("model/notes.json", "{}")) == ["model/weights.bin"]


@pytest.mark.parametrize("kind", ["safetensors", "onnx", "coefficients"])
def test_a_model_with_the_report_of_an_attack_is_not(kind: str) -> None:
    assert without(model(kind), member("model/report.json", REPORT)) == []
    assert without(model(kind), member("model/attacks/report.json", REPORT, "supporting")) == []
    assert without(model(kind, group="m"), member("report.json", REPORT, group="m")) == []


def test_a_report_of_another_group_or_directory_is_none() -> None:
    assert without(model(group="m"), member("model/report.json", REPORT, group="n")) != []
    assert without(model(), member("other/report.json", REPORT)) != []


@pytest.mark.parametrize(
    "beside",
    [
        member("model/fit.json", json.dumps({"fit": [{"df_resid": 812}]})),
        member("model/fit.csv", "term,dof\nage,812\n"),
        member("model/fit.csv", "statistic,value\nDegrees of freedom,812\nAIC,3\n"),
    ],
)
def test_degrees_of_freedom_are_enough_for_coefficients_only(beside: Member) -> None:
    assert without(model("coefficients"), beside) == []
    assert without(model("onnx"), beside) == ["model/weights.bin"]


def test_other_files_are_no_models() -> None:
    assert without(table("a.csv"), picture("a.png")) == []
