-- What schema version 2 adds to version 1; the comments are in schema.sql.
CREATE TABLE rows_seen (key UUID, coverage UUID, content UUID, fingerprint UUID);
CREATE TABLE replacements (fingerprint UUID, replaced_by UUID, run_id VARCHAR);
