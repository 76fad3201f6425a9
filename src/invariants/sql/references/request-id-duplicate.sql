-- title: a request of a user is logged once
-- kind: query
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: llm_usage_log_request_key
-- why: the gateway retried, or two of its layers both log. Usage statistics count the request
--   twice, and where the debit is repeated as well the user pays twice.
-- remedy: keep one of the log rows, the one that was charged (its credits_used are those of the
--   usage entry), else the successful one, else the first: DELETE FROM public.llm_usage_log WHERE
--   user_id = <user> AND request_id = <request_id> AND id <> <kept>. Give nothing back on the word
--   of the log: whether the user paid twice, the ledger tells, "creditdb verify
--   usage-reference-duplicate usage-amount-mismatch".
-- canary: {"llm_usage_log": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "request_id": "a"},
--   {"user_id": "00000000-0000-4000-8000-000000000001", "request_id": "a"}]}

-- One id on requests of different users is request-id-collision, ids that say nothing are
-- request-id-missing. A failed attempt and its retry under one id count too: from schema 1.2.0 on
-- the log refuses the second row. What two rows cost says nothing of what was charged, so that no
-- difference is told.
SELECT format('request %s of user %s', request_id, user_id) AS subject,
       '1 row'::text AS expected,
       count(*) || ' rows' AS actual,
       NULL::numeric AS difference,
       CASE WHEN count(*) FILTER (WHERE credits_used <> 0) > 1 THEN 'logged-twice'
            ELSE 'retry' END AS cause,
       format('log rows %s to %s, from %s to %s, %s successful, %s credits in all',
              min(id), max(id), min(created_at), max(created_at),
              count(*) FILTER (WHERE success), trim_scale(sum(credits_used))) AS detail
  FROM public.llm_usage_log
 WHERE btrim(request_id) NOT IN ('', 'None', 'null', 'undefined')
 GROUP BY user_id, request_id
HAVING count(*) > 1;
