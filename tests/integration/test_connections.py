"""The one place that opens connections: a broker with TLS and each SASL, and ClickHouse's URLs."""

import asyncio
import base64
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import aiokafka
import orjson
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from kafka import TopicPartition
from kafka.admin import NewTopic
from kafka.errors import KafkaError

from streams import connections
from streams.embedded import broker
from streams.embedded.home import free_port
from streams.settings import Settings
from tests.support.jobs import until

pytestmark = pytest.mark.ci
PASSWORD = "a password of its own"
LISTENERS = ("SSL", "PLAIN", "SCRAM", "OAUTH")


def unsecured_token():
    """Return a JWT without a signature, as Kafka's own validator for tests takes it."""

    def part(value):
        return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()

    now = int(time.time())
    return f"{part({'alg': 'none'})}.{part({'sub': 'ours', 'iat': now - 10, 'exp': now + 600})}."


@pytest.fixture(scope="module")
def token_server():
    asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            asked.append((self.headers["Authorization"], body))
            granted = orjson.dumps(
                {"access_token": unsecured_token(), "expires_in": 600, "token_type": "bearer"}
            )
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(granted)

        def log_message(self, *_message):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/token", asked
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def secured(tmp_path_factory, token_server):
    """Run a broker with one listener for each way in; yield settings by listener."""
    home = tmp_path_factory.mktemp("secured")
    ports = {name: free_port() for name in ("PLAINTEXT", *LISTENERS, "CONTROLLER")}
    authority = trustme.CA()
    certificate, client = (
        authority.issue_cert("localhost"),
        authority.issue_cert("client@leadstream"),
    )
    authority.cert_pem.write_to_path(home / "ca.pem")
    client.private_key_pem.write_to_path(home / "client.key")
    client.cert_chain_pems[0].write_to_path(home / "client.pem")
    key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None)
    pkcs8 = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (home / "server.pem").write_bytes(pkcs8 + certificate.cert_chain_pems[0].bytes())
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    oauth = "org.apache.kafka.common.security.oauthbearer"
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule"
    validator = f"{oauth}.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler"
    addresses = {name: f"{name}://localhost:{port}" for name, port in ports.items()}
    advertised = ",".join(addresses[name] for name in ports if name != "CONTROLLER")
    properties = f"""
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{ports["CONTROLLER"]}
listeners={",".join(addresses.values())}
advertised.listeners={advertised}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,PLAIN:SASL_SSL,\
SCRAM:SASL_SSL,OAUTH:SASL_SSL
log.dirs={home / "logs"}
offsets.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
ssl.keystore.type=PEM
ssl.keystore.location={home / "server.pem"}
ssl.truststore.type=PEM
ssl.truststore.location={home / "ca.pem"}
listener.name.ssl.ssl.client.auth=required
listener.name.plain.sasl.enabled.mechanisms=PLAIN
listener.name.plain.plain.sasl.jaas.config={plain} user_ours="{PASSWORD}";
listener.name.scram.sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512
listener.name.scram.scram-sha-256.sasl.jaas.config={scram} required;
listener.name.scram.scram-sha-512.sasl.jaas.config={scram} required;
listener.name.oauth.sasl.enabled.mechanisms=OAUTHBEARER
listener.name.oauth.oauthbearer.sasl.jaas.config={oauth}.OAuthBearerLoginModule required \
unsecuredLoginStringClaim_sub="broker";
listener.name.oauth.oauthbearer.sasl.server.callback.handler.class={validator}
"""
    (home / "server.properties").write_text(properties)
    environment = {**os.environ, "CLASSPATH": os.pathsep.join(map(str, broker.jars()))}
    command = [
        str(broker.java()),
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Xmx384m",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    ]
    scram = [
        item
        for number in (256, 512)
        for item in ("--add-scram", f"SCRAM-SHA-{number}=[name=ours,password={PASSWORD}]")
    ]
    form = [
        "kafka.tools.StorageTool",
        "format",
        "--standalone",
        "-t",
        broker.CLUSTER_ID,
        "-c",
        str(home / "server.properties"),
        *scram,
    ]
    with (home / "log").open("wb") as log:
        subprocess.run([*command, *form], env=environment, stdout=log, stderr=log, check=True)
        process = subprocess.Popen(
            [*command, "kafka.Kafka", str(home / "server.properties")],
            env=environment,
            stdout=log,
            stderr=log,
        )
    url, _ = token_server
    trusted = {"kafka_ca_file": home / "ca.pem"}
    user = {
        "kafka_security": "SASL_SSL",
        "kafka_username": "ours",
        "kafka_password": PASSWORD,
        **trusted,
    }
    made = {
        "PLAINTEXT": {},
        "SSL": {
            "kafka_security": "SSL", "kafka_cert_file": home / "client.pem",
            "kafka_key_file": home / "client.key", **trusted,
        },
        "PLAIN": {"kafka_sasl_mechanism": "PLAIN", **user},
        "SCRAM-SHA-256": {"kafka_sasl_mechanism": "SCRAM-SHA-256", **user},
        "SCRAM-SHA-512": {"kafka_sasl_mechanism": "SCRAM-SHA-512", **user},
        "OAUTHBEARER": {
            "kafka_sasl_mechanism": "OAUTHBEARER", "kafka_oauth_token_url": url,
            "kafka_oauth_client_id": "leadstream", "kafka_oauth_client_secret": "secret",
            "kafka_oauth_scope": "kafka", **user,
        },
    }  # fmt: skip

    def settings(name):
        port = ports[{"OAUTHBEARER": "OAUTH"}.get(name, name.partition("-")[0])]
        return Settings(brokers=f"localhost:{port}", partitions=1, **made[name])

    try:
        until(
            lambda: process.poll() is not None or serves(settings("PLAINTEXT")),
            "the broker's answer",
        )
        assert process.poll() is None, (home / "log").read_text()[-3000:]
        yield settings
    finally:
        process.kill()
        process.wait(30)


def serves(settings):
    try:
        admin = connections.admin(settings, bootstrap_timeout_ms=1_000)
        admin.create_topics([NewTopic("t", 1, 1)])
        admin.close()
    except KafkaError:
        return False
    return True


WAYS = ("SSL", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")


@pytest.mark.parametrize("way", WAYS)
def test_each_kind_of_client_gets_through(secured, way):
    settings = secured(way)
    producer = connections.producer(settings)
    producer.send("t", way.encode(), partition=0).get(timeout=30)
    producer.close()
    assert way.encode() in [record.value for record in asyncio.run(_read(settings))]

    async def send():
        opened = connections.async_producer(settings)
        await opened.start()
        await opened.send_and_wait("t", b"async")
        await opened.stop()

    asyncio.run(send())
    consumer = connections.consumer(
        settings, auto_offset_reset="earliest", consumer_timeout_ms=20_000
    )
    consumer.assign([TopicPartition("t", 0)])
    consumer.seek_to_beginning()
    assert any(record.value == b"async" for record in consumer)
    consumer.close()
    admin = connections.admin(settings)
    assert "t" in admin.list_topics()
    admin.close()


async def _read(settings):
    consumer = connections.async_consumer(settings)
    await consumer.start()
    place = aiokafka.TopicPartition("t", 0)
    consumer.assign([place])
    await consumer.seek_to_beginning(place)
    found = []
    for _ in range(20):
        found += (await consumer.getmany(timeout_ms=500)).get(place, [])
        if found:
            break
    await consumer.stop()
    return found


@pytest.mark.parametrize("way", ["SSL", "SCRAM-SHA-512", "OAUTHBEARER"])
def test_a_worker_starts_over_it(secured, tmp_path, way):
    """Faust opens its own clients: they must have come through the same settings."""
    settings = secured(way)
    options = {
        name: str(value.get_secret_value() if hasattr(value, "get_secret_value") else value)
        for name, value in settings.model_dump(exclude_defaults=True).items()
    }
    environment = {f"LEADSTREAM_{name.upper()}": value for name, value in options.items()}
    environment |= {"LEADSTREAM_HOME": str(tmp_path), "LEADSTREAM_METRICS_PORT": str(free_port())}
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli.main", "topics", "apply"],
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
    )
    assert process.wait(60) == 0, process.stderr.read()
    with (tmp_path / "log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "streams.cli.main", "worker", "normalise"],
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
        )
    try:
        until(
            lambda: "Worker ready" in (tmp_path / "log").read_text() or worker.poll() is not None,
            "the worker",
            60,
        )
        assert worker.poll() is None, (tmp_path / "log").read_text()[-2000:]
    finally:
        worker.kill()
        worker.wait(30)


def test_a_token_is_asked_for_once_while_it_lasts(secured, token_server):
    _, asked = token_server
    settings = secured("OAUTHBEARER")
    tokens = connections.Tokens(settings)
    before = len(asked)
    assert {tokens.current() for _ in range(5)}
    assert len(asked) == before + 1
    assert "scope=kafka" in asked[-1][1]
    assert base64.b64decode(asked[-1][0].removeprefix("Basic ")) == b"leadstream:secret"


def test_a_broker_that_another_authority_signed_is_not_spoken_to(secured, tmp_path):
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    settings = secured("PLAIN").model_copy(update={"kafka_ca_file": tmp_path / "other.pem"})
    with pytest.raises(KafkaError):
        connections.admin(settings, bootstrap_timeout_ms=3_000)
