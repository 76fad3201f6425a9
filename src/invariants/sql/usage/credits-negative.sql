-- title: the logged cost of a request is a number and not negative
-- kind: row
-- table: llm_usage_log
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: llm_usage_log_credits_check, llm_usage_log.credits_used not null
-- why: a model has a negative price, or a refund was logged as a request. Sums of the cost come
--   out too low; NaN makes every sum NaN.
-- remedy: compute the cost from tokens and price, and correct the row: UPDATE
--   public.llm_usage_log SET credits_used = <cost> WHERE id = <id>. Compare with the charge:
--   "creditdb verify usage-amount-mismatch sign-usage".
-- expected: 'a number, 0 or above'
-- actual: coalesce(trim_scale(credits_used)::text, 'NULL')
-- difference: nullif(credits_used, 'NaN')
-- canary: {"credits_used": "NaN"}

-- "credits_used >= 0" is true for NaN, which is greater than Infinity.
(credits_used >= 0 AND credits_used < 'Infinity') IS NOT TRUE
