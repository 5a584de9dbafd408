"""Wheels: Python packages as people bring them in. Standard library only. A type that comes in, never one that leaves.

Guarantees: what `container` guarantees of the archive; one NAME-VERSION.dist-info with METADATA, WHEEL and RECORD that
agree on project and version; every file is listed in RECORD with its SHA-256 and size, and nothing else is listed; no
archive or encrypted file lies inside, while single compressed files, as scientific packages bring them, are said.
What runs or is found without being asked for (`.pth`, start-up modules, commands, plug-ins, files beside the packages,
compiled code) is said. The list of files, METADATA and the sources are shown.

Does not guarantee: that the code does what it says, or that compiled code does what its source says: nobody can read
that here. It runs where there is no network, with the rights of the person who installs it.

Threats: an archive that two installers unpack differently or outside its folder, links, bombs; a file that nobody sees
because it is not listed; code that runs with the interpreter before anybody imports anything; sources that show their
lines in another order than they run (bidirectional marks).

Source of the bounds: numpy 1.26 has 1,008 files in 17 MiB, which unfold to 61 MiB, the largest of them to 33;
scikit-learn 1.7 has 1,073 files. Some room is left above that.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tre.airlock.formats.container import Member, Terms, unfold
from tre.airlock.formats.endings import named
from tre.airlock.formats.magics import MODEL, PROGRAM
from tre.airlock.formats.signatures import content_of
from tre.airlock.formats.text import passages_of
from tre.airlock.formats.wheelwords import (
    expanded,
    fields_of,
    normal_project,
    normal_version,
    only,
    record_of,
    refuse,
)
from tre.airlock.naming import problem_of
from tre.airlock.parsed import (
    INVISIBLE,
    Bounds,
    Card,
    FileRefusedError,
    Observation,
    Package,
    ParsedFile,
    Place,
    Table,
    quoted,
)

SEARCHED_CHARACTERS = 4 << 20
SHOWN_CHARACTERS = 2 << 20
"""How much text is searched for secrets and shown to people; what is beyond is said not to be shown."""

_LONGEST_TEXT = 1 << 20
_LONGEST_POINTER = 250
_TEXTS = (".py", ".pyi", ".txt", ".md", ".rst", ".toml", ".json", ".cfg", ".ini", ".yaml", ".yml", ".sh", ".pth", ".r")
_COMPILED = re.compile(r"\.(?:so|pyd|dll|dylib)(?:\.\d{1,6}){0,4}$", re.IGNORECASE)
_SINGLE = re.compile(r"a gzip|a bzip2|an xz|a Zstandard|an LZ4|an lzip|zlib")
_SINGLE_NAME = re.compile(r"(?<!\.tar)\.(?:gz|bz2|xz|zst|lz4|lz)$", re.IGNORECASE)
_ELSEWHERE = ("data", "headers")
_SCHEMES = frozenset({"purelib", "platlib", "scripts", *_ELSEWHERE})
_STARTING = frozenset({"sitecustomize.py", "usercustomize.py"})
_UNLISTED = ("RECORD", "RECORD.jws", "RECORD.p7s")
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_SECTION = re.compile(r"\[[ \t]*+([^\]\[]{1,200})\]")
_LIBRARY = re.compile(r"^[^/]+\.data/(?:purelib|platlib)/")
_PATH_PREFIX = re.compile(r"(?:[^/]+)\.dist-info")


def _problem(name: str) -> str:
    """What is wrong with a file's name: `naming`, yet names that begin with a dot are usual in packages."""
    parts = name.split("/")
    if any(part in {"", ".", ".."} for part in parts):
        return "It leads outside its folder, or holds an empty part."
    return problem_of("/".join(part.lstrip(".") or part for part in parts))


TERMS = Terms(
    noun="package",
    remedy="Build the package again, or get it again from where it comes from.",
    less="Bring in a smaller package, or ask the operator for it.",
    members=5000,
    member_bytes=128 << 20,
    total_bytes=512 << 20,
    problem=_problem,
    folders=True,
)


@dataclass
class _Held:
    """What is held of a package while it unfolds: the hash and size of each file, and the texts."""

    listed: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    compiled: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    packed: list[str] = field(default_factory=list)
    searched: int = 0


def parse(kind: str, data: bytes, bounds: Bounds) -> ParsedFile:
    """A package. Raises `FileRefusedError`."""
    package = _Held()
    for member in unfold(data, TERMS):
        _take(package, member)
    _check_folders(package)
    if len(package.listed) > bounds.rows:
        refuse(f"{len(package.listed)} files are more than the {bounds.rows} allowed.", TERMS.less, "F05")
    folder = _folder_of(package)
    words = _words_of(package, folder)
    _check_record(package, folder)
    parsed = ParsedFile(kind, len(data), package=words)
    parsed.remarks += _remarks(package, folder, words)
    _show(parsed, package, folder)
    return parsed


