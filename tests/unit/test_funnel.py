"""Definitions: every error with its line and a hint."""

import json
import re
from datetime import date, datetime
from unicodedata import normalize
from zoneinfo import ZoneInfo

import pytest

from schemas import documents, first_form
from schemas.alerts import Alerts
from schemas.checking import nowhere_to_go
from schemas.durations import Duration
from schemas.funnel import Funnel
from schemas.reading import FUNNELS, FunnelError, in_force, incompatible, load, load_all
from streams.agents.versions import digest
from streams.domain.definition import prepare
from tests.conftest import ROOT
from tests.support.variants import stages

SMALL = """
funnel: small
version: "1"
effective_from: 1970-01-01
reporting: {zone: Europe/Paris}
calendars:
  office: {zone: Europe/Paris, days: [monday], hours: ["09:00-17:00"]}
teams:
  us: {calendar: office}
ladder:
  lead: {owner: us}
  customer: {owner: us, role: won}
"""
CHURNED = "  churned: {title: Churned, owner: customer_success, role: churned}\n"
READY = """    all:
      - {name: score, field: score, op: ">=", value: 50}
    none:
      - {name: suppressed, field: suppressed, op: known}
"""
ERRORS = [
    (CHURNED, CHURNED + "  limbo: {owner: sales}\n", r"aside\.limbo\.role: nothing leads here"),
    ("    inquiry: 30 days", "    enquiry: 30 days",
        r"kpis\.windows\.enquiry: 'enquiry' is no stage"),
    ("marketing: {calendar: office}", "marketing: {calendar: home}",
        r"teams\.marketing\.calendar: 'home' is no calendar"),
    ("    decided_by: either\n", "    decided_by: either\n    authority: [crm]\n",
        r"ladder\.mql\.authority: 'crm' is no enabled source"),
    ("half_life: 90 days", "half_live: 90 days",
        r":\d+: scoring\.half_live: no such key here; did you mean half_life\?"),
    ("field: score", "field: skore", r"'skore' is no field that a gate reads: write one of score"),
    ('op: ">=", value: 50', 'op: ">=", value: many', r"'>=' takes a number"),
    ("gates:\n  ready:\n    all:\n",
        "gates:\n  ready:\n    any:\n      - {name: score, field: hot, op: known}\n    all:\n",
        r"two rules of one name"),
    ("half_life: 90 days", "half_life: 90 hours", r"no half-life of points"),
    ("zone: Europe/Paris\n  week_start", "zone: Europe/Pariss\n  week_start", r"no IANA time zone"),
    ("timer: {after: 14 days, to: recycled", "timer: {after: 14 dayz, to: recycled",
        r"is no duration: write '5 minutes'"),
    ("to: nurturing}", "to: nurture}",
        r"ladder\.inquiry\.timer\.to: 'nurture' is no stage; write one of"),
    ("owner: joint", "owner: nobody", r"ladder\.mql\.owner: 'nobody' is no team"),
    (CHURNED, CHURNED + "  sal: {owner: sales, role: churned}\n",
        r"aside\.sal: stands on the ladder too"),
    (CHURNED, CHURNED + CHURNED, r"aside\.churned: stands on line \d+ too"),
    ("    gate: ready\n", "    gate: nonsense\n", r"ladder\.mql\.gate: 'nonsense' is no gate"),
    ("    gate: ready\n    decided_by: either\n", "    decided_by: gate\n",
        r"the gate decides and none is named"),
    ("    gate: ready\n    decided_by: either\n", "    decided_by: source\n",
        r"no gate leads here, so nothing else decides"),
    ("    gate: ready\n    decided_by: either\n", "", r"gates\.ready: no stage has it"),
    ("  sales: {calendar: office}", "  sales: {}",
        r"teams\.sales\.calendar: is missing; write `calendar"),
    ("excluded: [duplicate, spam]", "excluded: [duplicates]",
        r"excluded: 'duplicates' is no reason"),
    ("not-ready: recycled", "not-ready: opportunity",
        r"rejections\.not-ready: Input should be 'deal', 'won'"),
    ("not-ready: recycled", "not-ready: churned",
        r"rejections\.not-ready: 'churned' is no role that takes a rejection"),
    ("fiscal_year_start: 01-01", "fiscal_year_start: 13-99", r"reporting\.fiscal_year_start"),
    ("zone: Europe/Paris\n  week_start", "zone: 5\n  week_start", r"no IANA time zone"),
    ("hot_calendar: always", "hot_calendar: nights",
        r"clocks\.first_touch\.hot_calendar: 'nights' is no calendar"),
    ("restarted_by: [human, automated]}", "restarted_by: [human, automated], calendar: nights}",
        r"clocks\.nurture_touch\.calendar: 'nights' is no calendar"),
    ("stopped_by: [onboarded]", "stopped_by: [onboarded], restarted_by: [human]",
        r"either stopped_by or restarted_by"),
    ("    subscriber: inquiry", "    subscriber: enquiry",
        r"vendors\.hubspot\.subscriber: 'enquiry' is no stage"),
    ("    Disqualified: {says: rejected}", "    Disqualified: rejected",
        r"a word that rejects is written \{says: rejected\}"),
    ("accepted_by: sal}", "accepted_by: opportunity}",
        (r"ladder\.mql\.handoff\.accepted_by: 'opportunity' does not accept it: write "
         r"`accepted_by: sal`")),
    ("handoff: {to: sales,", "handoff: {to: field,",
        r"ladder\.mql\.handoff\.to: 'field' is no team"),
    ("    title: Inquiry\n", "    title: Inquiry\n    handoff: {to: sales, accepted_by: mql}\n",
        (r"ladder\.inquiry\.handoff: a lead is handed off from a stage of the ladder above the "
         r"entry")),
    ("    title: Inquiry\n", "    title: Inquiry\n    gate: ready\n",
        r"ladder\.inquiry\.gate: a gate leads to a stage between the entry and the win"),
    ("    title: MQL\n", "    title: MQL\n    optional: true\n",
        r"ladder\.mql\.optional: only a plain stage"),
    ("    title: SAL\n", "    title: SAL\n    optional: true\n",
        r"ladder\.sal\.optional: only a plain stage"),
    ("field: suppressed, op: known}", "field: suppressed, op: in, value: spam}",
        r"'in' takes a list"),
    (READY, "    all: []\n", r"a gate without a rule"),
    ("hot: [demo_form, ", "hot: [demo, ", r"scoring\.hot: 'demo' is no touch with points"),
    ("role: nurture", "role: lost", r"aside\.lost\.role: nurturing is lost already"),
    ("    role: deal\n", "    role: churned\n",
        r"ladder\.opportunity\.role: a stage that is churned stands beside the ladder"),
    ("    role: won\n", "", r"ladder\.customer\.role: write `role: won`"),
    ("    role: deal\n", "    role: won\n",
        r"the stage that is won is the last of the ladder, and customer is"),
    ("    title: Inquiry\n", "    title: Inquiry\n    role: deal\n",
        r"ladder\.inquiry\.role: the entry can't be the deal"),
    ("timer: {after: 14 days, to: recycled", "timer: {after: 14 days, to: inquiry",
        r"ladder\.mql\.timer\.to: time leads up the ladder or beside it"),
    ("timer: {after: 14 days, to: recycled", "timer: {after: 14 days, to: churned",
        r"ladder\.mql\.timer\.to: only a customer churns"),
    ("timer: {after: 14 days, to: recycled", "timer: {after: 14 days, to: evangelist",
        r"ladder\.mql\.timer\.to: only a customer speaks for us"),
    ("timer: {after: 90 days, to: recycled}", "timer: {after: 90 days, to: sal}",
        r"aside\.lost\.timer\.to: time leads up the ladder or beside it"),
    ("timer: {after: 180 days, to: inactive}", "timer: {after: 180 days, to: lost}",
        r"timers lead in a circle: lost -> recycled -> lost"),
]  # fmt: skip


