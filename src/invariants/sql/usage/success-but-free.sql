-- title: a request that used tokens has a cost
-- kind: row
-- table: llm_usage_log
-- scope: user
-- severity: info
-- since: 1.0.0
-- guarded_by: nothing: a model may be free
-- why: a new model has no price yet, and the gateway took that for 0. Its users are served for
--   free until somebody looks.
-- remedy: find the models: SELECT provider, model, count(*) FROM public.llm_usage_log WHERE success
--   AND credits_used = 0 AND NOT byok_used GROUP BY 1, 2. Give each a price, and charge what is
--   worth it with type admin_adjustment.
-- expected: 'above 0'
-- actual: trim_scale(credits_used)::text
-- canary: {"success": true, "byok_used": false, "total_tokens": 1, "credits_used": 0}

-- With the user's own key it is free by right: byok-charged is the other side. Negative costs and
-- NaN are credits-negative.
(success AND NOT byok_used AND total_tokens > 0 AND credits_used = 0) IS TRUE
