"""What each card draws, without a browser: from documents to HTML and options of charts."""

import html
import re
from datetime import UTC, date, datetime, timedelta
from graphlib import TopologicalSorter
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.reading import FUNNELS, load
from streams.domain.duties import MUSTS, WORDS, Duty
from streams.live import palette, reports
from streams.live.card import Page
from streams.live.drawing import Markup, tag, text
from streams.live.scene import Scene
from streams.live.screens import (
    cohorts,
    definition,
    due,
    duties,
    feed,
    filters,
    flow,
    found,
    header,
    health,
    hot,
    lead,
    stalled,
    states,
)
from streams.live.view import read
from streams.live.wording import LANGUAGES, Words

FUNNEL = load(FUNNELS / "default.yaml")
JAPANESE = load(FUNNELS / "examples" / "japanese.yaml")
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
LEAD = "018f0000-0000-8000-8000-000000000001"
EVIL = "<img src=x onerror=alert(1)>&\"'"


def scene(language="en", firm=FUNNEL, path="/work", **query):
    return Scene(read(path, query, firm, NOW), Words(language), firm, NOW, "http://127.0.0.1:8381")


def plain(markup):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", markup)).strip()


def row(**more):
    return {
        "lead": LEAD, "stage": "opportunity", "clock": "stalled", "hot": 0, "owner": "owner-4",
        "manager": "", "team": "sales", "source": "meta", "record_url": "https://crm.example/1",
        "must": "call", "due_at": NOW - timedelta(days=28, hours=2), **more,
    }  # fmt: skip


def late(*rows, total=None):
    n = len(rows) if total is None else total
    return {"rows": list(rows), "teams": {"sales": n}, "total": n, "unmeasured": []}


def test_a_row_of_the_stalled_list_says_who_must_do_what_and_how_late_it_is():
    shown = stalled.draw(late(row()), scene())
    assert "owner-4 call 28 days late" in plain(shown)
    assert f'href="/leads/{LEAD}"' in shown
    assert 'href="https://crm.example/1" target="_blank" rel="noopener noreferrer"' in shown
    assert "Due (Europe/Paris)" in shown


def test_a_list_of_many_pages_says_its_total_and_leads_to_the_next():
    shown = stalled.draw(late(row(), total=120), scene(page="2", sort="-late"))
    assert "51 to 100 of 120" in plain(shown)
    assert "120 leads are late" in plain(shown)
    assert 'href="/work?sort=-late"' in shown  # the first page, without a number
    assert 'href="/work?sort=-late&amp;page=3"' in shown
    assert 'aria-sort="descending"' in shown


def test_an_empty_list_is_good_news_only_where_every_clock_is_measured():
    shown = stalled.draw({**late(), "unmeasured": ["SAL.working"]}, scene())
    assert 'data-state="nothing"' in shown
    assert "Nothing is late" in shown
    assert "no enabled source can stop them: SAL.working" in plain(shown)


def test_clocks_that_nobody_can_stop_are_named_so_that_an_empty_list_is_no_good_news():
    some, all_of_them = (
        FUNNEL.model_copy(update={"enabled_sources": (name,)}) for name in ("salesforce", "segment")
    )
    assert "Customer.onboarding" in stalled.unmeasured(some)
    assert "SAL.working" not in stalled.unmeasured(some)
    assert "MQL.decision" in stalled.unmeasured(all_of_them)
    assert stalled.unmeasured(FUNNEL) == []


def test_nobody_who_owns_a_lead_makes_it_the_teams_move():
    shown = stalled.draw(late(row(owner="")), scene())
    assert "nobody owns it (sales)" in shown


@pytest.mark.parametrize("what", MUSTS)
def test_a_headline_says_how_late_who_and_what_as_every_other_reader_does(what):
    words, todo = Words("en"), Duty("sales", what)
    late = duties.headline(words, 28 * 86_400, "owner-4", todo)
    assert late == f"28 days late: {todo.sentence('owner-4')}"
    early = duties.headline(words, -7_200, "", todo)
    assert early == f"nobody owns it (sales) must {WORDS[what]}, within 2 hours"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_card_draws_in_every_language(language):
    seen = scene(language)
    drawn = [
        stalled.draw(late(row(), row(hot=1)), seen),
        due.draw({"rows": [row(due_at=NOW + timedelta(hours=5))], "total": 1}, seen),
        hot.draw({"rows": [row(since=NOW - timedelta(hours=5), touched=0)], "total": 1}, seen),
        definition.draw({"mql": 3}, seen),
        states.empty(seen),
        found.draw([LEAD, LEAD], seen),
        lead.draw(story(), seen),
    ]
    assert all(isinstance(one, Markup) and plain(one) for one in drawn)


