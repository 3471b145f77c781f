"""Is an installation well? One list of checks, for `leadstream doctor` and supervisor's /readyz.

A check returns what is well, and raises `Failing` with what is not. To add one, append it to
CHECKS.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.errors import LeadstreamError
from streams import metrics
from streams.settings import WORKERS, role_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from streams.settings import Settings

STANDS_SECONDS = 10.0
_BOUND_SECONDS = 15.0
_DRIFT_SECONDS = 7 * 86_400
_CLICKHOUSE_SECONDS = 5


class Failing(LeadstreamError):  # noqa: N818 - it says what is wrong and whose move it is
    """Something is not as it must be."""


class Check(NamedTuple):
    """One thing to look at."""

    name: str
    run: Callable[[Settings], str]


class Finding(NamedTuple):
    """What a check said."""

    check: str
    ok: bool
    detail: str


def identity_key(settings: Settings) -> str:
    """Fail without an identity key."""
    settings.identity()
    return "set"


def topics(settings: Settings) -> str:
    """Fail if a topic differs from its declaration; what is only noted is no fault."""
    # It imports half a second of clients: not while a stack starts.
    from streams.operate import admin  # noqa: PLC0415

    differing = admin.apply(settings, dry=True)
    faults = [one for one in differing if one.kind != admin.NOTE]
    metrics.TOPIC_DIFFERENCES.set(len(faults))
    if faults:
        found = "; ".join(f"{one.topic}: {one.what}" for one in faults[:5])
        more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise Failing(
            f"{len(faults)} differences: {found}{more}. See `leadstream topics apply --dry-run`"
        )
    notes = [f"{one.topic}: {one.what}" for one in differing]
    return "as declared" + (f"; note: {'; '.join(notes)}" if notes else "")


def clickhouse(settings: Settings) -> str:
    """Fail if ClickHouse does not answer."""
    return str(_rows(settings, "SELECT version()")[0][0])


def watermark(settings: Settings) -> str:
    """Fail if time stands: its ticks pass through every step, so it stands where any step does."""
    from sinks.clickhouse.rows import ACTIVE  # noqa: PLC0415

    statement = (
        "SELECT min(t) FROM (SELECT max(toUnixTimestamp64Milli(now)) AS t FROM cuts "
        f"WHERE generation = {ACTIVE} GROUP BY source_partition)"
    )
    reached = _rows(settings, statement)[0][0]
    return fresh(time.time() - reached / 1000 if reached else None)


def fresh(age: float | None) -> str:
    """Judge how old the watermark is (seconds); None if there is none yet."""
    if age is None:
        raise Failing("the watermark has not reached ClickHouse yet")
    if age > STANDS_SECONDS:
        raise Failing(
            f"the watermark does not move: it is {age:.0f} s old. See docs/runbooks/time-stands.md"
        )
    return f"{age:.1f} s old"


def sources(settings: Settings) -> str:
    """Fail if a source is parked: its events wait, and the clocks that they would stop do not."""
    from streams.operate import parked  # noqa: PLC0415

    found = parked.parked(settings)
    if found:
        places = "; ".join(
            f"{one.source} in {one.topic}[{one.partition}]: {one.reason}" for one in found[:5]
        )
        raise Failing(f"parked: {places} (then: leadstream deadletters resume {found[0].source})")
    return "none is parked"


def drift(settings: Settings) -> str:
    """Return what workers here noticed of vendors' changed bodies in a week: no fault by itself."""
    from streams.agents.drift import read  # noqa: PLC0415

    begin = time.time() - _DRIFT_SECONDS
    found = [one for one in read(settings.home) if one["at"] >= begin]
    if not found:
        return "no change noticed on this home within a week"
    named = "; ".join(f"{one['source']}: {one['what']}" for one in found[-5:])
    more = f"; and {len(found) - 5} before" if len(found) > 5 else ""
    return f"{named}{more}. See docs/runbooks/schema-drift.md"


