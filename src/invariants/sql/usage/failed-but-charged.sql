-- title: a failed request costs nothing
-- kind: row
-- table: llm_usage_log
-- scope: user
-- severity: error
-- since: 1.0.0
-- guarded_by: nothing: a failed stream may be charged by agreement, so no constraint forbids it
-- why: the error came after the debit, and nobody gave the credits back. Users pay for errors,
--   most of all while a provider is down.
-- remedy: give the credits back, SELECT * FROM public.add_user_credits(<user>, <credits>,
--   'refund', <request_id>, 'failed request'), and then set credits_used of the log row to 0.
-- expected: '0'
-- actual: trim_scale(credits_used)::text
-- difference: credits_used
-- canary: {"success": false, "credits_used": 1}

-- Logged as free but charged in the ledger is usage-amount-mismatch; NULL, NaN and negative costs
-- are credits-negative.
success IS FALSE AND (credits_used > 0 AND credits_used <> 'NaN') IS TRUE
