"""Addresses and security settings: what is right is understood, what is wrong names the setting."""

import pytest

from streams import connections
from streams.settings import Settings


@pytest.fixture
def opened(monkeypatch):
    """Return what ClickHouse's client would be opened with."""
    given = {}
    monkeypatch.setattr(
        connections.clickhouse_connect, "get_client", lambda **options: given.update(options)
    )

    def open_(**fields):
        given.clear()
        connections.clickhouse_client(Settings(**fields))
        return given

    return open_


@pytest.mark.parametrize(
    ("url", "host", "port", "secure", "path"),
    [
        ("http://127.0.0.1:8123", "127.0.0.1", 8123, False, ""),
        ("http://click.example/", "click.example", 8123, False, ""),
        ("https://click.example", "click.example", 8443, True, ""),
        ("http://[::1]:9000", "::1", 9000, False, ""),
        ("https://gate.example/clickhouse/", "gate.example", 8443, True, "clickhouse"),
    ],
)
def test_an_address_of_clickhouse_is_read_as_it_is_written(opened, url, host, port, secure, path):
    given = opened(clickhouse_url=url)
    address = (given["host"], given["port"], given["secure"], given["proxy_path"])
    assert address == (host, port, secure, path)


def test_a_user_in_the_address_goes_before_the_settings(opened):
    given = opened(
        clickhouse_url="https://ann:p%40ss@click.example",
        clickhouse_user="bob",
        clickhouse_ca_file="/ca.pem",
    )
    login = (given["username"], given["password"], given["ca_cert"], given["verify"])
    assert login == ("ann", "p@ss", "/ca.pem", True)


@pytest.mark.parametrize(
    "url",
    [
        "click.example",
        "tcp://click.example",
        "http://",
        "http://x/?database=lead",
        "",
        "http://ann:secret@x:port",
        "http://[::1",
    ],
)
def test_what_is_no_address_of_clickhouse_is_refused_by_its_setting_and_not_repeated(url):
    with pytest.raises(connections.BadConnection, match="LEADSTREAM_CLICKHOUSE_URL") as refused:
        connections.clickhouse_client(Settings(clickhouse_url=url))
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"kafka_security": "SASL_SSL"}, "KAFKA_SASL_MECHANISM"),
        ({"kafka_sasl_mechanism": "PLAIN"}, "KAFKA_SECURITY"),
        ({"kafka_security": "SASL_PLAINTEXT", "kafka_sasl_mechanism": "PLAIN"}, "KAFKA_USERNAME"),
        (
            {"kafka_security": "SASL_PLAINTEXT", "kafka_sasl_mechanism": "OAUTHBEARER"},
            "OAUTH_TOKEN_URL",
        ),
        ({"kafka_security": "SSL", "kafka_ca_file": "/no/such.pem"}, "KAFKA_CA_FILE"),
    ],
)
def test_security_that_can_not_work_names_the_setting(fields, named):
    settings = Settings(**fields)
    for turn in (connections.python_options, connections.faust_credentials):
        with pytest.raises(connections.BadConnection, match=named):
            turn(settings)


def test_secrets_are_read_from_files_and_variables_go_before(monkeypatch, tmp_path):
    (tmp_path / "leadstream_identity_key").write_text("a key out of a file, long enough\n")
    (tmp_path / "leadstream_kafka_password").write_text("filed")
    monkeypatch.setenv("LEADSTREAM_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("LEADSTREAM_KAFKA_PASSWORD", "said")
    settings = Settings()
    assert settings.identity() == b"a key out of a file, long enough"
    assert settings.kafka_password.get_secret_value() == "said"


def test_a_folder_of_secrets_that_is_not_there_stops_the_start(monkeypatch, tmp_path):
    monkeypatch.setenv("LEADSTREAM_SECRETS_DIR", str(tmp_path / "gone"))
    with pytest.raises(ValueError, match="LEADSTREAM_SECRETS_DIR"):
        Settings()
