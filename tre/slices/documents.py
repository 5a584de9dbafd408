"""What lies beside the images of a slice: read-me, specification, manifests.

Guarantees: a slice is a bag in the sense of RFC 8493, so any bag tool verifies it; the manifest lists every file with
the SHA-256 it had when it came in; `manifest.parquet` has a row for each image with what the index knows of it; the
digest of the content changes with every file, every row and every version, and not with the date or a wording.

Does not guarantee: that a researcher reads the read-me. What it says is enforced elsewhere.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml
from pydantic import Field

from tre.domain.canonical import digest
from tre.domain.model import Line, Record, UtcTime
from tre.domain.slices.cover import HEADERS_TABLE
from tre.domain.slices.derivations import Band, ClinicalTable
from tre.domain.slices.dictionary import entries
from tre.domain.slices.plan import SlicePlan
from tre.domain.slices.shown import SmallNumbers, as_shown
from tre.domain.slices.spec import DirectoryLayout, Headers
from tre.slices.farm import PAYLOAD, placed
from tre.slices.index import ATTRIBUTES
from tre.slices.loaded import IMAGE_DIMENSIONS
from tre.slices.reports import EVERYBODY

README, SPEC, CLINICAL, IMAGES = "README.md", "slice.yaml", "clinical.parquet", "manifest.parquet"
HEADERS, DICTIONARY, WHO = "headers.parquet", "DATA_DICTIONARY.md", "REPRESENTATIVENESS.md"
DICTIONARY_CSV = "DATA_DICTIONARY.csv"
BAG, BAG_INFO, MANIFEST, TAG_MANIFEST = (
    "bagit.txt",
    "bag-info.txt",
    "manifest-sha256.txt",
    "tagmanifest-sha256.txt",
)
CHANGES, TOMBSTONES = "CHANGES.md", "tombstones.csv"
"""What happened to a slice since it was built, and marks of who left it: only in slices that changed."""

_BATCH = 65_536
_BAG_TEXT = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
_LISTED = ["path", "kind", "pseudonym", "sop_uid", "sha256"]


_DEFAULT_RULE = SmallNumbers()


class Notice(Record):
    """What the read-me says of the approval."""

    title: Annotated[Line, Field(max_length=300)]
    body: Annotated[Line, Field(max_length=300)]
    reference: Annotated[Line, Field(max_length=200)]
    expires: UtcTime


@dataclass(frozen=True)
class Description:
    """A slice as its documents describe it."""

    slice_id: str
    plan: SlicePlan
    version: int
    built_at: datetime
    notice: Notice | None = None
    rule: SmallNumbers = _DEFAULT_RULE
    carried: tuple[tuple[str, str], ...] = ()
    """Further documents, by name: what earlier versions of the slice have to say."""


def write_manifest(files: Path, layout: DirectoryLayout, target: Path) -> str:
    """Write `manifest-sha256.txt`, sorted by path; return the digest of its bytes."""
    lines = sorted(_manifest_lines(files, layout), key=lambda line: line.partition("  ")[2])
    data = "".join(lines).encode()
    target.write_bytes(data)
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _manifest_lines(files: Path, layout: DirectoryLayout) -> Iterator[str]:
    for path, content in payload_paths(files, layout):
        yield f"{content.hex()}  {PAYLOAD}/{path}\n"


def payload_paths(files: Path, layout: DirectoryLayout) -> Iterator[tuple[str, bytes]]:
    """Every file's path below the payload directory, and its SHA-256."""
    with pq.ParquetFile(files) as file:
        for batch in file.iter_batches(_BATCH, columns=_LISTED):
            yield from _batch_paths(batch, layout)


def _batch_paths(batch: pa.RecordBatch, layout: DirectoryLayout) -> Iterator[tuple[str, bytes]]:
    columns = [batch.column(name).to_pylist() for name in _LISTED]
    for path, kind, pseudonym, sop_uid, content in zip(*columns, strict=True):
        suffix = ".dcm" if kind == "image" else ".json"
        parent, name = placed(layout, path, pseudonym, sop_uid + suffix)
        yield (f"{parent}/{name}" if parent else name), content


def write_images(files: Path, layout: DirectoryLayout, target: Path) -> None:
    """Write `manifest.parquet`: a row for each image, with its path in the slice."""
    names = ["path", "pseudonym", "study_uid", "series_uid", "sop_uid", "bytes", "sha256", *ATTRIBUTES]
    with pq.ParquetFile(files) as file:
        fields = [file.schema_arrow.field(name) for name in names]
        schema = pa.schema([pa.field("path", pa.string()), *fields[1:]])
        with pq.ParquetWriter(target, schema, compression="zstd") as writer:
            for batch in file.iter_batches(_BATCH):
                images = batch.filter(pc.equal(batch.column("kind"), "image"))
                paths = [f"{PAYLOAD}/{path}" for path, _ in _batch_paths(images, layout)]
                columns = [pa.array(paths, pa.string()), *(images.column(name) for name in names[1:])]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))


