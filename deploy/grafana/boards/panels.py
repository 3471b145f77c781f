"""What a panel is, and its form in Grafana: units, thresholds, links, columns of a table.

A panel's title is a question. Its description begins with the meaning of its figure in the
catalogue, so it says what command line and page say.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from grafana_foundation_sdk.builders.bargauge import Panel as BarGauge
from grafana_foundation_sdk.builders.common import (
    GraphThresholdsStyleConfig,
    ReduceDataOptions,
    StackingConfig,
    VizLegendOptions,
)
from grafana_foundation_sdk.builders.dashboard import DashboardLink, ThresholdsConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery as PrometheusQuery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.table import Panel as Table
from grafana_foundation_sdk.builders.timeseries import Panel as Timeseries
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import (
    GraphDrawStyle,
    GraphTresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from sinks.clickhouse.catalogue import named

from .shown import STAGE_ID, Shown
from .sql import FILTERS, OWNER, applicable

CLICKHOUSE = DataSourceRef(type_val="grafana-clickhouse-datasource", uid="leadstream")
PROMETHEUS = DataSourceRef(type_val="prometheus", uid="leadstream-prometheus")
PLUGIN = "4.20.0"  # of the ClickHouse plugin, as deploy/compose.yaml installs it
# The plugin's `format`: it makes a column for each series of a time series only.
TIME_SERIES, TABLE = 0, 1
# Units by their names in Grafana. Money has no unit: its currency is the funnel's, and a column.
UNITS = {
    "leads": "short",
    "share": "percentunit",
    "hours": "h",
    "days": "d",
    "minutes": "m",
    "money": "short",
    "money_a_day": "short",
    "points": "short",
}
# What sales accepts in a survey of firms: the worst, the average, the best (kpis k110).
BENCHMARKS = (("red", None), ("orange", 0.05), ("yellow", 0.23), ("green", 0.47))
GOOD_SHARE = (("red", None), ("yellow", 0.8), ("green", 0.95))
NONE_IS_GOOD = (("green", None), ("yellow", 1.0))
PLAIN = (("blue", None),)
Steps = tuple[tuple[str, float | None], ...]
Kind = Literal["timeseries", "table", "stat", "bargauge"]
KINDS = {"timeseries": Timeseries, "table": Table, "stat": Stat, "bargauge": BarGauge}

LEADS = 100  # the id of the list of leads in the dashboard of the funnel
LEAD = "Lead"  # a column of lead ids
RECORD = "CRM record"  # a column of addresses
_KEPT = "&".join(f"${{{name}:queryparam}}" for name in FILTERS if name != "stage")
TO_LEADS = (
    f"/d/leadstream-funnel?${{__url_time_range}}&{_KEPT}"
    f'&var-stage=${{__data.fields["{STAGE_ID}"]:percentencode}}'
    f"&viewPanel=panel-{LEADS}"
)
TO_LEAD = '${live}/leads/${__data.fields["' + LEAD + '"]}'


class Panel(NamedTuple):
    """A panel: a question, what answers it, and how the answer is drawn.

    `shown` is of a figure; otherwise `sql` asks ClickHouse, or `exprs`, (PromQL, legend), ask
    Prometheus. `units` are those of single columns.
    """

    title: str
    kind: Kind
    shown: Shown | None = None
    sql: str = ""
    exprs: tuple[tuple[str, str], ...] = ()
    unit: str = ""
    note: str = ""
    steps: Steps = PLAIN
    units: dict[str, str] = {}  # noqa: RUF012 - read only
    runbook: str = ""
    width: int = 12
    height: int = 8
    stacked: bool = False
    bars: bool = False
    lines: bool = False  # the thresholds are drawn as lines
    max: float | None = None
    number: int = 0  # its id, where links lead to it; otherwise it is counted

    @property
    def statement(self) -> str:
        """Return what ClickHouse is asked; empty where Prometheus is."""
        return self.shown.sql if self.shown else self.sql

    @property
    def description(self) -> str:
        """Return what the panel says of itself."""
        if not self.shown:
            return self.note
        kpi = named(self.shown.kpi)
        parts = [f"{kpi.title}: {kpi.meaning}.", self.note]
        if kpi.of_states:
            parts.append("As of now, whatever the period.")
        ignored = [name for name in FILTERS if name not in applicable(kpi.name)]
        if not any(name in kpi.rows for name in ("stage", "handoff", "next_stage", "per")):
            ignored.append("stage")
        ignored = [name for name in FILTERS if name in ignored]
        if ignored:
            parts.append(f"Not kept by: {', '.join(ignored)}.")
        if OWNER not in ignored:
            parts.append("Kept by owner only where the funnel file names that dimension.")
        parts.append(f"`leadstream kpis --kpi {kpi.name}` gives the same.")
        return " ".join(filter(None, parts))


class ClickHouseQuery(Dataquery):
    """A query in the form of Grafana's ClickHouse plugin, which the SDK does not know."""

    def __init__(self, sql: str, kind: Kind) -> None:
        self.sql, self.series = sql.strip(), kind == "timeseries"

    def build(self) -> ClickHouseQuery:
        return self

    def to_json(self) -> dict[str, object]:
        return {
            "refId": "A",
            "datasource": CLICKHOUSE,
            "pluginVersion": PLUGIN,
            "editorType": "sql",
            "rawSql": self.sql,
            "queryType": "timeseries" if self.series else "table",
            "format": TIME_SERIES if self.series else TABLE,
        }


