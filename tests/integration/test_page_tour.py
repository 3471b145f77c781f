"""docs/tour.md, followed: its clicks in Chromium, in its order, each answer where it says."""

import os
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.support.jobs import until
from tests.support.live import settled

pytestmark = pytest.mark.ci
TOUR = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
SECTIONS = {
    part.partition("\n")[0]: part.partition("\n")[2] for part in re.split(r"(?m)^## ", TOUR)[1:]
}


def section(question):
    (found,) = (text for head, text in SECTIONS.items() if question in head)
    return found


def clicks(question):
    """Return what a section says to click, in its order."""
    found = re.findall(r"(?m)^\d\. .*?\*\*(.+?)\*\*", section(question))
    assert 1 <= len(found) <= 3, question
    return found


@pytest.fixture
def page(base, browser):
    where = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    page = where.new_page()
    page.set_default_timeout(60_000)
    page.goto(base)
    settled(page)
    yield page
    where.close()


def follow(page, question):
    for name in clicks(question):
        before = page.url
        page.get_by_role("link", name=name, exact=True).click()
        until(lambda before=before: page.url != before, f"the page of {name}")
        settled(page)


def test_why_a_lead_is_stalled_and_whose_move_it_is(page, market):
    (name,) = clicks("whose move")
    page.get_by_role("searchbox", name=re.compile(name)).fill(market.late[:8])
    page.keyboard.press("Enter")
    page.locator("h1#headline").wait_for()
    assert re.fullmatch(
        r"\d+ days late: owner-4 must decide how it goes on", page.locator("h1").inner_text()
    )


def test_acceptance_of_last_weeks_paid_social_has_pending_apart(page, market):
    follow(page, "paid social")
    heads = [one.strip().lower() for one in page.locator(".ledger thead th").all_inner_texts()]
    row = page.locator(".card.ledger tbody tr", has_text="paid_social").first
    cells = dict(zip(heads, row.locator("th, td").all_inner_texts(), strict=False))
    given, accepted, rejected, undecided, waiting = (
        int(cells[name])
        for name in ("handed off", "accepted", "rejected", "no decision", "pending")
    )
    assert given == accepted + rejected + undecided + waiting
    assert row.locator("td.hatched").inner_text() == str(waiting)


def test_the_best_source_by_cost_per_accepted_lead_is_the_first_row(page):
    follow(page, "lowest cost")
    first = page.locator(".card.sources tbody tr").first
    assert "lowest cost per accepted lead" in first.inner_text().lower()
    costs = [
        float(re.sub(r"[^\d.]", "", text))
        for text in page.locator(".card.sources tbody tr td:nth-child(6)").all_inner_texts()
        if re.search(r"\d", text)
    ]
    assert costs == sorted(costs)
    assert len(costs) == 3


def test_this_week_stands_against_last_week_by_team(page):
    follow(page, "by team")
    card = page.locator(".card.compared")
    assert {"sales", "marketing"} & set(card.locator("tbody th").all_inner_texts())
    assert "before" in card.inner_text()
    assert "period=this-week" in page.url


def test_hot_leads_that_wait_come_first_with_how_long(page):
    follow(page, "hot leads")
    card = page.locator("section.card").first
    assert card.locator("h2").inner_text() == "Hot leads waiting"
    first = card.locator("tbody tr").first
    assert re.search(r"owner-\d\s+call\s+\d+ (minutes|hours)", first.inner_text())


def test_the_commands_of_the_tour_run(market, engine, tmp_path):
    commands = re.findall(r"(?m)(?:^ {4}|`)(leadstream [^`\n]+)", TOUR)
    assert any("--since" in one for one in commands)
    environment = {
        **{name: value for name, value in os.environ.items() if "LEADSTREAM" not in name},
        "LEADSTREAM_CLICKHOUSE_URL": engine.clickhouse_url,
        "LEADSTREAM_CLICKHOUSE_PASSWORD": engine.clickhouse_password.get_secret_value(),
        "LEADSTREAM_IDENTITY_KEY": "k" * 16,
        "LEADSTREAM_BROKERS": "127.0.0.1:9",
        "PYTHONPATH": str(ROOT),
    }
    for line in commands:
        words = line.replace("457b82f0", market.late).split()[1:]
        done = subprocess.run(
            [sys.executable, "-m", "streams.cli.main", *words],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, (line, done.stderr[-2000:])
        assert done.stdout.strip() or "--save" in line, line
