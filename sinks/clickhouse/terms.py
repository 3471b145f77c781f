"""The funnel's own terms beside its definition, for who asks in SQL alone: Grafana's panels.

A figure's statement has parameters: the ladder, windows, roles, the zone. Whoever asks in Python
takes them from the funnel (questions.py). A panel has no Python, so they are worked out once, when
a definition is written, and stand in its row as JSON. The view `v_funnel_terms` has them as columns
under the names of the parameters: one row, of the definition in force in the shown generation, with
empty terms where no definition is known yet. `migrate` works them out anew, since a release may
read a definition otherwise than the one before (docs/adr/0024).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from schemas.funnel import Funnel
from streams.domain.definition import prepare

from .questions import question

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.durations import Duration

_MOMENTS = {"start", "end", "asof", "since_nurture", "since_recycled"}
_SOME_TIME = 1_767_225_600_000  # terms have no time; a calendar has some years only
LIMITED = ("nurture", "recycled")  # roles with a limit within which a lead must be touched
WORDS, NUMBERS, TEXT, NUMBER = "Array(String)", "Array(Int64)", "String", "Int64"
# What stands in the view, by column.
TYPES: dict[str, str] = {
    **dict.fromkeys(("version", "zone", "currency", "strategy", "week_start", "ad"), TEXT),
    **dict.fromkeys(("ladder", "optional", "stages", "next_stages", "unaccepted"), WORDS),
    **dict.fromkeys(("handoffs", "unmeasured", "dimensions"), WORDS),
    **dict.fromkeys(("aliases", "names", "platforms", "sources", "channels"), WORDS),
    **dict.fromkeys(("entry", "qualifying", "accepted", "handoff", "won", *LIMITED, "lost"), TEXT),
    "spans": NUMBERS,
    **dict.fromkeys(("w_acceptance", "w_won", "w_recovery", "w_deal"), NUMBER),
    # A limit is so many ms of elapsed time or so many days on the wall of a zone; 0 and 0: there is
    # none, or it is of business time or months, which SQL can't count back.
    **{f"{role}_ms": NUMBER for role in LIMITED},
    **{f"{role}_days": NUMBER for role in LIMITED},
    **{f"{role}_zone": TEXT for role in LIMITED},
}


def of(funnel: Funnel) -> dict[str, Any]:
    """Return a funnel's terms by the names of `TYPES`."""
    asked = question(funnel, 0, 1, _SOME_TIME)
    known = {name: value for name, value in asked.parameters().items() if name not in _MOMENTS}
    limits: dict[str, Any] = {}
    for role in LIMITED:
        limits |= {f"{role}_{name}": value for name, value in _limit(funnel, role).items()}
    return {
        **known,
        **limits,
        "version": funnel.version,
        "week_start": funnel.reporting.week_start,
        "dimensions": list(funnel.dimensions),
    }


def written(content: str) -> str:
    """Return a definition's terms as JSON; empty where this release can't read the definition."""
    try:
        return orjson.dumps(of(Funnel.model_validate_json(content))).decode()
    except ValueError:  # of a later release: its own `migrate` has written or will write them
        return ""


def fill(client: Any) -> int:
    """Work out the terms of all definitions; return how many rows were written anew."""
    names = ("generation", "version", "effective_from", "digest", "content", "terms")
    found = client.query(
        "SELECT generation, version, toUnixTimestamp64Milli(effective_from), digest, content, "
        "terms FROM definitions FINAL"
    ).result_rows
    rows = [(*row[:-1], terms) for row in found if (terms := written(row[-2])) and terms != row[-1]]
    if rows:
        client.insert(
            "definitions",
            rows,
            column_names=names,
            column_type_names=[
                "UInt16", "String", "DateTime64(3, 'UTC')", "String", "String", "String",
            ],
        )  # fmt: skip
    return len(rows)


def view(active: str) -> str:
    """Return the statement of `v_funnel_terms`; `active` is the shown generation, as SQL.

    Without a definition its one row is empty, so that a figure has no rows instead of an error.
    """
    columns = ",\n  ".join(f"{_column(name, kind)} AS {name}" for name, kind in TYPES.items())
    return f"""
CREATE OR REPLACE VIEW v_funnel_terms AS
SELECT
  {columns}
FROM (
  SELECT max(terms) AS terms
  FROM (
    SELECT terms
    FROM definitions FINAL
    WHERE generation = {active}
    -- the newest that has begun; before the first one has, the first
    ORDER BY effective_from <= now64(3) DESC, abs(dateDiff('ms', effective_from, now64(3)))
    LIMIT 1
  )
)
"""


def _column(name: str, kind: str) -> str:
    value = f"JSONExtract(terms, '{name}', '{kind}')"
    # ClickHouse takes no empty name of a zone, not even where no row needs it
    return f"if({value} = '', 'UTC', {value})" if name.endswith("zone") else value


def _limit(funnel: Funnel, role: str) -> Mapping[str, Any]:
    """Return the limit of a role's first clock, as questions.py has it."""
    stage = getattr(funnel.shape(), role)
    clocks = funnel.stages[stage].clocks.values() if stage else ()
    within: Duration | None = next((clock.within for clock in clocks), None)
    none = {"ms": 0, "days": 0, "zone": "UTC"}
    if within is None or within.business or within.unit == "month":
        return none
    elapsed = within.elapsed_ms()
    if elapsed is not None:
        return none | {"ms": elapsed}
    zone = prepare(funnel).first.team_hours(stage).zone.key
    return none | {"days": within.amount * (7 if within.unit == "week" else 1), "zone": zone}
