-- Response bodies: the column body of an outcome, or the parts of a long one.

-- name: longest_whole
-- The size of the longest response in the column body. Older versions have no parts.
SELECT coalesce(max(body_bytes), 0) FROM outcomes WHERE attempt_id NOT IN (SELECT attempt_id FROM body_parts);

-- name: parts
-- The parts of some bodies. The range lets DuckDB skip other row groups.
SELECT attempt_id, part, data FROM body_parts
WHERE attempt_id BETWEEN list_min($ids) AND list_max($ids) AND list_contains($ids, attempt_id);
