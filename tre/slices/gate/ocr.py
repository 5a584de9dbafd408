"""Reading pixels for text, on demand: for the modalities that a dataset's manifest names, or of every file asked about.

Guarantees: at most three frames are read by `tesseract`, in a process that is ended with all its children at a
deadline and whose memory is bounded (`tre.slices.gate.ocr_child`); a word of three or more letters or digits of which
the reader is sure makes the file wait for a person. Where no reader is installed, where pixels cannot be decoded, are
too many, or take too long, the file waits too. A process that breaks costs its own file a reason and nothing else.

Does not guarantee: that faint, turned or handwritten text is found, nor letters of fewer than about twelve pixels, nor
what stands only in frames that are not the first, the middle or the last.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

PROGRAM = "tesseract"
SECONDS = 60
CHILD = Path(__file__).with_name("ocr_child.py")
_RULES = {b"text": "burned-in-text", b"none": ""}
_PIECE = 1 << 20


def read_pixels(file: BinaryIO, seconds: int = SECONDS) -> str:
    """The rule that the pixels break: `burned-in-text`, `ocr-missing`, `ocr-unread`, or empty without text."""
    if (program := shutil.which(PROGRAM)) is None:
        return "ocr-missing"
    return _RULES.get(_answer(program, file, seconds), "ocr-unread")


def _answer(program: str, file: BinaryIO, seconds: int) -> bytes:
    """The child's one word; empty where it broke or was ended."""
    with os.fdopen(os.memfd_create("pixels", os.MFD_CLOEXEC), "w+b") as copy:
        file.seek(0)
        shutil.copyfileobj(file, copy, _PIECE)
        copy.flush()
        copy.seek(0)
        with subprocess.Popen(
            [sys.executable, "-I", str(CHILD), program, str(seconds)],
            stdin=copy,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"OMP_THREAD_LIMIT": "1", "OPENBLAS_NUM_THREADS": "1", "PATH": os.environ.get("PATH", os.defpath)},
            start_new_session=True,
        ) as child:
            try:
                said, _ = child.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                said = b""
            finally:
                _end(child.pid)
    return said


def _end(session: int) -> None:
    """End whatever is left of the child's own session."""
    with suppress(ProcessLookupError):
        os.killpg(session, signal.SIGKILL)