def content_digest(plan_digest: str, manifest: str, tables: dict[str, str], version: int) -> str:
    """The digest that names one version of a slice's content."""
    return digest({"plan": plan_digest, "manifest": manifest, "tables": tables, "version": version})


def write_documents(about: Description, content: str, directory: Path) -> None:
    """Write read-me, specification and the bag's own files; the tag manifest comes last and covers the others."""
    spec = yaml.safe_dump(about.plan.spec.as_plain(), sort_keys=False, allow_unicode=True)
    texts = {
        BAG: _BAG_TEXT,
        BAG_INFO: _bag_info(about, content),
        SPEC: f"# planDigest: {about.plan.plan_digest}\n{spec}",
        README: read_me(about),
        DICTIONARY: dictionary(about.plan, about.rule),
        DICTIONARY_CSV: dictionary_csv(about.plan, about.rule),
        WHO: representativeness(about.plan, about.rule),
        **dict(about.carried),
    }
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8")
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(directory.iterdir())
        if path.is_file() and path.name != TAG_MANIFEST
    ]
    (directory / TAG_MANIFEST).write_text("".join(lines), encoding="utf-8")


def _bag_info(about: Description, content: str) -> str:
    counts = about.plan.counts
    return (
        f"Bagging-Date: {about.built_at:%Y-%m-%d}\n"
        f"External-Identifier: {about.slice_id}\n"
        f"Payload-Oxum: {counts.bytes}.{counts.files}\n"
        f"Plan-Digest: {about.plan.plan_digest}\n"
        f"Content-Digest: {content}\n"
        f"Manifest-Version: {about.version}\n"
    )


_READ_ME = """\
# {title}

This folder holds the part of **{dataset}** (release {release}) that was approved for this project: \
{patients} patients, {studies} studies, {series} series, {instances} images.

{approval}
## Rules

1. The data is pseudonymised, not anonymous. Do not try to find out who anybody is, and do not link it to other data.
2. It stays here. There is no network; nothing leaves except files that two people have checked.
3. This folder is read-only. Keep your work in your home directory.
4. Only the persons named in the approval may see it.
5. Say in every publication: *"This work uses data provided by patients and collected by the NHS as part of their \
care and support."*

## Taking results out

Put the files into `/outbox` and ask for an export on the page of your project. Aggregates, figures and code pass \
most easily; images and rows about single persons do not pass at all.

## People who opt out

When a patient opts out, the patient's files vanish from this folder at once, also while you work: handle a missing \
file as an ordinary event. Remove what you derived from it when you are told to.

## How to cite

> {dataset}, release {release}, index {index}. Slice {slice}, version {version}, plan {plan}.

Write this into data statements: with it, whoever keeps the data can tell exactly what you used.

## What is here

| | |
|---|---|
| `data/` | the images (layout: {layout}) |
| `manifest.parquet` | one row for each image: path, identifiers, modality, body part, date, scanner |
| `clinical.parquet` | the approved columns, one row for each patient, where the approval includes a table |
| `headers.parquet` | technical attributes of each image's header, where the approval includes them |
| `DATA_DICTIONARY.md`, `.csv` | what each column of the tables means, its codes and units |
| `REPRESENTATIVENESS.md` | who is in this slice and who is not, against dataset and population |
| `slice.yaml` | what was asked for, and the digest of the plan that was approved |
| `CHANGES.md`, `tombstones.csv` | once people have left: when, how many, and marks by which you know your copies |
| `manifest-sha256.txt`, `bag-info.txt` | checksums, in the BagIt form (RFC 8493) |

Ages from 90 on are written as 90. An empty cell means that the record does not say.

In a notebook, `import tre_data` lists these images and loads them, and says so where one has gone:
`tre_data.images()`, `tre_data.load(row)`, `help(tre_data)`.
"""


def read_me(about: Description) -> str:
    """The text of `README.md`."""
    counts, spec = about.plan.counts, about.plan.spec
    notice = about.notice
    approval = ""
    if notice is not None:
        approval = (
            f"Approved by {_plain(notice.body)}, reference {_plain(notice.reference)}. "
            f"Access ends on {notice.expires:%d %B %Y at %H:%M} UTC at the latest.\n\n"
        )
    return _READ_ME.format(
        title=_plain(notice.title) if notice else f"Slice {about.slice_id}",
        dataset=spec.dataset,
        release=spec.release,
        patients=counts.patients,
        studies=counts.studies,
        series=counts.series,
        instances=counts.instances,
        approval=approval,
        layout=spec.layout.value,
        index=about.plan.identity.index_digest,
        plan=about.plan.plan_digest,
        slice=about.slice_id,
        version=about.version,
    )


