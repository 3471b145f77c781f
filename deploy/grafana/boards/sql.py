"""A figure's own SQL as a panel can ask it: Grafana's macros and variables for its parameters.

The text of a figure is that of `kpis.sql`, so a panel shows what command line, page and API show.
Its parameters become expressions:

- `start` and `end` are those of the dashboard's time, cut at now; `asof` is the earlier of its end
  and now. Figures of where leads stand are as of now: ClickHouse knows leads' states of now only.
- The funnel's terms (ladder, roles, windows, zone) are read from `v_funnel_terms`, which follows
  the definition in force: nothing of one funnel is written into a dashboard.
- A filter is `$__conditionalAll(..., $source)`, so it is no filter while a variable is on All. What
  has no value is `-`. Values of variables have their backslashes doubled (variables.py), since
  Grafana escapes quotes only.
"""

from __future__ import annotations

import re

from schemas.reading import FUNNELS, load
from sinks.clickhouse import kpis, terms
from sinks.clickhouse.catalogue import Kpi, named
from sinks.clickhouse.questions import SPEND_BY, STAGE, Question, conditions, question

FILTERS = ("source", "channel", "campaign", "segment", "owner", STAGE, "version")
OWNER = "owner"  # a dimension only where the funnel file names it
NO_VALUE = "-"
SETTINGS = "SETTINGS joined_subquery_requires_alias = 0"
_SOME_TIME = 1_767_225_600_000  # the text has no time in it
NOW = "now64(3, 'UTC')"

_PARAMETER = re.compile(r"(?<!\$)\{(\w+):((?:[^{}()]|\([^{}]*\))+)\}")
_KEPT = re.compile(r"^\((?P<value>.+) IN \{keep_\w+:Array\(String\)\}\)$", re.DOTALL)
_BUCKET = "toString(toDate(assumeNotNull(at), {zone:String}))"
# By the variable `every`, which is day, week or month.
_BUCKETS = (
    "toString(multiIf('${every}' = 'month', toStartOfMonth(DAY), '${every}' = 'week', "
    "if(panel_week_start = 'monday', toStartOfWeek(DAY, 1), toStartOfWeek(DAY, 0)), DAY))"
).replace("DAY", _BUCKET.removeprefix("toString(").removesuffix(")"))
_FROM = "toDateTime64($__fromTime_ms, 3, 'UTC')"
_TO = "toDateTime64($__toTime_ms, 3, 'UTC')"


def figure(
    name: str,
    *,
    by: str = "",
    trend: bool = False,
    select: str = "",
    filters: tuple[str, ...] = FILTERS,
    start: str = "",
) -> str:
    """Return a figure's statement: by a dimension, by buckets of time, or `select` of its members.

    `filters` are the variables that it may be kept by, `start` another beginning of its period.

    Raises:
        ValueError: there is no such figure, or its text has no such form.

    """
    kpi = named(name)
    asked = _asked(kpi, by=by, trend=trend, filters=filters)
    text = _bare(kpis.sql(kpi, asked, select))
    if trend and _BUCKET not in text:
        raise ValueError(f"{name} has no trend that one statement can give")
    text = _filtered(text.replace(_BUCKET, _BUCKETS), asked)
    return _with_terms(text, now=kpi.of_states, start=start or _FROM)


def applicable(name: str) -> tuple[str, ...]:
    """Return the variables that a figure can be kept by."""
    return {"all": FILTERS, "spend": tuple(SPEND_BY), "none": ()}[named(name).filters]


def _asked(kpi: Kpi, *, by: str, trend: bool, filters: tuple[str, ...]) -> Question:
    """Return a question whose text is that of any funnel: all of it that differs is a parameter."""
    allowed = [one for one in applicable(kpi.name) if one in filters]
    asked = question(load(FUNNELS / "default.yaml"), 0, 1, _SOME_TIME, by)
    where = tuple((name, ("",)) for name in allowed)
    return asked._replace(where=where, trend="day" if trend else "")


def _bare(text: str) -> str:
    """Leave comments out: the plugin looks for commas and parentheses in them too."""
    lines = (line for line in text.splitlines() if not line.strip().startswith("--"))
    return "\n".join(line for line in lines if line.strip())


def _filtered(text: str, asked: Question) -> str:
    for name, _ in asked.where:
        alone = asked._replace(where=((name, ("",)),))
        for condition in set(conditions(alone).values()) - {"1"}:
            text = text.replace(condition, _conditional(name, condition))
        text = re.sub(
            rf"WHERE (\w+) IN \{{keep_{name}:Array\(String\)\}}",
            rf"WHERE $__conditionalAll(\1 IN (${{{name}:singlequote}}), ${name})",
            text,
        )
    return text


def _conditional(name: str, condition: str) -> str:
    chosen = f"(${{{name}:singlequote}})"
    found = _KEPT.match(condition)
    if found:
        kept = f"transform({found['value']}, [''], ['{NO_VALUE}']) IN {chosen}"
    else:  # of a state: the journey's version
        kept = re.sub(r"\{keep_\w+:Array\(String\)\}", lambda _: chosen, condition[1:-1])
    if name == OWNER:
        kept = f"NOT has(panel_dimensions, '{OWNER}') OR {kept}"
    # Parentheses around a whole WHERE are nothing to ClickHouse, and its parser loses them: the
    # embedded engine's check of a viewer's statement takes that for a statement it can't read.
    return f"($__conditionalAll({kept}, ${name})) AND 1"


def _with_terms(text: str, *, now: bool, start: str) -> str:
    text = _PARAMETER.sub(lambda found: f"panel_{found[1]}", text)
    wanted = list(dict.fromkeys(re.findall(r"\bpanel_(\w+)", text)))
    known = {"start": start} if "start" in wanted else {}
    for name in wanted:
        _define(name, known, now=now)
    of_funnel = [name for name in known if name in terms.TYPES]
    if of_funnel:
        asked = f"assumeNotNull((SELECT tuple({', '.join(of_funnel)}) FROM v_funnel_terms))"
        known = {"terms": asked} | known
    heads = ",\n  ".join(f"{value} AS panel_{name}" for name, value in known.items())
    if not text.startswith("WITH\n"):
        raise ValueError("a figure's statement begins with what it reads")
    return f"WITH\n  {heads},\n{text.removeprefix('WITH').lstrip(chr(10))}"


def _define(name: str, known: dict[str, str], *, now: bool) -> None:
    """Add a name's expression behind those that it needs."""
    if name in known:
        return
    if name in terms.TYPES:
        place = 1 + sum(one in terms.TYPES for one in known)
        known[name] = f"tupleElement(panel_terms, {place})"
    elif name == "from":
        known[name] = _FROM
    elif name == "asof":
        moment = NOW if now else f"least({NOW}, {_TO})"
        known[name] = f"assumeNotNull((SELECT {moment}))"
    elif name == "end":
        _define("asof", known, now=now)
        known[name] = f"least({_TO}, panel_asof + toIntervalMillisecond(1))"
    elif name.startswith("since_"):
        role = name.removeprefix("since_")
        for needed in ("asof", f"{role}_ms", f"{role}_days", f"{role}_zone"):
            _define(needed, known, now=now)
        known[name] = (
            f"multiIf(panel_{role}_ms > 0, panel_asof - toIntervalMillisecond(panel_{role}_ms), "
            f"panel_{role}_days > 0, toDateTime64(toTimeZone(panel_asof, panel_{role}_zone) "
            f"- toIntervalDay(panel_{role}_days), 3, 'UTC'), NULL)"
        )
    else:
        raise ValueError(f"nothing says what {name!r} is in a panel: put it into terms.TYPES")
