"""The only reader of the environment. Every setting has a default that works on one machine, but the secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

if TYPE_CHECKING:
    from collections.abc import Mapping

WORKERS = ("normalise", "normalise-import", "resolve", "advance", "deliver")
DROPPED = "dropped"  # the file in a generation's folder that says that nobody folds it any more


def roles(home: Path) -> list[str]:
    """Name the workers of a home: each generation that was not dropped has an `advance` of its own, and keeps it for a roll-back."""
    folders = [one for one in (home / "generations").glob("*") if one.name.isdigit() and not (one / DROPPED).exists()]
    numbers = sorted(int(folder.name) for folder in folders) or [1]  # a server keeps no folders: LEADSTREAM_GENERATION says which
    advances = ["advance" if number == 1 else f"advance@{number}" for number in numbers]
    return [*(worker for worker in WORKERS if worker != "advance"), *advances]


def split(role: str) -> tuple[str, str]:
    """Give a role's worker and generation; `advance@2` is `advance` of 2, and a generation that is not named is empty."""
    worker, _, generation = role.partition("@")
    return worker, generation


class Settings(BaseSettings):
    """Settings of every process, from `LEADSTREAM_*` variables; secrets also from files (`LEADSTREAM_SECRETS_DIR`)."""

    model_config = SettingsConfigDict(env_prefix="LEADSTREAM_", extra="ignore")

    home: Path = Path(".leadstream")
    brokers: str = "127.0.0.1:9092"
    partitions: int = 4
    replication: int = 1
    session_timeout: float = 6.0
    generation: int = 1
    funnel: Path = Path()  # a definition, or a folder of its versions
    birth: Path = Path()  # of an adopted generation: a JSON file, {partition: end offset of lead.touches}
    ignored_aliases: str = ""  # patterns with commas between, like `email:info@*,phone:+33123456789`: these name nobody
    identity_key: SecretStr = SecretStr("")
    clickhouse_url: str = "http://127.0.0.1:8123"
    clickhouse_user: str = "default"
    clickhouse_password: SecretStr = SecretStr("")
    clickhouse_database: str = "lead"
    sink_every: float = 0.2  # seconds; 1 on a cluster
    sink_rows: int = 10_000
    host: str = "127.0.0.1"
    port: int = 0
    metrics_port: int = 0
    max_body_bytes: int = 1_000_000
    ingest_token: SecretStr = SecretStr("")  # bearer token of the generic route and of the Salesforce relay
    segment_secret: SecretStr = SecretStr("")
    meta_app_secret: SecretStr = SecretStr("")
    meta_verify_token: SecretStr = SecretStr("")
    google_key: SecretStr = SecretStr("")
    hubspot_secret: SecretStr = SecretStr("")
    salesforce_org: str = "default"  # CDC bodies carry no org: the connection says it
    meta_currency: str = "EUR"  # insights carry no currency: the connection says it
    public_url: str = ""  # what HubSpot signs: the address it was told, not the one behind a proxy
    broker_port: int = Field(default=0, ge=0)
    process: str = ""  # the role as which a stack started this process, `advance@2` say
    # supervision, in seconds: how long a process may say nothing until it is killed and started again
    supervise_worker: float = 60.0  # workers, gateway and live page
    supervise_ticker: float = 10.0
    supervise_server: float = 240.0  # broker and ClickHouse, once they have answered: recovery at a start takes its time
    restart_longest: float = 30.0  # the longest pause before a process that keeps ending is started again
    restart_forgotten: float = 60.0  # so long in health, and the pauses begin small again
    ticker_patience: float = 5.0  # a tick that is not acknowledged by then: a new producer
    log_bytes: int = Field(default=10_000_000, ge=1000)  # a log that is as large is moved aside
    log_files: int = Field(default=2, ge=0)  # how many of a role's are kept beside the newest

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Settings:
        """Give the settings that a process with this environment would have."""
        prefix = cls.model_config["env_prefix"]
        return cls(**{name.removeprefix(prefix).lower(): value for name, value in environment.items() if name.startswith(prefix)})  # type: ignore[arg-type]

    def ignored(self) -> tuple[str, ...]:
        """Give the patterns of the aliases that name nobody."""
        return tuple(filter(None, (pattern.strip() for pattern in self.ignored_aliases.split(","))))

    def app_id(self, worker: str) -> str:
        """Name a worker's application: another number of own partitions is another one, since fences can't be compared.

        Each generation of facts has an `advance` of its own; all other workers serve every generation.
        """
        name = f"{worker}-{self.generation}" if worker == "advance" else worker
        return f"leadstream-{name}-{self.partitions}"

    def changelog(self, worker: str) -> str:
        """Name the topic of a stateful worker's rows, as Faust names it."""
        return f"{self.app_id(worker)}-{worker}-changelog"

    def role(self, name: str) -> Settings:
        """Give the settings of a worker by its role: `advance@2` folds generation 2."""
        generation = split(name)[1]
        return self.model_copy(update={"generation": int(generation)}) if generation else self

    def born(self) -> dict[int, int]:
        """Give the end offsets of lead.touches when this generation was adopted: what lies below, the one before it forwarded."""
        if not self.birth.name:
            return {}
        return {int(partition): int(offset) for partition, offset in json.loads(self.birth.read_text()).items()}

    def identity(self) -> bytes:
        """Give the installation's identity key.

        Raises:
            ValueError: it is missing; without it ids could be guessed from emails.

        """
        key = self.identity_key.get_secret_value()
        if len(key) < 16:
            raise ValueError(
                "LEADSTREAM_IDENTITY_KEY is missing or shorter than 16 characters: "
                "set it to a secret that you keep for as long as you keep the data"
            )
        return key.encode()
