"""The score as a page that stands alone: no script, no picture, nothing that is fetched; it prints as it reads."""

from __future__ import annotations

from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined

from tre.cli.satre.score import Score
from tre.cli.satre.statements import Importance

_TEMPLATES = Environment(
    loader=PackageLoader("tre.cli.satre", "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def as_html(found: Score, base: str, at: datetime) -> str:
    """The score of the installation at an address, for people."""
    return _TEMPLATES.get_template("score.html").render(
        found=found,
        base=base,
        at=at,
        mandatory=found.tally(Importance.mandatory, Importance.mandatory_but),
        recommended=found.tally(Importance.recommended),
        optional=found.tally(Importance.optional),
    )
