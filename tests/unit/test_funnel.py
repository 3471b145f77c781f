"""Definitions: every error with its line and a hint."""

import json
import re
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from schemas.funnel import Duration, Funnel
from schemas.reading import FUNNELS, FunnelError, in_force, incompatible, load, load_all
from streams.agents.versions import digest
from streams.domain.definition import prepare

ERRORS = [
    (
        "  churned: {owner: customer_success, role: churned}",
        "  churned: {owner: customer_success, role: churned}\n  limbo: {owner: sales}",
        r"stages\.limbo: nothing leads here",
    ),
    (
        "windows: {inquiry: 30 days,",
        "windows: {enquiry: 30 days,",
        r"kpis\.windows\.enquiry: 'enquiry' is no stage",
    ),
    ("acceptance: 14 days, recovery", "recovery", r"kpis\.windows: acceptance is missing"),
    (
        "marketing: {calendar: office}",
        "marketing: {calendar: home}",
        r"teams\.marketing\.calendar: 'home' is no calendar",
    ),
    (
        "    decided_by: either\n",
        "    decided_by: either\n    authority: [crm]\n",
        r"stages\.mql\.authority: 'crm' is no enabled source",
    ),
    (
        "half_life: 90 days",
        "half_live: 90 days",
        r":\d+: gate\.half_live: no such key here; did you mean half_life\?",
    ),
    ("field: score", "field: skore", r"'skore' is no field that a gate reads: write one of score"),
    ('op: ">=", value: 50', 'op: ">=", value: many', r"'>=' takes a number"),
    ("name: suppressed, field", "name: score, field", r"two rules of one name"),
    ("half_life: 90 days", "half_life: 90 hours", r"no half-life of points"),
    ("zone: Europe/Paris\n  week_start", "zone: Europe/Pariss\n  week_start", r"no IANA time zone"),
    (
        "timer: {after: 14 days, to: recycled",
        "timer: {after: 14 dayz, to: recycled",
        r"is no duration: write '5 minutes'",
    ),
    (
        "to: nurturing}",
        "to: nurture}",
        r"stages\.inquiry\.timer\.to: 'nurture' is no stage; write one of",
    ),
    ("owner: joint", "owner: nobody", r"stages\.mql\.owner: 'nobody' is no team"),
    (
        "  churned: {owner: customer_success, role: churned}",
        "  churned: {owner: customer_success, role: churned}\n  a: {owner: sales, timer: {after: 1 day, to: b}}\n  b: {owner: sales, timer: {after: 1 day, to: a}}",
        r"stages\.a: nothing leads here",
    ),
    (
        "  churned: {owner: customer_success, role: churned}",
        "  churned: {owner: customer_success, role: churned}\n  sal: {owner: sales}",
        r"stages\.sal: stands on line \d+ too",
    ),
    ("    gate: mql\n", "    gate: nonsense\n", r"stages\.mql\.gate: 'nonsense' is no gate"),
    (
        "    decided_by: either\n    gate: mql\n",
        "    decided_by: gate\n",
        r"the gate decides and none is named",
    ),
    (
        "  sales: {calendar: office}",
        "  sales: {}",
        r"teams\.sales\.calendar: is missing; write `calendar",
    ),
    (
        "ladder: [inquiry, mql, sal, sql,",
        "ladder: [inquiry, mql, mql, sal, sql,",
        r"ladder: write each stage once",
    ),
    ("optional: [sql]", "optional: [sqll]", r"optional: 'sqll' is no stage of the ladder"),
    (
        "excluded: [duplicate, spam]",
        "excluded: [duplicates]",
        r"excluded: 'duplicates' is no reason",
    ),
    (
        "not-ready: recycled",
        "not-ready: opportunity",
        r"rejections\.not-ready: 'opportunity' is no stage that a rejection",
    ),
    ("fiscal_year_start: 01-01", "fiscal_year_start: 13-99", r"reporting\.fiscal_year_start"),
    ("zone: Europe/Paris\n  week_start", "zone: 5\n  week_start", r"no IANA time zone"),
    (
        "hot_calendar: always",
        "hot_calendar: nights",
        r"clocks\.first_touch\.hot_calendar: 'nights' is no calendar",
    ),
    (
        "restarted_by: [human, automated]}",
        "restarted_by: [human, automated], calendar: nights}",
        r"clocks\.nurture_touch\.calendar: 'nights' is no calendar",
    ),
    (
        "stopped_by: [onboarded]",
        "stopped_by: [onboarded], restarted_by: [human]",
        r"either stopped_by or restarted_by",
    ),
    (
        "    subscriber: inquiry",
        "    subscriber: enquiry",
        r"vendors\.hubspot\.subscriber: 'enquiry' is no stage",
    ),
    (
        "  churned: {owner: customer_success, role: churned}\n",
        "",
        r"no stage is churned: write `role: churned`",
    ),
    (
        "accepted_by: sal}",
        "accepted_by: inquiry}",
        r"stages\.mql\.handoff\.accepted_by: 'inquiry' does not come after it",
    ),
    (
        "handoff: {to: sales,",
        "handoff: {to: field,",
        r"stages\.mql\.handoff\.to: 'field' is no team",
    ),
    (
        "    handoff: {to: sales, accepted_by: sal}\n",
        "",
        r"write `handoff: \{to: sales, accepted_by: sal\}` in the one stage",
    ),
    (
        "    owner: sales\n    also: [sales accepted lead, working]\n",
        "    owner: sales\n    gate: mql\n",
        r"stages\.sal\.gate: mql has a gate already",
    ),
    (
        "field: suppressed, op: known}",
        "field: suppressed, op: in, value: spam}",
        r"'in' takes a list",
    ),
    (
        '  all:\n    - {name: score, field: score, op: ">=", value: 50}\n  none:\n    - {name: suppressed, field: suppressed, op: known}\n',
        "",
        r"the gate has no rule",
    ),
    ("hot: [demo_form, ", "hot: [demo, ", r"gate\.hot: 'demo' is no touch with points"),
]


