-- Users, roles, bounds and quotas of leadstream on a ClickHouse server.
-- `leadstream migrate` does the same where its user may manage access.
-- Made by `python deploy/clickhouse/build.py`, from the grants that the embedded engine takes.
-- Run it when the tables are there. Its parameters are hashes of passwords:
--   printf %s "$PASSWORD" | sha256sum | cut -c1-64
--   clickhouse-client --param_writer_hash=... --param_viewer_hash=... --param_grafana_hash=... \
--     --queries-file access.sql

CREATE SETTINGS PROFILE IF NOT EXISTS leadstream_reading;

ALTER SETTINGS PROFILE leadstream_reading SETTINGS readonly = 2, allow_ddl = 0 CONST,
  allow_introspection_functions = 0 CONST, max_concurrent_queries_for_user = 8 CONST,
  max_execution_time = 60 MIN 1 MAX 65, timeout_overflow_mode = 'throw' CONST, max_memory_usage =
  2000000000 MIN 1 MAX 2000000000, max_rows_to_read = 1000000000 MIN 1 MAX 1000000000,
  read_overflow_mode = 'throw' CONST, max_result_bytes = 64000000 MIN 1 MAX 64000000,
  result_overflow_mode = 'throw' CONST;

CREATE ROLE IF NOT EXISTS leadstream_reading;

ALTER ROLE leadstream_reading SETTINGS PROFILE leadstream_reading;

GRANT SELECT ON lead.journeys, SELECT ON lead.stage_transitions, SELECT ON lead.clocks, SELECT ON
  lead.handoffs, SELECT ON lead.decisions, SELECT ON lead.disagreements, SELECT ON lead.notes,
  SELECT ON lead.deals, SELECT ON lead.conflicts, SELECT ON lead.v_journeys, SELECT ON
  lead.v_stage_transitions, SELECT ON lead.v_clocks, SELECT ON lead.v_handoffs, SELECT ON
  lead.v_decisions, SELECT ON lead.v_disagreements, SELECT ON lead.v_notes, SELECT ON lead.v_deals,
  SELECT ON lead.v_conflicts, SELECT ON lead.v_lead_state, SELECT ON lead.v_funnel_daily, SELECT ON
  lead.v_stages, SELECT ON lead.v_past_due, SELECT ON lead.v_funnel_terms, SELECT ON
  lead.active_generation, SELECT ON lead.generation_log, SELECT ON lead.funnel_daily, SELECT ON
  lead.lead_state, SELECT ON lead.breaches, SELECT ON lead.arrivals, SELECT ON lead.cuts, SELECT ON
  lead.holes, SELECT ON lead.definitions, SELECT ON lead.spend, SELECT ON lead.targets, SELECT ON
  lead.rates, SELECT ON lead.surveys, SELECT(id, topic, worker, received_at) ON lead.dead_letters,
  SELECT(kind, copied, source_partition, source_offset) ON lead.touches, SELECT ON system.one,
  SELECT ON system.settings, SELECT ON system.databases, SELECT ON system.tables, SELECT ON
  system.columns, SELECT ON system.functions TO leadstream_reading WITH REPLACE OPTION;

CREATE SETTINGS PROFILE IF NOT EXISTS leadstream_telling;

ALTER SETTINGS PROFILE leadstream_telling SETTINGS readonly = 2, allow_ddl = 0 CONST,
  allow_introspection_functions = 0 CONST, max_concurrent_queries_for_user = 8 CONST,
  max_execution_time = 60 MIN 1 MAX 65, timeout_overflow_mode = 'throw' CONST, max_memory_usage =
  2000000000 MIN 1 MAX 2000000000, max_rows_to_read = 1000000000 MIN 1 MAX 1000000000,
  read_overflow_mode = 'throw' CONST, max_result_bytes = 64000000 MIN 1 MAX 64000000,
  result_overflow_mode = 'throw' CONST;

CREATE ROLE IF NOT EXISTS leadstream_telling;

ALTER ROLE leadstream_telling SETTINGS PROFILE leadstream_telling;

