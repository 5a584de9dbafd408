"""Planted leaks and their near-misses by name: of a slice's identifiers and records, of identifiers of people, of
secrets, and of training data in models.

Guarantees: every leak says which check must find it; every near-miss is something that honest outputs hold and that
the same check must let pass. People, numbers and names are made here from fixed seeds; nobody is real.
"""

from __future__ import annotations

import functools
import json
import random
import statistics
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from tre.airlock.parsed import ParsedFile, Passage, Table
from tre.airlock.sliceindex.body import bundle
from tre.airlock.sliceindex.making import Material, make

PEOPLE = 918
LABS, SCORES = 20, 9
STUDY = "1.2.826.0.1.3680043.8.498.4567890123456"
STEM = "0a1b2c3d-0e4f-4567-89ab-00cdef012345"
KEY = bytes(range(32))

Row = dict[str, object]


@functools.lru_cache(maxsize=1)
def people() -> tuple[Row, ...]:
    """A table of 918 people and 35 columns: what a slice with laboratory values would hold."""
    chance = random.Random(1)
    numbers = chance.sample(range(100_000, 999_999), PEOPLE)
    sites = [f"TRUST-{n:02}" for n, weight in enumerate((30, 18, 12, 9, 7, 6, 5, 4), start=1) for _ in range(weight)]
    return tuple(_person(number, chance, sites) for number in numbers)


def _person(number: int, chance: random.Random, sites: list[str]) -> Row:
    row: Row = {
        "pseudonym": f"Covid{number}",
        "age": chance.randrange(18, 90),
        "sex": chance.choice(("female", "male")),
        "site": chance.choice(sites),
        "swab_date": (date(2020, 3, 1) + timedelta(days=chance.randrange(400))).isoformat(),
    }
    row |= {f"lab{n}": round(chance.lognormvariate(1 + n / 4, 0.4), (0, 1, 2)[n % 3]) for n in range(LABS)}
    row |= {f"score{n}": round(chance.gauss(50, 12), 3) for n in range(SCORES)}
    row["flag"] = chance.choice((0, 1, 2))
    return row


@functools.lru_cache(maxsize=1)
def index() -> bytes:
    """The bundle of one index: of these people, of one study and one file name."""
    names = [str(row["pseudonym"]) for row in people()]
    material = Material(identifiers=[*names, STUDY, STEM], names=names)
    for row in people():
        material.add(str(row["pseudonym"]), row)
    return bundle([make(material, KEY)])


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> ParsedFile:
    """A parsed CSV."""
    return ParsedFile("csv", 1, tables=[Table(list(header), [[str(cell) for cell in row] for row in rows])])


def text(words: str, kind: str = "text") -> ParsedFile:
    """A parsed text."""
    return ParsedFile("text", len(words), passages=[Passage(words, kind=kind)])


def value(content: object) -> ParsedFile:
    """A parsed JSON value."""
    return ParsedFile("json", 1, value=json.loads(json.dumps(content)))


def _columns(rows: Iterable[Row], names: Sequence[str]) -> list[list[object]]:
    return [[row[name] for name in names] for row in rows]


def _groups(of: Callable[[Iterable[float]], float], form: str) -> ParsedFile:
    numbers = [name for name in people()[0] if name.startswith(("lab", "score"))]
    sites = sorted({str(row["site"]) for row in people()})
    rows = [
        [
            site,
            *(format(of([float(str(row[name])) for row in people() if row["site"] == site]), form) for name in numbers),
        ]
        for site in sites
    ]
    return table(["site", *numbers], rows)


def _unrelated(count: int, seed: int = 5) -> ParsedFile:
    """Coefficients, days with counts, and measurements of the slice's own distributions."""
    chance = random.Random(seed)
    rows: list[list[str]] = []
    for number in range(count):
        if number % 3 == 0:
            rows.append([f"t{number % 50}", *(f"{chance.gauss(0, 1):.3f}" for _ in range(3)), f"{chance.random():.4f}"])
        elif number % 3 == 1:
            day = date(2020, 3, 1) + timedelta(days=chance.randrange(400))
            rows.append([day.isoformat(), *(str(chance.randrange(10, 5000)) for _ in range(4))])
        else:
            rows.append([f"g{number % 20}", *(f"{chance.gauss(50, 12):.2f}" for _ in range(4))])
    return table(["x", "a", "b", "c", "d"], rows)


