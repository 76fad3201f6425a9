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
-- canary: {"credit_transactions": [
--   {"*": 1001, "user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "usage",
--    "amount": -1},
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "usage",
--    "amount": -1001}]}
-- incremental: full audits only: a percentile takes all amounts

-- Usual is the 99.9th percentile among the newest entries of the type, as many as the setting says,
-- and a thousand at least: before that nothing stands out.
WITH newest AS NOT MATERIALIZED (
    SELECT ct.*
      FROM (VALUES ('purchase'), ('usage'), ('refund'), ('admin_adjustment'), ('bonus'))
           AS types (transaction_type)
     CROSS JOIN LATERAL (
         SELECT t.user_id, t.id, t.transaction_type, t.amount, t.reference_id, t.created_at
           FROM public.credit_transactions AS t
          WHERE t.transaction_type = types.transaction_type
            AND t.amount > '-Infinity' AND t.amount < 'Infinity'
          ORDER BY t.created_at DESC
          LIMIT (SELECT current_setting('creditdb.recent')::bigint)
     ) AS ct
), limits AS MATERIALIZED (
    SELECT transaction_type,
           percentile_disc(0.999) WITHIN GROUP (ORDER BY abs(amount)) AS usual
      FROM newest
     GROUP BY transaction_type
    HAVING count(*) > 1000
)
SELECT format('user %s entry %s', ct.user_id, ct.id) AS subject,
       'within 1000 times ' || trim_scale(l.usual) AS expected,
       trim_scale(ct.amount)::text AS actual,
       ct.amount AS difference,
       'unit-mix'::text AS cause,
       format('%s, reference %s, written %s', ct.transaction_type,
              quote_nullable(ct.reference_id), ct.created_at) AS detail
  FROM newest AS ct
  JOIN limits AS l USING (transaction_type)
 WHERE abs(ct.amount) > 1000 * l.usual;
