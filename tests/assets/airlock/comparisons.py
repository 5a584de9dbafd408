"""Sets of files that are each harmless and disclose together, and near-misses that do not: by name, for comparisons.

Guarantees: every file is written out here. A disclosing set says which check finds it, at which file and cell, and a
piece of the reason in words; an honest set is what researchers really hand in, and gives no finding of S03 or S04.
"""

from __future__ import annotations

from dataclasses import dataclass, field

EARLIER = "earlier/"
SIBLING = "sibling/"
"""Files under these directories were released before: by this project, or by another one on the same data."""


@dataclass(frozen=True)
class Disclosing:
    """Files that disclose, and what must be said of them: check, file, row and column of the cell, words."""

    check: str
    file: str
    cell: tuple[int, int]
    says: str
    files: dict[str, str] = field(default_factory=dict)


def one(check: str, cell: tuple[int, int], says: str, text: str) -> Disclosing:
    """A table that discloses by itself."""
    return Disclosing(check, "t.csv", cell, says, {"t.csv": text})


AGES = "age,F,M,All\n18-39,120,130,250\n40-59,85,91,176\n60+,33,41,74\nAll,238,262,500\n"
ONE_MORE = "age,F,M,All\n18-39,120,131,251\n40-59,85,91,176\n60+,33,41,74\nAll,238,263,501\n"
# the same counts in another layout
LONG_ONE_MORE = """\
sex,age_group,n
F,18-39,120
F,40-59,85
F,60+,33
M,18-39,131
M,40-59,91
M,60+,41
"""

