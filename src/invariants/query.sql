-- Counts what a query check returns and takes the first rows by subject, in one execution.
WITH found AS MATERIALIZED (
$query
), totals AS (
    SELECT count(*) AS violations,
           coalesce(sum(abs(f.difference::numeric)) FILTER (
               WHERE f.difference::numeric > '-Infinity' AND f.difference::numeric < 'Infinity'
           ), 0)::text AS at_risk
      FROM found AS f
), first_ones AS (
    SELECT coalesce(f.subject::text, '(no subject)') COLLATE "C" AS subject,
           f.expected::text AS expected,
           f.actual::text AS actual,
           f.difference::numeric::text AS difference,
           f.cause::text AS cause,
           f.detail::text AS detail
      FROM found AS f
     ORDER BY 1, 2, 3, 4
     LIMIT $1
)
SELECT t.violations, t.at_risk, e.subject IS NOT NULL AS is_evidence, e.*
  FROM totals AS t
  LEFT JOIN first_ones AS e ON true
 ORDER BY e.subject, e.expected, e.actual, e.difference
