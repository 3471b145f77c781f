"""A release that makes other facts of the same events says so, and carries no generation on."""

from schemas.facts import FOLD_VERSION
from tests.support.fold_digest import COMMAND, digests, known

FUNNELS = (
    "a shipped funnel has other rules, and so other facts: if nothing else changed, only run "
    f"`{COMMAND}`"
)
REMEDY = (
    "the fold makes other facts of the same events. If that is meant, raise FOLD_VERSION in "
    "schemas/facts.py (once since the last release is enough), so that installations compute "
    f"their history again, and run `{COMMAND}`. The kinds of fact that changed: "
)


def test_facts_that_change_raise_the_version_of_the_fold():
    kept, found = known().get(str(FOLD_VERSION), {}), digests()
    changed = sorted(kind for kind in {*kept, *found} if kept.get(kind) != found.get(kind))
    assert "funnels" not in changed, FUNNELS
    assert not changed, REMEDY + ", ".join(changed)


def test_the_histories_make_facts_of_every_kind_that_one_lead_can_have():
    kinds = {"journey", "transition", "clock", "handoff", "decision", "note", "deal", "state"}
    assert kinds <= {*digests()}


def test_the_present_version_is_the_newest():
    assert max(map(int, known())) == FOLD_VERSION
