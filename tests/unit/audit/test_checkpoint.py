"""Checkpoints and keys: one text for one fact, and only the right key signs it."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tre.audit import keys
from tre.audit.checkpoint import (
    Checkpoint,
    ForeignSignatureError,
    Signature,
    SignedCheckpoint,
    WrongSignatureError,
    check,
    open_note,
    parse,
    sign,
)
from tre.audit.keys import PublicKey, Signer, load_private, load_public, make_keys, parse_public
from tre.audit.lock import FileLock, lock_path
from tre.audit.witness import FileWitness, witness_path
from tre.domain.errors import Reason, TREError

AT = datetime(2026, 11, 1, 10, 0, 0, 5, tzinfo=UTC)
SIGNER = keys.generate("tre.example.org/audit")
CHECKPOINT = Checkpoint(SIGNER.name, 42, bytes(range(32)), AT)

# The published example of the signed-note format: PeterNeumann's key and the text it signed.
NOTE_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NOTE_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NOTE_SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="


def test_the_text_is_what_is_signed() -> None:
    assert CHECKPOINT.text() == (
        "tre.example.org/audit\n42\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\nat 2026-11-01T10:00:00.000005Z\n"
    )
    note = sign(CHECKPOINT, SIGNER).note()
    assert note.startswith(CHECKPOINT.text() + "\n\N{EM DASH} tre.example.org/audit ")
    assert note.endswith("\n")
    assert open_note(note, [SIGNER.public]) == CHECKPOINT
    assert CHECKPOINT.head == (42, bytes(range(32)))


def test_the_published_signed_note_is_understood() -> None:
    key = parse_public(NOTE_KEY)
    data = base64.b64decode(NOTE_SIGNATURE)
    assert key.line() == NOTE_KEY
    assert data[:4] == key.key_id
    assert key.verifies(NOTE_TEXT.encode(), data[4:])
    assert not key.verifies(NOTE_TEXT.encode() + b" ", data[4:])


@given(st.integers(0, 10**18), st.binary(min_size=32, max_size=32), st.datetimes(min_value=datetime(2000, 1, 1)))  # noqa: DTZ001
def test_every_checkpoint_comes_back(size: int, root: bytes, at: datetime) -> None:
    checkpoint = Checkpoint("a.example/log", size, root, at.replace(tzinfo=UTC))
    signer = Signer("a.example/log", SIGNER.private)
    assert open_note(sign(checkpoint, signer).note(), [signer.public]) == checkpoint


@given(st.data())
def test_any_changed_bit_is_refused(data: st.DataObject) -> None:
    note = bytearray(sign(CHECKPOINT, SIGNER).note().encode())
    bit = data.draw(st.integers(0, len(note) * 8 - 1))
    note[bit // 8] ^= 1 << (bit % 8)
    text = bytes(note).decode("utf-8", "replace")
    with pytest.raises(TREError):
        open_note(text, [SIGNER.public])


def replaced(old: str, new: str) -> str:
    note = sign(CHECKPOINT, SIGNER).note()
    assert old in note
    return note.replace(old, new)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "tre.example.org/audit\n42\n",
        replaced("\n42\n", "\n042\n"),
        replaced("\n42\n", "\n+42\n"),
        replaced("\n42\n", "\n-42\n"),
        replaced("\n42\n", "\n\u0664\u0662\n"),
        replaced("\n42\n", "\n" + "9" * 5000 + "\n"),
        replaced("Hh8=", "Hh9="),
        replaced("HR4fHh8="[-4:], "Hh8"),
        replaced("AAECAwQF", "AAE CAwQF"),
        replaced("AAEC", ""),
        replaced("at 2026", "2026"),
        replaced("000005Z", "5Z"),
        replaced("000005Z", "000005"),
        replaced("at 2026-11-01T10:00:00.000005Z\n", ""),
        replaced("at 2026", "note\nat 2026"),
        replaced("tre.example.org/audit\n42", "\n42"),
        replaced("\N{EM DASH} ", "- "),
        replaced("\N{EM DASH} tre.example.org/audit ", "\N{EM DASH}  "),
        sign(CHECKPOINT, SIGNER).note() + "\n",
        sign(CHECKPOINT, SIGNER).note()[:-1],
        CHECKPOINT.text() + "\n",
        CHECKPOINT.text() + "\n\N{EM DASH} a AAAA\n",
        CHECKPOINT.text() + "\n\N{EM DASH} a !\n",
    ],
)
def test_any_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(TREError, match="not a signed checkpoint") as caught:
        parse(text)
    assert caught.value.reason is Reason.BadInput


def test_a_foreign_signature_and_a_false_one_are_told_apart() -> None:
    other = keys.generate(SIGNER.name)
    signed = sign(CHECKPOINT, SIGNER)
    with pytest.raises(ForeignSignatureError):
        check(signed, [other.public])
    with pytest.raises(ForeignSignatureError):
        check(signed, [])
    false = SignedCheckpoint(CHECKPOINT, (Signature(SIGNER.name, SIGNER.public.key_id, bytes(64)),))
    with pytest.raises(WrongSignatureError):
        check(false, [SIGNER.public])
    for item, trusted in ((signed, other.public), (false, SIGNER.public)):
        with pytest.raises(TREError, match="No trusted key") as caught:
            open_note(item.note(), [trusted])
        assert caught.value.reason is Reason.SignatureInvalid


def test_signatures_of_witnesses_are_left_alone() -> None:
    witness = keys.generate("witness.example")
    data = CHECKPOINT.text().encode()
    both = SignedCheckpoint(
        CHECKPOINT,
        (
            Signature(witness.name, witness.public.key_id, witness.sign(data)),
            *sign(CHECKPOINT, SIGNER).signatures,
        ),
    )
    assert parse(both.note()) == both
    assert check(both, [SIGNER.public]) == SIGNER.public
    with pytest.raises(ForeignSignatureError):
        check(both, [witness.public])  # a key for another origin does not speak for this log


# Keys


def test_a_pair_of_keys_is_made_once_and_comes_back(tmp_path: Path) -> None:
    made = make_keys(tmp_path, "tre.example.org/audit")
    private, public = tmp_path / keys.PRIVATE_KEY_FILE, tmp_path / keys.PUBLIC_KEY_FILE
    assert private.stat().st_mode & 0o777 == 0o600
    assert public.stat().st_mode & 0o777 == 0o644
    assert load_private(private).line() == made.line()
    assert load_public(public) == (made.public,)
    with pytest.raises(TREError, match="exists already") as caught:
        make_keys(tmp_path, "tre.example.org/audit")
    assert caught.value.reason is Reason.AlreadyExists
    assert load_private(private).line() == made.line()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_gives_the_private_key_to_its_service(tmp_path: Path) -> None:
    make_keys(tmp_path, "a", owner=19004)
    found = (tmp_path / keys.PRIVATE_KEY_FILE).stat()
    assert (found.st_uid, found.st_mode & 0o777) == (19004, 0o600)
    with pytest.raises(TREError, match="made by others"):
        load_private(tmp_path / keys.PRIVATE_KEY_FILE)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o777])
def test_a_private_key_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    make_keys(tmp_path, "a")
    path = tmp_path / keys.PRIVATE_KEY_FILE
    path.chmod(mode)
    with pytest.raises(TREError, match=f"{mode:04o}") as caught:
        load_private(path)
    assert caught.value.reason is Reason.NotPermitted
    assert "chmod 0600" in caught.value.remedy
    path.chmod(0o600)
    assert load_private(path)


def put_nothing(_path: Path) -> None:
    pass


def put_link(path: Path) -> None:
    other = path.with_name("other")
    other.write_text(SIGNER.line())
    other.chmod(0o600)
    path.symlink_to(other)


def put_pipe(path: Path) -> None:
    os.mkfifo(path, 0o600)


@pytest.mark.parametrize("put", [put_nothing, put_link, put_pipe, Path.mkdir])
def test_a_private_key_that_is_no_file_is_refused(tmp_path: Path, put: Callable[[Path], None]) -> None:
    put(tmp_path / "key")
    with pytest.raises(TREError, match="cannot be read") as caught:
        load_private(tmp_path / "key")
    assert caught.value.reason is Reason.SetupIncomplete


LINE = SIGNER.line()
DAMAGED = {
    "empty": "",
    "no text": "\xff",
    "no sign of a private key": LINE.removeprefix("PRIVATE+KEY+"),
    "cut off": LINE[:-4],
    "another name": LINE.replace("tre.example", "tre.other"),
    "another key's secret": LINE.rpartition("+")[0] + "+" + keys.generate("other").line().rpartition("+")[2],
    "the public key": SIGNER.public.line(),
    "no number": "PRIVATE+KEY+a+xyz+AAAA",
    "no secret": "PRIVATE+KEY+a+01020304+!!!!",
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_private_key_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text, encoding="latin-1")
    path.chmod(0o600)
    with pytest.raises(TREError) as caught:
        load_private(path)
    assert caught.value.reason is Reason.BadInput


def test_a_file_of_public_keys_may_hold_several_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "keys.pub"
    other = keys.generate("tre.example.org/audit").public
    path.write_text(f"# since 2026\n{SIGNER.public.line()}\n\n{other.line()}\n")
    assert load_public(path) == (SIGNER.public, other)


@pytest.mark.parametrize(
    "text",
    ["", "# nothing\n", "rubbish", SIGNER.public.line() + "A", LINE],
    ids=["empty", "a comment", "rubbish", "too long", "a private key"],
)
def test_a_damaged_file_of_public_keys_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.pub"
    path.write_text(text)
    with pytest.raises(TREError) as caught:
        load_public(path)
    assert caught.value.reason is Reason.BadInput


def test_a_missing_file_of_public_keys_says_so(tmp_path: Path) -> None:
    with pytest.raises(TREError, match="cannot be read"):
        load_public(tmp_path / "none")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(TREError, match="cannot be read"):
        load_public(tmp_path / "bytes")


def test_a_key_under_another_name_is_another_key() -> None:
    assert PublicKey("a", SIGNER.public.raw).key_id != PublicKey("b", SIGNER.public.raw).key_id
    with pytest.raises(TREError, match="does not hold a key"):
        parse_public(SIGNER.public.line().replace("tre.example", "tre.evil"))


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2028b", "a\u200bb"])
def test_a_name_that_a_note_cannot_carry_is_refused(name: str) -> None:
    with pytest.raises(TREError, match="cannot name a log"):
        keys.generate(name)


# The witness and the lock


def test_a_witness_remembers_the_last_checkpoint(tmp_path: Path) -> None:
    path = witness_path(tmp_path)
    path.parent.mkdir()
    witness = FileWitness(path)
    assert witness.last() is None
    for size in (1, 2):
        witness.keep(sign(Checkpoint(SIGNER.name, size, bytes(32), AT + timedelta(seconds=size)), SIGNER))
    kept = witness.last()
    assert kept is not None
    assert kept.checkpoint.size == 2
    assert open_note(path.read_text(), [SIGNER.public]).size == 2


@pytest.mark.parametrize("data", [b"", b"\xff", b"rubbish"])
def test_a_damaged_witness_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "last").write_bytes(data)
    with pytest.raises(TREError) as caught:
        FileWitness(tmp_path / "last").last()
    assert caught.value.reason is Reason.BadInput


def test_a_witness_that_is_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TREError, match="cannot be read"):
        FileWitness(tmp_path).last()


def test_one_lock_has_one_holder(tmp_path: Path) -> None:
    path = lock_path(tmp_path)
    path.parent.mkdir()
    lock = FileLock(path)
    assert not lock.is_held()
    with lock.hold():
        assert FileLock(path).is_held()
        with pytest.raises(TREError, match="sequences the audit log already") as caught, FileLock(path).hold():
            pass
        assert caught.value.reason is Reason.Conflict
    assert not lock.is_held()
    with FileLock(path).hold():
        pass
