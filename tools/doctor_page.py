"""The page of the doctor, from the very checks that it runs."""

from __future__ import annotations

from page import code, page, table

from tre.cli.doctor.cluster import CHECKS
from tre.cli.doctor.fields import FIELDS
from tre.cli.doctor.finding import Field, Need
from tre.cli.doctor.run import SECONDS

_NEEDS = {Need.nothing: "nothing", Need.root: "`tre init`", Need.record: "the record"}


def doctor_page() -> str:
    """Every check: its field, what rests on it, and what must be there for it."""
    parts = [part for name, field in FIELDS.items() for part in _field(name, field)]
    return page(
        "The doctor",
        "`tre doctor` looks at each thing that the launcher takes for granted, and says of each: *good*, *weak* (it "
        "works and promises less, or could not be looked at) or *bad* (it will not work, or is not so); what was seen, "
        "what rests on it, and what to type. Exit code 1: something is bad.",
        "<!-- not run: tests/unit/cli/doctor/test_whole.py asks it, as root, as anybody and before `tre init` -->\n"
        "```console\n$ tre doctor\n$ tre doctor --only keys --only record\n$ tre doctor --json\n```",
        "It can be asked before `tre init`, as an ordinary user and while everything runs. It changes nothing: what "
        "has to be tried (a hard link, a namespace, a control group) is tried under a name of its own and taken away "
        "again. It shows no secret. What this user may not see is *weak*, never good. A check that breaks is *bad*. "
        f"All look at once, and nothing is waited for longer than {SECONDS:.0f} seconds: a server that does not answer "
        "holds up nobody.",
        "Does not guarantee: that what is good stays so. [Monitoring](monitoring.md) looks on; [runbooks](runbooks.md) "
        "say what to do when an alert fires.",
        *parts,
        "## On a cluster",
        "`tre cluster doctor --kubeconfig FILE` asks the API server instead. Ask as an administrator: the account of "
        "the shell pod may not look, and each look says so.",
        table(("check", "what rests on it"), [(check.what, check.means) for check in CHECKS]),
    )


def _field(name: str, field: Field) -> tuple[str, str]:
    rows = [(check.what, check.means, _NEEDS[check.needs]) for check in field.checks]
    return f"## {field.title}\n\n{code(f'--only {name}')}", table(
        ("check", "what rests on it", "looked at after"), rows
    )
