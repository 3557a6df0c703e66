-- The table that a checkpoint before schema version 5 lacks, for a reader, which does not migrate it.
CREATE TEMP TABLE settled (attempt_id BIGINT, run_id VARCHAR);
