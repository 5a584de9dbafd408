"""Reading a collection of any size as it comes, object by object.

Guarantees: no more than some hundred objects are in memory at a time, however many there are. A list is whole or it is
an error: it has to end where JSON ends, and to say of which version it is.

Does not guarantee: that the version is known before the end; the API server writes it there for its extensions.

Threat: a connection that broke in the middle of a list, which then looks like one with fewer grants in it.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any

from tre.cluster.protocol import PAGE, Listing, Object

_ENOUGH = 2**18
"""How many characters are looked at together at least: the last object of them is begun and not whole."""


class ListReader:
    """Reads the JSON object of a list from pieces of its text; `following` says at the end where the next part of the
    list begins, if the server was asked for parts."""

    def __init__(self) -> None:
        self.following = ""
        self._pieces: Iterator[bytes] = iter(())
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._parser = json.JSONDecoder()
        self._text, self._at, self._ended = "", 0, False
        self._version: int | None = None

    def pages(self, pieces: Iterator[bytes]) -> Iterator[Listing]:
        """Some hundred objects at a time; the last page, which may be empty, tells the version of them all.

        Raises `ValueError` (`KeyError`, `TypeError`) for what is no list, or not a whole one.
        """
        self._pieces = pieces
        found: list[Object] = []
        for item in self._items():
            found.append(item)
            if len(found) == PAGE:
                yield Listing(found, 0)
                found = []
        if self._version is None:
            msg = "it does not say of which version it is"
            raise ValueError(msg)
        yield Listing(found, self._version)

    def _items(self) -> Iterator[Object]:
        self._skip("{")
        while True:
            name = self._value()
            self._skip(":")
            if name == "items" and self._next() == "[":
                yield from self._array()
            else:
                self._keep(name, self._value())
            if self._skip(",}") == "}":
                break
        if self._next() != "":
            msg = "there is more after its end"
            raise ValueError(msg)

    def _array(self) -> Iterator[Object]:
        self._skip("[")
        if self._next() == "]":
            self._skip("]")
            return
        while True:
            item = self._value()
            if not isinstance(item, dict):
                msg = "an item of it is no object"
                raise ValueError(msg)  # noqa: TRY004 - what was read is wrong, whatever its type
            yield item
            if self._skip(",]") == "]":
                return

    def _keep(self, name: Any, value: Any) -> None:
        if name == "metadata":
            self._version, self.following = int(value["resourceVersion"]), value.get("continue") or ""
        elif name == "items" and value is not None:
            msg = "its items are no list"
            raise ValueError(msg)

    # --- text

    def _value(self) -> Any:
        """The next value, whole; more is read until it is."""
        self._next()
        while True:
            try:
                found, self._at = self._parser.raw_decode(self._text, self._at)
            except ValueError:
                if not self._more():
                    raise
            else:
                return found

    def _skip(self, allowed: str) -> str:
        """Go on after a character, which has to be one of these; which it was."""
        found = self._next()
        if found == "" or found not in allowed:
            msg = f"{allowed!r} is due where there is {found!r}"
            raise ValueError(msg)
        self._at += 1
        return found

    def _next(self) -> str:
        """The next character that is no blank; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _more(self) -> bool:
        """Read on; whether there was anything."""
        if self._ended:
            return False
        came, size = [self._text[self._at :]], 0
        while size < _ENOUGH and not self._ended:
            piece = next(self._pieces, None)
            self._ended = piece is None
            came.append(self._decoder.decode(piece or b"", final=self._ended))
            size += len(came[-1])
        self._text, self._at = "".join(came), 0
        return size > 0
