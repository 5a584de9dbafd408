"""Drafts: whatever is typed before an application is handed in, and everything that it still lacks.

Guarantees: a draft holds known keys only and stays within bounds, so that nobody fills the record by typing; handing
in names every problem at once, by its key.

Does not guarantee: that a draft means anything. Only content that was read strictly is ever voted on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from tre.domain.applications.models import Application, ApplicationContent, Question
from tre.domain.applications.summary import report
from tre.domain.errors import Reason, TREError
from tre.domain.model import Problem, all_keys, problems_of

MOST_CHARACTERS = 400_000
"""Of a whole draft as JSON: the longest content that can be handed in has about as many."""

DEEPEST = 20
_KEYS = {key: field.alias or key for key, field in ApplicationContent.model_fields.items()}


def check_draft(draft: dict[str, Any]) -> dict[str, Any]:
    """The draft with its keys as they stand in a file; raises `TREError(BadInput)` for one that cannot be kept."""
    known = set(_KEYS.values())
    spelled = {_KEYS.get(key, key): value for key, value in draft.items()}
    if strange := sorted(set(spelled) - known):
        raise _refused(f"An application has no {', '.join(strange[:5])}.", f"It has {', '.join(sorted(known))}.")
    if _depth(spelled) > DEEPEST:
        raise _refused("This draft is nested too deeply.", "")
    try:
        text = json.dumps(spelled, allow_nan=False)
        text.encode()
    except (TypeError, ValueError) as error:
        raise _refused("This draft holds something that is neither text, number, list nor mapping.", "") from error
    if len(text) > MOST_CHARACTERS:
        raise _refused(f"This draft has more than {MOST_CHARACTERS:,} characters.", "Attach long documents.")
    kept: dict[str, Any] = json.loads(text)
    return kept


def _depth(value: object, so_far: int = 0) -> int:
    if so_far > DEEPEST:
        return so_far
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return max((_depth(item, so_far + 1) for item in inner), default=so_far)


def _refused(what: str, remedy: str) -> TREError:
    return TREError(Reason.BadInput, what, why="Drafts are kept within bounds.", remedy=remedy)


def problems_in(draft: dict[str, Any], now: datetime, questions: Sequence[Question] = ()) -> list[Problem]:
    """Everything that keeps a draft from being handed in, each by its key; empty for a whole one."""
    try:
        content = ApplicationContent.model_validate(draft)
    except ValidationError as error:
        return problems_of(error, all_keys(ApplicationContent))
    found = []
    if content.ends <= now:
        found.append(Problem(where="ends", expected="a moment that is still to come"))
    if content.legal_basis.ends <= now:
        found.append(Problem(where="legalBasis.ends", expected="a moment that is still to come"))
    found += [
        Problem(where=f"outputs[{number}].due", expected="a day after the start")
        for number, output in enumerate(content.outputs)
        if output.due < content.starts.date()
    ]
    found += [
        Problem(where=f"questions[{number}]", expected="an answer to what the committee asked")
        for number, question in enumerate(questions)
        if not question.answer.strip()
    ]
    return found


def advice_on(draft: dict[str, Any]) -> list[str]:
    """What could be better in the lay summary, in sentences; it stops nobody from handing in."""
    text = draft.get("laySummary")
    if not isinstance(text, str) or not text.strip():
        return []
    found = report(text)
    said = [f"{word.word}: say “{word.plain}”." for word in found.hard_words]
    said += [f"Long sentence: “{sentence}”." for sentence in found.long_sentences]
    if found.reading_age is not None and found.reading_age > found.aim:
        said.append(f"Readable from about {found.reading_age} years on; aim for {found.aim}.")
    return said


def read_content(application: Application, now: datetime) -> ApplicationContent:
    """The content of a draft. Raises `TREError(ApplicationIncomplete)` that names every problem."""
    if found := problems_in(application.draft, now, application.questions):
        listed = "; ".join(f"{one.where or 'application'}: {one.expected}" for one in found)
        raise TREError(
            Reason.ApplicationIncomplete,
            f"The application is not complete: {listed}.",
            why="The committee sees whole applications only.",
            remedy="Complete these, then hand it in.",
        )
    return ApplicationContent.model_validate(application.draft)
