"""Any order, repetition and restart of alert revisions: nobody hears twice, nothing is lost."""

import os
from collections import Counter, defaultdict

import hypothesis
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.wire import notices
from streams.notify import deciding
from tests.support.noticing import DAY, HOUR, MINUTE, MONDAY, Desk, alert, cold, rules, view

EXAMPLES = int(os.environ.get("LEADSTREAM_EXAMPLES", "300"))
STATUSES = ("warned", "breached", "escalated", "met")
RULES = rules(
    warn={"to": ["owner"]},
    breach={"to": ["owner", "team"]},
    escalate={"to": ["owner", "manager", "crm"]},
    most=4,
)


@st.composite
def revisions(draw):
    """Draw what some clocks stated, revision by revision; each with an even share of hot ones."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        make = draw(st.sampled_from([alert, cold]))
        owner = draw(st.sampled_from(["11", "12"]))
        story = draw(st.lists(st.sampled_from(STATUSES), min_size=1, max_size=5))
        found.append(
            [
                make(status, id=f"{number:016x}", revision=at + 1, owner=owner)
                for at, status in enumerate(story)
            ]
        )
    return found


# What happens next: alerts are heard, time passes, channels answer, the process dies. Most of the
# time the next revision of a clock is heard, and all channels take what they are given.
_SMALL = st.integers(0, 10)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("next"), st.integers(0, 3)),
        st.tuples(st.just("next and all"), st.integers(0, 3)),
        st.tuples(st.just("hear"), st.integers(0, 30)),
        st.tuples(st.just("pass"), st.sampled_from([1, 5, 60, 600, 1_440])),  # minutes
        st.tuples(st.just("take all"), st.just(0)),
        st.tuples(st.just("take"), _SMALL),
        st.tuples(st.just("take late"), _SMALL),
        st.tuples(st.just("take and die"), _SMALL),
        st.tuples(st.just("take and half"), _SMALL),
        st.tuples(st.just("fail"), _SMALL),
        st.tuples(st.just("fail and half"), _SMALL),
        st.tuples(st.just("fail all"), st.just(0)),
        st.tuples(st.just("die"), st.sampled_from(["before", "between", "after"])),
    ),
    min_size=6,
    max_size=40,
)


def _of_team(*story):
    return [[alert(one, revision=at + 1, owner="12") for at, one in enumerate(story)]]


# What was found once: a channel took a notice and never its retraction, or had it taken back late.
# The team's first channel is at place 0, its second at 1, or at 0 once the first has answered.
_SENT = [("next", 0), ("pass", 60), ("take all", 0)]
_BACK = [*_SENT, ("next", 0), ("pass", 60)]
FOUND = {
    "it stands again when one channel took the retraction": (
        _of_team("breached", "met", "breached"),
        [*_BACK, ("take", 0), ("next", 0), ("take", 0)],
    ),
    "it stands for a while, in which one channel does not try the retraction": (
        _of_team("breached", "met", "breached", "met"),
        [*_BACK, ("next", 0), ("take", 1), ("next", 0), ("take", 0)],
    ),
    "a channel takes the notice while the other's retraction is under way": (
        _of_team("breached", "met"),
        [*_SENT[:2], ("take", 1), ("next", 0), ("pass", 60), ("take late", 0), ("pass", 60)],
    ),
    "it dies when a channel took the notice late": (
        _of_team("breached", "met"),
        [
            *_SENT[:2],
            *[("take", 1), ("next", 0), ("pass", 60), ("take", 1)],
            *[("die", "after"), ("take and half", 0)],
        ],
    ),
}


def found(test):
    for stories, does in FOUND.values():
        test = example(stories=stories, does=does)(test)
    return test


class World(Desk):
    """A desk whose writes are kept, which dies with what was not written yet."""

    def __init__(self):
        super().__init__()
        self.now = MONDAY
        self.heard_of = defaultdict(Counter)  # messages, by recipient, channel, kind and notice
        self.unsure = set()  # messages that may have been taken before a death
        self.failed = set()  # what was given up after a try: channel, kind and notice

    def compose(self, now, *, dies="", **more):
        """Compose as the service does: messages are written, then stalls. Die in between."""
        before = dict(self.stalls), dict(self.messages)
        made = super().compose(now, **more)
        if dies == "before":
            self.stalls, self.messages = before
        elif dies == "between":
            self.stalls = before[0]
        return made

    def restart(self):
        """Read what was written."""
        self.messages = {
            name: notices.load(notices.dump(one)) for name, one in self.messages.items()
        }
        self.stalls = {name: notices.load(notices.dump(one)) for name, one in self.stalls.items()}
        self.stalls |= deciding.recovered(self.messages.values(), self.stalls)
        self.unsure = {one.id for one, _ in self.under_way()}

    def under_way(self):
        return [
            (one, channel)
            for one in self.messages.values()
            for channel in one.channels
            if channel not in (*one.taken, *one.failed)
        ]

    def half(self):
        """Die when what a channel answered stands in the message, and not yet in the stalls."""
        self.stalls = self.before or self.stalls
        self.restart()

    def answer(self, place, *, good, late=False, dies=False):
        """Let a channel answer; one that does not stand any more is stale: not tried."""
        waiting = self.under_way()
        if not waiting:
            return
        message, channel = waiting[place % len(waiting)]
        unsure = message.id in self.unsure
        stale = not late and not deciding.stands(message, self.stalls, 1)
        if not unsure and (stale or not good):
            if not stale:
                self.failed |= {(channel, message.kind, item.notice) for item in message.items}
            self.give_up(message, channel, self.now, stale=stale, rules=RULES)
            return
        for item in message.items:
            self.heard_of[message.to, channel, message.kind, item.notice][message.id] += 1
        if dies:
            self.restart()
            return
        self.take(message, channel, self.now, rules=RULES)

    def answer_all(self):
        while self.under_way():
            self.answer(0, good=True)


def finish(world, stories):
    """Hear the end of each story, then let everything go that may."""
    for story in stories:
        world.hear(story[-1], now=world.now, rules=RULES)
    for _ in range(40):
        world.now += 7 * HOUR
        world.compose(world.now, rules=RULES)
        world.answer_all()


@hypothesis.settings(max_examples=EXAMPLES, deadline=None)
@given(stories=revisions(), does=steps)
@found
def test_each_hears_of_each_level_once_what_was_taken_back_was_sent_and_nothing_is_lost(
    stories, does
):
    world, heard = World(), Counter()
    revised = [one for story in stories for one in story]
    for what, value in does:
        match what:
            case "next" | "next and all":
                story = stories[value % len(stories)]
                alert = story[min(heard[story[0].id], len(story) - 1)]
                heard[story[0].id] += 1
                world.hear(alert, now=world.now, rules=RULES)
                if what == "next and all":
                    world.now += HOUR
                    world.compose(world.now, rules=RULES)
                    world.answer_all()
            case "hear":
                world.hear(revised[value % len(revised)], now=world.now, rules=RULES)
            case "pass":
                world.now += value * MINUTE
                world.compose(world.now, rules=RULES)
            case "take all":
                world.answer_all()
            case "fail all":
                for _ in world.under_way():
                    world.answer(0, good=False)
            case "take" | "take late" | "take and die" | "fail":
                late, dies = what == "take late", what == "take and die"
                world.answer(value, good=what != "fail", late=late, dies=dies)
            case "take and half" | "fail and half":
                if world.under_way():
                    world.answer(value, good=what == "take and half")
                    world.half()
            case "die":
                world.compose(world.now, dies=value, rules=RULES)
                world.restart()
    finish(world, stories)
    ids = world.heard_of
    assert {len(messages) for messages in ids.values()} <= {1}
    for to, channel, kind, notice in ids:
        if kind == "retraction":
            assert (to, channel, "notice", notice) in ids
    seen = view(world.now, rules=RULES)
    for story in stories:
        stall = world.stalls[story[0].id]
        for to, level in deciding.wanted(story[-1], seen).items():
            standing = [one.level for one in stall.notices if one.to == to and one.state == "sent"]
            assert {level, "escalate"} & {*standing}
        sent = [(one.to, one.level) for one in stall.notices if one.state == "sent"]
        assert len(sent) == len({*sent})
        for one in stall.notices:
            assert one.state in ("sent", "retracted")
            if one.state == "sent":
                assert one.level in deciding._reached(story[-1])
            if one.state == "retracted":
                name = one.id
                took, back = (
                    {channel for to, channel, kind, known in ids if (kind, known) == (what, name)}
                    for what in ("notice", "retraction")
                )
                assert back <= took
                # what one channel took back, and another was tried with in vain, is given up
                assert back
                assert all((one, "retraction", name) in world.failed for one in took - back)


@hypothesis.settings(max_examples=EXAMPLES, deadline=None)
@given(stories=revisions(), data=st.data())
def test_the_order_and_the_repetition_of_alerts_leave_no_trace(stories, data):
    one, other = Desk(), Desk()
    for story in stories:
        one.hear(*story, now=MONDAY, rules=RULES)
    shuffled = data.draw(st.permutations([each for story in stories for each in story]))
    repeated = data.draw(st.lists(st.sampled_from(shuffled), max_size=10))
    other.hear(*shuffled, *repeated, now=MONDAY, rules=RULES)
    later = MONDAY + 2 * DAY
    first, second = one.compose(later, rules=RULES), other.compose(later, rules=RULES)
    assert sorted(first, key=str) == sorted(second, key=str)
