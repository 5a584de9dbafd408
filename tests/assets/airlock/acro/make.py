"""Wrote the sessions beside this file, with ACRO itself, in an environment of its own: `make.py DIRECTORY [suppress]`.

The people in it are random numbers. The tests read what was written; ACRO is no dependency of theirs.
"""

from __future__ import annotations

import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from acro import ACRO

PEOPLE = 400


def main(directory: Path, suppress: bool) -> None:
    """A session of every kind of record."""
    chance = np.random.default_rng(3)
    people = pd.DataFrame(
        {
            "sex": chance.choice(["F", "M"], PEOPLE),
            "age": chance.choice(["18-39", "40-59", "60-79", "80+"], PEOPLE, p=[0.4, 0.35, 0.22, 0.03]),
            "sev": chance.choice(["mild", "severe"], PEOPLE, p=[0.8, 0.2]),
            "cost": chance.lognormal(3, 1.5, PEOPLE).round(2),
        }
    )
    people["y"] = people.cost + chance.normal(size=PEOPLE)
    session = ACRO(suppress=suppress)
    session.crosstab(people.age, people.sev)
    session.crosstab(people.age, [people.sex, people.sev])
    session.crosstab(people.age, people.sex, values=people.cost, aggfunc="sum")
    session.crosstab(people.age, people.sex, values=people.cost, aggfunc=["mean", "std"])
    session.ols(people.y, people[["cost"]])
    Path("note.txt").write_text("hello")
    session.custom_output("note.txt", "a note")
    session.add_exception("output_0", "few people, and a national total")
    shutil.rmtree(directory, ignore_errors=True)
    session.finalise(str(directory), "json")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]), sys.argv[2:] == ["suppress"])
