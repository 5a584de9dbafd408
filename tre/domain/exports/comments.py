"""What people write to one another about a request: checkers among themselves or to the author, the author back.

Guarantees: while votes are cast apart, a checker reads only the own comments; a private comment never reaches the
author's side; a public one reaches it once the turn is over. A turn that was cut short takes its private comments
along: only their writers still read them.

Does not guarantee: that words disclose nothing. They stay inside; no event and no notice carries them.

Threat: a second opinion that only repeats the first; a checker's doubt that tells the author what the data holds.
"""

from __future__ import annotations

from tre.domain.errors import Reason, TREError, passes
from tre.domain.exports.models import Comment, ExportRequest, Readers
from tre.domain.exports.moves import check_phase
from tre.domain.exports.permissions import check_edit, check_review, is_author
from tre.domain.exports.situation import Situation
from tre.domain.exports.states import VOTING, BlindPhase
from tre.domain.people import Person

MOST = 1000
"""Comments of one request: far more than a dialogue has."""


def check_comment(person: Person, request: ExportRequest, situation: Situation) -> None:
    """Checkers outside write while they review; the author answers while it is the author's turn, after the first.

    Raises `TREError(NotPermitted)` or `TREError(StateForbids)`.
    """
    if not is_author(person.subject, request):
        check_review(person, request, situation.grant)
        return check_phase(request, *VOTING)
    check_edit(person, request, situation.grant)
    check_phase(request, BlindPhase.AUTHOR)
    if request.turn == 0:
        raise TREError(Reason.StateForbids, "There is nobody to answer yet.", why="It was not submitted.")
    return None


can_comment = passes(check_comment)


def comment(request: ExportRequest, person: Person, words: Comment, situation: Situation) -> ExportRequest:
    """Keep a comment on a group, or on a file in it. `by`, `turn` and `at` are set here; an author's is public.

    Raises `TREError(BadInput)` where there is no such group or file, `TREError(ContextMissing)` without words.
    """
    check_comment(person, request, situation)
    group = next((group for group in request.groups if group.name == words.group), None)
    if group is None or (words.path is not None and words.path not in {file.path for file in group.files}):
        raise TREError(Reason.BadInput, "There is no such group or file in this request.")
    if not words.text.strip():
        raise TREError(Reason.ContextMissing, "A comment has words.", remedy="Write something.")
    if len(request.comments) >= MOST:
        raise TREError(Reason.RateLimited, f"A request holds at most {MOST} comments.", remedy="Return the request.")
    readers = Readers.public if is_author(person.subject, request) else words.readers
    stamp = {"by": person.subject, "turn": request.turn, "at": situation.now, "readers": readers, "void": False}
    kept = Comment.model_validate({**dict(words), **stamp})
    return request.changed(comments=(*request.comments, kept), changed_at=situation.now)


def publish(request: ExportRequest, person: Person, comment_id: str, situation: Situation) -> ExportRequest:
    """Let the author read a comment of one's own that was for checkers alone, in the turn it was written.

    Raises `TREError(BadInput)` where there is none.
    """
    check_review(person, request, situation.grant)
    check_phase(request, *VOTING)
    own = {
        item.id
        for item in request.comments
        if (item.by.key, item.turn, item.readers) == (person.subject.key, request.turn, Readers.private)
    }
    if comment_id not in own:
        raise TREError(Reason.BadInput, "There is no such comment of yours.")
    turned = tuple(_as_public(item) if item.id == comment_id else item for item in request.comments)
    return request.changed(comments=turned, changed_at=situation.now)


def _as_public(item: Comment) -> Comment:
    return Comment.model_validate({**dict(item), "readers": Readers.public})


def cut_short(request: ExportRequest) -> tuple[Comment, ...]:
    """The comments after a turn that was cut short: what it held for checkers alone is void."""
    return tuple(
        Comment.model_validate({**dict(item), "void": True})
        if item.turn == request.turn and item.readers is Readers.private
        else item
        for item in request.comments
    )
