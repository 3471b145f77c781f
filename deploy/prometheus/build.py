"""Alert rules and runbooks as code: `python deploy/prometheus/build.py` writes both.

rules/*.yml are what Prometheus evaluates. assets/runbooks/*.html are docs/runbooks as pages, which
Prometheus itself serves (--web.user-assets): an alert's runbook opens wherever Prometheus does.
A test holds what is committed to what this makes.
"""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path
from typing import NamedTuple

import yaml
from markdown_it import MarkdownIt

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RUNBOOKS = ROOT / "docs" / "runbooks"
RULES, PAGES = HERE / "rules", HERE / "assets" / "runbooks"

OPERATIONS = "operations"  # who runs leadstream; all other teams are those of the funnel file
# Teams of the funnel file come with the series.
THE_SERIES_OWN = None


class Alert(NamedTuple):
    """A rule: `why` becomes its comment, `runbook` is a page of docs/runbooks."""

    name: str
    expr: str
    summary: str
    runbook: str
    severity: str = "warning"
    lasts: str = ""
    team: str | None = THE_SERIES_OWN
    why: str = ""


class Record(NamedTuple):
    """A recording rule."""

    name: str
    expr: str
    labels: dict[str, str]
    why: str = ""


def threshold(name: str) -> str:
    """Return a threshold of the funnel file; without it nothing compares, so nothing fires."""
    return f'scalar(max(leadstream_alert_threshold{{threshold="{name}"}}))'


def of(series: str, *labels: str) -> str:
    """Return a gauge of the live page as one series a label, whatever process it comes from."""
    return f"max by ({', '.join(labels)}) (leadstream_{series})"


STAGE = ("stage", "owner_team")
LEAST = threshold("least_expected")


DROPS = {"inflow": "inflow_drop", "conversions": "conversion_drop"}


def dropped(what: str, *labels: str) -> str:
    """Return a comparison of what was seen with what the weeks before let expect."""
    seen, expected = of(f"{what}_seen", *labels), of(f"{what}_expected", *labels)
    return (
        f"(\n  {seen}\n  <\n  {expected}\n  * (1 - {threshold(DROPS[what])})\n)\n"
        f"and\n{expected}\n>= {LEAST}"
    )


def share(part: str, whole: str, least: str) -> str:
    """Return a share that is below a threshold, of a whole that is large enough to have one."""
    parts, all_ = of(part, *STAGE), of(whole, *STAGE)
    return f"(\n  {parts}\n  /\n  {all_}\n  < {threshold(least)}\n)\nand\n{all_}\n>= {LEAST}"


SEEN = "leadstream:source_bodies:seen"
_WEEKS = "\nor\n".join(
    f'  label_replace({SEEN} offset {week}w, "week", "{week}", "", "")' for week in range(1, 5)
)
# Series that any funnel has. An alert on one that is missing would be silent for ever.
ALWAYS = (
    "alert_threshold",
    "stalls_total",
    "stalled_leads",
    "hot_leads_waiting",
    "inflow_expected",
    "conversions_expected",
    "clocks_due",
    "live_clickhouse_up",
)

