"""The engine's own access control: chDB reads a ClickHouse configuration, so its grants hold.

chDB knows one user, `default`, and cannot log in as another. But a user's rights are those of its
current roles: `default` gets no right of its own, the reader's role and the owner's, and each
connection takes one of them by SET ROLE before it serves anybody. Statements that could take
another are not let through (`gate`).

Every user may read the system database, whatever the grants say: a policy on the whole of it
shows a row only to the owner, and the few tables that clients ask have one that shows all.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from sinks.clickhouse.grants import READER, SYSTEM, WRITER, Grant, of_reader, of_writer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ENGINE = "leadstream_engine"  # kills queries and makes the database; no request runs under it
MEMORY = 1_000_000_000  # bytes
RESULT = 64_000_000  # bytes
ROWS = 1_000_000_000  # read by one query

_CONFIG = """<clickhouse>
  <logger><level>fatal</level></logger>
  <users_config>{users}</users_config>
  <user_directories><users_xml><path>{users}</path></users_xml></user_directories>
</clickhouse>
"""
_USERS = """<clickhouse>
  <profiles><default/></profiles>
  <quotas><default/></quotas>
  <roles>
{roles}
  </roles>
  <users>
    <default>
      <no_password/>
      <profile>default</profile>
      <quota>default</quota>
      <networks><ip>::/0</ip></networks>
      <grants>{granted}</grants>
      <databases><system>
        <table name=""><filter>hasAny(currentRoles(), ['{writer}', '{engine}'])</filter></table>
{open}
      </system></databases>
    </default>
  </users>
</clickhouse>
"""


def write(folder: Path, database: str) -> Path:
    """Write the engine's configuration beside its data; return the file to start it with."""
    folder.mkdir(parents=True, exist_ok=True)
    users, config = folder / "users.xml", folder / "config.xml"
    roles = {
        READER: of_reader(database),
        WRITER: of_writer(database),
        ENGINE: [Grant("ALL", "*.*")],
    }
    text = _USERS.format(
        roles="\n".join(_role(name, grants) for name, grants in roles.items()),
        granted="".join(f"<query>GRANT {name}</query>" for name in roles),
        writer=WRITER,
        engine=ENGINE,
        open="\n".join(
            f'        <table name="{table}"><filter>1</filter></table>' for table in SYSTEM
        ),
    )
    _replace(users, text)
    _replace(config, _CONFIG.format(users=escape(str(users))))
    return config


def _role(name: str, grants: Iterable[Grant]) -> str:
    queries = "".join(f"<query>GRANT {escape(str(grant))}</query>" for grant in grants)
    return f"    <{name}><grants>{queries}</grants></{name}>"


def _replace(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def opening_of_owner() -> tuple[str, ...]:
    """Return what a connection runs before it serves `default`."""
    return (f"SET ROLE {WRITER}",)


def opening_of_viewer() -> tuple[str, ...]:
    """Return what a connection runs before it serves a viewer; the last one can't be undone."""
    threads = max(1, (os.cpu_count() or 1) // 2)  # the sink needs the others
    bounds = (
        f"SET max_memory_usage = {MEMORY}, max_result_bytes = {RESULT}, max_rows_to_read = {ROWS}, "
        f"result_overflow_mode = 'throw', read_overflow_mode = 'throw', max_threads = {threads}, "
        "allow_ddl = 0, allow_introspection_functions = 0"
    )
    return f"SET ROLE {READER}", bounds, "SET readonly = 2"
