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
    content     UUID,     -- names what the request was made from
    worst_case_usd DECIMAL(38, 18),  -- NULL: no bound is known
    status      VARCHAR,  -- NULL, or what a row without a request ends as
    error_type  VARCHAR,
    reason      VARCHAR,
    price_group VARCHAR,     -- the model, and whether its prompt is one of the long, dearer ones
    prompt_tokens DOUBLE,    -- as estimated from its text
    most_prompt_tokens BIGINT,  -- NULL: no bound is known
    max_tokens  BIGINT,
    repairs_usd DECIMAL(38, 18)  -- NULL: it is not asked again with a complaint
);

-- name: create_prefixes
-- What the prompts begin with that other items' prompts may begin with, too.
CREATE OR REPLACE TEMP TABLE prefixes (
    item   BIGINT,
    level  TINYINT,  -- 1: tools and system, 2: all but the last block of the messages
    prefix UUID,
    tokens DOUBLE    -- as estimated; 0 for one too short to be kept in the cache
);

-- name: duplicate_ids
-- Rows whose id an earlier row has that asks something else, with the place of that row; a bad row's
-- id counts too.
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
-- Take the request from rows that turned out bad; marks is (item, reason).
UPDATE plan SET fingerprint = NULL, worst_case_usd = NULL, status = 'errored', error_type = 'client.duplicate_id', reason = m.reason
FROM marks m WHERE m.item = plan.item;

-- name: create_seen
-- What each row of the input asked the last time that it did, against what it asks now.
CREATE OR REPLACE TEMP TABLE seen AS
WITH latest AS (
    SELECT key, arg_max(coverage, rowid) AS coverage, arg_max(content, rowid) AS content,
           arg_max(fingerprint, rowid) AS fingerprint, arg_max_null(fingerprint, rowid) IS NULL AS is_gone
    FROM rows_seen GROUP BY key
),
asked AS (
    SELECT item, fingerprint, content,
           md5(CASE WHEN $has_ids THEN id ELSE content::VARCHAR END || ' ' || sample)::UUID AS key
    FROM plan WHERE fingerprint IS NOT NULL
)
SELECT coalesce(a.key, l.key) AS key, a.item, a.fingerprint, a.content,
       l.fingerprint AS last_fingerprint, l.coverage AS last_coverage, l.content AS last_content,
       coalesce(l.is_gone, true) AS is_gone,
       -- The same row asks something else: not the row was edited but what is made of it.
       l.fingerprint <> a.fingerprint AND (l.coverage <> $coverage::UUID OR l.content = a.content) AS is_redone
FROM asked a FULL JOIN latest l USING (key);

-- name: create_kept
-- Rows that have an answer, their own or a replacement's, and would ask again only because the
-- request is made differently now; has_both when that has an answer, too.
CREATE OR REPLACE TEMP TABLE kept AS
WITH finals AS (SELECT fingerprint FROM outcomes WHERE is_final)
SELECT item, last_fingerprint, fingerprint IN (SELECT fingerprint FROM finals) AS has_both
FROM seen
WHERE is_redone
  AND (last_fingerprint IN (SELECT fingerprint FROM finals)
       OR last_fingerprint IN (SELECT fingerprint FROM replacements WHERE replaced_by IN (SELECT fingerprint FROM finals)));

-- name: count_redone
-- How many of them ask again.
SELECT count(*) FROM kept WHERE NOT has_both;

-- name: count_unmatched
-- Without ids a prompt about other columns makes every row unknown: rows never seen beside rows that
-- were known by other columns, have an answer and seem gone are taken for the same.
WITH finals AS (SELECT fingerprint FROM outcomes WHERE is_final)
SELECT least(
    count(*) FILTER (WHERE item IS NOT NULL AND last_fingerprint IS NULL AND fingerprint NOT IN (SELECT fingerprint FROM finals)),
    count(*) FILTER (WHERE item IS NULL AND NOT is_gone AND last_coverage <> $coverage::UUID AND last_fingerprint IN (SELECT fingerprint FROM finals)))
