-- Every outcome; is_final includes the failures that were settled later. A repair may have lost the
-- answer of such a failure; then its row is sent again.
CREATE OR REPLACE TEMP VIEW verdicts AS
SELECT * REPLACE (is_final OR (attempt_id IN (SELECT attempt_id FROM settled) AND error_type IS DISTINCT FROM 'client.answer_lost') AS is_final)
FROM outcomes;

-- Every attempt with its outcome, if it has one, and its billing state:
--   open      no outcome yet: it is in flight, or its run was killed
--   unknown   an outcome that does not say whether the attempt was billed
--   unpriced  billed, and its cost is not known
--   released  open, unknown or unpriced, and the user decided that it holds no money
--   billed    billed; its cost is known
--   free      not billed
-- TEMP, so that it belongs to the connection: the schema on disk stays as it is, older checkpoints
-- and read-only ones have the view too, and a later version may define it differently.
CREATE OR REPLACE TEMP VIEW attempt_states AS
SELECT a.attempt_id, a.fingerprint,
       CASE WHEN o.billing = 'free' OR (o.billing = 'billed' AND o.cost_usd IS NOT NULL) THEN o.billing
            WHEN a.attempt_id IN (SELECT attempt_id FROM releases) THEN 'released'
            WHEN o.billing = 'billed' THEN 'unpriced'
            WHEN o.attempt_id IS NULL THEN 'open'
            ELSE 'unknown' END AS state,
       a.run_id, a.model AS requested_model, a.sent_at, a.worst_case_usd,
       o.attempt_id IS NOT NULL AS has_outcome, o.* EXCLUDE (attempt_id, fingerprint)
FROM attempts a LEFT JOIN verdicts o USING (attempt_id);
