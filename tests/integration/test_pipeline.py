"""The whole stack: what senders meet, what becomes of it, and time that passes no backlog."""

import os
import signal
import time

import httpx
import orjson
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from schemas import topics
from streams.engine import ticks
from tests.conftest import run_cli
from tests.support import signing
from tests.support.jobs import until
from tests.support.posting import PATIENCE, bearer, cloudevent, secret, take


@pytest.fixture
def post(stack):
    base = stack.environment()["LEADSTREAM_PUBLIC_URL"]

    def send(path, body, **headers):
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        return httpx.post(
            f"{base}{path}",
            content=content,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            timeout=PATIENCE,
        )

    return send


def standing(clickhouse, email, stack):
    from streams.domain.aliases import origin_id

    lead = origin_id(secret(stack, "IDENTITY_KEY").encode(), f"email:{email}")
    rows = clickhouse.query(
        "SELECT stage, journey, origins FROM v_lead_state WHERE has(origins, {l:String})",
        parameters={"l": lead},
    ).result_rows
    return rows[0] if rows else None


def test_a_bad_signature_is_refused_and_an_oversized_body_too(stack, post):
    assert post("/v1/segment", {"type": "page"}, X_Signature="00").status_code == 401
    assert post("/v1/hubspot", []).status_code == 401
    assert post("/v1/meta", {}, X_Hub_Signature_256="sha256=00").status_code == 401
    assert post("/v1/google", {"google_key": "wrong"}).status_code == 401
    assert post("/v1/events", {}).status_code == 401
    assert post("/v1/events", b"x" * 1_000_001, **bearer(stack)).status_code == 413


def test_metas_handshake_answers_the_challenge(stack):
    base = stack.environment()["LEADSTREAM_PUBLIC_URL"]
    asked = {
        "hub.mode": "subscribe",
        "hub.challenge": "1158201444",
        "hub.verify_token": secret(stack, "META_VERIFY_TOKEN"),
    }
    answer = httpx.get(f"{base}/v1/meta", params=asked, timeout=PATIENCE)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    assert (
        httpx.get(
            f"{base}/v1/meta", params={**asked, "hub.verify_token": "x"}, timeout=PATIENCE
        ).status_code
        == 401
    )


def test_a_lead_of_web_and_crm_counts_once_and_a_redelivery_changes_nothing(
    stack, post, clickhouse
):
    email = "once@example.com"
    form = {
        "type": "track",
        "event": "Form Submitted",
        "messageId": "once-1",
        "anonymousId": "once",
        "properties": {"form_id": "demo", "email": email},
    }
    body = orjson.dumps(form)
    signed = {"X_Signature": signing.segment(secret(stack, "SEGMENT_SECRET"), body)}
    for _ in range(3):
        assert post("/v1/segment", body, **signed).status_code == 202
    now = int(time.time() * 1000)
    contact = {
        "eventId": 1,
        "subscriptionId": 1,
        "portalId": 1,
        "objectId": 77,
        "occurredAt": now,
        "attemptNumber": 0,
    }
    events = [
        {**contact, "subscriptionType": "contact.creation"},
        {
            **contact,
            "subscriptionType": "contact.propertyChange",
            "propertyName": "email",
            "propertyValue": email,
        },
    ]
    body, stamp = orjson.dumps(events), str(now)
    base = stack.environment()["LEADSTREAM_PUBLIC_URL"]
    made = signing.hubspot_sign(
        secret(stack, "HUBSPOT_SECRET"), "POST", f"{base}/v1/hubspot", body, stamp
    )
    signed = {"X_HubSpot_Signature_v3": made, "X_HubSpot_Request_Timestamp": stamp}
    assert post("/v1/hubspot", body, **signed).status_code == 202
    found = until(
        lambda: (row := standing(clickhouse, email, stack)) and len(row[2]) == 2 and row,
        "one lead of two origins",
    )
    assert found[:2] == ("mql", 1)


