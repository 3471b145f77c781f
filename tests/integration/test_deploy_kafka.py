"""Kafka as compose.yaml configures it, by its own image's program; and the ACLs on that broker."""

import itertools
import os
import re
import secrets
import signal
import subprocess
import sys
import time

import orjson
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
)
from kafka.errors import AuthorizationError, KafkaError, TopicAuthorizationFailedError

from schemas import topics
from schemas.events import EventType, LeadEvent
from streams import connections
from streams.operate import admin
from streams.settings import WORKERS, Settings
from tests.conftest import ROOT
from tests.support.api import Api, Reply, until
from tests.support.deployed import DEPLOY, Broker, compose, free_ports, java
from tests.support.retrieving import META_WEBHOOK

pytestmark = pytest.mark.ci
PASSWORD = secrets.token_hex(8)


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    """Run a broker with compose's settings at its own addresses, which are `inside`, `outside`."""
    inside, outside, controller = free_ports(3)
    folder = tmp_path_factory.mktemp("compose-kafka")
    environment = dict(compose(KAFKA_OUTSIDE_PORT=str(outside))["services"]["kafka"]["environment"])
    assert environment["KAFKA_LOG_DIRS"] == "/var/lib/kafka/data"
    environment |= {
        "KAFKA_LOG_DIRS": str(folder / "data"),
        "KAFKA_LISTENERS": (
            f"INSIDE://127.0.0.1:{inside},OUTSIDE://127.0.0.1:{outside},"
            f"CONTROLLER://localhost:{controller}"
        ),
        "KAFKA_ADVERTISED_LISTENERS": environment["KAFKA_ADVERTISED_LISTENERS"].replace(
            "kafka:9092", f"127.0.0.1:{inside}"
        ),
        "KAFKA_CONTROLLER_QUORUM_VOTERS": f"1@localhost:{controller}",
    }
    broker = Broker(folder, environment)
    broker.start(inside)
    broker.inside, broker.outside = f"127.0.0.1:{inside}", f"127.0.0.1:{outside}"
    admin.apply(Settings(brokers=broker.inside, partitions=1))
    yield broker
    broker.stop()


def user(kafka, name):
    """Make a user by Kafka's own command, with the file that outside.sh writes."""
    file = kafka.folder / f"{name}.scram"
    line = next(
        line
        for line in (DEPLOY / "kafka" / "outside.sh").read_text().splitlines()
        if line.startswith("printf")
    )
    file.write_text(re.search(r"'(SCRAM[^']*)\\n'", line)[1] % PASSWORD + "\n")
    java(
        "kafka.admin.ConfigCommand", "--bootstrap-server", kafka.inside, "--alter",
        "--entity-type", "users", "--entity-name", name, "--add-config-file", file,
    )  # fmt: skip


def login(kafka, name, **options):
    signed = {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": name,
    }
    return {
        "bootstrap_servers": kafka.outside,
        **signed,
        "sasl_plain_password": PASSWORD,
        **options,
    }


def granted(script, tmp, **variables):
    """Run a script of kafka-acls.sh calls by a program that notes arguments; return the ACLs."""
    noted = tmp / "kafka-acls.sh"
    noted.write_text(
        f'#!/bin/sh\nfor one in "$@"; do printf "%s\\n" "$one" >>{tmp}/noted; done\n'
        f"echo >>{tmp}/noted\n"
    )
    noted.chmod(0o755)
    environment = {**os.environ, "BOOTSTRAP": "x:1", "KAFKA_ACLS": str(noted), **variables}
    subprocess.run(["sh", "-c", script], env=environment, check=True, cwd=DEPLOY / "kafka")
    found = []
    for call in (tmp / "noted").read_text().strip().split("\n\n"):
        words = call.splitlines()
        options = list(itertools.pairwise(words))
        principal = next(value for name, value in options if name == "--allow-principal")
        prefixed = ("--resource-pattern-type", "prefixed") in options
        pattern = ACLResourcePatternType.PREFIXED if prefixed else ACLResourcePatternType.LITERAL
        for kind in ("topic", "group"):
            for resource in (value for name, value in options if name == f"--{kind}"):
                for operation in (value for name, value in options if name == "--operation"):
                    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).upper()
                    what = ResourcePattern(ResourceType[kind.upper()], resource, pattern)
                    found.append(
                        ACL(principal, "*", ACLOperation[name], ACLPermissionType.ALLOW, what)
                    )
    return found


def grant(kafka, acls):
    client = KafkaAdminClient(bootstrap_servers=kafka.inside)
    try:
        done = client.create_acls(acls)
        assert not done.get("failed"), done
    finally:
        client.close()


