-- Planted rows, each as many times as its key "*" says.
SELECT jsonb_agg(planted.value)
  FROM jsonb_array_elements($rows) AS planted (value)
 CROSS JOIN generate_series(1, coalesce((planted.value ->> '*')::integer, 1))
