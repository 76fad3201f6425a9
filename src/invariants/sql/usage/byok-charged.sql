-- title: a request with the user's own key costs nothing
-- kind: row
-- table: llm_usage_log
-- scope: user
-- severity: warning
-- since: 1.0.0
-- guarded_by: nothing: a fee for such requests could be agreed
-- why: the flag got lost between the router and the price: the user pays the provider and pays
--   here as well.
-- remedy: settle request-id-duplicate first, where it names the request. Ask the ledger what was
--   charged and not given back: SELECT -sum(amount) FROM public.credit_transactions WHERE user_id =
--   <user> AND (reference_id = <request_id> OR starts_with(reference_id, <request_id> || ' part '))
--   AND transaction_type IN ('usage', 'refund', 'admin_adjustment'). Give that back where it is
--   above 0: SELECT * FROM public.add_user_credits(<user>, <charged>, 'refund', <request_id>, 'own
--   key'). Where a part was refunded before, pass admin_adjustment, and where an adjustment has
--   that reference, '<request_id> part <n>' with the next number. Then correct the log: UPDATE
--   public.llm_usage_log SET credits_used = 0 WHERE id = <log row>.
-- expected: '0'
-- actual: trim_scale(credits_used)::text
-- difference: credits_used
-- canary: {"byok_used": true, "success": true, "credits_used": 1}

-- Logged as free but charged in the ledger is usage-amount-mismatch, failed and charged is
-- failed-but-charged; negative costs and NaN are credits-negative.
byok_used IS TRUE AND success IS NOT FALSE
AND (credits_used > 0 AND credits_used <> 'NaN') IS TRUE
