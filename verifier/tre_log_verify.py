"""Checks a launcher's audit log without the launcher: this one file, Python 3.11 and its standard library.

    python tre_log_verify.py LOG.jsonl --key audit-signing.pub [--seen CHECKPOINT]... [--proof PROOF.json]...

LOG.jsonl is what `tre audit export` wrote; a checkpoint is a signed note, or a file of many as a place that keeps them
has it; a proof is what `tre audit prove` printed. Exit code: 0 everything fits, 1 something does not, 2 usage.

Guarantees: every leaf (RFC 9162: SHA-256 over a zero byte and the event's canonical JSON) and every root are computed
here; every checkpoint's signature (Ed25519, RFC 8032) is checked with the key that was given, or one that it handed the
log over to; checkpoints kept elsewhere must be beginnings of this log, each of them; a proof must lead to its root.
Written from the standards, sharing no line with the program that keeps the log: one cannot hide a mistake of the other.
Signatures are checked by the package `cryptography` where it is installed, else by the arithmetic below.

One file on purpose, and so longer than a module of the launcher may be: an auditor reads it from top to bottom, and
copies it to a machine of their own.

Does not guarantee: that the log did not go on after its last checkpoint, or that what an event says is true.

Threat: whoever keeps the log, has its key, and writes it anew.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

DASH = "\N{EM DASH} "
EXPORT, INCLUSION, GROWTH = "tre-audit-export/1", "tre-audit-inclusion/1", "tre-audit-consistency/1"
SAFE_INTEGER = 2**53 - 1


class Wrong(Exception):  # noqa: N818 - what an auditor reads is that something is wrong
    """What does not fit."""


# Ed25519 (RFC 8032, section 5.1): verification only, so nothing here needs to be secret or to take constant time.

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]
NEUTRAL: Point = (0, 1, 1, 0)


def _add(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c, d = 2 * one[3] * other[3] * D % P, 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(factor: int, point: Point) -> Point:
    result = NEUTRAL
    while factor:
        if factor & 1:
            result = _add(result, point)
        point, factor = _add(point, point), factor >> 1
    return result


def _point(data: bytes) -> Point | None:
    number = int.from_bytes(data, "little")
    odd, y = number >> 255, number & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and odd):
        return None
    x = P - x if x & 1 != odd else x
    return x, y, 1, x * y % P


BASE = _point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def ed25519(public: bytes, data: bytes, signature: bytes) -> bool:
    """Whether the key made the signature, by this file's own arithmetic."""
    key, start = _point(public), _point(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or key is None or start is None or BASE is None or scalar >= ORDER:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + public + data).digest(), "little") % ORDER
    left, right = _times(scalar, BASE), _add(start, _times(challenge, key))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


