"""One transformation of one file of the vault: in a confined child, with the results back in the vault.

Guarantees: the bytes that are transformed are hashed first; the new files are named beside the old one by names that
may leave; each result carries its provenance: by which transformation, in which version, with which numbers, from
which bytes to which. A child that fails, or names what it must not, makes nothing.

Does not guarantee: that a taken-over child made what it was asked for. Its files are checked and looked at like any.

Threat: a file that takes over the library which transforms it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tre.airlock.confine import ChildAnswer, Errand, Instruction, transform
from tre.airlock.examination import Candidate
from tre.airlock.identify import type_of
from tre.airlock.naming import colliding, problem_of
from tre.airlock.policy import bounds_of, rules_of
from tre.airlock.vault import Vault, hash_descriptor
from tre.domain.errors import Reason, TREError
from tre.domain.exports.fixes import BY_ID, Fix, Made, Provenance
from tre.domain.exports.rules import AirlockPolicy
from tre.domain.quantities import parse_bytes


@dataclass(frozen=True)
class Order:
    """What is to be done to a file: which fix, with which numbers; `columns` are those that findings point at."""

    fix: str
    parameters: dict[str, int] = field(default_factory=dict)
    columns: tuple[int, ...] = ()


@dataclass(frozen=True)
class Transformed:
    """The new files, each with its provenance, and what a person should know."""

    made: tuple[Made, ...]
    provenance: tuple[Provenance, ...]
    notes: tuple[str, ...]


def transform_file(source: Candidate, order: Order, policy: AirlockPolicy, vault: Vault) -> Transformed:
    """Make new files of one file and keep them in the vault.

    Raises `TREError`: `FileRefused` where nothing can be made of it, `CheckerFailed`, `ContentChanged`.
    """
    fix = _fix(order, source.path)
    limits = policy.spec.limits
    instruction = Instruction(
        type_of(source.path), limits.seconds, parse_bytes(limits.memory), bounds_of(policy), rules_of(policy)
    )
    with source.opened() as descriptor:
        held = hash_descriptor(descriptor)
        if held.sha256 != source.sha256:
            raise TREError(Reason.ContentChanged, "A file does not hold the bytes that were asked about.")
        if held.size > parse_bytes(limits.file_bytes):
            raise TREError(Reason.FileRefused, f"The file is larger than {limits.file_bytes}.")
        errand = Errand(fix.id, source.path, order.parameters, order.columns)
        answer, data = _done(descriptor, errand, instruction)
    _check_made(answer, data, source.path)
    made = tuple(_keep(path, piece, vault, limits.file_bytes) for path, piece in _pieces(answer, data))
    provenance = tuple(
        Provenance(
            transformation=fix.id,
            version=fix.version,
            parameters=order.parameters,
            from_sha256=source.sha256,
            to_sha256=file.sha256,
        )
        for file in made
    )
    return Transformed(made, provenance, answer.notes)


def _done(descriptor: int, errand: Errand, instruction: Instruction) -> tuple[ChildAnswer, bytes]:
    """The child's answer. One that took too long or died would do so again: that is no failure to be tried anew."""
    try:
        return transform(descriptor, errand, instruction)
    except TREError as error:
        if error.reason is not Reason.CheckerFailed:
            raise
        raise TREError(
            Reason.FileRefused,
            f"Nothing was made of the file. {error.why}",
            remedy="Change the file in the workspace, or ask for less.",
        ) from error


def _fix(order: Order, path: str) -> Fix:
    fix = BY_ID.get(order.fix)
    if fix is None or not fix.works_on(path) or set(order.parameters) != set(fix.numbers):
        raise TREError(Reason.BadInput, "No such transformation is known for this file.")
    return fix


def _check_made(answer: ChildAnswer, data: bytes, path: str) -> None:
    if answer.unfit:
        raise TREError(Reason.FileRefused, f"Nothing was made of the file. {answer.unfit}")
    if answer.observations:
        found = answer.observations[0]
        raise TREError(Reason.FileRefused, f"Nothing was made of the file. {found.message}", remedy=found.suggestion)
    paths = [product.path for product in answer.products]
    folder = path.rpartition("/")[0]
    strange = [p for p in paths if problem_of(p) or p.rpartition("/")[0] != folder or p == path]
    if strange or not paths or colliding(paths) or sum(product.size for product in answer.products) != len(data):
        raise TREError(
            Reason.CheckerFailed,
            "The transformation failed.",
            why="It answered with something else than files beside the old one.",
            remedy="Change the file in the workspace instead, or ask the operator.",
        )


def _pieces(answer: ChildAnswer, data: bytes) -> Iterator[tuple[str, bytes]]:
    start = 0
    for product in answer.products:
        yield product.path, data[start : start + product.size]
        start += product.size


def _keep(path: str, data: bytes, vault: Vault, most: str) -> Made:
    if len(data) > parse_bytes(most):
        raise TREError(Reason.FileRefused, f"Nothing was made of the file. It would be larger than {most}.")
    with _in_memory(data) as descriptor:
        stored = vault.take_in(descriptor, len(data))
    return Made(path=path, sha256=stored.sha256, size=stored.size, type=type_of(path))


@contextmanager
def _in_memory(data: bytes) -> Iterator[int]:
    descriptor = os.memfd_create("transformed", os.MFD_CLOEXEC)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        yield descriptor
    finally:
        os.close(descriptor)
