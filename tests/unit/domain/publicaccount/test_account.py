"""The rules of the public account: states, clocks, who acts, what is kept."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.factories import ALICE, grant_record
from tre.domain.errors import Reason, TREError
from tre.domain.people import Person, Role, Subject
from tre.domain.publicaccount import acts, permissions
from tre.domain.publicaccount.differences import differences, in_words
from tre.domain.publicaccount.figures import Clock, figures
from tre.domain.publicaccount.models import (
    Comment,
    Complaint,
    Consultation,
    Enquiry,
    Incident,
    Item,
    Outcome,
    OutcomeType,
    PolicyChange,
    as_paragraphs,
)
from tre.domain.publicaccount.policies import (
    MOST_WAITING,
    AccountPolicy,
    AccountSpec,
    check_room,
    has_room,
    outcome_due,
)
from tre.domain.publicaccount.states import (
    ITEM_TRANSITIONS,
    REFUSAL_WORDS,
    ItemKind,
    ItemState,
    RefusalClass,
)

FRIDAY = datetime(2026, 11, 6, 10, 0, tzinfo=UTC)
POLICY = AccountPolicy()
S = ItemState
OPERATOR = Person(subject=Subject(issuer="local", id="olga"), display_name="Olga", roles=frozenset({Role.operator}))
MEMBER = Person(subject=ALICE, display_name="Alice", roles=frozenset({Role.researcher}))
INCIDENT = Incident(
    title="A list was sent to the wrong project",
    text="A list reached people who should not have had it.",
    done="It was deleted.",
    happened_at=FRIDAY,
    declared_by=Role.operator,
)
CHANGE = Consultation(
    title="Smallest count",
    text="We want to hide counts below 8.",
    changes=(PolicyChange(key="counts.threshold", before="10", after="8", meaning="smaller counts"),),
    closes_at=FRIDAY + timedelta(days=60),
)
BODIES: dict[ItemKind, Any] = {
    ItemKind.enquiry: Enquiry(text="Who may see my scan?"),
    ItemKind.comment: Comment(text="Please do not."),
    ItemKind.outcome: Outcome(type=OutcomeType.paper, text="A paper.", doi="10.1000/xyz123"),
    ItemKind.incident: INCIDENT,
    ItemKind.complaint: Complaint(),
    ItemKind.consultation: CHANGE,
}
LATER = FRIDAY + timedelta(days=1)


def an_item(kind: ItemKind, **changes: Any) -> Item:
    letter = {"consultation": "v", "complaint": "p"}.get(kind, kind[0])
    return acts.begin(f"{letter}-aaaaaaaaaaaa", BODIES[kind], "", POLICY, FRIDAY).changed(**changes)


def refusal(code: Any) -> TREError:
    with pytest.raises(TREError) as caught:
        code()
    return caught.value


class TestStates:
    def test_every_kind_has_a_table_acts_and_a_clock(self) -> None:
        assert set(ITEM_TRANSITIONS) == set(ItemKind) == set(acts.ACTS)
        for kind in ItemKind:
            item = an_item(kind)
            assert item.state is ITEM_TRANSITIONS[kind].initial
            assert item.due_at is not None
            assert item.due_at > FRIDAY

    def test_every_class_of_refusal_has_its_words(self) -> None:
        assert set(REFUSAL_WORDS) == set(RefusalClass)

    def test_an_act_outside_its_states_is_refused(self) -> None:
        for kind in ItemKind:
            for act, states in acts.ACTS[kind].items():
                for state in set(ItemState) - states:
                    assert not acts.can_act(an_item(kind, state=state), act, FRIDAY)
        assert not acts.can_act(an_item(ItemKind.enquiry), "decide", FRIDAY)


class TestTexts:
    def test_paragraphs_are_plain(self) -> None:
        assert as_paragraphs("  a\x00b \r\n\r\n\r\n\u202ec <b>\r") == "a b\n\nc <b>"
        assert as_paragraphs(3) == 3

    @pytest.mark.parametrize("link", ["http://a.example", "javascript:alert(1)", "https://a b", "https://ä.example"])
    def test_a_link_is_https(self, link: str) -> None:
        with pytest.raises(ValidationError):
            Outcome(type=OutcomeType.tool, text="x", link=link)
        assert Outcome(type=OutcomeType.tool, text="x", link="https://a.example/b").link

    @pytest.mark.parametrize(
        "doi", ["https://doi.org/10.1000/1", "10.1/x", '10.1000/"><script>', "10.1000/a b", '10.1000/a"b']
    )
    def test_a_doi_is_a_doi(self, doi: str) -> None:
        with pytest.raises(ValidationError):
            Outcome(type=OutcomeType.paper, text="x", doi=doi)


class TestEnquiries:
    def test_asked_answered_published(self) -> None:
        item = an_item(ItemKind.enquiry)
        assert not acts.is_public(item)
        assert refusal(lambda: acts.publish(item, LATER)).reason is Reason.StateForbids
        answered = acts.answer(item, "Four people.", LATER)
        assert (answered.state, acts.is_public(answered)) == (S.Answered, False)
        again = acts.answer(answered, "Five people.", LATER)
        assert again.state is S.Answered
        shown = acts.publish(again, LATER)
        assert (shown.state, shown.closed_at, shown.due_at, acts.is_public(shown)) == (S.Published, LATER, None, True)
        assert acts.answer(shown, "Six.", LATER).body.reply == "Six."  # type: ignore[union-attr]

    @pytest.mark.parametrize("reply", ["", " \n "])
    def test_an_answer_has_words(self, reply: str) -> None:
        assert refusal(lambda: acts.answer(an_item(ItemKind.enquiry), reply, LATER)).reason is Reason.BadInput

    def test_an_answer_has_an_end(self) -> None:
        assert refusal(lambda: acts.answer(an_item(ItemKind.enquiry), "x" * 7000, LATER)).reason is Reason.BadInput

    @pytest.mark.parametrize("kind", [ItemKind.enquiry, ItemKind.comment, ItemKind.outcome])
    @pytest.mark.parametrize("state", [S.Waiting, S.Published])
    def test_what_is_refused_keeps_no_word(self, kind: ItemKind, state: ItemState) -> None:
        item = an_item(kind, state=state, closed_at=None if state is S.Waiting else FRIDAY)
        gone = acts.refuse(item, RefusalClass.personal, LATER)
        assert gone.state is S.Refused
        assert gone.body.text == gone.digest == ""
        assert gone.closed_at == (LATER if state is S.Waiting else FRIDAY)
        assert not acts.is_public(gone)

    def test_a_comment_needs_no_answer_and_may_get_one(self) -> None:
        item = acts.publish(an_item(ItemKind.comment), LATER)
        assert acts.answer(item, "Thank you.", LATER).state is S.Published

    def test_the_queue_is_bounded(self) -> None:
        assert has_room(MOST_WAITING - 1)
        assert refusal(lambda: check_room(MOST_WAITING)).reason is Reason.RateLimited


class TestIncidents:
    def test_public_at_once_corrected_with_a_reason_resolved_and_opened_again(self) -> None:
        item = an_item(ItemKind.incident)
        assert acts.is_public(item)
        assert refusal(lambda: acts.correct(item, INCIDENT, LATER)).reason is Reason.BadInput
        better = INCIDENT.model_copy(update={"correction": "The date was wrong."})
        assert acts.correct(item, better, LATER).body == better
        done = acts.resolve(item, LATER)
        assert (done.state, done.closed_at, done.due_at) == (S.Resolved, LATER, None)
        again = acts.reopen(done, POLICY, LATER)
        assert (again.state, again.closed_at) == (S.Open, None)
        assert again.due_at is not None


class TestComplaints:
    def test_received_acknowledged_answered(self) -> None:
        item = an_item(ItemKind.complaint)
        assert item.due_at == POLICY.after(FRIDAY, 3)
        heard = acts.acknowledge(item, POLICY, LATER)
        assert (heard.state, heard.acknowledged_at) == (S.Acknowledged, LATER)
        assert heard.due_at == POLICY.after(FRIDAY, 40)
        for text, reply in (("", "x"), ("x", "")):
            assert refusal(lambda t=text, r=reply: acts.close(heard, t, r, LATER)).reason is Reason.BadInput
        done = acts.close(heard, "A letter came late.", "We said sorry.", LATER)
        assert (done.state, acts.is_public(done), done.due_at) == (S.Closed, True, None)
        assert acts.close(item, "x", "y", LATER).state is S.Closed


class TestConsultations:
    def test_open_until_a_day_then_decided(self) -> None:
        item = an_item(ItemKind.consultation)
        assert acts.takes_comments(item, LATER)
        assert not acts.takes_comments(item, CHANGE.closes_at)
        assert not acts.takes_comments(an_item(ItemKind.enquiry), LATER)
        assert refusal(lambda: acts.decide(item, "Yes.", LATER)).what == "It cannot be decided yet."
        done = acts.decide(item, "Yes.", CHANGE.closes_at)
        assert (done.state, done.closed_at) == (S.Decided, CHANGE.closes_at)
        assert not acts.takes_comments(done, LATER)

    def test_people_have_time(self) -> None:
        short = CHANGE.model_copy(update={"closes_at": FRIDAY + timedelta(days=27)})
        assert refusal(lambda: acts.begin("v-aaaaaaaaaaaa", short, "", POLICY, FRIDAY)).reason is Reason.BadInput
        right = CHANGE.model_copy(update={"closes_at": FRIDAY + timedelta(days=28)})
        assert acts.begin("v-aaaaaaaaaaaa", right, "", POLICY, FRIDAY).due_at == POLICY.after(right.closes_at, 20)


class TestPolicy:
    def test_working_days_leave_weekends_and_holidays_out(self) -> None:
        assert POLICY.after(FRIDAY, 1) == FRIDAY + timedelta(days=3)
        away = AccountPolicy(spec=AccountSpec(holidays=(date(2026, 11, 9),)))
        assert away.after(FRIDAY, 1) == FRIDAY + timedelta(days=4)

    def test_a_project_is_asked_each_year_and_after_its_end(self) -> None:
        year = FRIDAY + timedelta(days=365)
        assert outcome_due(POLICY, FRIDAY, None, []) == year
        assert outcome_due(POLICY, FRIDAY, None, [LATER]) == LATER + timedelta(days=365)
        assert outcome_due(POLICY, FRIDAY, LATER, [FRIDAY]) == LATER + timedelta(days=90)
        assert outcome_due(POLICY, FRIDAY, LATER, [LATER]) is None


class TestPermissions:
    @pytest.mark.parametrize("role", list(Role))
    def test_the_team_is_operators_and_data_managers(self, role: Role) -> None:
        person = Person(subject=ALICE, display_name="x", roles=frozenset({role}))
        assert permissions.can_keep(person) is (role in {Role.operator, Role.data_manager})

    def test_members_report_once_it_began(self) -> None:
        begun, not_yet = grant_record(activated_at=FRIDAY), grant_record(activated_at=None)
        assert permissions.can_report(MEMBER, begun)
        assert refusal(lambda: permissions.check_report(MEMBER, not_yet)).reason is Reason.StateForbids
        assert refusal(lambda: permissions.check_report(OPERATOR, begun)).reason is Reason.NotAMember

    def test_nobody_publishes_their_own_projects_outcome(self) -> None:
        both = Person(subject=ALICE, display_name="x", roles=frozenset({Role.operator}))
        item, grant = an_item(ItemKind.outcome), grant_record()
        assert refusal(lambda: permissions.check_judge(both, item, grant)).reason is Reason.NotPermitted
        assert permissions.can_judge(OPERATOR, item, grant)
        assert permissions.item_actions(both, item, grant, LATER) == []
        assert permissions.item_actions(OPERATOR, item, grant, LATER) == ["publish", "refuse"]
        assert permissions.item_actions(both, an_item(ItemKind.enquiry), None, LATER) == ["answer", "refuse"]
        assert permissions.item_actions(MEMBER, an_item(ItemKind.enquiry), None, LATER) == []


class TestDifferences:
    def test_key_by_key(self) -> None:
        old = {"a": {"b": 1, "c": [1, 2]}, "gone": True, "same": {}}
        new = {"a": {"b": 2, "c": [1, 2]}, "same": {}, "new": {"x": None}, "more": "y"}
        assert differences(old, new) == [("a.b", 1, 2), ("gone", True, None), ("more", None, "y")]
        assert differences({}, {"a": {}}) == [("a", None, {})]

    def test_values_in_words(self) -> None:
        assert [in_words(one) for one in (None, True, False, 3, [1, "b"], [], {}, [{"a": 1}], {"b": 2})] == [
            "(nothing)", "yes", "no", "3", "1, b", "(nothing)", "{}", '[{"a": 1}]', '{"b": 2}',
        ]  # fmt: skip


class TestFigures:
    def clock(self, state: ItemState, days: int | None = None, due: datetime | None = None) -> Clock:
        ended = None if days is None else FRIDAY + timedelta(days=days)
        return Clock("q-a", ItemKind.enquiry, state, FRIDAY, None, ended, due)

    def test_how_long_it_took(self) -> None:
        found = figures(
            [
                self.clock(S.Published, 4),
                self.clock(S.Published, 10),
                self.clock(S.Refused, 1),
                self.clock(S.Waiting, due=FRIDAY),
                self.clock(S.Waiting, due=LATER + timedelta(days=9)),
                self.clock(S.Waiting),
            ],
            LATER,
        )
        assert (found.came, found.waiting, found.late, found.done, found.refused) == (6, 3, 1, 2, 1)
        assert (found.middle_days, found.longest_days) == (4, 10)

    def test_nothing_yet(self) -> None:
        found = figures([], LATER)
        assert (found.came, found.middle_days, found.longest_days) == (0, None, None)
