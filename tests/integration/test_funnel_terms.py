"""The funnel's terms in ClickHouse: those of the definition in force, worked out in Python."""

import re

import pytest

from schemas.reading import FUNNELS, load
from sinks.clickhouse import kpis, migrate, rows, terms
from sinks.clickhouse.batch import Batch
from sinks.clickhouse.writer import Writer
from tests.support.variants import variant

LATER = 4_000_000_000_000  # nobody who runs this is there yet


def stated(engine, *versions):
    """Write definitions, (version, effective_from, funnel), as the sink does."""
    batch = Batch()
    for version, since, funnel in versions:
        row = {"generation": 1, "funnel_version": version, "effective_from": since, "digest": "d"}
        batch.definition(row | {"content": funnel.model_dump_json()})
    writer = Writer(engine)
    for table, made in batch.rows.items():
        writer.write_table(table, made)


def shown(client):
    result = client.query("SELECT * FROM v_funnel_terms")
    assert len(result.result_rows) == 1
    return dict(zip(result.column_names, result.result_rows[0], strict=True))


@pytest.mark.parametrize("name", ["default", "olist", "examples/japanese", "examples/product-led"])
def test_the_view_has_the_terms_of_the_funnel(emptied, engine, name):
    funnel = load(FUNNELS / f"{name}.yaml")
    stated(engine, (funnel.version, 0, funnel))
    assert shown(emptied) == terms.of(funnel)


def test_every_parameter_of_a_figure_has_a_term():
    texts = [kpi.members + kpi.written for kpi in kpis.catalogue()] + [kpis._PRELUDE]
    asked = {name for text in texts for name in re.findall(r"\{(\w+):", text)}
    limits = {f"since_{role}" for role in terms.LIMITED}
    assert asked - limits - {"start", "end", "asof"} <= set(terms.TYPES)


def test_without_a_definition_there_is_one_row_of_empty_terms(emptied):
    found = shown(emptied)
    assert set(found) == set(terms.TYPES)
    zones = {found.pop(name) for name in list(found) if name.endswith("zone")}
    assert zones == {"UTC"}
    assert not any(found.values())


def test_the_newest_version_that_has_begun_is_in_force(emptied, engine):
    funnel = load(FUNNELS / "default.yaml")
    second, third = variant(strategy="second"), variant(strategy="third")
    stated(engine, ("1", 0, funnel), ("2", 1000, second), ("3", LATER, third))
    assert shown(emptied)["strategy"] == "second"


def test_before_the_first_version_has_begun_it_holds(emptied, engine):
    stated(engine, ("1", LATER, variant(strategy="first")), ("2", LATER + 9, variant()))
    assert shown(emptied)["strategy"] == "first"


def test_an_upgrade_works_out_what_an_older_release_left_out(emptied, engine):
    funnel = load(FUNNELS / "default.yaml")
    names, types = rows.columns_of("definitions")
    older = [[1, "1", 0, "d", funnel.model_dump_json(), '{"zone": "of another release"}']]
    emptied.insert("definitions", older, column_names=names, column_type_names=types)
    migrate.apply(emptied, "lead", "default")
    assert shown(emptied) == terms.of(funnel)
    assert terms.fill(emptied) == 0


def test_a_definition_that_this_release_cannot_read_has_no_terms():
    assert terms.written('{"funnel": "of a later release", "ladder": 7}') == ""
    assert terms.written("no JSON") == ""


def test_limits_that_sql_cannot_count_back_are_left_out():
    def limit(within):
        funnel = load(FUNNELS / "default.yaml")
        stage = funnel.aside["nurturing"]
        clocks = {
            name: clock.model_dump(mode="json") | {"within": within}
            for name, clock in stage.clocks.items()
        }
        changed = stage.model_dump(mode="json") | {"clocks": clocks}
        whole = funnel.model_dump(mode="json")
        whole["aside"]["nurturing"] = changed
        found = terms.of(type(funnel).model_validate(whole))
        return found["nurture_ms"], found["nurture_days"]

    assert limit("36 hours") == (129_600_000, 0)
    assert limit("2 weeks") == (0, 14)
    assert limit("1 month") == limit("3 business days") == (0, 0)