DISCLOSING: dict[str, Disclosing] = {
    "one hidden cell in a column": one(
        "S03", (2, 2), "is 5: total 95 − 40 − 50 leaves 5", "group,n\nA,<10\nB,40\nC,50\nTotal,95\n"
    ),
    "a star": one("S03", (3, 2), "is 4: total 115 − 30 − 81", "group,count\nA,30\nB,*\nC,81\nAll patients,115\n"),
    "two hidden cells that can only be nine": one("S03", (2, 2), "is 9", "group,n\nA,<10\nB,<10\nC,50\nTotal,68\n"),
    "two hidden cells with little between them": one(
        "S03", (2, 2), "can only be 0 to 3", "group,n\nA,*\nB,*\nC,51\nTotal,54\n"
    ),
    "a row of a crosstab": one(
        "S03",
        (4, 5),
        "is 4: total 120 − 30 − 45 − 41 leaves 4",
        "age,none,mild,moderate,severe,All\n18-39,52,30,20,14,116\n40-59,31,22,25,11,89\n60+,30,45,41,[REDACTED],120\n",
    ),
    "columns undo what rows hide": one(
        "S03",
        (3, 2),
        "is 5",
        "age,F,M,Total\na,12,*,20\nb,*,15,20\nc,30,31,61\nTotal,47,54,101\n",
    ),
    "a long table": one(
        "S03",
        (3, 3),
        "is 4: total 34 − 30 leaves 4",
        "region,sex,n\nN,F,30\nN,M,*\nN,All,34\nS,F,21\nS,M,25\nS,All,46\n",
    ),
    "a row left out": one(
        "S03",
        (3, 3),
        "left out",
        "region,sex,n\nN,F,30\nN,All,34\nS,F,21\nS,M,25\nS,All,46\nW,F,22\nW,M,25\nW,All,47\n",
    ),
    "a list of characteristics": one(
        "S03",
        (5, 3),
        "is 5: total 1201 − 1196 leaves 5",
        "characteristic,level,n\nOverall,,1201\nSex,F,700\n,M,501\nAge,<50,*\n,50+,1196\n",
    ),
    "a list under sub-headings": one(
        "S03",
        (7, 2),
        "is 5: total 1201 − 1196",
        "characteristic,n (%)\nOverall,1201\nSex,\nF,700 (58.3)\nM,501 (41.7)\nAge,\n<50 years,<10\n50+,1196 (99.6)\n",
    ),
    "the per cent beside it": one(
        "S03",
        (2, 2),
        "gives 6",
        "stage,n,%\nI,*,0.51\nII,411,35.04\nIII,756,64.45\n",
    ),
    "the per cent in its cell": one(
        "S03",
        (2, 2),
        "gives 6",
        "stage,n (%)\nI,<10 (0.51)\nII,411 (35.04)\nIII,756 (64.45)\n",
    ),
    "the share of its row": one(
        "S03",
        (3, 2),
        "gives 3",
        "region,died,died %,lived,total\nN,41,20.5,*,200\nS,*,1.2,*,251\nW,30,12.5,*,240\n",
    ),
    "a sign that nobody knows": one("S03", (3, 2), "is 7", "group,n\nA,30\nB,withheld\nC,81\nTotal,118\n"),
    "an empty cell": one("S03", (3, 2), "left empty, yet it is 7", "group,n\nA,30\nB,\nC,81\nTotal,118\n"),
    "totals in the first row, which nothing names": one(
        "S03",
        (4, 4),
        "is 4",
        "arm,cohort,x,y\nwhole,207,100,107\np,90,44,46\nq,72,68,*\nr,45,21,24\n",
    ),
    "two lines of header": one(
        "S03",
        (6, 3),
        "is 3: total 40 − 37 leaves 3",
        "sex,F,F,F,M,M,M\nsev,mild,severe,All,mild,severe,All\nage,,,,,,\n"
        "18-39,52,10,62,53,11,64\n40-59,37,25,62,46,15,61\n60+,37,*,40,31,12,43\n",
    ),
    "thousands": one("S03", (3, 2), "is 6", 'group,n\nA,"1,204"\nB,<=7\nC,"2,300"\nTotal,"3,510"\n'),
    "one more person": Disclosing("S04", "b.csv", (2, 3), "131 − 130 = 1", {"a.csv": AGES, "b.csv": ONE_MORE}),
    "one more person since the last release": Disclosing(
        "S04", "b.csv", (2, 3), "released earlier", {EARLIER + "b.csv": AGES, "b.csv": ONE_MORE}
    ),
    "one more person in another layout": Disclosing(
        "S04", "long.csv", (5, 3), "131 − 130 = 1", {EARLIER + "b.csv": AGES, "long.csv": LONG_ONE_MORE}
    ),
    "one more person than another project": Disclosing(
        "S04", "b.csv", (2, 3), "differs by 1", {SIBLING + "x.csv": AGES, "b.csv": ONE_MORE}
    ),
    "hidden now, shown before": Disclosing(
        "S04",
        "n.csv",
        (4, 2),
        "Hidden here",
        {
            EARLIER + "n.csv": "ward,n\nA,120\nB,85\nC,6\n",
            "n.csv": "ward,n\nA,120\nB,85\nC,<10\n",
        },
    ),
    "hidden before, shown now": Disclosing(
        "S04",
        "n.csv",
        (4, 2),
        "though hidden",
        {
            EARLIER + "n.csv": "ward,n\nA,120\nB,85\nC,<10\n",
            "n.csv": "ward,n\nA,120\nB,85\nC,6\n",
        },
    ),
    "two tables that hide different cells": Disclosing(
        "S04",
        "q.csv",
        (4, 2),
        "can be computed",
        {
            EARLIER + "p.csv": "ward,n\nA,120\nB,85\nC,*\nD,31\nTotal,241\n",
            "q.csv": "ward,n\nA,120\nB,85\nC,*\nD,*\nTotal,241\n",
        },
    ),
    "totals in another file": Disclosing(
        "S04",
        "by_age_and_sex.csv",
        (4, 3),
        "total 224 − 130 − 91 − (0 to 3) leaves 0 to 3",
        {
            "by_age_and_sex.csv": "age,F,M\n18-39,120,130\n40-59,85,91\n60+,32,*\n80+,11,*\n",
            "by_sex.csv": "sex,n\nF,248\nM,224\n",
        },
    ),
    "rounded and exact": Disclosing(
        "S04",
        "r.csv",
        (3, 3),
        "shows the same counts exactly",
        {"a.csv": AGES, "r.csv": "age,F,M,All\n18-39,120,130,250\n40-59,85,90,175\n60+,35,40,75\nAll,240,260,500\n"},
    ),
    "a part that lacks few": Disclosing(
        "S04",
        "v.csv",
        (2, 3),
        "120 − 118 = 2",
        {"v.csv": "region,total,vaccinated\nN,120,118\nS,300,220\n"},
    ),
    "most of everybody": Disclosing(
        "S04",
        "complete.csv",
        (6, 2),
        "41 − 37 = 4",
        {
            "all.csv": "age,n\n20s,410\n30s,505\n40s,620\n50s,300\n60s,41\n",
            "complete.csv": "age,n\n20s,375\n30s,462\n40s,566\n50s,274\n60s,37\n",
        },
    ),
}