def _chosen() -> tuple[str, Callable[[bytes, bytes, bytes], bool]]:
    """How signatures are checked here, in words, and the function."""
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - may be missing
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415
    except ImportError:
        return "this file's own arithmetic", ed25519

    def verify(public: bytes, data: bytes, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True

    return "the package cryptography", verify


MEANS, VERIFY = _chosen()


# Keys and signed notes (C2SP signed-note and tlog-checkpoint).


class Key(NamedTuple):
    """A public key with the log's name."""

    name: str
    raw: bytes

    @property
    def id(self) -> bytes:
        """Four bytes by which signatures name it."""
        return hashlib.sha256(self.name.encode() + b"\n\x01" + self.raw).digest()[:4]


def read_key(line: str) -> Key:
    """A key from its line `name+id+base64`."""
    name, _, rest = line.partition("+")
    identity, _, encoded = rest.partition("+")
    raw = base64.b64decode(encoded, validate=True)
    key = Key(name, raw[1:])
    if not name or len(raw) != 33 or raw[0] != 1 or key.id.hex() != identity:
        msg = "a line of the key file is no key"
        raise ValueError(msg)
    return key


class Note(NamedTuple):
    """A signed text: the text, and who claims to have signed it."""

    text: str
    signatures: list[tuple[str, bytes, bytes]]

    def signers(self, keys: list[Key]) -> list[Key]:
        """Those of the keys that signed. Raises `Wrong` where one is named and did not."""
        found = []
        for key in keys:
            for name, identity, value in self.signatures:
                if (name, identity) == (key.name, key.id):
                    if not VERIFY(key.raw, self.text.encode(), value):
                        raise Wrong(f"the signature of {key.id.hex()} is false")
                    found.append(key)
        return found


def read_note(note: str) -> Note:
    """A signed note, not trusted."""
    text, separator, lines = note.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise Wrong("this is no signed note")
    signatures = []
    for line in lines[:-1].split("\n"):
        name, _, encoded = line.removeprefix(DASH).partition(" ")
        try:
            data = base64.b64decode(encoded, validate=True)
        except ValueError as error:
            raise Wrong("a signature is not in base64") from error
        if not line.startswith(DASH) or len(data) != 68 or encoded != base64.b64encode(data).decode():
            raise Wrong("a signature line is none")
        signatures.append((name, data[:4], data[4:]))
    return Note(text + "\n", signatures)


class Checkpoint(NamedTuple):
    """What a log was at one moment."""

    origin: str
    size: int
    root: bytes
    at: str


def read_checkpoint(note: Note) -> Checkpoint:
    """The checkpoint that a note holds. Raises `Wrong` for anything but its one spelling."""
    try:
        origin, size, root, at = note.text.removesuffix("\n").split("\n")
        found = Checkpoint(origin, int(size), base64.b64decode(root, validate=True), at.removeprefix("at "))
    except ValueError as error:
        raise Wrong("this is no checkpoint") from error
    spelled = f"{origin}\n{found.size}\n{base64.b64encode(found.root).decode()}\nat {found.at}\n"
    if spelled != note.text or len(found.root) != 32 or not 0 <= found.size < 2**63 or len(found.at) != 27:
        raise Wrong("a checkpoint is not spelled as one")
    return found


# The tree (RFC 9162, section 2.1).


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that grows: the hash of each complete subtree at its right edge."""

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[bytes] = []

    def append(self, data: bytes) -> None:
        """Add a leaf."""
        self._edge.append(leaf_hash(data))
        self.size += 1
        full = self.size
        while full % 2 == 0:
            right, left = self._edge.pop(), self._edge.pop()
            self._edge.append(node_hash(left, right))
            full //= 2

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._edge:
            return hashlib.sha256(b"").digest()
        result = self._edge[-1]
        for left in self._edge[-2::-1]:
            result = node_hash(left, result)
        return result


def root_by_path(leaf: bytes, position: int, size: int, path: list[bytes]) -> bytes:
    """The root that an inclusion path leads to. Raises `Wrong` for a path of another length."""
    if not 0 <= position < size:
        raise Wrong("the proof names a position outside of its log")
    if size == 1:
        if path:
            raise Wrong("the path is too long")
        return leaf
    if not path:
        raise Wrong("the path is too short")
    half = 1 << ((size - 1).bit_length() - 1)
    if position < half:
        return node_hash(root_by_path(leaf, position, half, path[:-1]), path[-1])
    return node_hash(path[-1], root_by_path(leaf, position - half, size - half, path[:-1]))


def roots_by_growth(old: int, new: int, path: list[bytes], old_root: bytes) -> tuple[bytes, bytes]:
    """The two roots that a path of growth leads to, from the RFC's definition read backwards."""

    def climb(small: int, large: int, whole: bool, rest: list[bytes]) -> tuple[bytes, bytes]:
        if small == large:
            if whole:
                if rest:
                    raise Wrong("the path is too long")
                return old_root, old_root
            if len(rest) != 1:
                raise Wrong("the path has a wrong length")
            return rest[0], rest[0]
        if not rest:
            raise Wrong("the path is too short")
        half = 1 << ((large - 1).bit_length() - 1)
        if small <= half:
            before, after = climb(small, half, whole, rest[:-1])
            return before, node_hash(after, rest[-1])
        before, after = climb(small - half, large - half, False, rest[:-1])
        return node_hash(rest[-1], before), node_hash(rest[-1], after)

    if not 0 < old <= new:
        raise Wrong("a log cannot have grown so")
    return climb(old, new, True, path)


# JSON in its canonical form (RFC 8785), for what events may hold: no fractions, no integers beyond 2^53.


def canonical(value: object) -> str:
    """The one text of a value."""
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda item: str(item[0]).encode("utf-16-be"))
        return "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{canonical(held)}" for key, held in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, int) and abs(value) > SAFE_INTEGER:
        raise Wrong("an event holds an integer that is too large")
    return json.dumps(value, ensure_ascii=False)


def parse(text: str | bytes) -> Any:
    """JSON without fractions and without a name given twice. Raises `Wrong`."""
    try:
        return json.loads(text, object_pairs_hook=_members, parse_float=_fraction, parse_constant=_fraction)
    except (ValueError, RecursionError) as error:
        raise Wrong("this is not JSON") from error


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise Wrong("a name is given twice")
    return dict(pairs)


def _fraction(_text: str) -> None:
    raise Wrong("an event holds a fraction")