ALL = tuple(people()[0])
RECORDS: dict[str, Callable[[], ParsedFile]] = {
    "first-rows": lambda: table(ALL, _columns(people()[:20], ALL)),
    "first-rows-renamed": lambda: table([f"v{n}" for n in range(len(ALL))], _columns(people()[:20], ALL)),
    "three-columns-renamed-and-rounded": lambda: table(
        ["a", "b", "c"],
        [[round(float(str(row[name])), 1) for name in ("lab16", "score2", "score5")] for row in people()[:200]],
    ),
    "turned-round": lambda: table(
        [f"p{n}" for n in range(6)], list(zip(*_columns(people()[:6], ALL[1:]), strict=True))
    ),
    "printed": lambda: text(
        "\n".join(" ".join(str(row[name]) for name in ALL[4:]) for row in people()[:5]), kind="output"
    ),
    "json-rows": lambda: value({"rows": [{name: row[name] for name in ALL[1:]} for row in people()[:4]]}),
    "json-columns": lambda: value({name: [row[name] for row in people()[:5]] for name in ALL[1:]}),
    "own-columns-common-values": lambda: table(
        ["age", "sex", "site", "flag"], _columns(people()[:60], ("age", "sex", "site", "flag"))
    ),
    "other-spelling": lambda: table(
        ["day", "x", "y"],
        [[_british(str(row["swab_date"])), f"{row['score1']}", f"+{row['score3']}"] for row in people()[:10]],
    ),
}
"""Single records of the slice, in the ways in which they get out."""


def _british(day: str) -> str:
    return f"{day[8:]}/{day[5:7]}/{day[:4]}"


NO_RECORDS: dict[str, Callable[[], ParsedFile]] = {
    "group-means": lambda: _groups(statistics.mean, ".2f"),
    "group-means-coarse": lambda: _groups(statistics.mean, ".1f"),
    "group-medians": lambda: _groups(statistics.median, ".0f"),
    "unrelated": lambda: _unrelated(3000),
    "counts-by-sex-and-site": lambda: table(
        ["sex", "site", "n"],
        [[sex, f"TRUST-{n:02}", 10 + n] for sex in ("female", "male") for n in range(1, 9)],
    ),
    "grid-of-predictions": lambda: table(
        ["age", "sex", "site", "swab_date", "risk"],
        [
            [age, sex, f"TRUST-{n:02}", "2030-01-01", "0.123"]
            for age in range(20, 80, 3)
            for sex in ("female", "male")
            for n in range(1, 5)
        ],
    ),
    "suppressed-counts-of-every-combination": lambda: table(
        ["sex", "site", "flag", "n"],
        [
            [*key, str(count) if count >= 10 else "<10"]
            for key, count in sorted(Counter((r["sex"], r["site"], r["flag"]) for r in people()).items(), key=str)
        ],
    ),
    "predictions-for-every-combination": lambda: table(
        ["age", "sex", "flag", "risk"],
        [[age, sex, flag, "0.12"] for age in range(20, 90, 5) for sex in ("female", "male") for flag in (0, 1, 2)],
    ),
    "metrics": lambda: value({"auc": 0.912, "epochs": [1, 2, 3], "loss": [0.9, 0.81, 0.734], "n": 918}),
}
"""Summaries of the same people, and tables that have nothing to do with them."""


@dataclass(frozen=True)
class Spelled:
    """A text and whether it names somebody of the slice; `name` is the file's."""

    content: Callable[[], ParsedFile]
    name: str = "result.csv"


def _pseudonym(place: int = 0) -> str:
    return str(people()[place]["pseudonym"])


NAMED: dict[str, Spelled] = {
    "column": Spelled(lambda: table(["id"], [[_pseudonym(n)] for n in range(3)])),
    "capitals-and-separator": Spelled(lambda: text(f"excluded {_pseudonym().upper().replace('COVID', 'COVID_')}.")),
    "leading-zeros": Spelled(lambda: text(_pseudonym().replace("Covid", "covid-00"))),
    "quotes": Spelled(lambda: table(["id"], [[f'"{_pseudonym()}"']])),
    "inside-a-word": Spelled(lambda: text(f"mask_x{_pseudonym()}_v2")),
    "header": Spelled(lambda: table([_pseudonym(), "b"], [["1.5", "2.5"]])),
    "json-key": Spelled(lambda: value({"errors": {_pseudonym(): "missing"}})),
    "file-name": Spelled(lambda: table(["a"], [["1.5"]]), name=f"plots/{_pseudonym()}_roc.csv"),
    "directory": Spelled(lambda: table(["a"], [["1.5"]]), name=f"{_pseudonym()}/roc.csv"),
    "uid": Spelled(lambda: text(f"loading {STUDY}/series")),
    "uid-with-underscores": Spelled(lambda: text(STUDY.replace(".", "_") + ".png")),
    "uid-and-number": Spelled(lambda: text(f"{STUDY}_1")),
    "stem": Spelled(lambda: text(f"data/{STEM.upper()}.dcm missing", kind="output")),
    "stem-without-hyphens": Spelled(lambda: text(STEM.replace("-", ""))),
}
NOT_NAMED: dict[str, Spelled] = {
    "the-illness": Spelled(lambda: text("COVID-19 in 2020, Covid19 cases, covid 2021 wave")),
    "a-stranger": Spelled(lambda: text("Covid1000001 and Covid99")),
    "another-uid": Spelled(lambda: text("1.2.840.10008.5.1.4.1.1.2 and 1.2.826.0.1.3680043.8.498.1")),
    "versions": Spelled(lambda: text("numpy 1.26.4, section 1.2.3.4, 10.0.0.1")),
    "commits": Spelled(lambda: text("4f1b0a9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a 0e37df36-f698-11e6-8dd4-cb9ced3df976")),
    "numbers": Spelled(lambda: table(["n", "t"], [["123456", "1700000000"], ["654321", "1700000001"]])),
    "name": Spelled(lambda: table(["a"], [["1.5"]]), name="covid19_2020_results_v2.csv"),
}