DISCLOSING["a few fewer under the same name"] = Disclosing(
    "S04",
    "sex.csv",
    (2, 2),
    "123 − 115 = 8",
    {EARLIER + "sex.csv": "sex,n\nF,123\nM,171\n", "sex.csv": "sex,n\nF,115\nM,158\n"},
)

HONEST: dict[str, dict[str, str]] = {
    "totals of other people in another file": {
        "by_age_and_sex.csv": "age,F,M\n18-39,120,130\n40-59,85,91\n60+,33,*\n80+,11,*\n",
        "by_sex.csv": "sex,n\nF,260\nM,225\n",
    },
    "totals in another file that leave much": {
        "by_age_and_sex.csv": "age,F,M\n18-39,120,130\n40-59,85,91\n60+,33,*\n80+,11,*\n",
        "by_sex.csv": "sex,n\nF,249\nM,260\n",
    },
    "two hidden in each line": {
        "t.csv": "age,F,M,Total\na,*,*,36\nb,*,*,41\nc,30,31,61\nTotal,66,72,138\n",
    },
    "a hidden cell and no total": {"t.csv": "group,n\nA,<10\nB,40\nC,51\n"},
    "a total of what is shown": {"t.csv": "group,n\nA,[REDACTED]\nB,41\nC,52\nTotal,93\n"},
    "rounded to five, totals too": {
        "t.csv": "age,F,M,Total\na,15,[REDACTED],25\nb,30,45,75\nc,20,35,60\nTotal,65,90,155\n"
    },
    "midpoint six": {"t.csv": "g,n_midpoint6\na,15\nb,[REDACTED]\nc,33\nd,27\ne,57\nf,9\nTotal,147\n"},
    "one large cell is hidden to protect another": {"t.csv": "group,n\nA,[c]\nB,40\nC,51\nTotal,137\n"},
    "rates and models": {
        "t.csv": "term,estimate,p,n\nage,0.5,*,812\nsex,1.2,**,812\ntotal,3.1,***,812\n",
    },
    "groups that overlap": {
        "t.csv": "symptom,n\ncough,310\nfever,250\nrash,*\nTotal patients,402\n",
    },
    "men and women": {
        "men.csv": "age,n\n18-39,120\n40-59,85\n60+,33\n",
        "women.csv": "age,n\n18-39,130\n40-59,91\n60+,41\n",
    },
    "a few fewer in another place": {
        EARLIER + "north.csv": "sex,n\nF,123\nM,171\n",
        "south.csv": "sex,n\nF,115\nM,158\n",
    },
    "two questions": {
        "smokers.csv": "smoker,n\nyes,120\nno,380\n",
        "diabetes.csv": "diabetes,n\nyes,118\nno,382\n",
    },
    "the same table again": {"a.csv": AGES, EARLIER + "a.csv": AGES, SIBLING + "a.csv": AGES},
    "many more people": {
        EARLIER + "a.csv": AGES,
        "a.csv": "age,F,M,All\n18-39,220,240,460\n40-59,150,161,311\n60+,73,81,154\nAll,443,482,925\n",
    },
    "rounded twice": {
        EARLIER + "r.csv": "age,F,M,All\n18-39,120,130,250\n40-59,85,90,175\n60+,35,40,75\nAll,240,260,500\n",
        "r.csv": "age,F,M,All\n18-39,120,135,255\n40-59,85,90,175\n60+,35,40,75\nAll,240,265,505\n",
    },
    "coefficients of two models": {
        "m1.csv": "term,coef,se\nage,0.50,0.10\nsex,1.25,0.30\n",
        "m2.csv": "term,coef,se\nage,0.51,0.10\nsex,1.20,0.31\n",
    },
    "events among many": {"v.csv": "region,total,events\nN,1200,118\nS,3000,220\n"},
}
