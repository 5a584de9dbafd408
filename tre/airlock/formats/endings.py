"""What a file's name says of a type that does not leave: read by the parent, which looks at names only.

Guarantees: for each ending that people often submit and that a policy may leave out, the check that keeps it in and
what to do instead, before anybody looks at a byte.

Does not guarantee: that the name is right. The bytes are looked at as well (`formats.unknown`).
"""

from __future__ import annotations

from tre.airlock.formats.magics import (
    ARCHIVE,
    ENCRYPTED,
    MEDIA,
    MODEL,
    OFFICE,
    PACKAGE,
    PICTURE,
    PROGRAM,
    RECORDS,
    SCAN,
    Group,
)
from tre.airlock.parsed import Observation

MACROS = Group("F06", "Documents with macros do not leave; save a table as CSV and a text as PDF.")
NOTEBOOK = Group("F02", "Submit its code as a program, and each result as a file by itself.")
DOCUMENT = Group("F02", "Submit tables as CSV, figures as PNG and text as Markdown.")
DRAWING = Group("F02", "Such figures carry their data with them; save the figure as PNG.")

_FAMILIES: tuple[tuple[Group, str, str], ...] = (
    (
        MODEL,
        "a saved model or a saved object",
        "pkl pickle p joblib dill cloudpickle pt pth ckpt h5 hdf5 keras rds rda rdata qs mlmodel pmml tflite pb gguf "
        "ggml cbm ubj bst onnx safetensors model skops pypmml",
    ),
    (
        RECORDS,
        "a data set or a database",
        "sav zsav por dta sas7bdat sas7bcat xpt parquet feather arrow orc avro db sqlite sqlite3 duckdb mdb accdb fst "
        "npy npz mat nc dbf",
    ),
    (SCAN, "a medical image", "dcm dicom nii img hdr nrrd mha mhd mgh mgz ima"),
    (
        OFFICE,
        "an office document",
        "xls xlsx doc ppt docx pptx odt ods odp rtf pages numbers key pub vsd vsdx msg eml mht",
    ),
    (MACROS, "a document with macros", "xlsm xlsb xltm xlam xll docm dotm pptm potm ppsm ppam"),
    (ARCHIVE, "an archive", "zip tar gz tgz bz2 tbz xz txz zst 7z rar lz4 lz iso dmg cab deb rpm apk"),
    (PACKAGE, "a Python package", "whl egg"),
    (ENCRYPTED, "an encrypted file", "gpg pgp age enc kdbx aes"),
    (PROGRAM, "a program", "exe dll so dylib bat cmd ps1 vbs js mjs jar msi com scr lnk hta class pyc wasm wsf jse"),
    (
        PICTURE,
        "a picture of a type that is not taken",
        "jpg jpeg gif webp tif tiff bmp heic heif ico eps ps ai psd emf wmf",
    ),
    (DRAWING, "a figure of a statistics program", "gph fig rplots spv stsem"),
    (NOTEBOOK, "a notebook", "ipynb"),
    (DOCUMENT, "a document", "html htm xhtml pdf svg tex"),
    (MEDIA, "a sound or a film", "mp3 wav ogg mp4 mov avi mkv webm"),
)

_BY_ENDING = {ending: (group, what) for group, what, endings in _FAMILIES for ending in endings.split()}


def named(path: str) -> Observation | None:
    """What the ending of a name says, or `None` where it says nothing known."""
    name = path.rsplit("/", 1)[-1].lower()
    if name.endswith((".nii.gz", ".dcm.gz")):
        return _observation(SCAN, "a medical image")
    group, what = _BY_ENDING.get(name.rsplit(".", 1)[-1] if "." in name[1:] else "", (None, ""))
    return None if group is None else _observation(group, what)


def _observation(group: Group, what: str) -> Observation:
    return Observation(group.check, f"By its name the file is {what}.", group.remedy)
