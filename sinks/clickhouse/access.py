"""Users of a ClickHouse server: writer, viewer and Grafana, with the rights of `grants` and bounds.

`leadstream migrate` applies this where its user may manage access, and
`deploy/clickhouse/access.sql` is the same as a file, for those who let a person do it. Passwords
stand in neither: they travel as hashes, in parameters. The embedded engine guards its addresses
itself (`server`), and has no users to make.
"""

from __future__ import annotations

from hashlib import sha256
from textwrap import TextWrapper
from typing import TYPE_CHECKING, Any, NamedTuple

from clickhouse_connect.driver.exceptions import DatabaseError

from .grants import (
    MOST_SECONDS,
    READER,
    SECONDS,
    TELLER,
    WRITER,
    of_reader,
    of_teller,
    of_writer,
)

if TYPE_CHECKING:
    from streams.settings import Settings

NO_STORAGE = 514  # ACCESS_STORAGE_FOR_INSERTION_NOT_FOUND: users are files on this server


class User(NamedTuple):
    """A user: its role, and the parameter that its password's hash comes in."""

    name: str
    role: str
    parameter: str


USERS = (
    User("leadstream_writer", WRITER, "writer_hash"),
    User("leadstream_viewer", TELLER, "viewer_hash"),  # the live page, behind its login
    User("grafana", READER, "grafana_hash"),
)
_READS = (
    "readonly = 2, allow_ddl = 0 CONST, allow_introspection_functions = 0 CONST, "
    "max_concurrent_queries_for_user = 8 CONST, "
    f"max_execution_time = {SECONDS} MIN 1 MAX {MOST_SECONDS}, "
    "timeout_overflow_mode = 'throw' CONST, "
    "max_memory_usage = 2000000000 MIN 1 MAX 2000000000, "
    "max_rows_to_read = 1000000000 MIN 1 MAX 1000000000, read_overflow_mode = 'throw' CONST, "
    "max_result_bytes = 64000000 MIN 1 MAX 64000000, result_overflow_mode = 'throw' CONST"
)
_WRITES = "async_insert = 0, max_partitions_per_insert_block = 10000"
_QUOTAS = {
    "grafana": (  # 20 dashboards a minute of up to 25 panels, with their variables
        "FOR INTERVAL 1 minute MAX queries = 1200, errors = 300, execution_time = 240, "
        "FOR INTERVAL 1 hour MAX queries = 45000, read_rows = 50000000000"
    ),
    "leadstream_viewer": (
        "FOR INTERVAL 1 minute MAX queries = 1200, errors = 300, execution_time = 240, "
        "FOR INTERVAL 1 hour MAX queries = 40000, read_rows = 50000000000"
    ),
}


def roles(database: str) -> list[str]:
    """Return the statements that make roles and profiles.

    Each may run again, and revokes what a release no longer grants.
    """
    made = []
    for role, grants, settings in (
        (READER, of_reader(database), _READS),
        (TELLER, of_teller(database), _READS),
        (WRITER, of_writer(database), _WRITES),
    ):
        made += [
            f"CREATE SETTINGS PROFILE IF NOT EXISTS {role}",
            f"ALTER SETTINGS PROFILE {role} SETTINGS {settings}",
            f"CREATE ROLE IF NOT EXISTS {role}",
            f"ALTER ROLE {role} SETTINGS PROFILE {role}",
            f"GRANT {', '.join(map(str, grants))} TO {role} WITH REPLACE OPTION",
        ]
    return made


def users(user: User) -> list[str]:
    """Return the statements that make a user; its password's hash is a parameter."""
    known = f"IDENTIFIED WITH sha256_hash BY {{{user.parameter}:String}}"
    made = [
        f"CREATE USER IF NOT EXISTS {user.name} {known}",
        f"ALTER USER {user.name} {known}",
        f"GRANT {user.role} TO {user.name} WITH REPLACE OPTION",
        f"ALTER USER {user.name} DEFAULT ROLE {user.role}",
    ]
    if user.name in _QUOTAS:
        quota = f"leadstream_{user.name.removeprefix('leadstream_')}"
        made += [
            f"CREATE QUOTA IF NOT EXISTS {quota} KEYED BY user_name",
            f"ALTER QUOTA {quota} KEYED BY user_name {_QUOTAS[user.name]} TO {user.name}",
        ]
    return made


def script(database: str = "lead") -> str:
    """Return all statements as a SQL file, which says how to run it."""
    parameters = " ".join(f"--param_{user.parameter}=..." for user in USERS)
    wrapped = TextWrapper(100, subsequent_indent="  ", break_long_words=False)
    head = (
        "-- Users, roles, bounds and quotas of leadstream on a ClickHouse server.\n"
        "-- `leadstream migrate` does the same where its user may manage access.\n"
        "-- Made by `python deploy/clickhouse/build.py`, from the grants that the embedded engine "
        "takes.\n"
        "-- Run it when the tables are there. Its parameters are hashes of passwords:\n"
        '--   printf %s "$PASSWORD" | sha256sum | cut -c1-64\n'
        f"--   clickhouse-client {parameters} \\\n"
        "--     --queries-file access.sql\n"
    )
    statements = [*roles(database), *(statement for user in USERS for statement in users(user))]
    return head + "".join(f"\n{wrapped.fill(f'{one};')}\n" for one in statements)


def apply(client: Any, settings: Settings) -> list[str]:
    """Make the users where the client's user may manage access; return lines of what was done.

    Raises:
        DatabaseError: the server refused a statement.

    """
    if not client.query("CHECK GRANT ACCESS MANAGEMENT ON *.*").first_row[0]:
        asking = settings.clickhouse_user
        return [f"users: left as they are, since {asking} may not manage access here"]
    passwords = {
        "writer_hash": settings.clickhouse_writer_password,
        "viewer_hash": settings.clickhouse_viewer_password,
        "grafana_hash": settings.clickhouse_grafana_password,
    }
    done = []
    try:
        for statement in roles(settings.clickhouse_database):
            client.command(statement)
        for user in USERS:
            password = passwords[user.parameter].get_secret_value()
            if not password:
                name = user.parameter.removesuffix("_hash").upper()
                variable = f"LEADSTREAM_CLICKHOUSE_{name}_PASSWORD"
                done.append(f"user {user.name}: not made, since {variable} is not set")
                continue
            hashed = {user.parameter: sha256(password.encode()).hexdigest()}
            for statement in users(user):
                client.command(statement, parameters=hashed if "{" in statement else None)
            done.append(f"user {user.name}: has the role {user.role}")
    except DatabaseError as error:
        if error.code != NO_STORAGE:
            raise
        return ["users: left as they are, since this server keeps its users in files"]
    return done
