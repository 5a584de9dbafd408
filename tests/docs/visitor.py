"""Walks through the pages of a tutorial as its reader would: opens, follows, writes, ticks, presses, and looks.

The steps of a tutorial are plain sentences. What is acted on is marked in them: "open <address>", "sign in … as `n`",
"follow **link**", "press **button**", "tick **box**", "choose **option**", "write `text` into **label**". Any other
word in bold must be on the page. `…` stands for what differs.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

from tests.docs.documents import pattern
from tre.cli.trial.browser import Browser, Form, Page, sign_in
from tre.cli.trial.lab import Lab
from tre.cli.trial.world import World

ADDRESS = "http://{host}tre.localhost:8000"
PATIENCE = 40.0
_TOKENS = re.compile(
    r"(?P<sign>[Ss]ign in at <http://desk\.tre\.localhost:8000/> as `(?P<name>\w+)`)"
    r"|<(?P<address>http://[^>]+)>"
    r"|[Ww]rite\s+`(?P<text>[^`]*)`\s+into\s+\*\*(?P<label>[^*]+)\*\*"
    r"|(?P<verb>[Ff]ollow|[Pp]ress|[Tt]ick|[Cc]hoose)\s+\*\*(?P<object>[^*]+)\*\*"
    r"|\*\*(?P<seen>[^*]+)\*\*"
)

_INLINE = frozenset({"a", "b", "br", "code", "em", "span", "strong", "time"})


@dataclass
class Control:
    """One input of a form."""

    form: int
    name: str
    kind: str
    value: str
    chosen: bool = True


@dataclass
class Looked:
    """A page as a person sees it."""

    text: str = ""
    links: list[tuple[str, str]] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    controls: dict[str, Control] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[int, str]] = field(default_factory=list)


class _Reader(HTMLParser):
    """Reads a page; what is hidden from eyes only (for screen readers) is read like the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.page = Looked()
        self._words: list[str] = []
        self._open: list[tuple[str, str, int]] = []
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in _INLINE:
            self._words.append(" ")
        form = len(self.page.actions) - 1
        if tag == "form":
            self.page.actions.append(given.get("action", ""))
        elif tag in {"input", "textarea", "select"}:
            kind = given.get("type", "text") if tag == "input" else tag
            chosen = kind not in {"checkbox", "radio"} or "checked" in given
            key = given.get("id") or f"{form}/{given.get('name', '')}"
            self.page.controls[key] = Control(form, given.get("name", ""), kind, given.get("value", ""), chosen)
            self._select = key if tag == "select" else self._select
        elif tag == "option" and (control := self.page.controls.get(self._select)):
            control.value = given.get("value", "") if "selected" in given or not control.value else control.value
        if tag in {"a", "button", "label", "textarea"}:
            target = given.get("href") or given.get("for") or given.get("id") or ""
            self._open.append((tag, target, len(self._words)))

    def handle_data(self, data: str) -> None:
        self._words.append(data)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1][0] != tag:
            return
        _, target, begun = self._open.pop()
        words = " ".join("".join(self._words[begun:]).split())
        if tag == "a":
            self.page.links.append((words, target))
        elif tag == "button":
            self.page.buttons.append((len(self.page.actions) - 1, words))
        elif tag == "label":
            self.page.labels[target] = words
        elif target in self.page.controls:
            self.page.controls[target].value = "".join(self._words[begun:]).strip()

    def close(self) -> None:
        super().close()
        self.page.text = " ".join("".join(self._words).split())


def look(text: str) -> Looked:
    """Read a page."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.page


class Visitor:
    """One reader of one tutorial."""

    def __init__(self, world: World, password: str) -> None:
        self._world, self._password = world, password
        self._browser = Browser()
        self._page = Page("", 0, "")
        self._written: dict[str, str] = {}
        self._shell = ""

    async def __aenter__(self) -> Visitor:
        await self._browser.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._browser.__aexit__()

    async def walk(self, step: str) -> None:
        """Do what a step says, in its order."""
        for token in _TOKENS.finditer(step):
            if token["sign"]:
                await self._sign_in(token["name"])
            elif token["address"]:
                await self._open(token["address"])
            elif token["label"]:
                self._written[await self._labelled(token["label"])] = token["text"]
            elif token["verb"]:
                await getattr(self, f"_{token['verb'].lower()}")(token["object"])
            else:
                await self._await(lambda page, words=token["seen"]: pattern(words).search(page.text), token["seen"])

    async def run(self, sources: list[str]) -> list[str]:
        """Run cells, one after the other in one kernel of the workspace that was opened last."""
        lab = Lab(self._browser, self._shell)
        await lab.enter()
        return await lab.run(sources)

    async def _sign_in(self, name: str) -> None:
        await self._browser.__aexit__()
        self._browser = await Browser().__aenter__()
        self._arrive(await sign_in(self._browser, self._world.desk + "/", name, self._password))

    async def _open(self, address: str) -> None:
        for host in ("desk.", ""):
            address = address.replace(ADDRESS.format(host=host), self._world.settings.origin(host.rstrip(".")))
        self._arrive(await self._browser.get(address))
        assert self._page.status == 200, f"{address} answers {self._page.status}"

    def _arrive(self, page: Page) -> None:
        self._page, self._written = page, {}

    async def _await(self, found: object, words: str) -> Looked:
        """The page, loaded again until something is on it, as a waiting page loads itself again."""
        deadline = time.monotonic() + PATIENCE
        while not found(page := look(self._page.text)):  # type: ignore[operator]
            assert time.monotonic() < deadline, f"{words!r} is not on {self._page.url}: {page.text[:3000]}"
            await asyncio.sleep(0.2)
            self._page = await self._browser.get(self._page.url)
        return page

    async def _labelled(self, label: str) -> str:
        """The control with a label."""

        def found(page: Looked) -> list[str]:
            wanted = pattern(label)
            return [key for key, words in page.labels.items() if wanted.match(words) and key in page.controls]

        return found(await self._await(found, label))[0]

    async def _tick(self, label: str) -> None:
        self._written[await self._labelled(label)] = ""

    _choose = _tick

    async def _follow(self, words: str) -> None:
        def found(page: Looked) -> list[str]:
            return [href for text, href in page.links if pattern(words).fullmatch(text)]

        address = urljoin(self._page.url, found(await self._await(found, words))[0])
        self._arrive(await self._browser.get(address))
        assert self._page.status == 200, f"{address} answers {self._page.status}"
        if ".open." in self._page.url:
            self._shell = self._page.url.rstrip("/")

    async def _press(self, words: str) -> None:
        def found(page: Looked) -> list[int]:
            return [form for form, text in page.buttons if pattern(words).match(text)]

        page = await self._await(found, words)
        form = found(page)[0]
        values: dict[str, list[str]] = {}
        for key, control in page.controls.items():
            if control.form == form and control.name and (control.chosen or key in self._written):
                typed = self._written.get(key) or control.value
                if control.kind == "radio" and key in self._written:
                    values[control.name] = []
                values.setdefault(control.name, []).append(typed)
        empty = Form(page.actions[form], {})
        self._arrive(await self._browser.submit(self._page, empty, **values))
        assert self._page.status == 200, f"{words} answers {self._page.status}: {look(self._page.text).text[:2000]}"
