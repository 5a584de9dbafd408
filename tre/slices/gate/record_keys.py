"""The keys that a clinical record may hold, what is due behind each, and the words that their values may be written in.

Guarantees: closed and readable. A key is the same however its letters, blanks and commas are written, since forms
differ in these and a stranger's key would still be a stranger's. Each kind of value has words of its own, so that a
colour of a mask is no word where an illness is due.

Does not guarantee: that nobody is called like one of these words.

Source: the schema of the National COVID-19 Chest Imaging Database, its cleaner, and the dirt that both know.
"""

from __future__ import annotations

from enum import StrEnum


class Due(StrEnum):
    """What stands behind a key."""

    person = "person"
    """The pseudonym, which has a rule of its own."""

    site = "site"
    day = "day"
    age = "age"
    code = "code"
    """A number of one or two digits that stands for an answer, or the answer in words."""

    number = "number"
    ethnicity = "ethnicity"
    oxygen = "oxygen"
    nested = "nested"
    """Further keys, or a list of them."""

    text = "text"
    """A key that a dataset's manifest declares."""


_KEYS = {
    Due.person: "Pseudonym",
    Due.site: "SubmittingCentre; Hospital",
    Due.age: "Age",
    Due.ethnicity: "Ethnicity",
    Due.day: """
        SwabDate; Date of Positive Covid Swab; Date of acquisition of 1st RT-PCR; Date of acquisition of 2nd RT-PCR;
        Date of result of 1st RT-PCR; Date of result of 2nd RT-PCR; Date of admission; Date of ITU admission;
        Date of intubation; Date of 1st CXR; Date of 2nd CXR; Date last known alive; Date of death; SegmentedOn
    """,
    Due.code: """
        Sex; SwabStatus; Smoking status; PMH hypertension; PMH h1pertension; PMH CKD; If CKD, stage; PMH CVS disease;
        PMH Lung disease; PMH diabetes mellitus type I; PMH diabetes mellitus type II; Current ACEi use;
        Current Angiotension receptor blocker use; Current NSAID used; 1st RT-PCR result; 2nd RT-PCR result;
        Final COVID Status; CXR severity; CXR severity 2; CXR severity 3; COVID CODE; COVID CODE 2; ITU admission;
        Intubation; Death
    """,
    Due.oxygen: "FiO2; Any supplemental oxygen: FiO2",
    Due.number: """
        Pack year history; Duration of symptoms; Respiratory rate on admission; Heart rate on admission;
        Temperature on admission; NEWS2 score on arrival; APACHE score on ITU arrival; Systolic BP; Diastolic BP;
        O2 saturation; PaO2; Pa02; WCC on admission; Lymphocyte count on admission; Platelet count on admission;
        CRP on admission; Urea on admission; Creatinine on admission; D-dimer on admission;
        Fibrinogen if d-dimer not performed; Ferritin; Troponin I; Troponin T; LesionVolumePercent
    """,
    Due.nested: "SwabDates; OtherDataSources; SegmentationData",
}


def folded(key: str) -> str:
    """A key as it is compared: small letters, one blank, no commas."""
    return " ".join(key.casefold().replace(",", " ").split())


KEYS: dict[str, Due] = {
    folded(key): due for due, text in _KEYS.items() for key in (part.strip() for part in text.split(";"))
}
"""Every key of the list, folded, with what is due behind it."""

FULL_ONLY = frozenset({folded("Hospital")})
"""Keys of the full tier alone: where somebody lay is finer than who sent the record."""

AGES = frozenset(key for key, due in KEYS.items() if due is Due.age)

_ANSWERS = """
    about all and any approx approximately available before blank but done error false known less missing more never nil
    none normal not null other over see notes pending positive negative present absent recorded ref stated stopped
    started test text tested the true unknown unsure value was with without yes
"""
_ILLNESS = """
    acute angina arrest asthma atrial bronchiectasis ca cancer cardiac chronic ckd classic copd cov covid cvcx cva cvd
    cystic detected diabetes diet disease failure fibrillation fibrosis former heart hypertension ihd ild
    indeterminate insulin inhaler ischaemic kidney lung mild moderate multiple myocardial infarction non osa
    probable pulmonary rna sars severe several smoker sleep apnoea stage stroke tia type current ever
    female male indeterminate
"""
_MEASURED = """
    bar cel day days fahrenheit gram haemolysed hour hours insufficient kpa litre litres lower mcg mcmol mg mmhg
    micromol mmol month months ng nmol pack packs per percent pg rate sample spoilt ug umol upper week weeks year years
"""
_OXYGEN = "air blue green mask nasal orange red room venturi white yellow oxygen flow high"
_ETHNIC = """
    african arab asian background bangladeshi black british caribbean chinese ethnic gypsy group indian irish mixed
    multiple origin pakistani traveller welsh white other
"""
_SITES = """
    acute and centre center children childrens city clinic community county district east foundation general health
    hospital hospitals infirmary medical nhs north royal school site south teaching the trust university west
    northbrook ashmere queen maud wexcombe
"""
"""The last line: hospitals of the made-up data, which are nowhere. A dataset declares its own."""


def _words(*texts: str) -> frozenset[str]:
    return frozenset(word for text in (_ANSWERS, *texts) for word in text.split())


WORDS: dict[Due, frozenset[str]] = {
    Due.site: _words(_SITES),
    Due.day: _words(),
    Due.age: _words(_MEASURED),
    Due.code: _words(_ILLNESS),
    Due.number: _words(_MEASURED),
    Due.ethnicity: _words(_ETHNIC),
    Due.oxygen: _words(_MEASURED, _OXYGEN),
    Due.text: _words(_ILLNESS, _MEASURED),
}
"""The words of each kind of value, in small letters. Words of one or two letters need not be listed."""

KEY_WORDS = frozenset(word for words in WORDS.values() for word in words) | frozenset(
    part for key in KEYS for part in key.replace("-", " ").split()
)
"""The words that a stranger's key may hold if a report is to spell it."""