LEADS: tuple[Alert, ...] = (
    Alert(
        "LeadsStalled",
        "(\n"
        "  max by (stage, owner_team) (\n"
        "    increase(leadstream_stalls_total[1h])\n"
        "    - increase(leadstream_stalls_retracted_total[1h])\n"
        "  )\n"
        f"  >= {threshold('newly_stalled')}\n"
        ")\n"
        "unless max by (stage, owner_team) (resets(leadstream_stalls_total[1h])) > 0",
        '{{ $value | printf "%.0f" }} leads newly past a service level in {{ $labels.stage }}',
        "stalled-leads",
        why="Events, not a stock: what was late before has alerted. The counter goes on from "
        "ClickHouse after a restart; it falls only where rows were deleted, which is no news.",
    ),
    Alert(
        "LeadsHotWaiting",
        f"{of('hot_leads_waiting', *STAGE)} > 0",
        '{{ $value | printf "%.0f" }} hot leads wait past their limit in {{ $labels.stage }}',
        "hot-leads-waiting",
        severity="critical",
        lasts="1m",
        why="Only what fell due within a day: an old one is stalled, and not hot any more.",
    ),
    Alert(
        "LeadServiceLevelMissed",
        share("clocks_met", "clocks_due", "service_level"),
        "Only {{ $value | humanizePercentage }} of a week's service levels of "
        "{{ $labels.stage }} were met",
        "service-level-missed",
        lasts="1h",
    ),
    Alert(
        "LeadAcceptanceLow",
        share("handoffs_accepted", "handoffs_mature", "acceptance"),
        "Only {{ $value | humanizePercentage }} of what {{ $labels.stage }} hands off is accepted",
        "acceptance-low",
        lasts="1h",
        why="Of hand-offs that had their whole window: what is pending counts for neither side.",
    ),
    Alert(
        "LeadInflowDrop",
        dropped("inflow", "owner_team", "over"),
        '{{ $value | printf "%.0f" }} leads came in in a {{ $labels.over }}, '
        "far fewer than in the same hours of earlier weeks",
        "inflow-drop",
        lasts="30m",
    ),
    Alert(
        "LeadConversionDrop",
        dropped("conversions", *STAGE),
        '{{ $value | printf "%.0f" }} leads moved on from {{ $labels.stage }} within a week, '
        "far fewer than before",
        "conversion-drop",
        lasts="1h",
    ),
    Alert(
        "LeadSpendWithoutLeads",
        f"(\n  {of('spend_amount', 'source', 'owner_team')}\n  >=\n"
        f"  {of('spend_tolerated', 'source', 'owner_team')}\n)\n"
        f"and\n{of('spend_leads', 'source', 'owner_team')} == 0",
        '{{ $value | printf "%.0f" }} were spent on {{ $labels.source }} in three days, '
        "and no lead came of it",
        "spend-without-leads",
        lasts="1h",
    ),
    Alert(
        "LeadDealsPastCloseDate",
        f"{of('deals_newly_past_close_date', 'owner_team')}\n>= {threshold('past_close_date')}",
        '{{ $value | printf "%.0f" }} open deals passed their close date within a week',
        "deals-past-close-date",
        lasts="1h",
        why="What passed longer ago has alerted; leadstream_deals_past_close_date has all of them.",
    ),
    Alert(
        "LeadIdentityConflicts",
        f"{of('identity_conflicts', 'owner_team')} > 0",
        "{{ $value }} identity conflicts wait for a decision",
        "identity-conflicts",
        lasts="1h",
        why="Two contacts of one CRM under one address, or a link across an unmerge.",
    ),
    Alert(
        "LeadKpisStale",
        f"{of('stale_kpis', 'owner_team')} > 0",
        "{{ $value }} targets belong to an older strategy or to a period that is over",
        "stale-kpis",
        lasts="1d",
        why="KPIs that stay the same after the strategy changed, a wall between management and "
        "field (kpis k32).",
    ),
    Alert(
        "LeadDeadLetters",
        'sum by (worker) (increase(leadstream_records_total{what="dead"}[10m])) > 10',
        '{{ $value | printf "%.0f" }} records could not be read in 10 minutes by '
        "{{ $labels.worker }}",
        "dead-letters",
        team=OPERATIONS,
    ),
)

SOURCES: tuple[Alert | Record, ...] = (
    Record(
        SEEN,
        'sum by (source) (increase(leadstream_gateway_bodies_total{status=~"2.."}[1d]))',
        {"over": "day"},
    ),
    Record(
        SEEN,
        'sum by (source) (increase(leadstream_gateway_bodies_total{status=~"2.."}[1h]))',
        {"over": "hour"},
    ),
    Alert(
        "LeadSourceSilent",
        f"avg by (source, over) (\n{_WEEKS}\n)\n>= {LEAST}\nunless {SEEN} > 0",
        "{{ $labels.source }} has sent nothing for a whole {{ $labels.over }}; "
        '{{ $value | printf "%.0f" }} bodies are usual at this time of the week',
        "source-silent",
        lasts="15m",
        team=OPERATIONS,
        why="A gateway that was restarted has no series of a silent source: no series is silence.",
    ),
)

