"""Remove one rule at a time: the properties and the tables must notice.

Run by `make mutants`, which is no part of `make test`. First the tests run with every rule in
place: a copy in which they fail would make every mutant look noticed. Each row names a rule of
docs/design (a number is one of the history), the file that holds it, and the text that removes it.
A rule whose removal nobody notices is a rule that no test holds; then this exits with 1.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
LIMIT_SECONDS = 1800
TESTS = (
    "tests/unit/test_lifecycle.py",
    "tests/unit/test_rules.py",
    "tests/unit/test_roles.py",
    "tests/unit/test_packs.py",
    "tests/unit/test_head.py",
    "tests/unit/test_versions.py",
    "tests/unit/test_members.py",
    "tests/unit/test_facts.py",
    "tests/unit/test_identity.py",
    "tests/property/test_any_order.py",
    "tests/property/test_any_funnel.py",
    "tests/property/test_identity_machine.py",
    "tests/property/test_identity.py",
)


class Mutant(NamedTuple):
    rule: str
    file: str
    old: str
    new: str


D = "streams/domain/"
CONTROL = Mutant(
    "nothing is removed",
    D + "fold.py",
    "class Fold(Learning):",
    "class Fold(Learning):  # unchanged",
)
MUTANTS = (
    # history: the set
    Mutant("1 equal timestamps go by rank", "schemas/events.py",
        "EventType.TOUCH: 3",
        "EventType.TOUCH: 7"),
    Mutant("2 one content per id, the smallest", D + "history.py",
        "if event.id not in seen:",
        "if True:"),
    Mutant("2 a voided void has no effect", D + "history.py",
        "for event in reversed(events):",
        "for event in events:"),
    Mutant("4 a redelivery changes nothing", D + "row.py",
        "if last == event:\n            return Step(given, repeated=True, flooded=1)",
        ("if last == event:\n"
         "            return _state_anew("
         "replace(row, revision=row.revision + 1), definitions, ())")),
    Mutant("23 the flood cap counts over everything that came", D + "row.py",
        "if len(minute) >= FLOOD_CAP:",
        "if len(minute) >= 10 * FLOOD_CAP:"),
    Mutant("23 of a flood the smallest count", D + "row.py",
        "last = max(*minute, event)",
        "last = event"),
    # history: time
    Mutant("6 a timer fires AT its due time", D + "moving.py",
        'self.enter(spec.to, due, "timer", signals=None)',
        'self.enter(spec.to, limit, "timer", signals=None)'),
    Mutant("6 timers chain", D + "moving.py",
        "while state.timer < limit:",
        "if state.timer < limit:"),
    Mutant("6 a timer fires before any later event", D + "fold.py",
        "        self.fire(event.at)\n        if event.type == EventType.ERASE:",
        "        if event.type == EventType.ERASE:"),
    Mutant("7 the horizon is the last event too", D + "fold.py",
        "        state.horizon = max(state.horizon, event.at)\n        learned",
        "        learned"),
    Mutant("8 a late proof turns a breach into met", D + "clocks.py",
        "return ClockState(MET if at <= self.due else reached, at)",
        "return ClockState(reached, at)"),
    Mutant("9 what a row was told is state", D + "row.py",
        "replace(row, watermark=max(row.watermark, now))",
        "replace(row, watermark=0)"),
    Mutant("11 a restarted clock makes a fact only when it lapses", D + "timing.py",
        "if clock.restarts and at <= clock.due:\n                continue",
        "if False:\n                continue"),
    # history: facts
    Mutant("12 a fact dated elsewhere is taken back under its old time", D + "row.py",
        "if name not in marks or marks[name][3] != at:",
        "if name not in marks:"),
    Mutant("13 revisions are never reset", D + "row.py",
        "    revision, emitted = before, dict(stated)",
        "    revision, emitted = len(stated), dict(stated)"),
    Mutant("15 an acceptance in time takes an automatic recycling back", D + "lifecycle.py",
        "return by_timer and taken and in_time(case)",
        "return False"),
    Mutant("15 a reopening within 90 days voids the loss", D + "lifecycle.py",
        "loss_reopened_in_time,  Outcome.REOPEN",
        "loss_reopened_in_time,  Outcome.NEW_JOURNEY"),
    Mutant("15 recycled resets the score", D + "moving.py",
        "if shape.holds(Where.DETOUR, to):",
        "if False:"),
    Mutant("16 an implied entry yields to a reported one", D + "lifecycle.py",
        "return case.intent.to in case.place.implied",
        "return False"),
    # history: merge
    Mutant("17 an unmerge bars links", D + "members.py",
        "if not bars and not self.share_a_kind(link):",
        "if not self.share_a_kind(link):"),
    Mutant("17 two values of a unique kind are a conflict", D + "members.py",
        "if not bars and not self.share_a_kind(link):",
        "if not bars:"),
    Mutant("17 a later word settles a conflict", D + "members.py",
        "if all(bar.key < link.key for bar in bars) else Verdict.SETTLED",
        ""),
    Mutant("17 a word may join three", D + "identity.py",
        'name = f"{link.id}|{a.id}:{b.id}" if',
        "name = link.id if"),
    Mutant("a deal of two contacts is the first one's", D + "members.py",
        "if link.of_deal and self.has_contact(link):",
        "if False:"),
    Mutant("a deal carries no refusal", D + "opt_outs.py",
        "people = group - {end.id for edge in edges for end in (edge.a, edge.b) if end.deal}",
        "people = group"),
    Mutant("a deal is no bridge", D + "members.py",
        "sorted(ordered, key=lambda edge: (edge.of_deal, *edge.claim))",
        "ordered"),
    Mutant("a link is as old as the first event that named both", D + "identity.py",
        "known and (known <= link.place or",
        "known and (True or"),
    Mutant("a contact that was taken off a deal may come back", D + "members.py",
        "(off and link.key < off.key)",
        "off"),
    Mutant("a merge carries a refusal from before it", D + "opt_outs.py",
        "if edge.type == LINK or edge.at <= at",
        "if True"),
    Mutant("17 words from the latest", D + "members.py",
        "for edge in reversed(ordered):",
        "for edge in ordered:"),
    Mutant("18 edges go to every row that any edge connects", D + "row.py",
        "for other in sorted(members.neighbours(after.lead, after.edges)):",
        "for other in sorted(edge.ends - {after.lead}):"),
    Mutant("18 the survivor is chosen by what no late event changes", D + "members.py",
        "return min(group, key=lambda origin: order[origin])",
        "return max(group, key=lambda origin: (len(list(edges)) % 2, order[origin]))"),
    Mutant("19 the row that houses an origin forwards copies", D + "row.py",
        "*_flood(row, after, edge), *_forward(after, moved)",
        "*_flood(row, after, edge),"),
    Mutant("19 a new neighbour is sent every edge", D + "row.py",
        "news = [edge] if other in aware else sorted(after.edges)",
        "news = [edge]"),
    Mutant("19 erasure drops an origin's content whenever it comes", D + "row.py",
        "if event.origin in row.erased and event.type != EventType.ERASE:",
        "if False:"),
    Mutant("19 an unmerge leaves an opt-out on both", D + "opt_outs.py",
        "if edge.type == UNMERGE and at <= edge.at and",
        "if False and"),
    # history: definitions, bounds
    Mutant("21 an episode keeps the version it began under", D + "timing.py",
        "        return self.state.under.funnel\n",
        "        return self.current.funnel\n"),
    Mutant("21 a version that reaches back is refused", "streams/agents/versions.py",
        "if start < record.timestamp + BEYOND_MS:",
        "if False:"),
    Mutant("22 what lies among packed touches unpacks them", D + "packs.py",
        "self.first // _MINUTE <= event.at // _MINUTE <= self.last // _MINUTE\n            or",
        "False\n            or"),
    Mutant("22 a pack in which something can happen is folded touch by touch", D + "fold.py",
        "if not is_quiet(self, pack, touches):",
        "if not self.state.journeys:"),
    # moves: the lifecycle
    Mutant("skipped stages are implied and marked", D + "moving.py",
        "implied=True,\n                        dimensions=known",
        "dimensions=known"),
    Mutant("a rejection's reason decides where the lead goes", D + "intents.py",
        'role = roles.get(reason, "disqualified")',
        'role = "disqualified"'),
    Mutant("a lower stage is an echo", D + "lifecycle.py",
        "return case.step > case.place.reached",
        "return True"),
    Mutant("with another deal open a loss is a touch", D + "lifecycle.py",
        "return case.place.other_deals_open",
        "return False"),
    Mutant("an influenced deal moves its primary contact only", D + "fold.py",
        'if deal and deal.get("role", "primary") != "primary":',
        "if False:"),
    Mutant("who decides: the gate", D + "fold.py",
        'allowed = self.funnel.ladder[stage].decided_by != "gate" or verdict.passed',
        "allowed = True"),
    Mutant("16 what the timer of an implied entry did yields with it", D + "fold.py",
        "if self.timed_out_of(intent.to):",
        "if False:"),
    Mutant("stages of one instant go by their place", D + "history.py",
        "return sorted(events, key=place)",
        "return events"),
    Mutant("which system has authority over a stage", D + "fold.py",
        'return "" if body["source"] in stage.authority else intent.to',
        'return ""'),
    Mutant("an opening balance implies nothing", D + "moving.py",
        "if place >= 0 and not opening:",
        "if place >= 0:"),
    Mutant("origin is per lead and never changes", D + "learning.py",
        "state.origin = state.origin or self.current.origin(body)",
        "state.origin = self.current.origin(body) or state.origin"),
    Mutant("a write by a team that does not own the stage is flagged", D + "fold.py",
        'self.note(event, "not the owner"',
        'False and self.note(event, "not the owner"'),
    Mutant("an opt-out cancels nurture clocks", D + "timing.py",
        "if opted_out:\n            self.close_clocks(at, None)",
        "if opted_out:\n            pass"),
    Mutant("a gate has suppression", D + "gates.py",
        "*((rule, not _holds(rule, values)) for rule in gate.none)",
        "*((rule, True) for rule in gate.none)"),
    Mutant("points halve with age", D + "gates.py", " / (1 << halvings)", ""),
    Mutant("a day's points have a cap", D + "gates.py",
        "points = min(points, worth.daily - self._today.get((kind, day), 0))",
        "pass"),
    Mutant("warn at 75 percent", D + "definition.py",
        "calendar.add(start, within, hours, (3, 4))",
        "calendar.add(start, within, hours, (1, 2))"),
    Mutant("escalate at 150 percent", D + "definition.py",
        "calendar.add(start, within, hours, (3, 2))",
        "calendar.add(start, within, hours, (2, 1))"),
    Mutant("a clock that no source can stop is not started", D + "timing.py",
        "if not under.measured(clock):",
        "if False:"),
    # stages by role
    Mutant("an answer that nobody signs is of the first hand-off", D + "intents.py",
        ("return about == judge.shape.handoffs[0] "
         "or judge.funnel.receives(about.stage, intent.team)"),
        "return True"),
    Mutant("an answer that names a hand-off is of that one", D + "intents.py",
        "return intent.handoff == about.stage",
        "return True"),
    Mutant("a rejection of another hand-off is an echo", D + "lifecycle.py",
        "return case.place.waits and case.intent.answers and not case.intent.counts",
        "return False"),
    Mutant("a hand-off may be acknowledged without a move", D + "lifecycle.py",
        "return waits and case.intent.answers and case.intent.counts",
        "return False"),
    Mutant("with none waiting an acceptance is of the next hand-off", D + "intents.py",
        "if shape.index(one.stage) > reached",
        "if True"),
    Mutant("nobody wins by an acceptance", D + "intents.py",
        "(goal.accepted == shape.won and goal is not about)",
        "False"),
    Mutant("a report accepts the hand-off that it lies beyond", D + "intents.py",
        "if stage and shape.index(intent.to) > shape.index(stage):",
        "if stage:"),
    Mutant("leaving a hand-off upward accepts it, to aside rejects it", D + "moving.py",
        '"accepted" if upward else "rejected"',
        '"accepted"'),
    Mutant("a timer to aside times a hand-off out", D + "moving.py",
        "if self.shape.index(spec.to) < 0:",
        "if False:"),
    Mutant("a loss that is taken back takes its rejection back", D + "moving.py",
        "newest.outcome, newest.decided_at, newest.reason = before.answer",
        "pass"),
    Mutant("what a timer passed by is taken back with it", D + "moving.py",
        "del journey.moves[before.entry + 1 :]",
        "journey.moves.pop()"),
    Mutant("an opening balance begins no row of the ledger", D + "moving.py",
        "if not implied and not opening:",
        "if not implied:"),
    Mutant("no gate is asked over a hand-off that waits", D + "moving.py",
        "if not state.journeys or state.waits:",
        "if not state.journeys:"),
    Mutant("gates are asked from what was reached", D + "moving.py",
        "reached = -1 if again else state.journeys[-1].reached",
        "reached = -1"),
    Mutant("a shut gate keeps the next from being asked", D + "moving.py",
        'return next((stage for stage in shape.gated if shape.index(stage) > reached), "")',
        ("return next((stage for stage in reversed(shape.gated) "
         'if shape.index(stage) > reached), "")')),
    Mutant("a hot lead's timer has a time of its own", D + "timing.py",
        "hot or spec.timer.after",
        "spec.timer.after"),
    Mutant("every hand-off that nobody touched is assigned", D + "learning.py",
        "if handoff.touched_at is None or handoff is handoffs[-1]:",
        "if handoff is handoffs[-1]:"),
    Mutant("a loss goes to what stands in for a lost stage", "schemas/shape.py",
        '_TAKES_A_LOSS: tuple[Role, ...] = ("lost", "recycled", "disqualified", "inactive")',
        '_TAKES_A_LOSS: tuple[Role, ...] = ("lost",)'),
    Mutant("a rejection goes to what stands in for its role", "schemas/shape.py",
        "(role, *_STANDS_IN)",
        "(role,)"),
    Mutant("a loss is reopened from whichever stage took it", D + "lifecycle.py",
        "return case.place.by_loss or case.place.stage == case.shape.lost",
        "return case.place.stage == case.shape.lost"),
    Mutant("without a deal stage a deal opens the last that is worked", "schemas/shape.py",
        "return self.deal or self.worked[-1]",
        "return self.deal or self.ladder[-1]"),
    Mutant("without a hand-off all between entry and win is worked", "schemas/shape.py",
        "return self.ladder[1:-1] or self.ladder[:1]",
        "return self.ladder[-2:-1]"),
    Mutant("without a deal a rejection counts up to the win", "schemas/shape.py",
        "self._below(self.deal or self.won)",
        "self._below(self.deal or self.entry)"),
    # identity
    Mutant("a CRM id always has a row of its own", D + "identity.py",
        'return "" if crm or link.word',
        'return "" if link.word'),
    Mutant("a weak-only event asks its other aliases", D + "identity.py",
        '            asks.append((other, {"record": "ask", "from": row.alias}))\n',
        ""),
    Mutant("an alias that was asked answers", D + "identity.py",
        "links = tuple(_answer(alias, lead) for alias in row.waiting())",
        "links = ()"),
    Mutant("a weak alias leads to the first that it learns", D + "identity.py",
        "_share(row, lead, _link_of(record).origin)",
        "_learn(row, _link_of(record).origin)"),
    Mutant("at most fifty events are held", D + "alias_row.py",
        "return len(row.held) < HELD_EVENTS and size <= HELD_BYTES",
        "return True"),
    Mutant("each is held for thirty days", D + "alias_row.py",
        "if now <= one[0] + HELD_MS)",
        "if now <= row.held[0][0] + HELD_MS)"),
    Mutant("an alias that is named joins twenty", D + "identity.py",
        "leads = with_one_more(row.leads, link.origin.id)",
        "leads = (*row.leads, link.origin.id)"),
    Mutant("an alias that names the event joins twenty", D + "identity.py",
        "joins = with_one_more(row.joins, origin_id(key, other))",
        "joins = (*row.joins, other)"),
    # the state at the end
    Mutant("end: what may take a win back folds again", D + "end.py",
        "(end.people is not None or deal_of(event) in end.won)",
        "(end.people is not None)"),
    Mutant("end: stages of one instant fold again", D + "end.py",
        "if event.at == end.last[0] and event.type == EventType.STAGE_REPORTED:",
        "if False:"),
    Mutant("end: an id that a void named folds again", D + "end.py",
        "if event.type in _AGAIN or event.id in end.voided:",
        "if event.type in _AGAIN:"),
    Mutant("end: a void folds again", D + "end.py",
        "_AGAIN = ENDS | {EventType.VOID, EventType.ERASE, EventType.UNMERGE}",
        "_AGAIN = ENDS | {EventType.ERASE, EventType.UNMERGE}"),
    Mutant("end: an identity whose events do not count folds again", D + "end.py",
        "if not (event.key > end.last and event.origin in end.origins):",
        "if not event.key > end.last:"),
    Mutant("end: a late event folds again", D + "end.py",
        "if not (event.key > end.last and event.origin in end.origins):",
        "if event.origin not in end.origins:"),
    Mutant("end: the flood cap counts in steps too", D + "end.py",
        "return same and end.minute.get(_bucket(event), 0) >= FLOOD_CAP",
        "return same and end.minute.get(_bucket(event), 0) > 10 * FLOOD_CAP"),
    Mutant("end: a deal of a journey that is over folds again", D + "fold.py",
        'if stated["id"] in self.state.sealed.deals:',
        "if False:"),
    Mutant("end: what every journey names folds again", D + "end.py",
        'before != (state.origin, state.lead.get("segment"))',
        "False"),
    Mutant("end: an end is of its definitions", D + "head.py",
        "if body.mark != definitions.mark or body.end == NO_END:",
        "if body.end == NO_END:"),
    Mutant("end: an id that came before folds again", D + "head.py",
        "or head.knows(event.id)",
        "or False"),
    Mutant("end: what is as it was stated was not stated under a timer", D + "statements.py",
        "if not state.journeys or state.timer < horizon:",
        "if not state.journeys:"),
    Mutant("end: points go on in a move that is taken back", D + "end.py",
        "return structs.replace(before, score=None)",
        "return before"),
    Mutant("a weak-only event is held until its lead is known", D + "identity.py",
        "touches.append(_touch(lead, record, held=True))",
        "pass"),
)  # fmt: skip


def killed(mutant, python, examples):
    """Run the tests on a copy of the tree without the rule.

    Return whether they noticed, and the line that says so.
    """
    with tempfile.TemporaryDirectory() as folder:
        for part in ("streams", "schemas", "sinks", "tests", "docs", "pyproject.toml"):
            source = ROOT / part
            (shutil.copytree if source.is_dir() else shutil.copy)(source, Path(folder) / part)
        path = Path(folder) / mutant.file
        text = path.read_text()
        assert text.count(mutant.old) == 1, (
            f"{mutant.rule}: its text stands {text.count(mutant.old)} times in {mutant.file}"
        )
        path.write_text(text.replace(mutant.old, mutant.new))
        done = subprocess.run(
            [
                python,
                "-m",
                "pytest",
                "-x",
                "-q",
                "-p",
                "no:cacheprovider",
                "--timeout",
                str(LIMIT_SECONDS),
                *TESTS,
            ],
            cwd=folder,
            env={
                **os.environ,
                "LEADSTREAM_EXAMPLES": str(examples),
                "LEADSTREAM_NO_SHRINK": "1",
                "COLUMNS": "400",
            },
            capture_output=True,
            text=True,
            timeout=2 * LIMIT_SECONDS,
        )
    failure = next(
        (line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))), ""
    )
    slow = "Timeout" in failure  # a busy machine notices nothing
    return done.returncode == 1 and failure.startswith(
        "FAILED"
    ) and not slow, failure or done.stdout[-300:]


def main():
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--only", default="", help="rules whose name contains this")
    asked.add_argument("--examples", type=int, default=1500)
    asked.add_argument("--jobs", type=int, default=2)
    options = asked.parse_args()
    if killed(CONTROL, sys.executable, 50)[0]:
        sys.exit("the tests fail with every rule in place: mend them first")
    chosen = [mutant for mutant in MUTANTS if options.only in mutant.rule]
    survived = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for mutant, (dead, failure) in zip(
            chosen,
            pool.map(lambda one: killed(one, sys.executable, options.examples), chosen),
            strict=True,
        ):
            survived += not dead
            verdict = "noticed " if dead else "SURVIVED"
            by = failure.removeprefix("FAILED tests/")[:160]
            sys.stdout.write(f"{verdict}  {mutant.rule}  ({by})\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(chosen) - survived} of {len(chosen)} rules are held\n")
    sys.exit(bool(survived))


if __name__ == "__main__":
    main()
