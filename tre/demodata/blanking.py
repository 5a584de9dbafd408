"""Removing from a foreign header what a pseudonymised store must not hold.

Guarantees: after `blank`, at every depth, the attributes listed here are absent or empty; private
groups, overlays, curves, elements of representation UN, other persons' names, trailing padding
and retired group lengths are gone; patient name and number are the pseudonym; the birth date is
the first of January of its year; identity is marked as removed.

Does not guarantee: anonymity. Dates, descriptions, scanner models, unique identifiers and pixels
stay as they were: it is meant for public test files, never for a hospital's own.

Threat answered: a demonstration that brings names into a store whose promise is to hold none.
"""

from __future__ import annotations

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

EMPTIED = frozenset({"AccessionNumber", "ReferringPhysicianName", "StudyID"})
"""Attributes that the standard wants present (type 2): they stay, empty."""

REMOVED = frozenset(
    {
        *("PatientAddress", "PatientTelephoneNumbers", "PatientTelecomInformation"),
        *("OtherPatientIDs", "OtherPatientNames", "OtherPatientIDsSequence"),
        *("PatientBirthName", "PatientBirthTime", "PatientMotherBirthName", "IssuerOfPatientID"),
        *("IssuerOfPatientIDQualifiersSequence", "IssuerOfAccessionNumberSequence"),
        *("ReferringPhysicianAddress", "ReferringPhysicianTelephoneNumbers"),
        *("ReferringPhysicianIdentificationSequence", "PerformingPhysicianName"),
        *("PerformingPhysicianIdentificationSequence", "RequestingPhysician"),
        *("RequestingPhysicianIdentificationSequence", "NameOfPhysiciansReadingStudy"),
        *("PhysiciansReadingStudyIdentificationSequence", "PhysiciansOfRecord"),
        *("PhysiciansOfRecordIdentificationSequence", "OperatorsName"),
        *("OperatorIdentificationSequence", "ScheduledPerformingPhysicianName"),
        *("InstitutionName", "InstitutionAddress", "InstitutionCodeSequence"),
        *("InstitutionalDepartmentName", "RequestingService", "StationName"),
        *("PerformedStationAETitle", "PerformedStationName", "PerformedLocation"),
        *("DeviceSerialNumber", "DetectorID", "GantryID", "PlateID", "CassetteID"),
        *("PatientComments", "ImageComments", "VisitComments", "StudyComments"),
        *("AdditionalPatientHistory", "RequestAttributesSequence", "InsurancePlanIdentification"),
        *("PatientInsurancePlanCodeSequence", "Occupation", "EthnicGroup"),
        *("PatientReligiousPreference", "MilitaryRank", "CountryOfResidence"),
        *("RegionOfResidence", "MedicalRecordLocator", "ResponsiblePerson"),
        *(
            "ResponsibleOrganization",
            "ClinicalTrialCoordinatingCenterName",
            "CurrentPatientLocation",
            "PatientInstitutionResidence",
        ),
        *("EncapsulatedDocument", "TextString", "ContentSequence"),
    }
)
"""Attributes that go: the list of the header gate with their nearest relatives."""

_NAMES_THAT_STAY = ("PatientName", "ReferringPhysicianName")


def _goes(element: DataElement) -> bool:
    """Whether an element is removed, whatever it holds."""
    tag = element.tag
    return (
        tag.is_private
        or 0x5000 <= tag.group <= 0x50FF
        or 0x6000 <= tag.group <= 0x60FF
        or tag.element == 0
        or tag == 0xFFFCFFFC
        or element.VR == "UN"
        or element.keyword in REMOVED
        or (element.VR == "PN" and element.keyword not in _NAMES_THAT_STAY)
    )


def _blank_level(dataset: Dataset, pseudonym: str) -> None:
    """One level of nesting, and by recursion those below."""
    for element in list(dataset):
        if _goes(element):
            del dataset[element.tag]
        elif element.keyword in EMPTIED:
            element.value = ""
        elif element.keyword in ("PatientName", "PatientID"):
            element.value = pseudonym
        elif element.keyword == "PatientBirthDate":
            year = str(element.value or "")[:4]
            element.value = f"{year}0101" if year.isdecimal() and len(year) == 4 else ""
        elif element.VR == "SQ":
            for item in element.value:
                _blank_level(item, pseudonym)


def blank(dataset: Dataset, pseudonym: str) -> None:
    """Make a header fit for a pseudonymised store, in place; see the module for what that means."""
    _blank_level(dataset, pseudonym)
    dataset.PatientName = dataset.PatientID = pseudonym
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Listed attributes blanked, pseudonym set"
    if hasattr(dataset, "preamble"):
        dataset.preamble = None
