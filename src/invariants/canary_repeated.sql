-- Planted rows, each as many times as its key "*" says; made once (OFFSET), then repeated.
SELECT (planted.made).*
  FROM (SELECT jsonb_populate_record($table, value) AS made,
               coalesce((value ->> '*')::integer, 1) AS times
          FROM jsonb_array_elements($rows) AS elements (value)
        OFFSET 0) AS planted
 CROSS JOIN LATERAL generate_series(1, planted.times)
