-- Sending failed rows again, perhaps as a variant: with other request settings.

-- name: keep_variant
-- The requests of the variant, which is planned before the job itself.
CREATE OR REPLACE TEMP TABLE variant AS
SELECT item, fingerprint, worst_case_usd, repairs_usd FROM plan WHERE fingerprint IS NOT NULL;

-- name: create_retries
-- The failed rows with their new requests; rows with the same new request send it once. Rows that wait in
-- a batch are not sent, nor is a request that does. is_own_failure:
-- the API refused this row in a way that would have stopped the run if it had not answered others.
CREATE OR REPLACE TEMP TABLE retries AS
WITH failed AS (
    SELECT r.item, r.fingerprint, coalesce(o.error_type, o.status, 'client.billing_unknown') AS error_type, o.status,
           r.is_final AND (o.http_status IN (401, 403, 404) OR o.http_status BETWEEN 300 AND 399) AS is_own_failure
    FROM results r LEFT JOIN outcomes o ON o.attempt_id = r.attempt_id
    WHERE r.fingerprint IS NOT NULL AND NOT r.is_shared AND r.attempts > 0 AND r.pending_attempts = 0
      AND (o.status IS NULL OR o.status <> 'succeeded')
)
SELECT f.item, f.fingerprint, f.error_type, coalesce(f.is_own_failure, false) AS is_own_failure, n.fingerprint AS replaced_by, n.worst_case_usd, n.repairs_usd,
       n.fingerprint IS NOT NULL
       AND n.fingerprint NOT IN (SELECT fingerprint FROM verdicts WHERE is_final AND status = 'succeeded')
       AND n.fingerprint NOT IN (SELECT fingerprint FROM pending_attempts)
       AND row_number() OVER (PARTITION BY n.fingerprint ORDER BY f.item) = 1 AS is_sent
FROM failed f LEFT JOIN variant n USING (item)
WHERE len($only) = 0 OR list_contains($only, f.error_type) OR list_contains($only, f.status);

-- name: count_retries
-- The failed rows by error type, largest group first, and how many requests are sent.
SELECT error_type, count(*) AS rows, count(*) FILTER (WHERE is_sent) AS to_send
FROM retries GROUP BY ALL ORDER BY rows DESC, error_type;

-- name: count_pending
-- The number of rows that wait in a batch.
SELECT count(*) FROM results WHERE NOT is_shared AND pending_attempts > 0;

-- name: sum_retries
-- The requests to send, and the most that they can cost; NULL without a bound.
SELECT count(*) FILTER (WHERE is_sent) AS to_send,
       CASE WHEN count(*) FILTER (WHERE is_sent AND worst_case_usd IS NULL) = 0
            THEN coalesce(sum(worst_case_usd) FILTER (WHERE is_sent), 0) END AS worst_case_usd,
       coalesce(sum(repairs_usd) FILTER (WHERE is_sent), 0) AS repairs_usd,
       min(worst_case_usd) FILTER (WHERE is_sent) AS min_worst_case_usd
FROM retries;

-- name: retried_items
-- The items to send, and the error that the API gave to a row while it answered others.
SELECT item, CASE WHEN is_own_failure THEN error_type END AS failed_before FROM retries WHERE is_sent;

-- name: open_items
-- The items of the retry that no attempt of this run has answered for good, that do not wait in a batch,
-- and that were not given up.
SELECT item FROM retries
WHERE is_sent
  AND replaced_by NOT IN (SELECT a.fingerprint FROM attempts a JOIN verdicts v USING (attempt_id) WHERE a.run_id = $run_id AND v.is_final)
  AND replaced_by NOT IN (SELECT fingerprint FROM pending_attempts)
  AND replaced_by NOT IN (SELECT unnest($given_up)::UUID)
ORDER BY item;

-- name: record_replacements
-- From now on the answer of the variant's request is the answer of the row.
INSERT INTO replacements
SELECT DISTINCT fingerprint, replaced_by, $run_id FROM retries
WHERE replaced_by <> fingerprint
  AND (fingerprint, replaced_by) NOT IN (SELECT (fingerprint, replaced_by) FROM replacements);
