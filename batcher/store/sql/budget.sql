-- What a budget has to count: exact sums over the attempts of a checkpoint.

-- name: standing
-- What was billed, what may have been billed unseen and was not released, and how many attempts of
-- those nobody can bound; all of it, or since a time.
SELECT coalesce(sum(cost_usd), 0) AS spent,
       coalesce(sum(worst_case_usd) FILTER (WHERE is_unknown), 0) AS unknown,
       count(*) FILTER (WHERE is_unknown AND worst_case_usd IS NULL) AS unbounded
FROM (SELECT *, state IN ('open', 'unknown') OR (state = 'billed' AND cost_usd IS NULL) AS is_unknown FROM attempt_states)
WHERE $since::TIMESTAMPTZ IS NULL OR sent_at >= $since::TIMESTAMPTZ;

-- name: unseen
-- The attempts that may have been billed unseen and were not released: how many, and what they may cost.
SELECT count(*), coalesce(sum(worst_case_usd), 0) FROM attempt_states WHERE state IN ('open', 'unknown');

-- name: release
-- Decide that none of them was billed.
INSERT INTO releases
SELECT attempt_id, $now::TIMESTAMPTZ FROM attempt_states WHERE state IN ('open', 'unknown');
