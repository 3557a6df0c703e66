-- The planning pass: compares the input's requests with the checkpoint.

-- name: create_plan
-- One row for each answer that the input asks for, in order. Exists as long as the connection.
CREATE OR REPLACE TEMP TABLE plan (
    item        BIGINT,   -- ordinal x samples + sample
    ordinal     BIGINT,
    sample      INTEGER,
    file        INTEGER,  -- index into the input's files
    line        BIGINT,
    id          VARCHAR,
    fingerprint UUID,     -- NULL: the row has no request
    content     UUID,     -- names the values of the request
    worst_case_usd DECIMAL(38, 18),  -- NULL: it has no bound
    status      VARCHAR,  -- the status of a row without a request, else NULL
    error_type  VARCHAR,
    reason      VARCHAR,
    price_group VARCHAR,     -- the model, and whether the higher price for long prompts applies
    prompt_tokens DOUBLE,    -- estimated from the text
    max_prompt_tokens BIGINT,  -- NULL: it has no bound
    max_tokens  BIGINT,
    repairs_usd DECIMAL(38, 18)  -- NULL: an invalid answer is not repaired
);

-- name: create_prefixes
-- Prefixes of the prompts, which other items may share.
CREATE OR REPLACE TEMP TABLE prefixes (
    item   BIGINT,
    level  TINYINT,  -- 1: tools and system; 2: everything except the last block of the messages
    prefix UUID,
    tokens DOUBLE    -- estimated; 0 for a prefix that is too short for the cache
);

-- name: duplicate_ids
-- Rows with the id of an earlier row that makes another request, and the place of that row. Bad rows
-- count too.
SELECT p.item, f.file, f.line
FROM plan p
JOIN (
    SELECT id, min(ordinal) AS ordinal FROM plan WHERE id IS NOT NULL
    GROUP BY id HAVING min(ordinal) < max(ordinal)
) d ON d.id = p.id AND d.ordinal < p.ordinal
JOIN plan f ON f.ordinal = d.ordinal AND f.sample = p.sample
WHERE (f.fingerprint = p.fingerprint) IS NOT TRUE
ORDER BY p.item;

-- name: mark_bad
-- Remove the request of bad rows; the table marks has the columns item and reason.
UPDATE plan SET fingerprint = NULL, worst_case_usd = NULL, status = 'errored', error_type = 'client.duplicate_id', reason = m.reason
FROM marks m WHERE m.item = plan.item;

-- name: create_seen
-- The request of each row at its last change and its request now, side by side.
CREATE OR REPLACE TEMP TABLE seen AS
WITH latest AS (
    SELECT key, arg_max(coverage, rowid) AS coverage, arg_max(content, rowid) AS content,
           arg_max(fingerprint, rowid) AS fingerprint, arg_max_null(fingerprint, rowid) IS NULL AS is_removed
    FROM rows_seen GROUP BY key
),
planned AS (
    SELECT item, fingerprint, content,
           md5(CASE WHEN $has_ids THEN id ELSE content::VARCHAR END || ' ' || sample)::UUID AS key
    FROM plan WHERE fingerprint IS NOT NULL
)
SELECT coalesce(a.key, l.key) AS key, a.item, a.fingerprint, a.content,
       l.fingerprint AS last_fingerprint, l.coverage AS last_coverage, l.content AS last_content,
       coalesce(l.is_removed, true) AS is_removed,
       -- The request differs although the row did not change: the job makes it differently.
       l.fingerprint <> a.fingerprint AND (l.coverage <> $coverage::UUID OR l.content = a.content) AS is_redone
FROM planned a FULL JOIN latest l USING (key);

-- name: create_kept
-- Rows that have an answer, perhaps of a replacement, or wait for one in a batch, and would be sent again
-- only because the job makes the request differently. has_both: the same is true of the new request.
CREATE OR REPLACE TEMP TABLE kept AS
WITH finals AS (SELECT fingerprint FROM verdicts WHERE is_final UNION ALL SELECT fingerprint FROM pending_attempts)
SELECT item, last_fingerprint, s.fingerprint, worst_case_usd, repairs_usd,
       s.fingerprint IN (SELECT fingerprint FROM finals) AS has_both
