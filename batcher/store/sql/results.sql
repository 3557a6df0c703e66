-- Reading results, in the order of the input.

-- name: create_results
-- The attempt that answers each item. Without response bodies, so that sorting is cheap. An item without
-- an outcome was never sent, or the outcome of its attempts is unknown. What failed earlier does not
-- count while a request waits in a batch.
-- In steps of the plan, because a sort of all items would need memory for all of them.
CREATE OR REPLACE TEMP VIEW every_result AS
SELECT p.item, p.ordinal, p.sample, p.id, p.fingerprint, p.reason,
       coalesce(p.status, CASE WHEN is_pending THEN 'pending' END) AS status,
       coalesce(p.error_type, CASE WHEN is_pending THEN 'client.in_batch' END) AS error_type,
       CASE WHEN NOT is_pending THEN coalesce(a.final_attempt, a.last_attempt) END AS attempt_id,
       p.item <> a.first_item AS is_shared,
       a.final_attempt IS NOT NULL AS is_final,
       a.attempts, a.pending_attempts, a.unknown_attempts, a.first_sent_at, a.cost_usd, a.unpriced,
       CASE WHEN a.attempts > 0 THEN 'errored' ELSE 'unsent' END AS status_without_outcome,
       CASE WHEN a.attempts > 0 THEN 'client.billing_unknown' ELSE 'client.not_sent' END AS type_without_outcome
FROM plan p LEFT JOIN (SELECT *, final_attempt IS NULL AND pending_attempts > 0 AS is_pending FROM answered) a USING (fingerprint);
CREATE OR REPLACE TEMP TABLE results AS SELECT * FROM every_result WHERE false;

-- name: add_results
-- The results of some items, in order.
INSERT INTO results SELECT * FROM every_result WHERE item BETWEEN $first AND $last ORDER BY item;

-- name: count_items
-- One more than the largest item of the plan.
SELECT coalesce(max(item) + 1, 0) FROM plan;

-- name: read_results
-- One chunk of results with their outcomes. The attempts are selected before the join, because for a
-- left join alone DuckDB would read every outcome and attempt completely. Another run than the one that
-- sent a batch may have received its results: runs never overlap, so the time determines it.
WITH chunk AS (SELECT * FROM results WHERE item BETWEEN $first AND $last)
SELECT r.item, r.ordinal, r.sample, r.id, replace(r.fingerprint::VARCHAR, '-', '') AS fingerprint, r.is_shared, r.is_final, r.attempts, r.unknown_attempts,
       r.first_sent_at, r.cost_usd, r.unpriced,
       coalesce(r.status, o.status, r.status_without_outcome) AS status,
       CASE WHEN coalesce(r.status, o.status) IS NULL THEN r.type_without_outcome
            ELSE coalesce(o.error_type, r.error_type) END AS error_type,
       coalesce(o.error_message, r.reason) AS error_message,
       o.attempt_id, o.http_status, o.request_id, o.message_id, o.model, o.stop_reason,
       o.input_tokens, o.cache_creation_5m_input_tokens, o.cache_creation_1h_input_tokens,
       o.cache_read_input_tokens, o.output_tokens, o.thinking_tokens, o.latency_s, o.ttft_s,
       t.run_id, CASE WHEN b.attempt_id IS NULL THEN t.run_id ELSE q.run_id END AS received_by, o.body_bytes, o.body,
       CASE WHEN b.attempt_id IS NOT NULL THEN 'batch' WHEN o.attempt_id IS NOT NULL THEN 'live' END AS delivery
FROM chunk r
LEFT JOIN (SELECT * FROM outcomes WHERE attempt_id IN (SELECT attempt_id FROM chunk)) o ON o.attempt_id = r.attempt_id
LEFT JOIN (SELECT * FROM attempts WHERE attempt_id IN (SELECT attempt_id FROM chunk)) t ON t.attempt_id = r.attempt_id
LEFT JOIN (SELECT attempt_id FROM batch_items WHERE attempt_id IN (SELECT attempt_id FROM chunk)) b ON b.attempt_id = r.attempt_id
ASOF LEFT JOIN (SELECT run_id, started_at FROM runs) q ON o.ended_at >= q.started_at
ORDER BY r.item;

