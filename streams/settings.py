"""The only reader of the environment. All settings but secrets have defaults for one machine."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from schemas import topics

if TYPE_CHECKING:
    from collections.abc import Mapping


WORKERS = tuple(topics.WORKERS)
PER_GENERATION = tuple(name for name, one in topics.WORKERS.items() if one.per_generation)
MIN_TOKEN = 16  # characters; a shorter bearer token can be guessed
LIVE_FROM = "live-from.json"  # from which offsets on an adopted generation forwards and notifies
_LIVE_FROM_FORMERLY = "birth.json"
DROPPED = "dropped"  # the file that marks a generation's folder: nobody folds it any more


def live_from(folder: Path) -> Path:
    """Return the LIVE_FROM file of an adopted generation's folder, under its former name too."""
    former = folder / _LIVE_FROM_FORMERLY
    return former if former.exists() else folder / LIVE_FROM


def roles(home: Path) -> list[str]:
    """Return the workers of a home: each generation that was not dropped keeps its own."""
    folders = [
        one
        for one in (home / "generations").glob("*")
        if one.name.isdigit() and not (one / DROPPED).exists()
    ]
    # A server keeps no folders: LEADSTREAM_GENERATION decides.
    numbers = sorted(int(folder.name) for folder in folders) or [1]
    own = [_role(worker, number) for worker in PER_GENERATION for number in numbers]
    return [*(worker for worker in WORKERS if worker not in PER_GENERATION), *own]


def _role(worker: str, generation: int) -> str:
    later = worker in PER_GENERATION and generation != 1
    return f"{worker}@{generation}" if later else worker


def split(role: str) -> tuple[str, str]:
    """Return a role's worker and generation: `advance@2` is `advance` of 2, others have ""."""
    worker, _, generation = role.partition("@")
    return worker, generation


