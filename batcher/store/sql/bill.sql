-- Exact sums of money: the bill of one run or of all, attempts billed without a good answer, and a budget.

-- name: charges
-- Sums over attempts with the same price table, models, rates and delivery.
SELECT r.prices_digest AS prices, o.model AS response_model, a.model AS requested_model, o.rates,
       CASE WHEN o.attempt_id IN (SELECT attempt_id FROM batch_items) THEN 'batch' ELSE 'live' END AS delivery,
       coalesce(sum(COLUMNS('^(.+_tokens)$')), 0)::BIGINT AS '\1',
       sum(o.cost_usd) AS usd
FROM outcomes o JOIN attempts a USING (attempt_id) LEFT JOIN runs r USING (run_id)
WHERE (o.cost_usd <> 0 OR o.rates IS NOT NULL) AND ($run_id IS NULL OR a.run_id = $run_id)
GROUP BY ALL;

-- name: waste
-- Billed attempts without a good answer: the request has none (failed), or another attempt of it, or
-- of its replacement, brought one (repeated).
WITH good AS (
    SELECT fingerprint, min(attempt_id) AS attempt_id FROM verdicts WHERE is_final AND status = 'succeeded' GROUP BY fingerprint
),
-- Each request that was replaced, with itself and all its replacements.
variants AS (
    SELECT fingerprint AS original, replaced_by AS sent FROM replacements UNION SELECT fingerprint, fingerprint FROM replacements
),
answered AS (
    SELECT sent AS fingerprint FROM variants WHERE original IN (SELECT original FROM variants WHERE sent IN (SELECT fingerprint FROM good))
),
wasted AS (
    SELECT o.cost_usd, o.fingerprint IN (SELECT fingerprint FROM good) OR o.fingerprint IN (SELECT fingerprint FROM answered) AS is_repeated
    FROM outcomes o JOIN attempts a USING (attempt_id)
    WHERE o.billing = 'billed' AND o.cost_usd IS NOT NULL AND ($run_id IS NULL OR a.run_id = $run_id)
      AND o.attempt_id NOT IN (SELECT attempt_id FROM good)
)
SELECT count(*) FILTER (WHERE NOT is_repeated) AS failed, coalesce(sum(cost_usd) FILTER (WHERE NOT is_repeated), 0) AS failed_usd,
       count(*) FILTER (WHERE is_repeated) AS repeated, coalesce(sum(cost_usd) FILTER (WHERE is_repeated), 0) AS repeated_usd
FROM wasted;

-- name: repairs
-- Billed attempts that repaired an invalid answer: those after an invalid answer that was not final.
WITH attempts_with_repairs AS (
    SELECT a.run_id, o.billing, o.cost_usd,
           lag(o.status = 'invalid' AND NOT o.is_final, 1, false) OVER (PARTITION BY o.fingerprint ORDER BY o.attempt_id) AS is_repair
    FROM verdicts o JOIN attempts a USING (attempt_id)
    WHERE o.fingerprint IN (SELECT fingerprint FROM outcomes WHERE status = 'invalid')
)
SELECT count(*) AS attempts, coalesce(sum(cost_usd), 0) AS usd FROM attempts_with_repairs
WHERE is_repair AND billing = 'billed' AND ($run_id IS NULL OR run_id = $run_id);

-- name: tables
-- The price tables that runs used.
SELECT digest, prices FROM price_tables;

-- name: tables_of_runs
-- The price table of each run.
SELECT run_id, prices_digest FROM runs WHERE prices_digest IS NOT NULL;

-- name: prices_of_run
-- The price table that a run used.
SELECT prices FROM price_tables WHERE digest = (SELECT prices_digest FROM runs WHERE run_id = $run_id) LIMIT 1;

-- name: spent_money
-- The money billed, the most that attempts with unknown cost can have cost, and the number of these
-- attempts without a bound; then the same two of attempts that wait in a batch, and their number. Of all
-- attempts, or of those whose run started since a time, because a run belongs to the day on which it
-- started. Released attempts cost 0. An attempt counts by the time of sending when its run was lost
-- through damage.
SELECT coalesce(sum(cost_usd), 0) AS spent,
       coalesce(sum(worst_case_usd) FILTER (WHERE is_held), 0) AS unknown,
       count(*) FILTER (WHERE is_held AND worst_case_usd IS NULL) AS unbounded,
       coalesce(sum(worst_case_usd) FILTER (WHERE state = 'pending'), 0) AS reserved,
       count(*) FILTER (WHERE state = 'pending' AND worst_case_usd IS NULL) AS reserved_unbounded,
       count(*) FILTER (WHERE state = 'pending') AS pending
FROM (SELECT *, state IN ('open', 'unknown', 'unpriced') AS is_held FROM attempt_states)
LEFT JOIN runs USING (run_id)
WHERE $since::TIMESTAMPTZ IS NULL OR coalesce(started_at, sent_at) >= $since::TIMESTAMPTZ;

-- name: held
-- The attempts that hold money: those whose billing status is unknown, the answers whose cost is unknown,
-- and the most that they can have cost together. Those that wait in a batch are none of them: they are at
-- the API, and what they cost will be known.
SELECT count(*) FILTER (WHERE state <> 'unpriced'), count(*) FILTER (WHERE state = 'unpriced'), coalesce(sum(worst_case_usd), 0)
FROM attempt_states WHERE state IN ('open', 'unknown', 'unpriced');

-- name: release
-- Record the decision that none of them holds money any more.
INSERT INTO releases
SELECT attempt_id, $now::TIMESTAMPTZ FROM attempt_states WHERE state IN ('open', 'unknown', 'unpriced');
