-- The table that a checkpoint before schema version 7 lacks, for a reader, which does not migrate it.
CREATE TEMP TABLE body_parts (attempt_id BIGINT, part INTEGER, parts INTEGER, data BLOB);
