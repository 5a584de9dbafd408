"""Clinical records with the real set's keys: what a hospital would have sent.

Guarantees: keys are spelled exactly as in the real schema (the double space in `Fibrinogen if`,
the misspelt `Angiotension`); a negative patient has `status_` files with the minimum, a positive
one `data_` files, some of them twice with different dates, some with an older `status_` beside;
units differ by trust as they do in reality; then `tre.demodata.dirt` spoils the record.

Does not guarantee: a medically coherent course. Values are drawn within plausible bounds, worse
for the more severely ill, and correlate no further.

Answers the danger of a cleaner that was only ever tried on clean data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from tre.demodata.dirt import spoil_more, spoil_negative, spoil_positive
from tre.demodata.people import Patient
from tre.demodata.randomness import Stream

Record = dict[str, Any]

_KEPT = ("Pseudonym", "SubmittingCentre")
_UREA_IN_NG_PER_ML = "TRUST-04"
_TROPONIN_IN_NG_PER_ML = "TRUST-03"
_D_DIMER_IN_NG_PER_ML = ("TRUST-02", "TRUST-05", "TRUST-06")


def uk_date(day: date) -> str:
    """DD/MM/YYYY."""
    return f"{day.day:02}/{day.month:02}/{day.year}"


def us_date(day: date) -> str:
    """MM/DD/YYYY."""
    return f"{day.month:02}/{day.day:02}/{day.year}"


def _identity(patient: Patient, stream: Stream) -> Record:
    """Who, where: the hospital now by its full name, now by its shorthand."""
    return {
        "Pseudonym": patient.pseudonym,
        "SubmittingCentre": patient.centre,
        "Hospital": stream.pick(patient.hospital),
        "Age": patient.age,
        "Sex": 1 if patient.sex == "M" else 0,
        "Ethnicity": patient.ethnicity,
    }


def _dates(patient: Patient, stream: Stream) -> Record:
    """Dates as the schema has them: the swab in UK form, all others in US form."""
    swab = patient.swab
    days: dict[str, date | None] = {
        "Date of Positive Covid Swab": swab,
        "Date of acquisition of 1st RT-PCR": swab,
        "Date of result of 1st RT-PCR": swab + timedelta(days=stream.integer(0, 2)),
        "Date of acquisition of 2nd RT-PCR": swab + timedelta(days=3),
        "Date of result of 2nd RT-PCR": swab + timedelta(days=4),
        "Date of admission": swab + timedelta(days=1) if patient.admitted else None,
        "Date of ITU admission": swab + timedelta(days=3) if patient.intensive_care else None,
        "Date of intubation": swab + timedelta(days=4) if patient.intubated else None,
        "Date of 1st CXR": swab,
        "Date of 2nd CXR": swab + timedelta(days=3),
        "Date last known alive": None if patient.died else patient.last_known,
        "Date of death": patient.died,
    }
    write = uk_date if patient.centre == "TRUST-07" else us_date
    return {"SwabDate": uk_date(swab)} | {k: write(day) for k, day in days.items() if day}


def _history(patient: Patient, stream: Stream) -> Record:
    """Illnesses before, medicines and smoking; older people have more of them."""
    older = patient.age * 6
    yes_no = {
        key: stream.weighted(((0, 1000 - older), (1, older), (2, 60)))
        for key in (
            "PMH hypertension",
            "PMH CKD",
            "PMH diabetes mellitus type II",
            "Current ACEi use",
            "Current Angiotension receptor blocker use",
            "Current NSAID used",
        )
    }
    smoking = stream.weighted(((0, 50), (1, 30), (2, 10), (3, 10)))
    history: Record = {
        **yes_no,
        "Smoking status": smoking,
        "PMH CVS disease": stream.weighted(((0, 70), (1, 10), (2, 8), (3, 7), (4, 5))),
        "PMH Lung disease": stream.weighted(((0, 70), (1, 12), (2, 3), (4, 12), (6, 3))),
    }
    if smoking in (1, 2):
        history["Pack year history"] = stream.bell(2, 60)
    if yes_no["PMH CKD"] == 1:
        history["If CKD, stage"] = stream.integer(2, 5)
    if stream.chance(20):
        history["PMH diabetes mellitus TYPE I"] = stream.pick((0, 0, 1))
    return history


def _observations(patient: Patient, stream: Stream) -> Record:
    """What was measured at the bedside on admission."""
    ill = patient.severity
    observed: Record = {
        "Duration of symptoms": stream.bell(0, 21),
        "Respiratory rate on admission": stream.bell(12, 22 + 6 * ill),
        "Heart rate on admission": stream.bell(55, 110 + 10 * ill),
        "Temperature on admission": stream.tenths(358, 385 + 5 * ill),
        "NEWS2 score on arrival": stream.bell(0, 5 + 4 * ill),
        "Systolic BP": stream.bell(90, 175),
        "Diastolic BP": stream.bell(50, 100),
        "FiO2": stream.pick((21, 21, 24, 28, 35, 40)) + 5 * ill,
        "O2 saturation": stream.bell(96 - 6 * ill, 100),
        "PaO2": stream.tenths(65, 130),
    }
    if patient.intensive_care:
        observed["APACHE score on ITU arrival"] = stream.bell(4, 38)
    return observed


def _bloods(patient: Patient, stream: Stream) -> Record:
    """Blood tests. Some trusts use other units and, as in reality, nothing in the file says so."""
    ill, centre = patient.severity, patient.centre
    d_dimer = stream.bell(150, 900 + 1500 * ill)
    urea = stream.tenths(25, 90 + 50 * ill)
    troponin = stream.bell(2, 30 + 40 * ill)
    bloods: Record = {
        "WCC on admission": stream.tenths(25, 160),
        "Lymphocyte count on admission": stream.tenths(3, 30 - 5 * ill),
        "Platelet count on admission": stream.bell(90, 420),
        "CRP on admission": stream.bell(2, 60 + 90 * ill),
        "Urea on admission": round(urea * 60_060) if centre == _UREA_IN_NG_PER_ML else urea,
        "Creatinine on admission": stream.bell(45, 140 + 60 * ill),
        "Ferritin": stream.bell(30, 700 + 600 * ill),
        "Troponin I": troponin / 1000 if centre == _TROPONIN_IN_NG_PER_ML else troponin,
    }
    if stream.chance(800):
        as_measured = centre in _D_DIMER_IN_NG_PER_ML
        bloods["D-dimer on admission"] = d_dimer if as_measured else d_dimer / 1000
    else:
        bloods["Fibrinogen  if d-dimer not performed"] = stream.tenths(20, 80)
    if stream.chance(150):
        bloods["Troponin T"] = troponin
    return bloods


def _outcome(patient: Patient, stream: Stream) -> Record:
    """Test results, severity of the films, and what became of the person."""
    return {
        "1st RT-PCR result": stream.weighted(((1, 90), (0, 10))),
        "2nd RT-PCR result": stream.weighted(((1, 70), (0, 30))),
        "Final COVID Status": 1,
        "CXR severity": patient.severity,
        "CXR severity 3": patient.second_severity,
        "COVID CODE": stream.weighted(((1, 60), (2, 20), (0, 15), (3, 5))),
        "COVID CODE 2": stream.weighted(((1, 60), (2, 20), (0, 15), (3, 5))),
        "ITU admission": int(patient.intensive_care),
        "Intubation": int(patient.intubated),
        "Death": int(patient.died is not None),
    }


def _with_gaps(record: Record, share: int, stream: Stream) -> Record:
    """The record without some of its values; who and where stay."""
    return {k: v for k, v in record.items() if k in _KEPT or not stream.chance(share)}


def _data_record(seed: int, patient: Patient, centre: str, version: int) -> Record:
    """A full record. The first of two is emptier and knows no outcome yet."""
    stream = Stream(seed, "record", patient.number, version)
    patient = replace(patient, centre=centre)
    record = _identity(patient, stream)
    for part in (_dates, _history, _observations, _bloods, _outcome):
        record |= part(patient, stream)
    gaps = 300 if version == 1 else 70
    record = _with_gaps(record, gaps, stream)
    if version == 1:
        for key in ("Death", "Date of death", "Date last known alive", "Final COVID Status"):
            record.pop(key, None)
    return spoil_positive(record, patient, stream)


def _status_record(seed: int, patient: Patient, swab: date, version: int) -> Record:
    """The minimum that is kept of a negative test."""
    stream = Stream(seed, "status", patient.number, version)
    record: Record = {
        "Pseudonym": patient.pseudonym,
        "SubmittingCentre": patient.centre,
        "SwabDate": uk_date(swab),
        "SwabStatus": 0,
    }
    return spoil_negative(record, patient, swab, stream)


def clinical_records(seed: int, patient: Patient, more_dirt: int = 0) -> Iterator[tuple[str, Record]]:
    """The patient's clinical files, oldest first: file name and content; so many thousandths of them dirtier still."""
    stream = Stream(seed, "more dirt", patient.number)
    for name, record in _records(seed, patient):
        yield name, spoil_more(record, patient, stream) if stream.chance(more_dirt) else record


def _records(seed: int, patient: Patient) -> Iterator[tuple[str, Record]]:
    stream = Stream(seed, "clinical", patient.number)
    if not patient.positive:
        yield _named("status", patient.swab, _status_record(seed, patient, patient.swab, 2))
        if stream.chance(120):
            again = patient.swab + timedelta(days=stream.integer(5, 60))
            yield _named("status", again, _status_record(seed, patient, again, 3))
        return
    if patient.rank % 8 == 3:
        before = patient.swab - timedelta(days=stream.integer(4, 20))
        yield _named("status", before, _status_record(seed, patient, before, 1))
    if patient.second_centre is not None or patient.rank % 4 == 1:
        first = patient.swab + timedelta(days=stream.integer(3, 14))
        yield _named("data", first, _data_record(seed, patient, patient.centre, 1))
    last = patient.last_known + timedelta(days=stream.integer(20, 60))
    centre = patient.second_centre or patient.centre
    yield _named("data", last, _data_record(seed, patient, centre, 2))


def _named(kind: str, day: date, record: Record) -> tuple[str, Record]:
    """File name, such as `data_2020-05-01.json`, and content."""
    return f"{kind}_{day.isoformat()}.json", record
