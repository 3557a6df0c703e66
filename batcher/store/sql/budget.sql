-- Exact sums for a budget over the attempts of a checkpoint.

-- name: spent_money
-- The money billed, the most that attempts with unknown cost can have cost, and the number of these
-- attempts without a bound; of all attempts, or of those sent since a time. Released attempts cost 0.
SELECT coalesce(sum(cost_usd), 0) AS spent,
       coalesce(sum(worst_case_usd) FILTER (WHERE is_unknown), 0) AS unknown,
       count(*) FILTER (WHERE is_unknown AND worst_case_usd IS NULL) AS unbounded
FROM (SELECT *, state IN ('open', 'unknown') OR (state = 'billed' AND cost_usd IS NULL) AS is_unknown FROM attempt_states)
WHERE $since::TIMESTAMPTZ IS NULL OR sent_at >= $since::TIMESTAMPTZ;

-- name: unknown_attempts
-- The attempts with unknown billing status: their number, and the most that they can have cost.
SELECT count(*), coalesce(sum(worst_case_usd), 0) FROM attempt_states WHERE state IN ('open', 'unknown');

-- name: release
-- Record the decision that none of them was billed.
INSERT INTO releases
SELECT attempt_id, $now::TIMESTAMPTZ FROM attempt_states WHERE state IN ('open', 'unknown');
