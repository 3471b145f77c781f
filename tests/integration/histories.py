"""A generated history of so many leads of about five events, as CSV files and their mapping.

A third has a CRM record beside its email, so that identities are joined; some touches are anonymous
to nobody. The same seed gives the same rows; `order` is their order in the files.
"""

import csv
import random
from datetime import UTC, datetime, timedelta

import yaml

START = datetime(2025, 1, 6, 8, tzinfo=UTC)
FORMAT = "%Y-%m-%dT%H:%M:%S%z"
KINDS = ["page_view", "page_view", "email_click", "form", "event_attended", "demo_form"]


def lead(number, rng):
    """Return the rows of one lead: (file, row)."""
    email, record = f"p{number}@x.example", str(number) if number % 3 == 0 else ""
    at = START + timedelta(minutes=rng.randint(0, 60 * 24 * 200))
    left = iter(range(1, 100))

    def row(file, **more):
        return file, {
            "id": f"{number}-{next(left)}",
            "email": email,
            "record": record,
            "at": at.strftime(FORMAT),
            **more,
        }

    yield row(
        "created",
        kind=rng.choice(["form", "form", "crm", "demo_form"]),
        utm=rng.choice(["google", "fb", "x", ""]),
    )
    for _ in range(rng.randint(1, 4)):
        at += timedelta(hours=rng.expovariate(1 / 60))
        yield row(
            "touches",
            kind=rng.choice(KINDS),
            direction=rng.choice(["inbound", "inbound", "inbound", "human", "automated"]),
        )
    fate = rng.random()
    at += timedelta(hours=rng.expovariate(1 / 40))
    if fate < 0.4:
        yield row("stages", stage="marketingqualifiedlead")
        at += timedelta(hours=rng.expovariate(1 / 60))
        if fate < 0.2:
            yield row("accepted")
            at += timedelta(days=rng.expovariate(1 / 20))
            if fate < 0.12:
                yield row("won", deal=f"d{number}", amount=str(rng.randint(5, 90) * 100))
        elif fate < 0.3:
            yield row("rejected", reason=rng.choice(["not-ready", "no-fit", "spam"]))


def write(folder, leads, seed=1, order="lead"):
    """Write files and mapping; return the mapping's path and the number of events.

    `order` is lead or random.
    """
    rng, files = random.Random(seed), {}
    for number in range(leads):
        for file, row in lead(number, rng):
            files.setdefault(file, []).append(row)
    if order == "random":
        for rows in files.values():
            rng.shuffle(rows)
    folder.mkdir(parents=True, exist_ok=True)
    for file, rows in files.items():
        with (folder / f"{file}.csv").open("w", newline="") as out:
            writer = csv.DictWriter(out, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    path = folder / "mapping.yaml"
    path.write_text(yaml.safe_dump(mapping(files)))
    return path, sum(map(len, files.values()))


def mapping(files, order="file"):
    """Return the mapping of generated files."""
    types = {
        "created": "lead.created",
        "touches": "touch",
        "stages": "lead.stage_reported",
        "accepted": "lead.accepted",
        "rejected": "lead.rejected",
        "won": "opportunity.won",
    }
    named = {"utm": "marketing.utm_source", "amount": "deal.amount", "deal": "deal.id"}
    own = {"id", "email", "record", "at"}
    return {
        "mapping": "generated",
        "funnel": "default",
        "source": "hubspot",
        "order": order,
        "files": [
            {
                "file": f"{file}.csv",
                "key": "id",
                "events": [
                    {
                        "type": types[file],
                        "id": "gen:{id}",
                        "alias": "email:{email}",
                        "also": ["hubspot:1:contact:{record}"],
                        "time": {"column": "at", "format": FORMAT, "zone": "UTC"},
                        "fields": {
                            named.get(name, name): {"column": name}
                            for name in rows[0]
                            if name not in own
                        },
                    }
                ],
            }
            for file, rows in files.items()
        ],
    }