@pytest.fixture(scope="module")
def roles(kafka, tmp_path_factory):
    """Every role's user, with the rights of acls.sh."""
    acls = granted("sh acls.sh", tmp_path_factory.mktemp("acls"), PARTITIONS="1")
    grant(kafka, acls)
    names = sorted({one.principal.removeprefix("User:") for one in acls})
    for name in names:
        user(kafka, name)
    return names


def writes(kafka, name, topic):
    producer = KafkaProducer(**login(kafka, name, max_block_ms=10_000, retries=0))
    try:
        producer.send(topic, b"{}", key=b"k").get(timeout=15)
    except (AuthorizationError, TopicAuthorizationFailedError):
        return False
    finally:
        producer.close(timeout=5)
    return True


def test_topics_and_offsets_lie_on_the_volume_and_outlive_the_container(kafka):
    producer = KafkaProducer(bootstrap_servers=kafka.inside, acks="all")
    producer.send(topics.FACTS, b"kept").get(timeout=20)
    producer.close()
    assert (kafka.folder / "data" / f"{topics.FACTS}-0").is_dir()
    kafka.stop()
    kafka.start(int(kafka.inside.rpartition(":")[2]))
    consumer = KafkaConsumer(
        bootstrap_servers=kafka.inside, auto_offset_reset="earliest", enable_auto_commit=False
    )
    consumer.assign([TopicPartition(topics.FACTS, 0)])
    end = time.monotonic() + 30
    found = []
    while not found and time.monotonic() < end:
        found = [
            record.value for batch in consumer.poll(timeout_ms=500).values() for record in batch
        ]
    consumer.close()
    assert found == [b"kept"]


def test_nobody_enters_from_outside_without_a_user(kafka):
    with pytest.raises(KafkaError):
        KafkaProducer(bootstrap_servers=kafka.outside, bootstrap_timeout_ms=5_000)


def test_the_publisher_outside_writes_bodies_and_nothing_else(kafka, tmp_path):
    script = (DEPLOY / "kafka" / "outside.sh").read_text()
    calls = [
        line
        for line in script.splitlines()
        if "kafka-acls.sh" in line or line.startswith("topics=")
    ]
    grant(kafka, granted("\n".join(calls).replace("$bin/kafka-acls.sh", "$KAFKA_ACLS"), tmp_path))
    user(kafka, "publisher")
    assert all(writes(kafka, "publisher", topic) for topic in topics.RAW_LIVE)
    assert not any(
        writes(kafka, "publisher", topic)
        for topic in (topics.RAW_IMPORT, topics.EVENTS, topics.FACTS)
    )


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def certificate(authority, folder, name):
    """Write private key, certificate and authorities into one file, as Kafka reads a PEM store."""
    issued = authority.issue_cert("127.0.0.1", "localhost", common_name=name)
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "broker.pem").write_bytes(
        pem + b"".join(one.bytes() for one in issued.cert_chain_pems)
    )
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return str(folder / "broker.pem")


def enters(address, authority, name, password):
    """Return whether a client with leadstream's own settings enters over TLS."""
    signed = {
        "kafka_security": "SASL_SSL",
        "kafka_sasl_mechanism": "SCRAM-SHA-512",
        "kafka_username": name,
        "kafka_password": password,
    }
    settings = Settings(brokers=address, kafka_ca_file=authority, **signed)
    try:
        client = connections.admin(settings, bootstrap_timeout_ms=8_000)
    except KafkaError:
        return None
    return client


def test_publishers_outside_sign_in_over_tls_with_the_second_compose_file(
    kafka, authority, tmp_path
):
    inside, outside, controller = free_ports(3)
    declared = compose("compose.tls.yaml")["services"]["kafka"]["environment"]
    folder = tmp_path / "tls"
    environment = {
        **compose(KAFKA_OUTSIDE_PORT=str(outside))["services"]["kafka"]["environment"],
        **declared,
    }
    (tmp_path / "pem").mkdir()
    environment |= {
        "KAFKA_LOG_DIRS": str(folder / "data"),
        "KAFKA_LISTENERS": (
            f"INSIDE://127.0.0.1:{inside},OUTSIDE://127.0.0.1:{outside},"
            f"CONTROLLER://localhost:{controller}"
        ),
        "KAFKA_ADVERTISED_LISTENERS": environment["KAFKA_ADVERTISED_LISTENERS"].replace(
            "kafka:9092", f"127.0.0.1:{inside}"
        ),
        "KAFKA_CONTROLLER_QUORUM_VOTERS": f"1@localhost:{controller}",
        "KAFKA_LISTENER_NAME_OUTSIDE_SSL_KEYSTORE_LOCATION": certificate(
            authority, tmp_path / "pem", "kafka"
        ),
    }
    broker = Broker(folder, environment)
    try:
        broker.start(inside)
        broker.inside = f"127.0.0.1:{inside}"
        user(broker, "publisher")
        client = enters(f"127.0.0.1:{outside}", tmp_path / "pem" / "ca.pem", "publisher", PASSWORD)
        assert client
        client.close()
        assert not enters(
            f"127.0.0.1:{outside}", tmp_path / "pem" / "ca.pem", "publisher", "guessed"
        )
    finally:
        broker.stop()


