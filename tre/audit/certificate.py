"""The certificate of destruction as a page that stands alone: no script, no picture, nothing that is fetched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

_TEMPLATES = Environment(
    loader=PackageLoader("tre.audit", "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def as_html(found: Mapping[str, Any]) -> str:
    """What `tre.domain.grants.destruction.certificate` made, for people."""
    return _TEMPLATES.get_template("certificate.html").render(certificate=found)
