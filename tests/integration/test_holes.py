"""A topic that lost records before they were read: the worker stops, a person accepts the hole."""

import os
import signal
import time

import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient

from schemas import topics
from schemas.reading import FUNNELS
from streams.embedded.stack import Stack
from streams.intake import arrival
from tests.conftest import run_cli
from tests.integration import invariants
from tests.support.jobs import until
from tests.support.posting import cloudevent, take

pytestmark = pytest.mark.ci
ROLES = ("advance", "advance@2")


def test_a_lost_record_stops_its_worker_until_a_person_accepts_the_hole_which_facts_then_state(
    tmp_path,
):
    home = tmp_path / "home"
    with Stack(home) as stack:
        client, settings = invariants.of(stack)

        def post(name):
            take(
                stack,
                cloudevent("lead.created", name, time.time(), f"{name}@example.com", kind="form"),
            )

        def leads():
            return client.query("SELECT count() FROM v_lead_state").first_row[0]

        for number in range(8):  # so that every partition was read once
            post(f"before{number}")
        until(lambda: leads() == 8, "the first leads")
        arrival.settled(lambda: client, settings.partitions)  # a marker in every partition
        run_cli("adopt", FUNNELS / "default.yaml", "--json", home=home)
        running = {role: stack.processes[role].pid for role in ROLES}
        for pid in running.values():
            os.kill(pid, signal.SIGSTOP)
        post("lost")
        statement = "SELECT count() FROM touches WHERE event_id LIKE '%lost%'"
        until(
            lambda: client.query(statement).first_row[0] == 1,
            "the touch that will be lost",
        )
        admin = KafkaAdminClient(bootstrap_servers=settings.brokers)
        admin.delete_records(
            {
                TopicPartition(topics.TOUCHES, n): end
                for (_, n), end in arrival.ends(settings, topics.TOUCHES).items()
            }
        )
        admin.close()
        error = run_cli("holes", "accept", "resolve", home=home, check=False)[2]
        assert "runs: stop it" in error.replace("\n", " ")
        for pid in running.values():
            os.kill(pid, signal.SIGKILL)
        for role in ROLES:
            until(lambda role=role: stack.shown[role].state == "stopped", f"{role} that stops")
            assert (
                f"`leadstream holes accept {role}`" in (home / "logs" / f"{role}.log").read_text()
            )
        found = run_cli("holes", "list", "--json", home=home)[1]
        assert {hole["worker"] for hole in found} == set(ROLES)
        accepted = [
            hole
            for role in ROLES
            for hole in run_cli("holes", "accept", role, "--json", home=home)[1]
        ]
        assert accepted == found
        post("after")
        until(lambda: leads() == 9, "the lead that came after the hole")
        stated = client.query(
            "SELECT generation, partition, first, following FROM holes FINAL"
        ).result_rows
        assert set(stated) == {
            (1 + ROLES.index(hole["worker"]), hole["partition"], hole["first"], hole["following"])
            for hole in found
        }
        invariants.hold(client, settings, archive=False)  # the archive has what advance has lost
        left = run_cli("holes", "list", "--json", home=home)[1]
        assert left == [], (found, left)