def _take(package: _Held, member: Member) -> None:
    """Hash a file, see what it is, and keep it where it is a text."""
    name, data = member.name, member.data
    package.listed[name] = (hashlib.sha256(data).digest(), len(data))
    found, said = content_of(data) if data else None, named(name)
    is_packed = found is not None and _SINGLE.match(found.what) is not None and "archive" not in found.what
    is_static = found is not None and found.what == "an ar archive" and name.endswith(".a")
    if found is not None and found.group.check == "F04" and not (is_packed or is_static):
        refuse(f"Inside the package lies {found.what}: {quoted(name)}.", "Bring it in by itself, unpacked.", "F04")
    if said is not None and said.check == "F04" and not (is_packed and _SINGLE_NAME.search(name)):
        refuse(f"By its name {quoted(name)} in the package is an archive.", "Bring it in by itself, unpacked.", "F04")
    if _COMPILED.search(name) or is_static or (found is not None and found.group is PROGRAM):
        package.compiled.append(name)
    elif is_packed:
        package.packed.append(name)
    elif found is not None and found.group is MODEL:
        package.models.append(name)
    elif _is_text(name):
        _keep_text(package, name, data)
    elif not name.lower().endswith(("/record", "/record.jws", "/record.p7s")):
        package.unread.append(name)
    if name.endswith(".dist-info/RECORD"):
        package.texts[name] = _decoded(data, name)


def _is_text(name: str) -> bool:
    last = name.rsplit("/", 1)[-1]
    return last.lower().endswith(_TEXTS) or (_PATH_PREFIX.match(name) is not None and not last.startswith("RECORD"))


def _keep_text(package: _Held, name: str, data: bytes) -> None:
    needed = name.count("/") == 1 and ".dist-info/" in name
    if not needed and (len(data) > _LONGEST_TEXT or package.searched + len(data) > SEARCHED_CHARACTERS):
        package.unread.append(name)
        return
    try:
        package.texts[name] = _decoded(data, name)
        package.searched += len(data)
    except FileRefusedError:
        if needed:
            raise
        package.unread.append(name)


def _decoded(data: bytes, name: str) -> str:
    if len(data) > 4 * _LONGEST_TEXT:
        refuse(f"{quoted(name)} is too long.", TERMS.less, "F05")
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise FileRefusedError(Observation("F02", f"{quoted(name)} is not UTF-8 text.", TERMS.remedy)) from error


def _check_folders(package: _Held) -> None:
    """No name is a file and a folder."""
    files = {name.casefold() for name in package.listed}
    for name in package.listed:
        parts = name.casefold().split("/")
        if any("/".join(parts[:depth]) in files for depth in range(1, len(parts))):
            refuse(f"{quoted(name)} lies in a folder that is also a file.", TERMS.remedy, "F03")


def _folder_of(package: _Held) -> str:
    """The one folder of what the package says of itself."""
    tops = {name.split("/")[0] for name in package.listed}
    found = sorted(top for top in tops if top.lower().endswith(".dist-info"))
    if len(found) != 1 or not found[0].endswith(".dist-info"):
        refuse(f"The package has {len(found)} folders NAME-VERSION.dist-info instead of one.", TERMS.remedy)
    for needed in ("METADATA", "WHEEL", "RECORD"):
        if f"{found[0]}/{needed}" not in package.listed:
            refuse(f"The package has no {needed} in {quoted(found[0])}.", TERMS.remedy)
    return found[0]


def _words_of(package: _Held, folder: str) -> Package:
    """What METADATA and WHEEL say, which must be of the project and version of their folder."""
    metadata = fields_of(package.texts[f"{folder}/METADATA"], "METADATA")
    wheel = fields_of(package.texts[f"{folder}/WHEEL"], "WHEEL")
    only(metadata, "Metadata-Version", "METADATA")
    project, version = only(metadata, "Name", "METADATA"), only(metadata, "Version", "METADATA")
    own_project, _, own_version = folder.removesuffix(".dist-info").partition("-")
    if (normal_project(project), normal_version(version)) != (normal_project(own_project), normal_version(own_version)):
        refuse(f"METADATA is of {quoted(f'{project} {version}')}, its folder is {quoted(folder)}.", TERMS.remedy)
    if only(wheel, "Wheel-Version", "WHEEL").split(".")[0] != "1":
        refuse("The package has a format of wheels that is not known.", TERMS.remedy)
    if (pure := only(wheel, "Root-Is-Purelib", "WHEEL").lower()) not in {"true", "false"}:
        refuse("WHEEL does not say where the package is installed.", TERMS.remedy)
    tags = tuple(sorted(expanded(wheel.get("tag", []))))
    return Package(normal_project(project), normal_version(version), tags, pure == "true")


def _check_record(package: _Held, folder: str) -> None:
    """RECORD lists every file but itself and its signatures with the right hash and size, and nothing else."""
    record = record_of(package.texts[f"{folder}/RECORD"])
    own = {f"{folder}/{name}" for name in _UNLISTED}
    for name, is_so in package.listed.items():
        said = record.pop(name, None)
        if name in own:
            if name.endswith("/RECORD") and said is not None:
                refuse("RECORD gives a hash of itself.", TERMS.remedy)
        elif said is None:
            refuse(f"RECORD does not list {quoted(name)} with its hash.", TERMS.remedy, "F03")
        elif said != is_so:
            refuse(f"{quoted(name)} is not the file that RECORD lists.", TERMS.remedy, "F03")
    if left := sorted(set(record) - own):
        refuse(f"RECORD lists {quoted(left[0])}, which is not there.", TERMS.remedy)


