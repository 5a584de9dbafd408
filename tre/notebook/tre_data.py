"""The approved data in three steps: list images, load one, feed a model.

    import tre_data
    images = tre_data.images("chest-xray", modality="DX", study_date=("2020-03-01", "2020-12-31"))
    array, spacing = tre_data.load(images.iloc[0])
    dataset = tre_data.ImageDataset(images, target="itu_admission")

Guarantees: only files below `/data` that the folder's own `manifest.parquet` lists are named; a missing value never
matches a condition unless `None` is among what is asked for; an image that vanishes because its patient opted out is
told apart from every other failure, and a data set that is being iterated passes over it and says so once.

Does not guarantee: that an array which was loaded before is forgotten. When people opt out, what was derived from
their images has to be removed by whoever derived it.

It needs pandas, pyarrow, pydicom and numpy, and knows nothing of any machine-learning framework: `ImageDataset` has the
two methods that PyTorch's loaders ask of a map-style data set. It belongs to the researcher, like everything in a
workspace, and decides nothing.
"""

from __future__ import annotations

import difflib
import errno
import warnings
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pydicom
from pydicom.pixels.processing import apply_rescale

__all__ = ["DataError", "ImageDataset", "ImageGoneError", "clinical", "folders", "images", "load", "volume"]

ROOT = Path("/data")
"""Where a workspace has its data: a folder for each approved slice."""

IMAGES, CLINICAL, KEY = "manifest.parquet", "clinical.parquet", "pseudonym"
_SHOWN = 12
"""Names and values that a message lists before it says how many more there are."""

Spacing = tuple[float, ...] | None


class DataError(Exception):
    """What was asked for cannot be given; the message says why and what to do."""


class ImageGoneError(DataError):
    """An image was there when it was listed and is not any more."""


def folders(root: Path | str | None = None) -> list[str]:
    """The names of the data folders of this workspace."""
    base = Path(root or ROOT)
    return sorted(path.parent.name for path in base.glob(f"*/{IMAGES}"))


def images(folder: str | None = None, *, root: Path | str | None = None, **wanted: Any) -> pd.DataFrame:
    """A row for each image that meets every condition; without conditions, for each image.

    A condition names a column. A value must be equal (upper and lower case are one), a list holds alternatives, and a
    pair in a tuple is a range with both ends included, either of which may be `None`. `None` among the alternatives
    asks for images that do not say. Columns of the clinical table count, too, where the folder has one; `path` leads
    to the file. The only folder need not be named.
    """
    place = _folder(folder, root)
    table = _read(place / IMAGES)
    table["path"] = [str(place / path) for path in table["path"]]
    if "study_date" in table:
        table["study_date"] = pd.to_datetime(table["study_date"])
    if "slice_thickness_um" in table:
        table["slice_thickness_mm"] = table.pop("slice_thickness_um") / 1000
    table = _with_patients(table, place)
    kept = np.ones(len(table), dtype=bool)
    for name, condition in wanted.items():
        _check_column(table, name)
        kept &= _meets(table[name], condition, name)
    return table[kept].reset_index(drop=True)


def clinical(folder: str | None = None, *, root: Path | str | None = None) -> pd.DataFrame:
    """The approved columns of the clinical records, a row for each patient."""
    place = _folder(folder, root)
    if not (place / CLINICAL).is_file():
        raise DataError(f"{place.name} has no clinical table: none was approved for it. Its README.md says what was.")
    return _read(place / CLINICAL)


def load(image: Any, *, raw: bool = False) -> tuple[np.ndarray[Any, Any], Spacing]:
    """One image as an array of float32 and its spacing in millimetres (between rows, between columns).

    `image` is a row of `images`, or a path. Values are in the modality's units (for CT, Hounsfield units), and bright
    is high, whichever way they were stored; `raw` gives them as they were stored. The spacing is `None` where the
    image does not say; for projections it is the detector's, without the patient's distance in it. Raises
    `ImageGoneError` for an image that is not there any more, `DataError` for one that cannot be shown.
    """
    header, array = _pixels(_path_of(image))
    return (array if raw else _in_units(array, header)), _spacing(header)