def test_a_backlog_that_disproves_a_breach_raises_none(stack, clickhouse):
    """Twelve hours of backlog: a hot lead was called after two minutes, the workers were away."""
    # The ticks of the outage stand behind the backlog in the log, as they do when a fleet was down.
    # One that was under way would come between two partitions of it.
    roles = ("ticker", "normalise", "resolve", "advance")
    workers = [stack.processes[role].pid for role in roles]
    ago = time.time() - 12 * 3600
    try:
        os.kill(workers[0], signal.SIGSTOP)
        last = last_tick(stack)
        until(lambda: time_of_advance(stack) >= last, "the last tick")
        for pid in workers[1:]:
            os.kill(pid, signal.SIGSTOP)
        story = [
            ("lead.created", 0, {"kind": "demo_form", "direction": "inbound"}),
            ("lead.assigned", 60, {"owner": "ann"}),
            ("touch", 120, {"kind": "call", "direction": "human"}),
            ("lead.accepted", 180, {}),
        ]
        for kind, after, data in story:
            body = cloudevent(kind, f"backlog-{after}", ago + after, "backlog@example.com", **data)
            take(stack, body)
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    until(
        lambda: (row := standing(clickhouse, "backlog@example.com", stack)) and row[0] == "sal",
        "the backlog's end",
    )
    statement = (
        "SELECT DISTINCT JSONExtractString(content, 'clock'), "
        "JSONExtractString(content, 'status') FROM fact_revisions "
        "WHERE kind = 'clock' AND lead_id IN "
        "(SELECT lead_id FROM v_lead_state WHERE has(origins, {l:String}))"
    )
    from streams.domain.aliases import origin_id

    lead = origin_id(secret(stack, "IDENTITY_KEY").encode(), "email:backlog@example.com")
    statuses = {}
    for clock, status in clickhouse.query(statement, parameters={"l": lead}).result_rows:
        statuses.setdefault(clock, set()).add(status)
    assert "met" in statuses["first_touch"]
    assert not {"breached", "escalated"} & set().union(*statuses.values())
    assert all(
        alert["lead"] != lead for alert in read(stack, topics.ALERTS) if alert["what"] == "raised"
    )


def last_tick(stack):
    """Give the time (ms) of which every raw partition has a tick: the ticker may stop amid one."""
    newest = {}
    for topic in (*topics.RAW_LIVE, topics.RAW_IMPORT):
        for tick in filter(None, read(stack, topic, ticks.read)):
            place = tick.topic, tick.partition
            newest[place] = max(newest.get(place, 0), tick.now)
    return min(newest.values())


def time_of_advance(stack):
    """Give the time (ms) that the slowest partition has come to, by the cuts on the topic."""
    cuts = [fact for fact in read(stack, topics.FACTS) if fact["record"] == "cut"]
    newest = {}
    for cut in cuts:
        newest[cut["partition"]] = max(newest.get(cut["partition"], 0), cut["now"])
    return min(newest.values(), default=0)


def read(stack, topic, value_of=orjson.loads):
    consumer = KafkaConsumer(bootstrap_servers=stack.environment()["LEADSTREAM_BROKERS"])
    places = [TopicPartition(topic, number) for number in range(4)]
    consumer.assign(places)
    ends = consumer.end_offsets(places)
    consumer.seek_to_beginning()
    found = []
    while any(consumer.position(place) < ends[place] for place in places):
        for records in consumer.poll(timeout_ms=500).values():
            found += [value_of(record.value) for record in records if record.value]
    consumer.close()
    return found


def test_what_can_not_be_read_is_a_dead_letter_with_its_reason_and_no_secret(stack, post):
    body = {"type": "nonsense", "messageId": "dead-1", "anonymousId": "dead"}
    raw = orjson.dumps(body)
    post("/v1/segment", raw, X_Signature=signing.segment(secret(stack, "SEGMENT_SECRET"), raw))

    def letters(*asked):
        return [
            one
            for one in run_cli("deadletters", "list", *asked, "--json", home=stack.home)[1]
            if "nonsense" in one["reason"]
        ]

    (first,) = until(lambda: letters("--source", "segment"), "the dead letter")
    blame = (first["whose_move"], first["worker"], first["kind"])
    assert blame == ("sender", "normalise", "refused")
    shown = run_cli("deadletters", "show", first["id"], "--json", home=stack.home)[1]
    assert orjson.loads(shown["body"]) == body
    assert "authorization" not in str(shown).lower()
    replayed = run_cli("deadletters", "replay", first["id"], "--json", home=stack.home)[1]
    assert replayed == {"replayed": 1}
    (second,) = until(
        lambda: letters(), "the letter of its replay, now that the first waits for nobody"
    )
    assert second["replay_of"] == first["id"]
    assert (
        run_cli("deadletters", "show", second["id"], "--json", home=stack.home)[1]["body_base64"]
        == shown["body_base64"]
    )
    run_cli("deadletters", "discard", second["id"], "--why", "a test", home=stack.home)
    assert letters() == []
    fates = {one["id"]: (one["fate"], one["why"]) for one in letters("--all")}
    assert fates == {first["id"]: ("replayed", ""), second["id"]: ("discarded", "a test")}
    both = (first["id"], second["id"])
    assert run_cli("deadletters", "replay", *both, "--json", home=stack.home)[1] == {"replayed": 0}