FROM seen;

-- name: keep_redone
-- Let them keep the answer that they have.
UPDATE plan SET fingerprint = kept.last_fingerprint, worst_case_usd = 0, repairs_usd = NULL FROM kept WHERE kept.item = plan.item;

-- name: note_seen
-- Remember what the input asks now, where that is news, and which rows are gone.
INSERT INTO rows_seen
SELECT DISTINCT s.key, CASE WHEN s.item IS NULL THEN s.last_coverage ELSE $coverage::UUID END, s.content, p.fingerprint
FROM seen s LEFT JOIN plan p ON p.item = s.item
WHERE CASE WHEN s.item IS NULL THEN NOT s.is_gone AND NOT $is_part
           ELSE s.is_gone OR (s.last_fingerprint, s.last_coverage, s.last_content) IS DISTINCT FROM (p.fingerprint, $coverage::UUID, s.content) END;

-- name: create_answered
-- The outcome that answers each request, and what its attempts came to. Attempts of a request that
-- replaced a failed one count as that one's. The first success answers; without one, the last word.
CREATE OR REPLACE TEMP TABLE answered AS
WITH wanted AS (SELECT fingerprint, min(item) AS first_item FROM plan WHERE fingerprint IS NOT NULL GROUP BY fingerprint),
-- A replacement may be that of several rows, or be asked by a row of its own: its answer is all of
-- theirs, its cost only that row's, else the first one's.
replaced AS (
    SELECT replaced_by, fingerprint,
           row_number() OVER (PARTITION BY replaced_by ORDER BY fingerprint <> replaced_by, first_item) = 1 AS pays
    FROM (SELECT fingerprint, replaced_by FROM replacements UNION SELECT replaced_by, replaced_by FROM replacements)
    JOIN wanted USING (fingerprint)
),
ended AS (
    SELECT coalesce(r.fingerprint, o.fingerprint) AS fingerprint,
           coalesce(min(attempt_id) FILTER (WHERE is_final AND status = 'succeeded'), max(attempt_id) FILTER (WHERE is_final)) AS final_attempt,
           max(attempt_id) AS last_attempt,
           sum(cost_usd) FILTER (WHERE coalesce(pays, true)) AS cost_usd,
           count(*) FILTER (WHERE coalesce(pays, true) AND billing = 'billed' AND cost_usd IS NULL) AS unpriced
    FROM outcomes o LEFT JOIN replaced r ON r.replaced_by = o.fingerprint GROUP BY ALL
),
sent AS (
    SELECT coalesce(r.fingerprint, a.fingerprint) AS fingerprint,
           count(*) AS attempts, min(sent_at) AS first_sent_at, max(attempt_id) AS last_sent
    FROM attempts a LEFT JOIN replaced r ON r.replaced_by = a.fingerprint
    WHERE coalesce(pays, true) GROUP BY ALL
),
unknown AS (
    SELECT coalesce(r.fingerprint, s.fingerprint) AS fingerprint, count(*) AS attempts
    FROM attempt_states s LEFT JOIN replaced r ON r.replaced_by = s.fingerprint
    WHERE s.state IN ('open', 'unknown', 'released') AND coalesce(pays, true) GROUP BY ALL
)
SELECT w.fingerprint, w.first_item, e.final_attempt, e.last_attempt, s.first_sent_at, s.last_sent,
       coalesce(s.attempts, 0) AS attempts,
       coalesce(u.attempts, 0) AS unknown_attempts,
       coalesce(e.cost_usd, 0) AS cost_usd, coalesce(e.unpriced, 0) AS unpriced
FROM wanted w LEFT JOIN sent s USING (fingerprint) LEFT JOIN ended e USING (fingerprint) LEFT JOIN unknown u USING (fingerprint);

