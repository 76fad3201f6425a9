-- title: every row says when it was created, after 2020
-- kind: row
-- table: credit_transactions, llm_usage_log, user_credits, user_provider_keys
-- scope: user
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: NOT NULL allows 1970 and -infinity
-- why: a client sends 0 for a missing time, which is 1970, or seconds where milliseconds are
--   expected. Such rows are in no report of a period.
-- remedy: find the writer that sets created_at itself and let the column default do it. Take the
--   time of rows of the log from their neighbours by id: SELECT id, created_at FROM
--   public.llm_usage_log WHERE id BETWEEN <id> - 5 AND <id> + 5.
-- expected: 'after 2020'
-- actual: coalesce(created_at::text, 'NULL')
-- canary: {"created_at": "1970-01-01"}

-- The far side, infinity included, is timestamp-future.
(created_at >= '2020-01-01 00:00:00 UTC') IS NOT TRUE