def test_the_example_for_a_broker_of_ones_own_starts_and_lets_its_admin_make_users_and_rights(
    authority, tmp_path
):
    clients, brokers, controller = free_ports(3)
    certificate(authority, tmp_path, "broker-1.example.com")
    text = (
        (DEPLOY / "kafka" / "server.properties")
        .read_text()
        .replace("/etc/kafka/secrets", str(tmp_path))
    )
    here_of = {
        "0.0.0.0:9094": f"127.0.0.1:{clients}",
        "0.0.0.0:9092": f"127.0.0.1:{brokers}",
        "0.0.0.0:9093": f"localhost:{controller}",
        "broker-1.example.com:9094": f"127.0.0.1:{clients}",
        "broker-1.example.com:9092": f"127.0.0.1:{brokers}",
    }
    for declared, here in here_of.items():
        assert declared in text
        text = text.replace(declared, here)
    text += f"""
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:{controller}
log.dirs={tmp_path / "data"}
"""
    (tmp_path / "server.properties").write_text(text)
    scram = f"SCRAM-SHA-512=[name=admin,password={PASSWORD}]"
    java(
        "kafka.tools.StorageTool",
        "format",
        "-t",
        "bGVhZHN0cmVhbS1jb21wbw",
        "-c",
        tmp_path / "server.properties",
        "--add-scram",
        scram,
    )
    broker = Broker.of(tmp_path, tmp_path / "server.properties")
    try:
        broker.start(clients)
        client = enters(f"127.0.0.1:{clients}", tmp_path / "ca.pem", "admin", PASSWORD)
        assert client
        done = client.create_acls(granted("sh acls.sh", tmp_path))
        assert not done.get("failed"), done
        client.close()
    finally:
        broker.stop()


def test_each_role_writes_what_acls_say_and_is_refused_elsewhere(kafka, roles):
    built = acls()
    for name in roles:
        allowed = set(built.writes(name.removeprefix("leadstream-")))
        if name == "leadstream-operator":
            continue  # all of lead.*
        for topic in (
            topics.RAW_CRM,
            topics.RAW_IMPORT,
            topics.EVENTS,
            topics.FACTS,
            topics.TARGETS,
        ):
            assert writes(kafka, name, topic) == (topic in allowed), (name, topic)


