"""Rendering: one environment, escaping always, and what every page has in common.

Guarantees: everything a person typed is escaped; a name or an attribute that a template misspells fails the page and
its test (the design system's own macros, which probe for what is absent, stay lenient for plain dictionaries); times
are shown in UTC, by `<time>`, to the minute, in tables with short months. Nothing is fetched from elsewhere; nothing
is inline. A translation brings no markup: what stands between the tags of its source is escaped like anything else.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from gettext import NullTranslations
from pathlib import Path
from typing import Any, NoReturn

from fastapi import Request
from jinja2 import ChainableUndefined, ChoiceLoader, Environment, FileSystemLoader, PackageLoader, Undefined
from jinja2.exceptions import UndefinedError
from jinja2.utils import missing
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from tre.domain.languages import split_at_tags, tags_in
from tre.portal import words
from tre.portal.preview.profiles import figure
from tre.portal.preview.texts import visible
from tre.portal.site import Site
from tre.portal.speaking import still_tongues, to, tongues
from tre.system.languages import month, pgettext, separated, spoken

HERE = Path(__file__).parent
STATIC = HERE / "static"
SERVICE_NAME = "Trusted research environment"


class CarefulUndefined(ChainableUndefined):
    """Lenient where a dictionary lacks a key, strict where a name or an attribute of our own objects is missing."""

    def _complain(self) -> NoReturn:
        raise UndefinedError(self._undefined_message)

    def __str__(self) -> str:
        """Nothing, or the complaint."""
        if not isinstance(self._undefined_obj, dict | Undefined):
            self._complain()
        return ""

    def __html__(self) -> str:
        """The same, for escaped output."""
        return str(self)

    def __bool__(self) -> bool:
        """False, or the complaint."""
        if self._undefined_obj is not missing and not isinstance(self._undefined_obj, dict | Undefined):
            self._complain()
        return False


@cache
def environment() -> Environment:
    """The templates of the portal, and the design system's macros."""
    made = Environment(
        loader=ChoiceLoader([FileSystemLoader(HERE / "templates"), PackageLoader("nhsuk_frontend_jinja")]),
        autoescape=True,
        undefined=CarefulUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.policies["ext.i18n.trimmed"] = True
    made.newstyle_gettext = True  # type: ignore[attr-defined]  # the extension's: values are given with the message
    shown = (when, brief, exact, exact_brief, written, day, distance, number, heading, codes, visible, figure, record)
    made.filters.update({each.__name__: each for each in shown}, short=short_digest)
    made.globals.update(words=words, asset=asset, service_name=SERVICE_NAME)
    made.globals.update(spoken=spoken, to=to, as_written=as_written)
    made.globals.update(_=_gettext, gettext=_gettext, ngettext=_ngettext)
    return made


def _gettext(message: str, /, **values: object) -> Markup:
    """A marked text in the language of now. Written here, since the extension's own takes three times as long."""
    catalogue = spoken().language.catalogue
    return _with(_safe(catalogue, message), values) if values else _whole(catalogue, message)


def _ngettext(one: str, many: str, count: int, /, **values: object) -> Markup:
    return _with(_cleaned(one + many, spoken().language.catalogue.ngettext(one, many, count)), values)


@lru_cache(maxsize=4096)
def _whole(catalogue: NullTranslations, message: str) -> Markup:
    return _with(_safe(catalogue, message), {})


@lru_cache(maxsize=4096)
def _safe(catalogue: NullTranslations, message: str) -> Markup:
    return _cleaned(message, catalogue.gettext(message))


@lru_cache(maxsize=4096)
def _cleaned(source: str, text: str) -> Markup:
    """A translation as a part of a page: tags of its source are kept, all else is text."""
    allowed = set(tags_in(source))
    parts = split_at_tags(text)
    return Markup("").join(Markup(part) if part in allowed else escape(part) for part in parts)  # noqa: S704


def _with(text: Markup, values: dict[str, object]) -> Markup:
    """A text with its values, each of them escaped."""
    return Markup(str.__mod__(text, {name: escape(value) for name, value in values.items()}))  # noqa: S704


def as_written() -> Markup:
    """The attribute of an element that holds a text of the record: in which language it is, if not in the page's."""
    now = spoken()
    return _NOTHING if now.record == now.language.code else Markup(' lang="{}"').format(now.record)


_NOTHING = Markup("")


def record(text: str) -> Markup:
    """A text of the record within a sentence, or beside other words: in which language it is, if not in the page's."""
    said = as_written()
    return Markup("<span{}>{}</span>").format(said, text) if said else escape(text)


def when(moment: datetime | None) -> Markup:
    """A moment: `31 October 2027, 23:59 UTC`."""
    return _time(moment, pgettext("a moment", "%(day)s, %(time)s UTC", **_told(moment)) if moment else "")


def brief(moment: datetime | None) -> Markup:
    """A moment where there is little room: `31 Oct 2027, 23:59`. Say beside it that times are in UTC."""
    return _time(moment, f"{moment.day} {moment:%b %Y, %H:%M}" if moment else "")


def exact(moment: datetime | None) -> Markup:
    """A moment to the second, as the log has it: `2027-10-31 23:59:59 UTC`."""
    return _time(moment, f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "")


def exact_brief(moment: datetime | None) -> Markup:
    """The same under a head that says UTC: `2027-10-31 23:59:59`."""
    return _time(moment, f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "")


def written(text: str | None) -> Markup:
    """A moment that is kept as text (RFC 3339), for tables; the text itself where it is something else."""
    try:
        return brief(datetime.fromisoformat(text).astimezone(UTC) if text else None)
    except ValueError:
        return escape(text)


def day(moment: datetime | None) -> Markup:
    """A day: `31 October 2027`."""
    return _time(moment, _told(moment)["day"] if moment else "")


def _told(moment: datetime) -> dict[str, str]:
    """A moment in words: its day and its time."""
    if not spoken().language.translates:
        return {"day": f"{moment.day} {moment:%B %Y}", "time": f"{moment:%H:%M}"}
    values = {"day": moment.day, "month": month(moment.month), "year": moment.year}
    return {"day": pgettext("a day", "%(day)s %(month)s %(year)s", **values), "time": f"{moment:%H:%M}"}


def _time(moment: datetime | None, text: str) -> Markup:
    if moment is None:
        return Markup("–")
    return Markup('<time datetime="{}">{}</time>').format(f"{moment:%Y-%m-%dT%H:%M:%SZ}", text)


def distance(moment: datetime, now: datetime) -> str:
    """How far away a moment is, in the two words that matter: `in 3 days`, `5 minutes ago`."""
    left = moment - now
    words_ = _duration(abs(left))
    return f"in {words_}" if left > timedelta(0) else f"{words_} ago"


_DAY = 60 * 24
_UNITS = ((365 * _DAY, 2, "year"), (30 * _DAY, 3, "month"), (_DAY, 1, "day"), (60, 1, "hour"), (1, 1, "minute"))
"""Minutes of a unit, from how many of it it is told in it, its name: three months, but 80 days."""


def _duration(length: timedelta) -> str:
    minutes = int(length.total_seconds() // 60)
    for size, fewest, unit in _UNITS:
        if minutes >= size * fewest:
            count = minutes // size
            return f"{count:,} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"


def short_digest(text: str | None) -> Markup:
    """The beginning of a digest, the whole of it for who needs it."""
    if not text:
        return Markup("–")
    return Markup('<code class="app-digest" title="{0}">{1}…</code>').format(text, text.removeprefix("sha256:")[:12])


def heading(sentence: str) -> str:
    """A sentence as a heading: without the full stop at its end."""
    return sentence.removesuffix(".")


def codes(text: str) -> Markup:
    """Words with `names` in them, as a docstring writes them."""
    parts = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(t) if i % 2 else escape(t) for i, t in enumerate(parts))


def number(value: int) -> str:
    """A count with separators."""
    return separated(value)


@cache
def asset(name: str) -> str:
    """The address of one of our static files; it changes with the content."""
    mark = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={mark}"


def render(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page."""
    site: Site = request.app.state.site
    common = {
        "site": site,
        "visitor": getattr(request.state, "visitor", None),
        "static": False,
        "path": request.url.path,
        "navigation": _navigation(request),
        "tongues": tongues(site.languages, request),
    }
    return HTMLResponse(environment().get_template(template).render(**common, **values), status)


def render_still(site: Site, path: str, template: str, values: dict[str, Any]) -> str:
    """A public page for a place where nothing answers: `static` tells templates to leave out what asks."""
    common: dict[str, Any] = {"site": site, "visitor": None, "static": True, "path": path}
    common |= {"navigation": list(site.public_navigation), "tongues": still_tongues(site.languages, path)}
    return environment().get_template(template).render(**common, **values)


def _navigation(request: Request) -> list[Any]:
    found = getattr(request.state, "visitor", None)
    if found is None:
        return list(request.app.state.site.public_navigation)
    return [item for item in request.app.state.site.navigation if item.shown_to(found.person)]
