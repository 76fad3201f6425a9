-- title: total tokens are prompt tokens plus completion tokens
-- kind: row
-- table: llm_usage_log
-- scope: user
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: the counts are stored as the provider sent them
-- why: providers count cached or reasoning tokens in the total but in neither part, or a streamed
--   answer was logged before its last part. Prices by token then rest on a wrong count.
-- remedy: find the model and provider: SELECT provider, model, count(*) FROM public.llm_usage_log
--   WHERE total_tokens <> prompt_tokens + completion_tokens GROUP BY 1, 2. Let the gateway add
--   the missing kind of tokens to the side that it is priced with.
-- expected: (prompt_tokens::numeric + completion_tokens)::text
-- actual: coalesce(total_tokens::text, 'NULL')
-- canary: {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 3}

-- Subtracted, and only what cannot overflow, because the sum of two hostile counts does, and would
-- stop the audit. Negative or missing parts are tokens-negative.
(prompt_tokens >= 0 AND completion_tokens >= 0) IS TRUE
AND CASE WHEN total_tokens >= prompt_tokens
         THEN total_tokens - prompt_tokens <> completion_tokens
         ELSE true END