FROM seen s JOIN plan USING (item)
WHERE is_redone
  AND (last_fingerprint IN (SELECT fingerprint FROM finals)
       OR last_fingerprint IN (SELECT fingerprint FROM replacements WHERE replaced_by IN (SELECT fingerprint FROM finals)));

-- name: count_redone
-- The number of these rows that are sent again.
SELECT count(*) FROM kept WHERE NOT has_both;

-- name: count_unmatched
-- Without ids, a prompt that uses other columns makes all rows look new. The smaller number counts: new
-- rows, or answered rows that were seen with other columns and look removed.
WITH finals AS (SELECT fingerprint FROM verdicts WHERE is_final UNION ALL SELECT fingerprint FROM pending_attempts)
SELECT least(
    count(*) FILTER (WHERE item IS NOT NULL AND last_fingerprint IS NULL AND fingerprint NOT IN (SELECT fingerprint FROM finals)),
    count(*) FILTER (WHERE item IS NULL AND NOT is_removed AND last_coverage <> $coverage::UUID AND last_fingerprint IN (SELECT fingerprint FROM finals)))
FROM seen;

-- name: keep_redone
-- Keep the existing answers of these rows.
UPDATE plan SET fingerprint = kept.last_fingerprint, worst_case_usd = 0, repairs_usd = NULL FROM kept WHERE kept.item = plan.item;

-- name: undo_kept
-- Give these rows their own requests again, before they are compared again.
UPDATE plan SET fingerprint = kept.fingerprint, worst_case_usd = kept.worst_case_usd, repairs_usd = kept.repairs_usd FROM kept WHERE kept.item = plan.item;

-- name: record_rows_seen
-- Record the requests of new and changed rows, and the removed rows.
INSERT INTO rows_seen
SELECT DISTINCT s.key, CASE WHEN s.item IS NULL THEN s.last_coverage ELSE $coverage::UUID END, s.content, p.fingerprint
FROM seen s LEFT JOIN plan p ON p.item = s.item
WHERE CASE WHEN s.item IS NULL THEN NOT s.is_removed AND NOT $is_part
           ELSE s.is_removed OR (s.last_fingerprint, s.last_coverage, s.last_content) IS DISTINCT FROM (p.fingerprint, $coverage::UUID, s.content) END;

-- name: create_answered
-- The outcome that answers each request, and the sums over its attempts. Attempts of a replacement count
-- for the request that it replaces. The first success answers; without one, the last final outcome.
-- In steps, because a single statement would hold the hash tables of all of them in memory at once.
CREATE OR REPLACE TEMP TABLE wanted AS
SELECT fingerprint, min(item) AS first_item FROM plan WHERE fingerprint IS NOT NULL GROUP BY fingerprint;
-- Several rows may share a replacement, and a row may make the same request itself. All of them get the
-- answer. The cost counts once: for the row that makes the request itself, else for the first row.
CREATE OR REPLACE TEMP TABLE replaced AS (
    SELECT replaced_by, fingerprint,
           row_number() OVER (PARTITION BY replaced_by ORDER BY fingerprint <> replaced_by, first_item) = 1 AS pays
    FROM (SELECT fingerprint, replaced_by FROM replacements UNION SELECT replaced_by, replaced_by FROM replacements)
    JOIN wanted USING (fingerprint)
);
CREATE OR REPLACE TEMP TABLE ended AS (
    SELECT coalesce(r.fingerprint, o.fingerprint) AS fingerprint,
           coalesce(min(attempt_id) FILTER (WHERE is_final AND status = 'succeeded'), max(attempt_id) FILTER (WHERE is_final)) AS final_attempt,
           max(attempt_id) AS last_attempt,
           sum(cost_usd) FILTER (WHERE coalesce(pays, true)) AS cost_usd,
           count(*) FILTER (WHERE coalesce(pays, true) AND billing = 'billed' AND cost_usd IS NULL) AS unpriced
    FROM verdicts o LEFT JOIN replaced r ON r.replaced_by = o.fingerprint GROUP BY ALL
);
CREATE OR REPLACE TEMP TABLE sent AS (
    SELECT coalesce(r.fingerprint, a.fingerprint) AS fingerprint,
           count(*) AS attempts, min(sent_at) AS first_sent_at
    FROM attempts a LEFT JOIN replaced r ON r.replaced_by = a.fingerprint
    WHERE coalesce(pays, true) AND a.attempt_id NOT IN (SELECT attempt_id FROM batch_attempts WHERE state = 'absent') GROUP BY ALL
);
CREATE OR REPLACE TEMP TABLE pending AS (
    SELECT coalesce(r.fingerprint, a.fingerprint) AS fingerprint, count(*) AS attempts
    FROM pending_attempts a LEFT JOIN replaced r ON r.replaced_by = a.fingerprint GROUP BY ALL
);
CREATE OR REPLACE TEMP TABLE unknown AS (
    SELECT coalesce(r.fingerprint, s.fingerprint) AS fingerprint, count(*) AS attempts
    FROM attempt_states s LEFT JOIN replaced r ON r.replaced_by = s.fingerprint
    WHERE s.state IN ('open', 'unknown', 'released') AND s.billing IS DISTINCT FROM 'billed' AND coalesce(pays, true) GROUP BY ALL
);
CREATE OR REPLACE TEMP TABLE tried AS
SELECT w.fingerprint, w.first_item, s.first_sent_at,
       coalesce(s.attempts, 0) AS attempts,
       coalesce(p.attempts, 0) AS pending_attempts,
       coalesce(u.attempts, 0) AS unknown_attempts
