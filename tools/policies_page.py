"""The page of policies: every file that a site may replace, key by key, from the records that read it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, get_args, get_origin

from described import descriptions
from page import code, page, table
from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from tre.domain.committee.policy import CommitteePolicy
from tre.domain.exports.rules import AirlockPolicy
from tre.domain.publicaccount.policies import AccountPolicy
from tre.domain.sources.policy import SourcePolicy
from tre.domain.standing.models import StandingPolicy
from tre.portal.roles import RolePolicy
from tre.slices.populations import DisclosurePolicy

POLICIES: dict[str, tuple[type[BaseModel], str]] = {
    "policies/roles.yaml": (RolePolicy, "[Identity](../identity.md)"),
    "policies/standing.yaml": (StandingPolicy, "[Identity](../identity.md)"),
    "policies/committee.yaml": (CommitteePolicy, "[Applications and the committee](../committee.md)"),
    "policies/sources.yaml": (SourcePolicy, "[Approvals from elsewhere](../sources.md)"),
    "policies/datasets/NAME.yaml": (DisclosurePolicy, "[Slices](../slices.md)"),
    "policies/airlock/NAME.yaml": (AirlockPolicy, "[How outputs are checked](../output-checking.md)"),
    "policies/public-account.yaml": (AccountPolicy, "[The public account](../public-account.md)"),
}
_SNAKE = re.compile(r"(?<=`)[a-z]+(?:_[a-z]+)+(?=`)")
"""Names of fields, which a file writes otherwise."""

_FILE = "as in the file that comes along"
_WORDS = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`"}


@dataclass(frozen=True)
class _Key:
    path: str
    field: FieldInfo
    meaning: str


def keys(model: type[BaseModel], path: str) -> Iterator[_Key]:
    """Every key below a record, nested ones under their path."""
    texts = descriptions(model)
    for name, field in model.model_fields.items():
        inner, suffix = _inner(field.annotation)
        own = texts.get(name, "") or (_said(inner) if inner is not None else "")
        here = f"{path}.{field.alias or name}"
        yield _Key(here + suffix, field, own)
        if inner is not None:
            yield from keys(inner, here + suffix)


def _inner(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """The record inside a list, a mapping or a choice, and how a path goes on into it."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation, ""
    origin = get_origin(annotation)
    if origin is Literal:
        return None, ""
    more = {tuple: "[]", frozenset: "[]", list: "[]", dict: ".NAME"}.get(origin, "")
    found = [_inner(one) for one in get_args(annotation)]
    record, deeper = next((one for one in found if one[0] is not None), (None, ""))
    return record, more + deeper


def _said(model: type[BaseModel]) -> str:
    text = " ".join(inspect.cleandoc(model.__doc__ or "").split())
    return _SNAKE.sub(lambda found: to_camel(found[0]), text)


def _value(annotation: Any) -> str:
    """What may be written, in words."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(code(one) for one in inside)
    if origin is Annotated:
        return _value(inside[0])
    if origin in {tuple, frozenset, list}:
        return f"list of {_value(inside[0])}"
    if origin is dict:
        return f"{_value(inside[0])} to {_value(inside[1])}"
    given = [one for one in inside if one is not type(None)]
    return " or ".join(dict.fromkeys(map(_value, given))) if given else _plain(annotation)


def _plain(annotation: Any) -> str:
    if inspect.isclass(annotation) and issubclass(annotation, Enum):
        return " or ".join(code(one.value) for one in annotation)
    return (
        "keys" if inspect.isclass(annotation) and issubclass(annotation, BaseModel) else _WORDS.get(annotation, "text")
    )


def _default(field: FieldInfo) -> str:
    """What counts where nothing is written; of whole lists of records the file that comes along says it."""
    if field.is_required():
        return "must be given"
    value = _written(field.default)
    return "–" if value in (None, (), [], {}, "") else value if value == _FILE else code(value)


def _written(value: Any) -> Any:
    """A default as one would write it."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | frozenset | dict):
        inside = [*value.values()] if isinstance(value, dict) else [*value]
        if any(isinstance(one, BaseModel) for one in inside):
            return _FILE
        return value if isinstance(value, dict) else ", ".join(str(_written(one)) for one in inside)
    return None if isinstance(value, BaseModel) or value is PydanticUndefined else value


def policies_page() -> str:
    """Every policy."""
    parts = []
    for place, (model, explained) in POLICIES.items():
        fields = model.model_fields
        spec: Any = fields["spec"].annotation
        kind = get_args(fields["kind"].annotation)[0]
        rows = [
            (code(one.path), _default(one.field), _value(one.field.annotation), one.meaning)
            for one in keys(spec, "spec")
        ]
        parts += [
            f"## {place}",
            f"{_said(spec) or _said(model)} `kind: {kind}`. Told in {explained}.",
            table(("key", "default", "value", "meaning"), rows),
        ]
    return page(
        "Policies",
        "Rules that a site decides about are files. Those that come with the launcher lie in `policies/` beside the "
        "program; one of the same name in `policies/` under the root directory takes its place, whole. Each begins "
        "with `apiVersion: tre.research/v1alpha1`, its `kind` and `metadata: {name: …}`. A key that is not listed here "
        "is refused, and a policy that cannot be read decides nothing: what rests on it waits, and `/readyz` says so.",
        *parts,
    )