STACK: tuple[Alert, ...] = (
    Alert(
        "LeadProcessDown",
        'up{job="leadstream"} == 0\nor\n'
        '(\n  up{job="optional"} == 0\n  and\n  max_over_time(up{job="optional"}[3d]) == 1\n)',
        "{{ $labels.instance }} does not answer",
        "process-down",
        severity="critical",
        lasts="1m",
        team=OPERATIONS,
        why="Dead, hanging, or held by exit code 78. What is optional and never answered is off.",
    ),
    Alert(
        "LeadNothingScraped",
        'absent(up{job="leadstream"})',
        "Prometheus has no process of leadstream to look at",
        "process-down",
        severity="critical",
        lasts="5m",
        team=OPERATIONS,
        why="an alert on a target that nobody scrapes would be silent for ever",
    ),
    Alert(
        "LeadProcessStopped",
        'leadstream_process_state{state="stopped"} == 1',
        "{{ $labels.role }} stopped, and waits for somebody",
        "process-down",
        severity="critical",
        lasts="30s",
        team=OPERATIONS,
        why="a supervisor says that a restart does not help",
    ),
    Alert(
        "LeadTimeStands",
        'time() - min(leadstream_partition_time_seconds{worker="advance"}) > 60',
        "time has stood for {{ $value | humanizeDuration }}",
        "time-stands",
        severity="critical",
        lasts="2m",
        team=OPERATIONS,
        why="time flows with the events: a stopped hop stops time and raises no false breach",
    ),
    Alert(
        "LeadTimeUnknown",
        'absent(leadstream_partition_time_seconds{worker="advance"})',
        "no partition says how far time has come",
        "time-stands",
        severity="critical",
        lasts="5m",
        team=OPERATIONS,
        why="without a series there is nothing that could be old: LeadTimeStands would be silent",
    ),
    Alert(
        "LeadTickerSilent",
        "max(leadstream_ticker_last_ack_seconds) > 10",
        "no tick was acknowledged for {{ $value | humanizeDuration }}",
        "time-stands",
        severity="critical",
        lasts="1m",
        team=OPERATIONS,
        why="without ticks no clock fires",
    ),
    Alert(
        "LeadTickerUnknown",
        "absent(leadstream_ticker_last_ack_seconds)",
        "no ticker says when its last tick was acknowledged",
        "time-stands",
        severity="critical",
        lasts="5m",
        team=OPERATIONS,
    ),
    Alert(
        "LeadWorkerBehind",
        "time() - min by (worker) (leadstream_partition_time_seconds) > 30",
        "{{ $labels.worker }} is {{ $value | humanizeDuration }} behind",
        "worker-behind",
        lasts="10m",
        team=OPERATIONS,
        why="Ticks flow with the records, so a worker's time is its lag, in seconds.",
    ),
    Alert(
        "LeadFactsBehind",
        "time() - max(leadstream_facts_time_seconds) > 120",
        "ClickHouse is {{ $value | humanizeDuration }} behind",
        "sink-slow",
        lasts="5m",
        team=OPERATIONS,
        why="advance goes on and the sink does not: every figure is of then",
    ),
    Alert(
        "LeadSinkSlow",
        "histogram_quantile(\n"
        "  0.95, sum by (le) (rate(leadstream_receipt_to_clickhouse_seconds_bucket[10m]))\n"
        ") > 10",
        "one event in twenty takes {{ $value | humanizeDuration }} or more to reach ClickHouse",
        "sink-slow",
        lasts="10m",
        team=OPERATIONS,
    ),
    Alert(
        "LeadRowsRefused",
        "sum by (table) (increase(leadstream_sink_refused_rows_total[10m])) > 0",
        "ClickHouse refuses rows of {{ $labels.table }}",
        "sink-slow",
        team=OPERATIONS,
    ),
    Alert(
        "LeadClickhouseAway",
        "max(leadstream_live_clickhouse_up) == 0",
        "ClickHouse does not answer the live page",
        "clickhouse-away",
        severity="critical",
        lasts="2m",
        team=OPERATIONS,
    ),
    Alert(
        "LeadFiguresMissing",
        "\nor\n".join(f"absent(leadstream_{series})" for series in ALWAYS),
        "a series that alerts about leads are made of is missing",
        "figures-missing",
        severity="critical",
        lasts="10m",
        team=OPERATIONS,
        why="every alert about leads would be silent for ever",
    ),
    Alert(
        "LeadFigureFailed",
        f"{of('figure_failed', 'figure')} == 1",
        "the figure {{ $labels.figure }} can't be asked of ClickHouse",
        "figures-missing",
        lasts="10m",
        team=OPERATIONS,
    ),
    Alert(
        "LeadSourceParked",
        "max by (source, topic) (leadstream_source_parked) == 1",
        "records of {{ $labels.source }} are parked: too many could not be read",
        "source-parked",
        severity="critical",
        lasts="1m",
        team=OPERATIONS,
        why="a tripped circuit breaker: this source's records wait, all others and time go on",
    ),
    Alert(
        "LeadRetrieverTokenRefused",
        "max by (source) (leadstream_retriever_token_refused) == 1",
        "{{ $labels.source }} gives nothing for the retriever's token",
        "retriever",
        lasts="5m",
        team=OPERATIONS,
        why="notifications of that source wait; their leads live under the vendor's ids meanwhile",
    ),
    Alert(
        "LeadRetrieverBehind",
        "max by (source) (leadstream_retrievals_waiting) > 150",
        "{{ $value }} records of {{ $labels.source }} wait for the vendor's answer",
        "retriever",
        lasts="30m",
        team=OPERATIONS,
        why="more is held than is read on: the vendor is slow, limits us, or is away",
    ),
    Alert(
        "LeadNoticesSilent",
        "max(leadstream_notice_oldest_seconds) > 600\n"
        'unless\nsum(increase(leadstream_notices_total{what="messages"}[10m])) > 0',
        "no channel takes a message of the notifier; the oldest waits for "
        "{{ $value | humanizeDuration }}",
        "notifier",
        severity="critical",
        lasts="1m",
        team=OPERATIONS,
        why="nobody hears of a stalled lead, whatever its channel",
    ),
    Alert(
        "LeadNoticeUntaken",
        f"{of('notice_oldest_seconds', 'recipient', 'scheme')} > 300",
        "a message to {{ $labels.recipient }} by {{ $labels.scheme }} has waited for "
        "{{ $value | humanizeDuration }}",
        "notifier",
        lasts="1m",
        team=OPERATIONS,
        why="One channel is silent while others work. It counts as failing after an hour only.",
    ),
    Alert(
        "LeadNoticeChannelFails",
        f"{of('notice_channels_failing', 'recipient', 'scheme')} > 0",
        "channels to {{ $labels.recipient }} by {{ $labels.scheme }} that take no message: "
        "{{ $value }}",
        "notifier",
        lasts="5m",
        team=OPERATIONS,
        why="What they did not take waits for the next digest.",
    ),
    Alert(
        "LeadNoticesForNobody",
        'max(leadstream_notices_waiting{why="nobody"}) > 0',
        "{{ $value }} stalled leads have nobody in the notifier's book",
        "notifier",
        lasts="1h",
        team=OPERATIONS,
        why="an owner who is new, or a team that nobody entered",
    ),
    Alert(
        "LeadSchemaDrift",
        "sum by (source, change)\n"
        '(increase(leadstream_schema_drift_total{change=~"vanished|value"}[1h])) > 0',
        "the bodies of {{ $labels.source }} changed: {{ $labels.change }}",
        "schema-drift",
        team=OPERATIONS,
        why="A field vanished, or a field of few values has a new one: either may cost facts "
        "without a dead letter. A new field alone costs nothing: doctor shows it.",
    ),
    Alert(
        "LeadTopicsDiffer",
        "max(leadstream_topic_differences) > 0",
        "{{ $value }} settings of topics differ from their declaration",
        "topics-differ",
        lasts="10m",
        team=OPERATIONS,
    ),
)
GROUPS: dict[str, tuple[str, tuple[Alert | Record, ...]]] = {
    "leads": ("What leads do, and do not. Thresholds stand in the funnel file.", LEADS),
    "sources": (
        "Whether each source sends what it usually does at this time of the week.",
        SOURCES,
    ),
    "stack": ("Whether the pipeline itself runs. What its leads do is in leads.yml.", STACK),
}


