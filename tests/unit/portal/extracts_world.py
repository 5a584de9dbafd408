"""Extracts of every kind of card, made by hand: what the checks would keep of files."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw

from tests.unit.portal.exports_world import sha
from tests.unit.portal.world import World
from tre.airlock.extract import Extract, encode
from tre.airlock.extracts import ExtractStore
from tre.airlock.parsed import Card, Place, Table
from tre.domain.exports.models import Finding, Locator, finding_id
from tre.domain.exports.severity import Severity

HOSTILE = "<script>document.title = 'taken over'</script><img src=x onerror=\"document.title = 'taken over'\">"
TURNED = "total \u202e0001 and \u200bhidden\ufeff"
HOSTILE_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="300" height="120" '
    "onload=\"parent.document.title='taken over'\"><script>document.title='taken over'; "
    "fetch('/steal?' + document.cookie)</script>"
    '<rect width="300" height="120" fill="#eef"/><text x="10" y="60">drawing</text>'
    '<foreignObject width="1" height="1"><iframe xmlns="http://www.w3.org/1999/xhtml" src="/"/></foreignObject>'
    '<image href="/steal-image" width="9" height="9"/><a href="javascript:document.title=1"><text y="90">x</text></a>'
    "</svg>"
)


def png(width: int = 320, height: int = 200) -> bytes:
    """A plain picture, freshly encoded."""
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    draw.line([(10, height - 20), (width // 2, 30), (width - 10, height // 2)], fill=(0, 94, 184), width=4)
    draw.rectangle([10, 10, width - 10, height - 10], outline="black")
    kept = io.BytesIO()
    image.save(kept, "PNG")
    return kept.getvalue()


def grid(rows: int, columns: int, title: str = "") -> Table:
    """A table in which every cell says where it is."""
    header = ["group", *(f"n_{place}" for place in range(2, columns + 1))]
    body = [[f"g{row}", *(str(row * 5 + place) for place in range(2, columns + 1))] for row in range(rows)]
    return Table(header, body, title=title)


def table_extract(table: Table, kind: str = "csv", **more: object) -> Extract:
    """What CSV gives today: a table, and no card."""
    roles = (("label", *("count",) * (len(table.header) - 1)),)
    return Extract(type=kind, size=1000, tables=(table,), roles=roles, **more)  # type: ignore[arg-type]


def every_card() -> Extract:
    """A notebook-like file with a card of every kind."""
    table = Table(("sex", "n_patients"), (("F", "3"), ("M", "400")), title="Counts", within=Place(cell=2, output=1))
    return Extract(
        type="notebook",
        size=5000,
        tables=(table,),
        roles=(("label", "count"),),
        cards=(
            Card("markdown", "Cell 1", "# Ages by sex\n" + HOSTILE, place=Place(cell=1)),
            Card("code", "Cell 2", "import pandas as pd\nprint(pd.read_csv('x').head())\n", place=Place(cell=2)),
            Card("table", "Counts", table=0, place=Place(cell=2, output=1)),
            Card("text", "Printed", TURNED + "\nsecond line\nNHS number 943 476 5919\n", place=Place(cell=2, output=2)),
            Card("picture", "Figure 1", data=png(), place=Place(cell=3, output=1)),
            Card("drawing", "Figure 2", data=HOSTILE_SVG.encode(), place=Place(cell=4, output=1)),
            Card("note", "Widget", "A widget of 3 KiB is not shown.", place=Place(cell=5, output=1)),
        ),
        pictures=1,
        lossy="1 widget is not shown.",
    )


def keep(world: World, data: bytes, extract: Extract, kind: str = "csv") -> str:
    """Keep an extract for a file with these bytes, as the checker does; the SHA-256 of the bytes."""
    ExtractStore(world.layout.extracts).keep(sha(data), kind, encode(extract))
    return sha(data)


def found_at(data: bytes, place: Locator, severity: Severity = Severity.E, check: str = "S01") -> Finding:
    """A finding at a place."""
    message = f"Something at {place.as_plain()}."
    return Finding(
        id=finding_id(check, 1, sha(data), place, message),
        check=check,
        check_version=1,
        severity=severity,
        sha256=sha(data),
        locator=place,
        message=message,
        suggestion="Suppress or round the count.",
    )
