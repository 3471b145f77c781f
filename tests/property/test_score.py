"""The score against the sum that defines it: each day's points, halved for each half-life."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from schemas.gates import Scoring
from streams.domain.gates import Score
from tests.support.shuffling import PROPERTY

DAY = 86_400_000
POINTS = {
    "page_view": {"points": 1, "daily": 3},
    "form": {"points": 20},
    "unsubscribe": {"points": -7},
}
touches = st.lists(
    st.tuples(st.sampled_from([*POINTS, "unknown"]), st.integers(0, 900), st.integers(1, 5)),
    max_size=40,
)
spans = st.builds("{} {}".format, st.integers(1, 12), st.sampled_from(["days", "weeks", "months"]))
scorings = spans.map(lambda span: Scoring(points=POINTS, half_life=span))


def obvious(scoring, touches, today):
    """Return the score by its definition: one term a day."""
    days = {"day": 1, "week": 7}.get(scoring.half_life.unit, 30) * scoring.half_life.amount
    often, earned = Counter(), Counter()
    for kind, day, times in touches:
        often[kind, day] += times
    for (kind, day), times in often.items():
        worth = scoring.points.get(kind)
        if worth:
            earned[day] += (
                worth.points * times
                if worth.daily is None
                else min(worth.points * times, worth.daily)
            )
    return sum(points / 2 ** min(60, max(0, today - day) // days) for day, points in earned.items())


def of(scoring, touches):
    score = Score(scoring, "UTC")
    for kind, day, times in touches:
        score.add(kind, day * DAY, times)
    return score


@PROPERTY
@given(scorings, scorings, touches, touches, st.integers(0, 2000))
def test_a_score_is_the_sum_over_its_days_whatever_the_order_and_whichever_gate_counts_it(
    scoring, other, before, after, today
):
    score = of(scoring, before)
    copy = score.copy()
    copy.use(other)
    for kind, day, times in after:
        copy.add(kind, day * DAY, times)
    assert abs(score.at(today * DAY) - obvious(scoring, before, today)) < 1e-9
    assert abs(copy.at(today * DAY) - obvious(other, before + after, today)) < 1e-9
    assert of(scoring, before[::-1]).at(today * DAY) == score.at(today * DAY)
