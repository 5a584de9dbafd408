"""The closed sets of the slice language: which words may stand where, and what dirty spellings mean.

Guarantees: a code has one spelling (upper case, single blanks, no blanks at the ends); a word that a set does not
hold is refused in a specification and counts as unknown in a file, so that it never matches by accident; `unknown`
itself is a word that people write when they want missing values to match.

Does not guarantee: that these sets hold every term of DICOM. A term that is missing here is refused with the list of
those that are known, which is the safe mistake. Modalities and body parts are defined terms of DICOM PS3.3
(C.7.3.1.1.1, annex L); the synonyms are those seen in chest imaging archives.
"""

from __future__ import annotations

UNKNOWN = "unknown"
"""What people write to let missing values match."""

_MODALITIES = """
    AR AU BI BMD CR CT DG DX ECG ES EPS GM HC HD IO IVOCT IVUS LS MG MR NM OAM OCT OP OPM OPT OT
    PT PX RF RG RTIMAGE SC SM TG US VA XA XC
"""
MODALITIES = frozenset(_MODALITIES.split())
"""Modalities of images."""

MODALITY_GROUPS = {"CR": "xray", "DX": "xray", "CT": "ct", "MR": "mri"}
"""Which folder of the NCCID layout holds a modality; every other one goes to `unknown`."""

_BODY_PARTS = """
    ABDOMEN ABDOMENPELVIS ADRENAL ANKLE AORTA ARM AXILLA BACK BLADDER BRAIN BREAST BRONCHUS
    BUTTOCK CALCANEUS CALF CAROTID CEREBELLUM CERVIX CHEEK CHEST CHESTABDOMEN CHESTABDPELVIS
    CLAVICLE COCCYX COLON CORNEA CORONARYARTERY CSPINE CTSPINE DUODENUM EAR ELBOW ESOPHAGUS
    EXTREMITY EYE FEMUR FINGER FOOT FOREARM GALLBLADDER HAND HEAD HEADNECK HEART HIP HUMERUS
    ILEUM ILIUM JAW JEJUNUM KIDNEY KNEE LARYNX LEG LIVER LSPINE LSSPINE LUNG MANDIBLE MAXILLA
    MEDIASTINUM MOUTH NECK NECKCHEST NOSE ORBIT OVARY PANCREAS PAROTID PATELLA PELVIS PENIS
    PHARYNX PROSTATE RECTUM RIB SCALP SCAPULA SCLERA SCROTUM SHOULDER SKULL SPINE SPLEEN SSPINE
    STERNUM STOMACH SUBMANDIBULAR TESTIS THIGH THUMB THYMUS THYROID TIBIAFIBULA TLSPINE TOE
    TONGUE TRACHEA TSPINE UMBILICUS URETER URETHRA UTERUS VAGINA VULVA WHOLEBODY WRIST ZYGOMA
"""
BODY_PARTS = frozenset(_BODY_PARTS.split())
"""Defined terms of BodyPartExamined."""

BODY_PART_SYNONYMS = {
    "THORAX": "CHEST",
    "CHEST PA": "CHEST",
    "CHEST AP": "CHEST",
    "CXR": "CHEST",
    "THORAXABDOMEN": "CHESTABDOMEN",
    "LUNGS": "LUNG",
    "HEAD NECK": "HEADNECK",
    "WHOLE BODY": "WHOLEBODY",
}
"""What dirty values of BodyPartExamined mean."""

_VIEW_POSITIONS = """
    AP PA LL RL RLD LLD RLO LLO CC MLO ML LM XCC
"""
VIEW_POSITIONS = frozenset(_VIEW_POSITIONS.split())
"""Defined terms of ViewPosition (DICOM PS3.3 C.8.1.1, C.8.11.5)."""

YES_NO = frozenset({"YES", "NO"})
"""Values of BurnedInAnnotation."""

COVID_STATUSES = frozenset({"positive", "negative"})
SEXES = frozenset({"female", "male"})
ETHNICITY_GROUPS = frozenset({"white", "multiple", "asian", "black", "other"})

CLINICAL_COLUMNS = (
    "pseudonym",
    "age",
    "sex",
    "ethnicity_group",
    "covid_status",
    "site",
    "itu_admission",
    "intubation",
    "death",
)
"""Columns of the clinical table that a slice may ask for; nothing else of the clinical record is offered."""

QUASI_IDENTIFIERS = ("age", "sex", "ethnicity_group", "covid_status", "site")
"""Columns by which somebody who knows a person could find the row."""

AGE_TOP_CODE = 90
"""Exact ages from here on are written as this value: few people are that old, so the number would single them out."""

FIRST_STUDY_DATE = "first_study_date"
"""The day of a patient's first examination in the slice: headers show it, so it counts as a quasi-identifier."""

TIERS: tuple[str, ...] = ("dates-full",)
"""Store tiers from which a slice may be built: files as they came in, dates included."""

COARSE_TIER = "dates-coarse"
"""Built beside it at ingest: the same files with months for dates."""


def fold_code(text: str) -> str:
    """A code as it is compared: upper case, blanks at the ends removed, blanks inside made single."""
    return " ".join(text.split()).upper()


def body_part(text: str) -> str | None:
    """The defined term that a dirty value of BodyPartExamined means; `None` where that is not known."""
    folded = fold_code(text)
    meant = BODY_PART_SYNONYMS.get(folded, folded)
    return meant if meant in BODY_PARTS else None


def closed(text: str, words: frozenset[str]) -> str | None:
    """The folded value if the set holds it, else `None`: a word nobody knows is a missing value."""
    folded = fold_code(text)
    return folded if folded in words else None