@pytest.mark.parametrize(("good", "bad", "said"), ERRORS)
def test_an_error_names_its_line_and_what_to_write(tmp_path, good, bad, said):
    text = (FUNNELS / "default.yaml").read_text()
    assert good in text
    path = tmp_path / "funnel.yaml"
    path.write_text(text.replace(good, bad))
    with pytest.raises(FunnelError) as caught:
        load(path)
    assert re.search(said, str(caught.value))
    if bad:  # what is missing has no line but its parent's
        wanted = next(
            n
            for n, line in enumerate(path.read_text().splitlines(), 1)
            if bad.split("\n")[0] in line
        )
        assert abs(caught.value.problems[0].line - wanted) <= 12


ROLES = [
    (
        "ladder: [inquiry, mql, sal, sql,",
        "ladder: [mql, inquiry, sal, sql,",
        r"stages\.mql\.gate: a gate leads to a stage above the entry",
    ),
    (
        "ladder: [inquiry, mql, sal, sql,",
        "ladder: [mql, inquiry, sal, sql,",
        r"stages\.mql\.handoff: a lead is handed off from a stage of the ladder above the entry",
    ),
    (
        "accepted_by: sal}",
        "accepted_by: customer}",
        r"'customer' does not come after it on the ladder, up to the deal",
    ),
    (
        "ladder: [inquiry, mql, sal, sql, opportunity, customer]",
        "ladder: []",
        r"ladder: write each stage once",
    ),
    ("role: nurture", "role: lost", r"stages\.lost\.role: nurturing is lost already"),
    (
        "    owner: sales\n    role: deal\n",
        "    owner: sales\n    role: churned\n",
        r"stages\.opportunity\.role: a stage that is churned stands beside the ladder",
    ),
    (
        "    owner: customer_success\n    role: won\n",
        "    owner: customer_success\n",
        r"stages: no stage is won",
    ),
]


