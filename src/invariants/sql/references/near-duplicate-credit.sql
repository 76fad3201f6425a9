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

-- A purchase is settled when money went back for its reference, or an admin_adjustment has it;
-- neighbours are those that are not. The same reference is purchase-reference-duplicate, none is
-- purchase-reference-missing. What is settled is only asked where purchases are close at all.
WITH close AS MATERIALIZED (
    SELECT DISTINCT p.user_id, p.amount
      FROM (SELECT user_id, amount, reference_id, created_at,
                   lag(reference_id) OVER w AS first_reference, lag(created_at) OVER w AS first_at
              FROM public.credit_transactions
             WHERE transaction_type = 'purchase'
               AND btrim(reference_id) NOT IN ('', 'None', 'null', 'undefined')
            WINDOW w AS (PARTITION BY user_id, amount ORDER BY created_at, id)) AS p
     WHERE p.reference_id <> p.first_reference
       AND p.created_at <= p.first_at + interval '10 minutes'
), purchases AS (
    SELECT t.user_id, t.id, t.amount, t.reference_id, t.created_at,
           lag(t.id) OVER w AS first_id, lag(t.reference_id) OVER w AS first_reference,
           lag(t.created_at) OVER w AS first_at
      FROM close AS c
      JOIN public.credit_transactions AS t
        ON t.user_id = c.user_id AND t.amount IS NOT DISTINCT FROM c.amount
     WHERE t.transaction_type = 'purchase'
       AND btrim(t.reference_id) NOT IN ('', 'None', 'null', 'undefined')
       AND NOT EXISTS (
               SELECT FROM public.credit_transactions AS s
                WHERE s.user_id = t.user_id
                  AND s.reference_id = t.reference_id
                  AND (s.transaction_type = 'admin_adjustment'
                       OR (s.transaction_type = 'refund' AND s.amount < 0)))
    WINDOW w AS (PARTITION BY t.user_id, t.amount ORDER BY t.created_at, t.id)
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
   AND p.created_at <= p.first_at + interval '10 minutes';
