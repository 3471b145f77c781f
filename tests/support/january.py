"""A month of contacts of which a CRM and we count different things, each for a known reason."""

import csv
import itertools
import random
from datetime import datetime
from zoneinfo import ZoneInfo

from schemas.events import EventType, LeadEvent

PARIS = ZoneInfo("Europe/Paris")
E = EventType
HEAD = ["Record ID", "Email", "Lifecycle Stage", "Became a Marketing Qualified Lead Date"]
MQL = "marketingqualifiedlead"


def ms(text, zone=PARIS):
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


class Firm:
    """Contacts of HubSpot's: what we heard of each, and what the export says of it."""

    def __init__(self, seed):
        self.events, self.report, self.truth = [], [], {}
        self.number, self.ids, self.rng = (
            itertools.count(1001),
            itertools.count(1),
            random.Random(seed),
        )

    def heard(self, alias, type_, when, *also, **fields):
        at = when if isinstance(when, int) else ms(when)
        name, known = f"e{next(self.ids)}", (alias, *also)
        self.events.append(
            LeadEvent(
                id=name,
                type=type_,
                occurred_at=at,
                aliases=known,
                **{"source": "hubspot", **fields},
            )
        )

    def contact(
        self,
        reason=None,
        *,
        qualified=None,
        dated="2026-01-10T09:00:00+01:00",
        word="Marketing Qualified Lead",
        listed=True,
        **fields,
    ):
        """Add a contact that HubSpot counts; we do too where `qualified` (ms or text) says when."""
        number = next(self.number)
        alias = f"hubspot:62515:contact:{number}"
        if qualified is not None:
            self.heard(
                alias,
                E.STAGE_REPORTED,
                qualified,
                stage=MQL,
                record_url=f"https://crm.example/{number}",
                **fields,
            )
        if listed:
            self.report.append([str(number), f"p{number}@x.example", word, dated])
        if reason:
            self.truth[str(number)] = reason
        return alias

    def day(self):
        return f"2026-01-{self.rng.randint(3, 29):02}T{self.rng.randint(9, 17):02}:00"

    def write(self, path):
        self.rng.shuffle(self.report)
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            csv.writer(file, delimiter=";").writerows([HEAD, *self.report])


def january(seed, few):
    """Make a January that HubSpot and we count differently; `few` has the number by reason."""
    firm = Firm(seed)
    for _ in range(few["same"]):
        firm.contact(qualified=firm.day())
    for _ in range(few["never received"]):
        firm.contact("never received")
    for _ in range(few["unmapped value"]):
        alias = firm.contact("unmapped value", word="Sales ready")
        firm.heard(alias, E.STAGE_REPORTED, firm.day(), stage="salesready")
    for _ in range(few["merged"]):
        kept = firm.contact(qualified="2026-01-10T09:00", dated="2026-01-10T09:00:00+01:00")
        gone = firm.contact(
            "merged", qualified="2026-01-12T09:00", dated="2026-01-12T09:00:00+01:00"
        )
        firm.heard(kept, E.MERGE, "2026-01-14T09:00", gone)
    for number in range(few["excluded"]):
        if number % 3 == 0:
            firm.contact("excluded", qualified=firm.day(), test=True)
        elif number % 3 == 1:
            alias = firm.contact("excluded", qualified="2026-01-10T09:00")
            firm.heard(alias, E.REJECTED, "2026-01-12T09:00", reason="spam")
        else:
            alias = firm.contact("excluded", qualified="2026-01-10T09:00")
            firm.heard(alias, E.ERASE, "2026-01-12T09:00")
    for _ in range(few["opening balance"]):
        alias = firm.contact("opening balance")
        firm.heard(alias, E.SNAPSHOT, "2026-01-20T09:00", stage=MQL)
    for number in range(few["other journey"]):
        # HubSpot keeps only the newest date: January's entry is gone there, both have February's.
        if number % 2:
            alias = firm.contact(
                "other journey", qualified="2026-01-05T09:00", dated="2026-02-20T09:00:00+01:00"
            )
            firm.heard(alias, E.REJECTED, "2026-01-07T09:00", reason="not-ready")
            firm.heard(alias, E.STAGE_REPORTED, "2026-02-20T09:00", stage=MQL)
        else:  # qualified again in January, of which we did not hear
            alias = firm.contact("other journey", qualified="2025-10-10T09:00")
            firm.heard(alias, E.REJECTED, "2025-10-12T09:00", reason="not-ready")
    for number in range(few["other day"]):
        # The evening before in New York.
        moment = "2026-02-01T03:30" if number % 2 else "2026-01-01T03:30"
        firm.contact(
            "other day",
            qualified=ms(moment),
            dated=datetime.fromisoformat(moment).replace(tzinfo=PARIS).isoformat(),
        )
    for _ in range(few["not reached"]):
        alias = firm.contact("not reached")
        firm.heard(alias, E.CREATED, firm.day(), kind="crm")
    for _ in range(few["not counted there"]):
        firm.contact("not counted there", qualified=firm.day(), dated="", word="Lead")
    for number in range(few["only here"]):
        if number % 2:
            firm.contact(qualified=firm.day(), listed=False)
        else:
            firm.heard(
                f"email:web{number}@x.example",
                E.CREATED,
                firm.day(),
                kind="demo_form",
                source="segment",
            )
    return firm


FEW = {
    "same": 40,
    "never received": 5,
    "unmapped value": 3,
    "merged": 4,
    "excluded": 6,
    "opening balance": 2,
    "other journey": 4,
    "other day": 6,
    "not reached": 3,
    "not counted there": 2,
    "only here": 5,
}
