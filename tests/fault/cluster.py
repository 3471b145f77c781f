"""Three brokers with three copies of everything, and our workers set up as a server has them.

No `leadstream up` here: it has one broker. What runs is started, queried and started again as an
orchestrator does, and shown in the same form, so that the same faults and the same oracle serve.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

from streams.embedded import answers, broker, home, pids
from streams.embedded.answers import Question
from streams.embedded.home import free_port, write

from .system import PATIENCE, ROLES, ROOT, WORKERS, System, until

BROKERS = ("broker-1", "broker-2", "broker-3")
_PROPERTIES = """
process.roles=broker,controller
node.id={number}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={logs}
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
unclean.leader.election.enable=false
log.cleaner.dedupe.buffer.size=16777216
"""


class Cluster(System):
    """Three brokers, ClickHouse, and one process of each role, started again when they end."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        home.make_private(folder)
        self.roles = (*BROKERS, *(role for role in ROLES if role != "broker"))
        self._ports = {role: free_port() for role in self.roles} | {
            f"controller-{role}": free_port() for role in BROKERS
        }
        self._environment = self._make_environment()
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._shown: dict[str, dict[str, Any]] = {}
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self._over = threading.Event()

    def _make_environment(self) -> dict[str, str]:
        values = {
            **{name.upper(): value for name, value in home.load_secrets(self.home).items()},
            "HOME": str(self.home),
            "BROKERS": ",".join(f"127.0.0.1:{self._ports[role]}" for role in BROKERS),
            "REPLICATION": "3",
            "CLICKHOUSE_URL": f"http://127.0.0.1:{self._ports['clickhouse']}",
            "PUBLIC_URL": f"http://127.0.0.1:{self._ports['gateway']}",
            "FUNNEL": str(home.choose_funnel(self.home, None)),
        }
        return {f"LEADSTREAM_{name}": value for name, value in values.items()}

    # ---------------------------------------------------------------- life
    def start(self) -> float:
        began = time.monotonic()
        for role in (*BROKERS, "clickhouse"):
            self._spawn(role)
        self._keeper.start()
        self.running([*BROKERS, "clickhouse"])
        for command in (["topics", "apply"], ["migrate"]):
            done = subprocess.run(
                [sys.executable, "-m", "streams.cli.main", *command],
                env={**os.environ, **self._environment}, capture_output=True, text=True, cwd=ROOT,
                check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr[-2000:]
        for role in self.roles:
            if role not in self._children:
                self._spawn(role)
        self.all_run()
        self._watch.start()
        return round(time.monotonic() - began, 1)

    def stop(self) -> None:
        self._over.set()
        self._ended.set()
        self._keeper.join(10)
        for role in reversed(
            [
                *BROKERS,
                "clickhouse",
                *(role for role in self._children if role not in (*BROKERS, "clickhouse")),
            ]
        ):
            process = self._children.get(role)
            if process and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                # The data goes with the brokers.
                process.kill() if role in BROKERS else process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(20)
                process.kill()
                process.wait(20)

    def environment(self) -> dict[str, str]:
        return dict(self._environment)

    def shown(self) -> dict[str, dict[str, Any]]:
        return {role: dict(one) for role, one in list(self._shown.items())}

    def all_run(self, seconds: float = PATIENCE) -> None:
        def run() -> bool:
            shown = self.shown()
            return set(shown) >= set(self.roles) and all(
                one["state"] == "running" for one in shown.values()
            )

        until(
            run,
            lambda: (
                "not everything runs: "
                f"{ {role: one['state'] for role, one in self.shown().items()} }"
            ),
            seconds,
        )

    # ---------------------------------------------------------------- processes
    def _spawn(self, role: str) -> None:
        folder = self.home / "logs"
        folder.mkdir(exist_ok=True)
        with (folder / f"{role}.log").open("ab") as log:
            self._children[role] = process = (
                self._broker(role, log) if role in BROKERS else self._ours(role, log)
            )
        self._shown[role] = {
            "role": role,
            "pid": process.pid,
            "started": pids.started(process.pid),
            "state": "starting",
            "reason": "",
        }

    def _ours(self, role: str, log: IO[bytes]) -> subprocess.Popen[bytes]:
        port = (
            {"LEADSTREAM_METRICS_PORT": str(self._ports[role])}
            if role in WORKERS or role == "ticker"
            else {"LEADSTREAM_PORT": str(self._ports[role])}
        )
        arguments = ["worker", role] if role in WORKERS else [role]
        command = [sys.executable, "-m", "streams.cli.main", *arguments]
        environment = {**os.environ, **self._environment, **port}
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=ROOT,
            start_new_session=True,
        )

    def _broker(self, role: str, log: IO[bytes]) -> subprocess.Popen[bytes]:
        folder, number = self.home / role, BROKERS.index(role) + 1
        folder.mkdir(exist_ok=True)
        logs, properties = folder / "logs", folder / "server.properties"
        voters = ",".join(
            f"{place}@127.0.0.1:{self._ports[f'controller-{one}']}"
            for place, one in enumerate(BROKERS, 1)
        )
        port, controller = self._ports[role], self._ports[f"controller-{role}"]
        write(
            properties,
            _PROPERTIES.format(
                number=number, voters=voters, port=port, controller=controller, logs=logs
            ),
        )
        java = [
            str(broker.java()),
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xmx384m",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        ]
        environment = {**os.environ, "CLASSPATH": os.pathsep.join(map(str, broker.jars()))}
        if not (logs / "meta.properties").exists():
            tool = [
                "kafka.tools.StorageTool",
                "format",
                "-t",
                broker.CLUSTER_ID,
                "-c",
                str(properties),
            ]
            subprocess.run([*java, *tool], env=environment, stdout=log, stderr=log, check=True)
        return subprocess.Popen(
            [*java, "kafka.Kafka", str(properties)],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def _keep(self) -> None:
        """Query all each second and start again what ended; exit 78 awaits help, so it is shown."""
        paths = {
            "clickhouse": "/ping",
            "gateway": "/healthz",
            "live": "/api/v1/leads/-",
            **dict.fromkeys(BROKERS, answers.KAFKA),
        }
        while not self._over.wait(0.5):
            for role, process in list(self._children.items()):
                code = process.poll()
                if code is not None and code != os.EX_CONFIG:
                    self._spawn(role)
                elif code is not None:
                    self._shown[role]["state"] = "stopped"
            asked = {
                role: Question(self._ports[role], paths.get(role, "/readyz"))
                for role in list(self._children)
            }
            for role, answer in answers.ask(asked).items():
                if self._shown[role]["state"] != "stopped":
                    self._shown[role]["state"] = "running" if answer.ready else "not ready"
