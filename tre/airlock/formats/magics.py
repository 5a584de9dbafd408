"""The table of signatures: constants by which formats are known, and the families of content that do not leave.

Guarantees: every entry stands in the specification of its format. Which of them a file has says nothing good about
it: the table is used to explain and to refuse only (`formats.signatures`).

Sources: DICOM PS3.10 section 7.1; NIfTI-1 and -2 headers; R Internals section 1.8; the formats' own specifications.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """A family of contents: the check that keeps it in, and what to do instead."""

    check: str
    remedy: str


ARCHIVE = Group("F04", "Unpack it and submit the files in it one by one.")
PACKAGE = Group("F04", "Packages do not leave; submit the source files that you wrote, one by one.")
ENCRYPTED = Group("F04", "Submit it unencrypted: what cannot be looked at does not leave.")
MODEL = Group(
    "M01", "Submit the coefficients or the performance as a table; such files run code or hold training data."
)
RECORDS = Group("F02", "Submit the table that is the result, as CSV; data as they were analysed do not leave.")
SCAN = Group("F02", "Images of patients do not leave; submit a table, or a figure as PNG.")
PROGRAM = Group("F06", "Programs do not leave in this form; submit their source.")
OFFICE = Group("F02", "Save a table as CSV and a text as PDF or Markdown.")
PICTURE = Group("F02", "Save the figure as PNG.")
MEDIA = Group("F02", "Submit the table or the figure that is the result.")
TEXT = Group("F02", "Give it the ending of its type: .csv, .txt, .md, .json, .py, .R, …")
UNCLEAR = Group("F02", "Save the result as CSV, text or PNG.")


@dataclass(frozen=True)
class Magic:
    """A constant at a fixed place; `sure` where it is too long to occur by chance, so that it is looked for inside."""

    magic: bytes
    what: str
    group: Group
    offset: int = 0
    types: tuple[str, ...] = ()
    sure: bool = True


MAGICS = (
    Magic(b"DICM", "a DICOM image", SCAN, 128, sure=False),
    Magic(b"n+1\0", "a NIfTI image", SCAN, 344, sure=False),
    Magic(b"ni1\0", "a NIfTI image", SCAN, 344, sure=False),
    Magic(b"n+2\0\r\n\x1a\n", "a NIfTI image", SCAN, 4, sure=False),
    Magic(b"NRRD000", "an NRRD image", SCAN),
    Magic(b"ObjectType = Image", "a MetaImage", SCAN),
    Magic(b"PAR1", "a Parquet table", RECORDS, sure=False),
    Magic(b"PARE", "an encrypted Parquet table", ENCRYPTED, sure=False),
    Magic(b"ARROW1", "an Arrow table", RECORDS),
    Magic(b"FEA1", "a Feather table", RECORDS, sure=False),
    Magic(b"ORC\x0a", "an ORC table", RECORDS, sure=False),
    Magic(b"Obj\x01", "an Avro table", RECORDS, sure=False),
    Magic(b"$FL2@(#)", "an SPSS data file", RECORDS),
    Magic(b"$FL3@(#)", "an SPSS data file", RECORDS),
    Magic(b"<stata_dta>", "a Stata data file", RECORDS),
    Magic(b"HEADER RECORD*******LIB", "a SAS transport file", RECORDS),
    Magic(
        bytes(12) + b"\xc2\xea\x81\x60\xb3\x14\x11\xcf\xbd\x92\x08\0\x09\xc7\x31\x8c\x18\x1f\x10\x11",
        "a SAS data file",
        RECORDS,
    ),
    Magic(b"SQLite format 3\0", "an SQLite database", RECORDS),
    Magic(b"DUCK", "a DuckDB database", RECORDS, 8, sure=False),
    Magic(b"Standard Jet DB", "an Access database", RECORDS, 4),
    Magic(b"Standard ACE DB", "an Access database", RECORDS, 4),
    Magic(b"MATLAB 5.0 MAT-file", "a MATLAB file", RECORDS),
    Magic(b"CDF\x01", "a NetCDF file", RECORDS, sure=False),
    Magic(b"CDF\x02", "a NetCDF file", RECORDS, sure=False),
    Magic(b"\x93NUMPY", "a NumPy array", RECORDS),
    Magic(b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras saves models", MODEL),
    Magic(b"RDX2\n", "an R workspace", MODEL),
    Magic(b"RDX3\n", "an R workspace", MODEL),
    Magic(b"RDA2\n", "an R workspace", MODEL),
    Magic(b"RDA3\n", "an R workspace", MODEL),
    Magic(b"X\n\0\0\0", "an R object (RDS)", MODEL),
    Magic(b"TFL3", "a TensorFlow Lite model", MODEL, 4, sure=False),
    Magic(b"GGUF", "a GGUF model", MODEL, sure=False),
    Magic(b"PK\x03\x04", "a zip archive", ARCHIVE),
    Magic(b"PK\x05\x06", "an empty zip archive", ARCHIVE),
    Magic(b"7z\xbc\xaf\x27\x1c", "a 7z archive", ARCHIVE),
    Magic(b"Rar!\x1a\x07", "a RAR archive", ARCHIVE),
    Magic(b"\x1f\x8b\x08", "a gzip file", ARCHIVE, sure=False),
    Magic(b"BZh", "a bzip2 file", ARCHIVE, sure=False),
    Magic(b"\xfd7zXZ\0", "an xz file", ARCHIVE),
    Magic(b"\x28\xb5\x2f\xfd", "a Zstandard file", ARCHIVE, sure=False),
    Magic(b"\x04\x22\x4d\x18", "an LZ4 file", ARCHIVE, sure=False),
    Magic(b"LZIP", "an lzip file", ARCHIVE, sure=False),
    Magic(b"MSCF\0\0\0\0", "a cabinet archive", ARCHIVE),
    Magic(b"!<arch>\n", "an ar archive", ARCHIVE),
    Magic(b"ustar", "a tar archive", ARCHIVE, 257, sure=False),
    Magic(b"CD001", "a disc image", ARCHIVE, 32769, sure=False),
    Magic(b"\xed\xab\xee\xdb", "an RPM package", ARCHIVE, sure=False),
    Magic(b"-----BEGIN PGP MESSAGE", "an encrypted message", ENCRYPTED),
    Magic(b"age-encryption.org/", "an encrypted file", ENCRYPTED),
    Magic(b"Salted__", "an encrypted file", ENCRYPTED),
    Magic(b"\x7fELF", "a program", PROGRAM, sure=False),
    Magic(b"\xca\xfe\xba\xbe", "a Java class or a program", PROGRAM, sure=False),
    Magic(b"\xcf\xfa\xed\xfe", "a program", PROGRAM, sure=False),
    Magic(b"\xce\xfa\xed\xfe", "a program", PROGRAM, sure=False),
    Magic(b"\0asm\x01\0\0\0", "a WebAssembly program", PROGRAM),
    Magic(b"L\0\0\0\x01\x14\x02\0", "a Windows shortcut", PROGRAM),
    Magic(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document, which may hold macros", OFFICE),
    Magic(b"{\\rtf", "an RTF document", OFFICE),
    Magic(b"MIME-Version:", "a mail or a web archive", OFFICE, sure=False),
    Magic(b"%!PS", "a PostScript program", PICTURE, sure=False),
    Magic(b"\x89PNG\r\n\x1a\n", "a PNG image", PICTURE, types=("png",)),
    Magic(b"\xff\xd8\xff", "a JPEG image", PICTURE, types=("jpeg",), sure=False),
    Magic(b"GIF87a", "a GIF image", PICTURE),
    Magic(b"GIF89a", "a GIF image", PICTURE),
    Magic(b"II*\0", "a TIFF image", PICTURE, sure=False),
    Magic(b"MM\0*", "a TIFF image", PICTURE, sure=False),
    Magic(b"8BPS\0", "a Photoshop image", PICTURE),
    Magic(b"\0\0\0\x0cjP  \r\n", "a JPEG 2000 image", PICTURE),
    Magic(b"\x1aE\xdf\xa3", "a film", MEDIA, sure=False),
    Magic(b"OggS\0", "a sound or film", MEDIA, sure=False),
)