def test_a_gate_above_the_hand_off_is_refused_since_it_would_decide_for_whoever_accepts(tmp_path):
    text = (FUNNELS / "default.yaml").read_text()
    text = text.replace("    decided_by: either\n    gate: mql\n", "").replace(
        "  sal:\n    owner: sales\n", "  sal:\n    owner: sales\n    gate: sal\n"
    )
    (tmp_path / "funnel.yaml").write_text(text)
    with pytest.raises(
        FunnelError,
        match=r"stages\.sal\.gate: a gate leads to a stage above the entry, up to the one that hands",
    ):
        load(tmp_path / "funnel.yaml")


@pytest.mark.parametrize("name", ["rejected", "acceptance", "recovery"])
def test_a_stage_is_not_called_like_what_means_something_else(tmp_path, name):
    text = (FUNNELS / "default.yaml").read_text()
    (tmp_path / "funnel.yaml").write_text(
        text.replace("recycled", name).replace(f"role: {name}", "role: recycled")
    )
    with pytest.raises(FunnelError, match=f"stages.{name}: '{name}' means something else"):
        load(tmp_path / "funnel.yaml")


@pytest.mark.parametrize(("good", "bad", "said"), ROLES)
def test_each_role_is_one_stage_s_and_stands_where_it_belongs(tmp_path, good, bad, said):
    text = (FUNNELS / "default.yaml").read_text()
    assert good in text
    (tmp_path / "funnel.yaml").write_text(text.replace(good, bad))
    with pytest.raises(FunnelError, match=said):
        load(tmp_path / "funnel.yaml")


def test_a_file_that_states_no_role_is_read_by_the_names_that_decided_until_then(tmp_path):
    text = (FUNNELS / "default.yaml").read_text()
    text, count = re.subn(r", role: \w+|    role: \w+\n|    handoff: .*\n", "", text)
    assert count == 10
    (tmp_path / "funnel.yaml").write_text(text)
    assert load(tmp_path / "funnel.yaml") == load(FUNNELS / "default.yaml")


def test_nor_need_its_teams_be_called_as_the_shipped_ones(tmp_path):
    text, _ = re.subn(
        r", role: \w+|    role: \w+\n|    handoff: .*\n", "", (FUNNELS / "default.yaml").read_text()
    )
    (tmp_path / "funnel.yaml").write_text(
        re.sub(r"\bsales\b(?! (accepted|qualified|ready))", "inside", text)
    )
    assert load(tmp_path / "funnel.yaml").stages["mql"].handoff.to == "inside"


def test_what_a_file_lacks_and_what_its_names_lack_is_told_in_one_go_for_every_file_of_a_folder(
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
    said = str(caught.value)
    for name, what in (
        ("a", "gate.half_live"),
        ("a", "'nobody' is no team"),
        ("b", "'home' is no calendar"),
        ("d", "two files have this version"),
    ):
        assert re.search(rf"{name}\.yaml:\d+: .*{what}", said), (name, what)
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
    ({"ladder": ("inquiry", "mql", "customer")}, "its stages differ from those of version 1"),
    ({"funnel": "other"}, "another funnel than default"),
]


@pytest.mark.parametrize(("changes", "said"), CLASHES)
def test_versions_that_can_not_follow_each_other_are_refused_with_a_hint(changes, said):
    first = load(FUNNELS / "default.yaml")
    later = first.model_copy(update={"version": "2", "effective_from": date(2026, 1, 1), **changes})
    assert any(said in clash.text for clash in incompatible([first, later]))


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


@pytest.mark.parametrize(
    ("good", "bad"), [("  churned: {owner", "  chur.ned: {owner"), ("first_touch:", "first.touch:")]
)
def test_names_of_stages_and_clocks_have_no_dot_since_a_dot_joins_them(tmp_path, good, bad):
    path = tmp_path / "funnel.yaml"
    path.write_text((FUNNELS / "default.yaml").read_text().replace(good, bad))
    with pytest.raises(FunnelError, match="is no name of a stage or clock: write one without dots"):
        load(path)
