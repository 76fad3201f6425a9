-- title: all balances together are all amounts together
-- kind: query
-- scope: totals
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: no constraint can compare sums of two tables
-- why: many small errors, none of which anybody notices. This is the one number that an
--   accountant asks for: what was issued, what was used, what is outstanding.
-- remedy: run "creditdb verify --area chain", whose other checks name the users that the
--   difference comes from.
-- canary: {"credit_transactions": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "amount": 5},
--   {"user_id": "00000000-0000-4000-8000-000000000001", "amount": -1}], "user_credits": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "balance": 5}]}

-- Errors that cancel out are balance-equals-sum, which looks at each user.
WITH entries AS (
    SELECT coalesce(sum(amount), 0) AS total,
           sum(amount) FILTER (WHERE transaction_type = 'purchase') AS purchased,
           sum(amount) FILTER (WHERE transaction_type = 'bonus') AS granted,
           sum(amount) FILTER (WHERE transaction_type = 'usage') AS used,
           sum(amount) FILTER (WHERE transaction_type = 'refund') AS refunded,
           sum(amount) FILTER (WHERE transaction_type = 'admin_adjustment') AS adjusted
      FROM public.credit_transactions
), balances AS (
    SELECT coalesce(sum(balance), 0) AS total, count(*) AS users FROM public.user_credits
)
SELECT 'all users'::text AS subject,
       trim_scale(e.total)::text AS expected,
       trim_scale(b.total)::text AS actual,
       nullif(b.total - e.total, 'NaN') AS difference,
       NULL::text AS cause,
       format('purchase %s, bonus %s, usage %s, refund %s, admin_adjustment %s; %s users',
              trim_scale(coalesce(e.purchased, 0)), trim_scale(coalesce(e.granted, 0)),
              trim_scale(coalesce(e.used, 0)), trim_scale(coalesce(e.refunded, 0)),
              trim_scale(coalesce(e.adjusted, 0)), b.users) AS detail
  FROM entries AS e, balances AS b
 WHERE e.total IS DISTINCT FROM b.total;
