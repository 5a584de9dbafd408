"""The table of header attributes of a slice: a row for each image, with a fixed list of technical columns.

Guarantees: only the attributes named here are written: numbers, and codes of DICOM's value representation CS that look
like codes; no text that people typed, no name, no date, no identifier besides those of the manifest. Values come
from the files of the tier that the slice links to. An attribute that is absent, or cannot be what it should, is empty.

Does not guarantee: that an image's pixels agree with what its header says. The list is short on purpose: whoever needs
another attribute asks for it to be added here, where everybody can see it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydicom import config, dcmread
from pydicom.dataset import Dataset

from tre.domain.slices.spec import DirectoryLayout
from tre.slices.farm import placed
from tre.slices.index import rows_digest
from tre.slices.places import IMAGE_SUFFIX, patient_directory
from tre.slices.watch import SILENT, Watcher

_WHOLE, _NUMBER, _NUMBERS, _CODE = pa.int64(), pa.float64(), pa.list_(pa.float64()), pa.string()
_ATTRIBUTES: tuple[tuple[str, str, pa.DataType], ...] = (
    ("rows", "Rows", _WHOLE),
    ("columns", "Columns", _WHOLE),
    ("number_of_frames", "NumberOfFrames", _WHOLE),
    ("instance_number", "InstanceNumber", _WHOLE),
    ("samples_per_pixel", "SamplesPerPixel", _WHOLE),
    ("photometric_interpretation", "PhotometricInterpretation", _CODE),
    ("bits_allocated", "BitsAllocated", _WHOLE),
    ("bits_stored", "BitsStored", _WHOLE),
    ("pixel_representation", "PixelRepresentation", _WHOLE),
    ("pixel_spacing_mm", "PixelSpacing", _NUMBERS),
    ("imager_pixel_spacing_mm", "ImagerPixelSpacing", _NUMBERS),
    ("slice_thickness_mm", "SliceThickness", _NUMBER),
    ("spacing_between_slices_mm", "SpacingBetweenSlices", _NUMBER),
    ("image_position_mm", "ImagePositionPatient", _NUMBERS),
    ("image_orientation", "ImageOrientationPatient", _NUMBERS),
    ("patient_position", "PatientPosition", _CODE),
    ("view_position", "ViewPosition", _CODE),
    ("laterality", "ImageLaterality", _CODE),
    ("rescale_slope", "RescaleSlope", _NUMBER),
    ("rescale_intercept", "RescaleIntercept", _NUMBER),
    ("window_center", "WindowCenter", _NUMBERS),
    ("window_width", "WindowWidth", _NUMBERS),
    ("kvp", "KVP", _NUMBER),
    ("exposure_time_ms", "ExposureTime", _NUMBER),
    ("tube_current_ma", "XRayTubeCurrent", _NUMBER),
    ("exposure_mas", "Exposure", _NUMBER),
    ("distance_source_to_detector_mm", "DistanceSourceToDetector", _NUMBER),
    ("gantry_tilt_degrees", "GantryDetectorTilt", _NUMBER),
    ("pitch", "SpiralPitchFactor", _NUMBER),
    ("magnetic_field_tesla", "MagneticFieldStrength", _NUMBER),
    ("repetition_time_ms", "RepetitionTime", _NUMBER),
    ("echo_time_ms", "EchoTime", _NUMBER),
    ("flip_angle_degrees", "FlipAngle", _NUMBER),
    ("lossy_compression", "LossyImageCompression", _CODE),
)
_IDENTITY = (("path", pa.string()), ("pseudonym", pa.string()), ("sop_uid", pa.string()))
COLUMNS = (*(name for name, _ in _IDENTITY), *(name for name, _, _ in _ATTRIBUTES))
"""The columns of `headers.parquet`, in order."""

_SCHEMA = pa.schema([*_IDENTITY, *((name, kind) for name, _, kind in _ATTRIBUTES)])
_TAGS = [keyword for _, keyword, _ in _ATTRIBUTES]
_LISTED = ["path", "kind", "pseudonym", "sop_uid", "sha256"]
_CODED = re.compile(r"[A-Z0-9_ ]{1,16}")
"""DICOM PS3.5 section 6.2: a code string has at most 16 of these characters."""

_MOST_VALUES = 16
_BATCH = 2048


def write_headers(files: Path, tier: Path, layout: DirectoryLayout, target: Path, watcher: Watcher = SILENT) -> str:
    """Write the table for the images listed in `files`; return the digest of what it says.

    Raises `OSError` for a file that is gone.
    """
    return rows_digest([(",".join(COLUMNS),), *_written(files, tier, layout, target, watcher)])


def _written(
    files: Path, tier: Path, layout: DirectoryLayout, target: Path, watcher: Watcher
) -> Iterator[tuple[Any, ...]]:
    with pq.ParquetFile(files) as file, pq.ParquetWriter(target, _SCHEMA, compression="zstd") as writer:
        total, done = file.metadata.num_rows, 0
        for batch in file.iter_batches(_BATCH, columns=_LISTED):
            images = batch.filter(pc.equal(batch.column("kind"), "image"))
            rows = list(_rows(images, tier, layout))
            arrays = [pa.array([row[number] for row in rows], kind) for number, kind in enumerate(_SCHEMA.types)]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA))
            done += batch.num_rows
            watcher.progress(done, total)
            yield from rows


def _rows(images: pa.RecordBatch, tier: Path, layout: DirectoryLayout) -> Iterator[tuple[Any, ...]]:
    columns = [images.column(name).to_pylist() for name in _LISTED]
    for path, _, pseudonym, sop_uid, content in zip(*columns, strict=True):
        parent, name = placed(layout, path, pseudonym, sop_uid + IMAGE_SUFFIX)
        shown = f"data/{parent}/{name}" if parent else f"data/{name}"
        stored = tier / patient_directory(pseudonym) / (content.hex() + IMAGE_SUFFIX)
        header = _header(stored)
        yield (shown, pseudonym, sop_uid, *(_value(header, keyword, kind) for _, keyword, kind in _ATTRIBUTES))


def _header(path: Path) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dirty values are what is expected here
        config.settings.reading_validation_mode = config.IGNORE
        return dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))


def _value(header: Dataset, keyword: str, kind: pa.DataType) -> Any:
    try:
        value = header.get(keyword)
        if value is None or value == "":
            return None
        return _converted(value, kind)
    except Exception:  # noqa: BLE001 - a parser given arbitrary bytes raises arbitrary errors: the value is missing
        return None


def _converted(value: Any, kind: pa.DataType) -> Any:
    if kind == _CODE:
        text = str(value).strip()
        return text if _CODED.fullmatch(text) else None
    if kind == _NUMBERS:
        several = [float(one) for one in (value if _is_several(value) else [value])]
        return several[:_MOST_VALUES] or None
    if _is_several(value):
        return None
    return int(value) if kind == _WHOLE else float(value)


def _is_several(value: Any) -> bool:
    return not isinstance(value, str | int | float) and hasattr(value, "__iter__")
