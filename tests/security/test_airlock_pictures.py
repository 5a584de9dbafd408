"""Pictures through the real, confined check: libraries that decode them work behind every wall, and load nothing there.

The allow-list of system calls is the one for files of text: decoding, drawing and hashing need no further call.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.assets.airlock.pictures import HONEST, HOSTILE, TELLING, as_jpeg, as_png, figure, radiograph
from tre.airlock.child import walls
from tre.airlock.confine import Instruction, examine
from tre.airlock.extract import decode
from tre.airlock.identify import FORMATS, type_of

CHECKOUT = Path(__file__).parents[2]
KINDS = ("png", "jpeg", "svg", "pdf")

CLEAN = {"png": "panels.png", "jpeg": "trends.jpg", "svg": "trends.svg", "pdf": "trends.pdf"}

AS_THE_CHILD_DOES = """
import sys
sys.path.insert(0, sys.argv[1])
import encodings.utf_8, json, struct, base64
from tre.airlock.checks import checks_for, run_all
from tre.airlock.extract import encode, extract_of
from tre.airlock.identify import FORMATS
from tre.airlock.parsed import Bounds, FileRefusedError, Surroundings
parse, observers = FORMATS[sys.argv[2]].load(), [check.load() for check in checks_for(sys.argv[2])]
before = set(sys.modules)
for path in sys.argv[3:]:
    data = open(path, "rb").read()
    try:
        file = parse(sys.argv[2], data, Bounds())
        run_all(file, Surroundings(people=500), observers)
        encode(extract_of(file, tuple(("",) * len(table.header) for table in file.tables)))
    except FileRefusedError:
        pass
    for name in sorted(set(sys.modules) - before):
        print(path, name)
    before = set(sys.modules)
print("done")
"""


def written(directory: Path, name: str, data: bytes) -> Path:
    path = directory / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_loaded_while_files_are_looked_at(kind: str, tmp_path: Path) -> None:
    """Behind the walls a late import kills the check: every file of the corpus, refused or not, needs none."""
    made = {name: item.make for name, item in (HOSTILE | TELLING).items()} | HONEST
    slow = {"many-elements.svg", "unfolds.svg"}
    paths = [
        written(tmp_path, name, make()) for name, make in made.items() if type_of(name) == kind and name not in slow
    ]
    assert len(paths) > 10
    done = subprocess.run(
        [sys.executable, "-c", AS_THE_CHILD_DOES, str(CHECKOUT), kind, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
    )
    assert done.stdout.split() == ["done"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_is_looked_at_behind_every_wall(kind: str, tmp_path: Path) -> None:
    assert FORMATS[kind].libraries
    with written(tmp_path, "figure", figure(CLEAN[kind])).open("rb") as opened:
        answer, extract = examine(opened.fileno(), Instruction(kind, people=500))
    version = walls._libc.syscall(walls.LANDLOCK_CREATE, None, 0, walls.LANDLOCK_VERSION)
    assert set(answer.walls) == set(walls.WALLS) - (set() if version >= 1 else {"landlock"})
    assert answer.observations == ()
    shown = decode(extract)
    assert shown.pictures >= (kind != "svg")
    assert {card.kind for card in shown.cards} >= {"drawing" if kind == "svg" else "picture"}


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("radiograph.png", "P03"),
        ("radiograph.jpg", "P03"),
        ("radiograph.svg", "P03"),
        ("radiograph.pdf", "P03"),
        ("invisible-text.pdf", "F07"),
        ("one-dot-a-person.svg", "S09"),
        ("one-dot-a-person.pdf", "S09"),
        ("javascript.pdf", "F06"),
        ("encrypted.pdf", "F04"),
        ("behind-the-last-coefficient.jpg", "F03"),
        ("uses-itself.svg", "F05"),
    ],
)
def test_findings_come_from_behind_the_walls(name: str, check: str, tmp_path: Path) -> None:
    item = (HOSTILE | TELLING)[name]
    with written(tmp_path, "file", item.make()).open("rb") as opened:
        answer, _ = examine(opened.fileno(), Instruction(type_of(name)))
    assert check in {said.check for said in answer.observations}
    assert any(item.says in said.message for said in answer.observations)


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_two_million_pixels_take_about_a_second(kind: str, tmp_path: Path) -> None:
    image = radiograph(0, 1414)
    data = as_png(image) if kind == "png" else as_jpeg(image, quality=90)
    with written(tmp_path, "file", data).open("rb") as opened:
        begun = time.monotonic()
        answer, _ = examine(opened.fileno(), Instruction(kind))
        took = time.monotonic() - begun
    assert {said.check for said in answer.observations} == {"P03"}
    assert took < 5, "about one second on a quiet machine"


def test_pictures_over_the_memory_of_the_policy_are_a_finding(tmp_path: Path) -> None:
    data = as_png(radiograph(0, 256).convert("RGB").resize((2500, 2500)))
    with written(tmp_path, "file", data).open("rb") as opened:
        answer, _ = examine(opened.fileno(), Instruction("png", memory=160 << 20))
        assert {said.check for said in answer.observations} == {"F05"}
        answer, _ = examine(opened.fileno(), Instruction("png"))
    assert {said.check for said in answer.observations} == {"P03"}
