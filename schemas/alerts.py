"""When an alert about leads fires: the thresholds that a firm agrees on, in its funnel file."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schemas.strict import Strict

Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


class Alerts(Strict):
    """Thresholds of the alerts about leads. They decide no fact, and change no figure.

    What is compared with a baseline is compared with the same hours of the same weekday in the
    `weeks` before, and only where at least `least_expected` events are expected. Shares are 0 to 1.
    """

    newly_stalled: Count = 3  # clocks of a stage that breach within an hour
    least_expected: Count = 20
    weeks: Annotated[int, Field(ge=1, le=12)] = 4
    inflow_drop: Share = 0.5  # how much fewer leads than expected come in
    conversion_drop: Share = 0.5  # how much fewer than expected move on within a week
    service_level: Share = 0.8  # of the clocks due in a week, those that were met
    # In the reporting currency, where no history says what twenty leads cost.
    spend_without_leads: Annotated[float, Field(gt=0)] = 500
    past_close_date: Count = 5  # deals whose close date passed within a week