def volume(series: pd.DataFrame) -> tuple[np.ndarray[Any, Any], Spacing]:
    """The images of one series as one array, in their order in space, and its spacing (between slices, rows, columns).

    Slices that vanished are left out with a warning. Where slices do not say where they lie, or are spaced unevenly,
    the spacing is `None`.
    """
    named = set(series.get("series_uid", ()))
    if len(named) != 1:
        raise DataError(f"A volume is one series; these rows are of {len(named)}. Choose by series_uid first.")
    found, gone = [], 0
    for path in series["path"]:
        try:
            found.append(_pixels(path))
        except ImageGoneError:
            gone += 1
    if not found:
        raise ImageGoneError("Every image of this series is gone: its patient opted out, or the folder was renewed.")
    if gone:
        warnings.warn(f"{gone} of the images of this series left out: {_WHY}.", stacklevel=2)
    if len({array.shape for _, array in found}) > 1:
        raise DataError("The images of this series differ in size: they are no volume. Load them one by one.")
    placed = sorted(found, key=lambda one: _height(one[0]))
    spacing = _between([_height(header) for header, _ in placed], _spacing(placed[0][0]))
    return np.stack([_in_units(array, header) for header, array in placed]), spacing


class ImageDataset:
    """Images for a training loop: PyTorch's `DataLoader` takes it as it is (`len(dataset)`, `dataset[number]`).

    An item is the image as `load` gives it, with `transform` applied; with a `target`, a pair of that and the target:
    a column of the rows, or what a function makes of the row. When an image is gone, the next one takes its place
    together with its own target, and one warning says so: `refresh()` between two epochs drops what is gone, and `gone`
    counts it. Raises `ImageGoneError` once nothing is left.
    """

    def __init__(
        self,
        rows: pd.DataFrame,
        target: str | Callable[[Mapping[str, Any]], Any] | None = None,
        transform: Callable[[np.ndarray[Any, Any]], Any] | None = None,
    ) -> None:
        """Takes the rows of `images`, all or some of them; nothing is read yet."""
        if isinstance(target, str):
            _check_column(rows, target)
        self.rows = rows.reset_index(drop=True)
        self._paths = list(self.rows["path"])
        self._target = target
        self._transform = transform
        self._gone: set[int] = set()

    def __len__(self) -> int:
        """How many images there were when it was made or refreshed last."""
        return len(self._paths)

    def __getitem__(self, number: int) -> Any:
        """The image of this number, or the next one that is still there."""
        if not -len(self) <= number < len(self):
            raise IndexError(f"There is no image {number}: there are {len(self)}.")  # ends a plain `for`
        for step in range(len(self)):
            place = (number + step) % len(self)
            if place not in self._gone and (item := self._item(place)) is not None:
                return item[0]
        raise ImageGoneError(f"None of the {len(self)} images is here any more: {_WHY}. List them again with images().")

    def _item(self, place: int) -> tuple[Any] | None:
        try:
            array, _ = load(self._paths[place])
        except ImageGoneError:
            self._note(place)
            return None
        shown = array if self._transform is None else self._transform(array)
        if self._target is None:
            return (shown,)
        row = self.rows.iloc[place]
        return ((shown, row[self._target] if isinstance(self._target, str) else self._target(row)),)

    def _note(self, place: int) -> None:
        if not self._gone:
            text = f"An image of this data set is gone: {_WHY}. The next one takes its place; refresh() drops it."
            warnings.warn(text, stacklevel=4)
        self._gone.add(place)

    @property
    def gone(self) -> int:
        """How many images were missed since it was made or refreshed last."""
        return len(self._gone)

    def refresh(self) -> int:
        """Look which images are still there, and drop the others; returns how many were dropped."""
        kept = [number for number, path in enumerate(self._paths) if Path(path).exists()]
        dropped = len(self._paths) - len(kept)
        self.rows = self.rows.iloc[kept].reset_index(drop=True)
        self._paths = list(self.rows["path"])
        self._gone.clear()
        return dropped


_WHY = "the patient opted out, or the folder was renewed"


def _folder(name: str | None, root: Path | str | None) -> Path:
    base, known = Path(root or ROOT), folders(root)
    if name is None and len(known) == 1:
        return base / known[0]
    if name in known:
        return base / str(name)
    if not known:
        raise DataError(f"There is no data in {base}: no slice is mounted here. Look at the page of your project.")
    asked = "Several data folders are here" if name is None else f"There is no data folder {name!r}"
    raise DataError(f"{asked}. {_meant(str(name or ''), known)}Name one of: {_listed(known)}.")


def _read(path: Path) -> pd.DataFrame:
    try:
        return pq.read_table(path).to_pandas()
    except FileNotFoundError as error:
        raise DataError(f"{path} is not there: the folder is being renewed. Try again in a moment.") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}. Tell the people who run this service.") from error


def _with_patients(table: pd.DataFrame, place: Path) -> pd.DataFrame:
    """The rows with the columns of their patients, where there is a table that says whose its rows are."""
    if not (place / CLINICAL).is_file():
        return table
    people = _read(place / CLINICAL)
    if KEY not in people or KEY not in table:
        return table
    return table.merge(people, on=KEY, how="left", suffixes=("", "_of_patient"))


