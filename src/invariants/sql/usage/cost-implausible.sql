-- title: the price of a token is within a factor of 20 of the model's usual one
-- kind: query
-- scope: global
-- severity: info
-- since: 1.0.0
-- guarded_by: nothing: prices change
-- why: a price per million tokens was entered as one per thousand, or a provider's count is in
--   characters. The charge agrees with the log, and both are wrong.
-- remedy: multiply the tokens of the row by the price of the model. When the cost is wrong, correct
--   the log row and settle the charge by the difference, with type refund or admin_adjustment and
--   the request as reference.
-- canary: {"llm_usage_log": [
--   {"*": 20, "id": 1, "user_id": "00000000-0000-4000-8000-000000000001", "model": "m",
--    "success": true, "total_tokens": 1000, "credits_used": 1},
--   {"id": 2, "user_id": "00000000-0000-4000-8000-000000000001", "model": "m", "success": true,
--    "total_tokens": 1000, "credits_used": 21}]}
-- incremental: full audits only: a median takes all requests

-- Usual is the median of model and power level, from 20 requests on, among the newest rows of the
-- log, as many as the setting says: prices change. It is computed only where the dearest token is
-- more than 20 times the cheapest: else nothing can stand out.
WITH rates AS NOT MATERIALIZED (
    SELECT l.user_id, l.id, l.model, l.provider, l.power_level, l.total_tokens, l.credits_used,
           l.credits_used / l.total_tokens * 1000 AS rate
      FROM public.llm_usage_log AS l
     WHERE l.id BETWEEN (SELECT max(id) - current_setting('creditdb.recent')::bigint
                           FROM public.llm_usage_log)
                    AND (SELECT max(id) FROM public.llm_usage_log)
       AND l.success IS NOT FALSE AND l.byok_used IS NOT TRUE
       AND l.total_tokens > 0 AND l.credits_used > 0 AND l.credits_used < 'Infinity'
), suspects AS MATERIALIZED (
    SELECT model, power_level
      FROM rates
     GROUP BY model, power_level
    HAVING count(*) >= 20 AND max(rate) > 20 * min(rate)
), medians AS MATERIALIZED (
    SELECT r.model, r.power_level, percentile_disc(0.5) WITHIN GROUP (ORDER BY r.rate) AS usual
      FROM rates AS r
      JOIN suspects AS s
        ON s.model = r.model AND s.power_level IS NOT DISTINCT FROM r.power_level
     GROUP BY r.model, r.power_level
)
SELECT format('user %s log row %s', r.user_id, r.id) AS subject,
       format('about %s credits per 1000 tokens', round(m.usual, 8)) AS expected,
       round(r.rate, 8)::text AS actual,
       r.credits_used - round(m.usual * r.total_tokens / 1000, 8) AS difference,
       'unit-mix'::text AS cause,
       format('model %s of %s at level %s, %s tokens', r.model, r.provider,
              coalesce(r.power_level, 'none'), r.total_tokens) AS detail
  FROM rates AS r
  JOIN medians AS m ON m.model = r.model AND m.power_level IS NOT DISTINCT FROM r.power_level
 WHERE r.rate > 20 * m.usual OR r.rate * 20 < m.usual;
