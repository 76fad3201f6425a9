-- title: a request of a user is charged once
-- kind: query
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: credit_transactions_reference_key
-- why: handler and middleware both debit, or a retried request debits again. The user pays twice
--   for one answer.
-- remedy: give the surplus back: SELECT * FROM public.add_user_credits(<user>, <difference
--   without its sign>, 'refund', <request_id>, 'charged twice'). Then remove the second debit
--   from the gateway.
-- canary: {"credit_transactions": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "usage", "amount": -5,
--    "reference_id": "a"},
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "usage", "amount": -5,
--    "reference_id": "a"}]}

-- The same reference of another user is another request: upstreams repeat ids. Silent again when
-- refunds of the same request gave the surplus back, as entries are never deleted. Entries
-- without a reference cannot be told apart and are left out.
SELECT format('request %s of user %s', reference_id, user_id) AS subject,
       trim_scale(max(amount) FILTER (WHERE transaction_type = 'usage'))::text AS expected,
       trim_scale(sum(amount))::text AS actual,
       nullif(sum(amount) - max(amount) FILTER (WHERE transaction_type = 'usage'), 'NaN')
           AS difference,
       CASE WHEN min(amount) FILTER (WHERE transaction_type = 'usage')
               = max(amount) FILTER (WHERE transaction_type = 'usage') THEN 'duplicated-entry'
            ELSE 'amounts-differ' END AS cause,
       format('%s charges, entries %s to %s, from %s to %s',
              count(*) FILTER (WHERE transaction_type = 'usage'), min(id), max(id),
              min(created_at), max(created_at)) AS detail
  FROM public.credit_transactions
 WHERE (transaction_type = 'usage' OR (transaction_type = 'refund' AND amount > 0))
   AND btrim(reference_id) NOT IN ('', 'None', 'null', 'undefined')
 GROUP BY user_id, reference_id
HAVING count(*) FILTER (WHERE transaction_type = 'usage') > 1
   AND sum(amount) < max(amount) FILTER (WHERE transaction_type = 'usage');
