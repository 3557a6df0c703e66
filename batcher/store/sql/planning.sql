-- The planning pass: what the input asks for, against what the checkpoint has.

-- name: create_plan
-- One row for each answer the input asks for, in order. Lives as long as the connection.
CREATE OR REPLACE TEMP TABLE plan (
    item        BIGINT,   -- ordinal x samples + sample
    ordinal     BIGINT,
    sample      INTEGER,
    file        INTEGER,  -- index into the input's files
    line        BIGINT,
    id          VARCHAR,
    fingerprint UUID,     -- NULL: there is no request
    worst_case_usd DECIMAL(38, 18),  -- NULL: no bound is known
    status      VARCHAR,  -- NULL, or what a row without a request ends as
    error_type  VARCHAR,
    reason      VARCHAR
);

-- name: duplicate_ids
-- Rows whose id an earlier row has, with the place of that row; a bad row's id counts too.
SELECT p.item, f.file, f.line
FROM plan p
JOIN (
    SELECT id, min(ordinal) AS ordinal FROM plan WHERE id IS NOT NULL
    GROUP BY id HAVING min(ordinal) < max(ordinal)
) d ON d.id = p.id AND d.ordinal < p.ordinal
JOIN plan f ON f.ordinal = d.ordinal AND f.sample = 0
ORDER BY p.item;

-- name: mark_bad
-- Take the request from rows that turned out bad; marks is (item, reason).
UPDATE plan SET fingerprint = NULL, worst_case_usd = NULL, status = 'errored', error_type = 'client.duplicate_id', reason = m.reason
FROM marks m WHERE m.item = plan.item;

-- name: create_answered
-- The first final outcome of each request, and what its attempts came to.
CREATE OR REPLACE TEMP TABLE answered AS
WITH wanted AS (SELECT fingerprint, min(item) AS first_item FROM plan WHERE fingerprint IS NOT NULL GROUP BY fingerprint),
ended AS (
    SELECT fingerprint,
           min(attempt_id) FILTER (WHERE is_final) AS final_attempt,
           max(attempt_id) AS last_attempt,
           count(*) AS outcomes,
           count(*) FILTER (WHERE billing = 'unknown') AS unknown_outcomes,
           sum(cost_usd) AS cost_usd,
           count(*) FILTER (WHERE billing = 'billed' AND cost_usd IS NULL) AS unpriced
    FROM outcomes GROUP BY fingerprint
),
sent AS (
    SELECT fingerprint, count(*) AS attempts, min(sent_at) AS first_sent_at, max(attempt_id) AS last_sent
    FROM attempts GROUP BY fingerprint
)
SELECT w.fingerprint, w.first_item, e.final_attempt, e.last_attempt, s.first_sent_at, s.last_sent,
       coalesce(s.attempts, 0) AS attempts,
       coalesce(s.attempts, 0) - coalesce(e.outcomes, 0) + coalesce(e.unknown_outcomes, 0) AS unknown_attempts,
       coalesce(e.cost_usd, 0) AS cost_usd, coalesce(e.unpriced, 0) AS unpriced
FROM wanted w LEFT JOIN sent s USING (fingerprint) LEFT JOIN ended e USING (fingerprint);

-- name: count_plan
-- The planning line, in one row.
WITH items AS (
    SELECT p.*, a.final_attempt, a.attempts, p.item = a.first_item AS is_first,
           p.item = a.first_item AND a.final_attempt IS NULL AS is_open,
           a.unknown_attempts >= $allowance AS is_held
    FROM plan p LEFT JOIN answered a USING (fingerprint)
)
SELECT count(DISTINCT ordinal) AS rows,
       count(*) AS items,
       count(*) FILTER (WHERE is_first AND final_attempt IS NOT NULL) AS known,
       count(*) FILTER (WHERE is_open AND NOT is_held) AS to_send,
       count(*) FILTER (WHERE NOT is_first) AS shared,
       count(*) FILTER (WHERE status = 'errored') AS bad,
       count(*) FILTER (WHERE status = 'skipped') AS skipped,
       count(*) FILTER (WHERE is_open AND is_held) AS held,
       count(*) FILTER (WHERE is_open AND NOT is_held AND attempts > 0) AS tried,
       CASE WHEN count(*) FILTER (WHERE is_open AND NOT is_held AND worst_case_usd IS NULL) = 0
            THEN coalesce(sum(worst_case_usd) FILTER (WHERE is_open AND NOT is_held), 0) END AS worst_case_usd
FROM items;

-- name: count_unasked
-- Final answers in the checkpoint that this input no longer asks for.
SELECT count(DISTINCT o.fingerprint) FROM outcomes o
WHERE o.is_final AND o.fingerprint NOT IN (SELECT fingerprint FROM answered);

-- name: to_send
-- What is to be sent, with the attempts of it that may have been billed unseen.
SELECT first_item AS item, unknown_attempts FROM answered
WHERE final_attempt IS NULL AND unknown_attempts < $allowance;

-- name: bad_rows
-- The rows without a request that count as failures, in order.
SELECT file, line, error_type, reason FROM plan WHERE status = 'errored' AND sample = 0 ORDER BY item LIMIT $n;

-- name: find_items
-- The items of one row.
SELECT item, ordinal, sample, file, line, id, replace(fingerprint::VARCHAR, '-', '') AS fingerprint, status, error_type, reason FROM plan WHERE id = $id ORDER BY item;

-- name: origins
-- The servers that gave the final answers.
SELECT DISTINCT r.origin FROM runs r JOIN attempts a USING (run_id) JOIN outcomes o USING (attempt_id) WHERE o.is_final;
