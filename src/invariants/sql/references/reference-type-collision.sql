-- title: no reference belongs to both a purchase and a usage
-- kind: query
-- scope: global
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: references of all types share one column
-- why: a program passes the wrong id, or two id spaces were mixed. A refund that looks its origin
--   up by the reference then finds the wrong entry.
-- remedy: see both entries: SELECT * FROM public.credit_transactions WHERE reference_id =
--   <reference> ORDER BY id. Correct the reference of the wrong one, and the program that wrote
--   it.
-- question: SELECT FROM public.credit_transactions AS p JOIN public.llm_usage_log AS l
--   ON l.request_id = p.reference_id WHERE p.transaction_type = 'purchase'
--   AND btrim(p.reference_id) NOT IN ('', 'None', 'null', 'undefined')
-- canary: {"credit_transactions": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "purchase",
--    "amount": 5, "reference_id": "a"},
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "usage", "amount": -5,
--    "reference_id": "a"}], "llm_usage_log": [{"request_id": "a"}]}
-- incremental: SELECT FROM public.credit_transactions AS n JOIN public.credit_transactions AS p
--   ON p.reference_id = n.reference_id WHERE n.id > $entries AND n.transaction_type = 'usage' AND
--   p.transaction_type = 'purchase' UNION ALL SELECT FROM public.credit_transactions AS n JOIN
--   public.llm_usage_log AS l ON l.request_id = n.reference_id WHERE n.id > $entries AND
--   n.transaction_type = 'purchase'

-- Other types name the origin of something else on purpose, so they share references.
-- Between full audits, a usage is known by its log row: one without is charge-without-usage. So it
-- is in full ones, when log and usage agree to the row.
WITH purchases AS (
    SELECT reference_id, min(id) AS id, min(created_at) AS created_at
      FROM public.credit_transactions
     WHERE transaction_type = 'purchase'
       AND btrim(reference_id) NOT IN ('', 'None', 'null', 'undefined')
     GROUP BY reference_id
)
SELECT 'reference ' || p.reference_id AS subject,
       'purchase or usage'::text AS expected,
       'both'::text AS actual,
       NULL::numeric AS difference,
       'collision'::text AS cause,
       format('purchase: entry %s, written %s; usage: entry %s of user %s, written %s',
              p.id, p.created_at, ct.id, ct.user_id, ct.created_at) AS detail
  FROM purchases AS p
  JOIN public.credit_transactions AS ct ON ct.reference_id = p.reference_id
 WHERE ct.transaction_type = 'usage';