def workers(settings: Settings) -> str:
    """Fail if nobody does a worker's work: of a server's processes only their groups are seen.

    Of `advance` it is the generation that people are shown.
    """
    from sinks.clickhouse.rows import ACTIVE  # noqa: PLC0415
    from streams.operate import admin  # noqa: PLC0415

    shown = int(_rows(settings, f"SELECT greatest({ACTIVE}, 1)")[0][0])
    own = settings.model_copy(update={"generation": shown})
    roles = {own.app_id(worker): role_of(own, worker) for worker in WORKERS}
    if dead := admin.without_members(settings, roles):
        names = ", ".join(roles[group] for group in dead)
        raise Failing(
            f"nobody does the work of {names}: start it, or look at why it ended. "
            "See docs/runbooks/process-down.md"
        )
    return "each has a process"


def notices(settings: Settings) -> str:
    """Fail if somebody who is to hear of stalled leads can't be reached."""
    from streams.notify import report  # noqa: PLC0415

    if not settings.notify_book.name:
        return "off: LEADSTREAM_NOTIFY_BOOK names no book"
    found = report.read(settings.home)
    wrong = [
        f"{one['to']} {one['channel']} takes no messages: {one['why']}"
        for one in found.get("failing", [])
    ]
    wrong += [f"the book has nobody for {one}" for one in found.get("nobody", [])]
    if wrong:
        more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise Failing(f"{'; '.join(wrong[:5])}{more}. See docs/runbooks/notifier.md")
    return "all channels that were tried took their messages"


def processes(shown: Iterable[dict[str, Any]]) -> str:
    """Fail if a process of the stack does not run; `shown` is what `status` shows."""
    wrong = [one for one in shown if one["state"] != "running"]
    if wrong:
        raise Failing("; ".join(describe(one) for one in wrong))
    return "all run"


def describe(process: dict[str, Any]) -> str:
    """Describe a process that does not run."""
    state = f"{process['role']} is {process['state']}"
    if process["state"] == "restarting":
        state += (
            f", {process['restarts']} times, last exit {process['last_exit']}, see {process['log']}"
        )
    elif process.get("reason"):
        state += f": {process['reason']}"
    return state + (f" (then: {process['command']})" if process.get("command") else "")


CHECKS: list[Check] = [
    Check("identity key", identity_key),
    Check("kafka topics", topics),
    Check("clickhouse", clickhouse),
    Check("watermark", watermark),
    Check("sources", sources),
    Check("schema drift", drift),
    Check("notices", notices),
]


def examine(
    settings: Settings, checks: Sequence[Check] | None = None, seconds: float = _BOUND_SECONDS
) -> list[Finding]:
    """Run checks side by side, within a bound: a frozen server must not freeze its observer."""
    wanted = CHECKS if checks is None else checks
    found: dict[str, Finding] = {}

    def look(check: Check) -> None:
        try:
            found[check.name] = Finding(check.name, ok=True, detail=check.run(settings))
        except Failing as error:
            found[check.name] = Finding(check.name, ok=False, detail=str(error))
        except Exception as error:  # noqa: BLE001 - a doctor reports whatever it finds
            found[check.name] = Finding(
                check.name, ok=False, detail=f"{type(error).__name__}: {error}"
            )

    threads = [
        threading.Thread(target=look, args=(check,), name=f"check {check.name}", daemon=True)
        for check in wanted
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    findings = [
        found.get(
            check.name, Finding(check.name, ok=False, detail=f"no answer within {seconds:.0f} s")
        )
        for check in wanted
    ]
    for finding in findings:
        metrics.CHECK_FAILED.labels(finding.check).set(not finding.ok)
    return findings


def _rows(settings: Settings, statement: str) -> Any:
    from streams.connections import clickhouse_client  # noqa: PLC0415

    client = clickhouse_client(settings, _CLICKHOUSE_SECONDS)
    try:
        return client.query(statement).result_rows
    finally:
        client.close()
