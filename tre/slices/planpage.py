"""A slice's plan as a page that a member of a committee can read without knowing the language.

Guarantees: one HTML file that loads nothing and runs nothing (its own policy forbids both); every word that people
wrote is escaped; it is made from the shown form of a plan, so it holds no count that the dataset's rule hides; what a
bar says stands beside it as text, and no meaning hangs on a colour alone.

Does not guarantee: that the plan is a good one. It says what would be given, to whom it may point, and who is missing.

Threat: a name of a manufacturer or a group that is really a script.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from tre.domain.slices.shown import HIDDEN, SmallNumbers
from tre.slices import planwords as words
from tre.slices.planstyle import STYLE

Plain = dict[str, Any]
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def plan_page(shown: Plain) -> str:
    """The whole page, from `tre.domain.slices.shown.as_shown`."""
    spec = shown["spec"]
    title = f"{plan_title(shown)}: {spec['dataset']}, release {spec['release']}"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
        f'<main class="plan">\n{plan_body(shown)}</main>\n</body>\n</html>\n'
    )


def plan_title(shown: Plain) -> str:
    """What the page is called; `built` in a shown plan says that a slice stands that was made from it."""
    return "What this slice holds" if shown.get("built") else "What this request would give"


def plan_body(shown: Plain) -> str:
    """What the page says, for an element of the class `plan` of another page."""
    sections = (_given, _asked, _left_out, _privacy, _people, _missing, _opt_outs, _columns, _about)
    return "".join(section(shown) for section in sections)


def _section(heading: str, *parts: str) -> str:
    return f"<section>\n<h2>{escape(heading)}</h2>\n{''.join(parts)}</section>\n"


def _text(text: str, kind: str = "") -> str:
    return f'<p class="{kind}">{escape(text)}</p>\n' if kind else f"<p>{escape(text)}</p>\n"


def _items(lines: Iterable[str]) -> str:
    return "<ul>\n" + "".join(f"<li>{escape(line)}</li>\n" for line in lines) + "</ul>\n"


def _count(shown: Plain, value: object) -> str:
    """A count in words: `1,235`, or `fewer than 8`."""
    if value == HIDDEN:
        return f"fewer than {SmallNumbers.model_validate(shown['smallNumbers']).suppress_below}"
    return f"{value:,}"


# What it is


def _given(shown: Plain) -> str:
    spec = shown["spec"]
    tiles = (
        (_count(shown, shown["patients"]), "people"),
        (_count(shown, shown["studies"]), "examinations"),
        (_count(shown, shown["instances"]), "images"),
        (words.size(shown["bytes"]), "of files"),
    )
    made = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(number)}</dd></div>\n" for number, name in tiles)
    lead = f"A part of the dataset {spec['dataset']} as it was in its release {spec['release']}."
    lead += "" if shown.get("built") else " Nothing has been built."
    return f'<h1>{plan_title(shown)}</h1>\n{_text(lead, "lead")}<dl class="tiles">\n{made}</dl>\n'


def _asked(shown: Plain) -> str:
    return _section("What is asked for", _items(words.asked(shown["spec"])), _cohort(shown))


def _cohort(shown: Plain) -> str:
    lines = []
    if listed := shown.get("patientList"):
        said = f"The list names {_count(shown, listed['pseudonyms'])} people"
        unknown = _count(shown, listed["unknown"])
        lines.append(f"{said}; of these, {unknown} are not in this release.")
    if sample := shown.get("sample"):
        lines.append(
            f"{_count(shown, sample['eligible'])} people meet all conditions; {_count(shown, sample['drawn'])} of them "
            "are drawn. Nobody moves up into the place of a person who opted out."
        )
    return "".join(_text(line) for line in lines)


def _left_out(shown: Plain) -> str:
    rejected = shown["rejected"]
    if not rejected:
        return _section("What stays out, and why", _text("Nothing: every image of the release is asked for."))
    known = [count for count in rejected.values() if count != HIDDEN]
    most = max([*known, 1])
    rows = (
        _row(words.reason(name), [("ours", _part(count, most))], f"{_count(shown, count)} images")
        for name, count in sorted(rejected.items(), key=lambda item: (item[1] == HIDDEN, -_number(item[1])))
    )
    intro = "Each image of the release is counted once, at the first reason for which it is not given."
    return _section("What stays out, and why", _text(intro), *rows)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _part(count: object, most: int) -> int | None:
    return round(1000 * _number(count) / most) if count != HIDDEN else None


# Bars


def _row(label: str, bars: list[tuple[str, int | None]], said: str, flag: str = "") -> str:
    note = f' <strong class="flag">{escape(flag)}</strong>' if flag else ""
    return (
        f'<div class="row"><div class="label">{escape(label)}{note}</div>'
        f'<div class="bars">{"".join(_bar(kind, share) for kind, share in bars)}</div>'
        f'<div class="said">{escape(said)}</div></div>\n'
    )


def _bar(kind: str, permille: int | None) -> str:
    """One bar of so many thousandths of the width; the text beside it says the same, so readers of screens skip it."""
    width = max(0, min(1000, permille or 0)) / 10
    return (
        '<svg aria-hidden="true" viewBox="0 0 100 10" preserveAspectRatio="none">'
        f'<rect class="ground" width="100" height="10"/><rect class="{kind}" width="{width:g}" height="10"/></svg>'
    )


# Who could be recognised


def _privacy(shown: Plain) -> str:
    report = shown["kReport"]
    heading = "Could somebody be recognised?"
    pixels = (
        "Names and addresses are removed, but images are not anonymous: they stay inside the research environment, "
        "without a network, and nothing leaves it unchecked."
    )
    if report is None:
        return _section(heading, _text(pixels), _text("No table with personal attributes is asked for."))
    k = report["k"]
    others = "one other" if k == 2 else f"{k - 1} others"
    verdict = f"{'Every' if report['met'] else 'Not every'} person shares these attributes with at least {others}."
    if not report["met"] and report["onFail"] == "refuse":
        verdict += " The request itself demands it, so this cannot be built."
    rows = [
        _cells(shown, report[name], label, k)
        for name, label in (
            ("asked", "As asked"),
            ("coarser", "One step coarser"),
            ("withStudyDates", "With the day of the first examination"),
        )
        if report[name]
    ]
    intro = "The fewer people share a combination of attributes, the easier somebody who knows them finds one of them."
    return _section(heading, _text(pixels), _text(intro), _text(verdict, "verdict"), *rows)


def _cells(shown: Plain, cells: Plain, label: str, k: int) -> str:
    below, total = cells["patientsBelowK"], shown["patients"]
    share = _part(below, _number(total)) if _number(total) else None
    alone = _count(shown, cells["patientsUnique"])
    said = f"{_count(shown, below)} people in groups smaller than {k}; {alone} stand alone"
    return _row(f"{label}: {', '.join(words.column(name) for name in cells['over'])}", [("warn", share)], said)


# Who is represented


def _people(shown: Plain) -> str:
    population = shown["population"]
    beside = f", and with the population: {population}" if population else ""
    intro = f"Who is in this slice, compared with everybody in the dataset{beside}. Numbers are of 1,000 people. "
    intro += f"A star stands for {_count(shown, HIDDEN)} people."
    legend = _legend(population)
    parts = [_dimension(one) for one in shown["representativeness"] if one["shares"]]
    return _section("Who is represented, and who is not", _text(intro), legend, *parts)


def _legend(population: str | None) -> str:
    known = [("ours", "this slice"), ("all", "the dataset"), *([("reference", "the population")] if population else [])]
    made = "".join(f'<span><i class="{kind}"></i>{escape(name)}</span>' for kind, name in known)
    return f'<p class="legend">{made}</p>\n'


def _dimension(one: Plain) -> str:
    said = [f"Compared with the dataset: {words.distance(one['distancePermille'])}"]
    if one["referencePermille"] is not None:
        said.append(f"with the population: {words.distance(one['referencePermille'])}")
    text = "; ".join(said) + "."
    if one["optOutsPermille"] is not None:
        text += f" What opt-outs change: {words.distance(one['optOutsPermille'])}."
    referenced = one["referencePermille"] is not None
    told = [share for share in one["shares"] if referenced or _tells(share)]
    rows = [_share(share, referenced=referenced) for share in told]
    if more := len(one["shares"]) - len(told):
        rows.append(_text(f"And {more} more with too few people to show.", "more"))
    heading = words.heading(one["name"])
    return f"<h3>{escape(heading)}</h3>\n{_text(text)}{''.join(rows)}"


def _tells(share: Plain) -> bool:
    return any(isinstance(share[name], int) and share[name] for name in ("slicePermille", "datasetPermille"))


def _share(share: Plain, *, referenced: bool) -> str:
    numbers = [("ours", share["slicePermille"]), ("all", share["datasetPermille"])]
    numbers += [("reference", share["referencePermille"])] if referenced else []
    bars = [(kind, number if isinstance(number, int) else None) for kind, number in numbers]
    names = {"ours": "slice", "all": "dataset", "reference": "population"}
    said = " · ".join(f"{names[kind]} {number}" for kind, number in numbers if number is not None)
    flag = "fewer than expected" if share["underRepresented"] else ""
    return _row(words.category(share["category"]), bars, said, flag)


# What is missing


def _missing(shown: Plain) -> str:
    heading = "What is missing"
    rows = [one for one in shown["missing"] if one["missingPermille"] not in {0, None}]
    if not rows:
        return _section(heading, _text("Every value that is asked for is known for everybody."))
    intro = (
        "For how many of 1,000 people the record does not say. "
        "Where one group lacks more than another, results may mislead."
    )
    told = [one for one in rows if one["missingPermille"] != HIDDEN]
    made = [
        _row(
            f"{words.column(one['column'])}: {words.category(one['group'])}",
            [("warn", one["missingPermille"])],
            str(one["missingPermille"]),
        )
        for one in told
    ]
    if more := len(rows) - len(told):
        made.append(
            _text(f"In {more} {'more ' if told else ''}columns and groups too few people lack it to show.", "more")
        )
    return _section(heading, _text(intro), *made)


def _opt_outs(shown: Plain) -> str:
    gone = shown["optOuts"]
    heading = "People who opted out"
    if not gone["patients"]:
        return _section(
            heading, _text("Nobody who meets these conditions has opted out so far. Who does is removed at once.")
        )
    text = (
        f"{_count(shown, gone['patients'])} people who meet these conditions have opted out; they and their "
        f"{_count(shown, gone['instances'])} images are in no number above but the ones that say so. "
        "Who opts out later is removed at once, also from slices that are in use."
    )
    return _section(heading, _text(text))


def _columns(shown: Plain) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{escape(entry['column'])}</th><td>{escape(entry['meaning'])}</td>"
        f"<td>{escape(entry['values'] or entry['kind'])}</td></tr>\n"
        for entry in shown["dictionary"]
    )
    if not rows:
        return _section("What is told about each person", _text("Nothing besides the images: no table is asked for."))
    head = "<thead><tr><th>column</th><th>what it means</th><th>values</th></tr></thead>"
    table = f'<div class="scroll"><table>{head}<tbody>\n{rows}</tbody></table></div>\n'
    return _section("What is told about each person", table)


def _about(shown: Plain) -> str:
    rule = SmallNumbers.model_validate(shown["smallNumbers"]).as_words()
    digest = f"<p>What is approved is exactly this plan: <code>{escape(shown['planDigest'])}</code></p>\n"
    ends = "Any change to it gives another number and needs another approval; only people who opt out may leave it."
    return _section("About these numbers", _text(rule), digest, _text(ends))
