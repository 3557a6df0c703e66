-- Every attempt with its outcome, if it has one, and its billing state:
--   open      no outcome yet: it is in flight, or its run was killed
--   unknown   an outcome that does not say whether the attempt was billed
--   released  open or unknown, and the user decided that it was not billed
--   billed    billed; its cost_usd may still be unknown
--   free      not billed
-- TEMP, so that it belongs to the connection: the schema on disk stays as it is, older checkpoints
-- and read-only ones have the view too, and a later version may define it differently.
CREATE OR REPLACE TEMP VIEW attempt_states AS
SELECT a.attempt_id, a.fingerprint,
       CASE WHEN o.billing IN ('billed', 'free') THEN o.billing
            WHEN a.attempt_id IN (SELECT attempt_id FROM releases) THEN 'released'
            WHEN o.attempt_id IS NULL THEN 'open'
            ELSE 'unknown' END AS state,
       a.run_id, a.model AS requested_model, a.sent_at, a.worst_case_usd,
       o.attempt_id IS NOT NULL AS has_outcome, o.* EXCLUDE (attempt_id, fingerprint)
FROM attempts a LEFT JOIN outcomes o USING (attempt_id);
