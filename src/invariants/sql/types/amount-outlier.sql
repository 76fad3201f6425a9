-- title: no amount is a thousand times what is usual for its type
-- kind: query
-- scope: global
-- severity: info
-- since: 1.0.0
-- guarded_by: nothing: what is usual is no law
-- why: one writer counts in thousandths, or a finger slipped on the zero. The books agree with
--   themselves, and a user has a thousand times the credits.
-- remedy: look at what the entry stands for (the payment, the request). When it is wrong, correct
--   it by the difference with type admin_adjustment and a reason.
-- incremental: full audits only: a percentile takes all amounts

-- Usual is the 99.9th percentile of the type, so a type needs a thousand entries before anything
-- stands out. The percentile is computed only where more than one entry in a thousand is not
-- within a factor of 1000 of the largest: else the percentile is too, and nothing stands out.
WITH extremes AS MATERIALIZED (
    SELECT transaction_type, max(abs(amount)) AS largest, count(*) AS number
      FROM public.credit_transactions
     WHERE amount > '-Infinity' AND amount < 'Infinity'
     GROUP BY transaction_type
), suspects AS MATERIALIZED (
    SELECT x.transaction_type
      FROM extremes AS x
      JOIN public.credit_transactions AS ct USING (transaction_type)
     WHERE abs(ct.amount) > x.largest / 1000 AND ct.amount < 'Infinity'
       AND x.number > 1000
     GROUP BY x.transaction_type, x.number
    HAVING count(*) <= x.number / 1000.0
), limits AS MATERIALIZED (
    SELECT ct.transaction_type,
           percentile_disc(0.999) WITHIN GROUP (ORDER BY abs(ct.amount)) AS usual
      FROM public.credit_transactions AS ct
      JOIN suspects USING (transaction_type)
     WHERE ct.amount > '-Infinity' AND ct.amount < 'Infinity'
     GROUP BY ct.transaction_type
)
SELECT format('user %s entry %s', ct.user_id, ct.id) AS subject,
       'within 1000 times ' || trim_scale(l.usual) AS expected,
       trim_scale(ct.amount)::text AS actual,
       ct.amount AS difference,
       'unit-mix'::text AS cause,
       format('%s, reference %s, written %s', ct.transaction_type,
              quote_nullable(ct.reference_id), ct.created_at) AS detail
  FROM public.credit_transactions AS ct
  JOIN limits AS l USING (transaction_type)
 WHERE abs(ct.amount) > 1000 * l.usual AND ct.amount < 'Infinity';
