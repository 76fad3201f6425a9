-- why: a request of a user is logged once. Over all users ids do collide, because upstreams count
--   from one again after a restart; idx_llm_usage_log_request_id stays for questions about those.
-- locks: share update exclusive on llm_usage_log while it is built; nobody waits.
-- transaction: none
-- undo: DROP INDEX CONCURRENTLY public.llm_usage_log_request_key.
-- precheck: request-id-duplicate

-- Without ids that say nothing: two rows may have them.
CREATE UNIQUE INDEX CONCURRENTLY llm_usage_log_request_key
    ON public.llm_usage_log (user_id, request_id)
    WHERE btrim(request_id) NOT IN ('', 'None', 'null', 'undefined');
