"""The page of SATRE's statements: who must see to each, what is looked at, what is written down, what is lacking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from page import page, table

from tre.cli.satre.statements import Capability, Kind, Statement, load
from tre.cli.satre.table import CHECKS

_WHO = {
    Kind.software: "software",
    Kind.evidence: "evidence",
    Kind.organisation: "organisation",
    Kind.not_applicable: "–",
}


def satre_page() -> str:
    """Everything that can be said without an installation."""
    return page("SATRE", *_intro(), *_statements())


def _intro() -> Iterator[str]:
    found = load()
    yield (
        f"How the launcher stands against {found.specification} v{found.version}, the Standard Architecture for "
        "Trusted Research Environments. `tre satre score` looks at one installation and gives each statement 0 (not "
        "met), 1 (sufficient) or 2 (satisfied), with the reason; `--html FILE` writes it as a page, `--json` for "
        "programs, `--all` shows every statement. Exit code 1: the software itself fails a mandatory statement, as it "
        "does with 2.1.01."
    )
    yield (
        "* **2** only where every check of the statement ran and held, here and now.\n"
        "* **1** where it is written down on a page and there is nothing yet to look at, or where something is "
        "lacking.\n"
        "* **0** where a check did not hold, whatever a page says; where the page is not at hand (an installed package "
        "brings none: `--pages DIR` says where they are); and where nothing here meets the statement."
    )
    yield (
        "*software*: the launcher itself must satisfy it. *evidence*: it shows what people do, and people must do it. "
        "*organisation*: nothing here can show it, so it is not scored. Federation does not apply to one TRE. A "
        "capability is *met* where all its mandatory statements have 1 or more and none of them is the "
        "organisation's. Data of people are taken for granted, so that a starred statement counts as mandatory."
    )
    yield (
        "What the score cannot be: an assessment. It trusts the record, the settings and the machine that it runs on, "
        "and it is our own reading of each statement. Read [limits](limits.md) beside it."
    )
    yield "## How high it can come\n\n" + _heights()
    yield (
        "The lines below are our own, shorter wording of SATRE's statements, by the SATRE authors (C. Cole, H. Sood, "
        "S. Li, K. Oldfield, M. Craddock and others; `sa-tre/satre-specification`), under CC BY 4.0 "
        "(`creativecommons.org/licenses/by/4.0`). Identifiers, titles and importance are unchanged; who must see to "
        "what, and everything to its right, is ours. The authors have not looked at it."
    )


def _heights() -> str:
    counted = Counter((one.importance.is_mandatory, one.most) for one in load().statements)
    rows = [
        (words, *(str(counted[mandatory, most]) for most in (2, 1, 0, None)))
        for mandatory, words in ((True, "mandatory"), (False, "recommended, optional"))
    ]
    return table(("statements", "up to 2", "up to 1", "0", "not scored"), rows)


def _statements() -> Iterator[str]:
    for pillar in load().pillars:
        yield f"## {pillar.title}"
        if all(one.kind is Kind.not_applicable for capability in pillar.capabilities for one in capability.statements):
            yield _not_applicable(pillar.capabilities)
            continue
        for capability in pillar.capabilities:
            heads = ("statement", "importance", "who", "at most", "looked at", "written down", "lacking")
            yield f"### {capability.id} {capability.title}\n\n" + table(
                heads, [_row(one) for one in capability.statements]
            )


def _not_applicable(capabilities: tuple[Capability, ...]) -> str:
    rows = [(f"{one.id} {one.line}", one.importance.value, one.why) for item in capabilities for one in item.statements]
    return table(("statement", "importance", "why it does not apply"), rows)


def _row(one: Statement) -> tuple[str, ...]:
    return (
        f"{one.id} {one.line}",
        one.importance.value.replace("*", "\\*"),
        one.kind.value,
        "–" if one.most is None else str(one.most),
        "; ".join(CHECKS[name].what for name in one.checks) or "–",
        ", ".join(f"[{name.partition('#')[0].removeprefix('../')}]({name})" for name in one.documents) or "–",
        one.gap or one.why or "–",
    )
