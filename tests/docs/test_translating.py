"""What docs/translating.md tells translators to type: begun, translated, compiled, brought up to date, refused."""

from __future__ import annotations

import importlib.util
import io
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from tests.docs.documents import CHECKOUT, DOCS
from tests.support.pseudo import pseudo
from tre.portal.speaking import SHIPPED
from tre.system.languages import load_languages

PROGRAM = CHECKOUT / "tools" / "words.py"
PAGE = (DOCS / "translating.md").read_text(encoding="utf-8")


class Done(NamedTuple):
    """What a run of the program came to."""

    returncode: int
    stdout: str
    stderr: str


@cache
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("words", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


Words = Callable[..., Done]


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Words:
    """The program in this very process, as typed in an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(program(), "TEMPLATE", tmp_path / "public.pot")

    def run(*given: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["words.py", *given])
        return Done(program().main(), *capsys.readouterr())

    return run


def changed(path: Path, said: dict[str, str]) -> None:
    """Translate some texts of a file; `*` stands for all others."""
    catalog: Catalog = read_po(io.BytesIO(path.read_bytes()))
    for message in catalog:
        forms = message.id if isinstance(message.id, tuple) else (message.id,)
        if message.id and "*" in said:
            message.string = tuple([pseudo(forms[-1])] * catalog.num_plurals) if len(forms) > 1 else pseudo(forms[0])
        if forms[0] in said:
            message.string = said[forms[0]]
    with path.open("wb") as file:
        write_po(file, catalog)


def test_the_command_of_the_page_is_the_makefile_s() -> None:
    assert "make words PO=languages/cy.po" in PAGE
    recipe = re.findall(r"^words: ready.*\n\t@(.*)$", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe == ["$(BIN)/python tools/words.py $(PO)"]


def test_the_texts_are_those_of_the_code() -> None:
    command = [sys.executable, str(PROGRAM), "--check"]
    environment = {"PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


def test_a_catalogue_from_its_beginning_to_a_page(words: Words, tmp_path: Path) -> None:
    po = tmp_path / "languages" / "cy.po"
    done = words("languages/cy.po")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"languages/cy\.po: 0 of \d{3} texts translated", done.stdout)
    assert "Plural-Forms: nplurals=" in po.read_text(encoding="utf-8")
    changed(po, {"*": "", "Projects": "Prosiectau", "English": "Cymraeg"})
    done = words("languages/cy.po")
    total = re.search(r"(\d+) of (\d+) texts", done.stdout)
    assert total is not None
    assert total[1] == total[2]
    (welsh,) = load_languages(["cy"], [tmp_path / "languages"])
    assert (welsh.name, welsh.catalogue.gettext("Projects")) == ("Cymraeg", "Prosiectau")
    assert welsh.catalogue.ngettext("%(total)s project", "%(total)s projects", 5) == pseudo("%(total)s projects")
    before = po.read_bytes(), po.with_suffix(".mo").read_bytes()
    assert words("languages/cy.po").returncode == 0
    assert before == (po.read_bytes(), po.with_suffix(".mo").read_bytes())
    assert b"Date: 1970-01-01" in before[1], "what names the minute is another file in the next"


def test_what_is_gone_goes_and_what_changed_waits(words: Words, tmp_path: Path) -> None:
    po = tmp_path / "cy.po"
    words("cy.po")
    old = po.read_text(encoding="utf-8").replace('msgid "Look for a hospital"', 'msgid "Look for some hospital"')
    po.write_text(old + '\nmsgid "Gone"\nmsgstr "Wedi mynd"\n', encoding="utf-8")
    changed(po, {"*": ""})
    done = words("cy.po")
    text = po.read_text(encoding="utf-8")
    assert "1 to be looked at again" in done.stdout
    assert "fuzzy" in text
    assert "Wedi mynd" not in text
    (welsh,) = load_languages(["cy"], [tmp_path])
    assert welsh.catalogue.gettext("Gone") == "Gone"


@pytest.mark.parametrize(
    ("source", "said", "why"),
    [
        ("Published on %(day)s", "Cyhoeddwyd", "It lacks %(day)s"),
        ("Projects", "<b>Prosiectau</b>", "markup"),
        ("Projects", "100 %", "percent sign"),
    ],
)
def test_a_translation_that_would_break_a_page_is_not_compiled(
    words: Words, tmp_path: Path, source: str, said: str, why: str
) -> None:
    words("cy.po")
    changed(tmp_path / "cy.po", {source: said})
    before = (tmp_path / "cy.mo").read_bytes()
    done = words("cy.po")
    assert done.returncode == 1
    assert why in done.stderr
    assert said[:40] in done.stderr
    assert (tmp_path / "cy.mo").read_bytes() == before


@pytest.mark.parametrize("name", ["..po", "english words.po"])
def test_a_name_that_is_no_language_is_refused(words: Words, name: str) -> None:
    done = words(name)
    assert done.returncode == 1
    assert done.stderr.strip()


def test_drift_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With a template that lacks a text, and a catalogue of ours that was not compiled again."""
    made = program()
    monkeypatch.setattr(made, "LOCALE", tmp_path)
    monkeypatch.setattr(made, "TEMPLATE", tmp_path / "public.pot")
    monkeypatch.setattr(sys, "argv", ["words.py", "--check"])
    template = (SHIPPED / "public.pot").read_text(encoding="utf-8")
    (tmp_path / "public.pot").write_text(template, encoding="utf-8")
    ours = tmp_path / "cy" / "LC_MESSAGES" / "public.po"
    ours.parent.mkdir(parents=True)
    ours.write_text(template, encoding="utf-8")
    assert made.main() == 1
    said = capsys.readouterr().out
    assert "public.mo: out of date" in said
    assert "public.pot" not in said
    monkeypatch.setattr(sys, "argv", ["words.py"])
    assert made.main() == 0
    monkeypatch.setattr(sys, "argv", ["words.py", "--check"])
    assert made.main() == 0
    (tmp_path / "public.pot").write_text(template.replace("Projects", "Works", 1), encoding="utf-8")
    assert made.main() == 1
    assert "public.pot: out of date" in capsys.readouterr().out