def built(panel: Panel, number: int) -> Any:
    """Return a panel's builder; `number` is its id in the dashboard."""
    made = (
        KINDS[panel.kind]()
        .id(panel.number or number)
        .title(panel.title)
        .description(panel.description)
        .height(panel.height)
        .span(panel.width)
        .unit(panel.unit or (UNITS[named(panel.shown.kpi).unit] if panel.shown else "short"))
        .thresholds(_thresholds(panel.steps))
        .no_value("nothing in this period")
        .links(_links(panel))
    )
    if panel.max is not None:
        made = made.min(0).max(panel.max)
    made = _asking(made, panel)
    made = {"timeseries": _drawn, "table": _table, "stat": _reduced, "bargauge": _gauge}[
        panel.kind
    ](made, panel)
    for column, unit in panel.units.items():
        made = made.override_by_name(column, [DynamicConfigValue(id_val="unit", value=unit)])
    return made


def _asking(made: Any, panel: Panel) -> Any:
    if panel.statement:
        return made.datasource(CLICKHOUSE).with_target(ClickHouseQuery(panel.statement, panel.kind))
    made = made.datasource(PROMETHEUS)
    for place, (expr, legend) in enumerate(panel.exprs):
        query = PrometheusQuery().expr(expr).legend_format(legend).ref_id(chr(ord("A") + place))
        if panel.kind == "table":
            query = query.format(PromQueryFormat.TABLE)
        made = made.with_target(query.range() if panel.kind == "timeseries" else query.instant())
    return made


def _thresholds(steps: Steps) -> Any:
    found = [Threshold(value=value, color=color) for color, value in steps]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(found)


def _links(panel: Panel) -> list[Any]:
    if not panel.runbook:
        return []
    return [_link("What to do (runbook)", f"${{runbooks}}/{panel.runbook}.html")]


def _link(title: str, url: str) -> Any:
    return DashboardLink(title).type(DashboardLinkType.LINK).url(url).target_blank(True)


def _drawn(made: Any, panel: Panel) -> Any:
    legend = (
        VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    made = made.legend(legend).fill_opacity(60 if panel.bars else 10)
    if panel.bars:
        made = made.draw_style(GraphDrawStyle.BARS)
    if panel.stacked:
        made = made.stacking(StackingConfig().mode(StackingMode.NORMAL).group("A"))
    if panel.lines:
        style = GraphThresholdsStyleConfig().mode(GraphTresholdsStyleMode.DASHED)
        made = made.thresholds_style(style)
    if panel.shown:  # the plugin's columns have the series' name as a label
        made = made.display_name("${__field.labels.__values}")
    return made


def _table(made: Any, panel: Panel) -> Any:
    if f'"{STAGE_ID}"' in panel.statement:
        hidden = DynamicConfigValue(id_val="custom.hidden", value=True)
        made = made.override_by_name(STAGE_ID, [hidden])
        stages = [
            head for head, key in (panel.shown.dimensions if panel.shown else {}).items()
            if key in ("stage", "handoff", "per")
        ]  # fmt: skip
        if stages:
            made = _linked(made, stages[0], "The leads that entered it", TO_LEADS)
    if f'"{LEAD}"' in panel.statement:
        made = _linked(made, LEAD, "The lead's own page", TO_LEAD)
    if f'"{RECORD}"' in panel.statement:
        made = _linked(made, RECORD, "Open in the CRM", "${__value.raw}")
    return made


def _linked(made: Any, column: str, title: str, url: str) -> Any:
    links = [{"title": title, "url": url, "targetBlank": not url.startswith("/")}]
    return made.override_by_name(column, [DynamicConfigValue(id_val="links", value=links)])


def _reduced(made: Any, _panel: Panel) -> Any:
    # each row of the answer is a value, each with the first column of text as its name
    return made.reduce_options(ReduceDataOptions().values(True).fields("").calcs(["lastNotNull"]))


def _gauge(made: Any, panel: Panel) -> Any:
    return _reduced(made, panel).orientation(VizOrientation.HORIZONTAL)
