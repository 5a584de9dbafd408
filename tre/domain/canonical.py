"""One canonical form, one digest.

Guarantees: two equal values have the same bytes on every machine (RFC 8785, JSON Canonicalization Scheme), so a
digest or a signature over them means the same everywhere. Floating-point numbers are refused: their text differs
between producers too easily to sign; say seconds or parts per million as integers.

Values of the common kinds (texts, safe integers, truth values, ASCII keys) are written by the standard library's
encoder, whose output for them is the same and six times faster; everything else goes to the RFC's own implementation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import rfc8785

from tre.domain.errors import Reason, TREError

_SAFE_INTEGER = 2**53 - 1
"""Beyond it two readers of JSON may disagree on an integer (RFC 8785 section 3.2.2.3, RFC 7493 section 2.2)."""

_DEEPEST = 50
"""Levels that are looked through without more ado: what is nested deeper is judged by the encoder itself."""

_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False).encode


def canonical_bytes(value: Any) -> bytes:
    """The RFC 8785 form of a JSON-ready value.

    Raises `TREError(BadInput)` for floats, for integers beyond 2^53 and for values that JSON cannot hold.
    """
    try:
        if _is_plain(value) or _is_common(value):
            return _encode(value).encode()
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise TREError(Reason.BadInput, f"The value has no canonical form: {error}.") from error
    except RecursionError as error:
        raise TREError(Reason.BadInput, "The value is nested too deeply to be signed.") from error


def check_canonical(value: Any) -> None:
    """Raise `TREError(BadInput)` where `canonical_bytes` would, without making the bytes of most values."""
    if not _is_plain(value):
        canonical_bytes(value)


def digest(value: Any) -> str:
    """`sha256:` and the hex SHA-256 of the canonical form."""
    return digest_of_bytes(canonical_bytes(value))


def digest_of_bytes(data: bytes) -> str:
    """`sha256:` and the hex SHA-256 of these bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _is_plain(value: Any, levels: int = _DEEPEST) -> bool:
    """Whether a value is of nothing but ASCII texts, safe integers and truth values, in few levels: then it has its
    form, and the standard encoder writes it. Asked of each event twice, so it is made to be quick."""
    kind = type(value)
    if kind is str:
        return bool(value.isascii())
    if kind is int:
        return bool(-_SAFE_INTEGER <= value <= _SAFE_INTEGER)
    if kind is dict:
        return levels > 0 and _are_plain(value, value.values(), levels - 1)
    if kind is list or kind is tuple:
        return levels > 0 and _are_plain((), value, levels - 1)
    return kind is bool or value is None


def _are_plain(keys: Iterable[Any], items: Iterable[Any], levels: int) -> bool:
    for key in keys:
        if type(key) is not str or not key.isascii():
            return False
    for item in items:  # noqa: SIM110 - a generator takes half as long again
        if not (item.isascii() if type(item) is str else _is_plain(item, levels)):
            return False
    return True


def _is_common(value: Any) -> bool:
    """Whether the standard encoder writes this value as RFC 8785 does; floats are refused on the way.

    Keys: the RFC sorts them by UTF-16 units and Python by code points, which is the same for ASCII.
    """
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return bool(-_SAFE_INTEGER <= value <= _SAFE_INTEGER)
    common = kind is dict or kind is list or kind is tuple
    if kind is dict:
        for key in value:
            common = common and type(key) is str and key.isascii()
    for item in _members(value):  # every one of them: a float may hide in the last
        common = _is_common(item) and common
    return common


def _members(value: Any) -> Iterable[Any]:
    if isinstance(value, float):
        raise TREError(
            Reason.BadInput,
            "A floating-point number has no canonical form.",
            remedy="Use an integer or a text.",
        )
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()