class _Block(str):
    """A text of several lines."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(
    _Block,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", str(text), style="|" if "\n" in text else None
    ),
)


def _rule(rule: Alert | Record) -> dict[str, object]:
    if isinstance(rule, Record):
        return {"record": rule.name, "expr": _Block(rule.expr), "labels": rule.labels}
    labels = {"severity": rule.severity}
    if rule.team:
        labels["owner_team"] = rule.team
    return {
        "alert": rule.name,
        "expr": _Block(rule.expr),
        **({"for": rule.lasts} if rule.lasts else {}),
        "labels": labels,
        "annotations": {
            "summary": rule.summary,
            "runbook_url": f"{{{{ $externalURL }}}}/user/runbooks/{rule.runbook}.html",
        },
    }


def rules(name: str) -> str:
    """Return a file of rules."""
    head, group = GROUPS[name]
    lines = [f"# {head}", "# Made by deploy/prometheus/build.py: change it there.", "groups:"]
    lines += [f"  - name: {name}", "    rules:"]
    for rule in group:
        lines += [f"      # {line}" for line in _folded(rule.why)]
        dumped = yaml.dump(
            [_rule(rule)], Dumper=_Dumper, sort_keys=False, width=90, allow_unicode=True
        )
        lines += [f"      {line}".rstrip() for line in dumped.splitlines()]
    return "\n".join(lines) + "\n"


def _folded(text: str, width: int = 90) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + len(word) < width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


_STYLE = (
    ":root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}"
    "body{max-width:46rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{border:1px solid;padding:.3rem .6rem;text-align:left}"
    "code{background:#8883;padding:0 .2em}"
)
_LINK = re.compile(r'<a href="([^"]+)">(.*?)</a>', re.DOTALL)


def page(path: Path) -> str:
    """Return a runbook as a page. A link to another document becomes its name: it is not served."""
    text = path.read_text(encoding="utf-8")
    title = text.splitlines()[0].removeprefix("# ")
    body = MarkdownIt("commonmark").enable("table").render(text)
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width">\n'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style>\n"
        f"{_LINK.sub(_link, body)}</html>\n"
    )


def _link(found: re.Match[str]) -> str:
    address, shown = found.groups()
    name, _, anchor = address.partition("#")
    if address.startswith(("http:", "https:")):
        return found[0]
    if "/" not in name and name.endswith(".md"):
        return f'<a href="{name.removesuffix(".md")}.html{"#" * bool(anchor)}{anchor}">{shown}</a>'
    return f"{shown} (<code>docs/{name.removeprefix('../')}</code>)"


def files() -> dict[Path, str]:
    """Return all that this makes, by its path."""
    made = {RULES / f"{name}.yml": rules(name) for name in GROUPS}
    return made | {PAGES / f"{one.stem}.html": page(one) for one in sorted(RUNBOOKS.glob("*.md"))}


if __name__ == "__main__":
    for target, text in files().items():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {target.relative_to(ROOT)}\n")