def health_number(stem: int) -> str:
    """A number with its check digit; stems whose digit would be ten move on to the next."""
    while True:
        digits = f"{stem:09}"
        check = (11 - sum(int(d) * w for d, w in zip(digits, range(10, 1, -1), strict=True)) % 11) % 11
        if check < 10:
            return f"{digits}{check}"
        stem += 1


def health_numbers(count: int, first: int = 999_100_000) -> list[str]:
    """Different numbers of the range that is set aside for tests."""
    return [health_number(first + 37 * n) for n in range(count)]


def _spaced(number: str) -> str:
    return f"{number[:3]} {number[3:6]} {number[6:]}"


PERSONAL: dict[str, Callable[[], ParsedFile]] = {
    "a-column-of-numbers": lambda: table(["ref"], [[number] for number in health_numbers(12)]),
    "half-of-a-column": lambda: table(
        ["ref"], [[number] for number in [*health_numbers(10), *(str(1_000_000_000 + n) for n in range(8))]]
    ),
    "scottish-numbers": lambda: table(["x"], [[health_number(10_180_100 + 13 * n)] for n in range(12)]),
    "one-with-its-word": lambda: text(f"NHS number: {health_numbers(1)[0]} was excluded"),
    "one-under-its-title": lambda: table(["nhs_number"], [[health_numbers(1)[0]]]),
    "one-as-written": lambda: text(f"contact {_spaced(health_numbers(1)[0])} again"),
    "postcode": lambda: text("lives at ZE3 9JW near the harbour"),
    "postcodes-in-a-column": lambda: table(["area"], [["ZE39JW"], ["KW17 2AA"]]),
    "mail": lambda: text("ask jane.doe@hospital.nhs.uk for access"),
    "phone": lambda: text("Tel: 01632 960123"),
    "international-phone": lambda: text("+44 7700 900123"),
    "birth": lambda: table(["dob", "n"], [["03/04/1951", "1"], ["1960-01-02", "2"], ["1.2.1970", "3"]]),
    "dates-with-age-and-sex": lambda: table(
        ["age", "sex", "admitted"], [["54", "M", "2020-04-03"], ["61", "F", "2020-04-05"], ["70", "F", "2020-05-01"]]
    ),
    "name": lambda: text("seen by Dr Eleanor Winterbottom on the ward"),
}
NOT_PERSONAL: dict[str, Callable[[], ParsedFile]] = {
    "times": lambda: table(["t"], [[str(1_700_000_000 + 977 * n)] for n in range(40)]),
    "random-numbers": lambda: table(["x"], [[str(random.Random(n).randrange(10**9, 10**10))] for n in range(60)]),
    "one-that-passes-by-chance": lambda: table(["bytes"], [[health_number(470_000_001)], ["1234567891"]]),
    "hexadecimal": lambda: text("ab1 2cd E1 6AN0 sha e16an m25-3ab"),
    "outward-codes": lambda: table(["district"], [["SW1A"], ["M25"], ["E16"]]),
    "models": lambda: text("B1 2 variants, N1 5mg, GPT4 3x, H1N1 2009"),
    "author-addresses": lambda: text("mail noreply@example.com or me@users.noreply.github.com, a@b"),
    "decorators": lambda: text("@property\ndef f(x): return x @ w\n", kind="code"),
    "numbers-like-phones": lambda: text("0123456789 and 01234 567890 steps"),
    "dates-of-weeks": lambda: table(
        ["week", "n"], [["2020-04-06", "120"], ["2020-04-13", "130"], ["2020-04-20", "99"]]
    ),
    "age-and-sex-without-dates": lambda: table(["age", "sex", "n"], [["18-39", "M", "120"], ["40-59", "F", "130"]]),
    "titles-without-names": lambda: text("Dr and nurse; MS Excel; Miss Rate 0.2; Mr. and"),
}

