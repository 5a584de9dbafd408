"""What pages show of previews of plans: how far they are, what is wrong with a text, a first text to begin with.

Guarantees: what a page that waits is told by the stream, the page itself says, too; a preview whose answer is late is
shown as late. Lines of a text that are wrong stand beside what is wrong with them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tre.domain.errors import Reason, TREError
from tre.domain.slices.spec import SliceSpec
from tre.portal.plan_actions import Offer, spec_of, spec_text
from tre.portal.streams import progress_message
from tre.store.jobs import Job, JobState, is_open
from tre.system.resources import read_text, telling_where

LONGEST_PROBLEM = 400
_PLACE = re.compile(r"line (\d++): (.*)", re.DOTALL)

FIRST_TEXT = """\
slice: 1
dataset: {dataset}
release: "{release}"
images: # alternatives; inside one, all must hold
  - modality: [DX, CR]
tables:
  clinical:
    columns: [pseudonym, age_band, sex]
    derive: {{age_band: {{from: age, band: 10, top: 90}}}}
privacy: {{k: 5, over: [age_band, sex], on_fail: report}}
"""
"""What the form begins with: chest X-rays and a table whose k-report says something."""


@dataclass(frozen=True)
class ProblemLine:
    """One thing that is wrong with a text, and the line it stands in, where it has one."""

    words: str
    number: int | None = None
    line: str = ""


@dataclass(frozen=True)
class PreviewView:
    """A preview as its asker sees it at one moment."""

    job: Job
    now: datetime

    @property
    def moving(self) -> bool:
        """Whether an answer is awaited."""
        return is_open(self.job)

    @property
    def late(self) -> bool:
        """Whether the answer should have come."""
        return self.moving and self.job.deadline < self.now

    @property
    def spec(self) -> SliceSpec:
        """What is asked."""
        return spec_of(self.job)

    @property
    def dataset(self) -> str:
        """The dataset that is asked of."""
        return str(self.job.payload["spec"]["dataset"])

    @property
    def shown(self) -> dict[str, Any] | None:
        """The plan in its shown form, once it is there."""
        return self.job.result if self.job.state is JobState.done else None

    @property
    def label(self) -> str:
        """How far it is, in a word or two."""
        if self.late:
            return "Late"
        words = {JobState.open: "In the queue", JobState.taken: "Being counted", JobState.done: "Ready"}
        return words.get(self.job.state, "Refused")

    @property
    def colour(self) -> str:
        """The colour that goes with it."""
        colours = {JobState.done: "green", JobState.failed: "red"}
        return "orange" if self.late else colours.get(self.job.state, "blue")

    @property
    def steps(self) -> list[tuple[str, str, bool]]:
        """The steps of what is going on: name, words, whether it is reached."""
        return [
            ("asked", "Understood, and in the queue", True),
            ("taken", "Taken up", self.job.state is not JobState.open),
            ("done", "Counted", self.job.state is JobState.done),
        ]

    @property
    def error(self) -> TREError | None:
        """Why there is no plan, with the line of `spec_text` where it is about one."""
        if self.job.error is None or self.moving:
            return None
        said = self.job.error
        try:
            reason = Reason(said.get("reason", ""))
        except ValueError:
            reason = Reason.RuntimeFailed
        error = TREError(reason, said.get("what", ""), why=said.get("why", ""), remedy=said.get("remedy", ""))
        try:
            with telling_where(read_text(SliceSpec, spec_text(self.spec))):
                raise error
        except TREError as located:
            return located

    def message(self) -> dict[str, Any]:
        """What a waiting page is told."""
        return progress_message(self.label, self.colour, self.steps, done=not self.moving)


def problem_lines(error: TREError, text: str) -> list[ProblemLine]:
    """Everything that is wrong with a text, in the order of its lines."""
    lines, found = text.splitlines(), []
    for said in error.what.splitlines():
        words = said if len(said) <= LONGEST_PROBLEM else f"{said[:LONGEST_PROBLEM]} …"
        match = _PLACE.fullmatch(words)
        if match is None:
            found.append(ProblemLine(" ".join((words, error.why, error.remedy)).strip()))
            continue
        number = int(match[1])
        line = lines[number - 1].rstrip()[:200] if 0 < number <= len(lines) else ""
        alone = f"{match[2]} {error.why}" if "YAML" in match[2] else match[2]
        found.append(ProblemLine(alone, number, line))
    return sorted(found, key=lambda one: one.number or 0)


def first_text(offered: list[Offer]) -> str:
    """A text to begin with, about the first dataset that can be asked of."""
    return FIRST_TEXT.format(dataset=offered[0].name, release=offered[0].releases[0]) if offered else ""
