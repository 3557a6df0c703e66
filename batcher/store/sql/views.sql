-- Every outcome; is_final includes the failures that were settled later. A repair may have lost the
-- answer of such a failure; then its row is sent again.
CREATE OR REPLACE TEMP VIEW verdicts AS
SELECT * REPLACE (is_final OR (attempt_id IN (SELECT attempt_id FROM settled) AND error_type IS DISTINCT FROM 'client.answer_lost') AS is_final)
FROM outcomes;

-- Every Message Batch, its id at the API, and its state:
--   unconfirmed  it may have been created or not: only its intent is known
--   absent       it was never created
--   created      the API has it, and it has not ended
--   canceling    the same, and it was asked to cancel
--   ended        its results can be fetched
--   fetched      all its results are recorded
--   lost         its results are gone
--   deleted      it was deleted at the API after fetching
-- What is certain wins: a batch that was found after it had been given up is not absent.
CREATE OR REPLACE TEMP VIEW batch_states AS
SELECT b.*, e.id,
       CASE WHEN e.deleted_at IS NOT NULL THEN 'deleted'
            WHEN e.fetched_at IS NOT NULL THEN 'fetched'
            WHEN e.lost_at IS NOT NULL THEN 'lost'
            WHEN e.ended_at IS NOT NULL THEN 'ended'
            WHEN e.cancel_at IS NOT NULL THEN 'canceling'
            WHEN e.created_at IS NOT NULL THEN 'created'
            WHEN e.absent_at IS NOT NULL THEN 'absent'
            ELSE 'unconfirmed' END AS state,
       e.created_at, e.cancel_at, e.ended_at, e.fetched_at
FROM batches b LEFT JOIN (
    SELECT batch, max(id) AS id,
           min("at") FILTER (WHERE event = 'created') AS created_at,
           min("at") FILTER (WHERE event = 'absent') AS absent_at,
           min("at") FILTER (WHERE event = 'cancel') AS cancel_at,
           min("at") FILTER (WHERE event = 'ended') AS ended_at,
           min("at") FILTER (WHERE event = 'fetched') AS fetched_at,
           min("at") FILTER (WHERE event = 'lost') AS lost_at,
           min("at") FILTER (WHERE event = 'deleted') AS deleted_at
    FROM batch_events GROUP BY batch
) e USING (batch);

-- Every request of a batch. state is that of its attempt as long as the attempt has no outcome: absent
-- or pending; NULL when no result will come any more.
CREATE OR REPLACE TEMP VIEW batch_attempts AS
SELECT i.attempt_id, i.batch,
       CASE WHEN b.state = 'absent' THEN 'absent'
            WHEN b.state IN ('unconfirmed', 'created', 'canceling', 'ended') THEN 'pending' END AS state
FROM batch_items i LEFT JOIN batch_states b USING (batch);

-- The attempts that wait in a batch: their requests are not sent again.
CREATE OR REPLACE TEMP VIEW pending_attempts AS
SELECT * FROM attempts
WHERE attempt_id IN (SELECT attempt_id FROM batch_attempts WHERE state = 'pending')
  AND attempt_id NOT IN (SELECT attempt_id FROM outcomes);

-- Every attempt with its outcome, if it has one, and its billing state:
--   open      no outcome yet: it is in flight, its run was killed, or its batch has no result for it
--   pending   no outcome yet, and it waits in a batch
--   absent    it was never sent: its batch was never created
--   unknown   an outcome that does not say whether the attempt was billed
--   unpriced  billed, and its cost is not known
--   released  open, unknown or unpriced, and the user decided that it holds no money
--   billed    billed; its cost is known
--   free      not billed
-- delivery says how it was sent: live, or in a batch.
-- TEMP, so that it belongs to the connection: the schema on disk stays as it is, older checkpoints
-- and read-only ones have the view too, and a later version may define it differently.
CREATE OR REPLACE TEMP VIEW attempt_states AS
SELECT a.attempt_id, a.fingerprint,
       CASE WHEN o.billing = 'free' OR (o.billing = 'billed' AND o.cost_usd IS NOT NULL) THEN o.billing
            WHEN o.attempt_id IS NULL AND b.state IS NOT NULL THEN b.state
            WHEN a.attempt_id IN (SELECT attempt_id FROM releases) THEN 'released'
            WHEN o.billing = 'billed' THEN 'unpriced'
            WHEN o.attempt_id IS NULL THEN 'open'
            ELSE 'unknown' END AS state,
       b.batch, CASE WHEN b.attempt_id IS NULL THEN 'live' ELSE 'batch' END AS delivery,
       a.run_id, a.model AS requested_model, a.sent_at, a.worst_case_usd,
       o.attempt_id IS NOT NULL AS has_outcome, o.* EXCLUDE (attempt_id, fingerprint)
FROM attempts a LEFT JOIN verdicts o USING (attempt_id) LEFT JOIN batch_attempts b USING (attempt_id);

-- The invalid answers that a repair quotes: those after the last final outcome of their request.
CREATE OR REPLACE TEMP VIEW invalid_answers AS
SELECT o.attempt_id, o.fingerprint, o.body, o.body_bytes
FROM verdicts o LEFT JOIN (SELECT fingerprint, max(attempt_id) AS last_final FROM verdicts WHERE is_final GROUP BY fingerprint) f USING (fingerprint)
WHERE o.status = 'invalid' AND NOT o.is_final AND o.attempt_id > coalesce(f.last_final, 0);