FROM wanted w LEFT JOIN sent s USING (fingerprint) LEFT JOIN unknown u USING (fingerprint)
     LEFT JOIN pending p USING (fingerprint);
DROP TABLE wanted; DROP TABLE replaced; DROP TABLE sent; DROP TABLE pending; DROP TABLE unknown;
CREATE OR REPLACE TEMP TABLE answered AS
SELECT t.*, e.final_attempt, e.last_attempt, coalesce(e.cost_usd, 0) AS cost_usd, coalesce(e.unpriced, 0) AS unpriced
FROM tried t LEFT JOIN ended e USING (fingerprint);
DROP TABLE tried; DROP TABLE ended;

-- name: count_plan
-- The counts of the planning line, in one row.
WITH items AS (
    SELECT p.*, a.final_attempt, a.attempts, p.item = a.first_item AS is_first,
           p.item = a.first_item AND a.final_attempt IS NULL AND a.pending_attempts = 0 AS is_open,
           p.item = a.first_item AND a.final_attempt IS NULL AND a.pending_attempts > 0 AS is_pending,
           a.unknown_attempts >= $allowance AS is_on_hold,
           s.last_fingerprint <> s.fingerprint AS is_changed
    FROM plan p LEFT JOIN answered a USING (fingerprint) LEFT JOIN seen s ON s.item = p.item
)
SELECT count(DISTINCT ordinal) AS rows,
       count(*) AS items,
       count(*) FILTER (WHERE is_first AND final_attempt IS NOT NULL) AS already_answered,
       count(*) FILTER (WHERE is_open AND NOT is_on_hold) AS to_send,
       count(*) FILTER (WHERE NOT is_first) AS shared,
       count(*) FILTER (WHERE status = 'errored') AS bad,
       count(*) FILTER (WHERE status = 'skipped') AS skipped,
       count(*) FILTER (WHERE is_open AND is_on_hold) AS on_hold,
       count(*) FILTER (WHERE is_pending) AS pending,
       count(*) FILTER (WHERE is_open AND NOT is_on_hold AND attempts > 0) AS attempted_before,
       count(*) FILTER (WHERE is_open AND NOT is_on_hold AND attempts = 0 AND is_changed) AS changed
FROM items;

-- name: worst_cases
-- The most that the requests to send can cost, by their number of attempts with unknown billing status.
SELECT a.unknown_attempts, sum(p.worst_case_usd), coalesce(sum(p.repairs_usd), 0), min(p.worst_case_usd), count(*) > count(p.worst_case_usd)
FROM answered a JOIN plan p ON p.item = a.first_item
WHERE a.final_attempt IS NULL AND a.pending_attempts = 0 AND a.unknown_attempts < $allowance GROUP BY ALL;

