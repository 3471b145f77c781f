"""The simulated market: one seed, one market, and a ledger that the domain agrees with."""

import random
from collections import Counter, deque
from dataclasses import replace
from functools import cache
from itertools import pairwise

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.events import EventType, to_event
from schemas.reading import FUNNELS, load
from streams.audit import archive
from streams.domain import aliases, identity, row
from streams.domain.definition import Definition, prepare
from streams.domain.intents import intent_of
from streams.embedded.ledger import count
from streams.embedded.market import faults, person, schedule
from streams.embedded.market.faults import Faults
from streams.embedded.market.hours import DAY, HOUR, local
from streams.embedded.market.posts import LADDER
from streams.embedded.market.web import joined
from streams.sources.adapter import UNREADABLE
from streams.sources.registry import SOURCES, connection
from tests.support.aliases import AliasRows

NOW = 1_795_600_000_000  # a Wednesday, 11:06 in Paris
KEY = b"a key of sixteen bytes or more"
WILD = Faults(redelivered=0.2, broken=0.1, late=0.1, reordered=0.15)
NONE = Faults.parse("none")
MARKET = schedule.Market(7, 3, NOW - 45 * DAY, WILD)
FUNNEL = load(FUNNELS / "default.yaml")
CURRENT = Definition(FUNNEL)
DEFINITIONS = prepare(FUNNEL)
CONNECTION = connection(lambda _name: "", "Europe/Paris")
AFTER = NOW + 200 * DAY


@cache
def people(leads=300, visitors=40, market=MARKET):
    """Return the arrivals of so many named people and so many visitors, including ad accounts."""
    found, kinds = [], {True: visitors, False: leads}
    for arrival in market.arrivals(market.began, AFTER):
        kind = arrival.who.place % 4_000 > 0 and person.visits(market.seed, arrival.who)
        if kinds[kind]:
            kinds[kind] -= 1
            found.append(arrival)
        if not any(kinds.values()):
            return found
    raise AssertionError("the market is too small")


def normalised(post, received_at=AFTER):
    """Read a body as `normalise` does, from its bytes."""
    raw = post.body.encode() if isinstance(post.body, str) else orjson.dumps(post.body)
    vendor = SOURCES[post.source.removesuffix("-spend")]
    return vendor.normalise(vendor.decode(raw), received_at, CONNECTION)


class Pipeline:
    """The pure parts of the pipeline in one place: adapters, identity, events and their fold."""

    def __init__(self):
        self.aliases, self.read, self.figures = AliasRows(), archive.Archive(), Counter()

    def takes(self, post, stamp):
        try:
            found = normalised(post)
        except UNREADABLE:
            self.figures["dead_letters"] += 1
            return
        self.figures["dead_letters"] += len(found.rejected)
        for event in found.events:
            body = event.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
            self._event({"record": "event", "event": body, "received_at": stamp}, stamp)

    def _event(self, record, stamp):
        queue = deque([(aliases.ordered(tuple(record["event"]["aliases"]))[0], record)])
        while queue:
            alias, one = queue.popleft()
            done = identity.resolve(
                self.aliases.get(alias), orjson.loads(orjson.dumps(one)), stamp, stamp, KEY
            )
            self.aliases.put(alias, done.row)
            queue += done.links
            self.figures["held"] += done.held - done.released
            self.figures["duplicates"] += done.repeated
            for touch in done.touches:
                self._touch(touch)

    def _touch(self, touch):
        if touch.record["record"] == "edge":
            self.read.edges.add(row.edge_of(touch.record["edge"]))
            return
        event = row.Event(*touch.record["event"])
        self.figures["duplicates"] += event in self.read.events[touch.lead]
        self.read.events[touch.lead].add(event)

    def count(self):
        figures = Counter(self.figures)
        figures["accepted"] = len(
            {(one.id, one.origin) for events in self.read.events.values() for one in events}
        )
        for part in archive.components(self.read):
            for lead in part.leads():
                self._lead(part.fold(lead, DEFINITIONS, AFTER), figures)
        return figures

    @staticmethod
    def _lead(folded, figures):
        if not folded.state:
            return
        figures["merged"] += len(folded.state["origins"]) - 1
        figures["leads"] += 1
        figures["conflicts"] += folded.state["conflicts"]
        if folded.state["test"]:
            figures["test_leads"] += 1
            return
        facts = [(fact.kind, orjson.loads(fact.content)) for fact in folded.facts.values()]
        reached = [
            place
            for kind, content in facts
            if kind == "journey"
            for place, stage in enumerate(LADDER)
            if f"{stage}_at" in content
        ]
        figures[f"reached {LADDER[max(reached)]}"] += 1
        won = [content for kind, content in facts if kind == "deal" and content["status"] == "won"]
        figures["won"] += len(won)
        figures["revenue"] += sum(int(float(content["amount"])) for content in won)
        for kind, content in facts:
            if kind == "clock":
                figures[f"{content['stage']}.{content['clock']} {content['status']}"] += 1


def different(left, right, names):
    return {name: (left[name], right[name]) for name in names if left[name] != right[name]}


