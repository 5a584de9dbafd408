"""The custodian's receipt of a list of opt-outs: what was done, when, and what cannot be undone.

Guarantees: it names nobody and says no reason; counts per level, slices with the moment in which files left them,
copies that were found outside and what is outstanding, and what was erased, come from what each step wrote down when
it was done. The digest at its end is over everything above it, in canonical form.

Does not guarantee: more than the steps saw. Its last section says what no launcher can take back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import Connection

from tre.domain.canonical import digest
from tre.domain.errors import Reason, TREError
from tre.domain.optouts.batches import Batch
from tre.domain.withdrawals import MEANINGS, WithdrawalLevel
from tre.store import optouts as store
from tre.store.optouts import Part

REMAINS = (
    "Models that were trained and figures that were published before this day are not undone.",
    "Backups are not rewritten; whatever they bring back stays barred by the list of people who opted out.",
    "The dataset's own indexes still name these people; the storekeeper alone reads them, and no slice is made of "
    "them. Kept plans and lists name them too, except those whose level is erase.",
    "What people saw on their screens they have seen.",
)


def receipt(
    batch: Batch, levels: Mapping[str, WithdrawalLevel], report: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """The receipt as JSON holds it; `complete` once every step was taken."""
    slices = [{"slice": name} | entry for name, entry in sorted(report.get("slices", {}).items())]
    times = sorted(entry["removedAt"] for entry in slices if "removedAt" in entry)
    assert batch.counted is not None, "a batch is counted before it is accepted"
    plain: dict[str, Any] = {
        "receipt": "withdrawal",
        "batch": batch.id,
        "dataset": batch.dataset,
        "source": batch.source,
        "list": {"kind": batch.kind.value, "digest": batch.list_digest, "listed": batch.counted.listed},
        "people": {level.value: count for level, count in sorted(Counter(levels.values()).items())},
        "notKnownHere": batch.counted.unknown,
        "acceptedAt": _moment(batch.accepted_at),
        "denySetVersion": batch.deny_version,
        "slices": slices,
        "filesRemoved": sum(entry.get("files", 0) for entry in slices),
        "firstRemoval": times[0] if times else None,
        "lastRemoval": times[-1] if times else None,
        "copies": report.get("derived", {}),
        "outstanding": report.get("outstanding", {}),
        "store": report.get("store", {}),
        "heldUntil": _moment(batch.hold_until),
        "erased": report.get("erased", {}),
        "remains": list(REMAINS),
        "complete": "erased" in report,
        "writtenAt": _moment(now),
    }
    return plain | {"digest": digest(plain)}


def receipt_now(connection: Connection, identifier: str, now: datetime) -> dict[str, Any]:
    """The receipt as it was written, or as it would be now.

    Raises `TREError(ObjectNotFound)`, `TREError(StateForbids)` for a list that was never accepted.
    """
    batch = store.require(connection, identifier)
    report = store.report_of(connection, identifier)
    levels = store.people_of(connection, identifier, Part.withdrawn)
    if batch.accepted_at is None:
        raise TREError(
            Reason.StateForbids,
            "There is no receipt of this list.",
            why="It was never accepted.",
            remedy="See `tre withdraw`.",
        )
    written: dict[str, Any] = report.get("receipt") or receipt(batch, levels, report, now)
    return written


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


_TEMPLATES = Environment(
    loader=PackageLoader("tre.slices", "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def as_html(found: Mapping[str, Any]) -> str:
    """The receipt as a page that stands alone: no script, no picture, nothing that is fetched."""
    return _TEMPLATES.get_template("receipt.html").render(
        receipt=found, meanings={k.value: v for k, v in MEANINGS.items()}
    )