-- name: count_plan
-- The planning line, in one row.
WITH items AS (
    SELECT p.*, a.final_attempt, a.attempts, p.item = a.first_item AS is_first,
           p.item = a.first_item AND a.final_attempt IS NULL AS is_open,
           a.unknown_attempts >= $allowance AS is_held,
           s.last_fingerprint <> s.fingerprint AS is_changed
    FROM plan p LEFT JOIN answered a USING (fingerprint) LEFT JOIN seen s ON s.item = p.item
)
SELECT count(DISTINCT ordinal) AS rows,
       count(*) AS items,
       count(*) FILTER (WHERE is_first AND final_attempt IS NOT NULL) AS already_answered,
       count(*) FILTER (WHERE is_open AND NOT is_held) AS to_send,
       count(*) FILTER (WHERE NOT is_first) AS shared,
       count(*) FILTER (WHERE status = 'errored') AS bad,
       count(*) FILTER (WHERE status = 'skipped') AS skipped,
       count(*) FILTER (WHERE is_open AND is_held) AS on_hold,
       count(*) FILTER (WHERE is_open AND NOT is_held AND attempts > 0) AS attempted_before,
       count(*) FILTER (WHERE is_open AND NOT is_held AND attempts = 0 AND is_changed) AS changed
FROM items;

-- name: worst_cases
-- The bounds of what is to be sent, by the attempts before that may have been billed unseen.
SELECT a.unknown_attempts, sum(p.worst_case_usd), coalesce(sum(p.repairs_usd), 0), min(p.worst_case_usd), count(*) > count(p.worst_case_usd)
FROM answered a JOIN plan p ON p.item = a.first_item
WHERE a.final_attempt IS NULL AND a.unknown_attempts < $allowance GROUP BY ALL;

-- name: count_removed
-- Rows that an earlier input had and this one has not.
SELECT count(*) FROM seen WHERE item IS NULL AND NOT is_gone;

-- name: to_send
-- What is to be sent, with the attempts of it that may have been billed unseen, and the answers that
-- were not what the job wants.
SELECT a.first_item AS item, a.unknown_attempts, coalesce(i.repairs, 0) AS repairs
FROM answered a
LEFT JOIN (SELECT fingerprint, count(*) AS repairs FROM outcomes WHERE status = 'invalid' GROUP BY ALL) i USING (fingerprint)
WHERE a.final_attempt IS NULL AND a.unknown_attempts < $allowance;

-- name: create_sends
-- The items of the table items, numbered in their order.
CREATE OR REPLACE TEMP TABLE sends AS SELECT item, row_number() OVER (ORDER BY item) AS number FROM items;

-- name: create_shared
-- The prefixes of these that are worth a place in the cache: used often enough, and soon enough
-- after one another to be brought together.
CREATE OR REPLACE TEMP TABLE shared AS
WITH used AS (SELECT number, item, level, prefix FROM prefixes JOIN sends USING (item)),
worthy AS (
    SELECT prefix, max(number) - min(number) AS span FROM used GROUP BY prefix
    HAVING count(*) >= $least_uses AND span <= $window * (count(*) - 1)
)
SELECT item, sum(level) AS levels, arg_max(prefix, level) AS prefix, arg_max(span, level) AS span
FROM used JOIN worthy USING (prefix) GROUP BY item;

-- name: marks
-- The items that are to be marked, at which levels (their sum).
SELECT item, levels::UTINYINT AS levels FROM shared;

-- name: groups
-- How many groups share their longest prefix, and how far one is strewn over what is sent.
SELECT count(DISTINCT prefix) AS groups, coalesce(max(span), 0)::BIGINT AS span FROM shared;

-- name: bad_rows
-- The rows without a request that count as failures, in order.
SELECT file, line, error_type, reason FROM plan WHERE status = 'errored' AND sample = 0 ORDER BY item LIMIT $n;

-- name: find_items
-- The items of one row.
SELECT item, ordinal, sample, file, line, id, replace(fingerprint::VARCHAR, '-', '') AS fingerprint, status, error_type, reason FROM plan WHERE id = $id ORDER BY item;

-- name: origins
-- The servers that gave the final answers.
SELECT DISTINCT r.origin FROM runs r JOIN attempts a USING (run_id) JOIN outcomes o USING (attempt_id) WHERE o.is_final;