-- name: count_removed
-- The number of rows that an earlier input had and this input does not have.
SELECT count(*) FROM seen WHERE item IS NULL AND NOT is_removed;

-- name: to_send
-- The items to send, with their numbers of attempts with unknown billing status and of invalid answers.
-- failed_before: the last attempt failed for a reason that is not transient; the type of its error if
-- another request was answered after the first such failure of this one, else ''.
SELECT a.first_item AS item, a.unknown_attempts, coalesce(i.repairs, 0) AS repairs,
       CASE WHEN f.first_attempt < (SELECT max(attempt_id) FROM outcomes WHERE status = 'succeeded') THEN coalesce(f.error_type, '')
            WHEN f.attempt_id IS NOT NULL THEN '' END AS failed_before
FROM answered a
LEFT JOIN (SELECT fingerprint, count(*) AS repairs FROM outcomes WHERE status = 'invalid' GROUP BY ALL) i USING (fingerprint)
LEFT JOIN (SELECT attempt_id, error_type, min(attempt_id) OVER (PARTITION BY fingerprint, error_type) AS first_attempt FROM outcomes
           WHERE status NOT IN ('succeeded', 'skipped')
             AND (coalesce(http_status, 200) = 200 AND billing = 'billed' OR http_status BETWEEN 300 AND 499 AND http_status NOT IN (408, 409, 429))) f
    ON f.attempt_id = a.last_attempt
WHERE a.final_attempt IS NULL AND a.pending_attempts = 0 AND a.unknown_attempts < $allowance;

-- name: create_sends
-- The items of the table items, numbered in order.
CREATE OR REPLACE TEMP TABLE sends AS SELECT item, row_number() OVER (ORDER BY item) AS number FROM items;

-- name: create_shared
-- The prefixes of these items that are worth caching: used often enough, and close enough to each other
-- to be sent together.
CREATE OR REPLACE TEMP TABLE shared AS
WITH used AS (SELECT number, item, level, prefix FROM prefixes JOIN sends USING (item)),
worthy AS (
    SELECT prefix, max(number) - min(number) AS span FROM used GROUP BY prefix
    HAVING count(*) >= $min_uses AND span <= $window * (count(*) - 1)
)
SELECT item, sum(level) AS levels, arg_max(prefix, level) AS prefix, arg_max(span, level) AS span
FROM used JOIN worthy USING (prefix) GROUP BY item;

-- name: marks
-- The items to mark, with the sum of the levels to mark.
SELECT item, levels::UTINYINT AS levels FROM shared;

-- name: groups
-- The number of groups by longest prefix, and the largest distance within a group, in items to send.
SELECT count(DISTINCT prefix) AS groups, coalesce(max(span), 0)::BIGINT AS span FROM shared;

-- name: bad_rows
-- The reasons of the rows without a request that count as failures, in order of their first rows.
SELECT arg_min(file, item), arg_min(line, item), reason, count(*) FROM plan WHERE status = 'errored' AND sample = 0
GROUP BY error_type, reason ORDER BY min(item) LIMIT $n;

-- name: items_of
-- The items that send these requests.
SELECT first_item FROM answered WHERE fingerprint IN (SELECT unnest($fingerprints)::UUID);

-- name: find_items
-- The items of one row.
SELECT item, ordinal, sample, file, line, id, replace(fingerprint::VARCHAR, '-', '') AS fingerprint, status, error_type, reason FROM plan WHERE id = $id ORDER BY item;

-- name: next_attempt_id
-- The first id that was never used. A request of a batch keeps its id even if its attempt was lost
-- through damage: the results still name it.
SELECT 1 + greatest(0, (SELECT max(attempt_id) FROM attempts), (SELECT max(attempt_id) FROM batch_items));

-- name: jobs
-- The names of the jobs that sent requests, as far as they are recorded.
SELECT DISTINCT job FROM runs WHERE job IS NOT NULL ORDER BY job;

-- name: origins
-- The servers that sent final responses.
SELECT DISTINCT r.origin FROM runs r JOIN attempts a USING (run_id) JOIN verdicts o USING (attempt_id) WHERE o.is_final;
