"""One request of the corpus: its files, and what was planted in which of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Sample:
    """`plants` are the checks of which at least one must find what was planted; none for a clean sample.

    `target` is the file that it was planted in; `about` says what in a few words; `writer` wrote the file.
    """

    about: str
    writer: str
    files: dict[str, bytes]
    plants: tuple[str, ...] = ()
    target: str = ""
    kind: str = field(default="")

    @property
    def sort(self) -> str:
        """Clean, planted, hostile, or near-miss."""
        return self.kind or ("planted" if self.plants else "clean")


def write_all(samples: list[Sample], target: Path, facts: dict[str, object] | None = None) -> None:
    """A folder for each sample, and a manifest of all; without `facts`, beside those that are there already."""
    path = target / "manifest.json"
    known = json.loads(path.read_text(encoding="utf-8")) if facts is None else facts | {"samples": []}
    listed = known["samples"]
    for number, sample in enumerate(samples, start=len(listed)):
        folder = f"{number:04d}"
        for name, data in sample.files.items():
            file = target / folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        listed.append(
            {
                "folder": folder,
                "about": sample.about,
                "writer": sample.writer,
                "sort": sample.sort,
                "plants": list(sample.plants),
                "target": sample.target or next(iter(sample.files)),
            }
        )
    path.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
