"""What is deployed, as Docker and Kafka's image read it: compose files, and a broker of them."""

import importlib.util
import os
import re
import socket
import subprocess
import sys
import time

import yaml

from streams.embedded import broker
from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"
_VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?:(:?[-?])((?:[^{}])*))?\}")


def interpolated(text, variables):
    """Fill in `${NAME:-default}` as Compose does; a missing variable that is required raises."""

    def value(found):
        if found.group() == "$$":
            return "$"
        name, rule, rest = found.groups()
        given = variables.get(name)
        if given or (given is not None and rule in ("-", "?")):
            return given
        if rule and rule.endswith("?"):
            raise LookupError(f"{name}: {rest}")
        return rest or ""

    return _VARIABLE.sub(value, text)


def compose(name="compose.yaml", **variables):
    """Return a compose file as a document, its variables filled in."""
    text = (DEPLOY / name).read_text()
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return yaml.safe_load(interpolated("\n".join(lines), {"SECRETS": "./secrets", **variables}))


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def java(*arguments, environment=None, timeout=120):
    """Run one of Kafka's own programs, the embedded broker's jars being the image's."""
    classpath = {"CLASSPATH": os.pathsep.join(map(str, broker.jars()))}
    command = [
        str(broker.java()),
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Xmx384m",
        *map(str, arguments),
    ]
    done = subprocess.run(
        command,
        env={**os.environ, **classpath, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Broker:
    """Kafka as its image starts it from an environment: the image's program writes properties."""

    def __init__(self, folder, environment):
        self.folder, self.process = folder, None
        for name in ("default", "mounted", "final"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        names = {
            key: str(value)
            for key, value in environment.items()
            if key.startswith("KAFKA_") and key != "KAFKA_HEAP_OPTS"
        }
        java(
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "kafka.docker.KafkaDockerWrapper",
            "setup", "--default-configs-dir", folder / "default", "--mounted-configs-dir",
            folder / "mounted", "--final-configs-dir", folder / "final",
            environment={**names, "CLUSTER_ID": environment["CLUSTER_ID"]},
        )  # fmt: skip
        self.properties = folder / "final" / "server.properties"

    @classmethod
    def of(cls, folder, properties):
        """Return a broker on properties that are there, its storage formatted."""
        broker = cls.__new__(cls)
        broker.folder, broker.properties, broker.process = folder, properties, None
        return broker

    def start(self, port):
        classpath = os.pathsep.join(map(str, broker.jars()))
        log = (self.folder / "broker.log").open("ab")
        command = [str(broker.java()), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx384m"]
        command += [
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "kafka.Kafka",
            str(self.properties),
        ]
        self.process = subprocess.Popen(
            command,
            env={**os.environ, "CLASSPATH": classpath},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        end = time.monotonic() + 90
        while True:
            assert self.process.poll() is None, (self.folder / "broker.log").read_text()[-3000:]
            assert time.monotonic() < end, "the broker does not answer"
            try:
                socket.create_connection(("127.0.0.1", port), 0.3).close()
                return
            except OSError:
                time.sleep(0.1)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(60)
            self.process = None


def builder(part):
    """Load the script that writes a part of deploy/."""
    spec = importlib.util.spec_from_file_location(f"build_{part}", DEPLOY / part / "build.py")
    built = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = built
    spec.loader.exec_module(built)
    return built