@pytest.mark.parametrize(("good", "bad", "stated"), ERRORS)
def test_an_error_names_its_line_and_what_to_write(tmp_path, good, bad, stated):
    text = (FUNNELS / "default.yaml").read_text()
    assert good in text
    path = tmp_path / "funnel.yaml"
    path.write_text(text.replace(good, bad))
    with pytest.raises(FunnelError) as caught:
        load(path)
    assert re.search(stated, str(caught.value))
    if bad:  # what is missing has no line but its parent's
        wanted = next(
            n
            for n, line in enumerate(path.read_text().splitlines(), 1)
            if bad.split("\n")[0] in line
        )
        assert abs(caught.value.problems[0].line - wanted) <= 16


@pytest.mark.parametrize("name", ["here", "figures"])
def test_a_stage_is_not_called_like_what_means_something_else(tmp_path, name):
    text = (FUNNELS / "default.yaml").read_text()
    text = text.replace("recycled", name).replace(f"role: {name}", "role: recycled")
    (tmp_path / "funnel.yaml").write_text(text.replace(f"ready: {name}", "ready: recycled"))
    with pytest.raises(FunnelError, match=f"aside.{name}: '{name}' "):
        load(tmp_path / "funnel.yaml")


def test_a_firm_of_two_stages_writes_two_stages(tmp_path):
    (tmp_path / "small.yaml").write_text(SMALL)
    funnel = load(tmp_path / "small.yaml")
    assert funnel.shape().ladder == ("lead", "customer")
    assert nowhere_to_go(funnel) == [
        "opportunity.lost: no stage is lost, recycled, disqualified or inactive",
        "lead.rejected: no stage is disqualified, inactive or recycled",
        "lead.deleted: no stage is disqualified, inactive or recycled",
    ]
    assert nowhere_to_go(load(FUNNELS / "default.yaml")) == []


