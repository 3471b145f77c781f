"""The only place that opens connections: to Kafka and to ClickHouse.

All clients (kafka-python, aiokafka, Faust) of one installation speak to one cluster with one
identity, so TLS, SASL and addresses are settings of the process (`LEADSTREAM_KAFKA_*`,
`LEADSTREAM_CLICKHOUSE_*`) and no caller's choice. Callers choose what concerns their own records:
acknowledgements, batching, time limits.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import aiokafka.abc
import clickhouse_connect
import faust
import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.net.sasl.oauth import AbstractTokenProvider

from schemas.errors import LeadstreamError

if TYPE_CHECKING:
    from streams.settings import Settings

_PORTS = {"http": 8123, "https": 8443}
_EARLY_SECONDS = 30.0  # renew a token so long before it ends: a broker refuses one that has ended
_PATIENCE = 60  # seconds until a silent ClickHouse counts as away


class BadConnection(LeadstreamError, ValueError):  # noqa: N818 - it says whose move it is
    """A connection's settings can't be used; the text names the setting and what to write."""


def producer(settings: Settings, **options: Any) -> KafkaProducer:
    """Open a kafka-python producer that waits for all replicas; `options` are kafka-python's."""
    return KafkaProducer(**{"acks": "all", **python_options(settings), **options})


def consumer(settings: Settings, **options: Any) -> KafkaConsumer:
    """Open a kafka-python consumer that commits nothing by itself."""
    return KafkaConsumer(**{"enable_auto_commit": False, **python_options(settings), **options})


def admin(settings: Settings, **options: Any) -> KafkaAdminClient:
    """Open a kafka-python admin client."""
    return KafkaAdminClient(**{**python_options(settings), **options})


def async_producer(settings: Settings, **options: Any) -> AIOKafkaProducer:
    """Make an aiokafka producer that waits for all replicas; the caller starts and stops it."""
    return AIOKafkaProducer(**{"acks": "all", **_async_options(settings), **options})


def async_consumer(settings: Settings, **options: Any) -> AIOKafkaConsumer:
    """Make an aiokafka consumer that commits nothing; the caller starts and stops it."""
    made = {"enable_auto_commit": False, **_async_options(settings), **options}
    return AIOKafkaConsumer(**made)


def python_options(settings: Settings) -> dict[str, Any]:
    """Return what kafka-python needs to reach the cluster; `LeadPublisher` takes these too."""
    options: dict[str, Any] = {"bootstrap_servers": settings.brokers.split(",")}
    options |= _security(settings)
    if settings.kafka_sasl_mechanism == "OAUTHBEARER":
        options["sasl_oauth_token_provider"] = _PythonTokens(settings)
    return options


def _async_options(settings: Settings) -> dict[str, Any]:
    options: dict[str, Any] = {"bootstrap_servers": settings.brokers, **_security(settings)}
    if settings.kafka_sasl_mechanism == "OAUTHBEARER":
        options["sasl_oauth_token_provider"] = _AsyncTokens(settings)
    return options


def faust_credentials(settings: Settings) -> faust.auth.Credentials | None:
    """Return Faust's form of the same; None for a plain connection.

    Raises:
        BadConnection: a setting is missing or contradicts another.

    """
    found = _security(settings)
    context = found.get("ssl_context")
    if settings.kafka_sasl_mechanism == "OAUTHBEARER" and "sasl_mechanism" in found:
        return faust.auth.OAuthCredentials(oauth_cb=_AsyncTokens(settings), ssl_context=context)
    if "sasl_mechanism" in found:
        return faust.auth.SASLCredentials(
            username=found["sasl_plain_username"],
            password=found["sasl_plain_password"],
            mechanism=found["sasl_mechanism"],
            ssl_context=context,
        )
    return faust.auth.SSLCredentials(context) if context else None


