-- title: token counts are not negative
-- kind: row
-- table: llm_usage_log
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: llm_usage_log_tokens_check, llm_usage_log.prompt_tokens not null,
--   llm_usage_log.completion_tokens not null, llm_usage_log.total_tokens not null
-- why: an upstream sends a negative or missing count, by error or to be paid less. Prices and
--   sums by token are wrong.
-- remedy: ask the provider for the request's true counts and correct the row: UPDATE
--   public.llm_usage_log SET prompt_tokens = <count>, completion_tokens = <count>, total_tokens =
--   <sum> WHERE id = <id>. Let the gateway refuse such answers.
-- expected: '0 or above'
-- actual: format('prompt %s, completion %s, total %s', prompt_tokens, completion_tokens,
--   total_tokens)
-- canary: {"prompt_tokens": -1, "completion_tokens": 1, "total_tokens": 0}

-- Whether they add up is tokens-add-up.
(prompt_tokens >= 0 AND completion_tokens >= 0 AND total_tokens >= 0) IS NOT TRUE
