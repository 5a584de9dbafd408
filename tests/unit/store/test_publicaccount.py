"""The public account in the record: what anybody may read is written with the act that makes it public."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.domain.publicaccount.test_account import INCIDENT, POLICY, an_item
from tests.unit.store.conftest import NOW, an_event
from tre.domain.errors import Reason, TREError
from tre.domain.events import program
from tre.domain.publicaccount import acts
from tre.domain.publicaccount.models import Enquiry, Item
from tre.domain.publicaccount.states import ItemKind, ItemState, RefusalClass
from tre.store import publicaccount as store
from tre.store.database import Database

LATER = NOW + timedelta(hours=1)


def keep(database: Database, item: Item) -> Item:
    with database.change(an_event()) as change:
        return store.create(change, item)


def act(database: Database, before: Item, after: Item) -> Item:
    with database.change(an_event()) as change:
        return store.save(change, before, after, LATER)


def test_a_question_is_read_by_everybody_from_its_publication_on(database: Database) -> None:
    item = keep(database, an_item(ItemKind.enquiry))
    answered = act(database, item, acts.answer(item, "Four people.", LATER))
    with database.read() as connection:
        assert store.wordings(connection, ItemKind.enquiry) == []
        assert [one.id for one in store.waiting(connection)] == [item.id]
        assert store.get(connection, item.id) == answered
    shown = act(database, answered, acts.publish(answered, LATER))
    better = act(database, shown, acts.answer(shown, "Five people.", LATER))
    with database.read() as connection:
        ((first, second),) = store.in_force(connection, ItemKind.enquiry)
        assert [one.number for one in (first, second)] == [2, 1]
        assert [one.body for one in (first, second)] == [
            Enquiry(text="Who may see my scan?", reply="Five people."),
            Enquiry(text="Who may see my scan?", reply="Four people."),
        ]
        assert store.waiting(connection) == []
        assert [one.id for one in store.latest(connection, 5)] == [item.id]
    act(database, better, acts.refuse(better, RefusalClass.personal, LATER))
    with database.read() as connection:
        assert store.wordings(connection, ItemKind.enquiry) == []
        (clock,) = store.clocks(connection, ItemKind.enquiry, item.id)
        assert (clock.state, clock.refusal) == (ItemState.Refused, "personal")
        assert store.get(connection, item.id).body == Enquiry(text="")


def test_of_two_who_act_one_is_refused_and_nothing_of_it_is_kept(database: Database) -> None:
    item = keep(database, an_item(ItemKind.comment))
    act(database, item, acts.publish(item, LATER))
    with pytest.raises(TREError) as caught:
        act(database, item, acts.refuse(item, RefusalClass.abusive, LATER))
    assert caught.value.reason is Reason.Conflict
    with database.read() as connection:
        assert store.get(connection, item.id).state is ItemState.Published
        assert len(store.wordings(connection, ItemKind.comment, item=item.id)) == 1


def test_a_correction_keeps_the_earlier_text_and_a_resolution_adds_none(database: Database) -> None:
    item = keep(database, an_item(ItemKind.incident))
    better = INCIDENT.model_copy(update={"correction": "The date was wrong.", "text": "It was a Monday."})
    corrected = act(database, item, acts.correct(item, better, LATER))
    act(database, corrected, acts.resolve(corrected, LATER))
    with database.read() as connection:
        ((now, before),) = store.in_force(connection, ItemKind.incident)
        assert (now.body, before.body) == (better, INCIDENT)


def test_a_power_cut_between_an_act_and_its_publication_leaves_neither(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = keep(database, an_item(ItemKind.comment))

    def cut(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(store, "_show", cut)
        with pytest.raises(KeyboardInterrupt):
            act(database, item, acts.publish(item, LATER))
    with database.read() as connection:
        assert store.get(connection, item.id) == item
        assert store.wordings(connection, ItemKind.comment) == []


def test_what_is_found_by_kind_and_object(database: Database) -> None:
    outcome = keep(database, an_item(ItemKind.outcome, about="nccid-00123"))
    question = keep(database, an_item(ItemKind.enquiry))
    with database.read() as connection:
        assert [one.id for one in store.of_object(connection, ItemKind.outcome, "nccid-00123")] == [outcome.id]
        assert store.reported(connection, "nccid-00123") == [outcome.received_at]
        assert store.reported(connection, "other") == []
        assert store.strangers_waiting(connection) == 1
        assert store.same_text(connection, question.digest, question.received_at - timedelta(seconds=1)) == question.id
        assert store.same_text(connection, question.digest, question.received_at) is None
        with pytest.raises(TREError):
            store.get(connection, outcome.id, [ItemKind.enquiry])


def test_events_hold_no_word_and_bind_what_is_public() -> None:
    item = an_item(ItemKind.enquiry)
    quiet = store.event_of("asked", item, program("portal"), NOW)
    assert quiet.detail == {"state": "Waiting"}
    shown = item.changed(state=ItemState.Published, about="x")
    assert set(store.event_of("published", shown, program("portal"), NOW).detail) == {"state", "about", "body"}


def test_identifiers_say_what_they_are_of() -> None:
    made = {store.new_item_id(kind)[0] for kind in ItemKind}
    assert len(made) == len(ItemKind)
    assert acts.begin(store.new_item_id(ItemKind.enquiry), Enquiry(text="x"), "", POLICY, NOW).kind is ItemKind.enquiry
