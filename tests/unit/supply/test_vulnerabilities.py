"""The real pip-audit at a database of the test's own: what it knows is said, and silence is no answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import vulnerabilities

TODAY = date(2030, 1, 1)
WEAKNESS = {
    "id": "PYSEC-2030-1",
    "aliases": ["CVE-2030-1"],
    "summary": "made up",
    "details": "made up",
    "modified": "2030-01-01T00:00:00Z",
    "published": "2030-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": "weak", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}],
        }
    ],
}


class Database(BaseHTTPRequestHandler):
    """Answers as OSV does."""

    asked: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        """One question: a package and its version."""
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(question)
        known = {"vulns": [WEAKNESS]} if question["package"]["name"] == "weak" else {}
        body = json.dumps(known).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


@contextmanager
def serving() -> Iterator[str]:
    """Its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Database)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def pins(folder: Path, *names: str) -> Path:
    """Requirement files with these packages."""
    lines = [f"{name}==1.0 \\\n    --hash=sha256:{'0' * 64}\n" for name in names]
    (folder / "services.txt").write_text("".join(lines))
    return folder


def test_a_weakness_that_is_known_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as url:
        assert vulnerabilities.main(pins(tmp_path, "sound"), url, TODAY) == 0
        assert vulnerabilities.main(pins(tmp_path, "sound", "weak"), url, TODAY) == vulnerabilities.FOUND
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "1 packages asked about, 0 weaknesses known.",
        "weak 1.0: PYSEC-2030-1 (CVE-2030-1), mended in 2.0",
        "2 packages asked about, 1 weaknesses known.",
    ]
    assert {"package": {"name": "weak", "ecosystem": "PyPI"}, "version": "1.0"} in Database.asked


def test_one_that_was_judged_is_left_out_until_its_day(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judged = '["PYSEC-2030-1"]\nwhy = "no code path of ours reaches it"\nuntil = 2030-02-01\n'
    (tmp_path / vulnerabilities.JUDGED).write_text(judged)
    with serving() as url:
        assert vulnerabilities.main(pins(tmp_path, "weak"), url, TODAY) == 0
        assert "no code path of ours reaches it" in capsys.readouterr().out
        assert vulnerabilities.main(tmp_path, url, date(2030, 2, 1)) == vulnerabilities.FOUND


def test_a_database_that_cannot_be_asked_is_not_a_clean_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as url:
        closed = url
    assert vulnerabilities.main(pins(tmp_path, "sound"), closed, TODAY) == vulnerabilities.NOT_ASKED
    assert "nothing is known" in capsys.readouterr().err
