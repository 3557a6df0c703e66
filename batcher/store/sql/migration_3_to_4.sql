-- What schema version 4 adds to version 3; the comments are in schema.sql. The watermark has the id already.
ALTER TABLE checkpoint ADD COLUMN IF NOT EXISTS id UUID;
UPDATE checkpoint SET id = getvariable('checkpoint_id')::UUID;
ALTER TABLE runs ADD COLUMN IF NOT EXISTS job VARCHAR;
