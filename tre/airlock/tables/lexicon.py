"""The words of column and row titles: what each says about the numbers under it. Standard library only.

Guarantees: a title is cut into words at case changes, digits and punctuation, and judged by its words and by the
idioms of R, Stata, pandas and statsmodels. A word of another measure (per cent, mean, identifier, level, …) outweighs a
word of counting, so that "mean count" and "number of levels" are no counts of people.

Does not guarantee: that a title tells the truth. What the values say is judged in `roles`.

Source of the words: titles that the named programs print, and those common in published health tables.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple


class Role(StrEnum):
    """What the numbers (or texts) of a column, a row or a part of a cell are."""

    counted = "count"
    percent = "percent"
    rate = "rate"
    total = "total"
    mean = "mean"
    sd = "sd"
    minimum = "min"
    maximum = "max"
    quantile = "quantile"
    coefficient = "coef"
    ci_low = "ci-low"
    ci_high = "ci-high"
    p = "p"
    dof = "dof"
    statistic = "statistic"
    parameter = "parameter"
    identifier = "id"
    date = "date"
    label = "label"
    organisation = "organisation"
    unknown = "unknown"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


COUNTING = _words(
    """
    n ns nobs count counts counted freq frequency frequencies tally cnt patients patient people persons person
    participants participant subjects individuals respondents cases controls events deaths died survivors admissions
    admitted discharges births episodes visits encounters attendances observations obs records population denominator
    numerator headcount exposed unexposed vaccinated cohort atrisk censored removed entrance men women children
    females males deceased infections diagnoses anzahl nombre effectif effectifs casos fallzahl
    """
)
"""Words that stand for a number of people or of things that happened to people."""

PERHAPS = _words("number num no total totals size all overall support samples entries missing")
"""Words that count something, not always people; a column numbered 1, 2, 3, … is then no count."""

THINGS = _words(
    """
    levels level features feature variables columns params parameters estimators folds iterations iter epochs bins
    trees classes clusters components layers units neurons seeds seed jobs splits steps days weeks months years hours
    minutes practices hospitals centres centers sites trusts studies files words tokens knots terms
    """
)
"""What is counted that is neither a person nor happens to one."""

PERSONAL = _words(
    """
    age sex gender ethnicity dob birth bmi height weight sbp dbp pulse temperature spo2 crp smoker smoking diabetes
    hypertension diagnosis icd10 admission admitted discharge discharged death died dead outcome status alive ventilated
    swab comorbidity creatinine haemoglobin hemoglobin albumin lymphocytes ddimer troponin egfr hba1c cholesterol los
    icu itu postcode race marital occupation symptom symptoms oxygen saturation respiratory rate wbc bp pcr
    """
)
"""What is recorded of single people."""

_IDIOMS = tuple(
    (re.compile(pattern), role)
    for pattern, role in (
        (r"p[ >|tzf_.-]*(?:val|value|adj)?|pr ?\([<>=|a-z]*\)|prob ?>.{0,6}|sig\.?|p\.(?:value|adj)", Role.p),
        (
            r"\[?0?\.025|2\.5 ?%|\[?(?:95|90|99) ?% ?conf\.?|conf\.low|lower|low|ll|(?:ci|cl)[ _.]?(?:lower|low|lo|l)",
            Role.ci_low,
        ),
        (r"0?\.975\]?|97\.5 ?%|interval\]|conf\.high|upper|high|ul|(?:ci|cl)[ _.]?(?:upper|high|hi|u)", Role.ci_high),
        (r"\d{1,2}(?:\.\d{1,2})? ?%|(?:1st|3rd) qu\.?|[pq][ _]?\d{1,2}(?:\.\d)?|q0?\.\d{1,3}", Role.quantile),
        (
            r"se ?\(coef\)|se|std\.? ?err(?:or)?\.?|-log2\(p\)|[tzf]|[tzf][ _.]value|ss|ms|(?:sum|mean)[ _]sq"
            r"|r-?sq(?:uared)?",
            Role.statistic,
        ),
        (r"exp\(coef\)|(?:log )?odds|(?:adj\w* |crude |unadj\w* |[am])?(?:or|hr|rr|irr|ame|rd)|b", Role.coefficient),
        (r"std\.? ?dev\.?|s\.?d\.?|\u03c3", Role.sd),
        (r"%|(?:row|col|column|cell|valid|cum\.?) ?(?:%|percent)|cum\.", Role.percent),
        (r"df[ _.]?\(?resid(?:ual)?s?\)?:?|resid(?:ual)?[. _]?df|d\.?o?f\.?|degrees of freedom", Role.dof),
        (
            r"(?:n|no\.?|num\.?|number) ?(?:of )?(?:at )?risk|n\.?(?:risk|event|censor)|at[ _.]?risk|n ?= ?\d[\d,]*",
            Role.counted,
        ),
    )
)
"""Titles that are judged as a whole, in small letters."""

_MEASURES = (
    (Role.ci_low, _words("lcl lci cil lower lwr")),
    (Role.ci_high, _words("ucl uci ciu upper upr")),
    (Role.p, _words("pval pvalue pvals padj fdr qvalue")),
    (
        Role.identifier,
        _words("id ids identifier identifiers uid uuid guid pseudonym mrn accession rownum pseudoid nhsno"),
    ),
    (
        Role.coefficient,
        _words("coef coefs coefficient coefficients beta estimate estimates est hr irr ratio ratios smd odds effect"),
    ),
    (
        Role.parameter,
        _words(
            """
            epoch epochs fold folds seed seeds batch iteration iterations iter depth estimators leaf lr alpha lambda
            learning
            hyperparameter hyperparameters parameter parameters param params version step steps run layer layers
            threshold bin bins order index idx row rank trial hidden dropout kernel neighbors neighbours splits weights
            factor gamma replicates
            """
        ),
    ),
    (
        Role.statistic,
        _words(
            """
            statistic stat stats chi2 chisq acc benefit auc auroc auprc accuracy sensitivity specificity precision
            recall loss f1 mcc brier logloss rmse mae mse r2 rsquared squared aic bic likelihood loglik deviance fpr
            tpr tnr fnr ppv npv score scores stderr se vif kappa icc correlation corr rho tau gini importance gain
            probability prob survival km skew kurtosis scale probabilities bias calibration slope dice iou hausdorff
            cv dispersion omnibus durbin jarque cond concordance partial log2 pseudo entropy shap logit runtime
            seconds elapsed hazard weight fc logfc cohens expr adj aveexpr
            """
        ),
    ),
    (Role.sd, _words("sd std stdev stddev variance sds")),
    (Role.mean, _words("mean means avg average averages moyenne mittelwert")),
    (Role.minimum, _words("min minimum smallest lowest earliest youngest")),
    (Role.maximum, _words("max maximum largest highest latest oldest")),
    (
        Role.quantile,
        _words(
            "median medians mediane quantile quantiles quartile percentile percentiles iqr q1 q3 p25 p50 p75 p5 p95 "
            "p1 p99"
        ),
    ),
    (
        Role.percent,
        _words("percent percentage percentages pct perc proportion proportions prop share fraction prevalence"),
    ),
    (Role.rate, _words("rate rates incidence per ir asr smr density mortality")),
    (Role.dof, _words("df dof ndf ddf freedom")),
    (
        Role.total,
        _words("sum cost costs amount expenditure spend turnover income charge charges revenue price payment"),
    ),
)
"""Words of other measures than counts, in the order in which they win."""

_FIRM_LABELS = _words(
    """
    age ages name label category type class level levels key code codes decile quintile value values rank
    date datetime timestamp day days month months year years week weeks time times hour hours timeline band group groups
    """
)
_TIMES = _words("date datetime timestamp day days month months year years week weeks time times hour hours timeline")
_LABELS = _words(
    """
    sex gender ethnicity ethnic region imd ageband agegroup agegrp stage grade term variable variables covariate
    characteristic
    characteristics subgroup stratum strata arm treatment cluster outcome exposure model metric measure severity
    feature features predictor description comparison contrast reference quarter column
    """
)
_ORGANISATIONS = _words(
    """
    trust trusts practice practices hospital hospitals centre centres center centers lsoa msoa ccg icb ods provider
    providers gp ward wards clinic clinics organisation organisations organization organizations submittingcentre
    commissioner employer
    """
)
_SITE = re.compile(
    r"(?:study|recruit\w*|hospital|imaging|scan\w*|trial|treating|reporting)[ _.]?site|site[ _.]?(?:id|code|name|no)"
)
_NAMED_BY = _words("id code name")
_FIRST = _words("n no num number numbers count counts freq frequency total")
_NOT_COUNTED = _words(
    "percent percentage pct mean median average sd id ids rate ratio proportion per p min max level code"
)
_COUNTED_FIRST = _words("n count counts number")
_HAPPENED = (
    "deaths",
    "events",
    "admissions",
    "cases",
    "births",
    "visits",
    "episodes",
    "discharges",
    "infections",
    "patients",
)
_SUFFIX = re.compile(r"[ _.]?\(?(?:midpoint[ _.]?\d*|derived|rounded|redacted|suppressed)\)?$", re.IGNORECASE)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_WITH_DIGITS = re.compile(r"[A-Za-z]+\d+")
_PER = re.compile(r"\bper[ _.]?(?:\d|100k|thousand|million|person|year|week|day|month)|/ ?\d[\d, ]{2,}")
_PARTS = re.compile(r"[(\[/;|]|\u00b1|\+/-")


class Named(NamedTuple):
    """What a title says; `sure` is false where it is perhaps a count, perhaps not."""

    role: Role
    sure: bool = True


_NOTHING = Named(Role.unknown)


def words_of(title: str) -> list[str]:
    """The words of a title, in small letters: `nPatients_total (2020)` gives n, patients, total, 2020."""
    return [word.lower() for word in _WORD.findall(title)]


def tokens_of(title: str) -> set[str]:
    """The words of a title, and those with the digits that belong to them: `p25`, `chi2`, `spo2`."""
    return {*words_of(title), *(word.lower() for word in _WITH_DIGITS.findall(title))}


@lru_cache(maxsize=8192)
def named(title: str) -> Named:
    """What a title says as a whole."""
    short = title.strip()
    while (cut := _SUFFIX.sub("", short)) != short:
        short = cut
    small = short.lower().strip("\"' *:")
    for pattern, role in _IDIOMS:
        if pattern.fullmatch(small):
            return Named(role)
    words = words_of(short)
    if small == "#":
        return Named(Role.counted, sure=False)
    if not words:
        return Named(Role.percent) if "%" in short else _NOTHING
    return _by_words(words, tokens_of(short), small)


def _by_words(words: list[str], tokens: set[str], small: str) -> Named:
    first = _by_first_word(words, tokens, small)
    if first is not None:
        return first
    if tokens & (_ORGANISATIONS | {"site"}) and tokens & _NAMED_BY:
        return Named(Role.organisation)
    measured = next((role for role, measure in _MEASURES if tokens & measure), None)
    if measured is not None:
        return Named(measured)
    return Named(Role.percent) if "%" in small else _by_kind(tokens, small)


def _by_first_word(words: list[str], tokens: set[str], small: str) -> Named | None:
    """What `number of …`, `n_…` and `… per 1,000` say, whatever else the title names."""
    per = _PER.search(small) is not None
    if words[0] in _FIRST and not tokens & _NOT_COUNTED and "%" not in small and not per:
        if set(words[1:3]) & THINGS and not tokens & (COUNTING - {words[0]}):
            return Named(Role.parameter)
        if len(words) > 1 and words[0] not in PERHAPS:
            return Named(Role.counted)
    return Named(Role.rate) if per else None


def _by_kind(tokens: set[str], small: str) -> Named:
    counted = tokens & COUNTING
    if _SITE.fullmatch(small) or (tokens & _ORGANISATIONS and not counted):
        return Named(Role.organisation)
    if tokens & _FIRM_LABELS and not tokens & _COUNTED_FIRST and not small.startswith(_HAPPENED):
        return Named(Role.date if tokens & _TIMES and not tokens & {"age", "ages"} else Role.label)
    if counted:
        return Named(Role.counted)
    if tokens & _LABELS:
        return Named(Role.label)
    return Named(Role.counted, sure=False) if tokens & PERHAPS else _NOTHING


_SAYS_NOTHING = frozenset({Role.unknown, Role.label, Role.date, Role.organisation, Role.identifier})


@lru_cache(maxsize=8192)
def roles_in(title: str) -> tuple[Role, ...]:
    """The roles of the numbers in a cell under this title, in their order: `n (%)` gives count, percent.

    One role for a plain title; `95% CI` gives both ends; `Age, mean (SD)` gives mean, sd.
    """
    said = _SIZE.sub("", title).strip()
    if any(pattern.fullmatch(said.lower()) for pattern, _ in _IDIOMS):
        return (named(said).role,)
    said = said.rstrip(")]").strip()
    for piece in (said.rsplit(",", 1)[-1].strip(), said.split("(", 1)[-1], said):
        parts = [part.strip(" )]") for part in _PARTS.split(piece.replace(",", "("))]
        roles = [role for part in parts if part for role in _part(part)]
        if len(roles) > 1 and not set(roles) & _SAYS_NOTHING:
            return tuple(roles)
    last = named(said.rsplit("(", 1)[-1]).role if "(" in said else Role.unknown
    if last is Role.percent and named(said.rsplit("(", 1)[0]).role in _SAYS_NOTHING | {Role.counted}:
        return (Role.counted, Role.percent)
    whole = named(title).role
    if whole in _SAYS_NOTHING and "," in said:
        tail = _part(said.rsplit(",", 1)[-1].strip())
        if not set(tail) & _SAYS_NOTHING:
            return tail
    return _part(said)


_SIZE = re.compile(r"[(\[]?\b[nN] ?= ?\d[\d, ]*[)\]]?")
"""The size of a group behind its name: `Cases (N=1,234)`."""

_INTERVAL = re.compile(
    r"(?:\d\d(?:\.\d)? ?%? ?)?(?:c\.?i\.?|confidence interval|conf\. interval|cri)(?: ?\d\d ?%?)?", re.IGNORECASE
)
_SPREAD = re.compile(r"iqr|q1 ?[-\u2013,] ?q3|interquartile range|p25 ?[-\u2013] ?p75", re.IGNORECASE)
_RANGE = re.compile(r"range|min ?[-\u2013] ?max", re.IGNORECASE)


def _part(part: str) -> tuple[Role, ...]:
    if _INTERVAL.fullmatch(part):
        return (Role.ci_low, Role.ci_high)
    if _SPREAD.fullmatch(part):
        return (Role.quantile, Role.quantile)
    if _RANGE.fullmatch(part):
        return (Role.minimum, Role.maximum)
    return (named(part).role,)
