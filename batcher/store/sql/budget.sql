-- What a budget has to count: exact sums over the attempts of a checkpoint.

-- name: standing
-- What was billed, what may have been billed unseen and was not released, and how many attempts of
-- those nobody can bound; all of it, or since a time.
SELECT coalesce(sum(o.cost_usd), 0) AS spent,
       coalesce(sum(a.worst_case_usd) FILTER (WHERE is_unknown), 0) AS unknown,
       count(*) FILTER (WHERE is_unknown AND a.worst_case_usd IS NULL) AS unbounded
FROM (SELECT *, attempt_id IN (SELECT attempt_id FROM releases) AS is_released FROM attempts) a
LEFT JOIN outcomes o USING (attempt_id)
CROSS JOIN LATERAL (
    SELECT NOT is_released AND (o.attempt_id IS NULL OR o.billing = 'unknown' OR (o.billing = 'billed' AND o.cost_usd IS NULL)) AS is_unknown
) k
WHERE $since::TIMESTAMPTZ IS NULL OR a.sent_at >= $since::TIMESTAMPTZ;

-- name: unseen
-- The attempts that may have been billed unseen and were not released: how many, and what they may cost.
SELECT count(*), coalesce(sum(a.worst_case_usd), 0)
FROM attempts a LEFT JOIN outcomes o USING (attempt_id)
WHERE (o.attempt_id IS NULL OR o.billing = 'unknown') AND a.attempt_id NOT IN (SELECT attempt_id FROM releases);

-- name: release
-- Decide that none of them was billed.
INSERT INTO releases
SELECT a.attempt_id, $now::TIMESTAMPTZ
FROM attempts a LEFT JOIN outcomes o USING (attempt_id)
WHERE (o.attempt_id IS NULL OR o.billing = 'unknown') AND a.attempt_id NOT IN (SELECT attempt_id FROM releases);
