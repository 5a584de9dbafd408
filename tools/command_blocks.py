"""The page of command blocks: which test runs each, and which nobody runs, with the reason."""

from __future__ import annotations

from collections import Counter

from fences import CHECKOUT, SHELL, blocks, pages, run_by
from page import code, page, table


def command_blocks_page() -> str:
    """Both lists."""
    run, other = [], []
    for path in pages():
        name = str(path.relative_to(CHECKOUT))
        shell = [block for block in blocks(path.read_text(encoding="utf-8")) if block.language in SHELL]
        ran = Counter(run_by(name, block) or "none" for block in shell if block.not_run is None)
        link = f"[{name}](../../{name})"
        run += [(link, str(count), code(test)) for test, count in ran.items()]
        left = [(block, block.not_run) for block in shell if block.not_run is not None]
        other += [(link, code(block.lines[0].removeprefix("$ ")), why) for block, why in left]
    return page(
        "Command blocks",
        "What these pages tell people to type is typed by tests: tutorials and guides in the pages' order, in one "
        "installation, and what is printed is compared with what is shown (`…` stands for what differs). The README's "
        "first commands take too long, or change the machine: `make` is asked what it would run, the package manager "
        "what it knows; `make soak` goes to the end of the demonstration and simulates the installation. A block that "
        "no test can run says why.",
        "## Run by a test",
        table(("page", "blocks", "test"), run),
        "## Run by none",
        table(("page", "begins with", "why"), other),
    )
