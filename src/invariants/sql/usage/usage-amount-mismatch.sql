-- title: a request was charged what the usage log says
-- kind: query
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: no constraint can compare rows of two tables
-- why: log and debit round to other scales, count in other units, or a request that failed or
--   used the user's own key was logged as free after it had been charged. Rows younger than 15
--   minutes are not judged, because log, debit and refund are not written in one transaction.
-- remedy: see which side is right (the price of the model times the tokens). Correct a wrong log
--   row: UPDATE public.llm_usage_log SET credits_used = <actual without its sign> WHERE id = <log
--   row>. Correct a wrong charge by its difference, with the request as reference:
--   public.add_user_credits and type refund, or public.debit_user_credits and type
--   admin_adjustment. Where a part was refunded before, pass admin_adjustment, and where an
--   adjustment has that reference, '<request_id> part <n>' with the next number.
-- canary: {"credit_transactions": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "usage", "amount": -5,
--    "reference_id": "a"}], "llm_usage_log": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "request_id": "a", "success": true,
--    "credits_used": 4, "created_at": "2021-01-01T00:00:00Z"}]}
-- incremental: SELECT FROM public.credit_transactions AS n JOIN public.llm_usage_log AS l ON
--   l.user_id = n.user_id AND l.request_id = n.reference_id JOIN public.credit_transactions AS c
--   ON c.user_id = n.user_id AND c.reference_id = n.reference_id AND c.transaction_type = 'usage'
--   WHERE n.id > $entries AND n.transaction_type IN ('usage', 'refund', 'admin_adjustment') AND
--   l.credits_used IS DISTINCT FROM -c.amount UNION ALL SELECT FROM public.llm_usage_log AS n JOIN
--   public.credit_transactions AS c ON c.user_id = n.user_id AND c.reference_id = n.request_id AND
--   c.transaction_type = 'usage' WHERE n.id > $log AND n.credits_used IS DISTINCT FROM -c.amount
--   UNION ALL SELECT FROM public.credit_transactions AS n WHERE n.id > $entries AND
--   n.transaction_type = 'admin_adjustment' AND n.reference_id ~ ' part [0-9]+$'

-- Judged are requests with one log row and a charge: no charge is usage-unbilled, no log row is
-- charge-without-usage, several are request-id-duplicate. What came later may be left out of the
-- log or counted in: refunds of the request, further parts of one, and what was charged more,
-- which are adjustments with its reference, or '<request_id> part 3' and so on. One as well as the
-- other: a log row that an adjustment made right stays right after a refund. Of several charges, a
-- refund may have given back one and a part of another, so that only too little is told here,
-- whatever is counted in; too much is usage-reference-duplicate.
-- "< 2" means one: of "= 1" the planner expects so few groups that it compares all with all.
WITH entries AS (
    SELECT user_id, reference_id, transaction_type, amount, id
      FROM public.credit_transactions
     WHERE transaction_type IN ('usage', 'refund', 'admin_adjustment')
    UNION ALL
    SELECT user_id, regexp_replace(reference_id, ' part [0-9]+$', ''), transaction_type, amount, id
      FROM public.credit_transactions
     WHERE transaction_type = 'admin_adjustment' AND reference_id ~ ' part [0-9]+$'
), charges AS (
    SELECT user_id, reference_id, -sum(amount) AS net,
           -sum(amount) FILTER (WHERE transaction_type = 'usage') AS gross,
           coalesce(-sum(amount) FILTER (WHERE transaction_type = 'refund'), 0) AS refunds,
           coalesce(-sum(amount) FILTER (WHERE transaction_type = 'admin_adjustment'
                                           AND amount > 0), 0) AS parts,
           coalesce(-sum(amount) FILTER (WHERE transaction_type = 'admin_adjustment'
                                           AND amount < 0), 0) AS more,
           count(*) FILTER (WHERE transaction_type = 'usage') AS charges,
           min(id) FILTER (WHERE transaction_type = 'usage') AS id
      FROM entries
     WHERE btrim(reference_id) NOT IN ('', 'None', 'null', 'undefined')
     GROUP BY user_id, reference_id
    HAVING bool_or(transaction_type = 'usage')
), requests AS (
    SELECT user_id, request_id, max(credits_used) AS credits, min(id) AS id,
           bool_and(success) AS success, bool_or(byok_used) AS byok_used
      FROM public.llm_usage_log
     GROUP BY user_id, request_id
    HAVING count(*) < 2
       AND max(created_at)
           < (SELECT current_setting('creditdb.now')::timestamptz - interval '15 minutes')
)
SELECT format('request %s of user %s', l.request_id, l.user_id) AS subject,
       trim_scale(-l.credits)::text AS expected,
       trim_scale(-c.net)::text AS actual,
       nullif(l.credits - c.net, 'NaN') AS difference,
       CASE WHEN l.success IS FALSE AND l.credits = 0 THEN 'failed-but-charged'
            WHEN l.byok_used AND l.credits = 0 THEN 'byok-charged'
            WHEN round(c.net / nullif(l.credits, 0), 6)
                 IN (0.001, 0.01, 0.1, 10, 100, 1000) THEN 'unit-mix'
            WHEN abs(c.net - l.credits) < 0.01 THEN 'truncation'
            ELSE 'unknown' END AS cause,
       format('log row %s has %s, %s took %s', l.id, trim_scale(l.credits),
              CASE WHEN c.charges > 1 THEN c.charges || ' charges from entry ' || c.id || ' on'
                   ELSE 'entry ' || c.id END,
              trim_scale(c.gross)) AS detail
  FROM charges AS c
  JOIN requests AS l ON l.user_id = c.user_id AND l.request_id = c.reference_id
 WHERE l.credits IS DISTINCT FROM c.gross
   AND (SELECT bool_and(l.credits IS DISTINCT FROM c.gross + later.credits)
               AND (c.charges > 1 AND l.credits <= max(c.gross + later.credits)) IS NOT TRUE
          FROM unnest(ARRAY[0, c.refunds, c.parts, c.more, c.refunds + c.parts,
                            c.refunds + c.more, c.parts + c.more,
                            c.refunds + c.parts + c.more]) AS later (credits));
