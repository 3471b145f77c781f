"""Versions of the funnel travel as records: every worker folds every event under the same one."""

import re
from datetime import date
from types import SimpleNamespace

import orjson
import pytest

from schemas.facts import FOLD_VERSION
from schemas.reading import FUNNELS, load
from streams.agents.versions import Versions, record
from streams.engine.logic import MustAct, PayloadRejected

FIRST = load(FUNNELS / "default.yaml")
NOW = 1_767_600_000_000  # 5 January 2026


def later(version="2", day="2026-01-07", **changes):
    return FIRST.model_copy(
        update={"version": version, "effective_from": date.fromisoformat(day), **changes}
    )


def stated(funnel, generation=1):
    return SimpleNamespace(value=record(funnel, generation), partition=0, timestamp=NOW)


def begun(*folder):
    versions = Versions(folder or (FIRST,), 1)
    return versions, versions.init_shared(0).row


def test_a_later_version_holds_for_what_begins_after_it_starts():
    versions, row = begun()
    effects = versions.apply_shared(stated(later()), row)
    assert [version.funnel.version for version in versions.of(0).versions] == ["1", "2"]
    assert orjson.loads(effects.outs[0].value)["funnel_version"] == "2"
    assert versions.of(0).at(NOW).funnel.version == "1"
    assert versions.of(0).at(NOW + 3 * 86_400_000).funnel.version == "2"


def test_a_version_that_reaches_back_is_refused():
    versions, row = begun()
    with pytest.raises(PayloadRejected, match="may be folded already"):
        versions.apply_shared(stated(later(day="2026-01-05")), row)


def test_a_repeated_version_changes_nothing_and_another_generations_is_not_ours():
    versions, row = begun()
    row = versions.apply_shared(stated(later()), row).row
    assert versions.apply_shared(stated(later()), row).row is None
    assert versions.apply_shared(stated(later("3"), generation=2), row).row is None


def test_a_folder_whose_file_was_changed_after_it_came_into_the_log_stops_the_worker():
    _, row = begun()
    changed = FIRST.model_copy(update={"excluded": ("spam",)})
    with pytest.raises(MustAct, match="put the file back"):
        Versions((changed,), 1).restore_shared(0, row)


def test_a_folder_that_lacks_a_version_of_the_log_stops_the_worker():
    versions, row = begun()
    row = versions.apply_shared(stated(later()), row).row
    with pytest.raises(MustAct, match="put its file there"):
        Versions((FIRST,), 1).restore_shared(0, row)
    fresh = Versions((FIRST, later()), 1)
    fresh.restore_shared(0, row)
    assert len(fresh.of(0).versions) == 2


@pytest.mark.parametrize(
    ("fold", "move"),
    [(0, "`leadstream adopt HOME/generations/1`"), (FOLD_VERSION + 1, "the later release")],
)
def test_a_generation_that_another_fold_began_stops_the_worker_and_says_what_to_do(fold, move):
    _, row = begun()
    with pytest.raises(MustAct, match=re.escape(move)):
        Versions((FIRST,), 1).restore_shared(0, orjson.dumps({**orjson.loads(row), "fold": fold}))


def test_a_generation_from_before_folds_had_versions_is_one_of_an_earlier_release():
    before = orjson.dumps([FIRST.model_dump(mode="json")])
    with pytest.raises(MustAct, match="begun by fold version 0"):
        Versions((FIRST,), 1).restore_shared(0, before)


def test_a_file_that_is_not_in_the_log_yet_is_no_disagreement():
    _, row = begun()
    versions = Versions((FIRST, later()), 1)
    versions.restore_shared(0, row)
    assert len(versions.of(0).versions) == 1


def test_a_dropped_chunk_takes_back_what_it_had_brought():
    versions, row = begun()
    versions.apply_shared(stated(later()), row)
    versions.restore_shared(0, row)
    assert len(versions.of(0).versions) == 1