def test_what_comes_from_outside_is_text_on_every_card():
    seen = scene()
    wild = row(owner=EVIL, source=EVIL, stage=EVIL, lead=LEAD, since=NOW, touched=0)
    moved = {
        "lead": LEAD, "from_stage": EVIL, "to_stage": EVIL, "why": EVIL, "reason": EVIL,
        "event_time": NOW,
    }  # fmt: skip
    drawn = [
        stalled.draw(late(wild), seen),
        due.draw({"rows": [wild], "total": 1}, seen),
        hot.draw({"rows": [wild], "total": 1}, seen),
        feed.draw([moved], seen),
        flow.draw([{**moved, "n": 2}], seen),
        definition.draw({EVIL: 3}, seen),
        filters.draw({"owner": [EVIL], "source": [EVIL] * 60}, scene(owner=EVIL), Page("x", ())),
        lead.draw({**story(), "now": {"stage": EVIL, "owner": EVIL, "campaign": EVIL}}, seen),
        header.draw(seen.words, "/", {"/": "page_funnel"}, scene(owner=EVIL), EVIL),
    ]
    assert all("<img" not in one and 'onerror="' not in one for one in drawn)


def test_a_formula_in_a_cell_stays_text_to_a_spreadsheet():
    assert stalled._plain("=HYPERLINK(1)") == "'=HYPERLINK(1)"
    assert stalled._plain("owner-1") == "owner-1"


def test_attributes_are_checked_and_escaped():
    assert tag("p", "a<b", title='"') == '<p title="&quot;">a&lt;b</p>'
    assert text(None) == ""
    with pytest.raises(ValueError, match="no attribute"):
        tag("p", **{"on click": "x"})


def story(**more):
    at = NOW - timedelta(days=40)
    return {
        "lead": LEAD,
        "now": {"stage": "opportunity", "owner": "owner-4", "journey": 1, "hot": 1},
        "definitions": [],
        "events": [
            {"at": at, "learned": at + timedelta(hours=2), "type": "lead.created", "id": "e",
             "source": "hubspot", "held": True, "kind": "demo_form"}
        ],
        "facts": [
            {"kind": "transition", "event_time": at, "journey": 1, "from": "", "to": "inquiry",
             "owner_team": "marketing", "why": "lead.created", "implied": False, "reason": ""},
        ],
        "restated": [],
        "ladder": list(FUNNEL.ladder),
        "outlook": {
            "running": [
                {"clock": "opportunity.stalled",
                 "due_at": (NOW - timedelta(days=28)).timestamp() * 1000}
            ]
        },
        **more,
    }  # fmt: skip


def test_a_leads_page_begins_with_how_late_it_is_and_whose_move():
    shown = lead.draw(story(), scene())
    assert "28 days late: owner-4 must call" in plain(shown)
    assert "Because stalled in Opportunity ran out on 31 Oct 2026 13:00" in plain(shown)
    assert "It waits for: a call or message by a person of ours, a sign from the lead" in shown
    assert "became known: demo_form — hubspot · learned 19 Oct 2026 16:00 · held" in plain(shown)


def test_a_lead_that_nothing_waits_for_says_where_it_stands_or_what_comes_by_itself():
    quiet = story(outlook={})
    assert lead.summary(quiet, scene()) == "In Opportunity; nothing is due"
    timed = story(outlook={"timer_at": NOW.timestamp() * 1000, "timer_to": "recycled"})
    assert lead.summary(timed, scene()) == (
        "In Opportunity; moves to Recycled by itself on 28 Nov 2026 13:00"
    )
    assert "merged or erased" in lead.summary(story(now={}), scene())


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")).filter(
            lambda move: move[0] != move[1]
        ),
        unique=True,
        min_size=1,
    )
)
def test_the_flow_has_every_move_and_no_circle_also_of_stages_that_no_definition_has(moves):
    document = [{"from_stage": one, "to_stage": two, "n": 1} for one, two in moves]
    (series,) = flow.chart(document, scene(), palette.LIGHT)["series"]
    links = series["links"]
    assert [(link["source"], link["target"].removesuffix(" again")) for link in links] == moves
    list(
        TopologicalSorter(
            {
                target: [link["source"] for link in links if link["target"] == target]
                for target in {link["target"] for link in links}
            }
        ).static_order()
    )


def test_stages_are_shown_by_the_titles_of_the_firm():
    moved = [{"from_stage": "問合せ", "to_stage": "見込み", "n": 2}]
    for language, title in (("ja", "お問い合わせ"), ("en", "Inquiry"), ("ru", "お問い合わせ")):
        seen = scene(language, firm=JAPANESE)
        (series,) = flow.chart(moved, seen, palette.LIGHT)["series"]
        assert series["links"][0]["source"] == title
        assert title in definition.draw({"問合せ": 1}, seen)


