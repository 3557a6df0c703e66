-- What schema version 5 adds to version 4; the comments are in schema.sql.
CREATE TABLE IF NOT EXISTS settled (attempt_id BIGINT, run_id VARCHAR);