GRANT SELECT ON lead.journeys, SELECT ON lead.stage_transitions, SELECT ON lead.clocks, SELECT ON
  lead.handoffs, SELECT ON lead.decisions, SELECT ON lead.disagreements, SELECT ON lead.notes,
  SELECT ON lead.deals, SELECT ON lead.conflicts, SELECT ON lead.v_journeys, SELECT ON
  lead.v_stage_transitions, SELECT ON lead.v_clocks, SELECT ON lead.v_handoffs, SELECT ON
  lead.v_decisions, SELECT ON lead.v_disagreements, SELECT ON lead.v_notes, SELECT ON lead.v_deals,
  SELECT ON lead.v_conflicts, SELECT ON lead.v_lead_state, SELECT ON lead.v_funnel_daily, SELECT ON
  lead.v_stages, SELECT ON lead.v_past_due, SELECT ON lead.v_funnel_terms, SELECT ON
  lead.active_generation, SELECT ON lead.generation_log, SELECT ON lead.funnel_daily, SELECT ON
  lead.lead_state, SELECT ON lead.breaches, SELECT ON lead.arrivals, SELECT ON lead.cuts, SELECT ON
  lead.holes, SELECT ON lead.definitions, SELECT ON lead.spend, SELECT ON lead.targets, SELECT ON
  lead.rates, SELECT ON lead.surveys, SELECT(id, topic, worker, received_at) ON lead.dead_letters,
  SELECT(kind, copied, source_partition, source_offset) ON lead.touches, SELECT ON system.one,
  SELECT ON system.settings, SELECT ON system.databases, SELECT ON system.tables, SELECT ON
  system.columns, SELECT ON system.functions, SELECT ON lead.touches, SELECT ON lead.fact_revisions,
  SELECT ON lead.aliases TO leadstream_telling WITH REPLACE OPTION;

CREATE SETTINGS PROFILE IF NOT EXISTS leadstream_writing;

ALTER SETTINGS PROFILE leadstream_writing SETTINGS async_insert = 0, max_partitions_per_insert_block
  = 10000;

CREATE ROLE IF NOT EXISTS leadstream_writing;

ALTER ROLE leadstream_writing SETTINGS PROFILE leadstream_writing;

GRANT SELECT, INSERT, ALTER, OPTIMIZE, TRUNCATE, SHOW, CREATE DATABASE, CREATE TABLE, CREATE VIEW,
  DROP TABLE, DROP VIEW ON lead.*, SELECT, INSERT, ALTER, OPTIMIZE, TRUNCATE, SHOW, CREATE DATABASE,
  CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW, DROP DATABASE ON lead_preview_*.*, TABLE ENGINE
  ON MergeTree, TABLE ENGINE ON ReplacingMergeTree, SELECT ON system.one, SELECT ON system.settings,
  SELECT ON system.databases, SELECT ON system.tables, SELECT ON system.columns, SELECT ON
  system.functions, SELECT ON system.parts, SELECT ON system.mutations, SELECT ON system.processes
  TO leadstream_writing WITH REPLACE OPTION;

CREATE USER IF NOT EXISTS leadstream_writer IDENTIFIED WITH sha256_hash BY {writer_hash:String};

ALTER USER leadstream_writer IDENTIFIED WITH sha256_hash BY {writer_hash:String};

GRANT leadstream_writing TO leadstream_writer WITH REPLACE OPTION;

ALTER USER leadstream_writer DEFAULT ROLE leadstream_writing;

CREATE USER IF NOT EXISTS leadstream_viewer IDENTIFIED WITH sha256_hash BY {viewer_hash:String};

ALTER USER leadstream_viewer IDENTIFIED WITH sha256_hash BY {viewer_hash:String};

GRANT leadstream_telling TO leadstream_viewer WITH REPLACE OPTION;

ALTER USER leadstream_viewer DEFAULT ROLE leadstream_telling;

CREATE QUOTA IF NOT EXISTS leadstream_viewer KEYED BY user_name;

ALTER QUOTA leadstream_viewer KEYED BY user_name FOR INTERVAL 1 minute MAX queries = 1200, errors =
  300, execution_time = 240, FOR INTERVAL 1 hour MAX queries = 40000, read_rows = 50000000000 TO
  leadstream_viewer;

CREATE USER IF NOT EXISTS grafana IDENTIFIED WITH sha256_hash BY {grafana_hash:String};

ALTER USER grafana IDENTIFIED WITH sha256_hash BY {grafana_hash:String};

GRANT leadstream_reading TO grafana WITH REPLACE OPTION;

ALTER USER grafana DEFAULT ROLE leadstream_reading;

CREATE QUOTA IF NOT EXISTS leadstream_grafana KEYED BY user_name;

ALTER QUOTA leadstream_grafana KEYED BY user_name FOR INTERVAL 1 minute MAX queries = 1200, errors =
  300, execution_time = 240, FOR INTERVAL 1 hour MAX queries = 45000, read_rows = 50000000000 TO
  grafana;