def test_a_step_shows_who_went_on_and_who_still_may():
    # one of the ten got there before its window passed: no mature member, and there all the same
    parts = reports.parts({"n": 10, "numerator": 3, "denominator": 6, "pending": 3})
    assert parts == (4, 3, 3)
    shown = reports.bar(scene(), *parts)
    assert 'class="reached" style="width:40.00%"' in shown
    assert 'class="pending" style="width:30.00%"' in shown
    assert 'aria-label="4 went on, 3 pending, 3 did not"' in shown


def test_a_cohort_whose_time_is_not_over_is_hatched_and_one_to_come_is_blank():
    weeks = [2, 1] + [0] * 10
    document = {"target": "mql", "rows": [{"week": date(2026, 11, 9), "size": 6, "reached": weeks}]}
    shown = cohorts.draw(document, scene(path="/cohorts"))
    cells = re.findall(r"<td[^>]*>.*?</td>", shown.partition("<tbody>")[2])[1:]
    assert "33%" in cells[0]
    assert "hatched" not in cells[0]  # all of that week have had a week
    assert "50%" in cells[1]
    assert "hatched" in cells[1]
    assert "pending" in cells[1]  # also for who hears the page
    assert cells[3] == "<td></td>"


def test_health_says_what_to_do_only_where_something_is_not_well():
    document = {
        "tick_age_seconds": 1.0, "leads": 3, "events": 4, "conflicts": 0, "holes": 0,
        "letters": [], "unmeasured": [],
    }  # fmt: skip
    assert "leadstream" not in health.draw(document, scene(path="/health"))
    bad = {**document, "tick_age_seconds": 400.0, "letters": [{"topic": "lead.raw.ads", "n": 5}]}
    shown = plain(health.draw(bad, scene(path="/health")))
    assert "6 minutes look leadstream status" in shown
    assert "5 look leadstream deadletters list" in shown


def test_the_first_event_goes_to_this_homes_gateway():
    shown = states.empty(scene())
    assert "curl -X POST http://127.0.0.1:8381/v1/events" in shown
    assert 'href="http://127.0.0.1:8381/docs"' in shown


def test_the_four_states_differ():
    words = Words("en")
    drawn = (
        states.loading(words), states.away(words), states.empty(scene()),
        states.nothing(words, "nothing_late"),
    )  # fmt: skip
    found = [re.search(r'data-state="(\w+)"', one)[1] for one in drawn]
    assert found == ["loading", "error", "empty", "nothing"]


def test_whoever_signed_in_can_sign_out_by_a_post_and_others_have_no_session_to_end():
    for language in LANGUAGES:
        words = Words(language)
        shown = header.draw(words, "/", {"/": "page_funnel"}, scene(language), session=True)
        assert '<form method="post" action="/logout" class="out">' in shown
        assert words("sign_out") in shown
    assert "/logout" not in header.draw(Words("en"), "/", {"/": "page_funnel"}, scene())


def test_the_languages_of_a_page_keep_what_a_search_found():
    leads = tuple(f"018f0000-0000-8000-8000-{number:012x}" for number in range(30))
    seen = scene(path="/leads", ids=",".join(leads), zone="Asia/Tokyo")
    shown = header.draw(seen.words, "/leads", {"/": "page_funnel"}, seen)
    ways = dict(re.findall(r'href="([^"]+)" lang="(\w+)"', shown))
    assert sorted(ways.values()) == sorted(LANGUAGES)
    for address, language in ways.items():
        query = dict(parse_qsl(urlsplit(html.unescape(address)).query))
        again = read("/leads", query, FUNNEL, NOW)
        assert (again.leads, again.lang, again.zone) == (leads, language, "Asia/Tokyo")
    assert "018f0000" not in seen.link(seen.view.at("/"))


def test_the_languages_of_a_long_list_stay_on_its_page():
    seen = scene(page="3", sort="-late", owner="owner-4")
    shown = header.draw(seen.words, "/work", {"/": "page_funnel"}, seen)
    assert 'href="/work?owner=owner-4&amp;sort=-late&amp;page=3&amp;lang=fr"' in shown


def test_a_search_posts_so_that_an_address_of_a_person_stands_in_no_address():
    shown = header.draw(Words("en"), "/", {"/": "page_funnel"})
    assert re.search(r'<form method="post" action="/find" role="search">', shown)
    assert "search" not in header.draw(Words("en"), "/", {"/": "page_funnel"}, details=False)
    viewer = scene(path="/definition")._replace(details=False)
    assert "/work" not in definition.draw({"mql": 3}, viewer)
