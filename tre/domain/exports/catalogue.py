"""The catalogue of output checks: what each one says, why it matters, and who may read what it found.

Guarantees: one entry for every check that exists; an entry's version grows whenever its rule changes, so that a
finding made by an older rule is recognisably that. Severities are the policy's; the ones here are what a policy is
proposed to start from.

Does not guarantee: that a check finds everything it is about. Each module of `tre.airlock.checks` says what it misses.

Sources: the identifiers follow the launcher's own catalogue; the names of kinds of statistics and of risks are those
of the statbarns vocabulary (w3id.org/statbarnsdc), which ACRO and the SACRO guide use.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from tre.domain.exports.severity import Severity

B, E, A, I = Severity.B, Severity.E, Severity.A, Severity.I  # noqa: E741 - the catalogue's own letters


class Audience(StrEnum):
    """Who reads a finding: everybody who may see the request, its author only in outline, or its checkers alone."""

    everyone = "everyone"
    outline = "outline"
    checkers = "checkers"


class Risk(StrEnum):
    """Why an output can disclose, in the words of the statbarns vocabulary, and two it has no word for."""

    LowCount = "LowCount"
    ClassDisclosure = "ClassDisclosure"
    Differencing = "Differencing"
    Dominance = "Dominance"
    LowDOF = "LowDOF"
    ImplicitTables = "ImplicitTables"
    AuxiliaryInformation = "AuxiliaryInformation"
    IndividualLevelData = "IndividualLevelData"
    Carrier = "Carrier"
    """The file carries more than it shows, or does something when it is opened."""


@dataclass(frozen=True)
class Entry:
    """One check: its title, the rule in one sentence, and what follows from a finding.

    `cases` are findings of the same rule that a policy judges by themselves: `equal` of S06 is `S06.equal` there.
    """

    id: str
    title: str
    statement: str
    severity: Severity
    risks: tuple[Risk, ...]
    statbarns: tuple[str, ...] = ()
    audience: Audience = Audience.everyone
    cases: dict[str, Severity] = field(default_factory=dict)
    private_cases: frozenset[str] = frozenset()
    version: int = 1

    @property
    def keys(self) -> tuple[str, ...]:
        """What a policy gives severities to: the check, and each of its cases."""
        return (self.id, *(f"{self.id}.{case}" for case in self.cases))

    def audience_of(self, case: str) -> Audience:
        """Who reads a finding of this case."""
        return Audience.checkers if case in self.private_cases else self.audience


_C, _D = Risk.Carrier, Risk.IndividualLevelData

ENTRIES = (
    Entry(
        "F01",
        "Not a plain file",
        "Only plain files with plain names leave: no links, devices, holes, or names that deceive.",
        B,
        (_C,),
    ),
    Entry("F02", "Type", "A file is of an allowed type, and its strict parser accounts for every byte.", B, (_C,)),
    Entry(
        "F03",
        "Second document",
        "Nothing stands behind the end of a file or hides in it as a file of another type.",
        B,
        (_C,),
    ),
    Entry(
        "F04",
        "Archive",
        "No archives, compressed or encrypted containers: what is inside cannot be looked at one by one.",
        B,
        (_C,),
    ),
    Entry(
        "F05",
        "Too large, or the check failed",
        "A file stays within the policy's limits, and every check of it came to an end.",
        B,
        (_C,),
    ),
    Entry(
        "F06",
        "Active content",
        "Nothing in a file runs, loads or calls when somebody opens it.",
        B,
        (_C,),
        cases={"package": A},
        version=2,
    ),
    Entry(
        "F07",
        "Hidden content",
        "What a reader of the file does not see does not leave with it.",
        E,
        (_C, _D),
        version=2,
    ),
    Entry(
        "F08",
        "Metadata",
        "Authors, paths, places and times that a file carries beside its content are known to who lets it out.",
        A,
        (_C,),
        version=2,
    ),
    Entry(
        "F09",
        "Notebook outputs",
        "A notebook leaves as code; its outputs are shown one by one to who decides.",
        E,
        (_C, _D),
        version=2,
    ),
    Entry(
        "F10",
        "Formula-like cells",
        "Cells that a spreadsheet would take for formulas are known to who lets them out.",
        A,
        (_C,),
        version=2,
    ),
    Entry(
        "P01",
        "Identifier of the slice",
        "No pseudonym, unique identifier or accession number of the mounted data stands in an output.",
        E,
        (_D,),
        audience=Audience.outline,
        cases={"withdrawn": B},
        version=2,
    ),
    Entry(
        "P02",
        "Records of the slice",
        "No rows that agree with single records of the mounted data.",
        E,
        (_D,),
        audience=Audience.outline,
        cases={"partial": A},
        version=2,
    ),
    Entry(
        "P03",
        "Image of a patient",
        "No image that matches a mounted one, nor one that looks like a radiograph.",
        E,
        (_D,),
        cases={"lookalike": E},
        version=2,
    ),
    Entry(
        "P04",
        "Personal identifiers",
        "No health-service numbers, postcodes, addresses, telephone numbers, dates with age and sex, or names.",
        E,
        (_D,),
        version=2,
    ),
    Entry(
        "P05", "Secrets and places", "No passwords, keys, home directories or names of machines.", A, (_C,), version=2
    ),
    Entry(
        "P06",
        "Shape of a row dump",
        "No table that looks like one row for each person.",
        E,
        (_D,),
        ("Clusters",),
        version=2,
    ),
    Entry(
        "S01",
        "Small count",
        "No count of people below the policy's threshold.",
        E,
        (Risk.LowCount,),
        ("Frequencies",),
        version=2,
    ),
    Entry(
        "S02",
        "Rounding",
        "Counts are rounded to the policy's base, and rates agree with the rounded counts.",
        A,
        (Risk.Differencing, Risk.LowCount),
        ("Frequencies", "CalculatedRatios"),
        version=2,
    ),
    Entry(
        "S03",
        "Suppressed, yet computable",
        "No suppressed cell follows from the margins that are shown.",
        E,
        (Risk.Differencing, Risk.LowCount),
        ("Frequencies", "LinearAggregations"),
        version=2,
    ),
    Entry(
        "S04",
        "Differencing",
        "No small group follows from comparing two tables, in this request or with what was released before.",
        E,
        (Risk.Differencing,),
        ("Frequencies", "LinkedMultilevelTables"),
        cases={"sibling": E},
        private_cases=frozenset({"sibling"}),
        version=2,
    ),
    Entry(
        "S05",
        "Class disclosure",
        "No group of whom all or none are affected, and none without any variation.",
        A,
        (Risk.ClassDisclosure,),
        ("Frequencies", "LinearAggregations"),
        version=2,
    ),
    Entry(
        "S06",
        "Extreme value",
        "Smallest, largest and extreme quantiles belong to single people.",
        A,
        (Risk.LowCount, Risk.ClassDisclosure),
        ("Endpoints", "Position"),
        cases={"equal": E},
    ),
    Entry(
        "S07",
        "Degrees of freedom",
        "A model has the policy's residual degrees of freedom and says from how many people it comes.",
        A,
        (Risk.LowDOF,),
        ("Shape", "CorrelationCoefficients", "StatisticalHypothesisTests"),
        cases={"low": E},
    ),
    Entry(
        "S08",
        "Dominance",
        "No total that one or two contributors make up.",
        E,
        (Risk.Dominance,),
        ("LinearAggregations", "CalculatedRatios"),
        version=2,
    ),
    Entry(
        "S09",
        "Figure without numbers",
        "A figure comes with its table, and does not draw one mark for each person.",
        A,
        (Risk.ImplicitTables, _D),
        ("HazardSurvivalTables", "Shape"),
        cases={"marks": E},
    ),
    Entry(
        "S10",
        "Rows of organisations",
        "No rows for single hospitals, practices or small areas.",
        E,
        (Risk.AuxiliaryInformation,),
        ("Frequencies",),
        version=2,
    ),
    Entry("S11", "Precision", "Numbers with more digits than a result needs can carry single records.", I, (_C,)),
    Entry(
        "S12",
        "Unknown column",
        "Every column of numbers says what it holds.",
        A,
        (Risk.AuxiliaryInformation,),
        cases={"combined": A, "wide": I},
        version=2,
    ),
    Entry("M01", "Model format", "No model files that run code or hold their training data.", B, (_C, _D)),
    Entry(
        "M02",
        "Training data in a model",
        "No model that contains its training rows, or nearly so.",
        E,
        (_D,),
        version=2,
    ),
    Entry(
        "M03",
        "Model without a report",
        "A model comes with the report of an attack on it, and with its degrees of freedom.",
        A,
        (_D, Risk.LowDOF),
    ),
    Entry(
        "C01",
        "Claims of a disclosure tool",
        "What ACRO or SACRO-ML say of a file agrees with the file and with this policy.",
        A,
        (Risk.AuxiliaryInformation,),
        cases={"do-not-release": B},
        version=2,
    ),
)
"""Every check, in the catalogue's order."""

CATALOGUE = {entry.id: entry for entry in ENTRIES}

KNOWN_CHECKS = frozenset(key for entry in ENTRIES for key in entry.keys)
"""What a policy must give a severity to."""


def key_of(check: str, case: str = "") -> str:
    """What a policy calls a finding: `S06`, or `S06.equal` for one of its cases."""
    return f"{check}.{case}" if case else check
