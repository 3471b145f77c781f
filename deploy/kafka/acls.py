"""Least privilege as Kafka ACLs: `python deploy/kafka/acls.py` writes acls.sh and acls.md.

Both follow from schemas/topics.py (who writes, who reads) and from Settings (groups, changelogs);
a test holds them together. A topic whose writer or reader is no role here is refused, not skipped.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from schemas import topics
from streams.settings import WORKERS, Settings
from streams.sources.registry import SOURCES

FOLDER = Path(__file__).parent
# Names that the installation chooses stay the shell's variables.
NAMES = Settings.model_construct(partitions="$PARTITIONS", generation="$GENERATION")

ROLES = {
    "gateway": "takes bodies over HTTP",
    "retriever": "asks vendors for what notifications name",
    "ticker": "sends the time",
    "normalise": "reads vendors' bodies",
    "normalise-import": "reads imported files",
    "resolve": "works out whose event it is",
    "advance": "folds a lead's history (one user for all generations)",
    "deliver": "writes to ClickHouse",
    "notifier": "notifies people of stalled leads",
    "publisher": "a program outside that publishes events",
    "reader": "a program outside that follows lead.state and lead.alerts",
    "importer": "whoever runs `leadstream import`",
    "operator": "whoever runs the other commands of `leadstream`, and `topics apply`",
}
# The registry's words for who writes and who reads, where they are no role's name.
WRITERS = {
    "anyone": ("publisher",),
    "import": ("importer",),
    "records": ("operator",),
    "people": ("operator",),
    "every worker": WORKERS,
}
READERS = {"anyone": ("reader",), "people": ("operator",)}


class Rule(NamedTuple):
    """What a role may do with resources of a kind. `prefixed` names stand for all that begin so."""

    role: str
    kind: str  # topic or group
    names: tuple[str, ...]
    operations: tuple[str, ...]
    why: str
    prefixed: bool = False


def _who(text: str, words: dict[str, tuple[str, ...]], topic: str) -> list[str]:
    found: list[str] = []
    for word in text.split(", "):
        roles = words.get(word) or ((word,) if word in ROLES else ())
        if not roles:
            raise ValueError(
                f"{topic}: schemas/topics.py names {word!r}, and no role here is meant by it"
            )
        found += roles
    return found


def writes(role: str) -> tuple[str, ...]:
    """Return the topics that a role writes, in the registry's order."""
    found = {one.name for one in topics.TOPICS if role in _who(one.producers, WRITERS, one.name)}
    return tuple(one.name for one in topics.TOPICS if one.name in found)


def reads(role: str) -> tuple[str, ...]:
    """Return the topics that a role reads, in the registry's order."""
    found = {one.name for one in topics.TOPICS if role in _who(one.consumers, READERS, one.name)}
    found.update(topics.READS.get(role, ()))
    return tuple(one.name for one in topics.TOPICS if one.name in found)


def rules() -> list[Rule]:
    """Return every rule, by role."""
    out = []
    for role in ROLES:
        if role == "operator":
            out += _operator()
            continue
        if found := reads(role):
            out.append(Rule(role, "topic", found, ("Read", "Describe"), "reads"))
        if found := writes(role):
            out.append(Rule(role, "topic", found, ("Write", "Describe"), "writes"))
        if role in topics.STATEFUL:
            changelog = (NAMES.changelog(role),)
            out.append(
                Rule(
                    role,
                    "topic",
                    changelog,
                    ("Create", "Read", "Write", "Describe"),
                    "its own rows",
                )
            )
        if role in WORKERS:
            out.append(
                Rule(role, "group", (NAMES.app_id(role),), ("Read", "Describe"), "its own offsets")
            )
    retrieved = tuple(
        NAMES.app_id(f"retriever-{name}") for name, one in SOURCES.items() if one.retrieval
    )
    out.append(
        Rule(
            "retriever",
            "group",
            retrieved,
            ("Read", "Describe"),
            "its own offsets, a group for each vendor",
        )
    )
    out.append(
        Rule(
            "reader",
            "group",
            ("leadstream-reader-",),
            ("Read", "Describe"),
            "its own offsets",
            prefixed=True,
        )
    )
    read_by = (NAMES.app_id("normalise-import"), NAMES.app_id("deliver"))
    out.append(Rule("importer", "group", read_by, ("Describe",), "sees what has arrived"))
    return sorted(out, key=lambda rule: list(ROLES).index(rule.role))


