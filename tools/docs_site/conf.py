"""How Sphinx builds the documentation site; run by `make docs`, in `.venv-docs`.

Guarantees: the Markdown pages are taken as they are; a link, an anchor or a picture that leads nowhere, a page that the
navigation lacks and a diagram that cannot be drawn are warnings, which the build counts as errors; the site fetches
nothing from anywhere.

Does not guarantee: that what a page says is true; other tests look at that.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

TOOLS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOOLS))

import navigation  # noqa: E402
import state_drawing  # noqa: E402

project = "TRE launcher"
author = ""
copyright = ""  # noqa: A001 - Sphinx' own name for it
language = "en_GB"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = navigation.MAP
TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
"""Pages outside docs/ that belong to the site."""

myst_heading_anchors = 6
myst_fence_as_directive = {"mermaid"}
nitpicky = True
suppress_warnings = [
    "toc.not_included",  # navigation.problems says it, and says what to write where
    "misc.highlighting_failure",  # a notebook cell or an ellipsis in an example; it is shown all the same
]
highlight_language = "none"
pygments_style = "bw"
html_theme = "theme"
html_theme_path = [str(Path(__file__).parent)]
html_static_path = [str(TOOLS.parent / "tre" / "portal" / "static" / "vendor")]
html_title = project
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = False  # it would read pages by script, which a browser refuses where a site is a folder
html_use_index = False
html_domain_indices = False
html_permalinks = False
smartquotes = False

FRONT = """<!DOCTYPE html>
<html lang="en-GB"><head><meta charset="utf-8"><title>TRE launcher</title>
<meta http-equiv="refresh" content="0; url=docs/README.html"></head>
<body><a href="docs/README.html">Documentation of the TRE launcher</a></body></html>
"""
_NOT_RUN = re.compile(r"^<!-- not run: (.+?) -->$", re.MULTILINE)
_LOG = logging.getLogger("tre.site")


class Mermaid(SphinxDirective):
    """A diagram of states, drawn here: no script and no server draws it later."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """The place of the drawing."""
        place = nodes.raw("", "", format="html", diagram="\n".join(self.content))
        self.set_source_info(place)
        return [place]


def draw_diagrams(_: Sphinx, doctree: nodes.document) -> None:
    """Draw each diagram; the heading that it stands under is its title."""
    for place in list(doctree.findall(lambda node: isinstance(node, nodes.raw) and "diagram" in node)):
        section = place.parent
        while section is not None and not isinstance(section, nodes.section):
            section = section.parent
        title = section.next_node(nodes.title).astext() if section is not None else "States"
        try:
            svg = state_drawing.draw(place["diagram"], f"{title}: states and the changes between them")
        except ValueError as error:
            _LOG.warning("a diagram cannot be drawn: %s", error, location=place)
            continue
        drawn = f'<figure class="drawing" tabindex="0">{svg}</figure>'
        place.replace_self(nodes.raw("", drawn, format="html"))


def only_pages(app: Sphinx, config: Config) -> None:
    """Leave everything of the checkout aside that is not documentation."""
    wanted = {*TOP, "docs"}
    config.exclude_patterns += [path.name for path in Path(app.srcdir).iterdir() if path.name not in wanted]


def show_marks(_: Sphinx, __: str, source: list[str]) -> None:
    """Tell readers which commands no test runs, and why."""
    source[0] = _NOT_RUN.sub(r"*No test runs this: \1*", source[0])


def look_at_navigation(app: Sphinx, *_: object) -> None:
    """Say what the map lacks."""
    app.navigation = navigation.read(Path(app.srcdir))  # type: ignore[attr-defined]
    for problem in navigation.problems(app.navigation, app.env.found_docs):  # type: ignore[attr-defined]
        _LOG.warning("%s", problem)


def furnish(app: Sphinx, page: str, _: str, context: dict[str, object], __: object) -> None:
    """Give a page its place among the others, and let wide things in it scroll by themselves."""
    known: navigation.Navigation = app.navigation  # type: ignore[attr-defined]
    order = known.order()
    at = order.index(page) if page in order else -1
    titles = {name: node.astext() for name, node in app.env.titles.items()}
    context["parts"], context["titles"] = known.parts, titles
    context["part"] = known.part_of(page)
    context["before"] = order[at - 1] if at > 0 else ""
    context["after"] = order[at + 1] if 0 <= at < len(order) - 1 else ""
    context["sections"] = str(context.get("toc", "")).count("<li>") > 3
    if isinstance(body := context.get("body"), str):
        body = body.replace("<table", '<div class="wide" tabindex="0"><table').replace("</table>", "</table></div>")
        context["body"] = body.replace("<pre>", '<pre tabindex="0">')


def finish(app: Sphinx, error: Exception | None) -> None:
    """Put a first page at the top of the site, and take out what only Sphinx needs."""
    if error is None:
        (Path(app.outdir) / "index.html").write_text(FRONT, encoding="utf-8")
        for name in (".buildinfo", "objects.inv"):
            (Path(app.outdir) / name).unlink(missing_ok=True)
        shutil.rmtree(Path(app.outdir) / ".doctrees", ignore_errors=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect all of it."""
    app.add_directive("mermaid", Mermaid)
    app.connect("config-inited", only_pages)
    app.connect("source-read", show_marks)
    app.connect("doctree-read", draw_diagrams)
    app.connect("env-updated", look_at_navigation)
    app.connect("html-page-context", furnish)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": False, "parallel_write_safe": False}
