"""Asking and deciding, as the demonstration does it: an application from its file, four members, a signed decision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tre.cli.demonstration.stage import Stage, demand
from tre.cli.trial.committee import MEMBERS, PATIENT

PATIENCE_SECONDS = 60


class Committee:
    """Hands an application in, has it decided, and returns the grant that came into force."""

    def __init__(self, stage: Stage, application: Path) -> None:
        self.stage, self.application = stage, application
        self.name = ""

    def decide(self, plan_digest: str) -> str:
        """The grant's name. Raises `TREError` where something was decided that must not be."""
        self._seat()
        found = self.stage.json("application", "submit", str(self.application), "--as", "local:alice")
        self.name = found["id"]
        self._wait("InReview")
        for member in MEMBERS:
            if member != PATIENT:
                self._vote(member)
        shown = self.stage.json("application", "show", self.name)
        demand(shown["votes"]["outcome"] is None, "three votes decided without a patient member")
        self._vote(PATIENT)
        self._wait("Approved")
        decision = self.stage.json("committee", "decision", "show", self.name)
        demand(decision["record"]["planDigest"] == plan_digest, "what was decided is not what was planned")
        self._verify(decision)
        return str(decision["record"]["grant"])

    def _seat(self) -> None:
        known = {one["subject"]["id"] for one in self.stage.json("committee", "list")}
        for member, (constituency, name, organisation) in MEMBERS.items():
            if member not in known:
                words = ("--constituency", constituency, "--name", name, "--organisation", organisation)
                self.stage.tre("committee", "seat", "add", f"local:{member}", *words, "--until", "2036-12-31")

    def _vote(self, member: str) -> None:
        said = ("--choice", "approve", "--reasons", "It helps patients, and asks for no more than it needs.")
        self.stage.tre("committee", "vote", self.name, "--as", f"local:{member}", *said, "--criterion", "benefit")

    def _wait(self, state: str) -> None:
        def shown() -> Any:
            return self.stage.json("application", "show", self.name)

        said = f"the application {self.name} did not become {state}"
        self.stage.wait_for(lambda: shown()["state"] == state, PATIENCE_SECONDS, said)

    def _verify(self, decision: dict[str, Any]) -> None:
        """The record holds; one vote turned round in it, it does not."""
        kept = self.stage.home / "decision.json"
        text = self.stage.tre("committee", "decision", "show", self.name, "--json")
        kept.write_text(text, encoding="utf-8")
        self.stage.tre("committee", "verify", str(kept))
        kept.write_text(text.replace('"approve"', '"decline"', 1), encoding="utf-8")
        self.stage.tre("committee", "verify", str(kept), fails=True)
        demand(len(decision["record"]["votes"]) == len(MEMBERS), "not every vote stands in the record")
