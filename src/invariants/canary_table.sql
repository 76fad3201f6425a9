-- The rows that a canary plants in a table, in its place. The key "*" of a row is how many times it
-- is there; keys that the table has no column for mean nothing.
SELECT made.*
  FROM jsonb_array_elements($canary::jsonb -> $key) AS planted (value)
 CROSS JOIN generate_series(1, coalesce((planted.value ->> '*')::integer, 1))
 CROSS JOIN LATERAL jsonb_populate_record(NULL::$table, planted.value) AS made
