"""Outputs of research by name: planted disclosures with the place that must be found, and clean near-misses.

Guarantees: each planted output holds one disclosure of the check that it names, in the row (and column) given; each
clean one is something that researchers release, next to what a check might take it for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Planted:
    """An output, the check that must find something in it, and where (rows and columns from 1)."""

    text: str
    check: str
    row: int | None = None
    column: int | None = None
    case: str = ""
    pointer: str | None = None


STATA = """. tabulate sex died

           |         died
       sex |         0          1 |     Total
-----------+----------------------+----------
         F |       720        {small:3d} |       910
         M |       700        190 |       890
-----------+----------------------+----------
     Total |      1420        380 |      1800

. regress bmi age

      Source |       SS           df       MS      Number of obs   =     {n:5d}
-------------+----------------------------------   F(1, {residual})      =      1.77
       Model |  44.1234567         1  44.1234567   Prob > F        =    0.1840
    Residual |  44871.4116     {residual:5d}   25.0000000   R-squared       =    0.0010
-------------+----------------------------------   Adj R-squared   =    0.0004
       Total |  44915.5351     {total:5d}   25.1234567   Root MSE        =     5.000

------------------------------------------------------------------------------
         bmi | Coefficient  Std. err.      t    P>|t|     [95% conf. interval]
-------------+----------------------------------------------------------------
         age |    .012345   .0093210     1.33   0.184     -.005941    .0306310
       _cons |   26.01234    .543210    47.88   0.000     24.94696    27.07772
------------------------------------------------------------------------------
"""
R_GLM = """Coefficients:
             Estimate Std. Error z value Pr(>|z|)
(Intercept) -3.989979   1.139951  -3.500 0.000465 ***
age          0.002264   0.001094   2.070 0.038465 *
---
Signif. codes:  0 '***' 0.001 '**' 0.01 '*' 0.05 '.' 0.1 ' ' 1

    Null deviance: 1499.98  on 1799  degrees of freedom
Residual deviance: 1458.52  on {}  degrees of freedom
"""
STATSMODELS = """                            OLS Regression Results
==============================================================================
Dep. Variable:                    bmi   R-squared:                       0.481
Model:                            OLS   Adj. R-squared:                  0.286
No. Observations:                {n:4d}   AIC:                             66.47
Df Residuals:                    {residual:4d}   BIC:                             68.41
Df Model:                           3
Covariance Type:            nonrobust
==============================================================================
                 coef    std err          t      P>|t|      [0.025      0.975]
------------------------------------------------------------------------------
Intercept     33.3856      3.723      8.968      0.000      24.801      41.970
age           -0.0089      0.051     -0.174      0.866      -0.127       0.109
==============================================================================
Omnibus:                        0.260   Durbin-Watson:                   2.365
"""
LIFELINES = """<lifelines.CoxPHFitter: fitted with 432 total observations, 318 right-censored observations>
             duration col = 'week'
   number of observations = 432
number of events observed = {}

---
            coef  exp(coef)   se(coef)   coef lower 95%   coef upper 95%  exp(coef) lower 95%  exp(coef) upper 95%
