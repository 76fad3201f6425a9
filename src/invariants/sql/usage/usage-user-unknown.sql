-- title: a user in the usage log has a balance row
-- kind: query
-- table: llm_usage_log
-- scope: user
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: the log has no foreign key, so that no request goes unlogged
-- why: the gateway lets requests through for users whom nobody provisioned, or the balance row
--   was deleted. No money is involved yet, but the user can be charged nothing.
-- remedy: provision the user: INSERT INTO public.user_credits (user_id) VALUES (<user>) ON
--   CONFLICT (user_id) DO NOTHING; or find out whose requests these are.
-- suspects: (success IS NOT FALSE AND (credits_used = 0 OR request_id IS NULL)) IS TRUE AND NOT
--   EXISTS (SELECT FROM public.user_credits AS uc WHERE uc.user_id = llm_usage_log.user_id)
-- canary: {"llm_usage_log": [
--   {"user_id": "00000000-0000-4000-8000-000000000001", "success": true, "credits_used": 0,
--    "created_at": "2021-01-01T00:00:00Z"}], "user_credits": [
--   {"user_id": "00000000-0000-4000-8000-000000000002"}], "credit_transactions": [
--   {"user_id": "00000000-0000-4000-8000-000000000002", "amount": 5}]}
-- incremental: SELECT FROM public.llm_usage_log AS n WHERE n.id > $log AND n.success IS NOT
--   FALSE AND NOT EXISTS (SELECT FROM public.user_credits AS uc WHERE uc.user_id = n.user_id)

-- Users with entries are balance-row-missing, an error. Requests that failed are left out: an
-- unknown user's request should fail. Requests that cost something and have an id are not suspect by
-- themselves: while log and ledger agree, their users have entries.
-- Between full audits, a balance row that was deleted is noticed by its entries only.
SELECT 'user ' || coalesce(l.user_id::text, 'NULL') AS subject,
       'a balance row'::text AS expected,
       'no row'::text AS actual,
       NULL::numeric AS difference,
       'row-missing'::text AS cause,
       format('%s log rows, %s credits, from %s to %s', count(*),
              trim_scale(sum(l.credits_used)), min(l.created_at), max(l.created_at)) AS detail
  FROM public.llm_usage_log AS l
 WHERE l.success IS NOT FALSE
   AND NOT EXISTS (SELECT FROM public.user_credits AS uc WHERE uc.user_id = l.user_id)
   AND NOT EXISTS (SELECT FROM public.credit_transactions AS ct WHERE ct.user_id = l.user_id)
 GROUP BY l.user_id;
