-- title: no two users have the same request id
-- kind: query
-- scope: global
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: upstreams repeat ids, so no constraint forbids it
-- why: an upstream counts from one again after a restart, or one request was logged for two
--   users. Whoever looks a request up by its id alone, support or a refund job, finds the wrong
--   user.
-- remedy: see whether the rows are one request or two: SELECT * FROM public.llm_usage_log WHERE
--   request_id = <id>. For two, let the gateway prefix ids with the provider; for one, refund the
--   user who did not send it with public.add_user_credits and type refund. Then put on record what
--   it was, for each user but one: SELECT * FROM public.add_user_credits(<user>, 0.00000001,
--   'admin_adjustment', 'request <id>', <reason>).
-- question: SELECT FROM public.llm_usage_log GROUP BY request_id HAVING CASE WHEN count(*) > 1
--   THEN btrim(request_id) NOT IN ('', 'None', 'null', 'undefined') END LIMIT 1
-- canary: {"llm_usage_log": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "request_id": "a"},
--   {"user_id": "00000000-0000-4000-8000-000000000002", "request_id": "a"}]}
-- incremental: SELECT FROM public.llm_usage_log AS n JOIN public.llm_usage_log AS o ON
--   o.request_id = n.request_id AND o.user_id <> n.user_id WHERE n.id > $log AND
--   btrim(n.request_id) NOT IN ('', 'None', 'null', 'undefined')

-- Repeats within one user are request-id-duplicate, ids that say nothing request-id-missing. A user
-- is left out who has an admin_adjustment whose reference is 'request <id>'; the next user with
-- that id is a finding again. Whether any id occurs twice is asked first: for one answer, a planner
-- reads the index in its order, and needs neither sort nor memory.
WITH requests AS (
    SELECT request_id, user_id, min(created_at) AS first_at
      FROM public.llm_usage_log
     WHERE btrim(request_id) NOT IN ('', 'None', 'null', 'undefined')
     GROUP BY request_id, user_id
)
SELECT 'request ' || r.request_id AS subject,
       '1 user'::text AS expected,
       count(*) || ' users' AS actual,
       NULL::numeric AS difference,
       'collision'::text AS cause,
       format('among them %s and %s, from %s to %s',
              min(r.user_id::text), max(r.user_id::text), min(first_at), max(first_at)) AS detail
  FROM requests AS r
 WHERE NOT EXISTS (
           SELECT FROM public.credit_transactions AS n
            WHERE n.user_id = r.user_id
              AND n.transaction_type = 'admin_adjustment'
              AND n.reference_id = 'request ' || r.request_id)
 GROUP BY r.request_id
HAVING count(*) > 1;
