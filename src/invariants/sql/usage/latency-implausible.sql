-- title: a latency is between 0 and 1 hour
-- kind: row
-- table: llm_usage_log
-- scope: user
-- severity: info
-- since: 1.0.0
-- guarded_by: nothing: what is plausible is no law
-- why: seconds or microseconds were stored as milliseconds, or a clock went back during the
--   request. Routing by latency then prefers the wrong provider.
-- remedy: find the writer: SELECT provider, model, min(created_at) FROM public.llm_usage_log
--   WHERE latency_ms < 0 OR latency_ms > 3600000 GROUP BY 1, 2. Convert its rows, or set them to
--   NULL.
-- expected: '0 to 3600000 ms'
-- actual: latency_ms || ' ms'
-- canary: {"latency_ms": -1}

-- NULL is a request that failed before it could be timed.
(latency_ms < 0 OR latency_ms > 3600000) IS TRUE