-- name: failures
-- Groups of rows that did not succeed, largest first, then those that wait in a batch, and last those that
-- were never sent: with an example, their cost, and the most that attempts of unknown cost can have cost
-- (NULL: no bound). A run
-- sends the open rows of a group, only a retry those on hold. A replacement for several rows
-- is charged to the same row as in create_answered.
WITH unknown AS (
    SELECT attempt_id, fingerprint, worst_case_usd FROM attempt_states WHERE state IN ('open', 'unknown', 'unpriced')
),
paid AS (
    SELECT arg_min(r.item, CASE WHEN r.fingerprint = l.fingerprint THEN -1 ELSE r.item END) AS item, l.worst_case_usd
    FROM unknown l
    JOIN (SELECT replaced_by AS sent, fingerprint FROM replacements UNION SELECT fingerprint, fingerprint FROM unknown) f ON f.sent = l.fingerprint
    JOIN results r ON r.fingerprint = f.fingerprint AND NOT r.is_shared
    GROUP BY l.attempt_id, l.worst_case_usd
),
unknown_cost AS (
    SELECT item, sum(worst_case_usd) AS usd, count(worst_case_usd) < count(*) AS is_unbounded FROM paid GROUP BY item
),
failed AS (
    SELECT coalesce(r.status, o.status, r.status_without_outcome) AS status,
           coalesce(o.error_type, r.error_type, r.type_without_outcome) AS error_type,
           count(*) AS rows,
           count(*) FILTER (WHERE r.fingerprint IS NOT NULL AND NOT r.is_final AND r.pending_attempts = 0 AND r.unknown_attempts < $allowance) AS open,
           count(*) FILTER (WHERE r.fingerprint IS NOT NULL AND NOT r.is_final AND r.pending_attempts = 0 AND r.unknown_attempts >= $allowance) AS on_hold,
           arg_min(CASE WHEN r.id IS NULL OR r.error_type = 'client.duplicate_id' THEN 'row:' || (r.ordinal + 1) ELSE r.id END, r.item) AS example_id,
           arg_min(coalesce(o.error_message, r.reason), r.item) AS example_message,
           coalesce(sum(r.cost_usd) FILTER (WHERE NOT r.is_shared), 0) AS cost_usd,
           CASE WHEN NOT bool_or(coalesce(u.is_unbounded, false)) THEN coalesce(sum(u.usd), 0) END AS unknown_usd,
           bool_and(r.fingerprint IS NULL OR r.is_final) AS is_final
    FROM results r LEFT JOIN outcomes o ON o.attempt_id = r.attempt_id LEFT JOIN unknown_cost u ON u.item = r.item
    WHERE coalesce(r.status, o.status, '') NOT IN ('succeeded', 'skipped')
    GROUP BY ALL
)
SELECT * FROM failed ORDER BY status = 'unsent', status = 'pending', rows DESC, status, error_type;

-- name: failure_messages
-- The 20 most frequent messages of each of these groups; messages that differ only in numbers are one. How
-- many there are in all, and an example of each.
WITH failed AS (
    SELECT coalesce(r.status, o.status, r.status_without_outcome) AS status,
           coalesce(o.error_type, r.error_type, r.type_without_outcome) AS error_type,
           coalesce(o.error_message, r.reason) AS message, r.item,
           CASE WHEN r.id IS NULL OR r.error_type = 'client.duplicate_id' THEN 'row:' || (r.ordinal + 1) ELSE r.id END AS id
    FROM results r LEFT JOIN outcomes o ON o.attempt_id = r.attempt_id
    WHERE coalesce(r.status, o.status, '') NOT IN ('succeeded', 'skipped')
),
counted AS (
    SELECT status, error_type, count(*) AS rows, arg_min(message, item) AS message, arg_min(id, item) AS example_id, min(item) AS first_item
    FROM failed WHERE message IS NOT NULL GROUP BY status, error_type, regexp_replace(message, '[0-9]+', '0', 'g')
)
SELECT status, error_type, rows, message, example_id, count(*) OVER (PARTITION BY status, error_type) AS messages
FROM counted
QUALIFY row_number() OVER (PARTITION BY status, error_type ORDER BY rows DESC, first_item) <= 20
ORDER BY status, error_type, rows DESC, first_item;

-- name: totals
-- Sums over the attempts of one run, or of all, in one row, for attempts $first to $last. An attempt that
-- was never sent does not count.
SELECT count(*) AS attempts,
       count(*) FILTER (WHERE has_outcome) AS outcomes,
       count(*) FILTER (WHERE billing = 'billed') AS billed,
       count(*) FILTER (WHERE state IN ('open', 'unknown')) AS unknown,
       coalesce(sum(worst_case_usd) FILTER (WHERE state IN ('open', 'unknown')), 0) AS unknown_usd,
       count(*) FILTER (WHERE state = 'pending') AS pending,
       coalesce(sum(worst_case_usd) FILTER (WHERE state = 'pending'), 0) AS pending_usd,
       count(*) FILTER (WHERE delivery = 'batch') AS in_batches,
       count(*) FILTER (WHERE state = 'released') AS released,
       coalesce(sum(worst_case_usd) FILTER (WHERE state = 'released'), 0) AS released_usd,
       count(*) FILTER (WHERE billing = 'billed' AND cost_usd IS NULL) AS unpriced,
       coalesce(sum(worst_case_usd) FILTER (WHERE state = 'unpriced'), 0) AS unpriced_usd,
       coalesce(sum(cost_usd), 0) AS cost_usd,
       coalesce(sum(COLUMNS('^(.+_tokens)$')), 0)::BIGINT AS '\1'
