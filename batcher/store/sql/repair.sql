-- Reading a damaged checkpoint, and completing the repaired one.

-- name: version
-- The version of the schema.
SELECT max(schema_version) FROM checkpoint;

-- name: id
-- The id of the checkpoint.
SELECT id FROM checkpoint;

-- name: columns
-- All tables and their columns, in order.
SELECT table_name, column_name FROM duckdb_columns()
WHERE database_name = 'c' AND NOT internal ORDER BY table_name, column_index;

-- name: row_groups
-- The rows of each row group of a table, in order.
SELECT max(start + count)::BIGINT FROM pragma_storage_info($table) GROUP BY row_group_id ORDER BY row_group_id;

-- name: remake_attempts
-- Add the missing attempt of an outcome, so that its cost stays in the bill. Runs never overlap, so
-- the time determines the run.
INSERT INTO attempts
SELECT o.attempt_id, o.fingerprint,
       (SELECT arg_max(r.run_id, r.started_at) FROM runs r WHERE r.started_at <= o.ended_at),
       coalesce(o.model, ''),
       coalesce(o.ended_at - to_microseconds((o.latency_s * 1e6)::BIGINT), o.ended_at, $now),
       o.cost_usd
FROM outcomes o WHERE o.attempt_id NOT IN (SELECT attempt_id FROM attempts) ORDER BY o.attempt_id;

-- name: open_attempts
-- Attempts without an outcome that will have none: how many, what those with a bound cost at most, how
-- many have no bound.
SELECT count(*), coalesce(sum(worst_case_usd), 0), count(*) - count(worst_case_usd)
FROM attempt_states WHERE state = 'open';
