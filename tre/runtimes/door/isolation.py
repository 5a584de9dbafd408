"""Whether the pod is isolated, as its door finds it: before anything is relayed, and again and again after that.

Guarantees: nothing counts as proven before (1) the sealed first process said that every target is closed to it, the
door found the same target open without the seal or the controller did, and (2) the door itself, which has no seal,
found every address of the cluster closed, at least one of which answered the controller in the same minute. One
address that opens later ends the proof at once and for good: the run has to be ended.

Does not guarantee: that an address which nobody named is closed. The seal does not depend on names.

Threat: a network plug-in that enforces nothing, enforces late, or stopped; a policy that somebody deleted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tre.runtimes.door.instruction import Instruction
from tre.runtimes.init import probe
from tre.runtimes.init.attempts import CLOSED, OPEN
from tre.runtimes.init.targets import for_control
from tre.runtimes.init.verdict import verdict

Answers = list[dict[str, Any]]
_ON_FILES = frozenset({"append", "chmod", "create", "remount", "unlink"})
_WAITING = frozenset(probe.WAITING)


class Found(NamedTuple):
    """What a look came to, and whether it differs from the one before."""

    said: dict[str, Any]
    is_news: bool


class Isolation:
    """What is known so far; `lost` is final."""

    def __init__(self, instruction: Instruction) -> None:
        self._told = instruction
        self._sealed: dict[str, Any] | None = None
        self._network: dict[str, Any] | None = None
        self.lost: tuple[str, ...] = ()

    @property
    def proven(self) -> bool:
        """Whether both probes passed and nothing opened since."""
        return not self.lost and all(one is not None and one["proven"] for one in (self._sealed, self._network))

    @property
    def failed(self) -> bool:
        """Whether this run can never be proven isolated any more."""
        return bool(self.lost) or any(one is not None and not one["proven"] for one in (self._sealed, self._network))

    def take_sealed(self, inside: Answers, own: Answers) -> dict[str, Any]:
        """Judge the first process' answers by the door's own and the controller's; return what to say of it."""
        found = verdict(inside, [*own, *self._answered(self._told.sealed)])
        said = {
            "probe": "sealed",
            "proven": found.holds,
            "provenItems": list(found.proven),
            "failed": list(found.failed),
            "unproven": list(found.unproven),
            "uncontrolled": list(found.uncontrolled),
        }
        if self._sealed is not None:  # one report is the first process'; who sends another is somebody else
            said["proven"] = False
        self._sealed = said
        return said

    def refuse_sealed(self, why: str) -> dict[str, Any]:
        """The first process could not probe: no proof."""
        self._sealed = {"probe": "sealed", "proven": False, "error": why}
        return self._sealed

    def take_network(self, answers: Answers) -> Found:
        """Judge what the door itself can reach. An address that opens after the proof ends it for good."""
        reached = sorted(str(one["item"]) for one in answers if one["outcome"] != CLOSED)
        tried = {str(one["item"]) for one in answers}
        controlled = sorted(tried & self._told.answered - set(reached))
        before = self._network
        if before is not None and before["proven"] and reached:
            self.lost = tuple(reached)
        if before is None or before["proven"]:
            self._network = {
                "probe": "network",
                "proven": not reached and bool(controlled),
                "provenItems": controlled,
                "failed": reached,
                "uncontrolled": sorted(tried - self._told.answered - set(reached)),
            }
        assert self._network is not None
        return Found(self._network, before is None or before["proven"] != self._network["proven"])

    def _answered(self, targets: Iterable[Mapping[str, Any]]) -> Answers:
        """The controller's part of the control; what did not answer it either proves nothing and is held against
        nobody."""
        return [
            {"item": one["item"], "outcome": OPEN if one["item"] in self._told.answered else CLOSED, "optional": True}
            for one in targets
            if one.get("kind") in _WAITING and not _is_local(one)
        ]


def _is_local(target: Mapping[str, Any]) -> bool:
    return target.get("address") in {"127.0.0.1", "::1"}


def own_control(instruction: Instruction) -> Answers:
    """The sealed probe's targets, tried without a seal: addresses of this pod, sockets, calls, and files in a
    directory of the door's own in place of those that must not be writable. Waits as long as the probe may."""
    with tempfile.TemporaryDirectory(dir=instruction.own) as scratch:
        Path(scratch, "a-file").touch()
        mine = [
            one | {"path": scratch} if one.get("kind") in _ON_FILES else one
            for one in for_control(list(instruction.sealed))
            if one.get("kind") not in _WAITING or _is_local(one)
        ]
        return probe.run(list(mine), instruction.seconds)


def try_network(instruction: Instruction) -> Answers:
    """What the door reaches of the cluster."""
    return probe.run(list(instruction.network), instruction.seconds)
