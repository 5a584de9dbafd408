"""Names: valid for any text, different for different texts."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tre.domain.errors import Reason, TREError
from tre.domain.names import (
    check_release_name,
    check_resource_name,
    event_id,
    grant_namespace,
    hub_user_name,
    is_resource_name,
    short_hash,
    slice_id,
    slug,
    volume_name,
    workspace_name,
)

ANY = st.text(st.characters())  # half surrogate pairs included
HOST_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
HUB_SERVER = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
NASTY = ("", "-", "a-b", "../..", "Ünïcödé", "\ud800", "0", "x" * 500, "\x00", "A", "a ", "\u212a", "名前")


@pytest.mark.parametrize("text", ["a", "0", "a-b", "nccid-00123", "a" * 63])
def test_names_people_may_choose(text: str) -> None:
    assert is_resource_name(text)
    assert check_resource_name(text) == text


@pytest.mark.parametrize(
    "text", ["", "-", "-a", "a-", "A", "a_b", "a.b", "a b", "a/b", "..", "a" * 64, "ä", "a\n", "\u0661", "a\x00"]
)
def test_names_people_may_not_choose(text: str) -> None:
    assert not is_resource_name(text)
    with pytest.raises(TREError, match="cannot be a name") as caught:
        check_resource_name(text)
    assert caught.value.reason is Reason.BadInput
    assert "lower-case" in caught.value.remedy


@pytest.mark.parametrize("text", ["2026-10-01", "v1.2", "A", "a_b", "1", "a" * 64])
def test_names_of_releases(text: str) -> None:
    assert check_release_name(text) == text


@pytest.mark.parametrize("text", ["", ".", "..", "a..b", "a/b", ".a", "a.", "_a", "a" * 65, "a b", "a\n", "é"])
def test_names_that_no_release_may_have(text: str) -> None:
    with pytest.raises(TREError, match="cannot name a release") as caught:
        check_release_name(text)
    assert caught.value.reason is Reason.BadInput


@given(ANY, st.integers(1, 50))
@example("", 1)
@example("-", 1)
@example("1", 1)
@example("a-------------------b", 3)
def test_a_slug_is_a_host_label_for_any_text(text: str, room: int) -> None:
    made = slug(text, room=room)
    assert HOST_LABEL.fullmatch(made)
    assert len(made) <= room + 13


@given(ANY, ANY)
@example("A", "a")
@example("a-b", "a b")
@example("a", "a ")
@example("\u212a", "k")
def test_different_texts_have_different_slugs(one: str, other: str) -> None:
    assert (slug(one) == slug(other)) is (one == other)


@given(ANY, ANY, ANY)
@example("a-b", "c", "")
def test_a_workspaces_name_is_valid_everywhere_it_is_used(grant: str, issuer: str, subject: str) -> None:
    made = workspace_name(grant, issuer, subject)
    assert HOST_LABEL.fullmatch(made)
    assert HUB_SERVER.fullmatch(made)
    assert len(made) == 14  # JupyterHub allows 30


@given(st.lists(ANY, min_size=3, max_size=3), st.lists(ANY, min_size=3, max_size=3))
@example(["a-b", "c", "d"], ["a", "b-c", "d"])
@example(["a", "bc", "d"], ["ab", "c", "d"])
@example(["a", "", "b"], ["a", "b", ""])
def test_no_two_workspaces_share_a_name(one: list[str], other: list[str]) -> None:
    assert (workspace_name(*one) == workspace_name(*other)) is (one == other)


@given(st.lists(ANY, max_size=4), st.lists(ANY, max_size=4))
@example([], [""])
@example(["a"], ["a", ""])
def test_hashes_differ_for_different_lists(one: list[str], other: list[str]) -> None:
    assert (short_hash(*one) == short_hash(*other)) is (one == other)
    assert (event_id(*one) == event_id(*other)) is (one == other)


@given(ANY, ANY)
@example("local", "alice")
def test_a_hub_user_is_valid_and_readable(issuer: str, subject: str) -> None:
    made = hub_user_name(issuer, subject)
    assert HUB_SERVER.fullmatch(made)
    assert len(made) <= 33  # the column holds 40
    assert made != hub_user_name(issuer + "x", subject)
    assert made != hub_user_name(issuer, subject + "x")
    if re.fullmatch("[a-z]{1,20}", subject):
        assert made.startswith(f"{subject}-")


def test_a_person_of_one_issuer_is_not_the_person_of_another() -> None:
    assert hub_user_name("local", "alice") != hub_user_name("https://id.example", "alice")
    assert hub_user_name("a", "b-c") != hub_user_name("a-b", "c")


@given(ANY, ANY)
def test_a_slices_identifier_names_a_directory(grant: str, name: str) -> None:
    made = slice_id(grant, name)
    assert re.fullmatch("s-[a-z2-7]{12}", made)
    assert made != slice_id(grant, name + "x")


@pytest.mark.parametrize("text", NASTY)
def test_nasty_texts_derive_the_same_name_twice(text: str) -> None:
    assert slug(text) == slug(text)
    assert re.fullmatch("[a-z2-7]{12}", short_hash(text))
    assert re.fullmatch("[0-9a-f]{32}", event_id(text))


def test_names_stay_what_they_are() -> None:
    """These stand in databases and on disks: a change here is a migration."""
    assert slug("Alice Liddell") == "alice-liddell-mhsyyzsijhtr"
    assert workspace_name("nccid-00123", "local", "alice") == "w-mzmptxnzqnwt"
    assert hub_user_name("local", "alice") == "alice-gaxpdwzafcq2"
    assert slice_id("nccid-00123", "cxr") == "s-in5i5nkwd5yc"
    assert event_id("workspace.ended", "x") == "f89bd6b14505fe78ecae1584cc09c371"


@given(ANY)
def test_namespaces_of_grants_are_labels_with_one_beginning(text: str) -> None:
    assert HOST_LABEL.fullmatch(grant_namespace(text))
    assert grant_namespace(text).startswith("tre-grant-")


def test_namespaces_of_grants_differ_where_grants_do() -> None:
    assert len({grant_namespace(text) for text in NASTY}) == len(NASTY)
    assert grant_namespace("a" * 60) != grant_namespace("a" * 61)


@given(ANY)
def test_volumes_are_labels(text: str) -> None:
    assert HOST_LABEL.fullmatch(volume_name("slice", text))
    assert volume_name("home") == "home"
    assert volume_name("slice", "a-b") != volume_name("slice", "a_b")
