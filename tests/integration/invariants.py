"""What holds after every run, whatever died in it: what came in went out or is open, and so on."""

from collections import defaultdict

from schemas import reading
from sinks.clickhouse import kpis
from streams.audit import verify
from streams.intake import arrival


def hold(client, settings, *, archive=True):
    """Wait until all has arrived, then assert KPI 3, that 8 + 9 + 10 + pending is all hand-offs.

    Assert that verify is clean, too.
    """
    arrival.settled(lambda: client, settings.partitions)
    asked = kpis.question(reading.in_force(settings.funnel), 0, 1 << 41, 1 << 41)
    found = kpis.ask(client, asked, ["balance", "acceptance", "rejection", "no_decision"])
    for figure in found:
        if figure["kpi"] == "balance":
            assert figure["numerator"] - figure["denominator"] == figure["value"], figure
    ledgers = defaultdict(list)
    for figure in found:
        if "handoff" in figure["dimensions"]:  # a funnel without one says so instead
            ledgers[figure["dimensions"]["handoff"]].append(figure)
    for ledger in ledgers.values():
        whole = next(figure for figure in ledger if figure["kpi"] == "acceptance")
        ended = sum(figure["numerator"] for figure in ledger)
        assert ended + whole["pending"] == whole["denominator"], ledger
    if archive:
        report = verify.verify(client, settings.partitions)
        assert report.clean, {
            name: getattr(report, name)[:3] for name in ("missing", "extra", "different")
        }


def of(stack):
    """Return the client and the settings of a stack that runs."""
    from streams.connections import clickhouse_client
    from streams.settings import Settings

    settings = Settings.of(stack.environment())
    return clickhouse_client(settings), settings
