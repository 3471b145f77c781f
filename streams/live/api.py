"""The API under the live page: the same documents, for machines. OpenAPI at /docs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import FastAPI, HTTPException, Query, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from streams import metrics

if TYPE_CHECKING:
    from .figures import Figures


def add(app: FastAPI, figures: Figures) -> None:
    """Add the routes. They block on ClickHouse, so FastAPI runs them in threads."""

    @app.get("/api/kpis")
    def kpis(
        as_of: Annotated[int | None, Query(description="ms since the epoch")] = None,
        by: str = "",
        kpi: Annotated[list[str] | None, Query()] = None,
    ) -> list[dict[str, Any]]:
        try:
            return figures.kpis(as_of, by, tuple(kpi or ()))
        except ValueError as error:
            raise HTTPException(422, str(error)) from error

    @app.get("/api/funnel")
    def funnel(source: str = "", segment: str = "", owner: str = "") -> list[dict[str, Any]]:
        return figures.funnel_now(source, segment, owner)

    @app.get("/api/flow")
    def flow() -> list[dict[str, Any]]:
        return figures.flow()

    @app.get("/api/stalled")
    def stalled() -> list[dict[str, Any]]:
        return figures.stalled()

    @app.get("/api/feed")
    def feed() -> list[dict[str, Any]]:
        return figures.feed()

    @app.get("/api/leads/{lead}")
    def lead(lead: UUID) -> dict[str, Any]:
        said = figures.story(str(lead))
        if not said["now"]:
            raise HTTPException(404, f"no lead has the id {lead}")
        return said

    @app.get("/healthz")
    def healthz() -> dict[str, Any]:
        return figures.health()

    @app.get("/metrics")
    def scrape() -> Response:
        for row in figures.rows(
            "SELECT c.stage AS stage, t.owner_team AS team, uniqExact(c.lead_id) AS n FROM v_clocks AS c "
            "INNER JOIN v_lead_state AS s ON s.lead_id = c.lead_id AND s.stage = c.stage AND s.journey = c.journey "
            "INNER JOIN (SELECT to_stage, any(owner_team) AS owner_team FROM v_stage_transitions GROUP BY to_stage) AS t "
            "ON t.to_stage = c.stage "
            "WHERE c.test = 0 AND c.stopped_at IS NULL AND c.status IN ('breached', 'escalated') GROUP BY stage, team"
        ):
            metrics.STALLED.labels(row["stage"], row["team"]).set(row["n"])
        metrics.CONFLICTS.set(figures.rows("SELECT uniqExact(a, b) AS n FROM v_conflicts")[0]["n"])
        metrics.STALE_KPIS.set(sum(1 for _ in figures.kpis(names=("stale_kpi",))))
        for row in figures.funnel_now():
            metrics.OPEN.labels(row["stage"]).set(row["open"])
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
