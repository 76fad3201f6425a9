-- One slice of the usage log. The sequence gives out the ids in the order of the rows.
INSERT INTO public.llm_usage_log
    (user_id, request_id, model, provider, power_level, prompt_tokens, completion_tokens,
     total_tokens, credits_used, latency_ms, success, error_message, byok_used, created_at)
SELECT u.user_id, r.request_id, r.model, r.provider, r.power_level,
       r.prompt_tokens, r.completion_tokens, r.prompt_tokens + r.completion_tokens,
       pg_temp.credits(r.units), r.latency_ms, r.error_message IS NULL, r.error_message,
       r.byok_used, pg_temp.moment(r.at_us)
  FROM pg_temp.sample_requests AS r
  JOIN pg_temp.sample_users AS u ON u.user_n = r.user_n
 WHERE r.position BETWEEN $1 AND $2
 ORDER BY r.position;
