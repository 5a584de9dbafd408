"""One file before one person: the leaf that was asked for, its findings, and how much of the file was seen.

Guarantees: what is shown is the extract of exactly the bytes that the request names, read as the type that it names;
addresses on the preview host are made for this session, and only for what is on this leaf; a leaf counts as seen where
it is shown as it is, whole and in the file's order.

Does not guarantee: that whoever asks may see the file: the routes have asked the domain before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from fastapi import Request
from markupsafe import Markup
from starlette.responses import Response

from tre.domain.exports.looking import Looked, check_looked
from tre.domain.exports.models import Choice, ExportRequest, Looking, RequestFile
from tre.domain.imports.models import ImportRequest
from tre.portal.context import Desk
from tre.portal.export_views import FileView
from tre.portal.preview import looked
from tre.portal.preview.asked import Asked
from tre.portal.preview.capabilities import Capability, PartKind, mint
from tre.portal.preview.content import Content
from tre.portal.preview.looked import Track
from tre.portal.preview.marks import Mark, marks_of
from tre.portal.preview.profiles import ColumnProfile
from tre.portal.preview.sorted_tables import SortedTable, sorted_table
from tre.portal.preview.texts import visible
from tre.portal.preview.views import LONGEST_CELL, CardView, MarkIndex, card_view
from tre.portal.sessions import Visitor

R = TypeVar("R", bound=Response)
NEAR = 3
"""How many pages before and after the present one are offered by number."""


@dataclass(frozen=True)
class Showing:
    """What a viewer is made for: a request as its reader sees it, one file of it, and the page that shows it."""

    http: Request
    desk: Desk
    request: ExportRequest | ImportRequest
    view: FileView
    covered: bool = False
    """Whether the reader said that the checks cover what was not seen."""


class Viewer:
    """What a template shows of a file."""

    def __init__(self, showing: Showing) -> None:
        self._showing = showing
        self._desk = showing.desk
        self._who: Visitor = showing.http.state.visitor
        self.file: RequestFile = showing.view.file
        self.covered = showing.covered
        self.content: Content | None = self._desk.extracts.find(self.file.sha256, self.file.type)
        findings = [finding for group in showing.view.findings for finding in group.findings]
        self.marks: tuple[Mark, ...] = marks_of(self.content, findings)
        self.asked = self._bounded(Asked.of(showing.http.query_params))
        self._track = Track.of(showing.http, self._desk, self._who)
        key = looked.key_of(showing.request.id, self.file)
        kept = self._track.glance(key, self.leaves)
        self._is_first = not kept.bits
        self.glance = kept.with_leaf(self._counts())

    def _bounded(self, asked: Asked) -> Asked:
        tables = [] if self.content is None else self.content.cards
        is_table = 0 < asked.table <= len(tables) and tables[asked.table - 1].table is not None
        asked = asked if is_table else replace(asked, table=0, sort=0, hide=frozenset(), find="", span=1)
        return asked if asked.table else replace(asked, page=min(asked.page, max(self.leaves, 1)))

    def _counts(self) -> int | None:
        """The leaf that is seen by this look, if any."""
        shown = self.content is not None and self.asked.as_it_is and self.leaves > 0
        return self.asked.page if shown and not looked.is_ahead(self._showing.http) else None

    @property
    def leaves(self) -> int:
        """How many leaves there are."""
        return 0 if self.content is None else len(self.content.leaves)

    @cached_property
    def cards(self) -> tuple[CardView, ...]:
        """What is on the leaf; nothing where a table is looked at by itself."""
        if self.content is None or not self.asked.as_it_is or not self.leaves:
            return ()
        index, content = MarkIndex(self.marks), self.content
        return tuple(card_view(content, piece, index, self._address) for piece in content.leaves[self.asked.page - 1])

    @cached_property
    def sorted(self) -> SortedTable | None:
        """The table that is looked at by itself."""
        if self.content is None or self.asked.as_it_is:
            return None
        return sorted_table(self.content, self.asked, MarkIndex(self.marks))

    @property
    def first_table(self) -> int:
        """The card, from 1, of the table that can be searched here: the one looked at, or the first on the leaf."""
        if self.asked.table:
            return self.asked.table
        return next((card.number for card in self.cards if card.table is not None), 0)

    @property
    def titles(self) -> tuple[Markup, ...]:
        """The columns of that table."""
        table = self.content.table_of(self.first_table - 1) if self.content is not None and self.first_table else None
        return () if table is None else tuple(visible(title[:LONGEST_CELL]) for title in table.header)

    @property
    def shows_profile(self) -> bool:
        """Whether the page says what the columns hold: of a large table only where it is looked at by itself."""
        card = self.first_table - 1
        return bool(self.asked.table) or (self.content is not None and self.content.has_profile(card))

    @property
    def profile(self) -> tuple[ColumnProfile, ...]:
        """What its columns hold."""
        return self.content.profile(self.first_table - 1) if self.content is not None and self.first_table else ()

    def _address(self, part: PartKind, card: int) -> str:
        capability = Capability(
            session=self._who.session.id,
            export=self._showing.request.id,
            path=self.file.path,
            sha256=self.file.sha256,
            type=self.file.type,
            part=part,
            card=card,
        )
        token = mint(self._desk.sealer, capability, self._desk.clock.now())
        return f"{self._desk.settings.origin('preview')}/{token}"

    # Turning pages.

    @property
    def pages(self) -> int:
        """How many pages the present look has."""
        return self.leaves if self.sorted is None else self.sorted.pages

    @property
    def page(self) -> int:
        """The present page."""
        return self.asked.page if self.sorted is None else self.sorted.page

    @property
    def near_pages(self) -> Sequence[int]:
        """The pages that are offered by number: the first, the last, and those around."""
        around = range(max(self.page - NEAR, 1), min(self.page + NEAR, self.pages) + 1)
        return sorted({1, *around, self.pages} if self.pages else set())

    def page_link(self, page: int) -> str:
        """The address of another page of this look."""
        return self.asked.link(page=page)

    def mark_link(self, mark: Mark) -> str:
        """The address of a finding's place: its leaf, in the file's own order."""
        return Asked(page=mark.leaf).link(f"at-{mark.number}")

    # What was seen.

    @cached_property
    def looked(self) -> Looked:
        """What was seen, this leaf included."""
        return looked.looked_at(self.glance, self.file, self.content, covered=self.covered)

    @property
    def carried(self) -> str:
        """What the form of the vote carries along."""
        return self._track.sealed(self.glance)

    @property
    def unseen_pages(self) -> str:
        """The pages that were not on the screen, in words: `2 to 7, 9`."""
        return spans(self.looked.unseen)

    def remember(self, response: R) -> R:
        """Let the browser keep what was seen; the first look at a file in a session stands in the log.

        Whoever brought the files is not noted: they had them before.
        """
        if self.content is not None and self._counts() is not None:
            if self._is_first and self._who.person.subject != self._showing.request.author:
                self._note()
            lasts = self._who.session.expires_at - self._desk.clock.now()
            self._track.remember(response, self.glance, int(lasts.total_seconds()))
        return response

    def _note(self) -> None:
        """Put on record who looked at which bytes: nobody sees a file unnoticed, and nobody but operators reads it."""
        request = self._showing.request
        kind = "export" if isinstance(request, ExportRequest) else "import"
        event = self._desk.event(
            self._who.person.subject,
            f"{kind}.file-seen",
            f"{kind}/{request.id}",
            grant=request.grant,
            sha256=self.file.sha256,
        )
        with self._desk.database.change(event):
            pass  # the look is all there is to keep

    def seen_by_form(self, carried: str) -> Looked:
        """What the cookie and a form together say was seen, this look aside."""
        kept = self._track.glance(self.glance.key, self.leaves)
        glance = self._track.joined(kept, carried)
        return looked.looked_at(glance, self.file, self.content, covered=self.covered)


def check_seen(showing: Showing, form: dict[str, str], choice: Choice) -> Looking | None:
    """How much a vote of this form rests on. Raises `TREError(ConfirmationWrong)` where that is not enough.

    A form is no look: the page that it came from counted already. One about other bytes is for the domain to refuse.
    """
    run = showing.request.check_run
    if run is None or (form.get("sha256"), form.get("run")) != (showing.view.file.sha256, run.id):
        return None
    viewer = Viewer(replace(showing, covered=bool(form.get(looked.COVERED))))
    return check_looked(viewer.seen_by_form(form.get(looked.FIELD, "")), choice)


def spans(numbers: Sequence[int]) -> str:
    """Numbers in words, those that follow one another together: `1, 3 to 5`."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(f"{part[0]:,}" if len(part) == 1 else f"{part[0]:,} to {part[-1]:,}" for part in parts)
