-- title: a usage entry has its row in the usage log
-- kind: query
-- scope: user
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: log and ledger are written by two calls until schema 1.2.0
-- why: the insert into the log failed after the debit, or the request was never sent: the user
--   was charged and nobody can show for what. Entries younger than 15 minutes are not judged,
--   because the log is written after the debit.
-- remedy: ask the provider for the request by its id. Insert the log row when it was served; give
--   the credits back when it was not: SELECT * FROM public.add_user_credits(<user>, <credits>,
--   'refund', <request_id>, <reason>).

-- Only entries within the log's retention are judged: not older than the oldest row that the log
-- still has (a row from before 2020 does not count: timestamp-missing), or 30 days when the log
-- is empty. Silent again when the charge was refunded. Entries without a reference belong to
-- requests without an id: request-id-missing.
WITH unlogged AS MATERIALIZED (
    SELECT ct.user_id, ct.id, ct.reference_id, ct.amount, ct.created_at, ct.description
      FROM public.credit_transactions AS ct
     WHERE ct.transaction_type = 'usage'
       AND btrim(ct.reference_id) NOT IN ('', 'None', 'null', 'undefined')
       AND NOT EXISTS (
               SELECT FROM public.llm_usage_log AS l
                WHERE l.user_id = ct.user_id
                  AND l.request_id = ct.reference_id)
), refunds AS (
    SELECT user_id, reference_id, sum(amount) AS total
      FROM public.credit_transactions
     WHERE transaction_type = 'refund' AND amount > 0
     GROUP BY user_id, reference_id
)
SELECT format('user %s entry %s', u.user_id, u.id) AS subject,
       'log row of request ' || u.reference_id AS expected,
       'no row'::text AS actual,
       nullif(u.amount, 'NaN') AS difference,
       'log-lost'::text AS cause,
       format('charged %s: %s', u.created_at, coalesce(u.description, 'no description')) AS detail
  FROM unlogged AS u
  LEFT JOIN refunds AS r ON r.user_id = u.user_id AND r.reference_id = u.reference_id
 WHERE u.created_at
       < (SELECT current_setting('creditdb.now')::timestamptz) - interval '15 minutes'
   AND u.created_at >= (
           SELECT coalesce(min(l.created_at) FILTER (WHERE l.created_at >= '2020-01-01 UTC'),
                           current_setting('creditdb.now')::timestamptz - interval '30 days')
             FROM public.llm_usage_log AS l)
   AND (u.amount + r.total >= 0) IS NOT TRUE;
