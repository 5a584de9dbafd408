"""Demonstration data: made-up, repeatable, and marked as such.

Guarantees: `generate_nccid` makes a make-believe chest imaging database in the real one's layout,
`poisoned_twins` makes pairs that differ in one fault for the header gate, `pydicom_dataset`
arranges real public scanner files in the same layout, `tre.demodata.releases` writes indexes of
any size. Each writes into a fresh directory only, needs no network, and gives the same bytes again
for the same seed.

Does not guarantee: medical sense.
"""

from tre.demodata.nccid import generate_nccid
from tre.demodata.scanner_files import pydicom_dataset
from tre.demodata.spec import NccidSpec, Summary
from tre.demodata.twins import Twin, poisoned_twins

__all__ = [
    "NccidSpec",
    "Summary",
    "Twin",
    "generate_nccid",
    "poisoned_twins",
    "pydicom_dataset",
]
