-- The checkpoint, schema version 3. Rows are only ever added.

-- One row: the version of this schema.
CREATE TABLE checkpoint (
    schema_version INTEGER,
    created_at     TIMESTAMPTZ,
    created_by     VARCHAR
);

-- One row a run, written before anything is sent: who held the checkpoint, since when.
CREATE TABLE runs (
    run_id      VARCHAR,
    started_at  TIMESTAMPTZ,
    pid         BIGINT,
    host        VARCHAR,
    boot_id     VARCHAR,
    version     VARCHAR,
    origin      VARCHAR,  -- the server that answers
    job_digest  VARCHAR,
    prices_as_of VARCHAR,
    prices_digest VARCHAR  -- the price table in force; NULL in runs of an older schema
);

-- One row a run that ended by itself; a killed run has none.
CREATE TABLE run_ends (
    run_id    VARCHAR,
    ended_at  TIMESTAMPTZ,
    exit_code INTEGER
);

-- One row an attempt, durable before it is sent.
CREATE TABLE attempts (
    attempt_id     BIGINT,
    fingerprint    UUID,
    run_id         VARCHAR,
    model          VARCHAR,
    sent_at        TIMESTAMPTZ,
    worst_case_usd DECIMAL(38, 18)  -- NULL: no bound is known
);

-- One row an attempt that came back. An attempt without one may have been billed unseen.
CREATE TABLE outcomes (
    attempt_id    BIGINT,
    fingerprint   UUID,
    is_final      BOOLEAN,
    status        VARCHAR,
    billing       VARCHAR,
    http_status   SMALLINT,
    error_type    VARCHAR,
    error_message VARCHAR,
    request_id    VARCHAR,
    message_id    VARCHAR,
    model         VARCHAR,          -- the one that answered
    stop_reason   VARCHAR,
    input_tokens  BIGINT,
    cache_creation_5m_input_tokens BIGINT,
    cache_creation_1h_input_tokens BIGINT,
    cache_read_input_tokens        BIGINT,
    output_tokens   BIGINT,
    thinking_tokens BIGINT,
    cost_usd        DECIMAL(38, 18),  -- NULL: billed, but how much is not known
    rates           VARCHAR,          -- which rates of the price table that is by; NULL: by none
    latency_s       DOUBLE,
    ttft_s          DOUBLE,
    ended_at        TIMESTAMPTZ,
    body_bytes      BIGINT,           -- size of the answer as it came
    body            BLOB              -- the answer; a zstd frame of it when above 1,024 bytes
);

-- One row whenever a row of the input asked something else than the last time: what an input holds
-- that is new, changed or gone is told by the latest row of each key.
CREATE TABLE rows_seen (
    key         UUID,  -- the id, or without an id column the content, and the sample
    coverage    UUID,  -- which columns the content is made of
    content     UUID,  -- the values that the request was made from
    fingerprint UUID   -- NULL: the row was gone
);

-- One row a request that failed and was asked again in another form, durable before that is sent.
CREATE TABLE replacements (
    fingerprint UUID,
    replaced_by UUID,
    run_id      VARCHAR
);

-- One row a price table that some run used: the shipped table and the job's overrides, as JSON.
CREATE TABLE price_tables (
    digest  VARCHAR,
    prices  VARCHAR
);

-- One row an attempt that may have been billed unseen, and of which somebody decided that it was not.
CREATE TABLE releases (
    attempt_id  BIGINT,
    released_at TIMESTAMPTZ
);
