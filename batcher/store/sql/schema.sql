-- The checkpoint, schema version 7. Rows are only added, never changed or deleted.

-- One row: the version of this schema.
CREATE TABLE checkpoint (
    schema_version INTEGER,
    created_at     TIMESTAMPTZ,
    created_by     VARCHAR,
    id             UUID  -- also in the watermark and the journal: they belong to this checkpoint
);

-- One row per run, written before its first request: the process, its host and its start time.
CREATE TABLE runs (
    run_id      VARCHAR,
    started_at  TIMESTAMPTZ,
    pid         BIGINT,
    host        VARCHAR,
    boot_id     VARCHAR,
    version     VARCHAR,
    origin      VARCHAR,  -- the server that the run sends to
    job_digest  VARCHAR,
    prices_as_of VARCHAR,
    prices_digest VARCHAR, -- the price table in use; NULL in runs of an older schema
    job         VARCHAR    -- the name of the job; NULL in runs of an older schema
);

-- One row per run that ended normally; a killed run has none.
CREATE TABLE run_ends (
    run_id    VARCHAR,
    ended_at  TIMESTAMPTZ,
    exit_code INTEGER
);

-- One row per attempt, durable before it is sent.
CREATE TABLE attempts (
    attempt_id     BIGINT,
    fingerprint    UUID,
    run_id         VARCHAR,
    model          VARCHAR,
    sent_at        TIMESTAMPTZ,
    worst_case_usd DECIMAL(38, 18)  -- NULL: it has no bound
);

-- One row per finished attempt. The billing status of an attempt without an outcome is unknown.
CREATE TABLE outcomes (
    attempt_id    BIGINT,
    fingerprint   UUID,
    is_final      BOOLEAN,          -- false for a failure that may not be its row's fault; see settled
    status        VARCHAR,
    billing       VARCHAR,
    http_status   SMALLINT,
    error_type    VARCHAR,
    error_message VARCHAR,
    request_id    VARCHAR,
    message_id    VARCHAR,
    model         VARCHAR,          -- the model that answered
    stop_reason   VARCHAR,
    input_tokens  BIGINT,
    cache_creation_5m_input_tokens BIGINT,
    cache_creation_1h_input_tokens BIGINT,
    cache_read_input_tokens        BIGINT,
    output_tokens   BIGINT,
    thinking_tokens BIGINT,
    cost_usd        DECIMAL(38, 18),  -- NULL: billed, but the amount is unknown
    rates           VARCHAR,          -- the rates of the price table that apply; NULL: none
    latency_s       DOUBLE,
    ttft_s          DOUBLE,
    ended_at        TIMESTAMPTZ,
    body_bytes      BIGINT,           -- size of the response body as received
    body            BLOB              -- the response body; as a zstd frame if larger than 1,024 bytes;
                                      -- NULL for a very long one, which is in body_parts
);

-- One row each time that a row of the input makes another request than before. The latest row of each
-- key shows which rows of an input are new, changed or removed.
CREATE TABLE rows_seen (
    key         UUID,  -- names the row by its id (or by its content, without an id column) and the sample
    coverage    UUID,  -- names the columns of the content
    content     UUID,  -- names the values of the request
    fingerprint UUID   -- NULL: the row was removed
);

-- One row per failed request that another request replaces, durable before that request is sent.
CREATE TABLE replacements (
    fingerprint UUID,
    replaced_by UUID,
    run_id      VARCHAR
);

-- One row per price table that a run used: the built-in table with the job's overrides, as JSON.
CREATE TABLE price_tables (
    digest  VARCHAR,
    prices  VARCHAR
);

-- One row per attempt with unknown billing status that the user declared as not billed.
CREATE TABLE releases (
    attempt_id  BIGINT,
    released_at TIMESTAMPTZ
);

-- One row per failure that became final after it was recorded: a later answer, or the end of its run,
-- showed that its row is the cause. Without this row such a failure is open, and is sent again.
CREATE TABLE settled (
    attempt_id BIGINT,
    run_id     VARCHAR
);

-- One row per Message Batch, durable together with its attempts before it is created at the API.
CREATE TABLE batches (
    batch      BIGINT,       -- our own number
    run_id     VARCHAR,      -- the run that submitted it
    marker     VARCHAR,      -- begins the custom_id of each request; what follows names the attempt
    requests   INTEGER,
    body_bytes BIGINT,       -- size of the body of the create request
    key_digest VARCHAR,      -- a salted digest of the API key: only keys of its workspace see the batch
    newest_id  VARCHAR,      -- the newest batch at the API before this one; NULL: none
    cache_ttl  VARCHAR,      -- longest lifetime of the cache marks in it; NULL: no marks
    made_at    TIMESTAMPTZ
);

-- One row per request of a batch, which is an attempt like any other.
CREATE TABLE batch_items (
    attempt_id BIGINT,
    batch      BIGINT,
    max_tokens BIGINT,
    turns      INTEGER       -- how many turns may be billed; NULL: nothing limits them
);

-- One row per event in the life of a batch:
--   created  the API has it; id is its id there
--   absent   it was never created: nothing was sent
--   cancel   it was asked to cancel
--   ended    all its requests have a result
--   fetched  all its results are recorded
--   lost     its results are gone for good: archived, deleted by another, or of another workspace
--   deleted  it was deleted at the API after fetching
CREATE TABLE batch_events (
    batch BIGINT,
    event VARCHAR,
    id    VARCHAR,           -- the API's id of the batch, where it is known
    "at"  TIMESTAMPTZ        -- by the API's clock where it tells the time
);

-- The parts of very long response bodies, in order: as they are, or of a zstd frame.
CREATE TABLE body_parts (
    attempt_id BIGINT,
    part       INTEGER,  -- from 0
    parts      INTEGER,  -- the number of parts of this body
    data       BLOB
);