def test_a_ladder_of_one_stage_or_of_none_is_refused(tmp_path):
    one = SMALL.replace("  lead: {owner: us}\n", "")
    (tmp_path / "one.yaml").write_text(one)
    (tmp_path / "none.yaml").write_text(
        one.replace("ladder:\n", "ladder: {}\n").replace("  customer: {owner: us, role: won}\n", "")
    )
    for name in ("one", "none"):
        with pytest.raises(FunnelError, match="ladder: write at least two stages"):
            load(tmp_path / f"{name}.yaml")


def test_titles_are_shown_in_a_language_that_has_one_and_else_the_title_or_the_name(tmp_path):
    text = SMALL.replace(
        "lead: {owner: us}", "lead: {owner: us, title: Lead, titles: {fr: Prospect}}"
    )
    (tmp_path / "small.yaml").write_text(text)
    funnel = load(tmp_path / "small.yaml")
    shown = [
        funnel.title(*asked)
        for asked in (("lead",), ("lead", "fr"), ("lead", "ja"), ("customer", "fr"))
    ]
    assert shown == ["Lead", "Prospect", "Lead", "customer"]


def test_what_a_file_lacks_and_what_its_names_lack_is_reported_at_once_for_every_file_of_a_folder(
    tmp_path,
):
    text = (FUNNELS / "default.yaml").read_text()
    (tmp_path / "a.yaml").write_text(
        text.replace("half_life: 90", "half_live: 90").replace("owner: joint", "owner: nobody")
    )
    (tmp_path / "b.yaml").write_text(text.replace("office}", "home}"))
    (tmp_path / "c.yaml").write_text(text)
    (tmp_path / "d.yaml").write_text(text)
    with pytest.raises(FunnelError) as caught:
        load_all(tmp_path)
    stated = str(caught.value)
    for name, what in (
        ("a", "scoring.half_live"),
        ("a", "'nobody' is no team"),
        ("b", "'home' is no calendar"),
        ("d", "two files have this version"),
    ):
        assert re.search(rf"{name}\.yaml:\d+: .*{what}", stated), (name, what)
    with pytest.raises(FunnelError, match="can't be read"):
        load(tmp_path / "none.yaml")


def test_durations_are_text_in_the_schema_for_editors_as_in_the_files():
    schema = json.dumps(Funnel.model_json_schema())
    assert "prefixItems" not in schema
    assert re.search(r'"within": \{[^}]*"type": "string"', schema)


def test_both_shipped_definitions_are_good():
    assert load(FUNNELS / "default.yaml").funnel == "default"
    assert load(FUNNELS / "olist.yaml").reporting.zone == "America/Sao_Paulo"


def test_a_duration_is_written_as_it_is_read():
    assert str(Duration.read("3 business days")) == "3 business days"
    with pytest.raises(ValueError, match="no duration"):
        Duration.read("0 days")


@pytest.mark.parametrize("name", ["default", "olist"])
def test_a_definition_that_travels_as_a_record_arrives_as_it_was(name):
    funnel = load(FUNNELS / f"{name}.yaml")
    again = Funnel.model_validate_json(funnel.model_dump_json())
    assert again == funnel
    assert digest(again) == digest(funnel)


def test_the_schema_for_editors_is_what_the_model_says():
    assert json.loads((FUNNELS / "funnel.schema.json").read_text()) == Funnel.model_json_schema()


CLASHES = [
    ({"version": "1"}, "two files have this version"),
    ({"effective_from": date(1970, 1, 1)}, "comes into force on 1970-01-01 too"),
    (stages(mql={"handoff": None}), "its stages differ from those of version 1"),
    (stages(mql={"gate": None}), "its stages differ from those of version 1"),
    ({"funnel": "other"}, "another funnel than default"),
]


@pytest.mark.parametrize(("changes", "stated"), CLASHES)
def test_versions_that_can_not_follow_each_other_are_refused_with_a_hint(changes, stated):
    first = load(FUNNELS / "default.yaml")
    later = first.model_copy(update={"version": "2", "effective_from": date(2026, 1, 1), **changes})
    assert any(stated in clash.text for clash in incompatible([first, later]))


