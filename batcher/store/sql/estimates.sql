-- Data for the cost estimate of a plan; make the plan first. The table items has the items to send.

-- name: buckets
-- The requests to send, by price group and length of the prompt: the lengths of a class differ by 5 %.
SELECT price_group AS "group", count(*) AS requests, sum(prompt_tokens) AS predicted, sum(max_tokens)::BIGINT AS max_output_tokens,
       CASE WHEN count(*) = count(max_prompt_tokens) THEN sum(max_prompt_tokens)::BIGINT END AS max_prompt_tokens,
       min(prompt_tokens) AS lower, max(prompt_tokens) AS upper
FROM plan JOIN items USING (item)
GROUP BY price_group, floor(20 * ln(1 + prompt_tokens)) ORDER BY price_group, lower;

-- name: answered_pairs
-- Answered requests of the plan: the estimated tokens, and the tokens that all their billed attempts used.
-- Takes those with the smallest fingerprints, which is as good as a random draw. A refusal that is not
-- billed used no tokens.
WITH answered_requests AS (
    SELECT p.fingerprint, p.price_group, p.prompt_tokens
    FROM plan p JOIN answered a ON a.fingerprint = p.fingerprint AND a.first_item = p.item
    WHERE a.final_attempt IS NOT NULL ORDER BY p.fingerprint LIMIT $limit
)
SELECT h.price_group AS "group", h.prompt_tokens AS predicted,
       coalesce(sum(o.input_tokens + o.cache_creation_5m_input_tokens + o.cache_creation_1h_input_tokens + o.cache_read_input_tokens) FILTER (WHERE is_billed), 0)::BIGINT AS prompt_tokens,
       coalesce(sum(o.output_tokens) FILTER (WHERE is_billed), 0)::BIGINT AS output_tokens
FROM answered_requests h JOIN (SELECT *, billing = 'billed' AND NOT (status = 'refused' AND cost_usd = 0) AS is_billed FROM outcomes) o USING (fingerprint)
GROUP BY h.fingerprint, h.price_group, h.prompt_tokens ORDER BY h.fingerprint;

-- name: cached_tokens
-- The tokens that the requests to send read from the prompt cache and write to it, by price group, if every
-- marked prefix is written once. The shorter prefix of a request is part of the longer one.
WITH uses AS (
    SELECT s.number, p.item, p.level, p.tokens, p.prefix,
           row_number() OVER (PARTITION BY p.prefix ORDER BY s.number) = 1 AS writes,
           row_number() OVER (PARTITION BY p.item ORDER BY p.level DESC) AS nth
    FROM shared m JOIN prefixes p ON p.item = m.item AND (m.levels & p.level) <> 0 JOIN sends s ON s.item = p.item
    WHERE p.tokens > 0
),
each AS (
    SELECT item,
           max(CASE WHEN nth = 1 THEN tokens END) AS longest,
           bool_or(nth = 1 AND writes) AS is_first,
           coalesce(max(CASE WHEN nth = 2 AND NOT writes THEN tokens END), 0) AS shorter
    FROM uses GROUP BY item
)
SELECT price_group AS "group",
       sum(CASE WHEN is_first THEN shorter ELSE longest END) AS read,
       sum(CASE WHEN is_first THEN longest - shorter ELSE 0 END) AS written
FROM each JOIN plan USING (item) GROUP BY price_group ORDER BY price_group;

-- name: draw_items
-- Some of the requests to send, equally many from each class of length. Fingerprints are as good as random
-- numbers, and a larger draw includes a smaller one.
WITH ranked AS (
    SELECT item, fingerprint, ntile($classes) OVER (ORDER BY price_group, prompt_tokens, fingerprint) AS class
    FROM plan JOIN items USING (item)
)
SELECT item FROM (SELECT item, class, row_number() OVER (PARTITION BY class ORDER BY fingerprint) AS nth FROM ranked)
ORDER BY nth, class LIMIT $number;

-- name: predicted_of
-- The estimated prompt tokens of some requests.
SELECT item, price_group AS "group", prompt_tokens AS predicted FROM plan JOIN items USING (item) ORDER BY item;

-- name: worst_cases_of
-- The most that one attempt of each request can cost, and the most that repairs can add.
SELECT sum(worst_case_usd), coalesce(sum(repairs_usd), 0), min(worst_case_usd), count(*) > count(worst_case_usd) FROM plan JOIN items USING (item);

-- name: speed
-- The latency of answers in seconds: the mean and the 99th percentile.
SELECT avg(latency_s), quantile_cont(latency_s, 0.99) FROM verdicts WHERE http_status = 200 AND is_final;
