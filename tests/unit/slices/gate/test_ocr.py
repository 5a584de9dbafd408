"""Text in pixels, read by the real program where it is installed; and pixels that are made to break their reader."""

from __future__ import annotations

import shutil
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from typer.testing import CliRunner

from tests.unit.slices.conftest import dicom
from tests.unit.slices.gate.files import CLEAN, elements, file
from tre.cli.main import app
from tre.demodata import pixels
from tre.demodata.randomness import Stream
from tre.slices.gate import ocr
from tre.slices.gate.ocr import PROGRAM, read_pixels

SIZE = 256
needs_reader = pytest.mark.skipif(
    shutil.which(PROGRAM) is None, reason=f"needs the program {PROGRAM}, which is not installed"
)


def grey(*, text: str = "", ultrasound: bool = False) -> np.ndarray:
    """A made-up picture of eight bits, perhaps with a line of text in it."""
    draw = pixels.sonogram if ultrasound else pixels.xray
    made = draw(SIZE, pixels.make_anatomy(Stream(3, "text"), 1), 3, "text").astype(float)
    shown = Image.fromarray(((made - made.min()) * (255 / (made.max() - made.min()))).astype(np.uint8))
    ImageDraw.Draw(shown).text((8, 8), text, fill=255, font=ImageFont.load_default(20))
    return np.array(shown)


def image(*frames: np.ndarray, modality: str = "US", **changes: object) -> bytes:
    """A file of these frames."""
    stack = np.stack(frames)
    shape = {"Rows": stack.shape[1], "Columns": stack.shape[2], "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    shape |= {"SamplesPerPixel": 1, "PixelRepresentation": 0, "PhotometricInterpretation": "MONOCHROME2"}
    shape |= {"NumberOfFrames": len(frames), "PixelData": stack.tobytes(), "BurnedInAnnotation": "NO"}
    uids = {"StudyInstanceUID": "1.1", "SeriesInstanceUID": "1.1.1", "SOPInstanceUID": "1.2"}
    return dicom(PatientID="Covid1", Modality=modality, **uids, **(shape | changes))


@needs_reader
@pytest.mark.parametrize("ultrasound", [False, True])
def test_a_name_in_the_picture_is_found_and_a_picture_without_one_is_not(ultrasound: bool) -> None:
    assert read_pixels(BytesIO(image(grey(text="OKONKWO ADAEZE", ultrasound=ultrasound)))) == "burned-in-text"
    assert read_pixels(BytesIO(image(grey(ultrasound=ultrasound)))) == ""


@needs_reader
def test_the_last_of_many_frames_is_read_too() -> None:
    plain = grey()
    assert read_pixels(BytesIO(image(plain, plain, plain, grey(text="OKONKWO ADAEZE")))) == "burned-in-text"


@needs_reader
def test_the_gate_reads_pixels_where_it_is_asked_to(tmp_path: Path) -> None:
    (tmp_path / "pseudonyms.txt").write_text("Covid1\n")
    path = tmp_path / "a.dcm"
    path.write_bytes(image(grey(text="OKONKWO ADAEZE")))
    said = CliRunner().invoke(app, ["dataset", "gate", str(path)])
    assert (said.exit_code, "1 pass" in said.stdout) == (0, True), said.output
    said = CliRunner().invoke(app, ["dataset", "gate", str(path), "--ocr"])
    assert "burned-in-text: PixelData" in said.stdout
    assert "1 quarantine" in said.stdout
    assert "OKONKWO" not in said.output


def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A reader of text that does what the script says."""
    program = tmp_path / "bin" / PROGRAM
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))


HOSTILE = {
    "rows and columns that no memory holds": image(grey(), Rows=65535, Columns=65535),
    "more frames than there are": image(grey(), NumberOfFrames=2_000_000_000),
    "no frames": image(grey(), NumberOfFrames=-1),
    "no pixels": file(),
    "pixels that end early": image(grey())[:-100],
    "rows of nothing": image(grey(), Rows=0),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pixels_wait_and_take_no_time(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader(tmp_path, monkeypatch, "/bin/cat > /dev/null")
    assert read_pixels(BytesIO(HOSTILE[name])) == "ocr-unread"


def test_pixels_that_nobody_here_can_decode_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader(tmp_path, monkeypatch, "/bin/cat > /dev/null")
    head = [*CLEAN, (0x00280002, "US", b"\1\0"), (0x00280004, "CS", b"MONOCHROME2"), (0x00280010, "US", b"\x10\0")]
    head += [(0x00280011, "US", b"\x10\0"), (0x00280100, "US", b"\x08\0"), (0x00280101, "US", b"\x08\0")]
    fragments = b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\0\0\0\0"
    fragments += b"\xfe\xff\x00\xe0\x04\0\0\0\xff\xd8\xff\xd9" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    for syntax in ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5", "1.2.3.4"):
        start = file(head, syntax=syntax)[: -len(elements(head))]
        assert read_pixels(BytesIO(start + elements(head) + fragments)) == "ocr-unread"


def test_a_reader_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "pid"
    reader(tmp_path, monkeypatch, f"/bin/cat > /dev/null\n/bin/sh -c 'echo $$ >&9; exec /bin/sleep 600' 9>>{mark}")
    monkeypatch.setattr(ocr, "CHILD", _unlimited(tmp_path))
    begun = time.monotonic()
    assert read_pixels(BytesIO(image(grey())), seconds=2) == "ocr-unread"
    assert time.monotonic() - begun < 60
    (left,) = mark.read_text().split()
    assert _is_dead(int(left))


def _is_dead(pid: int) -> bool:
    """Whether a process is gone, or gone but for an entry that nobody has asked for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except FileNotFoundError:
        return True


def _unlimited(tmp_path: Path) -> Path:
    """The child without its bound on files, so that the reader of the test can say who it was."""
    child = tmp_path / "child.py"
    child.write_text(ocr.CHILD.read_text().replace("(resource.RLIMIT_FSIZE, 0),", ""))
    return child


@pytest.mark.parametrize("script", ["exit 3", "kill -9 $$", "echo nothing that is a table"])
def test_a_reader_that_breaks_costs_the_file_a_reason(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader(tmp_path, monkeypatch, f"/bin/cat > /dev/null\n{script}")
    expected = "" if script.startswith("echo") else "ocr-unread"
    assert read_pixels(BytesIO(image(grey()))) == expected


def test_the_reader_can_write_no_file_and_has_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = 'test "$(ulimit -v)" = 2097152 && test "$(ulimit -f)" = 0'
    for script, expected in ((f"{bounds} || exit 3", ""), (f"echo x > {tmp_path}/written || exit 3", "ocr-unread")):
        reader(tmp_path, monkeypatch, f"/bin/cat > /dev/null\n{script}")
        assert read_pixels(BytesIO(image(grey()))) == expected
    assert (tmp_path / "written").read_text() == ""