def _entries(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def role_of(settings: Settings, worker: str) -> str:
    """Return a worker's role: an `advance` of a later generation carries its number."""
    return _role(worker, settings.generation)


def write_stopped(home: Path, role: str, reason: str) -> None:
    """Write why a worker stopped, for `status` and `doctor`; a full disk must not hide its log."""
    folder = home / "stopped"
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        stopped = {
            "reason": reason,
            "command": f"leadstream resume {role}",
            "at": int(time.time() * 1000),
        }
        (folder / f"{role}.json").write_text(json.dumps(stopped), encoding="utf-8")


class _Others(PydanticBaseSettingsSource):
    """Reads every variable and file under the prefix that is no setting of ours."""

    def __init__(self, settings_cls: type[BaseSettings], folder: str | None) -> None:
        super().__init__(settings_cls)
        self._folder = folder

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """Return no field's value: what this reads is none."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the values by name, in lower case, without the prefix."""
        prefix = "leadstream_"
        found: dict[str, str] = {}
        if self._folder and Path(self._folder).is_dir():
            files = [
                path
                for path in Path(self._folder).iterdir()
                if path.is_file() and path.name.lower().startswith(prefix)
            ]
            found = {path.name.lower(): path.read_text(encoding="utf-8").strip() for path in files}
        found |= {
            name.lower(): value
            for name, value in os.environ.items()
            if name.lower().startswith(prefix)
        }
        known = self.settings_cls.model_fields.keys()
        return {
            key: value
            for name, value in found.items()
            if (key := name.removeprefix(prefix)) not in known
        }


class Settings(BaseSettings):
    """Settings of every process: `LEADSTREAM_*` variables, secrets also in files of a folder."""

    model_config = SettingsConfigDict(env_prefix="LEADSTREAM_", extra="ignore")

    home: Path = Path(".leadstream")
    brokers: str = "127.0.0.1:9092"
    # How every Kafka client connects (streams/connections.py); certificates are PEM files.
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = ""
    kafka_username: str = ""
    kafka_password: SecretStr = SecretStr("")
    kafka_oauth_token_url: str = ""  # client-credentials grant of RFC 6749
    kafka_oauth_client_id: str = ""
    kafka_oauth_client_secret: SecretStr = SecretStr("")
    kafka_oauth_scope: str = ""
    kafka_ca_file: Path = Path()  # empty: the system's authorities
    kafka_cert_file: Path = Path()  # of mutual TLS
    kafka_key_file: Path = Path()
    kafka_key_password: SecretStr = SecretStr("")
    partitions: int = 4
    replication: int = 1
    session_timeout: float = 6.0
    generation: int = 1
    funnel: Path = Path()  # a definition, or a folder of its versions
    # Of an adopted generation: a JSON file, {partition: offset of lead.touches}.
    live_from_file: Path = Path()
    # A source whose last `window` records in a partition hold at least `least` dead letters, and
    # more than `share` of them, is parked there (streams/engine/breaker.py).
    breaker_window: int = Field(default=1_000, ge=1)
    breaker_share: float = Field(default=0.5, gt=0, le=1)
    breaker_least: int = Field(default=100, ge=1)
    # Patterns with commas between, like `email:info@*,phone:+33123456789`: these name nobody.
    ignored_aliases: str = ""
    identity_key: SecretStr = SecretStr("")
    clickhouse_url: str = "http://127.0.0.1:8123"  # http(s)://[user[:password]@]host[:port][/path]
    clickhouse_user: str = "default"
    clickhouse_password: SecretStr = SecretStr("")
    # Of a user that reads figures and nothing else.
    clickhouse_viewer_password: SecretStr = SecretStr("")
    # Of a server's user that workers write as: `migrate` makes it.
    clickhouse_writer_password: SecretStr = SecretStr("")
    clickhouse_grafana_password: SecretStr = SecretStr("")
    clickhouse_database: str = "lead"
    clickhouse_ca_file: Path = Path()  # a PEM file; empty: the system's authorities
    clickhouse_verify: bool = True
    sink_every: float = 0.2  # seconds; 1 on a cluster
    sink_rows: int = 10_000
    host: str = "127.0.0.1"
    port: int = 0
    # Names under which the live page is reached besides loopback's, with commas between.
    allowed_hosts: str = ""
    # Of the live page's login and API; needed outside of loopback.
    live_token: SecretStr = SecretStr("")
    # Tokens of people and machines with their roles, as hashes; `leadstream token` writes it.
    # Empty: `tokens` in the home.
    tokens_file: Path = Path()
    # Set by a proxy of your own once it knows who asks, like X-Forwarded-User.
    trusted_proxy_header: str = ""
    # What those it names may see, and, with commas between, whom it names that see leads as well.
    trusted_proxy_role: Literal["viewer", "lead_details"] = "viewer"
    trusted_proxy_details: str = ""
    # Addresses or networks of proxies of your own, with commas between: of the live page, whose
    # header is believed; of the gateway, whose X-Forwarded-For names the client.
    trusted_proxies: str = ""
    metrics_port: int = 0
    # What the gateway takes before it knows who speaks. The largest body and the largest head
    # together stay below `max.message.bytes` of the raw topics, so that Kafka takes what it took.
    max_body_bytes: int = Field(default=1_000_000, ge=1, le=2_000_000)  # also of a decoded body
    max_header_bytes: int = Field(default=16_384, ge=1_024, le=65_536)  # request line and headers
    max_headers: int = Field(default=100, ge=10)
    max_buffered_bytes: int = Field(default=64_000_000, ge=2_000_000)  # all bodies held at once
    header_seconds: float = Field(default=10.0, gt=0)  # for the whole head, from its first byte
    body_seconds: float = Field(default=30.0, gt=0)  # for the whole body, however it drips
    keep_alive_seconds: int = Field(default=30, ge=1)
    max_connections: int = Field(default=1_000, ge=1)
    # Behind a proxy: as max_connections.
    max_connections_per_address: int = Field(default=256, ge=1)
    # Token buckets, requests a second and how many at once: of a remote address (an IPv6 network
    # of 64 bits), asked before anything is read, and of a source, asked once its sender is proven.
    address_rate: float = Field(default=2_000.0, gt=0)
    address_burst: float = Field(default=4_000.0, ge=1)
    source_rate: float = Field(default=2_000.0, gt=0)
    source_burst: float = Field(default=4_000.0, ge=1)
    # Exceptions, `name=rate` or `name=rate:burst`: "hubspot=50,segment=500:1000".
    source_rates: str = ""
    # Retrievers ask a vendor whose token is set (docs/retrievers.md). Rates are `name=rate` or
    # `name=rate:burst` in requests a second; pauses are seconds and grow from the first to the
    # longest.
    retriever_rates: str = ""
    retriever_parallel: int = Field(default=4, ge=1, le=100)  # requests to one vendor at once
    # Seconds for one request, its whole answer included.
    retriever_deadline: float = Field(default=20.0, gt=0)
    retriever_attempts: int = Field(default=8, ge=1)  # of a request to a vendor that is not well
    retriever_pause: float = Field(default=0.5, gt=0)
    retriever_longest: float = Field(default=60.0, gt=0)
    # Until a token that was refused is tried again.
    retriever_token_pause: float = Field(default=30.0, gt=0)
    # Bearer tokens. The first opens /v1/events for every source but a vendor's name, and the routes
    # of the Salesforce relay and of ad spend; but nothing that a token is named for below.
    ingest_token: SecretStr = SecretStr("")
    # `name=token` with commas between: each token speaks for its one name. The name of a vendor
    # with a relay (salesforce, google, ...) opens that vendor's relay, and closes it to
    # `ingest_token`; any other one sends CloudEvents of that `source` to /v1/events. So a stage's
    # `authority` is held by whoever holds the vendor's own token or secret, and by nobody else.
    ingest_tokens: SecretStr = SecretStr("")
    # Everything else under the prefix: secrets and options of vendors (streams/sources/vendors).
    others: Annotated[dict[str, SecretStr], NoDecode] = Field(default_factory=dict, repr=False)
    # The notifier (docs/notifications.md) runs once its book is named: a YAML file of addresses.
    notify_book: Path = Path()
    notify_secret: SecretStr = SecretStr("")  # signs the webhook to the CRM
    # Seconds until proof of a clock is usually here, of sources that were not heard in a week.
    notify_delay: float = Field(default=60.0, ge=0)
    # A level that was reached more seconds ago when it is first seen waits for the next digest.
    notify_old: float = Field(default=86_400.0, gt=0)
    notify_patience: float = Field(default=3_600.0, gt=0)  # seconds to try a message for
    live_url: str = ""  # the live page as people reach it, for links to leads
    public_url: str = ""  # what HubSpot signs: the address it has, not the one behind a proxy
    broker_port: int = Field(default=0, ge=0)
    # Supervision, in seconds: how long a process may be silent until it is killed and restarted.
    supervise_worker: float = 60.0  # workers, gateway and live page
    supervise_ticker: float = 10.0
    # Broker and ClickHouse, once they have answered: recovery at a start takes its time.
    supervise_server: float = 240.0
    # The longest pause before a process that keeps ending is started again.
    restart_longest: float = 30.0
    restart_forgotten: float = 60.0  # so long in health, and the pauses begin small again
    ticker_patience: float = 5.0  # a tick that is not acknowledged by then: a new producer
    log_bytes: int = Field(default=10_000_000, ge=1000)  # a log that is as large is moved aside
    log_files: int = Field(default=2, ge=0)  # how many of a role's are kept beside the newest

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings' signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read variables first, then files named like them in the folder LEADSTREAM_SECRETS_DIR.

        Raises:
            ValueError: the folder is named and is not there: nothing may start without its secrets.

        """
        folder = os.environ.get("LEADSTREAM_SECRETS_DIR")
        others = _Others(settings_cls, folder)
        if not folder:
            return init_settings, env_settings, others
        if not Path(folder).is_dir():
            raise ValueError(f"LEADSTREAM_SECRETS_DIR names {folder}, which is no folder: mount it")
        return (
            init_settings,
            env_settings,
            SecretsSettingsSource(settings_cls, secrets_dir=folder),
            others,
        )

    @model_validator(mode="before")
    @classmethod
    def _keep_others(cls, given: dict[str, Any]) -> dict[str, Any]:
        known = cls.model_fields.keys()
        others = {name: value for name, value in given.items() if name not in known}
        kept = given.get("others")
        return {name: value for name, value in given.items() if name in known} | {
            "others": {
                **others,
                # A variable of that name is nobody's.
                **(kept if isinstance(kept, dict) else {}),
            }
        }

    def tokens_path(self) -> Path:
        """Return the file of the live page's tokens."""
        return self.tokens_file if self.tokens_file.name else self.home / "tokens"

    def secret(self, name: str) -> tuple[str, ...]:
        """Return a vendor's secret as it is valid now: the present value, and the one before."""
        found = (
            self.others.get(one, SecretStr("")).get_secret_value()
            for one in (name, f"{name}_previous")
        )
        return tuple(value for value in found if value)

    def option(self, name: str) -> str:
        """Return a vendor's option; empty where it is not set."""
        return self.others.get(name, SecretStr("")).get_secret_value()

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings that a process with this environment would have."""
        prefix = cls.model_config["env_prefix"]
        given = {
            name.removeprefix(prefix).lower(): value
            for name, value in environment.items()
            if name.startswith(prefix)
        }
        return cls(**given)  # type: ignore[arg-type]

    def speakers(self) -> dict[str, str]:
        """Return the named bearer tokens, by token the one name that it speaks for.

        Raises:
            ValueError: an entry is not `name=token`, or two names share a token.

        """
        found: dict[str, str] = {}
        for place, entry in enumerate(_entries(self.ingest_tokens.get_secret_value()), 1):
            name, _, token = (part.strip() for part in entry.partition("="))
            if not re.fullmatch(r"[a-z0-9_]{1,40}", name) or len(token) < MIN_TOKEN:
                raise ValueError(  # never with the entry itself: it may be the secret
                    f"LEADSTREAM_INGEST_TOKENS: entry {place} is no name=token: write a name of "
                    f"a-z, 0-9 and _, and a token of at least {MIN_TOKEN} characters"
                )
            if token in found or token == self.ingest_token.get_secret_value():
                raise ValueError(
                    f"LEADSTREAM_INGEST_TOKENS: the token of {name!r} is another one's too: "
                    "a token speaks for one name"
                )
            found[token] = name
        return found

    def rates(
        self, setting: Literal["source_rates", "retriever_rates"] = "source_rates"
    ) -> dict[str, tuple[float, float]]:
        """Return the rates of sources that differ from the default, as (a second, at once).

        Raises:
            ValueError: an entry is neither `name=rate` nor `name=rate:burst`.

        """
        found: dict[str, tuple[float, float]] = {}
        for entry in _entries(getattr(self, setting)):
            parts = re.fullmatch(r"(\w+)\s*=\s*([0-9.]{1,12})(?::([0-9.]{1,12}))?", entry)
            try:
                name, rate, burst = parts.groups() if parts else ("", "0", None)
                found[name] = (float(rate), max(1.0, float(burst or rate)))
            except ValueError:
                name, rate = "", "0"
            if not name or not float(rate):
                raise ValueError(
                    f"LEADSTREAM_{setting.upper()}: {entry!r} is neither name=rate "
                    "nor name=rate:burst"
                )
        return found

    def ignored(self) -> tuple[str, ...]:
        """Return the patterns of the aliases that name nobody."""
        return tuple(filter(None, (pattern.strip() for pattern in self.ignored_aliases.split(","))))

    def app_id(self, worker: str) -> str:
        """Return the name of a worker's application, a new one for another number of partitions.

        Fences of different numbers of partitions can't be compared. Each generation of facts has
        its own workers of PER_GENERATION; all others serve every generation.
        """
        name = f"{worker}-{self.generation}" if worker in PER_GENERATION else worker
        return f"leadstream-{name}-{self.partitions}"

    def changelog(self, worker: str) -> str:
        """Return the topic of a stateful worker's rows, as Faust names it."""
        return f"{self.app_id(worker)}-{worker}-changelog"

    def role(self, name: str) -> Settings:
        """Return the settings of a worker by its role: `advance@2` folds generation 2."""
        generation = split(name)[1]
        return self.model_copy(update={"generation": int(generation)}) if generation else self

    def adoption_offsets(self) -> dict[int, int]:
        """Return from where in lead.touches this generation forwards and notifies, by partition.

        What lies below, the generation before it has seen to.
        """
        if not self.live_from_file.name:
            return {}
        named = self.live_from_file
        path = named if named.exists() else live_from(named.parent)
        return {
            int(partition): int(offset)
            for partition, offset in json.loads(path.read_text()).items()
        }

    def identity(self) -> bytes:
        """Return the installation's identity key.

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
