-- a retried request is logged twice under one request_id
INSERT INTO public.llm_usage_log
       (user_id, request_id, model, provider, power_level, prompt_tokens, completion_tokens,
        total_tokens, credits_used, latency_ms, success, byok_used, metadata, created_at)
SELECT user_id, request_id, model, provider, power_level, prompt_tokens, completion_tokens,
       total_tokens, credits_used, latency_ms, success, byok_used, metadata,
       created_at + interval '2 seconds'
  FROM public.llm_usage_log
 WHERE success AND NOT byok_used AND credits_used > 0
 ORDER BY credits_used DESC, id
 LIMIT 1;
