-- title: a failed request has an error, a successful one has none
-- kind: row
-- table: llm_usage_log
-- scope: user
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: rows of old gateways may lack the message
-- why: half-written rows: the status was set on one path and the message on another. Error rates
--   and the decision who gets credits back rest on one of them.
-- remedy: see what the provider says about the request and set the side that is wrong: UPDATE
--   public.llm_usage_log SET success = <true or false>, error_message = <message or NULL> WHERE
--   id = <id>.
-- expected: CASE WHEN success THEN 'no error message' WHEN NOT success THEN 'an error message'
--   ELSE 'true or false' END
-- actual: CASE WHEN success IS NULL THEN 'success is NULL' WHEN success THEN format('an error
--   message of %s characters', length(error_message)) ELSE 'none' END
-- canary: {"success": true, "error_message": "timeout"}

-- The message itself is not shown: it may hold what secret-in-text looks for.
success IS NULL
OR success IS NOT DISTINCT FROM (error_message IS NOT NULL AND btrim(error_message) <> '')
