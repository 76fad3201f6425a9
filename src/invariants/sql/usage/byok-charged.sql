-- title: a request with the user's own key costs nothing
-- kind: row
-- table: llm_usage_log
-- scope: user
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: a fee for such requests could be agreed
-- why: the flag got lost between the router and the price: the user pays the provider and pays
--   here as well.
-- remedy: give the credits back, SELECT * FROM public.add_user_credits(<user>, <credits>,
--   'refund', <request_id>, 'own key'), and then set credits_used of the log row to 0.
-- expected: '0'
-- actual: trim_scale(credits_used)::text
-- difference: credits_used
-- canary: {"byok_used": true, "success": true, "credits_used": 1}

-- Logged as free but charged in the ledger is usage-amount-mismatch, failed and charged is
-- failed-but-charged; negative costs and NaN are credits-negative.
byok_used IS TRUE AND success IS NOT FALSE
AND (credits_used > 0 AND credits_used <> 'NaN') IS TRUE
