"""What our own code writes is of the models, with no key that they do not know."""

import msgspec
import orjson
import pytest
from hypothesis import given

from schemas import deadletters, sources, topics
from schemas.deadletters import Letter, LetterKind, Mark, Original
from schemas.events import EventType, LeadEvent, Marketing
from schemas.reading import FUNNELS, load
from schemas.records import Rate, Spend, SurveyAnswer, Target
from schemas.wire import facts, stated
from schemas.wire.models import letters, raw
from streams.agents import versions
from streams.domain import head, members, row
from streams.domain.definition import prepare
from streams.engine.changelog import Marker
from streams.engine.ticks import Tick
from tests.property.strategies import edge_sets, event_sets
from tests.support import examples
from tests.support.examples import ADVANCE, RESOLVE, models
from tests.support.pipeline import Pipeline

FUNNEL = load(FUNNELS / "default.yaml")
DEFINITIONS = prepare(FUNNEL)
T0, DAY = 1_767_600_000_000, 86_400_000
LEAD = "00000000-0000-8000-8000-000000000001"
COMMON = {"lead": LEAD, "generation": 1, "partition": 0, "offset": 0}
ADAPTERS = {topic: models(topic) for topic in (topics.FACTS, topics.TOUCHES, ADVANCE, RESOLVE)}


def fits(topic, value):
    examples.fits(ADAPTERS.get(topic) or models(topic), orjson.loads(value))


def kept(row, pages):
    """Check a lead's row and its pages."""
    adapter = ADAPTERS[ADVANCE]
    adapter.validate_python(msgspec.msgpack.decode(row[25:]))
    for name, page in pages.items():
        ids = 4 + 8 * int.from_bytes(page[:4], "big") if name.startswith(b"e") else 0
        adapter.validate_python(msgspec.msgpack.decode(page[ids:]))


class Watched(Pipeline):
    """Looks at all that the workers send and keep."""

    kinds: set

    def _send(self, outs):
        for out in outs:
            fits(out.topic, out.value)
            body = orjson.loads(out.value)
            self.kinds.add((out.topic, body["record"], body.get("kind", "")))
        super()._send(outs)

    def _take(self, done, rows, key):
        super()._take(done, rows, key)
        if done.row is not None:
            if rows is self.leads:
                kept(done.row, done.pages)
            else:
                fits(RESOLVE, done.row)


def happened(number, type_, day, aliases, /, **fields):
    return LeadEvent(
        id=f"e:{number}",
        type=type_,
        occurred_at=int(T0 + day * DAY),
        aliases=aliases,
        **{"source": "hubspot", **fields},
    )


def test_what_the_workers_of_a_firm_write_and_keep_is_of_the_models():
    ana, bob = (
        (f"email:{name}@example.com", f"hubspot:1:contact:{name}") for name in ("ana", "bob")
    )
    visitor, spring = "segment:anon:c1", Marketing(utm_source="google", utm_medium="cpc")
    firm = Watched.__new__(Watched)
    firm.kinds = set()
    firm.__init__(b"k" * 32, FUNNEL)
    web = {"source": "segment", "direction": "inbound"}
    firm.publish(
        happened(
            1, EventType.TOUCH, 0, (visitor, "fbclid:x"), kind="page_view", marketing=spring, **web
        ),
        happened(2, EventType.CREATED, 0.01, (visitor, *ana), kind="form", attributes={"a": '"'}),
        happened(3, EventType.TOUCH, 0.02, ana, kind="demo_form", **web),
        happened(4, EventType.STAGE_REPORTED, 0.03, ana, stage="marketingqualifiedlead", owner="1"),
        happened(5, EventType.TOUCH, 0.1, ana, kind="call", direction="human"),
        happened(6, EventType.ACCEPTED, 0.2, ana),
        happened(7, EventType.OPPORTUNITY_CREATED, 0.3, ana, deal={"id": "d", "amount": "1.50"}),
        happened(8, EventType.STAGE_REPORTED, 0.35, ana, stage="a stage that nobody mapped"),
        happened(9, EventType.CREATED, 1, bob, kind="form"),
        happened(10, EventType.STAGE_REPORTED, 1.1, bob, stage="marketingqualifiedlead"),
        happened(11, EventType.REJECTED, 1.2, bob, reason="not-ready"),
    )
    firm.until(int(T0 + 2 * DAY))
    firm.publish(
        happened(12, EventType.LINKED, 2.1, (ana[0], bob[1])),
        happened(13, EventType.MERGE, 2.2, (ana[1], bob[1])),
        happened(14, EventType.TOUCH, 3, ("segment:anon:c2",), kind="page_view", **web),
    )
    firm._send(firm.advance.on_watermark(0, 17, T0 + 3 * DAY))
    kinds = {kind for topic, name, kind in firm.kinds if (topic, name) == (topics.FACTS, "fact")}
    assert kinds == {
        "journey", "transition", "clock", "handoff", "decision", "disagreement",
        "note", "deal", "conflict",
    }  # fmt: skip
    assert {name for topic, name, _ in firm.kinds if topic == topics.FACTS} == {
        "fact", "state", "cut", "alias", "definition",
    }  # fmt: skip
    assert {name for topic, name, _ in firm.kinds if topic == topics.EVENTS} == {
        "event", "link", "ask",
    }  # fmt: skip
    assert (topics.ALERTS, "alert", "") in firm.kinds


