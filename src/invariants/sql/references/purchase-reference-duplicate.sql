-- title: a payment is credited once
-- kind: query
-- scope: global
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: credit_transactions_reference_key is unique per user only
-- why: the payment provider delivered a webhook twice, or it was replayed for another account.
--   The credits were paid for once and granted several times.
-- remedy: look the payment up at the provider. Take the surplus back: SELECT * FROM
--   public.debit_user_credits(<user>, <difference>, 'refund', <payment>, 'credited twice'), which
--   may go below zero. Then let the webhook skip payments that are in the ledger.
-- canary: {"credit_transactions": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "purchase",
--    "amount": 5, "reference_id": "a"},
--   {"user_id": "00000000-0000-4000-8000-000000000002", "transaction_type": "purchase",
--    "amount": 5, "reference_id": "a"}]}
-- incremental: SELECT FROM public.credit_transactions AS n JOIN public.credit_transactions AS o
--   ON o.reference_id = n.reference_id AND o.id <> n.id WHERE n.id > $entries AND
--   n.transaction_type = 'purchase' AND o.transaction_type = 'purchase'

-- Over all users on purpose: one payment has one payer. Silent again when refunds of the same
-- payment took the surplus back, as entries are never deleted. Purchases without a reference are
-- purchase-reference-missing.
SELECT 'payment ' || reference_id AS subject,
       trim_scale(min(amount) FILTER (WHERE amount > 0))::text AS expected,
       trim_scale(sum(amount))::text AS actual,
       nullif(sum(amount) - min(amount) FILTER (WHERE amount > 0), 'NaN') AS difference,
       CASE WHEN min(user_id::text) <> max(user_id::text) THEN 'shared-payment'
            WHEN min(amount) FILTER (WHERE amount > 0) <> max(amount) THEN 'amounts-differ'
            ELSE 'repeated-webhook' END AS cause,
       format('%s purchases, entries %s to %s, users %s to %s, from %s to %s',
              count(*) FILTER (WHERE transaction_type = 'purchase'), min(id), max(id),
              min(user_id::text), max(user_id::text), min(created_at), max(created_at)) AS detail
  FROM public.credit_transactions
 WHERE (transaction_type = 'purchase' OR (transaction_type = 'refund' AND amount < 0))
   AND btrim(reference_id) NOT IN ('', 'None', 'null', 'undefined')
 GROUP BY reference_id
HAVING count(*) FILTER (WHERE transaction_type = 'purchase') > 1
   AND sum(amount) > min(amount) FILTER (WHERE amount > 0);