FROM attempt_states
WHERE state <> 'absent' AND attempt_id BETWEEN $first AND $last AND ($run_id IS NULL OR run_id = $run_id);

-- name: last_attempt
-- The largest attempt id.
SELECT coalesce(max(attempt_id), 0) FROM attempts;

-- name: count_requests
-- The number of requests that one run sent, without those that wait in a batch.
SELECT count(DISTINCT fingerprint) FROM attempts
WHERE run_id = $run_id AND attempt_id NOT IN (
    SELECT attempt_id FROM batch_attempts WHERE state IS NOT NULL AND attempt_id NOT IN (SELECT attempt_id FROM outcomes)
);

-- name: collected
-- What one run received for the batches of other runs. Runs never overlap, so the time determines the run.
SELECT count(*) AS attempts, count(*) FILTER (WHERE billing = 'billed') AS billed, coalesce(sum(cost_usd), 0) AS usd
FROM outcomes o JOIN attempts a USING (attempt_id) ASOF LEFT JOIN (SELECT run_id AS receiver, started_at FROM runs) r ON o.ended_at >= r.started_at
WHERE r.receiver = $run_id AND a.run_id <> $run_id AND attempt_id IN (SELECT attempt_id FROM batch_items);

-- name: attempts_of
-- All attempts of one request and of its replacements, oldest first.
SELECT s.* EXCLUDE (fingerprint), s.fingerprint <> $fingerprint::UUID AS is_variant
FROM attempt_states s
WHERE s.fingerprint = $fingerprint::UUID
   OR s.fingerprint IN (SELECT replaced_by FROM replacements WHERE fingerprint = $fingerprint::UUID)
ORDER BY attempt_id;

-- name: latencies
-- Percentiles of the responses of one run: latency and time to the first token in seconds, and output
-- tokens per second of the whole attempt.
SELECT quantile_cont(o.latency_s, 0.5) AS p50, quantile_cont(o.latency_s, 0.95) AS p95, quantile_cont(o.latency_s, 0.99) AS p99,
       quantile_cont(o.ttft_s, 0.5) AS ttft_p50, quantile_cont(o.ttft_s, 0.95) AS ttft_p95,
       quantile_cont(o.output_tokens / nullif(o.latency_s, 0), 0.5) AS tokens_per_s_p50,
       quantile_cont(o.output_tokens / nullif(o.latency_s, 0), 0.05) AS tokens_per_s_p5
FROM attempts a JOIN outcomes o USING (attempt_id) WHERE a.run_id = $run_id AND o.http_status = 200;

-- name: digest
-- A digest of all results: the same digest means the same bookkeeping columns in the output.
SELECT count(*) || '-' || coalesce(bit_xor(hash(item, id, fingerprint, status, reason, attempt_id, attempts, is_shared)), 0) FROM results;

-- name: count_statuses
-- The number of items with each status.
SELECT coalesce(r.status, o.status, r.status_without_outcome) AS status, count(*)::BIGINT AS rows
FROM results r LEFT JOIN outcomes o ON o.attempt_id = r.attempt_id GROUP BY 1 ORDER BY 1;

-- name: output_totals
-- Exact sums of the output's columns.
SELECT coalesce(sum(r.cost_usd), 0) AS cost_usd,
       coalesce(sum(COLUMNS('^(.+_tokens)$')), 0)::BIGINT AS '\1'
FROM results r LEFT JOIN outcomes o ON o.attempt_id = r.attempt_id
WHERE NOT coalesce(r.is_shared, false);

-- name: count_open
-- The numbers of items without a final result: those that another run would send, those on hold, and those
-- that wait in a batch.
SELECT count(*) FILTER (WHERE pending_attempts = 0 AND unknown_attempts < $allowance) AS to_send,
       count(*) FILTER (WHERE pending_attempts = 0 AND unknown_attempts >= $allowance) AS on_hold,
       count(*) FILTER (WHERE pending_attempts > 0) AS pending
FROM results WHERE fingerprint IS NOT NULL AND NOT is_final;

-- name: has_message
-- Whether the checkpoint has one of these messages.
SELECT count(*) > 0 FROM outcomes WHERE list_contains($ids, message_id);

-- name: models
-- The number of answers of one run from each model.
SELECT o.model, count(*) FROM attempts a JOIN outcomes o USING (attempt_id)
WHERE a.run_id = $run_id AND o.model IS NOT NULL GROUP BY ALL ORDER BY ALL;

-- name: body_bytes
-- The size of the response bodies of one chunk, in bytes.
SELECT coalesce(sum(o.body_bytes), 0)::BIGINT FROM results r JOIN outcomes o ON o.attempt_id = r.attempt_id
WHERE r.item BETWEEN $first AND $last;