@given(event_sets(origins=("a", "b")), edge_sets())
def test_facts_state_and_row_of_any_history_are_of_the_models(events, edges):
    own = frozenset((event.id, event.origin) for event in events if event.origin == "a")
    lead = row.Row("a", events=frozenset(events), direct=own, edges=frozenset(edges))
    step = head.tick(head.of_row(lead), max(event.at for event in events) + 400 * DAY, DEFINITIONS)
    for change in step.changes:
        fits(topics.FACTS, facts.dump("fact", {**COMMON, **change._asdict()}))
    if step.state:
        fits(topics.FACTS, facts.dump("state", {**COMMON, **step.state._asdict()}))
    body = head.dump(step.row, step.next_due)
    kept(body, step.row.fresh)
    again = head.load(body, step.row.fresh.get)
    assert (head.whole(again), head.due_of(body)) == (head.whole(step.row), step.next_due)


@pytest.mark.parametrize(
    "one",
    [
        Spend(platform="meta", account="1", day="2026-01-05", amount="1.50", currency="EUR"),
        Spend(
            platform="meta", account="1", day="2026-01-05", amount="1", currency="EUR",
            breakdown='{"ad_id":"5"}', stated_at=T0,
        ),
        Spend(
            platform="meta", account="1", day="2026-01-05", amount="1", currency="EUR",
            breakdown="ad 2",
        ),
        Target(
            metric="inflow", value="1.5", owner="a", start="2026-01-01", end="2026-01-31",
            strategy="s",
        ),
        Rate(currency="USD", reporting="EUR", day="2026-01-05", rate="0.9"),
        SurveyAnswer(
            survey="s", question="q", respondent="0" * 16, team="t", answered_at=T0, score=1.5
        ),
    ],
)  # fmt: skip
def test_what_people_state_is_of_its_model_and_reads_back_as_it_was(one):
    topic = stated.TOPICS[type(one)]
    fits(topic, stated.dump(one))
    assert stated.load(topic, stated.dump(one)) == one


def test_a_breakdown_is_an_object_on_the_wire_and_the_same_text_behind_it():
    text = '{"z":"1","a":{"deep":[1,2]}}'
    one = Spend(
        platform="meta", account="1", day="2026-01-05", amount="1", currency="EUR", breakdown=text
    )
    assert orjson.loads(stated.dump(one))["breakdown"] == {"z": "1", "a": {"deep": [1, 2]}}
    assert stated.load(topics.SPEND, stated.dump(one)).breakdown == text


def test_a_definition_a_tick_a_marker_and_a_hole_are_of_their_models():
    fits(topics.TOUCHES, versions.record(FUNNEL, 2))
    fits(topics.TOUCHES, Tick(T0, topics.EVENTS, 1, 4).dump())
    fits(ADVANCE, Marker(1, 0, {topics.EVENTS: [T0]}).dump()[8:])
    fields = {
        "generation": 1, "worker": "advance", "topic": "lead.touches", "partition": 0, "first": 1,
        "following": 2, "epoch": 0, "accepted_at": T0,
    }  # fmt: skip
    fits(topics.FACTS, facts.dump("hole", fields))


def test_letters_marks_and_the_states_of_sources_are_of_their_models():
    letter = Letter(
        id="t:0:1:0", topic="t", partition=0, offset=1, stamp=T0, worker="w",
        kind=LetterKind.REFUSED, reason="r",
    )  # fmt: skip
    ((head, body),) = deadletters.pieces(letter, Original(b"k", (("h", None),), None))
    letters.LetterHeaders.model_validate({deadletters.LETTER_HEADER: head}, extra="forbid")
    letters.Envelope.model_validate_json(body.partition(b"\n")[0], extra="forbid")
    mark = Mark(letter=letter, what="discarded", by="a", at=T0)
    letters.MarkHeaders.model_validate({deadletters.MARK_HEADER: mark}, extra="forbid")
    raw.RawHeaders.model_validate({sources.SOURCE_HEADER: "meta"}, extra="forbid")
    assert members.Edge._fields == ("at", "sequence", "id", "type", "a", "b")
