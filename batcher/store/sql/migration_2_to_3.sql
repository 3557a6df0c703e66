-- What schema version 3 adds to version 2; the comments are in schema.sql.
ALTER TABLE runs ADD COLUMN IF NOT EXISTS prices_digest VARCHAR;
ALTER TABLE outcomes ADD COLUMN IF NOT EXISTS rates VARCHAR;
CREATE TABLE IF NOT EXISTS price_tables (digest VARCHAR, prices VARCHAR);
CREATE TABLE IF NOT EXISTS releases (attempt_id BIGINT, released_at TIMESTAMPTZ);
