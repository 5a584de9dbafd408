"""The page of command blocks: which test runs each, and which nobody runs, with the reason."""

from __future__ import annotations

from fences import CHECKOUT, SHELL, blocks, pages, run_by
from page import code, page, table


def command_blocks_page() -> str:
    """Both lists."""
    run, other = [], []
    for path in pages():
        name = str(path.relative_to(CHECKOUT))
        shell = [block for block in blocks(path.read_text(encoding="utf-8")) if block.language in SHELL]
        ran = [block for block in shell if block.not_run is None]
        link = f"[{name}](../../{name})"
        run += [(link, str(len(ran)), code(run_by(name) or "none"))] if ran else []
        left = [(block, block.not_run) for block in shell if block.not_run is not None]
        other += [(link, code(block.lines[0].removeprefix("$ ")), why) for block, why in left]
    return page(
        "Command blocks",
        "What these pages tell people to type is typed by tests, in the pages' order, in one installation, and what is "
        "printed is compared with what is shown (`…` stands for what differs). A block that no test can run says why.",
        "## Run by a test",
        table(("page", "blocks", "test"), run),
        "## Run by none",
        table(("page", "begins with", "why"), other),
    )
