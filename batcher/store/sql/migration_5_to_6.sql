-- What schema version 6 adds to version 5; the comments are in schema.sql.
CREATE TABLE IF NOT EXISTS batches (
    batch BIGINT, run_id VARCHAR, marker VARCHAR, requests INTEGER, body_bytes BIGINT, key_digest VARCHAR, newest_id VARCHAR, cache_ttl VARCHAR, made_at TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS batch_items (attempt_id BIGINT, batch BIGINT, max_tokens BIGINT, turns INTEGER);
CREATE TABLE IF NOT EXISTS batch_events (batch BIGINT, event VARCHAR, id VARCHAR, "at" TIMESTAMPTZ);
