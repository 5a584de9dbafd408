"""The base of every record that crosses a boundary.

Guarantees: records are immutable, unknown keys are refused (with the nearest known key as a suggestion), times
are aware and in UTC; a truth value is never taken where a number or a code is due, nor a text where a number or a
truth value is, so that nothing slips in as something else: `YES` as a code, `"no"` as false, `1` as true. The spelling
outside is camelCase, as in Kubernetes resources.
"""

from __future__ import annotations

import difflib
import functools
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.alias_generators import to_camel

from tre.domain.errors import Reason, TREError

T = TypeVar("T", bound="Record")


class Record(BaseModel):
    """An immutable record with camelCase keys outside and snake_case attributes inside."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        validate_default=True,
        ser_json_bytes="base64",
        ser_json_inf_nan="constants",  # the default writes `null`, which would hide them from whoever signs
    )

    @field_validator("*", mode="before")
    @classmethod
    def _means_what_it_shows(cls, value: Any, info: ValidationInfo) -> Any:
        """A truth value is no number and no code, and a word is neither a number nor a truth value."""
        # Asked of every field of every record that is read: what it costs, a restart costs ten thousand times.
        field = cast("str", info.field_name)
        if isinstance(value, str):
            if due := _plain_kinds(cls, field):
                _check_kind(value, due)
        elif _holds_boolean(value):
            if not _takes_boolean(cls, field):
                raise ValueError(_NOT_A_BOOLEAN)
        elif isinstance(value, int) and (due := _plain_kinds(cls, field)):
            _check_kind(value, due)
        return value

    def as_plain(self) -> dict[str, Any]:
        """The record as JSON-ready values, camelCase, absent optional values left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


_NOT_A_BOOLEAN = "a word or a number is due here, not a truth value: put quotes around it"


def _holds_boolean(value: object) -> bool:
    if isinstance(value, list | tuple):
        return bool in map(type, value)  # a truth value has no other type
    if isinstance(value, dict):
        return bool in map(type, value.values())
    return isinstance(value, bool)


@functools.cache
def _takes_boolean(kind: type[BaseModel], field: str) -> bool:
    return _mentions_boolean(kind.model_fields[field].annotation)


def _mentions_boolean(annotation: Any) -> bool:
    if annotation in (bool, Any, object) or isinstance(annotation, bool):
        return True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return True  # its own fields are looked at in their turn
    return any(_mentions_boolean(part) for part in get_args(annotation))


@functools.cache
def _plain_kinds(kind: type[BaseModel], field: str) -> frozenset[type]:
    """The kinds of number or truth value that a field takes; empty where it takes anything else, too."""
    annotation = kind.model_fields[field].annotation
    parts = get_args(annotation) if get_origin(annotation) in {Union, UnionType} else (annotation,)
    bare = [get_args(part)[0] if get_origin(part) is Annotated else part for part in parts]
    found = frozenset(part for part in bare if part is not type(None))
    return found if found <= {int, float, bool} else frozenset()


def _check_kind(value: str | int, due: frozenset[type]) -> None:
    """Raise `ValueError` for a text, and for a number where a truth value is due."""
    if isinstance(value, str):
        expected = _A_TRUTH_VALUE if due == {bool} else _A_NUMBER if float in due else _A_WHOLE_NUMBER
        unquoted = value in {"true", "false"} if due == {bool} else value.lstrip("+-").replace(".", "", 1).isdecimal()
        raise ValueError(f"{expected}, without quotes" if unquoted else expected)  # noqa: TRY004 - pydantic reports ValueError only
    if due == {bool}:
        raise ValueError(_A_TRUTH_VALUE)


def _refuse_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(_NOT_A_BOOLEAN)  # noqa: TRY004 - pydantic reports ValueError only
    return value


def _refuse_bare_number(value: object) -> object:
    text = value.strip() if isinstance(value, str) else ""
    if isinstance(value, bool | int | float) or text.lstrip("+-").replace(".", "", 1).isdecimal():
        msg = "a time is due here, for example 2027-10-31T23:59:59Z; a bare number is not one"
        raise ValueError(msg)
    return value


def _aware_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        msg = "a time needs its zone, for example 2027-10-31T23:59:59Z"
        raise ValueError(msg)
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        msg = "this time is outside the years 1 to 9999 in UTC"
        raise ValueError(msg) from error


_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that make text show in another order than it is stored (Unicode UAX 9)."""


def is_hidden(character: str) -> bool:
    """Whether a character is a control character, or changes the order in which others show."""
    return unicodedata.category(character) in {"Cc", "Zl", "Zp"} or character in _REORDERING


def _one_line(value: str) -> str:
    if not value.isprintable() and any(is_hidden(character) for character in value):
        msg = "control characters and line breaks are not allowed here"
        raise ValueError(msg)
    if value != value.strip():
        msg = "blanks at the start or the end are not allowed here"
        raise ValueError(msg)
    return value


def as_line(text: str, most: int = 500) -> str:
    """Any text as a `Line` of at most so many characters: what programs and strangers say, kept where a line is due."""
    visible = "".join(" " if is_hidden(character) else character for character in text)
    return " ".join(visible.split())[:most].strip()


UtcTime = Annotated[datetime, BeforeValidator(_refuse_bare_number), AfterValidator(_aware_utc)]
"""A moment with its zone, kept in UTC. A bare number is refused: it would count seconds from 1970."""

Line = Annotated[str, BeforeValidator(_refuse_boolean), AfterValidator(_one_line)]
"""One line of text that people typed: no control characters, no blanks at the ends."""

Code = Annotated[str, BeforeValidator(_refuse_boolean), AfterValidator(_one_line)]
"""A coded value; YAML's bare YES/NO/ON are refused before they become `true`."""


