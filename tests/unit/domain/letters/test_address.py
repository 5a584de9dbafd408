"""What counts as an address: nothing that could be two, or bring a header along."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tre.domain.errors import Reason, TREError
from tre.domain.letters.address import LONGEST, can_be_written_to, check_address, vouched_address
from tre.domain.letters.models import Correspondent
from tre.domain.people import Subject

GOOD = (
    "alice@example.org",
    "a.b+c@mail.example.org",
    "o'brien@example.ac.uk",
    "x@xn--bcher-kva.example",
    f"{'l' * 64}@example.org",
)
BAD = (
    "",
    "alice",
    "@example.org",
    "alice@",
    "alice@localhost",
    "alice@192.0.2.1",
    "alice@[192.0.2.1]",
    "alice@example..org",
    "alice@-example.org",
    "alice@example.org.",
    ".alice@example.org",
    "al..ice@example.org",
    '"al ice"@example.org',
    "alice@exämple.org",
    "ålice@example.org",
    "alice@example.org, bob@example.org",
    "alice@example.org\nBcc: bob@example.org",
    "alice\r\nRCPT TO:<bob@example.org>@example.org",
    "alice@example.org\n",
    "Alice <alice@example.org>",
    "alice@bob@example.org",
    "alice\0@example.org",
    f"{'l' * 65}@example.org",
    f"a@{'b' * 63}.{'c' * 63}.{'d' * 63}.{'e' * 63}.org",
    "a@" + "b" * 64 + ".org",
)


@pytest.mark.parametrize("text", GOOD)
def test_an_address_is_itself(text: str) -> None:
    assert check_address(text) == text
    assert Correspondent(subject=Subject(issuer="local", id="alice"), address=text).address == text


@pytest.mark.parametrize("text", BAD)
def test_anything_else_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(TREError) as refused:
        check_address(text)
    assert refused.value.reason is Reason.BadInput
    assert not text or text not in str(refused.value)
    with pytest.raises(ValidationError):
        Correspondent(subject=Subject(issuer="local", id="alice"), address=text)


@given(st.text(max_size=60) | st.from_regex(r"[ -~\r\n]{0,20}@[ -~\r\n]{0,20}", fullmatch=True))
def test_what_passes_is_one_word_with_one_recipient(text: str) -> None:
    if can_be_written_to(text):
        assert text.isascii()
        assert text.isprintable()
        assert len(text) <= LONGEST
        assert text.count("@") == 1
        assert not set(text) & set(' ,;:<>()[]"\\')


def test_a_provider_vouches_with_a_truth_value_only() -> None:
    assert vouched_address("alice@example.org", True) == "alice@example.org"
    for verified in (False, None, "true", 1):
        assert vouched_address("alice@example.org", verified) is None
    for email in (None, 7, ["alice@example.org"], "alice", "a@b.org\nBcc: c@d.org"):
        assert vouched_address(email, True) is None
