-- title: a request of a user is charged once
-- kind: query
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: credit_transactions_reference_key
-- why: handler and middleware both debit, or a retried request debits again. The user pays twice
--   for one answer.
-- remedy: see which charge is right; the difference counts from the price in the log, or from the
--   smallest charge where the log has none. Give the surplus back: SELECT * FROM
--   public.add_user_credits(<user>, <difference without its sign>, 'refund', <request_id>, 'charged
--   twice'). Then remove the second debit from the gateway.
-- canary: {"credit_transactions": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "usage", "amount": -5,
--    "reference_id": "a"},
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "usage", "amount": -5,
--    "reference_id": "a"}]}

-- The same reference of another user is another request: upstreams repeat ids. What the one log row
-- of the request says is the right price; a row younger than 15 minutes waits for its refund.
-- Without a price, any of the charges may be the right one: what is left after refunds must be one
-- of them, or less than each. Silent again when refunds of the same request gave the surplus back,
-- or an adjustment that is a part of one, as entries are never deleted. Entries without a reference
-- cannot be told apart and are left out.
WITH charges AS (
    SELECT user_id, reference_id, sum(amount) AS net,
           max(amount) FILTER (WHERE transaction_type = 'usage') AS smallest,
           min(amount) FILTER (WHERE transaction_type = 'usage') AS greatest,
           array_agg(amount) FILTER (WHERE transaction_type = 'usage') AS amounts,
           count(*) FILTER (WHERE transaction_type = 'usage') AS number,
           min(id) AS first_id, max(id) AS last_id,
           min(created_at) AS first_at, max(created_at) AS last_at
      FROM public.credit_transactions
     WHERE (transaction_type = 'usage'
            OR (transaction_type IN ('refund', 'admin_adjustment') AND amount > 0))
       AND btrim(reference_id) NOT IN ('', 'None', 'null', 'undefined')
     GROUP BY user_id, reference_id
    HAVING count(*) FILTER (WHERE transaction_type = 'usage') > 1
), priced AS (
    SELECT c.*, coalesce(l.price, c.smallest) AS expected, l.price IS NOT NULL AS is_logged
      FROM charges AS c
      LEFT JOIN LATERAL (
          SELECT nullif(-max(o.credits_used), 'NaN') AS price
            FROM public.llm_usage_log AS o
           WHERE o.user_id = c.user_id AND o.request_id = c.reference_id
          HAVING count(*) = 1
             AND max(o.created_at)
                 < (SELECT current_setting('creditdb.now')::timestamptz - interval '15 minutes')
      ) AS l ON true
)
SELECT format('request %s of user %s', reference_id, user_id) AS subject,
       trim_scale(expected)::text AS expected,
       trim_scale(net)::text AS actual,
       nullif(net - expected, 'NaN') AS difference,
       CASE WHEN smallest = greatest THEN 'duplicated-entry' ELSE 'amounts-differ' END AS cause,
       format('%s charges, entries %s to %s, from %s to %s%s', number, first_id, last_id,
              first_at, last_at, CASE WHEN is_logged THEN ', price as logged' END) AS detail
  FROM priced
 WHERE net < expected
   AND (is_logged OR (net = ANY (amounts)) IS NOT TRUE);
