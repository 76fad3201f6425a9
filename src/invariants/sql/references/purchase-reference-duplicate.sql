-- title: a payment is credited once
-- kind: query
-- scope: global
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: credit_transactions_reference_key is unique per user only
-- why: the payment provider delivered a webhook twice, or it was replayed for another account.
--   The credits were paid for once and granted several times.
-- remedy: look the payment up at the provider: who paid, and how much; where that is not the first
--   user, or not the smallest amount, take back from others than those named here. Take the surplus
--   back, user by user: SELECT * FROM public.debit_user_credits(<user>, <difference>, 'refund',
--   <payment>, 'credited twice'), which may go below zero. Where a part was taken back before, pass
--   admin_adjustment, and where an adjustment has that reference, '<payment> part <n>' with the
--   next number. Then let the webhook skip payments that are in the ledger.
-- canary: {"credit_transactions": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "purchase",
--    "amount": 5, "reference_id": "a"},
--   {"user_id": "00000000-0000-4000-8000-000000000002", "transaction_type": "purchase",
--    "amount": 5, "reference_id": "a"}]}
-- incremental: SELECT FROM public.credit_transactions AS n JOIN public.credit_transactions AS o ON
--   o.reference_id = n.reference_id JOIN public.credit_transactions AS p ON p.reference_id =
--   n.reference_id AND p.id < o.id WHERE n.id > $entries AND (n.transaction_type = 'purchase' OR
--   (n.transaction_type IN ('refund', 'admin_adjustment') AND n.amount < 0)) AND o.transaction_type
--   = 'purchase' AND p.transaction_type = 'purchase' UNION ALL SELECT FROM
--   public.credit_transactions AS n WHERE n.id > $entries AND n.transaction_type =
--   'admin_adjustment' AND n.reference_id ~ ' part [0-9]+$'

-- Over all users on purpose: one payment has one payer. The first user who still has credits of it
-- may keep them once, each further one is a finding with all that is left to that user. Silent
-- again when one user has them once, as entries are never deleted; where amounts differ, when what
-- is left is any one of them, as only the provider knows the right one.
-- A refund of either user counts alike. It may be the charge-back of the one who paid, with credits
-- left to another; but just so looks the settling of a duplicate that was booked to the wrong user
-- first, and nothing that could be appended would ever end that finding. A second part of a refund
-- is an admin_adjustment, and so are further ones, with '<payment> part 3' and so on.
-- Purchases without a reference are purchase-reference-missing.
WITH money AS (
    SELECT reference_id, user_id, transaction_type, amount, id, created_at
      FROM public.credit_transactions
     WHERE transaction_type = 'purchase'
        OR (transaction_type IN ('refund', 'admin_adjustment') AND amount < 0)
    UNION ALL
    SELECT regexp_replace(reference_id, ' part [0-9]+$', ''), user_id, transaction_type, amount, id,
           created_at
      FROM public.credit_transactions
     WHERE transaction_type = 'admin_adjustment' AND amount < 0
       AND reference_id ~ ' part [0-9]+$'
), nets AS (
    SELECT reference_id, user_id, sum(amount) AS net, count(*) AS entries,
           count(*) FILTER (WHERE transaction_type = 'purchase') AS purchases,
           min(amount) FILTER (WHERE amount > 0) AS smallest, max(amount) AS greatest,
           min(id) FILTER (WHERE transaction_type = 'purchase') AS first_id,
           min(created_at) AS first_at, max(created_at) AS last_at
      FROM money
     WHERE btrim(reference_id) NOT IN ('', 'None', 'null', 'undefined')
     GROUP BY reference_id, user_id
    HAVING bool_or(transaction_type = 'purchase')
), payments AS (
    SELECT n.*, count(*) OVER payment AS users, sum(purchases) OVER payment AS all_purchases,
           sum(net) FILTER (WHERE net > 0) OVER payment AS total,
           min(smallest) OVER payment AS once, max(greatest) OVER payment AS most,
           CASE WHEN net > 0 AND first_id = min(first_id) FILTER (WHERE net > 0) OVER payment
                THEN min(smallest) OVER payment ELSE 0 END AS allowed
      FROM nets AS n
    WINDOW payment AS (PARTITION BY reference_id)
)
SELECT format('payment %s of user %s', p.reference_id, p.user_id) AS subject,
       trim_scale(p.allowed)::text AS expected,
       trim_scale(p.net)::text AS actual,
       nullif(p.net - p.allowed, 'NaN') AS difference,
       CASE WHEN p.users > 1 THEN 'shared-payment'
            WHEN p.once <> p.most THEN 'amounts-differ'
            ELSE 'repeated-webhook' END AS cause,
       format('purchases %s, users %s; entries of this one %s, first %s, from %s to %s',
              p.all_purchases, p.users, p.entries, p.first_id, p.first_at, p.last_at) AS detail
  FROM payments AS p
 WHERE p.all_purchases > 1
   AND p.total > p.once
   AND p.net > p.allowed
   AND NOT EXISTS (
           SELECT FROM public.credit_transactions AS o
            WHERE o.reference_id = p.reference_id
              AND o.transaction_type = 'purchase'
              AND o.amount = p.total);