def _check_column(table: pd.DataFrame, name: str) -> None:
    if name not in table:
        known = [str(column) for column in table.columns]
        raise DataError(f"There is no column {name!r}. {_meant(name, known)}There are: {', '.join(known)}.")


def _meets(values: pd.Series[Any], condition: Any, name: str) -> np.ndarray[Any, Any]:
    """Which values meet a condition."""
    if isinstance(condition, tuple):
        if len(condition) != 2:
            raise DataError(
                f"{name}: a range is a pair (from, to), either of which may be None; use a list for values."
            )
        return _within(values, condition, name)
    several = isinstance(condition, list | set | frozenset | range | np.ndarray | pd.Series)
    asked = list(condition) if several else [condition]
    wanted = {_folded(one) for one in asked if not _is_missing(one)}
    found = values.isin([one for one in values.dropna().unique() if _folded(one) in wanted]).to_numpy(dtype=bool)
    if any(_is_missing(one) for one in asked):
        found = found | values.isna().to_numpy(dtype=bool)
    if not found.any():
        known = sorted({str(value) for value in values.dropna()})
        warnings.warn(
            f"No image has this {name}. {_meant(str(condition), known)}There is {_listed(known)}.", stacklevel=3
        )
    return np.asarray(found)


def _within(values: pd.Series[Any], ends: tuple[Any, Any], name: str) -> np.ndarray[Any, Any]:
    found = values.notna().to_numpy(dtype=bool)
    try:
        for end, inside in zip(ends, (values.__ge__, values.__le__), strict=True):
            if end is not None:
                found = found & np.asarray(inside(pd.Timestamp(end) if values.dtype.kind == "M" else end), dtype=bool)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} cannot be compared with {ends}: {error}.") from error
    return np.asarray(found)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _folded(value: Any) -> Any:
    if isinstance(value, date | np.datetime64):
        return f"{pd.Timestamp(value):%Y-%m-%d}"
    return value.strip().upper() if isinstance(value, str) else value


def _meant(text: str, known: Iterable[str]) -> str:
    by_fold = {one.upper(): one for one in known}
    near = difflib.get_close_matches(text.upper(), by_fold, 1)
    return f"Did you mean {by_fold[near[0]]!r}? " if near else ""


def _listed(known: list[str]) -> str:
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return (", ".join(known[:_SHOWN]) or "nothing") + more


def _path_of(image: Any) -> str:
    path = image if isinstance(image, str | Path) else getattr(image, "path", None)
    if path is None and isinstance(image, Mapping):
        path = image.get("path")
    if not isinstance(path, str | Path):
        raise DataError("An image is a row of images(), such as images.iloc[0], or a path.")
    return str(path)


def _pixels(path: str) -> tuple[pydicom.Dataset, np.ndarray[Any, Any]]:
    try:
        header = pydicom.dcmread(path)
    except Exception as error:  # a parser given any bytes raises any error; all but absence mean the same here
        if isinstance(error, FileNotFoundError) or getattr(error, "errno", None) == errno.ESTALE:
            text = f"{path} is not here any more: {_WHY}. Leave it out; images() lists what is there."
            raise ImageGoneError(text) from error
        raise DataError(f"{path} cannot be read: {error}") from error
    try:
        return header, header.pixel_array
    except Exception as error:
        raise DataError(f"{path} holds no picture that can be shown: {error}") from error


def _in_units(array: np.ndarray[Any, Any], header: pydicom.Dataset) -> np.ndarray[Any, Any]:
    """Values in the modality's units, bright high."""
    if header.get("PhotometricInterpretation") == "MONOCHROME1":
        highest = -1 if header.get("PixelRepresentation") else 2 ** int(header.BitsStored) - 1
        array = highest - array.astype(np.int64)
    return np.asarray(apply_rescale(array, header), dtype=np.float32)


def _spacing(header: pydicom.Dataset) -> Spacing:
    for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        value = header.get(name)
        if value is not None and len(value) == 2:
            return float(value[0]), float(value[1])
    return None


def _height(header: pydicom.Dataset) -> float:
    """How far along the normal of its plane an image lies; its number where it does not say where it lies."""
    position, axes = header.get("ImagePositionPatient"), header.get("ImageOrientationPatient")
    if position is None or axes is None or len(position) != 3 or len(axes) != 6:
        return float(header.get("InstanceNumber") or 0)
    across, down = np.array(axes[:3], dtype=float), np.array(axes[3:], dtype=float)
    return float(np.dot(np.cross(across, down), np.array(position, dtype=float)))


def _between(heights: list[float], plane: Spacing) -> Spacing:
    steps = np.diff(heights)
    if plane is None or not len(steps) or not np.allclose(steps, steps[0], rtol=0.01) or steps[0] <= 0:
        return None
    return (float(steps[0]), *plane)
