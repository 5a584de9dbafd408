"""Reading grant files: every problem at once, each with its line.

Guarantees: either every grant of a file is returned, or nothing and an error that names file, line, key and what
was expected there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrant
from tre.domain.model import all_keys, key_path, problems_of
from tre.system.yamlfile import line_of, read_yaml_documents


def read_grants(path: Path) -> list[AccessGrant]:
    """Every grant of a YAML file. Raises `TREError(BadInput)`."""
    documents = read_yaml_documents(path)
    if not documents:
        raise TREError(Reason.BadInput, f"{path} holds no grant.")
    grants = [_grant(path, number, value) for number, value in enumerate(documents)]
    names = [grant.metadata.name for grant in grants]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TREError(Reason.BadInput, f"{path} holds two grants named {', '.join(twice)}.")
    return grants


def _grant(path: Path, number: int, value: Any) -> AccessGrant:
    try:
        return AccessGrant.model_validate(value)
    except ValidationError as error:
        found = problems_of(error, all_keys(AccessGrant))
        places = [tuple(item["loc"]) for item in error.errors()]
        lines = [_line(path, number, place) for place in places]
        listed = [
            f"{path}{line}: {key_path(place) or 'document'}: {problem.expected}"
            for line, place, problem in zip(lines, places, found, strict=True)
        ]
        raise TREError(
            Reason.BadInput, "\n".join(listed), remedy="Nothing was applied. Correct these keys and apply again."
        ) from error


def _line(path: Path, number: int, place: tuple[str | int, ...]) -> str:
    line = line_of(path, place, document=number)
    return "" if line is None else f":{line}"
