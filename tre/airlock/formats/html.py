"""HTML: no active content, nothing hidden without being told; its text, tables and pictures as people are shown them.

Guarantees: the page is read by a strict tokenizer and by a second, independent reader that builds a tree as browsers
do (nh3, on html5ever); where the two find different texts the file is refused, and active content is looked for in
what each of them sees. What people are shown comes from the second reader's cleaned tree. Embedded pictures are judged
by the strict parser of their own type.

Does not guarantee: that the page looks as it is shown here: its style is not applied.

Threats: scripts, addresses that a page calls when it is opened, hidden text, pictures and data folded into
attributes, markup that two programs read differently.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import nh3

from tre.airlock.formats import embedded, styling
from tre.airlock.formats.htmltables import Piece, read_page
from tre.airlock.formats.markup import RAW, VOID, Token, tokens_of
from tre.airlock.formats.text import invisible_in, passages_of, read_text
from tre.airlock.formats.xmlparts import words_of
from tre.airlock.parsed import (
    INVISIBLE,
    Bounds,
    Card,
    FileRefusedError,
    Observation,
    ParsedFile,
    Passage,
    Place,
    quoted,
)

_SHOWN = words_of(
    """
    a abbr address article aside b bdi blockquote br caption center cite code col colgroup dd del details dfn
    div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p
    pre q s samp section small span strike strong sub summary sup table tbody td tfoot th thead time tr tt u ul
    var wbr
    """
)
_FRAME = words_of(
    """
    html head body title meta style link
    """
)
_ACTIVE = words_of(
    """
    script animate animatemotion animatetransform set foreignobject image feimage handler iframe frame frameset
    object embed applet form input button select option textarea base audio video source track portal marquee
    dialog slot canvas map area param fencedframe
    """
)
_UNSEEN = {"template", "noscript", "datalist", "svg", "math", "picture"}
_PLAIN_ATTRIBUTES = words_of(
    """
    class id style align valign border cellpadding cellspacing bgcolor color colspan rowspan scope headers abbr
    width height lang dir title alt name charset content http-equiv href src rel type span start size face role
    tabindex nowrap rules frame summary datetime cite target media scoped open halign char charoff xmlns
    xml:lang aria-hidden aria-label aria-labelledby hidden loading reversed value noshade
    """
)
_ADDRESSES = frozenset({"href", "src", "action", "data", "poster", "background", "cite", "srcset", "longdesc", "ping"})
_LOOKS = words_of("style align valign border width height colspan rowspan dir type color bgcolor scope")
_HARMLESS_COMMENT = re.compile(
    r"\s*(?:html table generated in R [\d.]{1,12} by xtable [\d.-]{1,12} package|"
    r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})?\s*"
)
"""What R's xtable writes above each table: its versions and the time."""

_LONGEST = 255
_REMEDY = "Remove it, or save the tables as CSV and the text as Markdown."
_EVERYTHING = _SHOWN | _FRAME | _ACTIVE | _UNSEEN

nh3.clean("<p style='color:red' class=a>warm<b>up</p>", tags={"p"}, attributes={"p": {"class"}})
# The library asks the system for random numbers when it is used first, which nothing may do behind the walls.


def parse(kind: str, data: bytes, bounds: Bounds) -> ParsedFile:
    """A page. Raises `FileRefusedError`."""
    text = read_text(data)
    if "%PDF-" in text[:1024]:
        raise FileRefusedError(Observation("F03", "The page begins like a PDF document.", "Keep one type a file."))
    parsed = ParsedFile(kind, len(data))
    take_page(parsed, text, bounds, Place())
    return parsed