def _security(settings: Settings) -> dict[str, Any]:
    """Return the options that kafka-python and aiokafka name alike."""
    protocol, mechanism = settings.kafka_security, settings.kafka_sasl_mechanism
    if protocol.startswith("SASL") != bool(mechanism):
        raise BadConnection(
            f"LEADSTREAM_KAFKA_SECURITY is {protocol} and LEADSTREAM_KAFKA_SASL_MECHANISM is "
            f"{mechanism or 'not set'}: "
            "set a mechanism with SASL_PLAINTEXT or SASL_SSL, and only then"
        )
    options: dict[str, Any] = {}
    if protocol != "PLAINTEXT":
        options["security_protocol"] = protocol
    if protocol.endswith("SSL"):
        options["ssl_context"] = _context(settings)
    if not mechanism:
        return options
    options["sasl_mechanism"] = mechanism
    if mechanism == "OAUTHBEARER":
        if not settings.kafka_oauth_token_url:
            raise BadConnection("OAUTHBEARER needs LEADSTREAM_KAFKA_OAUTH_TOKEN_URL and a client")
        return options
    password = settings.kafka_password.get_secret_value()
    if not settings.kafka_username or not password:
        raise BadConnection(f"{mechanism} needs LEADSTREAM_KAFKA_USERNAME and _KAFKA_PASSWORD")
    return {
        **options,
        "sasl_plain_username": settings.kafka_username,
        "sasl_plain_password": password,
    }


def _context(settings: Settings) -> ssl.SSLContext:
    """Make a TLS context that checks the broker's certificate and its host name."""
    try:
        context = ssl.create_default_context(cafile=_file(settings.kafka_ca_file))
        if settings.kafka_cert_file.name:
            key = _file(settings.kafka_key_file)
            password = settings.kafka_key_password.get_secret_value() or None
            context.load_cert_chain(settings.kafka_cert_file, key, password)
    except (OSError, ssl.SSLError) as error:
        raise BadConnection(
            f"LEADSTREAM_KAFKA_CA_FILE, _CERT_FILE or _KEY_FILE can't be used: {error}; "
            "each is a PEM file"
        ) from error
    return context


def _file(path: Any) -> str | None:
    return str(path) if path.name else None


class Tokens:
    """Keep one token of the client-credentials grant (RFC 6749, 4.4), not quite to its end."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._lock = settings, threading.Lock()
        self._token, self._ends = "", 0.0

    def current(self) -> str:
        """Return a token that has not ended."""
        with self._lock:
            if time.monotonic() > self._ends - _EARLY_SECONDS:
                self._renew()
            return self._token

    def _renew(self) -> None:
        settings = self._settings
        form = {"grant_type": "client_credentials"}
        if settings.kafka_oauth_scope:
            form["scope"] = settings.kafka_oauth_scope
        client = (
            settings.kafka_oauth_client_id,
            settings.kafka_oauth_client_secret.get_secret_value(),
        )
        answer = httpx.post(settings.kafka_oauth_token_url, data=form, auth=client, timeout=10.0)
        answer.raise_for_status()
        body = answer.json()
        self._token = str(body["access_token"])
        self._ends = time.monotonic() + float(body.get("expires_in", 300))


class _PythonTokens(AbstractTokenProvider):
    """kafka-python's token provider."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._tokens = Tokens(settings)

    def token(self) -> str:
        return self._tokens.current()


class _AsyncTokens(aiokafka.abc.AbstractTokenProvider):
    """The token provider of aiokafka and Faust."""

    def __init__(self, settings: Settings) -> None:
        self._tokens = Tokens(settings)

    async def token(self) -> str:
        return await asyncio.to_thread(self._tokens.current)


def clickhouse_client(settings: Settings, patience: int = _PATIENCE) -> Any:
    """Open a client on the installation's database that waits `patience` s for an answer.

    The address is `http(s)://[user[:password]@]host[:port][/path]`, where a path is a proxy's.

    Raises:
        BadConnection: the address can't be read.

    """
    try:
        url = urlsplit(settings.clickhouse_url)
        port = url.port
        good = url.scheme in _PORTS and bool(url.hostname) and not (url.query or url.fragment)
    except ValueError:  # an open bracket, a port that is no number
        good = False
    if not good:  # it may hold a password, so it is not repeated
        raise BadConnection(
            "LEADSTREAM_CLICKHOUSE_URL is no address: write http://host:8123 "
            "or https://host:8443; an IPv6 host stands in brackets"
        )
    secure = url.scheme == "https"
    authority = _file(settings.clickhouse_ca_file)
    return clickhouse_connect.get_client(
        host=url.hostname,
        port=port or _PORTS[url.scheme],
        secure=secure,
        username=unquote(url.username) if url.username else settings.clickhouse_user,
        password=unquote(url.password)
        if url.password
        else settings.clickhouse_password.get_secret_value(),
        database=settings.clickhouse_database,
        proxy_path=url.path.strip("/"),
        verify=settings.clickhouse_verify,
        **({"ca_cert": authority} if secure and authority else {}),
        autogenerate_session_id=False,
        send_receive_timeout=patience,
    )