def leaf_of(event: object) -> bytes:
    """The bytes of a leaf. Raises `Wrong` for an event without canonical form."""
    try:
        return canonical(event).encode()
    except (ValueError, RecursionError) as error:
        raise Wrong("an event has no canonical form") from error


# The log.


class Log:
    """Reads a log from its first event; whatever does not fit is a line of `faults`."""

    def __init__(self, keys: list[Key], seen: list[Note]) -> None:
        self.tree, self.keys, self.faults, self.breaks = Tree(), list(keys), list[str](), list[str]()
        self.checkpoints, self.last = 0, Checkpoint("", 0, b"", "")
        self.places: dict[str, int] = {}
        self._retired, self._followed = set[bytes](), dict[bytes, list[bytes]]()
        self._notes = seen
        self._seen = sorted((read_checkpoint(note) for note in seen), key=lambda found: found.size)

    def read(self, lines: Iterator[bytes], wanted: set[str]) -> None:
        """Read a whole export, noting where the wanted events stand."""
        heading = parse(next(lines, b"null"))
        if not isinstance(heading, dict) or heading.get("format") != EXPORT:
            raise Wrong("this file is no exported log")
        for number, line in enumerate(lines, start=2):
            try:
                self._take(parse(line), wanted)
            except Wrong as wrong:
                self.faults.append(f"line {number}, after {self.tree.size} events: {wrong}")
                return
        self._compare_seen()
        if heading.get("size") != self.tree.size:
            self.faults.append(f"cut off: {heading.get('size')} events are announced and {self.tree.size} are here")
        if self.last.size < self.tree.size:
            self.faults.append(f"no checkpoint covers the events from {self.last.size} on")
        for kept in self._seen:
            self.faults.append(f"cut off: the log had {kept.size} events on {kept.at} and has {self.tree.size} now")
        for note in self._notes:
            self._signer(note, read_checkpoint(note))

    def _take(self, found: object, wanted: set[str]) -> None:
        if isinstance(found, dict) and found.keys() == {"checkpoint"}:
            self._checkpoint(read_note(str(found["checkpoint"])))
            return
        if not isinstance(found, dict) or found.keys() != {"event", "position"}:
            raise Wrong("neither event nor checkpoint")
        if type(found["position"]) is not int or found["position"] != self.tree.size:
            raise Wrong("another event is due here: one is missing, or they are out of order")
        event = found["event"]
        leaf = leaf_of(event)
        self._compare_seen()
        if isinstance(event, dict) and event.get("kind") in {"log.key-changed", "log.key-lost"}:
            self._key_change(event)
        if isinstance(event, dict) and event.get("id") in wanted:
            self.places[event["id"]] = self.tree.size
        self.tree.append(leaf)

    def _compare_seen(self) -> None:
        while self._seen and self._seen[0].size == self.tree.size:
            kept = self._seen.pop(0)
            if kept.root != self.tree.root():
                self.faults.append(f"rewritten: the first {kept.size} events are not those signed on {kept.at}")

    def _checkpoint(self, note: Note) -> None:
        found = read_checkpoint(note)
        self.checkpoints += 1
        signer = self._signer(note, found)
        if signer is None:
            return
        if signer.id in self._retired:
            self.faults.append(f"the checkpoint of size {found.size} is signed by a key that was replaced")
        elif found.size != self.tree.size:
            self.faults.append(f"a checkpoint of size {found.size} stands after {self.tree.size} events")
        elif found.root != self.tree.root():
            self.faults.append(f"rewritten: events {self.last.size} to {found.size} are not those that were signed")
        elif found.at < self.last.at:
            self.faults.append(f"the checkpoint of size {found.size} is older than the one before it")
        else:
            self.last = found
        self._retired.update(self._followed.get(signer.id, ()))

    def _signer(self, note: Note, found: Checkpoint) -> Key | None:
        try:
            signers = note.signers([key for key in self.keys if key.name == found.origin])
        except Wrong as wrong:
            self.faults.append(f"the checkpoint of size {found.size}: {wrong}")
            return None
        if not signers:
            lost = f"; {self.breaks[-1]}" if self.breaks else ""
            self.faults.append(f"the checkpoint of size {found.size} is signed by no key of this log{lost}")
        return signers[0] if signers else None

    def _key_change(self, event: dict[str, Any]) -> None:
        lost, detail = event["kind"] == "log.key-lost", event.get("detail")
        try:
            note = read_note(str(detail.get("statement") if isinstance(detail, dict) else None))
            heading, how, *lines, _at = note.text.removesuffix("\n").split("\n")
            earlier, later = (read_key(line) for line in lines)
            needed = [later] if lost else [earlier, later]
            if (heading, how) != ("tre-audit-key/1", "lost" if lost else "changed") or earlier.name != later.name:
                raise Wrong("it is not spelled as a change of key")
            if note.signers(needed) != needed:
                raise Wrong("the keys did not sign it")
        except (Wrong, ValueError) as error:
            self.faults.append(f"event {self.tree.size} says falsely that the key changed: {error}")
            return
        if lost:
            words = f"from event {self.tree.size} on it is signed by {later.id.hex()}, on the operator's word alone"
            self.breaks.append(f"the key {earlier.id.hex()} was lost: {words}")
        elif earlier not in self.keys or earlier.id in self._retired:
            self.faults.append(f"event {self.tree.size}: a key that does not count hands the log over")
            return
        if lost and later not in self.keys:
            return
        self._followed[later.id] = [*self._followed.get(earlier.id, []), earlier.id]
        if later not in self.keys:
            self.keys.append(later)


