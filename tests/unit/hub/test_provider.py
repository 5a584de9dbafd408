"""Asking the provider again: three answers, and nothing that looks like one of the first two is taken for it."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import jwt
import pytest

from tre.domain.people import Subject
from tre.hub.oidc_claims import Expected
from tre.hub.provider import Again, Asked, Reply, Word, ask_again

ISSUER = "https://idp.example.org"
ADA = Subject(issuer=ISSUER, id="ada")
ASKED = Asked(ADA, Expected(ISSUER, "tre-hub"), "groups")
INFO = {"sub": "ada", "name": "Ada", "groups": ["staff"]}


def reply(value: Any, status: int = 200) -> Reply:
    return Reply(status, value if isinstance(value, bytes) else json.dumps(value).encode())


def id_token(**changes: Any) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": "tre-hub", "sub": "ada", "iat": now, "exp": now + 60} | changes
    return jwt.encode(claims, "k" * 32, algorithm="HS256")


def asking(token_reply: Reply, userinfo: Reply | None = None, kept: list[str] | None = None) -> Again:
    async def exchange(token: str) -> Reply:
        assert token == "old"
        return token_reply

    async def ask(token: str) -> Reply:
        assert token == "access"
        assert userinfo is not None, "nobody was to be asked"
        return userinfo

    async def keep(token: str) -> None:
        (kept if kept is not None else []).append(token)

    return asyncio.run(ask_again(ASKED, "old", exchange, ask, keep))


def given(**more: Any) -> Reply:
    return reply({"access_token": "access"} | more)


def test_vouched_for_with_the_groups_of_now() -> None:
    found = asking(given(), reply(INFO))
    assert found.word is Word.vouches
    assert found.vouched is not None
    assert (found.vouched.subject, found.vouched.display_name) == (ADA, "Ada")
    assert found.vouched.groups == {"staff"}


def test_groups_may_stand_in_the_id_token_alone() -> None:
    found = asking(given(id_token=id_token(groups=["dac"])), reply({"sub": "ada"}))
    assert found.vouched is not None
    assert found.vouched.groups == {"dac"}
    none = asking(given(id_token=id_token()), reply({"sub": "ada"}))
    assert none.vouched is not None
    assert none.vouched.groups == frozenset()


@pytest.mark.parametrize("status", [400, 401])
def test_only_a_refused_token_is_a_refusal(status: int) -> None:
    kept: list[str] = []
    assert asking(reply({"error": "invalid_grant"}, status), kept=kept).word is Word.refuses
    assert kept == []


@pytest.mark.parametrize(
    "answer",
    [
        reply({"error": "invalid_client"}, 401),
        reply({"error": "invalid_request"}, 400),
        reply({"error": "invalid_grant"}, 200),
        reply({"error": "invalid_grant"}, 403),
        reply({"error": "invalid_grant"}, 500),
        reply(b"<html>Bad gateway</html>", 502),
        reply(b"[]"),
        reply({}),
        reply({"access_token": 7}),
        reply({"access_token": "access"}, 201),
    ],
)
def test_anything_else_is_no_knowledge(answer: Reply) -> None:
    found = asking(answer)
    assert (found.word, found.vouched) == (Word.unknown, None)
    assert "the token endpoint answered" in found.why


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (reply({}, 401), "answered 401"),
        (reply(b"nonsense"), "names another person"),
        (reply(INFO | {"sub": "grace"}), "names another person"),
        (reply({"sub": "ada", "name": "Ada"}), "no claim groups"),
    ],
)
def test_a_userinfo_answer_of_no_use(answer: Reply, why: str) -> None:
    found = asking(given(), answer)
    assert found.word is Word.unknown
    assert why in found.why


@pytest.mark.parametrize(
    "token", [id_token(sub="grace"), id_token(iss="https://other"), id_token(aud="other"), "nonsense", 7]
)
def test_an_id_token_of_no_use(token: Any) -> None:
    assert asking(given(id_token=token)).word is Word.unknown


def test_a_successor_is_kept_before_anything_can_go_wrong() -> None:
    for more, expected in (
        ({"refresh_token": "new"}, ["new"]),
        ({"refresh_token": "old"}, []),
        ({"refresh_token": ""}, []),
        ({"refresh_token": 7}, []),
        ({}, []),
    ):
        kept: list[str] = []
        assert asking(given(**more), reply({}, 500), kept).word is Word.unknown
        assert kept == expected
