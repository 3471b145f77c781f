"""A job for the engine's fault runs that knows nothing of leads.

It keeps, per key, the set of numbers seen, and puts each number out once. Run as a process:
`python -m tests.integration.job BROKERS TASK`. LEADSTREAM_DIE names the step of a commit to die at,
and at which occurrence (`rows written=2`): counted, never drawn, so that a run that should die
does. LEADSTREAM_STOP names in the same way where it stops itself (SIGSTOP), as a coming zombie
does. LEADSTREAM_SINK names a file: the job is then a sink that writes the numbers there, at an
hour's beat, so that what it wrote before it ended, its end made it write.
"""

import logging
import os
import signal
import sys
from pathlib import Path

import faust
import orjson

from schemas import topics
from streams import connections
from streams.engine import commit, recovery
from streams.engine.commit import MAX_RECORD, Out
from streams.engine.letters import Post
from streams.engine.logic import Effects, Logic, PayloadRejected, no_pages
from streams.engine.sink import SinkWorker
from streams.engine.stateful import Stateful
from streams.engine.worker import Hooks
from streams.settings import Settings

IN, OUT, DEAD, FIRED = "job.in", "job.out", topics.DEADLETTERS, "job.fired"
UPSTREAM = "job.upstream"
DUE, TIMERS = 1_000, bool(os.environ.get("LEADSTREAM_TIMERS"))
PARTITIONS = 2


class Numbers(Logic):
    """State: the numbers of a key, sorted. A repeat changes nothing; `poison` is refused."""

    def record(self, record, row, now, pages=no_pages):
        value = orjson.loads(record.value)
        if value == "poison":
            raise PayloadRejected("poison")
        if value == "huge":
            return Effects((), b"x" * (MAX_RECORD + 1))
        if value == "time bomb":
            return Effects((), orjson.dumps({"numbers": None, "pad": "", "due": 1}), 1)
        known = (
            orjson.loads(row)
            if row
            else {
                "numbers": [],
                "pad": "x" * 20_000 if os.environ.get("LEADSTREAM_FAT") else "",
                "due": None,
            }
        )
        if value in known["numbers"]:
            return Effects()
        known["numbers"] = sorted([*known["numbers"], value])
        out = Out(
            OUT,
            record.key,
            orjson.dumps(
                {"key": record.key.decode(), "number": value, "count": len(known["numbers"])}
            ),
        )
        known["due"] = DUE if TIMERS else None
        return Effects((out,), orjson.dumps(known), known["due"])

    def due(self, key, row, now, record, pages=no_pages):
        known = orjson.loads(row)
        if known["numbers"] is None and os.environ.get("LEADSTREAM_MENDED"):
            known["numbers"] = [0]
        again = known["due"] - DUE if known["due"] > 1 else 0
        fired = [
            {"key": key.decode(), "fired": number, "again": again} for number in known["numbers"]
        ]
        known["due"] = DUE + 1 if os.environ.get("LEADSTREAM_AGAIN") and not again else None
        return Effects(
            tuple(Out(FIRED, key, orjson.dumps(one)) for one in fired),
            orjson.dumps(known),
            known["due"],
        )

    def next_due(self, row):
        return orjson.loads(row)["due"]


class Slow(SinkWorker):
    """Says when it was handed a chunk."""

    async def handle(self, tp, records, generation, event):
        values = [record.value.decode() for record in records]
        sys.stdout.write(f"HANDED {' '.join(values)}\n")
        sys.stdout.flush()
        return await super().handle(tp, records, generation, event)


def appended(path):
    def write(chunks):
        with path.open("ab") as file:
            file.writelines(record.value + b"\n" for _, records in chunks for record in records)
        return []

    return write


def at(wanted, do):
    """Return a hook that does something at a step, at its how-manieth time (`step=2`)."""
    step, _, times = wanted.partition("=")
    left = int(times or 1)

    def between(place):
        nonlocal left
        left -= place == step
        if place == step and not left:
            do()

    return between


def between_steps():
    die = at(os.environ.get("LEADSTREAM_DIE", ""), lambda: os._exit(9))
    stop = at(os.environ.get("LEADSTREAM_STOP", ""), lambda: os.kill(os.getpid(), signal.SIGSTOP))

    def between(place):
        die(place)
        stop(place)

    return between


def cut_in_half(original):
    """Die between the first and the second batch of a commit that takes several."""

    async def send(producer, topic, partition, records, together=0):
        if "changelog" in topic and sum(len(value or b"") for _, value, *_ in records) > 900_000:
            cut = min(len(records) // 2, len(records) - together)
            await original(producer, topic, partition, records[:cut])
            os._exit(9)
        return await original(producer, topic, partition, records, together)

    return send


def main():
    brokers, name = sys.argv[1:3]
    logging.basicConfig(level=logging.INFO)
    if os.environ.get("LEADSTREAM_CUT"):
        from streams.engine import changelog

        changelog.send_batches = cut_in_half(commit.send_batches)
    settings = Settings(brokers=brokers, partitions=PARTITIONS)
    app = recovery.build(
        "job",
        brokers,
        PARTITIONS,
        1,
        3.0,
        f"/tmp/{name}",
        None,
        lambda **options: connections.async_consumer(settings, **options),
    )
    post = Post(DEAD, "job")
    hooks = Hooks(between=between_steps())
    if sink := os.environ.get("LEADSTREAM_SINK"):
        Slow(app, post, [IN], PARTITIONS, hooks, appended(Path(sink)), every=3600)
    else:
        Stateful(app, post, IN, PARTITIONS, hooks, Numbers(), (UPSTREAM,), None)

    @app.task
    async def ready():
        sys.stdout.write("READY\n")
        sys.stdout.flush()

    faust.Worker(
        app, loglevel="info", logging_config=None, redirect_stdouts=False, override_logging=False
    ).execute_from_commandline()


if __name__ == "__main__":
    main()
