"""Migrations run once; a database refuses what was changed in them, and takes a better comment."""

from hashlib import sha256

import pytest

from sinks.clickhouse import migrate

NAME = "001_core.sql"
KEPT = "SELECT checksum FROM schema_migrations FINAL WHERE name = {name:String}"


@pytest.fixture
def file(emptied, tmp_path, monkeypatch):
    """The first migration, in a copy that may be changed, on a database that has it."""
    for path in migrate.MIGRATIONS.glob("*.sql"):
        (tmp_path / path.name).write_text(path.read_text())
    monkeypatch.setattr(migrate, "MIGRATIONS", tmp_path)
    return tmp_path / NAME


def again(client):
    return migrate.apply(client, "lead", "default")


def kept(client):
    return client.query(KEPT, parameters={"name": NAME}).first_row[0]


def test_a_comment_and_the_breaks_of_lines_may_be_put_right_after_a_migration_ran(emptied, file):
    text = file.read_text()
    before, after = "  dataset LowCardinality(String),\n", "dataset\n  LowCardinality(String), "
    assert before in text
    file.write_text("-- As it should have read.\n" + text.replace(before, after))
    assert again(emptied) == []


def test_a_statement_that_was_changed_after_it_ran_is_refused(emptied, file):
    file.write_text(file.read_text().replace("dataset LowCardinality(String)", "dataset String"))
    with pytest.raises(migrate.SchemaDrift, match=NAME):
        again(emptied)


def test_a_database_that_keeps_the_checksum_of_the_whole_file_goes_on(emptied, file, monkeypatch):
    by_statements = kept(emptied)
    whole = sha256(file.read_bytes()).hexdigest()
    keep(emptied, whole)
    with pytest.raises(migrate.SchemaDrift):
        again(emptied)
    monkeypatch.setitem(migrate.WHOLE_FILES, NAME, whole)
    assert again(emptied) == []
    keep(emptied, by_statements)


def keep(client, checksum):
    client.command(
        f"ALTER TABLE schema_migrations UPDATE checksum = '{checksum}' WHERE name = '{NAME}'"
        " SETTINGS mutations_sync = 2"
    )
