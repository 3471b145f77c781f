"""ClickHouse's own engine (chDB) behind ClickHouse's own HTTP interface: a laptop's server.

Sink, page, CLI and a Grafana connect to one URL exactly as in production. It listens on loopback.
One process owns the data folder, because chDB allows one. Its doors are two: `default` owns the
database, `viewer` reads figures.

chDB writes Native in its first form; a client of a later protocol version, as Grafana's, gets the
form that it reads (`native`).

What holds a viewer, from the inside out (docs/adr/0011 says why each is there):
- ClickHouse's grants. The engine starts with a configuration that gives its user two roles, and a
  viewer's connections take only the reader's (`access`). Tables without a grant are denied by the
  engine, rows of system tables without a policy are not there.
- ClickHouse's settings: readonly, time, memory and result are bounded on them (`access`).
- ClickHouse's parser: one statement, which reads; no function or setting that leaves the database
  (`gate`). What was parsed is what runs.
- Lanes: viewers wait for viewers only, and a query that nobody waits for is killed (`lanes`).
"""

from .wire import application, serve

__all__ = ["application", "serve"]