def dictionary(plan: SlicePlan, rule: SmallNumbers = _DEFAULT_RULE) -> str:
    """The text of `DATA_DICTIONARY.md`."""
    lines = ["# Dictionary", ""]
    if rows := _fields(plan, rule):
        lines += [
            "## clinical.parquet",
            "",
            "| column | meaning | kind | values | empty, of 1000 |",
            "|---|---|---|---|---|",
        ]
        lines += ["| " + " | ".join(map(_plain, row)) + " |" for row in rows]
        lines += ["", "Empty means that the record does not say, or says it in a way that was not understood.", ""]
    lines += ["## manifest.parquet", "", "A row for each image: its path, identifiers, size and SHA-256, and"]
    lines += [f"{', '.join(f'`{name}`' for name in ATTRIBUTES)}.", ""]
    if plan.spec.headers is Headers.full:
        names = ", ".join(f"`{name}`" for name in plan.identity.tables[HEADERS_TABLE].columns)
        lines += ["## headers.parquet", "", f"A row for each image, with the same paths: {names}.", ""]
    return "\n".join(lines)


def dictionary_csv(plan: SlicePlan, rule: SmallNumbers = _DEFAULT_RULE) -> str:
    """The columns of the clinical table for programs, as `DATA_DICTIONARY.csv`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("column", "meaning", "kind", "values", "empty_permille"))
    writer.writerows(_fields(plan, rule))
    return text.getvalue()


def _fields(plan: SlicePlan, rule: SmallNumbers) -> list[tuple[str, ...]]:
    """Each column with how often it, or what it is derived from, is empty."""
    table = plan.spec.tables.clinical
    if table is None:
        return []
    empty = {one.column: rule.permille(one.missing, one.patients) for one in plan.missing if one.group == EVERYBODY}
    found: list[tuple[str, ...]] = []
    for entry in entries(table):
        derivation = table.derive.get(entry.column)
        share = empty.get(entry.column if derivation is None else derivation.source)
        shown = "" if share is None else str(share)
        found.append((entry.column, entry.meaning, entry.kind, entry.values, shown))
    return found


_WHO = """\
# Who is in this slice

Distances say how differently two groups are made up: 0 is the same, 1000 has nothing in common (Jensen-Shannon
distance, times 1000). Shares are per thousand patients; patients with several kinds of images count in each.{against}
Counts are shown under the dataset's rule for small numbers. Only what this slice shows of people is compared.

"""


def representativeness(plan: SlicePlan, rule: SmallNumbers = _DEFAULT_RULE) -> str:
    """The text of `REPRESENTATIVENESS.md`, small numbers hidden."""
    against = f"\nThe reference is: {_plain(plan.population)}." if plan.population else ""
    lines = [_WHO.format(against=against)]
    told = _told(plan.spec.tables.clinical)
    for one in as_shown(plan, rule)["representativeness"]:
        if one["name"] not in told:
            continue
        beside = "" if one["referencePermille"] is None else f", from the reference {one['referencePermille']}"
        lines.append(f"## {one['name']}\n\nDistance from the dataset {one['distancePermille']}{beside}.\n")
        lines.append("| | slice | dataset | reference | |\n|---|---|---|---|---|")
        for share in one["shares"]:
            numbers = (share[key] for key in ("slicePermille", "datasetPermille", "referencePermille"))
            cells = " | ".join("" if number is None else str(number).replace("*", "\\*") for number in numbers)
            flag = "under-represented" if share["underRepresented"] else ""
            lines.append(f"| {_plain(share['category'])} | {cells} | {flag} |")
        lines.append("")
    return "\n".join(lines)


def _told(table: ClinicalTable | None) -> frozenset[str]:
    """Dimensions that the slice itself shows: where all are of one site, a share of sites is a fact about each."""
    if table is None:
        return frozenset(IMAGE_DIMENSIONS)
    plain = set(table.columns) - set(table.derive)
    aged = "age" in plain or any(isinstance(derivation, Band) for derivation in table.derive.values())
    return frozenset({*IMAGE_DIMENSIONS, *plain, *(["age_band"] if aged else [])})


def _plain(text: str) -> str:
    """Text that people typed, without what Markdown would take for a link, a picture or HTML."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>#|!" else sign for sign in text)