FIGURES = (
    *(
        "accepted",
        "held",
        "duplicates",
        "dead_letters",
        "merged",
        "leads",
        "test_leads",
        "won",
        "revenue",
    ),
    *(f"reached {stage}" for stage in LADDER),
)


@cache
def played(order=0, leads=300):
    """Return what the pipeline makes of everybody, in an order, and the ledger of the same."""
    pipeline, ledger = Pipeline(), Counter()
    arrivals = list(people(leads))
    random.Random(order).shuffle(arrivals)
    for arrival in arrivals:
        made = MARKET.deliveries(arrival)
        ledger.update(count([(one.post, one.times) for one in made]))
        for one in made:
            for _ in range(one.times):
                pipeline.takes(one.post, one.due)
    return pipeline.count(), ledger


def test_the_ledger_is_what_adapters_identity_and_fold_make_of_the_bodies():
    figures, ledger = played()
    assert different(figures, ledger, FIGURES) == {}
    assert figures["conflicts"] == 0
    assert ledger["won"] > 10
    assert ledger["held"] > 50


def test_the_order_of_people_changes_nothing():
    assert played(1, 60) == played(2, 60)


SHARES = st.floats(0, 0.3)


@settings(
    max_examples=min(12, settings().max_examples),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    st.integers(0, 2**40),
    st.builds(Faults, SHARES, st.floats(0, faults.MOST_BROKEN), SHARES, SHARES),
    st.integers(0, 60),
)
def test_the_ledger_is_right_on_every_day_of_every_market(seed, wrong, days):
    """It may stop on any day: with unopened deals, unread forms, and visitors not yet known."""
    market = replace(MARKET, seed=seed, faults=wrong)
    pipeline, ledger = Pipeline(), Counter()
    for arrival in people(14, 3, market):
        made = [one for one in market.deliveries(arrival) if one.due <= arrival.at + days * DAY]
        ledger.update(count([(one.post, one.times) for one in made]))
        for one in made:
            for _ in range(one.times):
                pipeline.takes(one.post, one.due)
    assert different(pipeline.count(), ledger, FIGURES) == {}


def bodies(market=MARKET, leads=120, visitors=120):
    """Return every post of so many people, before anything went wrong."""
    for arrival in people(leads, visitors, market):
        for one in replace(market, faults=NONE).deliveries(arrival):
            yield arrival, one.post


def test_every_body_is_read_whole_and_says_as_many_things_as_its_person_means():
    sources = Counter()
    for _, post in bodies():
        found = normalised(post)
        assert (found.rejected, found.ignored, found.dropped) == ([], [], []), post
        assert len(found.events) == len(post.meanings)
        assert bool(found.spend) is post.source.endswith("-spend")
        assert all(
            event.occurred_at == one.at
            for event, one in zip(found.events, post.meanings, strict=True)
        )
        sources[post.source] += 1
    assert set(sources) == set(SOURCES) | {
        f"{name}-spend" for name in ("google", "meta", "linkedin")
    }


def test_whatever_stops_a_clock_is_among_what_its_vendor_says_it_can_send():
    """Pipedrive was silent on deals, which accept; HubSpot promised an impossible `onboarded`."""
    heard = {}
    for _, post in bodies(leads=200):
        for event in normalised(post).events:
            signals = intent_of(to_event(event, "anybody"), CURRENT, CURRENT).signals
            if event.type not in (EventType.LINKED, EventType.MERGE, EventType.VOID):
                heard.setdefault(event.source, set()).update(signals)
    assert {"accepted", "onboarded"} <= heard.pop("success")
    for source, signals in heard.items():
        assert signals <= SOURCES[source].sends, source
    promised = {source for source in heard if "onboarded" in SOURCES[source].sends}
    assert promised == set()


def test_a_broken_body_is_one_letter_and_nothing_else():
    for source in (set(SOURCES) - {"cloudevents"}) | {
        "google-spend",
        "meta-spend",
        "linkedin-spend",
    }:
        pipeline = Pipeline()
        pipeline.takes(faults.broken(source, NOW), NOW)
        assert pipeline.count() == {"dead_letters": 1, "accepted": 0}, source


def test_a_webhook_may_hold_a_bad_part_beside_a_good_one():
    spoiled = [
        one.post
        for arrival in people()
        for one in MARKET.deliveries(arrival)
        if one.post.dead and one.post.meanings
    ]
    assert spoiled
    for post in spoiled:
        found = normalised(post)
        assert (len(found.rejected), len(found.events)) == (1, 1)


def test_no_two_people_and_no_two_runs_share_an_id_or_a_name():
    names = {}
    for run in (MARKET.run, MARKET.run + 1, 3_000_000):
        for arrival, post in bodies(replace(MARKET, run=run), 60, 60):
            who = (run, arrival.who.place)
            for event in normalised(post).events:
                for name in (event.id, *event.aliases):
                    assert names.setdefault(name, who) == who, name


def test_one_seed_is_one_market_and_another_is_another():
    other = [replace(MARKET, seed=8), replace(MARKET, seed=7)]
    mine, again, others = (
        [MARKET.deliveries(one) for one in people(20, 20)],
        *([m.deliveries(one) for one in people(20, 20, m)] for m in reversed(other)),
    )
    assert mine == again
    assert mine != others