def _remarks(package: _Held, folder: str, words: Package) -> Iterator[Observation]:
    """What a person should know before this is let in; none of it is forbidden."""
    starting = [n for n in package.listed if _in_root(n) and (n.endswith(".pth") or _base(n) in _STARTING)]
    yield from _told(starting, "may run with the interpreter, before anything is imported", "Read it.")
    schemes = _schemes(package, folder)
    yield from _told(schemes.get("scripts", []), "is installed as a command", "Read it.")
    for scheme in _ELSEWHERE:
        yield from _told(schemes.get(scheme, []), "is put beside the packages of the environment", "Look what it is.")
    yield from _told(list(_entry_points(package, folder)), "is what the package offers to call by name", "Read it.")
    platforms = ", ".join(sorted({tag.split("-")[2] for tag in words.tags})) or "no platform"
    odd = ", though it calls itself free of such" if words.pure else ""
    yield from _told(
        package.compiled,
        f"is compiled code for {platforms}{odd}, which nobody can read",
        "Ask where it comes from, and compare its SHA-256 with what its makers publish.",
    )
    yield from _told(package.models, "is a saved object that may run code when it is loaded", "Ask what it is for.")
    yield from _told(package.packed, "is compressed, and nobody sees what it holds", "Ask what it is for.")
    turning = [name for name, text in package.texts.items() if name.endswith(".py") and _TURNING.search(text)]
    yield from _told(turning, "shows its text in another order than it runs", "Look at its bytes.")


def _schemes(package: _Held, folder: str) -> dict[str, list[str]]:
    """Files of NAME-VERSION.data by where they are installed. Raises `FileRefusedError`."""
    data, found = f"{folder.removesuffix('.dist-info')}.data", dict[str, list[str]]()
    for name in package.listed:
        top, _, rest = name.partition("/")
        if top.lower().endswith(".data") and rest:
            scheme, _, inner = rest.partition("/")
            if top != data or scheme not in _SCHEMES or not inner:
                refuse(f"{quoted(name)} has no place where packages are installed.", TERMS.remedy)
            found.setdefault(scheme, []).append(name)
    return found


def _in_root(name: str) -> bool:
    """Whether a file is installed directly where modules are looked for."""
    return "/" not in _LIBRARY.sub("", name)


def _base(name: str) -> str:
    return name.rsplit("/", 1)[-1].lower()


def _told(names: list[str], what: str, advice: str) -> Iterator[Observation]:
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        message = f"In the package, {quoted(sorted(names)[0])}{more}: {what}."
        yield Observation("F06", message[:480], advice, _place(sorted(names)[0]), "package")


def _entry_points(package: _Held, folder: str) -> Iterator[str]:
    """`group: name = module:function` of what the package offers."""
    group = ""
    for line in package.texts.get(f"{folder}/entry_points.txt", "").splitlines():
        bare = line.strip()
        if section := _SECTION.fullmatch(bare):
            group = section.group(1).strip()
        elif "=" in bare and not bare.startswith(("#", ";")):
            yield f"{group}: {bare}"


def _place(name: str) -> Place:
    return Place(pointer=f"/{name}"[:_LONGEST_POINTER])


def _first(folder: str) -> Callable[[str], tuple[int, str]]:
    """METADATA first, then what else the package says of itself, then its files by name."""
    return lambda name: (0 if name == f"{folder}/METADATA" else 1 if name.startswith(folder) else 2, name)


def _show(parsed: ParsedFile, package: _Held, folder: str) -> None:
    """The list of files, and the texts as far as there is room."""
    rows = [[_seen(name), str(size), digest.hex()] for name, (digest, size) in sorted(package.listed.items())]
    parsed.tables.append(Table(["file", "bytes", "sha256"], rows, title="Files of the package"))
    parsed.cards.append(Card("table", "Files of the package", table=0))
    room, left_out = SHOWN_CHARACTERS, 0
    for name in sorted(package.texts, key=_first(folder)):
        text = package.texts[name]
        if name == f"{folder}/RECORD":
            continue
        parsed.passages += passages_of(text, "metadata" if name.startswith(folder) else "code", _place(name))
        if len(text) > room:
            left_out += 1
            continue
        room -= len(text)
        kind = "code" if name.endswith((".py", ".pyi", ".sh", ".r", ".pth")) else "text"
        parsed.cards.append(Card(kind, _seen(name)[:200], _seen(text), place=_place(name)))
    unread = sum(map(len, (package.unread, package.compiled, package.models, package.packed)))
    if unread or left_out:
        parsed.lossy = f"Not shown: {unread} files that are no text or too long, {left_out} texts beyond the room."


def _seen(text: str) -> str:
    return INVISIBLE.sub("\N{REPLACEMENT CHARACTER}", text)
