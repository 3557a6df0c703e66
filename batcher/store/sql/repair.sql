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

-- name: create_incomplete
-- The outcomes whose body lacks a part.
CREATE OR REPLACE TEMP TABLE incomplete AS
SELECT attempt_id, is_final FROM outcomes
WHERE body IS NULL AND body_bytes IS NOT NULL
  AND attempt_id NOT IN (SELECT attempt_id FROM body_parts GROUP BY attempt_id HAVING count(*) = max(parts));

-- name: count_incomplete
-- The number of final ones.
SELECT count(*) FROM incomplete WHERE is_final;

-- name: lose_incomplete
-- The requests of the final ones are sent again; their cost stays in the bill.
UPDATE outcomes SET is_final = false, status = 'errored', error_type = $type, error_message = $message
WHERE attempt_id IN (SELECT attempt_id FROM incomplete WHERE is_final);

-- name: forget_incomplete
-- No part stays without its outcome: a later outcome of its attempt would get it, too.
UPDATE outcomes SET body_bytes = NULL WHERE attempt_id IN (SELECT attempt_id FROM incomplete);
DELETE FROM body_parts
WHERE attempt_id NOT IN (SELECT attempt_id FROM outcomes WHERE body IS NULL AND body_bytes IS NOT NULL);

-- name: open_attempts
-- Attempts without an outcome that will have none: how many, what those with a bound cost at most, how
-- many have no bound.
SELECT count(*), coalesce(sum(worst_case_usd), 0), count(*) - count(worst_case_usd)
FROM attempt_states WHERE state = 'open';