def test_a_persons_bodies_are_dated_in_order_in_days_on_which_people_work():
    for arrival in people(150, 50):
        posts = [one.post for one in replace(MARKET, faults=NONE).deliveries(arrival)]
        assert all(one.at <= other.at for one, other in pairwise(posts))
        assert posts[0].at >= arrival.at
        assert posts[-1].at < arrival.at + person.LONGEST
        calls = [local(post.at) for post in posts if post.about == "call"]
        assert all(moment.weekday() < 5 and 9 <= moment.hour <= 18 for moment in calls)


def test_nothing_is_due_before_its_date_whatever_goes_wrong():
    for arrival in people():
        found = MARKET.deliveries(arrival)
        assert all(one.due >= one.post.at for one in found)
        assert all(one.due <= other.due for one, other in pairwise(found))
        assert max((one.times for one in found), default=1) <= 1 + faults.MOST_AGAIN


@pytest.mark.parametrize("name", ["redelivered", "broken", "late", "reordered"])
def test_each_fault_comes_at_its_rate(name):
    market, total, seen = replace(MARKET, faults=replace(NONE, **{name: 0.2})), 0, 0
    for arrival in people():
        found = market.deliveries(arrival)
        whole = [one for one in found if one.post.about != "broken body"]
        total += len(whole)
        seen += {
            "redelivered": sum(one.times > 1 for one in whole),
            "broken": sum(one.post.dead for one in found),
            "late": sum(one.due > one.post.at + HOUR - 1 for one in whole),
            "reordered": sum(one.due > one.post.at for one in whole),
        }[name]
    assert 0.12 < seen / total < 0.25


def due(market, start, end):
    """Count the bodies that fall due in a time, as an agenda gives them out hour by hour."""
    agenda, found = schedule.Agenda(market, market.began), Counter()
    now = market.began
    while now < end:
        now += HOUR
        for course in agenda.take(min(now, end)):
            while course.made < len(course.deliveries) and course.due <= min(now, end):
                found[course.due // HOUR] += course.due > start
                course = course._replace(made=course.made + 1)
            agenda.add(course)
    return found


def test_a_live_minute_has_the_historys_pace():
    """The live phase played four whole lives a second: every figure was absurd within minutes."""
    market = replace(MARKET, faults=Faults(), began=NOW - 14 * DAY)
    weeks = due(market, market.began, NOW + 7 * DAY)
    past = sum(weeks[hour] for hour in range((NOW - 7 * DAY) // HOUR, NOW // HOUR))
    live = sum(weeks[hour] for hour in range(NOW // HOUR, (NOW + 7 * DAY) // HOUR))
    assert 0.9 < live / past < 1.1
    office = [weeks[hour] for hour in range(NOW // HOUR, NOW // HOUR + 5)]
    assert min(office) > 100  # a body every half minute, and more of them in most hours
    assert 11_000 < past < 19_000


def test_more_people_come_in_a_denser_window_and_the_others_come_all_the_same():
    window = schedule.Window(NOW, NOW + DAY, 4)
    denser = MARKET.with_denser(window)
    alone, more = (set(one.arrivals(NOW - DAY, NOW + 2 * DAY)) for one in (MARKET, denser))
    assert alone < more
    assert all(window.start <= one.at < window.end for one in more - alone)
    inside = sum(window.start <= one.at < window.end for one in alone)
    assert 2.5 < len(more - alone) / inside < 3.5
    assert MARKET.with_denser(window._replace(times=1)) == MARKET


def test_visitors_pages_say_the_same_in_one_body_as_in_many():
    posts = [
        one.post
        for arrival in people(0, 120)
        for one in replace(MARKET, faults=NONE).deliveries(arrival)
    ]
    pages = [post for post in posts if post.anonymous]
    together = list(joined(pages))
    assert len(together) < len(pages) / 2
    assert sorted(place for _, places in together for place in places) == list(range(len(pages)))
    names = [
        {event.id for post in some for event in normalised(post).events}
        for some in (pages, [post for post, _ in together])
    ]
    assert names[0] == names[1]
    assert all(
        post.meanings == tuple(one for place in places for one in pages[place].meanings)
        for post, places in together
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("lost=0.1", "'lost' is no fault"),
        ("late", "late= is no share"),
        ("late=much", "late=much is no share"),
        ("broken=0.5", "from 0 to 0.2"),
        ("late=-1", "from 0 to 1"),
        ("late=nan", "from 0 to 1"),
        ("late=0.1,late=0.2", "named twice"),
    ],
)
def test_a_wrong_fault_is_refused_with_its_reason(text, why):
    with pytest.raises(ValueError, match=why):
        Faults.parse(text)


def test_faults_are_written_as_they_are_read():
    assert Faults.parse("late=0.5, broken=0.1") == Faults(late=0.5, broken=0.1)
    assert Faults.parse("") == Faults()
    for one in (WILD, NONE, Faults()):
        assert Faults.parse(str(one)) == one