def acls():
    import importlib.util

    spec = importlib.util.spec_from_file_location("acls", DEPLOY / "kafka" / "acls.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_worker_does_its_work_with_its_own_rights(kafka, roles, tmp_path):
    """Events over the gateway's user and the importer's become facts; nobody meets a refusal."""
    common = {
        "LEADSTREAM_BROKERS": kafka.outside, "LEADSTREAM_PARTITIONS": "1",
        "LEADSTREAM_KAFKA_SECURITY": "SASL_PLAINTEXT",
        "LEADSTREAM_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "LEADSTREAM_KAFKA_PASSWORD": PASSWORD,
        "LEADSTREAM_HOME": str(tmp_path), "LEADSTREAM_IDENTITY_KEY": "k" * 32,
        "LEADSTREAM_FUNNEL": str(ROOT / "schemas/funnels/default.yaml"),
    }  # fmt: skip
    names = [
        [*(["worker"] if name in WORKERS else []), name]
        for name in (*WORKERS, "ticker")
        if name != "deliver"
    ]
    running, logs = [], {}
    try:
        for words in names:
            logs[words[-1]] = tmp_path / f"{words[-1]}.log"
            environment = {
                **os.environ,
                **common,
                "LEADSTREAM_KAFKA_USERNAME": f"leadstream-{words[-1]}",
            }
            command = [sys.executable, "-m", "streams.cli.main", *words]
            with logs[words[-1]].open("wb") as log:
                running.append(
                    subprocess.Popen(
                        command,
                        env=environment,
                        stdout=log,
                        stderr=log,
                        cwd=ROOT,
                        start_new_session=True,
                    )
                )
        assert len(_leads(kafka, running, logs)) == 2
    finally:
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
    for name, log in logs.items():
        assert "AuthorizationFailed" not in log.read_text(), name


def test_a_retriever_does_its_work_with_its_own_rights(kafka, roles, tmp_path):
    api, log = Api("meta"), tmp_path / "retriever.log"
    common = {
        "LEADSTREAM_BROKERS": kafka.outside, "LEADSTREAM_PARTITIONS": "1",
        "LEADSTREAM_KAFKA_SECURITY": "SASL_PLAINTEXT",
        "LEADSTREAM_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "LEADSTREAM_KAFKA_PASSWORD": PASSWORD,
        "LEADSTREAM_KAFKA_USERNAME": "leadstream-retriever", "LEADSTREAM_META_API": api.address,
        "LEADSTREAM_META_TOKEN": "good",
    }  # fmt: skip
    api.script["/12"] = [Reply(404, {})]
    gateway = KafkaProducer(**login(kafka, "leadstream-gateway"))
    gateway.send(
        topics.RAW_ADS, orjson.dumps(META_WEBHOOK), headers=[("leadstream-source", b"meta")]
    ).get(timeout=20)
    gateway.close()
    with log.open("wb") as file:
        command = [sys.executable, "-m", "streams.cli.main", "retriever"]
        process = subprocess.Popen(
            command,
            env={**os.environ, **common},
            stdout=file,
            stderr=file,
            cwd=ROOT,
            start_new_session=True,
        )
    consumers = {topics.RAW_ADS: "leadstream-normalise", topics.DEADLETTERS: "leadstream-deliver"}
    try:
        for topic, name in consumers.items():
            consumer = KafkaConsumer(
                **login(kafka, name), auto_offset_reset="earliest", enable_auto_commit=False
            )
            consumer.assign([TopicPartition(topic, 0)])
            until(
                lambda consumer=consumer: _of_a_retriever(consumer),
                f"what a retriever writes to {topic}",
                60,
            )
            consumer.close()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        api.close()
    assert "Authorization" not in log.read_text()


def _of_a_retriever(consumer):
    """Return whether an answer, or a retriever's letter, is among what comes next."""
    names = [
        dict(record.headers) for batch in consumer.poll(timeout_ms=500).values() for record in batch
    ]
    return any(
        "leadstream-retrieved" in one or b'"retriever"' in one.get("leadstream-letter", b"")
        for one in names
    )


def _leads(kafka, running, logs):
    """Publish until facts of two leads are there: one by a body, one by an import."""
    body = {
        "specversion": "1.0",
        "id": "1",
        "source": "shop",
        "type": "leadstream.lead.created",
        "time": "2026-11-24T09:00:00Z",
        "data": {"email": "a@example.com", "kind": "demo_form"},
    }
    gateway = KafkaProducer(**login(kafka, "leadstream-gateway"))
    gateway.send(
        topics.RAW_CRM,
        orjson.dumps(body),
        key=b"a",
        headers=[("leadstream-source", b"cloudevents")],
    ).get(timeout=20)
    gateway.close()
    importer = KafkaProducer(**login(kafka, "leadstream-importer"))
    row = LeadEvent(
        id="file:1",
        type=EventType.CREATED,
        occurred_at=1_795_000_000_000,
        source="file",
        aliases=("email:b@example.com",),
        kind="demo_form",
    )
    importer.send(
        topics.RAW_IMPORT, row.model_dump_json(exclude_defaults=True).encode(), key=b"b"
    ).get(timeout=20)
    importer.close()
    consumer = KafkaConsumer(
        **login(kafka, "leadstream-deliver"), auto_offset_reset="earliest", enable_auto_commit=False
    )
    consumer.assign([TopicPartition(topics.FACTS, 0)])
    leads, end = set(), time.monotonic() + 120
    try:
        while len(leads) < 2:
            dead = [
                name
                for process, name in zip(running, logs, strict=True)
                if process.poll() is not None
            ]
            assert not dead, (dead, logs[dead[0]].read_text()[-3000:])
            assert time.monotonic() < end, {
                name: log.read_text()[-1500:] for name, log in logs.items()
            }
            for batch in consumer.poll(timeout_ms=500).values():
                for record in batch:
                    fact = (
                        orjson.loads(record.value)
                        if record.value and record.value.startswith(b"{")
                        else {}
                    )
                    if fact.get("record") == "fact":
                        leads.add(fact["lead"])
    finally:
        consumer.close()
    return leads
