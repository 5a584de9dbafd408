"""Patients who never were: the records that the corpus' outputs are made from.

Guarantees: the same seed gives the same people; identifiers are random and belong to nobody; health-service numbers
are of the range 999 xxx xxxx, which is never given out.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

REGIONS = ("North East", "North West", "Yorkshire", "Midlands", "East", "London", "South East", "South West")
ETHNICITIES = ("White", "Asian", "Black", "Mixed", "Other")
DIAGNOSES = ("diabetes", "hypertension", "asthma", "copd", "ckd", "cancer")


def made(random: np.random.Generator, how_many: int) -> pd.DataFrame:
    """One row a patient, with what depends on age depending on it."""
    age = np.clip(random.normal(62, 16, how_many), 18, 99).round(0)
    risk = 1 / (1 + np.exp(-(-7.0 + 0.08 * age + random.normal(0, 0.8, how_many))))
    died = random.random(how_many) < risk
    frame = pd.DataFrame(
        {
            "pseudonym": [f"P{number:08d}" for number in random.choice(10**8, how_many, replace=False)],
            "age": age.astype(int),
            "sex": random.choice(["F", "M"], how_many),
            "ethnicity": random.choice(ETHNICITIES, how_many, p=[0.72, 0.12, 0.08, 0.05, 0.03]),
            "region": random.choice(REGIONS, how_many),
            "smoker": random.choice(["never", "former", "current"], how_many, p=[0.5, 0.35, 0.15]),
            "bmi": random.normal(27.4, 4.9, how_many).round(1),
            "crp": np.exp(random.normal(3.6, 1.0, how_many)).round(1),
            "lymphocytes": np.exp(random.normal(0.0, 0.5, how_many)).round(2),
            "oxygen": np.clip(random.normal(93, 4, how_many), 60, 100).round(0).astype(int),
            "stay": np.ceil(random.exponential(8, how_many)).astype(int),
            "died": died.astype(int),
            "admitted": pd.Timestamp("2020-03-01") + pd.to_timedelta(random.integers(0, 400, how_many), unit="D"),
        }
    )
    for diagnosis in DIAGNOSES:
        share = random.uniform(0.08, 0.35)
        frame[diagnosis] = (random.random(how_many) < share * (0.5 + age / 120)).astype(int)
    frame["days"] = np.where(died, random.integers(1, 28, how_many), 28)
    return frame


def health_service_number(random: np.random.Generator) -> str:
    """Ten digits of the range that is never given out, with a right check digit."""
    while True:
        digits = [9, 9, 9, *random.integers(0, 10, 6).tolist()]
        check = 11 - sum(digit * weight for digit, weight in zip(digits, range(10, 1, -1), strict=True)) % 11
        if check != 10:
            return "".join(map(str, [*digits, check % 11]))
