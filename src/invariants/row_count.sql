-- The filter lets no row of a healthy table through, so the expression is evaluated once per row.
SELECT count(*) FILTER (WHERE j.violated) AS violations,
       count(*) FILTER (WHERE j.violated IS NULL) AS undecided,
       coalesce(sum(abs(j.difference)) FILTER (
           WHERE j.difference > '-Infinity' AND j.difference < 'Infinity'
       ), 0)::text AS at_risk
  FROM (
      SELECT judged.violated,
             CASE WHEN judged.violated THEN ($difference
)::numeric END AS difference
        FROM $table
       CROSS JOIN LATERAL (SELECT ($violated
) AS violated) AS judged
       WHERE judged.violated IS NOT FALSE
  ) AS j