covariate
fin        -0.38       0.68       0.19            -0.75            -0.00                 0.47                 1.00
age        -0.06       0.94       0.02            -0.10            -0.01                 0.90                 0.99
"""
CROSSTAB = """sex      F    M   All
severe
0      120  130   250
1       {}   40    {}
All    123  170   293
"""
TABLE_1 = (
    'Characteristic,Overall,Cases,p\nn,430,40,\n"Age, mean (SD)",54.1 (12.1),61.2 (9.9),0.31\n"Sex, n (%)",,,\n'
    "  Female,200 (46.5),{},\n  Male,230 (53.5),12 (30.0),\n"
)
DESCRIBE = "              age         bmi\ncount  430.000000  430.000000\nmean    54.953488   26.715814\n"
DUMP = "age,sex,bmi,died\n" + "".join(
    f"{20 + i * 7 % 60},{'MF'[i % 2]},{20 + i % 9}.5,{i % 3 // 2}\n" for i in range(12)
)
HEAD = """   age     sex  los  icu
0   44    Male  3.1    0
1   52  Female  8.2    1
2   61  Female  2.9    0
"""
GLIMPSE = 'Rows: 1,800\nColumns: 2\n$ sex    <chr> "F", "M", "M", "F"\n$ age    <int> 44, 52, 61, 39\n'
LISTED = (
    "     +-------------+\n     | sex   age   |\n     |-------------|\n  1. |   F    44   |\n  2. |   M    52   |\n"
    "     +-------------+\n"
)

PLANTED: dict[str, Planted] = {
    "count.csv": Planted("sex,n_patients,mean_age\nF,3,44.2\nM,120,45\n", "S01", 2, 2),
    "count-camel.csv": Planted("sex,nPatients\nF,300\nM,7\n", "S01", 3, 2),
    "count-midpoint.csv": Planted("sex,count_midpoint6\nF,303\nM,9\n", "S01", 3, 2),
    "events-in-a-wide-model.csv": Planted("term,hr,lci,uci,p,events,n\nage,1.2,1.0,1.4,.03,6,1800\n", "S01", 2, 6),
    "combined-pair.csv": Planted('term,exposed / unexposed\na,"39,893 / 17,487"\nb,6 / 340\n', "S01", 3, 2),
    "combined-percent.csv": Planted("group,n (%)\nA,340 (70.1)\nB,5 (1.0)\n", "S01", 3, 2),
    "combined-of.csv": Planted("group,responders\nA,34 of 120\nB,3 of 45\n", "S01", 3, 2),
    "table-1.csv": Planted(TABLE_1.format("4 (10.0)"), "S01", 5, 3),
    "crosstab-margins.csv": Planted("region,18-39,40-59,All\nNorth,120,3,123\nSouth,130,40,170\n", "S01", 2, 3),
    "crosstab-categories.csv": Planted("diagnosis,2019,2020\nasthma,340,320\nsarcoidosis,4,12\n", "S01", 3, 2),
    "crosstab-of-sexes.csv": Planted("region,F,M\nNorth,120,6\nSouth,130,40\n", "S01", 2, 3),
    "crosstab-by-bands.csv": Planted('AgeGroup,never,pipe\n"[0, 40)",340,6\n"[40, 60)",320,40\n', "S01", 2, 3),
    "percent-by-title.md": Planted(
        "| Group | N | Ventilated (%) |\n|---|---|---|\n| A | 160 | 40.1 |\n| B | 15 | 100 |\n", "S05", 4, 3
    ),
    "table-1-without-roles.md": Planted(
        "| | Overall (N=3200) | ICU (N=120) |\n|---|---|---|\n| Age, median [IQR] | 55 [40-71] | 61 [50-72] |\n"
        "| Female sex | 1600 (50.0%) | 5 (4.2%) |\n",
        "S01",
        4,
        3,
    ),
    "everybody-in-one-class.csv": Planted("group,alive,dead\nA,120,40\nB,0,15\n", "S05", 3, 3),
    "group-sizes.csv": Planted("region,0\nNorth,340\nSouth,8\n", "S01", 3, 2),
    "rows-carry-roles.csv": Planted(",White,Asian,Black\nn,340,210,4\nmean age,54.1,53.2,61.0\n", "S01", 2, 4),
    "long-table.csv": Planted("group,measure,value\nM,patients,1190\nM,mean age,54.1\nF,patients,6\n", "S01", 4, 3),
    "two-header-lines.csv": Planted(
        "region,count,count,mean,mean\nsex,F,M,F,M\nNorth,340,5,54.1,53.0\nSouth,320,330,52.1,51.0\n", "S01", 3, 3
    ),
    "decimal-comma.csv": Planted("Gruppe;Anzahl;Mittelwert\nA;1.340;54,1\nB;4;61,2\n", "S01", 3, 2),
    "starred.csv": Planted("group,n\nA,340\nB,3*\n", "S01", 3, 2),
    "with-a-unit.csv": Planted("group,n\nA,340 patients\nB,3 patients\n", "S01", 3, 2),
    "implied-by-percent.csv": Planted("group,n,deaths,pct\nA,430,50,11.6\nB,45,[REDACTED],6.7\n", "S01", 3, 4),
    "implied-by-size.csv": Planted("outcome,A (N=45) %\ndied,6.7\nalive,93.3\n", "S01", 2, 2),
    "counts.json": Planted(json.dumps({"counts": {"F": 910, "M": 3}}), "S01", pointer="/counts/M"),
    "report.json": Planted(
        json.dumps({"a": {"auc": 0.8, "support": 340}, "b": {"auc": 0.5, "support": 5}}), "S01", pointer="/b/support"
    ),
    "split.json": Planted(
        json.dumps({"columns": ["sex", "n"], "data": [["F", 300], ["M", 7]]}), "S01", pointer="/data/1/1"
    ),
    "pandas-crosstab.txt": Planted(CROSSTAB.format("  3", " 43"), "S01", 4, 2),
    "pandas-series.txt": Planted("sex\nFemale    1210\nMale         4\nName: count, dtype: int64\n", "S01", 3, 2),
    "pandas-scores.txt": Planted("severity_score\n0    536\n1    591\n2    544\n3      5\nName: count\n", "S01", 5, 2),
    "numpy.txt": Planted("Confusion matrix:\n[[2100    4]\n [ 180  780]]\n", "S01", 2, 2),
    "python.log": Planted("done\nCounter({'yes': 4996, 'no': 4})\n", "S01", 2),
    "bold-pair.md": Planted("**Deaths:** 4\n\n**Age (mean):** 54.1\n", "S01", 1),
    "lists.json": Planted(json.dumps([["finding", "n"], ["effusion", 310], ["other", 4]]), "S01", pointer="/2/1"),
    "markdown.md": Planted("Text.\n\n| Group | N |\n|---|---|\n| A | 340 |\n| B | 4 |\n", "S01", 6, 2),
    "grid.txt": Planted(
        "+---+-----+\n| g | n   |\n+===+=====+\n| A | 340 |\n+---+-----+\n| B | 7   |\n+---+-----+\n", "S01", 6, 2
    ),
    "rst.txt": Planted("=====  ===\narm    n\n=====  ===\nplain  340\nother  7\n=====  ===\n", "S01", 5, 2),
    "stata.log": Planted(STATA.format(small=4, n=1800, residual=1798, total=1799), "S01", 6, 3),
    "r-table.txt": Planted("> table(d$sex, d$died)\n   \n      0   1\n  F 720   3\n  M 700 190\n", "S01", 4, 3),
    "r-tibble.txt": Planted(
        "# A tibble: 2 × 3\n  region         n mean_age\n  <chr>      <int>    <dbl>\n1 London       340     54.2\n"
        "2 North East     6     61.0\n",
        "S01",
        5,
        3,
    ),
    "sas.txt": Planted(
        "sex    Frequency     Percent\n----------------------------\n"
        "F           340       98.27\nM             6        1.73\n",
        "S01",
        4,
        2,
    ),
    "lifelines.txt": Planted(LIFELINES.format(6), "S01", 4, 2),
    "log-line.log": Planted("loading\npatients included: 1800\npatients excluded: 3\ndone\n", "S01", 3, 2),
    "sentence.md": Planted("In the subgroup with sarcoidosis (n = 4), the mean age was 61.\n", "S01", 1),
    "claims-rounding.csv": Planted("region,n_rounded\nA,340\nB,212\n", "S02", 3, 2),
    "claims-midpoint.csv": Planted("region,n_midpoint6\nA,339\nB,213\nC,216\n", "S02", 4, 2),
    "mostly-rounded.csv": Planted(
        "r,n\n" + "".join(f"{i},{v}\n" for i, v in enumerate([*range(100, 145, 5), 203], 5)), "S02"
    ),
    "percent-undoes-rounding.csv": Planted(
        "group,total,cases,pct\nA,430,50,12.1\nB,380,35,9.2\nC,510,60,11.8\n", "S02", 2, 4
    ),
    "hundred-percent.csv": Planted("group,n,pct_died\nA,430,12.1\nB,40,100\n", "S05", 3, 3),
    "no-variation.csv": Planted("group,n,mean_age,sd_age\nA,430,54.1,12.1\nB,20,61,0\n", "S05", 3, 4),
    "mean-is-maximum.csv": Planted("group,n,mean_age,max_age\nA,430,54.1,[REDACTED]\nB,20,61,61\n", "S05", 3, 3),
    "minimum-and-maximum.csv": Planted("region,n,min_age,max_age\nA,430,18,94\n", "S06", 2, 3),
    "describe.txt": Planted(DESCRIBE + "min     18.000000    9.300000\n50%     55.000000   27.000000\n", "S06", 4, 2),
    "extreme-quantile.csv": Planted("region,p1,p50\nA,18.2,54.1\n", "S06", 2, 2),
    "quartile-of-few.csv": Planted("region,n,p25,p75\nA,30,18.2,93.1\n", "S06", 2, 3),
    "r-summary.txt": Planted(
        "   Min. 1st Qu.  Median    Mean 3rd Qu.    Max. \n  18.00   35.00   52.00   53.21   70.00   94.00 \n",
        "S06",
        2,
        1,
    ),
    "range.csv": Planted('Characteristic,Overall\n"Age, mean (range)",54.1 (18-94)\n', "S06", 2, 2),
    "few-degrees.txt": Planted(STATSMODELS.format(n=12, residual=8), "S07", 6, case="low"),
    "few-degrees-r.txt": Planted(R_GLM.format(7), "S07", 9, case="low"),
    "few-degrees.log": Planted(STATA.format(small=90, n=8, residual=6, total=7), "S07", case="low"),
    "few-degrees-in-words.json": Planted(json.dumps({"residual_degrees_of_freedom": 6}), "S07", case="low"),
    "few-degrees.json": Planted(json.dumps({"df_resid": 4}), "S07", case="low", pointer="/df_resid"),
    "saturated.csv": Planted("term,coef,se,p,n_obs\na,1,.1,.1,2\nb,1,.1,.1,2\n", "S07", case="low"),
    "no-size.csv": Planted("term,coef,std_err,p\nage,0.2,.1,.01\n", "S07", 1),
    "dominated.csv": Planted("sector,total_cost,largest,second_largest\nA,1000,200,150\nB,1000,700,250\n", "S08", 3),
    "dominated-shares.csv": Planted("sector,top1_share_pct,top2_share_pct\nA,20,35\nB,70,95\n", "S08", 3),
    "marked-by-a-tool.csv": Planted("sector,2010\nA,ok\nB,p-ratio; nk-rule;\n", "S08", 3, 2),
    "trusts.csv": Planted("trust,mean_age\nRJ1,54.1\nRRV,55.0\nRAL,53.9\n", "S10", 2, 1),
    "small-areas.csv": Planted("area,mean_age\nE01000001,54.1\nE01000002,55.0\n", "S10", 2, 1),
    "hospital-names.csv": Planted("place,mean_age\nRoyal Free Hospital,54.1\nSt Thomas' Hospital,52\n", "S10", 2, 1),
    "trust-columns.csv": Planted(
        "sex,RJ1,RRV,RAL,R1H,RYJ\nF,340,220,410,300,200\nM,310,240,390,320,210\n", "S10", 1, 2
    ),
    "sites.csv": Planted("site_id,mean_age\n1,54.1\n2,53.1\n3,55.0\n", "S10", 2, 1),
    "precise.csv": Planted("region,mean\nNorth,3.141592653589793\n", "S11", 2, 2),
    "says-nothing.csv": Planted("region,foo\nNorth,34\nSouth,12\n", "S12", 1, 2),
    "two-in-a-cell.csv": Planted('term,a\nx,"39,893 / 17,487"\n', "S12", 2, 2, "combined"),
    "wide.csv": Planted(
        ",".join(f"mean_{i}" for i in range(31)) + "\n" + ",".join(["1.5"] * 31) + "\n", "S12", 1, None, "wide"
    ),
    "dump.csv": Planted(DUMP, "P06", 1),
    "dump-with-names.csv": Planted("uid,score\n" + "".join(f"a{i * 7919:06d},0.{i}\n" for i in range(12)), "P06", 1),
    "dump-renamed.csv": Planted(
        "v1,v2,v3,v4,v5\n"
        + "".join(
            f"{i * 37 % 91},{'xyz'[i % 3]},{i * 17 % 97}.{i % 9},{'pq'[i % 2]},{i * i % 89}\n" for i in range(60)
        ),
        "P06",
        1,
    ),
    "dump-days.csv": Planted("admitted,age,sex\n2020-03-01,44,F\n2020-03-02,52,M\n2020-03-02,61,F\n", "P06", 1),
    "head.txt": Planted(HEAD, "P06", 1),
    "tail.txt": Planted(HEAD.replace("\n0 ", "\n397 ").replace("\n1 ", "\n398 ").replace("\n2 ", "\n399 "), "P06", 1),
    "dump-with-saturation.csv": Planted(
        "Age,Gender,Smoker,Pneumonia,SpO2\n"
        + "".join(f"{30 + i},{'FM'[i % 2]},{'ne'[i % 2]},{i % 2},9{i % 9}\n" for i in range(12)),
        "P06",
        1,
    ),
    "dump.json": Planted(
        json.dumps([{"age": 20 + i, "sex": "FM"[i % 2], "spo2": 90 + i % 9} for i in range(12)]), "P06"
    ),
    "sample.txt": Planted(
        "      finding view month  age    crp\n12   effusion   AP   Apr   54   10.1\n"
        "7        none   PA   May   61   20.2\n93   effusion   AP   Apr   47   33.3\n",
        "P06",
        1,
    ),
    "glimpse.txt": Planted(GLIMPSE, "P06", 1),
    "str.txt": Planted(
        '\'data.frame\':\t1800 obs. of  2 variables:\n $ sex : chr  "F" "M"\n $ age : int  44 52\n', "P06", 1
    ),
    "stata-list.log": Planted(LISTED, "P06", 1),
}
"""Name, text, and what must be found where."""

CLEAN: dict[str, str] = {
    "model.csv": "term,coef,p,df,level,year\nage,2,0.03,4,1,3\nsex,3,0.01,5,2,4\n",
    "odds-ratios.csv": "term,OR,lower_95,upper_95,p,n_obs\nage,1.2,1.0,1.4,.03,1800\nsex,2,1,3,.01,1800\n",
    "or-in-a-cell.csv": "Variable (N = 430),OR (95% CI),p-value\nage,1.23 (0.90-1.70),0.03\nsex,2 (1-3),<0.001\n",
    "table-1.csv": TABLE_1.format("28 (70.0)"),
    "redacted.csv": "group,count,pct\nA,[REDACTED],[REDACTED]\nB,120,48.0\nC,<10,\n",
    "rounded.csv": "sex,region,n_midpoint6,rate_midpoint6_derived\nF,N,339,0.2\nM,N,303,0.1\n",
    "crosstab-of-percent.csv": "region,18-39,40-59,60+\nNorth,5.5,44.5,50.0\nSouth,4.5,45.5,50.0\n",
    "two-header-lines.csv": "Gender,Female,Female,Male,Male\nPneumonia,0,1,0,1\nAgeGroup,,,,\n"
    "40-59,120,130,140,150\n60-79,110,90,80,70\n",
    "correlations.csv": ",age,bmi\nage,1.0,0.12\nbmi,0.12,1.0\n",
    "describe-without-extremes.txt": DESCRIBE + "std     22.421740    5.197164\n50%     55.000000   26.900000\n",
    "describe-suppressed.csv": ",age,bmi\ncount,430,430\nmean,54.1,26.7\nmin,[REDACTED],[REDACTED]\nmax,*,*\n",
    "quartiles-of-many.csv": "region,n,p25,median,p75\nA,430,3,6,9\n",
    "numbering.csv": "no,item,mean\n1,a,3\n2,b,4\n3,c,5\n",
    "quintiles.csv": "imd_quintile,n,mean_los\n1,480,6.1\n2,485,6.3\n3,470,6.0\n",
    "rates.csv": "year,asr_per_100k,lower_ci,upper_ci\n2019,2.3,1.1,3.4\n2020,5.6,3.2,8.1\n",
    "hyperparameters.csv": "max_depth,n_estimators,learning_rate,mean_test_score\n3,100,0.1,0.81\n4,5,0.05,0.83\n",
    "ranks.csv": "item,priority,effort_score\nA,1,3\nB,2,5\n",
    "chi-squared.csv": "variable,chi2,dof,p\nsex,3.2,1,0.07\nethnicity,9.1,4,0.06\n",
    "missing-share.csv": "variable,pct_missing\nage,1.1\nbmi,6.7\n",
    "column-percent.csv": "group,n,pct\nA,380,95.0\nB,20,5.0\n",
    "regions.csv": "region,mean_age\nNorth East,54.1\nLondon,53.0\nSouth West,55.0\n",
    "local-authorities.csv": "area,mean_age\nE06000001,54.1\nE09000002,53.0\nE08000003,55.0\n",
    "hospital-or-not.csv": "hospital,n,mean_age\nyes,450,54.1\nno,440,53.0\n",
    "tumour-site.csv": "site,n,median_survival_months\nlung,230,11\nbreast,340,62\ncolon,190,40\n",
    "curve.csv": "fpr,tpr,threshold\n"
    + "".join(f"{i / 20:.2f},{(i / 20) ** 0.4:.3f},{1 - i / 20:.2f}\n" for i in range(21)),
    "weekly.csv": "week,admissions,mean_age,sex\n"
    + "".join(f"2021-01-{i + 1:02d},{100 + i},50.1,F\n" for i in range(20)),
    "codes.csv": "code,term,category\n" + "".join(f"{10000000 + i * 137},term {i},c{i % 3}\n" for i in range(20)),
    "genes.csv": "gene,logFC,t,P.Value,n\n" + "".join(f"GENE{i:03d},0.{i},1.{i},0.0{i},430\n" for i in range(20)),
    "contributions.csv": "sector,total_cost,largest,second_largest\nA,1000,200,150\n",
    "metrics.json": json.dumps({"auc": 0.91, "n_train": 1440, "params": {"max_depth": 4, "folds": 5}, "epochs": 3}),
    "by-sex.json": json.dumps({"n_sites": 7, "by_sex": {"Male": 1190, "Female": 1210}, "age": {"mean": 5, "sd": 2}}),
    "statsmodels.txt": STATSMODELS.format(n=430, residual=426),
    "r-glm.txt": R_GLM.format(1797),
    "stata.log": STATA.format(small=190, n=1800, residual=1798, total=1799),
    "lifelines.txt": LIFELINES.format(114),
    "pandas-crosstab.txt": CROSSTAB.format(" 30", " 70"),
    "training.log": "".join(f"2021-03-0{i} 12:01:33 INFO epoch {i} loss 0.6{i} auc 0.5{i}\n" for i in range(1, 7)),
    "run.log": "rows: 1800\ncolumns: 12\nn_estimators: 5\nseed: 7\nfold 1 of 5\nfold 2 of 5\nbatch size: 8\n",
    "versions.log": "Package    Version\n---------- -------\nnumpy      1.26.4\npandas     2.1.0\nscipy      1.11.3\n",
    "info.txt": " #   Column  Non-Null Count  Dtype\n---  ------  --------------  -----\n"
    " 0   age     1800 non-null   int64\n"
    " 1   sex     1800 non-null   object\n",
    "prose.md": "We included 1,800 patients between 2019 and 2021, of whom 905 were women.\n"
    "Counts below 8 patients were suppressed; at most 5 folds were used (k = 5).\n\n1. Load data\n2. Fit 3 models\n",
    "t-test.txt": "t = 2.1034, df = 1798.2, p-value = 0.0356\n95 percent confidence interval:\n 0.0812 2.1131\n",
}
"""Outputs that must not be stopped: none of them may have a finding that needs an exception."""
