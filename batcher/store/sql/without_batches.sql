-- The tables that a checkpoint before schema version 6 lacks, for a reader, which does not migrate it.
CREATE TEMP TABLE batches (
    batch BIGINT, run_id VARCHAR, marker VARCHAR, requests INTEGER, body_bytes BIGINT, key_digest VARCHAR, newest_id VARCHAR, cache_ttl VARCHAR, made_at TIMESTAMPTZ
);
CREATE TEMP TABLE batch_items (attempt_id BIGINT, batch BIGINT, max_tokens BIGINT, turns INTEGER);
CREATE TEMP TABLE batch_events (batch BIGINT, event VARCHAR, id VARCHAR, "at" TIMESTAMPTZ);
