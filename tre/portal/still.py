"""Pages and files below a directory, for a place where nothing answers.

Guarantees: a page stands under its address as a directory, so that any web server finds it; files are counted.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tre.portal.pages import render_still
from tre.portal.site import Site
from tre.portal.speaking import spoken_in_files
from tre.system.languages import speaking

Values = dict[str, Any] | Callable[[], dict[str, Any]]
"""What a page shows; a function where it holds words, which are then put together in each language."""


class Writer:
    """Files below a directory, counted."""

    def __init__(self, root: Path, site: Site) -> None:
        self._root, self._site = root, site
        self.files = self.bytes = 0

    def file(self, path: str, data: bytes) -> None:
        """One file."""
        place = self._root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        self.files += 1
        self.bytes += len(data)

    def json(self, path: str, value: Any) -> None:
        """One file for machines."""
        self.file(path, json.dumps(value, indent=1).encode() + b"\n")

    def page(self, address: str, template: str, values: Values) -> None:
        """One page in each language, under its address as a directory."""
        for each in spoken_in_files(self._site.languages):
            with speaking(each):
                given = values() if callable(values) else values
                text = render_still(self._site, address.rstrip("/") or "/", template, given)
            self.file(f"{each.prefix}/{address.strip('/')}/index.html".lstrip("/"), text.encode())
