-- title: no purchase comes twice within 10 minutes under two references
-- kind: query
-- scope: user
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: a user may buy the same package twice in a row
-- why: the payment provider sends two events for one invoice, each with an id of its own, and both
--   were credited. No unique key can see it.
-- remedy: look both payments up at the provider. Take a second credit for one payment back: SELECT
--   * FROM public.debit_user_credits(<user>, <difference>, 'refund', <second reference>, 'credited
--   twice'). Two payments need nothing: note it with an admin_adjustment of 0.00000001 whose
--   reference is the second one.
-- canary: {"credit_transactions": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "purchase",
--    "amount": 5, "reference_id": "a", "created_at": "2021-01-01T00:00:00Z"},
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "purchase",
--    "amount": 5, "reference_id": "b", "created_at": "2021-01-01T00:05:00Z"}]}
-- incremental: SELECT FROM public.credit_transactions AS n JOIN public.credit_transactions AS o
--   ON o.user_id = n.user_id AND o.created_at BETWEEN n.created_at - interval '10 minutes' AND
--   n.created_at + interval '10 minutes' WHERE n.id > $entries AND n.transaction_type = 'purchase'
--   AND o.transaction_type = 'purchase' AND o.amount = n.amount AND o.reference_id <>
--   n.reference_id

-- Silent when the second was given back, or when an admin_adjustment has its reference. The same
-- reference is purchase-reference-duplicate, none is purchase-reference-missing.
WITH purchases AS (
    SELECT user_id, id, amount, reference_id, created_at,
           lag(id) OVER w AS first_id, lag(reference_id) OVER w AS first_reference,
           lag(created_at) OVER w AS first_at
      FROM public.credit_transactions
     WHERE transaction_type = 'purchase'
       AND btrim(reference_id) NOT IN ('', 'None', 'null', 'undefined')
    WINDOW w AS (PARTITION BY user_id, amount ORDER BY created_at, id)
)
SELECT format('user %s entry %s', p.user_id, p.id) AS subject,
       'no credit of this amount within 10 minutes'::text AS expected,
       concat_ws(' ', CASE WHEN isfinite(p.created_at) AND isfinite(p.first_at)
                           THEN p.created_at - p.first_at END, 'after entry', p.first_id) AS actual,
       nullif(p.amount, 'NaN') AS difference,
       'repeated-webhook'::text AS cause,
       format('references %s and %s', p.first_reference, p.reference_id) AS detail
  FROM purchases AS p
 WHERE p.reference_id <> p.first_reference
   AND p.created_at <= p.first_at + interval '10 minutes'
   AND NOT EXISTS (
           SELECT FROM public.credit_transactions AS ct
            WHERE ct.user_id = p.user_id
              AND ct.reference_id IN (p.reference_id, p.first_reference)
              AND (ct.transaction_type = 'admin_adjustment'
                   OR (ct.transaction_type = 'refund' AND ct.amount < 0)));
