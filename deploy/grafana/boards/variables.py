"""The variables of a dashboard, its annotations and its links to the others."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders.dashboard import (
    AnnotationQuery,
    ConstantVariable,
    CustomVariable,
    DashboardLink,
    QueryVariable,
)
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from sinks.clickhouse.rows import ACTIVE

from .panels import CLICKHOUSE, ClickHouseQuery
from .shown import NOTHING
from .sql import NO_VALUE, NOW, SETTINGS, figure

LABELS = {
    "source": "Source",
    "channel": "Channel",
    "campaign": "Campaign",
    "segment": "Segment",
    "owner": "Owner",
    "stage": "Stage",
    "version": "Funnel version",
}
_MOST = 500  # values of a variable: the most frequent ones
# A value, as it may stand between quotes once Grafana has escaped these, and what people read.
_CHOICE = (
    "SELECT transform(replaceAll(toString(COLUMN), '\\\\', '\\\\\\\\'), "
    f"[''], ['{NO_VALUE}']) AS value, "
    f"transform(toString(COLUMN), [''], ['{NOTHING}']) AS text"
)
_COUNTED = f"GROUP BY COLUMN ORDER BY count() DESC, COLUMN LIMIT {_MOST}"


def _of(column: str, table: str) -> str:
    return f"{_CHOICE} FROM {table} {_COUNTED}".replace("COLUMN", column)


def _campaigns() -> str:
    """Return the campaigns under the names that figures give them: without aliases.

    Of all time: Grafana may fetch a variable's values without a period.
    """
    select = f"{_CHOICE} FROM parents {_COUNTED}".replace("COLUMN", "by")
    asked = figure("inflow", by="campaign", filters=(), select=select)
    for macro in ("$__fromTime_ms", "$__toTime_ms"):
        asked = asked.replace(macro, NOW)
    return f"{asked}\n{SETTINGS}"


QUERIES = {
    "source": _of("source", "v_journeys"),
    "channel": _of("channel", "v_journeys"),
    "campaign": _campaigns(),
    "segment": _of("segment", "v_journeys"),
    "owner": _of("owner", "v_lead_state"),
    "stage": "SELECT replaceAll(stage, '\\\\', '\\\\\\\\') AS value, title AS text FROM v_stages "
    "ORDER BY place",
    "version": _of("version", "v_journeys"),
}


def query(name: str) -> Any:
    """Return a variable with the values that there are, several of which may be chosen."""
    ordered = VariableSort.DISABLED if name == "stage" else VariableSort.ALPHABETICAL_ASC
    return (
        QueryVariable(name)
        .label(LABELS[name])
        .datasource(CLICKHOUSE)
        .query({"rawSql": QUERIES[name], "editorType": "sql", "format": 1, "refId": "A"})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(ordered)
        .multi(True)
        .include_all(True)
        # the plugin reads what is chosen before any value was fetched
        .current(VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def every() -> Any:
    """Return what a time series goes by, in days, weeks and months of the reporting zone."""
    options = [
        VariableOption(selected=one == "day", text=one, value=one)
        for one in ("day", "week", "month")
    ]
    return (
        CustomVariable("every")
        .label("By")
        .values("day,week,month")
        .options(options)
        .current(options[0])
    )


def constant(name: str, value: str, description: str) -> Any:
    """Return an address that links begin with."""
    return ConstantVariable(name).value(value).description(description)


DEFINITIONS = f"""
SELECT effective_from AS time, concat('Definition ', version, ' begins') AS text,
  'definition' AS tags
FROM definitions FINAL
WHERE generation = {ACTIVE} AND $__timeFilter(effective_from)
ORDER BY time
"""
GENERATIONS = """
SELECT activated_at AS time,
  concat('Generation ', toString(generation), ' of ', funnel, ' is shown') AS text,
  'generation' AS tags
FROM generation_log
WHERE $__timeFilter(activated_at)
ORDER BY time
"""
ANNOTATIONS = {"Changed definitions": DEFINITIONS, "Shown generations": GENERATIONS}


class _Marked:
    """An annotation whose target is a query of the ClickHouse plugin."""

    def __init__(self, name: str, sql: str, color: str) -> None:
        self._made = (
            AnnotationQuery().name(name).datasource(CLICKHOUSE).enable(True).icon_color(color)
        )
        self._target: Dataquery = ClickHouseQuery(sql, "table")

    def build(self) -> Any:
        made = self._made.build()
        made.target = self._target
        return made


def annotations() -> list[Any]:
    """Return the marks on every time series: when a definition changed, when another was shown."""
    colors = ("purple", "orange")
    return [
        _Marked(name, sql, color)
        for (name, sql), color in zip(ANNOTATIONS.items(), colors, strict=True)
    ]


def to_others() -> Any:
    """Return the links to the other dashboards, which keep period and filters."""
    return (
        DashboardLink("Dashboards")
        .type(DashboardLinkType.DASHBOARDS)
        .tags(["leadstream"])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    )
