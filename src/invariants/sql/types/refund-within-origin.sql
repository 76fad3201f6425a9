-- title: no more is given back than was paid or charged
-- kind: query
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: no constraint can compare a row with a sum over others
-- why: a refund was booked twice, or several partial refunds add up to more than the whole. The
--   surplus is spent, and no single entry looks wrong.
-- remedy: take the surplus back: SELECT * FROM public.debit_user_credits(<user>, <difference>,
--   'admin_adjustment', <reference>, 'refunded too much'); for money that went back to the payer,
--   public.add_user_credits with the same arguments. The finding ends with it.
-- canary: {"credit_transactions": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "usage", "amount": -5,
--    "reference_id": "a"},
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "refund", "amount": 3,
--    "reference_id": "a"},
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "refund", "amount": 3,
--    "reference_id": "a"}]}
-- incremental: SELECT FROM public.credit_transactions AS t WHERE (t.user_id, t.reference_id) IN
--   (SELECT n.user_id, n.reference_id FROM public.credit_transactions AS n WHERE n.id > $entries
--   AND n.transaction_type IN ('refund', 'admin_adjustment')) GROUP BY t.user_id, t.reference_id
--   HAVING bool_or(t.transaction_type = 'usage') AND sum(t.amount) FILTER (WHERE
--   t.transaction_type IN ('usage', 'admin_adjustment') OR (t.transaction_type = 'refund' AND
--   t.amount > 0)) > 0 OR bool_or(t.transaction_type = 'purchase') AND sum(t.amount) FILTER (WHERE
--   t.transaction_type IN ('purchase', 'admin_adjustment') OR (t.transaction_type = 'refund' AND
--   t.amount < 0)) < 0

-- Per user and reference: positive refunds against usage, negative ones against purchases. An
-- admin_adjustment with the reference corrects the sum. A refund without an origin is
-- refund-has-origin. The refunds are looked up first, because they are few.
-- Between full audits, a usage after its refund is not looked at: refund-has-origin was.
WITH refunded AS MATERIALIZED (
    SELECT user_id, reference_id
      FROM public.credit_transactions
     WHERE transaction_type = 'refund'
       AND btrim(reference_id) NOT IN ('', 'None', 'null', 'undefined')
       AND amount > '-Infinity' AND amount < 'Infinity'
), origins AS (
    SELECT user_id, reference_id,
           coalesce(sum(amount) FILTER (WHERE transaction_type = 'purchase'), 0) AS bought,
           coalesce(-sum(amount) FILTER (WHERE transaction_type = 'usage'), 0) AS used,
           coalesce(sum(amount) FILTER (WHERE transaction_type = 'refund' AND amount > 0), 0)
               AS given,
           coalesce(-sum(amount) FILTER (WHERE transaction_type = 'refund' AND amount < 0), 0)
               AS returned,
           coalesce(sum(amount) FILTER (WHERE transaction_type = 'admin_adjustment'), 0)
               AS adjusted
      FROM public.credit_transactions
     WHERE (user_id, reference_id) IN (SELECT r.user_id, r.reference_id FROM refunded AS r)
       AND amount > '-Infinity' AND amount < 'Infinity'
     GROUP BY user_id, reference_id
), surpluses AS (
    SELECT user_id, reference_id, 'usage' AS origin, used AS whole, given AS part,
           given + adjusted - used AS surplus
      FROM origins WHERE given > 0 AND used > 0
    UNION ALL
    SELECT user_id, reference_id, 'purchase', bought, returned, returned - adjusted - bought
      FROM origins WHERE returned > 0 AND bought > 0
)
SELECT format('reference %s of user %s', reference_id, user_id) AS subject,
       'at most ' || trim_scale(whole) AS expected,
       trim_scale(part)::text AS actual,
       surplus AS difference,
       CASE WHEN part = 2 * whole THEN 'double-refund' ELSE 'partial-refunds' END AS cause,
       'refunds of the ' || origin AS detail
  FROM surpluses
 WHERE surplus > 0;