def test_a_source_that_can_not_be_read_is_parked_alone_and_comes_back_whole(
    stack, post, settings, clickhouse
):
    """150 bodies of garbage stopped the worker for good, and every other source with it."""
    garbage = KafkaProducer(bootstrap_servers=settings.brokers, acks="all")
    headers = [("leadstream-source", b"google")]
    lead = {
        "lead_id": "parked-1",
        "user_column_data": [{"column_id": "EMAIL", "string_value": "parked@example.com"}],
    }

    def send(*bodies):
        for sent in [
            garbage.send(topics.RAW_ADS, body, headers=headers, partition=1) for body in bodies
        ]:
            sent.get(timeout=30)

    send(*[b"garbage"] * 150)

    def parked():
        return run_cli("deadletters", "parked", "--json", home=stack.home)[1]

    (state,) = until(parked, "the breaker")
    found = (state["source"], state["topic"], state["partition"], state["worker"])
    assert found == ("google", topics.RAW_ADS, 1, "normalise")
    send(orjson.dumps(lead))
    take(
        stack, cloudevent("lead.created", "beside", time.time(), "beside@example.com", kind="form")
    )
    until(lambda: standing(clickhouse, "beside@example.com", stack), "a lead of another source")
    assert clickhouse.query("SELECT max(now) > now64() - INTERVAL 10 SECOND FROM cuts").first_row[0]
    assert not standing(clickhouse, "parked@example.com", stack)
    stack.processes["normalise"].kill()  # whoever comes next must know it
    until(
        lambda: stack.processes["normalise"].poll() is None and stack.shown["normalise"].restarts,
        "the worker's heir",
    )
    send(orjson.dumps(lead))
    resumed = run_cli("deadletters", "resume", "google", "--json", home=stack.home)[1]
    assert resumed["source"] == "google"
    assert resumed["sent_again"] >= 2
    until(lambda: standing(clickhouse, "parked@example.com", stack), "the lead that was parked")
    assert parked() == []
    garbage.close()


def test_the_publisher_client_publishes_and_flush_tells_how_many(stack, clickhouse):
    from datetime import UTC, datetime

    from schemas.events import EventType
    from streams.intake.client import LeadPublisher

    with LeadPublisher(
        stack.environment()["LEADSTREAM_BROKERS"], source="cloudevents"
    ) as publisher:
        publisher.publish(
            "pub-1",
            EventType.CREATED,
            datetime.now(UTC),
            email="client@example.com",
            kind="form",
            direction="inbound",
        )
        assert publisher.flush() == 1
    until(lambda: standing(clickhouse, "client@example.com", stack), "the client's lead")


def test_a_dead_process_is_started_again(stack):
    first = stack.processes["gateway"].pid
    os.kill(first, signal.SIGKILL)
    until(
        lambda: stack.shown["gateway"].pid != first and stack.shown["gateway"].restarts == 1,
        "the gateway's return",
    )
    base = stack.environment()["LEADSTREAM_PUBLIC_URL"]

    def healthy():
        try:
            return httpx.get(f"{base}/healthz").status_code == 200
        except httpx.HTTPError:
            return False

    until(healthy, "the gateway's answer")


def test_accepted_rejected_undecided_and_pending_are_all_hand_offs_and_spam_stays_among_them(
    stack, clickhouse
):
    from schemas import reading
    from sinks.clickhouse import kpis

    now = time.time()
    stories = {
        "ledger1": [("lead.created", 0, {"kind": "demo_form"}), ("lead.accepted", 1, {})],
        "ledger2": [
            ("lead.created", 0, {"kind": "demo_form"}),
            ("lead.rejected", 1, {"reason": "spam"}),
        ],
        "ledger3": [
            ("lead.created", 0, {"kind": "demo_form"}),
            ("lead.rejected", 1, {"reason": "no-fit"}),
        ],
        "ledger4": [("lead.created", 0, {"kind": "demo_form"})],
    }
    for name, story in stories.items():
        for kind, after, data in story:
            body = cloudevent(
                kind,
                f"{name}-{after}",
                now - 60 + after,
                f"{name}@example.com",
                segment="ledger",
                **data,
            )
            take(stack, body)
    asked = kpis.question(
        reading.in_force(stack.funnel),
        0,
        int(now * 1000),
        int(now * 1000) + 30 * 86_400_000,
        "segment",
    )

    def figures():
        found = [
            f
            for f in kpis.ask(clickhouse, asked, ["acceptance", "rejection", "no_decision"])
            if f["dimensions"]["segment"] == "ledger"
        ]
        # Each KPI is its own statement: the first must have seen all, or a later one may see more.
        accepted = next((f for f in found if f["kpi"] == "acceptance"), None)
        return (
            found
            if accepted
            and [accepted[name] for name in ("numerator", "denominator", "n")] == [1, 4, 4]
            else None
        )

    # their windows have passed by then, so that whoever is undecided was decided by nobody
    found = until(figures, "four hand-offs")
    assert len(found) == 4
    assert sum(f["numerator"] for f in found) == 4
    reasons = {f["dimensions"].get("reason") for f in found if f["kpi"] == "rejection"}
    assert reasons == {"spam", "no-fit"}


