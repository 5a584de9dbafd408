"""The page of licences: everything that is installed beside our own code, from the list that is checked."""

from __future__ import annotations

from bill_of_materials import VENDORED, pinned
from licences import REQUIREMENTS, SHIPPED, Licences
from page import code, page, table

WHERE = {"services.txt": "services", "workspace.txt": "workspaces"}


def licences_page() -> str:
    """Each package, its licence, where it lies; then those that need a word."""
    found = Licences.read()
    names = {where: pinned([REQUIREMENTS / file]) for file, where in WHERE.items() if file in SHIPPED}
    rows = [
        (code(name), code(licence), ", ".join(where for where, pins in names.items() if name in pins))
        for name, licence in sorted(found.packages.items())
    ]
    ours = [(code(url), code(licence), f"in our own package, {code(folder)}") for url, licence, folder in VENDORED]
    intro = (
        "Everything installed beside the launcher's own code (Apache-2.0), as each package says of itself. A pin "
        "whose licence is not in the list of accepted ones stops `make check`. Versions and hashes are in "
        "`requirements/*.txt`; `make bill` writes both as CycloneDX."
    )
    accepted = "Accepted without a word: " + ", ".join(code(one) for one in found.accepted) + "."
    reasons = [(code(name), why) for name, why in sorted(found.reasons.items())]
    return page(
        "Licences",
        intro,
        accepted,
        "## What needs a word\n\n" + table(("package", "why it is here"), reasons),
        "## Everything\n\n" + table(("package", "licence", "where"), [*rows, *ours]),
    )
