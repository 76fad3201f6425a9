-- title: a balance is a number, and below zero only as far as something explains it
-- kind: query
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: whether a negative balance is allowed depends on the entries
-- why: two requests read the same balance and both spent it, or a writer did not check at all.
--   The user got service that nobody paid for. NaN is worse: no comparison refuses it.
-- remedy: look at the entries: SELECT * FROM public.credit_transactions WHERE user_id = <user>
--   ORDER BY id DESC. When the usage was real, send an invoice or write it off with
--   public.add_user_credits(<user>, <missing>, 'admin_adjustment', <ticket>, <reason>). For a
--   user who was moved down from enterprise, settle the open amount the same way.
-- canary: {"credit_transactions": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "refund",
--    "amount": -2}], "user_credits": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "balance": -3, "tier": "trial"}]}
-- incremental: SELECT FROM public.user_credits WHERE balance = 'NaN' OR (balance < 0 AND tier IS
--   DISTINCT FROM 'enterprise')

-- Explained are the tier enterprise, and refund or admin_adjustment debits, which may go below
-- zero, by no more than their sum: usage beyond the balance is refused, so it never adds to what
-- is below zero. A balance of NULL is left to the column, which refuses it.
WITH negative AS MATERIALIZED (
    SELECT user_id, balance, tier
      FROM public.user_credits
     WHERE balance = 'NaN'
        OR (balance < 0 AND tier IS DISTINCT FROM 'enterprise')
), debits AS (
    SELECT ct.user_id, sum(ct.amount) AS total
      FROM public.credit_transactions AS ct
     WHERE ct.transaction_type IN ('refund', 'admin_adjustment')
       AND ct.amount < 0
       AND ct.user_id IN (SELECT n.user_id FROM negative AS n)
     GROUP BY ct.user_id
)
SELECT 'user ' || n.user_id AS subject,
       'at least ' || trim_scale(coalesce(d.total, 0)) AS expected,
       trim_scale(n.balance)::text AS actual,
       nullif(n.balance - coalesce(d.total, 0), 'NaN') AS difference,
       CASE WHEN n.balance = 'NaN' THEN 'not-a-number' ELSE 'overspend' END AS cause,
       format('tier %s; refund and admin_adjustment debits %s',
              n.tier, trim_scale(coalesce(d.total, 0))) AS detail
  FROM negative AS n
  LEFT JOIN debits AS d ON d.user_id = n.user_id
 WHERE n.balance = 'NaN'
    OR n.balance < coalesce(d.total, 0);