def test_a_persons_word_joins_two_leads_and_parts_them_again_and_an_opt_out_stays_on_both(
    stack, clickhouse
):
    for number, name in enumerate(("word1", "word2")):
        body = cloudevent(
            "lead.created",
            f"{name}-1",
            time.time() - 60 + number,
            f"{name}@example.com",
            kind="form",
            direction="inbound",
        )
        take(stack, body)
    until(
        lambda: all(
            standing(clickhouse, f"{name}@example.com", stack) for name in ("word1", "word2")
        ),
        "two leads",
    )
    run_cli("merge", "word1@example.com", "word2@example.com", home=stack.home)
    until(lambda: len(standing(clickhouse, "word1@example.com", stack)[2]) == 2, "one lead")
    printed = run_cli("explain", "word2@example.com", home=stack.home)[1]
    assert "2 identities are one lead" in printed
    assert printed.count("became known") == 2
    body = cloudevent("consent", "word-no", time.time(), "word1@example.com", granted=False)
    take(stack, body)
    statement = "SELECT opted_out FROM v_lead_state WHERE has(origins, {l:String})"

    def opted_out(name):
        from streams.domain.aliases import origin_id

        lead = origin_id(secret(stack, "IDENTITY_KEY").encode(), f"email:{name}@example.com")
        return clickhouse.query(statement, parameters={"l": lead}).result_rows == [(1,)]

    until(lambda: opted_out("word1"), "the opt-out")
    run_cli("unmerge", "word1@example.com", "word2@example.com", home=stack.home)

    def parted():
        found = standing(clickhouse, "word2@example.com", stack)
        return found and len(found[2]) == 1  # it has no row while the other one's was written

    until(parted, "two leads again")
    until(lambda: opted_out("word1") and opted_out("word2"), "the opt-out of both")


def test_a_conflict_is_listed_with_both_crm_records_until_a_person_decides(stack, post):
    now = int(time.time() * 1000)
    base = {
        "subscriptionId": 1,
        "portalId": 1,
        "occurredAt": now,
        "attemptNumber": 0,
        "subscriptionType": "contact.propertyChange",
    }
    events = [
        {
            **base,
            "eventId": number,
            "objectId": contact,
            "propertyName": "email",
            "propertyValue": "shared@example.com",
        }
        for number, contact in enumerate((901, 902))
    ]
    body, stamp = orjson.dumps(events), str(now)
    url = f"{stack.environment()['LEADSTREAM_PUBLIC_URL']}/v1/hubspot"
    signed = signing.hubspot_sign(secret(stack, "HUBSPOT_SECRET"), "POST", url, body, stamp)
    headers = {"X_HubSpot_Signature_v3": signed, "X_HubSpot_Request_Timestamp": stamp}
    assert post("/v1/hubspot", body, **headers).status_code == 202

    def listed():
        found = run_cli("identity", "--json", home=stack.home)[1]["conflicts"]
        return [
            one
            for one in found
            if {side["record"][-3:] for side in one["identities"]} & {"901", "902"}
        ]

    until(listed, "the conflict")
    run_cli("merge", "hubspot:1:contact:901", "hubspot:1:contact:902", home=stack.home)
    until(lambda: not listed(), "the end of the conflict")


def test_a_lead_is_found_by_an_address_in_capitals_and_by_a_weak_alias(stack, clickhouse):
    body = cloudevent(
        "lead.created",
        "found-1",
        time.time() - 60,
        "found@example.com",
        kind="form",
        direction="inbound",
        aliases=["segment:anon:found"],
    )
    take(stack, body)
    until(lambda: standing(clickhouse, "found@example.com", stack), "the lead")
    until(
        lambda: run_cli("explain", "segment:anon:found", home=stack.home, check=False)[0] == 0,
        "the weak alias",
    )
    names = (
        "found@example.com",
        "email:Found@Example.com",
        "Found@example.com ",
        "segment:anon:found",
    )
    assert (
        len({run_cli("explain", name, "--json", home=stack.home)[1]["lead"] for name in names}) == 1
    )
    assert run_cli("explain", "nobody@example.com", home=stack.home, check=False)[0] == 1