def take_page(parsed: ParsedFile, text: str, bounds: Bounds, place: Place) -> None:
    """Add what a page or a piece of one holds; `place` is where in the file it stands. Raises `FileRefusedError`."""
    tokens = list(tokens_of(text))
    normal = list(tokens_of(_normalized(text)))
    if _visible(tokens) != _visible(normal):
        message = "Two readers of the page see different texts."
        raise FileRefusedError(Observation("F02", message, "Write the page with a library.", place))
    found = _Found(place)
    for token in tokens:
        found.judge(token)
    second = _Found(place)
    for token in normal:
        if token.kind == "open" and (token.attributes or token.name in _ACTIVE):
            second.judge(token)
    parsed.remarks += found.all
    parsed.remarks += [
        replace(item, place=place) for key, item in second.held.items() if key[0] == "F06" and key not in found.held
    ]
    if not {token.name for token in tokens}.isdisjoint(_UNSEEN) and "drawings" not in parsed.lossy:
        parsed.lossy = "; ".join(filter(None, [parsed.lossy, "Not shown: drawings and templates within the page"]))
    for address, line in found.pictures:
        embedded.take_address(parsed, address, bounds, _at(place, line))
    _show(parsed, read_page(tokens_of(_cleaned(text)), bounds, place), place)
    parsed.passages += [Passage(said, _at(place, line), "metadata") for said, line in found.texts.items()]


def _at(place: Place, line: int) -> Place:
    """The place of a line; a piece within another file keeps that file's place."""
    return Place(row=line) if place == Place() and line else place


def _normalized(text: str) -> str:
    """The page as a browser's tree says it, active content included."""
    return nh3.clean(
        text,
        tags=set(_EVERYTHING - {"html", "head", "body"}),
        clean_content_tags=set(),
        attributes={"*": set(_PLAIN_ATTRIBUTES - {"rel"}), "a": {"href"}},
        generic_attribute_prefixes={"on"},
        url_schemes={"http", "https", "data", "mailto", "javascript"},
        link_rel=None,
    )


