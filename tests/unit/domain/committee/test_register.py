"""What the register will tell: of any content that was handed in, and nothing that it cannot hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support.applications import POLICY, SEATS, TERMS, ballot, content, content_plain, in_review, vote
from tests.support.factories import NOON
from tre.domain.committee.decision import decided
from tre.domain.committee.models import Vote
from tre.domain.committee.register import OPT_OUTS, register_of
from tre.domain.committee.tally import Ballot, tally

PEOPLE = content_plain()["people"]


def test_everything_that_was_said_is_told() -> None:
    told = register_of(content(), ["It benefits."])
    assert told.applicants == ("Alice Archer", "Bob Baker")
    assert (told.article6, told.article9, told.category) == ("6(1)(e)", "9(2)(j)", "Others")
    assert told.opt_outs is not None
    assert told.opt_outs.explanation == OPT_OUTS
    assert (told.outputs[0].what, told.criteria, told.linkage) == ("A paper", ("It benefits.",), None)


def test_what_the_columns_cannot_hold_is_made_to_fit() -> None:
    people = [
        PEOPLE[0] | {"name": "Archer, Alice"},
        PEOPLE[1] | {"name": "Archer Alice", "orcid": "0000-0002-1825-0097"},
    ]
    told = register_of(
        content(
            people=people,
            funders=[",", "Fund, the"],
            technicalSummary="x" * 6000,
            subLicences="a\nb",
            linkage="With deaths.",
        )
    )
    assert told.applicants == ("Archer Alice",)
    assert told.applicant_ids == ("0000-0002-1825-0097",)
    assert told.funders == ("Fund the",)
    assert told.technical_summary is not None
    assert len(told.technical_summary) == 5000
    assert told.accredited is None
    accredited = [one | {"registerId": "123"} for one in people]
    assert register_of(content(people=accredited)).accredited == "Yes"
    assert (told.sublicence, told.linkage) == ("a b", "With deaths.")


LINES = st.text(min_size=1, max_size=300).filter(lambda text: text.strip() == text and text.isprintable())


@given(st.lists(LINES, min_size=1, max_size=5), st.lists(LINES, min_size=1, max_size=5))
def test_any_names_can_be_told(people: list[str], funders: list[str]) -> None:
    named = [
        PEOPLE[1] | {"name": name[:200].strip() or "x", "subject": {"issuer": "local", "id": f"p{number}"}}
        for number, name in enumerate(people)
    ]
    told = register_of(content(people=named, funders=funders))
    assert not any("," in name for name in (*told.applicants, *told.funders))


def test_criteria_are_those_that_most_have_ticked() -> None:
    found = in_review()
    cast = list(ballot(found, *["approve"] * 4).votes)
    for number, ticked in enumerate((("benefit", "merit"), ("benefit", "merit"), ("benefit",))):
        cast[number] = Vote.model_validate({**dict(cast[number]), "criteria": ticked})
    made = decided(found, tally(found, Ballot(SEATS, cast), TERMS, NOON), POLICY, None, NOON)
    assert made.grant is not None
    assert made.grant.spec.register_details is not None
    assert made.grant.spec.register_details.criteria == ("It benefits patients or the public.",)
    assert vote(found, "pat").reasons not in made.grant.spec.register_details.as_plain().values()