SECRETS: dict[str, Callable[[], str]] = {
    "private-key": lambda: "-----BEGIN OPENSSH " + "PRIVATE KEY-----\nb3BlbnNzaC1r",
    "cloud-key": lambda: "AKIA" + "QRSTUVWX23456723",
    "forge-token": lambda: "ghp_" + "a1B2" * 9,
    "web-token": lambda: "eyJ" + "hbGciOiJIUzI1" + ".eyJ" + "zdWIiOiIxMjM0" + "." + "s5Vx8fYqZk1",
    "password-in-code": lambda: 'password = "hunter22x"',
    "key-in-settings": lambda: "api_key: 8f2c71d0b4aa",
    "connection": lambda: "postgresql://reader:s3cr3tpw@db1/main",
    "home": lambda: "File /home/jbloggs/study/fit.py, line 3",
    "windows-home": lambda: r"C:\Users\jbloggs\study\fit.R",
    "machine": lambda: "connected to gpu-node7.cluster.internal",
    "share": lambda: r"reading \\nasserver\projects$\x.csv",
    "private-address": lambda: "worker at 192.168.14.7 joined",
    "address-with-port": lambda: "listening on 20.31.4.9:8888",
}
NO_SECRETS: dict[str, Callable[[], str]] = {
    "commit": lambda: "commit 4f1b0a9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a",
    "uuid": lambda: "run 0e37df36-f698-11e6-8dd4-cb9ced3df976",
    "checksum": lambda: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "environment": lambda: 'password = os.environ["DB_PASSWORD"]\npwd = getpass()',
    "placeholder": lambda: 'password = "changeme"; token: <your token>; api_key = None',
    "machine-learning": lambda: "tokens: 512\ntoken = tokenizer(text)\nsecret santa; passwords matter",
    "address-without-password": lambda: "https://matplotlib.org/stable and git@github.com:x/y.git",
    "versions": lambda: "R 4.3.1.2, driver 470.82.1.0, version 10.0.0.1, 1.2.3.4",
    "loopback": lambda: "http://127.0.0.1:8888/lab",
    "thread-local": lambda: "cache = threading.local()\nx = self.internal",
    "paths": lambda: "/data/nccid/x.csv, /opt/conda/lib, results/home/a.csv, ~/x",
}


def safetensors(tensors: dict[str, tuple[str, list[int], bytes]], *, metadata: dict[str, str] | None = None) -> bytes:
    """A safetensors file of these tensors, in this order."""
    header: dict[str, object] = {} if metadata is None else {"__metadata__": metadata}
    offset = 0
    for name, (kind, shape, data) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    raw = json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)
    return struct.pack("<Q", len(raw)) + raw + b"".join(data for _, _, data in tensors.values())


def floats(*numbers: float) -> bytes:
    """Numbers in single precision."""
    return struct.pack(f"<{len(numbers)}f", *numbers)


def weights(rows: int, columns: int, seed: int = 3) -> tuple[str, list[int], bytes]:
    """A tensor of trained weights, as far as anybody can tell."""
    chance = random.Random(seed)
    return "F32", [rows, columns], floats(*(chance.gauss(0, 0.1) for _ in range(rows * columns)))


def training_rows(count: int) -> tuple[str, list[int], bytes]:
    """Rows of the slice as a tensor."""
    names = ["lab10", "lab13", "lab16", "score1", "score2", "score3"]
    numbers = [float(str(row[name])) for row in people()[:count] for name in names]
    return "F32", [count, len(names)], floats(*numbers)


def message(*parts: tuple[int, int | bytes]) -> bytes:
    """A Protocol Buffers message: numbers as varints, bytes with their length."""
    out = b""
    for number, content in parts:
        if isinstance(content, int):
            out += varint(number << 3) + varint(content)
        else:
            out += varint(number << 3 | 2) + varint(len(content)) + content
    return out


def varint(number: int) -> bytes:
    """A number of at least nought in base 128."""
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def onnx_tensor(name: str, shape: Sequence[int], data: bytes, *more: tuple[int, int | bytes]) -> bytes:
    """A TensorProto of single-precision numbers."""
    dims = [(1, size) for size in shape]
    return message(*dims, (2, 1), (8, name.encode()), (9, data), *more)


def onnx(*parts: tuple[int, int | bytes], graph: bytes | None = None, opset: str = "") -> bytes:
    """A ModelProto; without a graph, one of a single matrix product."""
    if graph is None:
        node = message((1, b"x"), (1, b"w"), (2, b"y"), (4, b"MatMul"))
        graph = message((1, node), (2, b"main"), (5, onnx_tensor("w", [2, 2], floats(0.12345, 0.5, -0.75, 1.25))))
    return message((1, 8), (2, b"exporter"), (7, graph), (8, message((1, opset.encode()), (2, 13))), *parts)