def _cleaned(text: str) -> str:
    """The page as it may be shown: text, structure, nothing else."""
    return nh3.clean(
        text,
        tags=set(_SHOWN),
        clean_content_tags={"script", "style", "title"},
        attributes={"td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}, "a": {"href"}, "img": {"alt"}},
        url_schemes={"http", "https", "mailto"},
        link_rel=None,
    )


def _visible(tokens: Iterable[Token]) -> str:
    """All text outside raw elements, without white space."""
    return "".join("".join(token.text for token in tokens if token.kind == "text" and token.name not in RAW).split())


def _show(parsed: ParsedFile, pieces: list[Piece], place: Place) -> None:
    for piece in pieces:
        if piece.table is not None:
            parsed.cards.append(Card("table", piece.table.title, table=len(parsed.tables), place=piece.table.within))
            parsed.tables.append(piece.table)
        else:
            parsed.cards.append(Card("text", text=piece.text, place=place))
            parsed.passages += [Passage(one.text, place) for one in passages_of(piece.text)]


class _Found:
    """What is said of one page's tokens, each thing once."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.held: dict[tuple[str, str], Observation] = {}
        self.pictures: list[tuple[str, int]] = []
        self.texts: dict[str, int] = {}
        self.papers: list[str] = []

    @property
    def all(self) -> list[Observation]:
        return list(self.held.values())

    def add(self, check: str, message: str, line: int) -> None:
        self.held.setdefault((check, message), Observation(check, message, _REMEDY, _at(self.place, line)))

    def judge(self, token: Token) -> None:
        for text in (token.text, *token.attributes.values()):
            if INVISIBLE.search(text) and (unseen := invisible_in(text, _at(self.place, token.line))):
                raise FileRefusedError(unseen)
        if token.kind == "comment" and not _HARMLESS_COMMENT.fullmatch(token.text):
            self.add("F07", f"The page holds a comment that is not shown: {quoted(token.text.strip())}.", token.line)
            self.texts.setdefault(token.text, token.line)
        elif token.kind == "text" and token.name:
            self._raw(token)
        elif token.kind == "open":
            self._element(token)
            for name, value in token.attributes.items():
                self._attribute(token, name, value)
        if token.kind in {"open", "close"}:
            self._paper(token)

    def _paper(self, token: Token) -> None:
        """Keep which elements around have a background of their own: white is then no hiding place."""
        if token.kind == "close" and self.papers and self.papers[-1] == token.name:
            self.papers.pop()
        elif token.kind == "open" and token.name not in VOID:
            own = "bgcolor" in token.attributes or styling.has_paper(token.attributes.get("style", ""))
            if own or token.name in self.papers:
                self.papers.append(token.name)

    def _raw(self, token: Token) -> None:
        if token.name == "style":
            self._style(token.text, token.line, alone=False)
        elif token.name == "title" and token.text.strip():
            self.texts.setdefault(token.text, token.line)

    def _style(self, style: str, line: int, *, alone: bool) -> None:
        for check, what in styling.judged(style, alone=alone and not self.papers):
            self.add(check, f"A style of the page {what}: {quoted(style.strip())}.", line)

    def _element(self, token: Token) -> None:
        shown = quoted(f"<{token.name}>")
        if token.name in _ACTIVE or (token.name == "link" and "href" in token.attributes):
            self.add("F06", f"The page holds {shown}, which may run or load.", token.line)
        elif token.name in _UNSEEN:
            self.add("F07", f"The page holds {shown}, which is not shown here.", token.line)
        elif token.name not in _SHOWN and token.name not in _FRAME:
            self.add("F07", f"The page holds {shown}, which nobody knows.", token.line)
        if token.name == "meta":
            self._meta(token)

    def _meta(self, token: Token) -> None:
        what = token.attributes.get("http-equiv", "").lower()
        said = token.attributes.get("charset") or token.attributes.get("content", "")
        if what and what not in {"content-type", "x-ua-compatible", "content-language"}:
            self.add("F06", f"The page tells the browser what to do: {quoted(what)}.", token.line)
        if (what == "content-type" or "charset" in token.attributes) and "utf-8" not in said.lower():
            self.add("F02", f"The page claims to be written in {quoted(said)}, yet is UTF-8.", token.line)
        if token.attributes.get("name", "").lower() in {"author", "description", "keywords", "date"} and said:
            self.add("F08", f"The page names {quoted(said)} ({token.attributes['name']}).", token.line)
            self.texts.setdefault(said, token.line)

    def _attribute(self, token: Token, name: str, value: str) -> None:
        line = token.line
        if name.startswith("on") or name in {"srcdoc", "formaction", "is", "nonce", "integrity"}:
            self.add("F06", f"The page runs something by {quoted(name)}.", line)
        elif name.rpartition(":")[2] in _ADDRESSES:
            self._address(token, name, value)
        elif name == "style":
            self._style(value, line, alone=True)
        elif name == "hidden" or (name == "aria-hidden" and value == "true"):
            self.add("F07", f"The page hides an element {quoted(f'<{token.name}>')}.", line)
        elif name == "color" and value.replace(" ", "").lower() in styling.WHITE and not self.papers:
            self.add("F07", f"The page writes in white: {quoted(f'<{token.name}>')}.", line)
        elif name in {"width", "height"} and value.strip() in {"0", "1", "0px", "1px", "0%"} and token.name != "col":
            self.add("F07", f"The page holds an element without size: {quoted(f'<{token.name}>')}.", line)
        elif name not in _PLAIN_ATTRIBUTES:
            self.add("F07", f"The page carries data in {quoted(name)}: {quoted(value)}.", line)
            self.texts.setdefault(value, line)
        elif len(value) > _LONGEST:
            self.add("F07", f"The page carries a long text in {quoted(name)}: {quoted(value)}.", line)
        if len(value) > 2 and name not in _LOOKS and (value, line) not in self.pictures[-1:]:
            self.texts.setdefault(value, line)

    def _address(self, token: Token, name: str, value: str) -> None:
        plain = re.sub(r"[\x00-\x20]", "", value).lower()
        if token.name == "img" and name == "src" and plain.startswith("data:image/"):
            self.pictures.append((value, token.line))
        elif plain.startswith(("javascript:", "data:", "vbscript:", "blob:", "file:")):
            self.add("F06", f"The page holds an address that runs or unfolds: {quoted(value)}.", token.line)
        elif (token.name, name) == ("a", "href"):
            if plain and not plain.startswith("#"):
                self.add("F08", f"The page links to {quoted(value)}.", token.line)
                self.texts.setdefault(value, token.line)
        elif plain:
            self.add("F06", f"The page loads {quoted(value)}.", token.line)