class Problem(Record):
    """One thing wrong with an input: where, what was expected."""

    where: str
    expected: str


def problems_of(
    error: ValidationError, known: Mapping[str, object] | None = None, most: int | None = None
) -> list[Problem]:
    """What a validation found, one entry each (at most so many), with key paths as in the file (`a.b[0].c`)."""
    return [_problem(item, known or {}) for item in own_errors(error)[:most]]


def own_errors(error: ValidationError) -> list[dict[str, Any]]:
    """What a validation found, less what only follows from it: a list whose one item is wrong is not too short."""
    found = [{**item, "loc": _written(item["loc"])} for item in cast("list[dict[str, Any]]", error.errors())]
    places = [tuple(item["loc"]) for item in found]
    return [item for item in found if not (item["type"] == "too_short" and _holds_one_of(tuple(item["loc"]), places))]


BRANCH = "="
"""Begins the tag of each branch of a union: locations of problems leave it out, since nobody has written it."""


def _written(location: tuple[str | int, ...]) -> tuple[str | int, ...]:
    return tuple(part for part in location if not (isinstance(part, str) and part.startswith(BRANCH)))


def _holds_one_of(place: tuple[str | int, ...], places: list[tuple[str | int, ...]]) -> bool:
    return any(len(other) > len(place) and other[: len(place)] == place for other in places)


def _problem(item: dict[str, Any], known: Mapping[str, object]) -> Problem:
    location = tuple(item["loc"])
    where = key_path(location)
    if item["type"] == "extra_forbidden":
        return Problem(where=where, expected=f"no such key{_suggestion(str(location[-1]), known)}")
    words = _EXPECTED.get(item["type"])
    if words is None:
        return Problem(where=where, expected=str(item["msg"]).removeprefix("Value error, "))
    expected = words.format(**item.get("ctx", {}))
    return Problem(where=where, expected=expected + _nearest(item))


_A_LIST, _A_MAPPING = "a list is due here, each item after a hyphen", "a mapping is due here: keys with values"
_A_NUMBER, _A_WHOLE_NUMBER = "a number is due here", "a whole number is due here"
_A_TIME = "a time is due here, for example 2027-10-31T23:59:59Z"
_A_TRUTH_VALUE = "true or false is due here"
_EXPECTED = {
    "missing": "this key is required",
    "list_type": _A_LIST,
    "tuple_type": _A_LIST,
    "dict_type": _A_MAPPING,
    "model_type": _A_MAPPING,
    "string_type": "a text is due here",
    "int_type": _A_WHOLE_NUMBER,
    "int_parsing": _A_WHOLE_NUMBER,
    "int_from_float": _A_WHOLE_NUMBER,
    "float_type": _A_NUMBER,
    "float_parsing": _A_NUMBER,
    "bool_type": _A_TRUTH_VALUE,
    "bool_parsing": _A_TRUTH_VALUE,
    "datetime_type": _A_TIME,
    "datetime_parsing": _A_TIME,
    "datetime_from_date_parsing": _A_TIME,
    "literal_error": "one of these is due here: {expected}",
    "enum": "one of these is due here: {expected}",
    "string_pattern_mismatch": "a text of the form {pattern} is due here",
    "string_too_short": "at least {min_length} characters are due here",
    "string_too_long": "at most {max_length} characters may stand here",
    "too_short": "at least {min_length} entries or characters are due here",
    "too_long": "at most {max_length} entries or characters may stand here",
    "greater_than_equal": "a number from {ge} on is due here",
    "less_than_equal": "a number up to {le} is due here",
}
"""What is expected, by the kind of problem, in words that need no knowledge of this program's parts."""


def _suggestion(key: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(key, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _nearest(item: dict[str, Any]) -> str:
    """The word of a closed set that a wrong one is near to."""
    if item["type"] not in {"literal_error", "enum"} or not isinstance(item.get("input"), str):
        return ""
    offered = dict.fromkeys(re.findall(r"'([^']*)'", str(item["ctx"]["expected"])))
    return _suggestion(item["input"], offered)


def key_path(location: tuple[str | int, ...]) -> str:
    """A location inside a nested value, written as people write it: `spec.members[0].role`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text


def parse_record(kind: type[T], value: object, *, source: str = "input") -> T:
    """Read a record from plain values; every problem is named at once.

    Raises `TREError(BadInput)` listing each key and what was expected there.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        found = problems_of(error, all_keys(kind))
        listed = "; ".join(f"{p.where or source}: {p.expected}" for p in found)
        raise TREError(
            Reason.BadInput,
            f"{source} is not a valid {kind.__name__}: {listed}.",
            why="Values are read strictly, so that none means something else than it shows.",
            remedy="Correct these keys.",
        ) from error


@functools.cache
def all_keys(kind: type[BaseModel]) -> Mapping[str, object]:
    """Every key spelled anywhere inside a record type: the dictionary for suggestions."""
    keys: dict[str, object] = {}
    for definition in (schema := kind.model_json_schema()).get("$defs", {}).values():
        keys.update(definition.get("properties", {}))
    keys.update(schema.get("properties", {}))
    return keys