# Proofs, and the command.


def check_proof(proof: object, keys: list[Key]) -> str:
    """What a proof proves, in words. Raises `Wrong`."""
    if isinstance(proof, dict) and proof.get("format") == INCLUSION:
        found = _signed(str(proof["checkpoint"]), keys)
        leaf = leaf_hash(leaf_of(proof["event"]))
        if root_by_path(leaf, int(proof["position"]), found.size, _path(proof)) != found.root:
            raise Wrong("the path does not lead from this event to what was signed")
        return f"event {proof['event']['id']} stands at {proof['position']} of the log of {found.size}"
    if isinstance(proof, dict) and proof.get("format") == GROWTH:
        old, new = _signed(str(proof["earlier"]), keys), _signed(str(proof["later"]), keys)
        if old.origin != new.origin or roots_by_growth(old.size, new.size, _path(proof), old.root) != (
            old.root,
            new.root,
        ):
            raise Wrong("the later log does not go on from the earlier one")
        return f"the log of {new.size} goes on from that of {old.size}"
    raise Wrong("this is no proof")


def _signed(note: str, keys: list[Key]) -> Checkpoint:
    read = read_note(note)
    found = read_checkpoint(read)
    if not read.signers([key for key in keys if key.name == found.origin]):
        raise Wrong("no key of this log signed the checkpoint of the proof")
    return found


def _path(proof: dict[str, Any]) -> list[bytes]:
    return [base64.b64decode(item, validate=True) for item in proof["path"]]


def read_seen(text: str) -> list[Note]:
    """One signed note, or JSON lines that hold one each."""
    if not text.startswith("{"):
        return [read_note(text)]
    return [read_note(str(parse(line)["checkpoint"])) for line in text.splitlines() if line.strip()]


def run(options: argparse.Namespace) -> bool:
    """Check everything and say so; whether all of it fits."""
    lines = options.key.read_text("utf-8").splitlines()
    keys = [read_key(line.strip()) for line in lines if line.strip() and not line.startswith("#")]
    log = Log(keys, [note for path in options.seen for note in read_seen(path.read_text("utf-8"))])
    with options.log.open("rb") as file:
        log.read(file, set(options.event))
    for text in options.event:
        if text not in log.places:
            log.faults.append(f"event {text} is not in this log")
        else:
            print(f"event {text} stands at {log.places[text]}")
    for path in options.proof:
        proofs = parse(path.read_text("utf-8"))
        for proof in proofs if isinstance(proofs, list) else [proofs]:
            try:
                print(check_proof(proof, log.keys))
            except (Wrong, ValueError, KeyError, TypeError) as error:
                log.faults.append(f"{path}: {error}")
    print(f"{log.tree.size} events, {log.checkpoints} checkpoints, {len(options.seen)} files of kept ones; {MEANS}")
    for words in log.breaks:
        print(f"A BREAK: {words}")
    for words in log.faults:
        print(f"WRONG: {words}")
    if not log.faults:
        print(f"Everything fits. Root {log.tree.root().hex()}, signed {log.last.at or 'never'}")
    return not log.faults


def main(words: list[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Check an exported audit log.")
    parser.add_argument("log", type=Path, metavar="LOG.jsonl")
    parser.add_argument("--key", type=Path, required=True, help="the log's public key, from elsewhere than the log")
    parser.add_argument("--seen", type=Path, action="append", default=[], help="checkpoints kept elsewhere")
    parser.add_argument("--proof", type=Path, action="append", default=[], help="what `tre audit prove` printed")
    parser.add_argument("--event", action="append", default=[], metavar="ID", help="an event that must be in the log")
    try:
        return 0 if run(parser.parse_args(words)) else 1
    except (Wrong, OSError, ValueError, KeyError, TypeError) as error:
        print(f"WRONG: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
