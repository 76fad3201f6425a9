-- title: a usage entry has its row in the usage log
-- kind: query
-- scope: user
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: log and ledger are written by two calls until schema 1.2.0
-- why: the insert into the log failed after the debit, or the request was never sent: the user
--   was charged and nobody can show for what. Entries younger than 15 minutes are not judged,
--   because the log is written after the debit.
-- remedy: settle usage-user-mismatch first, where it names the request, and audit again. Ask the
--   provider for the request by its id. Insert the log row when it was served; give the credits
--   back when it was not: SELECT * FROM public.add_user_credits(<user>, <credits>, 'refund',
--   <request_id>, <reason>). Where a part was refunded before, pass admin_adjustment, and where an
--   adjustment has that reference, '<request_id> part <n>' with the next number.
-- canary: {"credit_transactions": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "transaction_type": "usage", "amount": -5,
--    "reference_id": "a", "created_at": "2021-01-02T00:00:00Z"}], "llm_usage_log": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "request_id": "b",
--    "created_at": "2021-01-01T00:00:00Z"}]}
-- incremental: SELECT FROM public.credit_transactions AS n WHERE n.id > $entries AND
--   n.transaction_type = 'usage' AND btrim(n.reference_id) NOT IN ('', 'None', 'null',
--   'undefined') AND n.created_at < (SELECT current_setting('creditdb.now')::timestamptz) -
--   interval '15 minutes' AND NOT EXISTS (SELECT FROM public.llm_usage_log AS l WHERE l.user_id =
--   n.user_id AND l.request_id = n.reference_id)

-- Only entries within the log's retention are judged: not older than the oldest row that the log
-- still has (a row from before 2020 does not count: timestamp-missing), or 30 days when the log
-- is empty. Nor in the 15 minutes after that: the log row may bear an earlier time than its entry,
-- and the limit of retention may lie between them. Silent again when refunds of the request gave
-- the charge back, whose second part is an admin_adjustment, and so are further ones, with
-- '<request_id> part 3' and so on. Entries without a reference belong to requests without an id:
-- request-id-missing. The times are compared last: a planner that cannot know them expects few
-- entries and would look up each one by itself.
WITH charges AS (
    SELECT user_id, id, transaction_type, amount, reference_id, created_at
      FROM public.credit_transactions
     WHERE transaction_type = 'usage'
        OR (transaction_type IN ('refund', 'admin_adjustment') AND amount > 0)
    UNION ALL
    SELECT user_id, id, transaction_type, amount,
           regexp_replace(reference_id, ' part [0-9]+$', ''), created_at
      FROM public.credit_transactions
     WHERE transaction_type = 'admin_adjustment' AND amount > 0
       AND reference_id ~ ' part [0-9]+$'
)
SELECT format('user %s entry %s', ct.user_id,
              min(ct.id) FILTER (WHERE ct.transaction_type = 'usage')) AS subject,
       'log row of request ' || ct.reference_id AS expected,
       'no row'::text AS actual,
       sum(ct.amount) AS difference,
       'log-lost'::text AS cause,
       'charged ' || min(ct.created_at) FILTER (WHERE ct.transaction_type = 'usage') AS detail
  FROM charges AS ct
 WHERE btrim(ct.reference_id) NOT IN ('', 'None', 'null', 'undefined')
   AND NOT EXISTS (
           SELECT FROM public.llm_usage_log AS l
            WHERE l.user_id = ct.user_id
              AND l.request_id = ct.reference_id)
 GROUP BY ct.user_id, ct.reference_id
HAVING sum(ct.amount) < 0
   AND min(ct.created_at) FILTER (WHERE ct.transaction_type = 'usage')
       < (SELECT current_setting('creditdb.now')::timestamptz - interval '15 minutes')
   AND min(ct.created_at) FILTER (WHERE ct.transaction_type = 'usage') >= (
           SELECT least(coalesce(min(l.created_at) FILTER (
                                     WHERE l.created_at >= '2020-01-01 UTC'),
                                 current_setting('creditdb.now')::timestamptz - interval '30 days'),
                        current_setting('creditdb.now')::timestamptz) + interval '15 minutes'
             FROM public.llm_usage_log AS l);
