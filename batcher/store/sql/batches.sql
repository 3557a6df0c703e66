-- Message Batches: what was submitted, what waits for a result, and what is known of it.

-- name: next_batch
-- The first number that was never used, even if the record of a batch was lost through damage.
SELECT 1 + greatest(0, (SELECT max(batch) FROM batches), (SELECT max(batch) FROM batch_items), (SELECT max(batch) FROM batch_events));

-- name: stored
-- Every batch with its state, and sums over its attempts: worst_usd is the most that those that wait can
-- cost (NULL: no bound), usd what the others cost as far as it is known.
WITH sums AS (
    SELECT batch,
           count(*) FILTER (WHERE has_outcome) AS answered,
           count(*) FILTER (WHERE state = 'pending') AS pending,
           count(*) FILTER (WHERE state IN ('open', 'unknown')) AS unknown,
           CASE WHEN count(*) FILTER (WHERE state = 'pending' AND worst_case_usd IS NULL) = 0
                THEN coalesce(sum(worst_case_usd) FILTER (WHERE state = 'pending'), 0) END AS worst_usd,
           coalesce(sum(cost_usd), 0) AS usd
    FROM attempt_states WHERE batch IS NOT NULL GROUP BY batch
)
SELECT b.*, coalesce(s.answered, 0) AS answered, coalesce(s.pending, 0) AS pending, coalesce(s.unknown, 0) AS unknown,
       CASE WHEN s.batch IS NULL THEN 0 ELSE s.worst_usd END AS worst_usd, coalesce(s.usd, 0) AS usd
FROM batch_states b LEFT JOIN sums s USING (batch) ORDER BY b.batch;

-- name: count_open
-- The number of batches that are not done with.
SELECT count(*) FROM batch_states WHERE state IN ('unconfirmed', 'created', 'canceling', 'ended');

-- name: waiting
-- The attempts of a batch without an outcome. repairs counts the answers that a repair would quote, and
-- unknown_attempts the attempts of the request with unknown billing status. is_in_budget: spent_money
-- counts the attempt for the same time.
WITH waiting AS (
    SELECT a.*, i.max_tokens, i.turns
    FROM (SELECT * FROM batch_items WHERE batch = $batch AND attempt_id NOT IN (SELECT attempt_id FROM outcomes)) i
    JOIN attempts a USING (attempt_id)
),
repairs AS (SELECT fingerprint, count(*) AS repairs FROM invalid_answers WHERE fingerprint IN (SELECT fingerprint FROM waiting) GROUP BY fingerprint),
unknown AS (
    SELECT fingerprint, count(*) AS unknown_attempts FROM attempt_states
    WHERE fingerprint IN (SELECT fingerprint FROM waiting)
      AND state IN ('open', 'unknown', 'released') AND billing IS DISTINCT FROM 'billed'
    GROUP BY fingerprint
)
SELECT w.attempt_id, unhex(replace(w.fingerprint::VARCHAR, '-', '')) AS fingerprint, w.run_id, w.model, w.worst_case_usd,
       w.max_tokens, w.turns, coalesce(r.repairs, 0) AS repairs, coalesce(u.unknown_attempts, 0) AS unknown_attempts,
       $since::TIMESTAMPTZ IS NULL OR coalesce(s.started_at, w.sent_at) >= $since::TIMESTAMPTZ AS is_in_budget
FROM waiting w LEFT JOIN repairs r USING (fingerprint) LEFT JOIN unknown u USING (fingerprint) LEFT JOIN runs s USING (run_id)
ORDER BY w.attempt_id;

-- name: invalid_answers
-- The answers of some requests that a repair quotes, oldest first.
SELECT attempt_id, unhex(replace(fingerprint::VARCHAR, '-', '')) AS fingerprint, body, body_bytes FROM invalid_answers
WHERE fingerprint IN (SELECT unnest($fingerprints)::UUID) AND body_bytes IS NOT NULL ORDER BY attempt_id;

-- name: cache_use
-- The answers of batches, how many of them used the prompt cache, and the tokens read and written.
SELECT count(*) FILTER (WHERE billing = 'billed') AS answers,
       count(*) FILTER (WHERE cache_read_input_tokens > 0 OR cache_creation_1h_input_tokens > 0) AS used,
       coalesce(sum(cache_read_input_tokens), 0)::BIGINT AS reads,
       coalesce(sum(cache_creation_1h_input_tokens), 0)::BIGINT AS writes
FROM outcomes WHERE attempt_id IN (SELECT attempt_id FROM batch_items WHERE list_contains($batches, batch));

-- name: first_of_prefixes
-- The first of the table chosen for each prefix that is worth caching.
SELECT min(item) FROM shared WHERE item IN (SELECT item FROM chosen) GROUP BY prefix ORDER BY 1;

-- name: durations
-- The size of each batch that ended by itself, and how long it took.
SELECT requests, epoch(ended_at - created_at) FROM batch_states
WHERE created_at <= ended_at AND cancel_at IS NULL ORDER BY batch;
