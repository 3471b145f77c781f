"""Users of a ClickHouse server: ClickHouse's own parser reads the statements, no server runs."""

from hashlib import sha256

import pytest
from pydantic import SecretStr

from sinks.clickhouse import access, grants
from streams.connections import clickhouse_client
from tests.conftest import ROOT

SCRIPT = ROOT / "deploy" / "clickhouse" / "access.sql"


def statements():
    lines = [line for line in SCRIPT.read_text().splitlines() if not line.startswith("--")]
    return [part.strip() for part in "\n".join(lines).split(";\n") if part.strip().strip(";")]


def test_the_committed_users_are_what_the_code_makes():
    assert SCRIPT.read_text() == access.script()


def test_clickhouse_reads_every_statement_of_the_users(emptied):
    assert len(statements()) == 31
    for statement in statements():
        written = emptied.query(
            "SELECT formatQuerySingleLine({q:String})", parameters={"q": statement.rstrip(";")}
        ).first_row[0]
        kind = statement.split()[0]
        assert written.startswith(kind), written


def test_no_password_stands_in_the_file_and_each_user_has_one_role():
    text = SCRIPT.read_text()
    assert (
        text.count("IDENTIFIED WITH sha256_hash BY {")
        == 2 * len(access.USERS)
        == text.count("IDENTIFIED")
    )
    for user in access.USERS:
        assert f"GRANT {user.role} TO {user.name} WITH REPLACE OPTION;" in text
    assert "ALTER QUOTA leadstream_grafana" in text


def test_a_reader_is_given_neither_contents_nor_anything_that_leaves_the_database():
    given = grants.of_reader("lead")
    assert all(grant.privileges.startswith("SELECT") for grant in given)
    whole = {grant.on for grant in given if grant.privileges == "SELECT"}
    assert not whole & {
        f"lead.{table}" for table in ("touches", "dead_letters", "aliases", "fact_revisions")
    }
    assert not {name for names in grants.COLUMNS.values() for name in names} & {
        "content",
        "reason",
        "event_id",
        "origin",
        "lead_id",
    }
    told = {grant.on for grant in grants.of_teller("lead")} - {grant.on for grant in given}
    assert told == {"lead.fact_revisions", "lead.aliases"}  # of touches it has some columns anyway
    wide = [grant.on for grant in grants.of_writer("lead") if "*" in grant.on]
    assert wide == ["lead.*", "lead_preview_*.*"]


def test_a_databases_name_is_a_word():
    with pytest.raises(ValueError, match="can't name a database"):
        grants.of_reader("lead.* TO me; --")


def test_users_are_left_alone_and_reported_where_nobody_may_manage_them(engine):
    assert access.apply(clickhouse_client(engine), engine) == [
        "users: left as they are, since default may not manage access here"
    ]


class Server:
    """What a server whose user may manage access would be asked."""

    def __init__(self):
        self.asked = []

    def query(self, _sql):
        return type("Result", (), {"first_row": (1,)})

    def command(self, sql, parameters=None):
        self.asked.append((sql, parameters))


def test_a_server_gets_hashes_and_a_user_without_a_password_is_not_made(engine):
    settings = engine.model_copy(
        update={
            "clickhouse_viewer_password": SecretStr("v"),
            "clickhouse_grafana_password": SecretStr(""),
        }
    )
    server = Server()
    done = access.apply(server, settings)
    assert done == [
        "user leadstream_writer: not made, since LEADSTREAM_CLICKHOUSE_WRITER_PASSWORD is not set",
        "user leadstream_viewer: has the role leadstream_telling",
        "user grafana: not made, since LEADSTREAM_CLICKHOUSE_GRAFANA_PASSWORD is not set",
    ]
    assert [given for _, given in server.asked if given] == [
        {"viewer_hash": sha256(b"v").hexdigest()}
    ] * 2
    assert next(sql for sql, _ in server.asked if "USER" in sql).startswith(
        "CREATE USER IF NOT EXISTS leadstream_viewer"
    )
