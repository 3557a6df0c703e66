-- What schema version 7 adds to version 6; the comments are in schema.sql.
CREATE TABLE IF NOT EXISTS body_parts (attempt_id BIGINT, part INTEGER, parts INTEGER, data BLOB);