@pytest.mark.parametrize("zone", ["Europe/Paris", "Pacific/Kiritimati", "America/Sao_Paulo", "UTC"])
def test_the_version_in_force_is_the_one_that_the_fold_judges_by(tmp_path, zone):
    text = (
        (FUNNELS / "default.yaml")
        .read_text()
        .replace("zone: Europe/Paris\n  week_start", f"zone: {zone}\n  week_start")
    )
    (tmp_path / "a.yaml").write_text(text)
    (tmp_path / "b.yaml").write_text(
        text.replace('version: "1"', 'version: "2"').replace("1970-01-01", "2026-03-01")
    )
    folded = prepare(*load_all(tmp_path))
    begins = int(datetime(2026, 3, 1, tzinfo=ZoneInfo(zone)).timestamp() * 1000)
    for moment, version in ((begins - 1, "1"), (begins, "2")):
        assert in_force(tmp_path, moment).version == version == folded.at(moment).funnel.version


NAMES = [
    ("a dot, since a dot joins a stage and a clock", "chur.ned", "is no name: write letters"),
    ("a bar, since facts are named with one", "chur|ned", "is no name: write letters"),
    ("a space", "chur ned", "is no name: write letters"),
    ("a letter in two parts", "churne\u0301", "is not in Unicode's normal form C"),
]


@pytest.mark.parametrize(
    ("bad", "stated"), [one[1:] for one in NAMES], ids=[one[0] for one in NAMES]
)
def test_names_are_letters_digits_and_two_signs_of_any_script(tmp_path, bad, stated):
    path = tmp_path / "funnel.yaml"
    path.write_text((FUNNELS / "default.yaml").read_text().replace("  churned:", f"  '{bad}':"))
    with pytest.raises(FunnelError, match=stated):
        load(path)


@pytest.mark.parametrize("good", ["解約", "ушёл-1", "छोड़_दिया"])
def test_a_name_may_be_of_any_script(tmp_path, good):
    path = tmp_path / "funnel.yaml"
    text = (FUNNELS / "default.yaml").read_text().replace("  churned:", f"  {good}:")
    path.write_text(normalize("NFC", text))
    assert load(path).shape().churned == normalize("NFC", good)


FIRST_FORM = ROOT / "tests" / "golden" / "funnels"


@pytest.mark.parametrize("name", ["default", "olist"])
def test_a_file_in_an_older_form_is_refused_with_the_command_that_rewrites_it(name):
    with pytest.raises(FunnelError, match="leadstream check --rewrite FILE"):
        load(FIRST_FORM / f"{name}.first.yaml")


@pytest.mark.parametrize("name", ["default", "default.named", "olist"])
def test_rewritten_it_says_what_the_shipped_file_says_but_for_the_titles(tmp_path, name):
    raw = documents.read(FIRST_FORM / f"{name}.first.yaml").value
    path = tmp_path / "new.yaml"
    path.write_text(first_form.text(first_form.renewed(raw)))
    assert plain(load(path)) == plain(load(FUNNELS / f"{name.split('.')[0]}.yaml"))
    assert max(map(len, path.read_text().splitlines())) <= 100


def test_a_record_of_an_older_form_is_read_as_what_it_stated():
    raw = documents.read(FIRST_FORM / "default.first.yaml").value
    assert plain(Funnel.model_validate(raw)) == plain(load(FUNNELS / "default.yaml"))


def plain(funnel):
    """Return a definition without its titles, and without dimensions, which are newer."""
    body = funnel.model_dump(mode="json")
    del body["dimensions"]
    for stage in (*body["ladder"].values(), *body["aside"].values()):
        del stage["title"]
    return body


def test_another_title_is_no_other_definition():
    funnel = load(FUNNELS / "default.yaml")
    titled = funnel.model_copy(update=stages(funnel, mql={"title": "Chaud", "titles": {"fr": "C"}}))
    assert digest(titled) == digest(funnel)


def test_thresholds_of_alerts_decide_no_fact_so_they_are_no_other_definition():
    funnel = load(FUNNELS / "default.yaml")
    assert funnel.alerts == Alerts()  # the file writes the defaults out
    stricter = funnel.model_copy(update={"alerts": Alerts(newly_stalled=1)})
    assert digest(stricter) == digest(funnel)


@pytest.mark.parametrize(
    "wrong", [{"newly_stalled": 0}, {"inflow_drop": 1.0}, {"inflow_drop": 50}, {"stalled": 3}]
)
def test_a_threshold_that_would_never_or_always_fire_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Alerts(**wrong)