def _operator() -> list[Rule]:
    every = ("Create", "Read", "Write", "Describe", "DescribeConfigs", "AlterConfigs")
    return [
        Rule(
            "operator",
            "topic",
            ("lead.",),
            every,
            "topics apply, records, merges, replays, holes",
            prefixed=True,
        ),
        Rule(
            "operator",
            "topic",
            ("leadstream-",),
            ("Read", "Write", "Delete", "Describe"),
            "holes, dropped generations",
            prefixed=True,
        ),
        Rule(
            "operator",
            "group",
            ("leadstream-",),
            ("Read", "Delete", "Describe"),
            "holes, dropped generations",
            prefixed=True,
        ),
    ]


def command(rule: Rule) -> str:
    """Return the options of one call of kafka-acls.sh."""
    parts = [
        f"{rule.role}",
        *(f"--operation {one}" for one in rule.operations),
        *(f'--{rule.kind} "{name}"' for name in rule.names),
    ]
    return " ".join([*parts, *(["--resource-pattern-type prefixed"] if rule.prefixed else [])])


def script() -> str:
    """Return acls.sh."""
    lines = [
        "#!/bin/sh",
        "# Made by acls.py: do not edit. Gives each role of leadstream the rights that",
        "# it needs, and no more.",
        "#   BOOTSTRAP=broker:9093 COMMAND_CONFIG=client.properties sh acls.sh",
        "# PARTITIONS and GENERATION are LEADSTREAM_PARTITIONS and LEADSTREAM_GENERATION: groups",
        "# and changelogs are named by them, so run this again with GENERATION=2 before a",
        "# generation 2 is adopted.",
        "# The users are named PREFIX + role; make each with kafka-configs.sh, or use the names in",
        "# your certificates.",
        "set -eu",
        "BOOTSTRAP=${BOOTSTRAP:?the address of a broker}",
        "PARTITIONS=${PARTITIONS:-4} GENERATION=${GENERATION:-1} PREFIX=${PREFIX:-leadstream-}",
        "",
        "allow() { # role, then options of kafka-acls.sh",
        '  user="User:$PREFIX$1"',
        "  shift",
        '  "${KAFKA_ACLS:-kafka-acls.sh}" --bootstrap-server "$BOOTSTRAP" \\',
        '    ${COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"} \\',
        '    --add --allow-principal "$user" "$@"',
        "}",
    ]
    role = ""
    for rule in rules():
        if rule.role != role:
            role = rule.role
            lines += ["", f"# {role}: {ROLES[role]}"]
        lines.append(f"allow {command(rule)}")
    return "\n".join(lines) + "\n"


def table() -> str:
    """Return acls.md."""
    lines = [
        "# Who may do what on Kafka",
        "Made by acls.py from schemas/topics.py and the settings' names; `acls.sh` is the same as",
        "commands. `$PARTITIONS` and `$GENERATION` are `LEADSTREAM_PARTITIONS` and",
        "`LEADSTREAM_GENERATION`. No role needs a right on the cluster. A name that ends in `*` is",
        "a prefix.",
        "",
        "Whoever may write a topic is believed there: over Kafka a publisher can state events of",
        "any source, while over HTTP a vendor's signature is checked. Give `publisher` to your own",
        "programs.",
        "",
        "| role | what it is | may | on | for |",
        "|---|---|---|---|---|",
    ]
    for rule in rules():
        names = ", ".join(f"`{name}{'*' if rule.prefixed else ''}`" for name in rule.names)
        lines.append(
            f"| {rule.role} | {ROLES[rule.role]} | {', '.join(rule.operations)} "
            f"| {rule.kind} {names} | {rule.why} |"
        )
    return "\n".join(lines) + "\n"


OUTPUTS = {"acls.sh": script, "acls.md": table}

if __name__ == "__main__":
    for name, make in OUTPUTS.items():
        (FOLDER / name).write_text(make())
        sys.stdout.write(f"wrote {FOLDER / name}\n")
