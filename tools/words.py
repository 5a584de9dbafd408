"""Collects every text of the public pages for translators, and keeps catalogues up to date.

    .venv/bin/python tools/words.py [--check] [FILE.po …]

Without a file it writes tre/portal/locale/public.pot anew. Each file that is named gets the texts that are new, loses
those that are gone, and is compiled to FILE.mo beside it; one that is not there yet is begun: its name is the language.

Guarantees: the same code gives the same bytes; what is compiled was held against the very rules that the service has
when it starts; with `--check` nothing is written, what is out of date is named, and the exit code is 1.

Does not guarantee: that every text of a page is marked. Tests walk all public pages in a made-up language for that.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from pathlib import Path

from babel.core import UnknownLocaleError
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from tre.domain.errors import TREError
from tre.domain.grants.register import MAY_BE_WITHHELD
from tre.domain.languages import check_translation
from tre.domain.publicaccount.states import REFUSAL_WORDS
from tre.portal import account_words, glossary, words
from tre.portal.pages import SERVICE_NAME
from tre.portal.register_views import spaced
from tre.portal.retold import ELSEWHERE
from tre.system.languages import MONTHS, NAME, THOUSANDS, read_catalogue

CHECKOUT = Path(__file__).resolve().parents[1]
LOCALE = CHECKOUT / "tre" / "portal" / "locale"
TEMPLATE = LOCALE / "public.pot"
KEYWORDS = DEFAULT_KEYWORDS | {"gettext_noop": None}
JINJA = {"newstyle_gettext": "true", "trimmed": "true", "trim_blocks": "true", "silent": "false"}
TABLES: dict[str, Iterable[str]] = {
    "tre/portal/words.py": [*words.PUBLIC_PHASES.values(), *(one.text for one in words.GRANT_PHASES.values())],
    "tre/portal/account_words.py": [
        *account_words.OUTCOMES.values(),
        *account_words.DECLARERS.values(),
        *account_words.INCIDENTS.values(),
    ],
    "tre/domain/publicaccount/states.py": REFUSAL_WORDS.values(),
    "tre/portal/glossary.py": [text for entry in glossary.WORDS for text in entry],
    "tre/portal/retold.py": ELSEWHERE,
    "tre/portal/pages.py": [SERVICE_NAME],
    "tre/domain/grants/register.py": [spaced(field) for field in MAY_BE_WITHHELD],
}
"""Texts that stand in tables, by the files that hold them."""

IN_CONTEXT = [NAME, THOUSANDS, *(("month", month) for month in MONTHS)]
CONTEXTS = "tre/system/languages.py"


def collected() -> Catalog:
    """Every text of the public pages. Raises `TREError(BadInput)` for one that no translation could fit."""
    catalog = Catalog(project="TRE launcher", charset="utf-8", fuzzy=False)
    for place, message, context in chain(_marked(), _tabled()):
        forms = message if isinstance(message, tuple) else (message,)
        check_translation(forms, forms)
        catalog.add(message, locations=[(place, 0)], context=context)
    return catalog


@cache
def _marked() -> tuple[tuple[str, str | tuple[str, ...], str | None], ...]:
    """What templates and code mark: file, message (with its plural), context; as it was at the first look."""
    return tuple(_found())


def _found() -> Iterator[tuple[str, str | tuple[str, ...], str | None]]:
    for path in sorted([*CHECKOUT.glob("tre/portal/templates/**/*.html"), *CHECKOUT.glob("tre/**/*.py")]):
        data = path.read_bytes()
        jinja = path.suffix == ".html"
        if not jinja and b"gettext" not in data:
            continue
        method, options = ("jinja2.ext:babel_extract", JINJA) if jinja else ("python", {})
        found = extract(method, io.BytesIO(data), KEYWORDS, options=options)
        for _line, message, _comments, context in found:
            yield str(path.relative_to(CHECKOUT)), message, context


def _tabled() -> Iterator[tuple[str, str, str | None]]:
    for place, texts in TABLES.items():
        yield from ((place, text, None) for text in texts)
    yield from ((CONTEXTS, text, context) for context, text in IN_CONTEXT)


def written(catalog: Catalog) -> bytes:
    """A catalogue as a file: without dates and line numbers, which change when no text does."""
    buffer = io.BytesIO()
    write_po(buffer, catalog, width=100, sort_by_file=True, include_lineno=False, omit_header=False)
    dated = (b'"POT-Creation-Date:', b'"PO-Revision-Date:', b'"Report-Msgid-Bugs-To:', b'"Generated-By:')
    lines = buffer.getvalue().splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith((b"#\n", b"# ", *dated)))


_NO_DATE = datetime(1970, 1, 1, tzinfo=UTC)
"""A compiled catalogue has to name a day; what was compiled from the same texts shall be the same bytes."""


def brought_up_to_date(path: Path, template: Catalog) -> tuple[bytes, bytes]:
    """A catalogue with the texts of now, and the same compiled.

    Raises `TREError(BadInput)` where a translation could break a page.
    """
    if path.is_file():
        with path.open("rb") as file:
            catalog = read_po(file, locale=_language(path))
    else:
        catalog = Catalog(locale=_language(path), project="TRE launcher", fuzzy=False)
    catalog.update(template, no_fuzzy_matching=False)
    catalog.obsolete.clear()
    po, buffer = written(catalog), io.BytesIO()
    for message in catalog:
        if isinstance(message.id, tuple) and not _is_whole(message, catalog):
            message.string = ""  # else its forms would be filled up with the source's
    catalog.creation_date = catalog.revision_date = _NO_DATE
    write_mo(buffer, catalog)
    read_catalogue(buffer.getvalue())
    return po, buffer.getvalue()


def _is_whole(message: Message, catalog: Catalog) -> bool:
    """Whether a message is translated, in every form that the language has."""
    forms = [message.string] if isinstance(message.string, str) else list(message.string or ())
    return all(forms) and len(forms) == (catalog.num_plurals if isinstance(message.id, tuple) else 1)


def _language(path: Path) -> str:
    """Which language a catalogue is of: `cy.po`, or `cy/LC_MESSAGES/public.po`."""
    code = path.parts[-3] if path.parent.name == "LC_MESSAGES" else path.stem
    return code.replace("-", "_")


def progress(data: bytes) -> str:
    """How much of a catalogue is translated."""
    catalog = read_po(io.BytesIO(data))
    messages = [one for one in catalog if one.id]
    done = [one for one in messages if not one.fuzzy and _is_whole(one, catalog)]
    unsure = sum(one.fuzzy for one in messages)
    return f"{len(done)} of {len(messages)} texts translated, {unsure} to be looked at again"


def made(files: Iterable[Path]) -> dict[Path, bytes]:
    """Everything that this program writes."""
    template = collected()
    found = {TEMPLATE: written(template)}
    for path in files:
        po, mo = brought_up_to_date(path, template)
        found |= {path: po, path.with_suffix(".mo"): mo}
        print(f"{path}: {progress(po)}")
    return found


def main() -> int:
    """Writes, or checks; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where something is out of date")
    parser.add_argument("files", nargs="*", type=Path, help="catalogues (.po) to bring up to date and to compile")
    given = parser.parse_args()
    try:
        found = made([*given.files, *sorted(LOCALE.glob("*/LC_MESSAGES/public.po"))])
    except (TREError, UnknownLocaleError, ValueError) as error:
        print("\n".join(error.lines()) if isinstance(error, TREError) else error, file=sys.stderr)
        return 1
    stale = [path for path, data in found.items() if not path.is_file() or path.read_bytes() != data]
    if given.check:
        print("\n".join(f"{path}: out of date; run make words" for path in stale))
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(found[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())
